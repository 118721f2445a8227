"""`kgnb chapter TASK N`: one chapter, for a person or as one JSON object."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from kgnb.app import chapters
from kgnb.app.library import open_book
from kgnb.cli.options import show
from kgnb.core.messages import say
from kgnb.core.safe_text import many_lines, one_line
from kgnb.core.settings import Settings

NAMES = 40
"""Names of one kind that are listed."""
LINES = 40
"""Relations and events that are listed."""
SHOWN_CHARS = 80
"""Characters shown of a name or a title."""


async def show_chapter(args: argparse.Namespace, settings: Settings) -> int:
    """Print one chapter's record; return 0."""
    async with open_book(settings, args.book, queue=False, graph=False) as (app, named):
        task = named.id
        if not (args.book or "").isdecimal():  # a book, whose newest task may have read few chapters
            task = await chapters.task_in_graph(app, task, args.chapter)
        found = await chapters.read_chapter(app, task, args.chapter, raw=args.raw)
    return show(args, found, lambda: _chapter_lines(found))


# --- for a person


def _chapter_lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines on a chapter's record."""
    status = one_line(found["status"])
    facts = {"chapter": found["chapter"], "title": _shortened(found["title"]), "status": status}
    yield say("chapter.head", task=found["task_id"], **facts)
    if found["error"]:
        yield say("chapter.error", error=one_line(found["error"]))
    if found["extraction"] is None:
        yield say("chapter.no_row")
    else:
        yield from _origin_lines(found)
        yield from _content_lines(found["extraction"], found["left_out"])
    if "raw" in found and found["extraction"] is not None:
        yield from _raw_lines(found["raw"])


def _origin_lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines on provider, tokens, flags and what was rejected."""
    provider = one_line(f"{found['provider']} {found['model']}".strip())
    tokens = {"prompt": found["prompt_tokens"], "completion": found["completion_tokens"]}
    facts = {"chars": found["chars"], "requests": found["requests"]}
    yield say("chapter.from", provider=provider, **facts, **tokens)
    if found["flags"]:
        yield say(
            "chapter.flags", flags=say("status.comma").join(say(f"flag.{flag}") for flag in found["flags"])
        )
    if found["rejected"]:
        yield say("chapter.rejected", count=found["rejected"])
    if found["absent"]:
        yield say("chapter.absent", names=_names(found["absent"]))


def _content_lines(extraction: dict[str, Any], left_out: list[int]) -> Iterator[str]:
    """Yield the lines on entities, events and relations; those in ``left_out`` (positions) are only
    counted.
    """
    for kind in ("characters", "locations", "organizations", "things"):
        if names := [item["name"] for item in extraction.get(kind, ())]:
            yield say("chapter.list", kind=say(f"chapter.{kind}"), count=len(names), names=_names(names))
    events = [_with_evidence(item["name"], item) for item in extraction.get("events", ())]
    yield from _list_lines("events", events)
    relations = [item for i, item in enumerate(extraction.get("relations", ())) if i not in left_out]
    yield from _list_lines("relations", [_with_evidence(_relation(item), item) for item in relations])
    if left_out:
        yield say("chapter.left_out", count=len(left_out))


def _relation(item: dict[str, Any]) -> str:
    """Return a relation in one line: source —TYPE→ target."""
    source, kind, target = map(_shortened, (item["source"], item.get("type", "KNOWS"), item["target"]))
    return f"{source} —{kind}→ {target}"


def _with_evidence(text: str, item: dict[str, Any]) -> str:
    """Return the line of an event or a relation, with its quote or the remark that it has none in
    the text.
    """
    quote = f"  “{one_line(item['evidence'])}”" if item.get("evidence") else ""
    mark = say("chapter.unverified") if item.get("unverified") else quote
    return f"  {one_line(text, 3 * SHOWN_CHARS)}{mark}"


def _list_lines(kind: str, lines: list[str]) -> Iterator[str]:
    """Yield a heading and at most LINES lines; nothing for none."""
    if lines:
        yield say("chapter.list", kind=say(f"chapter.{kind}"), count=len(lines), names="").rstrip()
        yield from lines[:LINES]
        if len(lines) > LINES:
            yield "  " + say("chapter.more", count=len(lines) - LINES)


def _names(names: list[str]) -> str:
    """Return the names in one line, at most NAMES."""
    more = [say("chapter.more", count=len(names) - NAMES)] if len(names) > NAMES else []
    return say("status.comma").join([*map(_shortened, names[:NAMES]), *more])


def _shortened(text: str) -> str:
    """Return the text on one line of at most SHOWN_CHARS characters."""
    return one_line(text, SHOWN_CHARS)


def _raw_lines(replies: list[str]) -> Iterator[str]:
    """Yield the replies, each below a heading with its number, or that there are none; unprintable characters
    other than line breaks are escaped.
    """
    if not replies:
        yield say("chapter.no_raw")
    for part, text in enumerate(replies, 1):
        yield say("chapter.raw", part=part, parts=len(replies))
        yield many_lines(text)
