"""`kgnb fix`: a reader's corrections of a book."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from pydantic_core import to_jsonable_python

from kgnb.app.corrections import apply, undo
from kgnb.app.library import open_book
from kgnb.cli.options import show
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.graph.resolve.correction_file import MAX_BYTES, read_corrections, write_corrections
from kgnb.graph.resolve.decisions import Applied, Decision, Kind
from kgnb.render.export import write_whole
from kgnb.render.names_text import applied_line, decision_line, undone_line

BY = "cli"
"""Recorded as the maker of a decision."""


async def fix(args: argparse.Namespace, settings: Settings) -> int:
    """Print a book's corrections, make or undo one, read or write a file of them; return the exit code."""
    wanted = _wanted(args)
    async with open_book(settings, args.book, queue=False) as (app, found_task):
        task, novel_id = found_task.id, found_task.novel_id
        if args.undo is not None:
            undone = await undo(app, novel_id, args.undo)
            return show(args, to_jsonable_python(undone), lambda: [undone_line(undone, task)])
        if wanted:
            done = await apply(app, novel_id, wanted, by=BY)
            return _told(args, task, done)
        found = await app.ledger.name_decisions.read(novel_id)
        if args.save is not None:
            if args.save.exists():  # another file would be lost
                _corrections_in(args.save)
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


def _corrections_in(path: Path) -> list[Decision]:
    """Return the corrections in a file. Raises InputError for another file, and OSError."""
    with path.open("rb") as file:
        return read_corrections(file.read(MAX_BYTES + 1), str(path))


def _wanted(args: argparse.Namespace) -> list[Decision]:
    """Return the corrections that the options ask for; the parser takes one action a call.

    Raises InputError for an option without the option that it belongs to, and for an unusable file.
    """
    no_tie, tie, note = args.no_tie or [], args.tie or [], args.note or []
    given: list[tuple[str, Kind, list[str] | None, str]] = [
        ("--rename", "rename", args.rename, ""),
        ("--alias", "merge", args.alias, ""),
        ("--not-person", "kind", args.not_person, args.kind),
        ("--tie", "tie", tie[::2], "".join(tie[1:2])),
        ("--no-tie", "untie", no_tie[:2], "".join(no_tie[2:3])),
        ("--protagonist", "protagonist", args.protagonist, "yes"),
        ("--no-protagonist", "protagonist", args.no_protagonist, "no"),
        ("--note", "note", note[:1], " ".join(note[1:])),
    ]
    made = [one for one in given if one[2]]
    for option, value, belongs_to in (
        ("--since", args.since, ["--tie"]),
        ("--kind", args.kind, ["--not-person"]),
        ("--reason", args.reason, [one for one, *_ in given]),
    ):
        if value not in (None, "") and not any(one in belongs_to for one, *_ in made):
            raise InputError("corrections.alone", option=option, needed=" | ".join(belongs_to))
    if args.apply is not None:
        try:
            return _corrections_in(args.apply)
        except OSError as error:
            raise InputError("corrections.unreadable", path=args.apply, reason=error.strerror) from None
    chapters = None if args.since is None else (args.since, args.since)
    return [
        Decision(0, kind, tuple(names or ()), chapters=chapters, detail=detail, reason=args.reason)
        for _, kind, names, detail in made
    ]
