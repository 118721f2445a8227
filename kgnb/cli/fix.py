"""`kgnb fix`: a reader's corrections of a book."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace

from pydantic_core import to_jsonable_python

from kgnb.app import context, names
from kgnb.app.corrections import apply, corrections_of
from kgnb.app.library import find_task_id
from kgnb.app.tasks import find_task
from kgnb.cli.options import show
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.graph.resolve.correction_file import read_corrections, write_corrections
from kgnb.graph.resolve.decisions import Applied, Decision, Kind
from kgnb.render.export import write_whole
from kgnb.render.names_text import applied_line, changed_line, decision_line

BY = "cli"
"""Recorded as the maker of a decision."""


async def fix(args: argparse.Namespace, settings: Settings) -> int:
    """Print a book's corrections, make or undo one, read or write a file of them; return the exit code."""
    task = await find_task_id(settings, args.book)
    wanted = _wanted(args)
    async with context.open_for_task(settings, task, queue=False) as app:
        novel_id = (await find_task(app, task)).novel_id
        if args.undo is not None:
            undone = await names.undo(app, task, args.undo)
            return show(args, to_jsonable_python(undone), lambda: [changed_line(undone, task, undone=True)])
        if wanted:
            done = await apply(app, novel_id, wanted, by=BY)
            return _told(args, task, done)
        found = await corrections_of(app, novel_id)
        if args.save is not None:
            title = (await app.ledger.books.novel(novel_id)).title
            text = write_corrections(found, title).encode()
            await asyncio.to_thread(write_whole, args.save, lambda out: out.write(text))
            return show(args, {"path": str(args.save)}, lambda: [say("corrections.saved", path=args.save)])
    lines = list(map(decision_line, found)) or [say("corrections.none")]
    return show(args, to_jsonable_python(found), lambda: lines)


def _told(args: argparse.Namespace, task: int, done: Sequence[Applied]) -> int:
    """Print what became of each correction; return 1 when one of them fits nothing, else the code of
    printing.
    """
    lines = [applied_line(one, task) for one in done]
    if any(one.new for one in done):
        lines.append(say("names.see_it", task=task))
    code = show(args, to_jsonable_python(done), lambda: lines)
    return code or int(any(one.problem for one in done))


def _wanted(args: argparse.Namespace) -> list[Decision]:
    """Return the corrections that the options ask for, in the order in which help lists the options."""
    if args.apply is not None:
        try:
            return read_corrections(args.apply.read_bytes(), str(args.apply))
        except OSError as error:
            raise InputError("corrections.unreadable", path=args.apply, reason=error.strerror) from None

    def one(kind: Kind, *names: str, detail: str = "") -> Decision:
        return Decision(0, kind, names, detail=detail, reason=args.reason)

    found = []
    if args.rename:
        found.append(one("rename", *args.rename))
    if args.not_person:
        found.append(one("kind", args.not_person, detail=args.kind))
    if args.alias:
        found.append(one("merge", *args.alias))
    if args.no_tie:
        found.append(one("untie", *args.no_tie[:2], detail="".join(args.no_tie[2:3])))
    if args.tie:
        source, type_, target = args.tie
        since = (args.since, args.since) if args.since else None
        found.append(replace(one("tie", source, target, detail=type_), chapters=since))
    if args.protagonist:
        found.append(one("protagonist", args.protagonist, detail="yes"))
    if args.no_protagonist:
        found.append(one("protagonist", args.no_protagonist, detail="no"))
    if args.note:
        found.append(one("note", args.note[0], detail=" ".join(args.note[1:])))
    return found
