"""`kgnb cost`: what a task cost and what the rest of it will; `kgnb build --estimate`: before it is built."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgnb.cli.options import OK, command, json_option, row_id
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.render.status_table import Cell, money, short, table

if TYPE_CHECKING:
    from kgnb.app.estimate import Estimate
    from kgnb.book.model import Book

SAMPLE = 3
"""Chapters that an estimate works: their costs differ by a tenth or so, and they are paid for."""


def add_cost(commands: Any) -> None:
    """Declares `kgnb cost`."""
    added = command(commands, "cost", _cost)
    added.add_argument("task", type=row_id, metavar="TASK", help=say("cli.help_task"))
    json_option(added)


async def _cost(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.cost import task_cost

    async with open_app(settings, queue=False, graph=False) as app:
        found = await task_cost(app, args.task)
    print(json.dumps(found, ensure_ascii=False) if args.json else "\n".join(_lines(found)))
    return OK


_COLUMNS = (
    *("col_provider", "col_model"),
    *(">col_requests", ">col_prompt", ">col_cached", ">col_reply", ">col_price", ">col_cost"),
)


def _lines(found: dict[str, Any]) -> list[str]:
    head = say(
        "cost.head",
        task=found["task_id"],
        name=one_line(found["name"]),
        completed=found["completed"],
        chapters=found["chapters"],
    )
    counts = ["requests", "prompt_tokens", "cached_tokens", "completion_tokens"]
    names = [*_COLUMNS]
    if not found["cached_tokens"]:
        counts.remove("cached_tokens")
        names.remove(">col_cached")
    rows = [[Cell.of(say(f"cost.{n.lstrip('>')}"), right=n.startswith(">")) for n in names]]
    for one in [*found["models"], {**found, "provider": say("cost.total"), "model": "", "price": None}]:
        price = "" if one["price"] is None else "/".join(f"{p:g}" for p in one["price"])
        cells = [one_line(one["provider"]), one_line(one["model"])]
        numbers = [short(one[k]) for k in counts]
        numbers += [price, "-" if one["cost"] is None else money(one["cost"])]
        rows.append([*map(Cell.of, cells), *(Cell.of(n, right=True) for n in numbers)])
    lines = [head, *table(rows, lambda text, _: text)]
    left = found["left"]
    if left["chapters"] and left["prompt_tokens"] is not None:
        tokens = short(left["prompt_tokens"] + left["completion_tokens"])
        key = "cost.left" if left["cost"] is None else "cost.left_money"
        lines.append(say(key, chapters=left["chapters"], tokens=tokens, money=money(left["cost"] or 0)))
    if any(one["cost"] is None and one["requests"] for one in found["models"]):
        lines.append(say("cost.no_price"))
    return lines


async def show_estimate(args: argparse.Namespace, settings: Settings, book: Book) -> int:
    """Prints what the book will cost, after working a few of its chapters."""
    from kgnb.app.context import open_app
    from kgnb.app.estimate import estimate
    from kgnb.render.progress_bar import ProgressBar

    with ProgressBar(quiet=args.json) as bar:
        async with open_app(settings) as app:
            path = Path(args.book)
            found = await estimate(app, book, path, args.provider, sample=args.estimate, listener=bar.show)
    print(json.dumps(dataclasses.asdict(found), ensure_ascii=False) if args.json else _told(found))
    return OK


def _told(found: Estimate) -> str:
    left = found.chapters - found.sampled
    facts = {"title": one_line(found.title), "model": one_line(f"{found.provider}/{found.model}".strip("/"))}
    spent, rest = (short(u.prompt_tokens + u.completion_tokens) for u in (found.spent, found.left))
    amount = ("-" if cost is None else money(cost) for cost in (found.cost, found.left_cost))
    paid, due = amount
    text = say(
        "cost.estimate",
        **facts,
        sampled=found.sampled,
        spent=spent,
        paid=paid,
        chapters=left,
        left=rest,
        due=due,
    )
    return text if found.left_cost is not None else f"{text}\n{say('cost.no_price')}"
