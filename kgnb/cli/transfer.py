"""`kgnb export` and `kgnb import`: a book's graph and record out of an engine and into another."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from kgnb.cli.options import OK, command, json_option, row_id
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings


def add_export(commands: Any) -> None:
    """Declares `kgnb export`."""
    added = command(commands, "export", _export)
    added.add_argument("task", type=row_id, metavar="TASK", help=say("cli.help_task"))
    formats = ("json", "csv", "graphml", "cypher", "html")
    added.add_argument("--format", choices=formats, required=True, help=say("cli.help_format"))
    added.add_argument("-o", "--output", metavar="FILE", required=True, help=say("cli.help_output"))


def add_import(commands: Any) -> None:
    """Declares `kgnb import`."""
    added = command(commands, "import", _import)
    added.add_argument("file", metavar="FILE.json", help=say("cli.help_import_file"))
    json_option(added)


async def _export(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.export import export, find_task

    async with open_app(settings, queue=False) as app:
        task = await find_task(app, args.task)
        await export(app, task.novel_id, args.format, Path(args.output))
    return OK


async def _import(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.import_book import take_in

    async with open_app(settings, queue=False) as app:
        carried = await take_in(app, args.file)
    if args.json:
        print(json.dumps(dataclasses.asdict(carried), ensure_ascii=False))
        return OK
    tasks = ", ".join(map(str, carried.tasks)) or "-"
    key = "cli.imported_again" if carried.known else "cli.imported"
    print(say(key, title=one_line(carried.title), chapters=carried.chapters, tasks=tasks))
    return OK
