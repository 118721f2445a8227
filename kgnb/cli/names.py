"""`kgnb names`, `kgnb merge` and `kgnb split`: who is who in a book."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from kgnb.app import context, corrections, names
from kgnb.app.library import find_task_and_names, open_book
from kgnb.app.names import BookNames
from kgnb.app.tasks import find_task
from kgnb.cli.options import show
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.graph.model import NAMED_LABELS
from kgnb.graph.resolve.decisions import Applied, Decision, Kind
from kgnb.render.names_text import applied_line, decision_line, named_line, undone_line

BY = "cli"
"""Recorded as the maker of a decision."""


async def show_names(args: argparse.Namespace, settings: Settings) -> int:
    """Print a book's names and the decisions about them, or undo a decision; return 0."""
    undoes = args.undo is not None
    async with open_book(settings, args.book, queue=False, graph=undoes) as (app, task):
        if undoes:
            done = await corrections.undo(app, task.novel_id, args.undo)
            return _show_change(args, task.id, done, undone_line(done, task.id), undone=True)
        found = await names.names_of(app, task.id, NAMED_LABELS if args.all else NAMED_LABELS[:1])
    return show(args, [one.as_dict() for one in found.listed], lambda: _name_lines(found, args.top))


def _name_lines(found: BookNames, most: int) -> Iterator[str]:
    """Yield the first ``most`` names, what is left out, and the decisions."""
    yield from map(named_line, found.listed[:most])
    if len(found.listed) > most:
        yield say("names.more", more=len(found.listed) - most)
    if not found.listed:
        yield say("names.none")
    yield from map(decision_line, found.decisions)


async def merge(args: argparse.Namespace, settings: Settings) -> int:
    """Merge several names into one person and print the decision; return 0."""
    return await _decide(args, settings, "merge")


async def split(args: argparse.Namespace, settings: Settings) -> int:
    """Make aliases of a person another person, everywhere or in some chapters, and print the decision; return
    0.
    """
    return await _decide(args, settings, "split", args.chapters)


async def _decide(
    args: argparse.Namespace, settings: Settings, kind: Kind, chapters: tuple[int, int] | None = None
) -> int:
    task, given = await find_task_and_names(settings, args.book, [args.person, *args.others])
    if chapters is not None and len(given) > 2:
        raise InputError("names.one_only")
    wanted = Decision(0, kind, tuple(given), chapters=chapters)
    async with context.open_for_task(settings, task, queue=False) as app:
        novel = (await find_task(app, task)).novel_id
        done = await corrections.apply_one(app, novel, wanted, by=BY, new_aliases=False)
    return _show_change(args, task, done, applied_line(done, task))


def _show_change(
    args: argparse.Namespace, task: int, done: Applied, line: str, *, undone: bool = False
) -> int:
    """Print the decision; return 0."""
    made = done.decision
    facts = {"kind": made.kind, "names": made.names, "id": made.id, "changed": done.new, "undone": undone}
    lines = [line, say("names.see_it", task=task)] if done.new else [line]
    return show(args, facts, lambda: lines)
