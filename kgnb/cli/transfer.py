"""`kgnb export`, `kgnb copy` and `kgnb import`: graphs as files, the record as one file, books out of it."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3

from kgnb.app import context, transfer
from kgnb.app.library import open_book
from kgnb.cli import options
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.render.export import check_place
from kgnb.render.formats import FORMAT_OF_ENDING, format_of
from kgnb.stores.embedded.record_copy import RECORD, copy_record
from kgnb.stores.embedded.restore import is_database


async def export_graph(args: argparse.Namespace, settings: Settings) -> int:
    """Write a task's graph, in the format that ``--format`` or the file's ending names; return 0. Raises
    InputError for neither.
    """
    chosen = FORMAT_OF_ENDING.get(f".{args.format}") or format_of(args.output)
    if chosen is None:
        raise InputError("cli.no_format", path=args.output, known=" ".join(FORMAT_OF_ENDING))
    check_place(args.output, chosen)
    async with open_book(settings, args.book, queue=False, graph=False) as (app, task):
        await transfer.export(app, task.novel_id, chosen, args.output, args.until)
    print(options.written(args.output, chosen))
    return options.OK


async def import_record(args: argparse.Namespace, settings: Settings) -> int:
    """Import the books of another record into this database and make their graphs; return 0."""
    async with context.open_app(settings, queue=False) as app:
        imported = await transfer.import_books(app, args.source)
    return options.show(args, imported, lambda: map(_imported, imported))


def _imported(book: transfer.ImportResult) -> str:
    """Return the line on an imported book."""
    tasks = ", ".join(map(str, book.tasks)) or "-"
    key = "cli.imported_again" if book.known else "cli.imported"
    return say(key, title=one_line(book.title), chapters=book.chapters, tasks=tasks)


async def copy(args: argparse.Namespace, settings: Settings) -> int:
    """Copy the record, to which a running build may go on writing, to one file; return 0. Raises InputError
    for a record on a server, and a missing one.
    """
    source, target = settings.sqlite_path, args.target
    if not settings.embedded_sql:
        raise InputError("resume.copy_shared")
    if not source.exists():
        raise InputError("resume.none", source=settings.data.absolute(), found="")
    target = target / RECORD if target.is_dir() else target
    if target.exists() and target.samefile(source):
        raise InputError("resume.copy_itself", path=target)
    if target.exists() and not is_database(target):  # the novel itself, by a slip
        raise InputError("resume.copy_overwrites", path=target)
    try:
        await asyncio.to_thread(copy_record, source, target)
    except (OSError, sqlite3.Error) as error:
        raise InputError("resume.copy_failed", source=source, data=target, reason=error) from error
    print(say("cli.copied", path=target, mb=f"{target.stat().st_size / 1e6:.1f}"))
    return options.OK
