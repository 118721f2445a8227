"""The terminal's commands on the names of a book: names, merge, split."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from kgnb.cli.options import OK, chapter_number, command, json_option, row_id
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.render.names_text import changed_line, decision_line, named_line

if TYPE_CHECKING:
    from kgnb.graph.resolve.decisions import Changed

SHOWN = 50
"""Names that the text form shows unless told otherwise."""
BY = "cli"


async def _names(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.names import names_of, undo
    from kgnb.graph.resolve.name_listing import KINDS

    if args.undo is not None:
        async with open_app(settings, queue=False) as app:
            return _told(args, await undo(app, args.task, args.undo), undone=True)
    async with open_app(settings, queue=False, graph=False) as app:
        found = await names_of(app, args.task, KINDS if args.all else KINDS[:1])
    if args.json:
        print(json.dumps([one.as_dict() for one in found.listed], ensure_ascii=False))
        return OK
    shown = found.listed[: args.top]
    for one in shown:
        print(named_line(one))
    if len(shown) < len(found.listed):
        print(say("names.more", more=len(found.listed) - len(shown)))
    if not found.listed:
        print(say("names.none"))
    for decision in found.decisions:
        print(decision_line(decision))
    return OK


async def _merge(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.names import merge

    async with open_app(settings, queue=False) as app:
        return _told(args, await merge(app, args.task, args.person, args.others, by=BY))


async def _split(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.names import part, split

    if args.chapters is not None and len(args.aliases) > 1:
        raise InputError("names.one_only")
    async with open_app(settings, queue=False) as app:
        if args.chapters is not None:
            done = await part(app, args.task, args.person, args.aliases[0], args.chapters, by=BY)
            return _told(args, done)
        return _told(args, await split(app, args.task, args.person, args.aliases, by=BY))


def _told(args: argparse.Namespace, done: Changed, *, undone: bool = False) -> int:
    if args.json:
        facts = {"kind": done.kind, "names": list(done.names), "id": done.id, "changed": done.changed}
        print(json.dumps(facts | {"undone": undone}, ensure_ascii=False))
        return OK
    print(changed_line(done, args.task, undone=undone))
    return OK


def _chapters(text: str) -> tuple[int, int]:
    """A chapter's number, or the first and the last one's."""
    first, _, last = text.partition("-")
    found = chapter_number(first), chapter_number(last or first)
    if found[0] > found[1]:
        raise argparse.ArgumentTypeError(say("names.bad_chapters"))
    return found


def add_names(commands: Any) -> None:
    """Declares ``names``, ``merge`` and ``split``."""
    added = command(commands, "names", _names)
    added.add_argument("task", type=row_id, metavar="TASK", help=say("cli.help_task"))
    added.add_argument("--top", type=row_id, default=SHOWN, metavar="N", help=say("cli.help_names_top"))
    added.add_argument("--all", action="store_true", help=say("cli.help_names_all"))
    added.add_argument("--undo", type=row_id, metavar="ID", help=say("cli.help_names_undo"))
    json_option(added)
    for name, run, others in (("merge", _merge, "others"), ("split", _split, "aliases")):
        one = command(commands, name, run)
        one.add_argument("task", type=row_id, metavar="TASK", help=say("cli.help_task"))
        one.add_argument("person", metavar="NAME", help=say("cli.help_names_person"))
        one.add_argument(others, nargs="+", metavar=others.upper()[:-1], help=say(f"cli.help_names_{others}"))
        if run is _split:
            one.add_argument("--chapters", type=_chapters, metavar="A-B", help=say("cli.help_names_chapters"))
        json_option(one)
