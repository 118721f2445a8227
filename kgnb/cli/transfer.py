"""`kgnb export` and `kgnb import`: a book's graph and record out of an engine and into another."""

from __future__ import annotations

import argparse

from kgnb.app import context, transfer
from kgnb.app.tasks import find_task
from kgnb.cli import options
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.render.export import check_place
from kgnb.render.formats import FORMAT_OF_ENDING, format_of


async def export_graph(args: argparse.Namespace, settings: Settings) -> int:
    """Writes a task's graph, in the format that ``--format`` or the file's ending names."""
    chosen = args.format or format_of(args.output)
    if chosen is None:
        raise InputError("cli.no_format", path=args.output, known=" ".join(FORMAT_OF_ENDING))
    check_place(args.output)
    async with context.open_for_task(settings, args.task, queue=False, graph=False) as app:
        task = await find_task(app, args.task)
        await transfer.export(app, task.novel_id, chosen, args.output)
    print(options.written(args.output, chosen))
    return options.OK


async def import_record(args: argparse.Namespace, settings: Settings) -> int:
    """Takes a JSON export into this database and makes its graph."""
    async with context.open_app(settings, queue=False) as app:
        imported = await transfer.import_book(app, args.file)
    tasks = ", ".join(map(str, imported.tasks)) or "-"
    key = "cli.imported_again" if imported.known else "cli.imported"
    line = say(key, title=one_line(imported.title), chapters=imported.chapters, tasks=tasks)
    return options.show(args, imported, lambda: [line])
