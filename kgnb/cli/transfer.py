"""`kgnb export` and `kgnb import`: a book's graph and record out of an engine and into another."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from kgnb.cli import options
from kgnb.cli.parser import Commands, Parser
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line

if TYPE_CHECKING:
    from kgnb.core.settings import Settings


def add_export(commands: Commands[Parser]) -> None:
    """Declares `kgnb export`."""
    added = options.command(commands, "export", export_graph)
    options.task_argument(added)
    added.add_argument("--format", choices=options.FORMATS, help=say("cli.help_format"))
    about = say("cli.help_output")
    options.file_argument(
        added, "-o", "--output", type=options.graph_file, metavar="FILE", required=True, help=about
    )


def add_import(commands: Commands[Parser]) -> None:
    """Declares `kgnb import`."""
    added = options.command(commands, "import", import_record)
    options.file_argument(added, "file", metavar="FILE.json", help=say("cli.help_import_file"))
    options.json_option(added)


async def export_graph(args: argparse.Namespace, settings: Settings) -> int:
    """Writes a task's graph, in the format that ``--format`` or the file's ending names."""
    from kgnb.app import context, export, tasks
    from kgnb.render.export import check_place

    chosen = args.format or options.format_of(args.output)
    if chosen is None:
        raise InputError("cli.no_format", path=args.output, known=" ".join(options.FORMAT_OF_ENDING))
    check_place(args.output)
    async with context.open_for_task(settings, args.task, queue=False) as app:
        task = await tasks.find_task(app, args.task)
        await export.export(app, task.novel_id, chosen, args.output)
    print(options.written(args.output, chosen))
    return options.OK


async def import_record(args: argparse.Namespace, settings: Settings) -> int:
    """Takes a JSON export into this database and makes its graph."""
    from kgnb.app import context, import_book

    async with context.open_app(settings, queue=False) as app:
        imported = await import_book.import_book(app, args.file)
    if args.json:
        options.print_json(dataclasses.asdict(imported))
        return options.OK
    tasks = ", ".join(map(str, imported.tasks)) or "-"
    key = "cli.imported_again" if imported.known else "cli.imported"
    print(say(key, title=one_line(imported.title), chapters=imported.chapters, tasks=tasks))
    return options.OK
