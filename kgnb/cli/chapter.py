"""`kgnb chapter TASK N`: one chapter, for a person or as one JSON object."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from kgnb.cli.options import OK, chapter_number, command, json_option, row_id
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings

NAMES = 40
"""Names of one kind that are listed."""
LINES = 40
"""Relations and events that are listed."""
WORDS = 80
"""Characters of a name, a quote or a title that are shown."""

Found = dict[str, Any]


async def _chapter(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.chapter_detail import look
    from kgnb.app.context import open_app

    async with open_app(settings, queue=False, graph=False) as app:
        found = await look(app, args.task, args.chapter, raw=args.raw)
    print(_json(found) if args.json else "\n".join(_lines(found)))
    return OK


def add_chapter(commands: Any) -> None:
    """Declares ``chapter``."""
    added = command(commands, "chapter", _chapter, text="chapter_command")
    added.add_argument("task", type=row_id, metavar="TASK", help=say("cli.help_task"))
    added.add_argument("chapter", type=chapter_number, metavar="CHAPTER", help=say("cli.help_chapter"))
    added.add_argument("--raw", action="store_true", help=say("cli.help_raw"))
    json_option(added)


def _json(found: Found) -> str:
    """One line in which nothing commands a terminal: what can't be printed stands only within strings."""
    text = json.dumps(found, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


# --- for a person


def _lines(found: Found) -> Iterator[str]:
    status = (
        say(f"status.is_{found['status']}") if found["status"] in _STATUSES else one_line(found["status"])
    )
    facts = {"chapter": found["chapter"], "title": _word(found["title"]), "status": status}
    yield say("chapter.head", task=found["task_id"], **facts)
    if found["error"]:
        yield say("chapter.error", error=one_line(found["error"]))
    if found["extraction"] is None:
        yield say("chapter.no_row")
    else:
        yield from _origin(found)
        yield from _contents(found["extraction"])
    if "raw" in found:
        yield from _raw(found["raw"])


_STATUSES = frozenset({"pending", "running", "completed", "failed", "skipped"})


def _origin(found: Found) -> Iterator[str]:
    provider = one_line(f"{found['provider']} {found['model']}".strip())
    tokens = {"prompt": found["prompt_tokens"], "completion": found["completion_tokens"]}
    facts = {"chars": found["chars"], "requests": found["requests"]}
    yield say("chapter.from", provider=provider, **facts, **tokens)
    if found["flags"]:
        yield say("chapter.flags", flags=", ".join(say(f"flag.{flag}") for flag in found["flags"]))
    if found["rejected"]:
        yield say("chapter.rejected", count=found["rejected"])
    if found["absent"]:
        yield say("chapter.absent", names=_names(found["absent"]))


def _contents(extraction: Found) -> Iterator[str]:
    for kind in ("characters", "locations", "organizations", "things"):
        if names := [item["name"] for item in extraction.get(kind, ())]:
            yield say("chapter.list", kind=say(f"chapter.{kind}"), count=len(names), names=_names(names))
    events = [_claim(item["name"], item) for item in extraction.get("events", ())]
    yield from _listed("events", events)
    ties = [
        _claim(f"{_word(r['source'])} {_type(r)} {_word(r['target'])}", r) for r in _relations(extraction)
    ]
    yield from _listed("relations", ties)


def _relations(extraction: Found) -> list[Found]:
    found: list[Found] = extraction.get("relations", [])
    return found


def _type(relation: Found) -> str:
    return f"—{_word(relation.get('type', 'KNOWS'))}→"


def _claim(text: str, item: Found) -> str:
    """An event or a relation with what speaks for it."""
    if item.get("unverified"):
        return f"  {_word(text, 3 * WORDS)}{say('chapter.unverified')}"
    quote = item.get("evidence", "")
    return f"  {_word(text, 3 * WORDS)}" + (f"  “{_word(quote)}”" if quote else "")


def _listed(kind: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield say("chapter.list", kind=say(f"chapter.{kind}"), count=len(lines), names="").rstrip()
        yield from lines[:LINES]
        if len(lines) > LINES:
            yield "  " + say("chapter.more", count=len(lines) - LINES)


def _names(names: list[str]) -> str:
    more = [say("chapter.more", count=len(names) - NAMES)] if len(names) > NAMES else []
    return ", ".join([*map(_word, names[:NAMES]), *more])


def _word(text: str, most: int = WORDS) -> str:
    return one_line(text, most)


def _raw(replies: list[str]) -> Iterator[str]:
    """The replies with their line breaks; everything else that isn't print is shown as an escape."""
    if not replies:
        yield say("chapter.no_raw")
    for part, text in enumerate(replies, 1):
        yield say("chapter.raw", part=part, parts=len(replies))
        for line in text.split("\n"):
            yield one_line(line.rstrip("\r").replace("\t", "    "), len(line))
