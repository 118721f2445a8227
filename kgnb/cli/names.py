"""`kgnb names`, `kgnb merge` and `kgnb split`: who is who in a book."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kgnb.cli.options import OK, chapter_number, command, json_option, print_json, row_id, task_argument
from kgnb.cli.parser import Commands, Parser
from kgnb.core.errors import InputError
from kgnb.core.messages import say

if TYPE_CHECKING:
    from kgnb.core.settings import Settings
    from kgnb.graph.resolve.decisions import DecisionOutcome

SHOWN = 50
"""Names that are listed without ``--top``."""
BY = "cli"
"""Recorded as the maker of a decision."""


async def names(args: argparse.Namespace, settings: Settings) -> int:
    """Lists a book's names and the decisions about them, or undoes a decision."""
    from kgnb.app import context, names
    from kgnb.graph.model import NAMED_LABELS
    from kgnb.render.names_text import decision_line, named_line

    if args.undo is not None:
        async with context.open_for_task(settings, args.task, queue=False) as app:
            return _show_change(args, await names.undo(app, args.task, args.undo), undone=True)
    async with context.open_for_task(settings, args.task, queue=False, graph=False) as app:
        found = await names.names_of(app, args.task, NAMED_LABELS if args.all else NAMED_LABELS[:1])
    if args.json:
        print_json([one.as_dict() for one in found.listed])
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


async def merge(args: argparse.Namespace, settings: Settings) -> int:
    """Makes several names one person."""
    from kgnb.app import context, names

    async with context.open_for_task(settings, args.task, queue=False) as app:
        return _show_change(args, await names.merge(app, args.task, args.person, args.others, by=BY))


async def split(args: argparse.Namespace, settings: Settings) -> int:
    """Makes aliases of a person someone else, everywhere or in some chapters."""
    from kgnb.app import context, names

    if args.chapters is not None and len(args.aliases) > 1:
        raise InputError("names.one_only")
    async with context.open_for_task(settings, args.task, queue=False) as app:
        if args.chapters is not None:
            done = await names.part(app, args.task, args.person, args.aliases[0], args.chapters, by=BY)
        else:
            done = await names.split(app, args.task, args.person, args.aliases, by=BY)
    return _show_change(args, done)


def _show_change(args: argparse.Namespace, done: DecisionOutcome, *, undone: bool = False) -> int:
    from kgnb.render.names_text import changed_line

    if args.json:
        facts = {"kind": done.kind, "names": list(done.names), "id": done.id, "changed": done.changed}
        print_json(facts | {"undone": undone})
        return OK
    print(changed_line(done, args.task, undone=undone))
    return OK


def _chapter_range(text: str) -> tuple[int, int]:
    """The type of ``90`` or ``90-110``: the first and the last chapter's number."""
    first, _, last = text.partition("-")
    found = chapter_number(first), chapter_number(last or first)
    if found[0] > found[1]:
        raise argparse.ArgumentTypeError(say("names.bad_chapters"))
    return found


def add_names(commands: Commands[Parser]) -> None:
    """Declares `kgnb names`, `kgnb merge` and `kgnb split`."""
    added = command(commands, "names", names)
    task_argument(added)
    added.add_argument("--top", type=row_id, default=SHOWN, metavar="N", help=say("cli.help_names_top"))
    added.add_argument("--all", action="store_true", help=say("cli.help_names_all"))
    added.add_argument("--undo", type=row_id, metavar="NUMBER", help=say("cli.help_names_undo"))
    json_option(added)
    for name, run, others in (("merge", merge, "others"), ("split", split, "aliases")):
        one = command(commands, name, run)
        task_argument(one)
        one.add_argument("person", metavar="NAME", help=say("cli.help_names_person"))
        shown = "ALIAS" if run is split else "OTHER"
        one.add_argument(others, nargs="+", metavar=shown, help=say(f"cli.help_names_{others}"))
        if run is split:
            one.add_argument(
                "--chapters", type=_chapter_range, metavar="A-B", help=say("cli.help_names_chapters")
            )
        json_option(one)
