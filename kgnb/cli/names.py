"""`kgnb names`, `kgnb merge` and `kgnb split`: who is who in a book."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from kgnb.app import context, names
from kgnb.app.library import find_task_and_names, find_task_id
from kgnb.app.names import BookNames
from kgnb.cli.options import show
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.graph.model import NAMED_LABELS
from kgnb.graph.resolve.decisions import Applied
from kgnb.render.names_text import changed_line, decision_line, named_line

BY = "cli"
"""Recorded as the maker of a decision."""


async def show_names(args: argparse.Namespace, settings: Settings) -> int:
    """Print a book's names and the decisions about them, or undo a decision; return 0."""
    task = await find_task_id(settings, args.book)
    if args.undo is not None:
        async with context.open_for_task(settings, task, queue=False) as app:
            return _show_change(args, task, await names.undo(app, task, args.undo), undone=True)
    async with context.open_for_task(settings, task, queue=False, graph=False) as app:
        found = await names.names_of(app, task, NAMED_LABELS if args.all else NAMED_LABELS[:1])
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
    task, (person, *others) = await find_task_and_names(settings, args.book, [args.person, *args.others])
    async with context.open_for_task(settings, task, queue=False) as app:
        return _show_change(args, task, await names.merge(app, task, person, others, by=BY))


async def split(args: argparse.Namespace, settings: Settings) -> int:
    """Make aliases of a person another person, everywhere or in some chapters, and print the decision; return
    0.
    """
    task, (person, *aliases) = await find_task_and_names(settings, args.book, [args.person, *args.others])
    if args.chapters is not None and len(aliases) > 1:
        raise InputError("names.one_only")
    async with context.open_for_task(settings, task, queue=False) as app:
        if args.chapters is not None:
            done = await names.part(app, task, person, aliases[0], args.chapters, by=BY)
        else:
            done = await names.split(app, task, person, aliases, by=BY)
    return _show_change(args, task, done)


def _show_change(args: argparse.Namespace, task: int, done: Applied, *, undone: bool = False) -> int:
    """Print a decision; return 0."""
    made = done.decision
    facts = {"kind": made.kind, "names": made.names, "id": made.id, "changed": done.new, "undone": undone}
    lines = [changed_line(done, task, undone=undone)]
    if done.new:
        lines.append(say("names.see_it", task=task))
    return show(args, facts, lambda: lines)
