"""`kgnb cost`: what a task cost and what the rest of it will; `kgnb build --estimate`: before it is built."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kgnb.app import cost, estimate
from kgnb.app.estimate import Estimate
from kgnb.app.library import open_book
from kgnb.app.local_model import open_to_work
from kgnb.book.model import Book
from kgnb.cli.options import show
from kgnb.core.formatting import compact, money
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.render import terminal
from kgnb.render.progress_bar import ProgressBar
from kgnb.render.table import Table, columns, rows


async def show_cost(args: argparse.Namespace, settings: Settings) -> int:
    """Print what a task cost by model, and what the rest of it will; return 0."""
    async with open_book(settings, args.book, queue=False, graph=False) as (app, task):
        found = await cost.task_cost(app, task.id)
    return show(args, found, lambda: _cost_lines(found))


def _cost_lines(found: dict[str, Any]) -> list[str]:
    """Return the lines on a task's cost."""
    counts = {"completed": found["completed"], "chapters": found["chapters"]}
    head = say("cost.head", task=found["task_id"], name=one_line(found["name"]), **counts)
    lines = [head, *terminal.plain_lines(terminal.Rows(_models_table(found)))]
    for what, counted in (("wasted", "requests"), ("left", "chapters")):
        usage = found[what]
        if usage[counted] and usage["prompt_tokens"] is not None:
            tokens = compact(usage["prompt_tokens"] + usage["completion_tokens"])
            key = f"cost.{what}" if usage["cost"] is None else f"cost.{what}_money"
            facts = {counted: usage[counted], "tokens": tokens, "money": money(usage["cost"] or 0)}
            lines.append(say(key, **facts))
    unpriced = [one["provider"] for one in found["models"] if one["cost"] is None and one["requests"]]
    if unpriced:
        lines.append(say("cost.no_price", provider=one_line(unpriced[0])))
    return lines


def _models_table(found: dict[str, Any]) -> Table:
    """Return what was spent at each model, and in all; without the column of cached tokens if there
    are none.
    """
    heads = columns(
        "cost", provider="name", model="name", requests="quantity", prompt_tokens="quantity",
        cached_tokens="quantity", completion_tokens="quantity", price="price", cost="money",
    )  # fmt: skip
    total = {**found, "provider": say("cost.total"), "model": "", "price": None}
    table = Table(heads, rows([*found["models"], total]))
    return table if found["cached_tokens"] else table.without("cached_tokens")


async def show_estimate(args: argparse.Namespace, settings: Settings, book: Book) -> int:
    """Extract a few of the book's chapters and print what the whole will cost; return 0."""
    with ProgressBar(quiet=args.json) as bar:
        async with open_to_work(settings) as app:
            found = await estimate.estimate(
                app, book, Path(args.book), args.provider, sample=args.estimate, listener=bar.show
            )
    return show(args, found, lambda: _estimate_lines(found))


def _estimate_lines(found: Estimate) -> list[str]:
    """Return the lines on an estimate."""
    chapters = {"sampled": found.sampled, "chapters": found.chapters - found.sampled}
    facts = {"title": one_line(found.title), "model": one_line(f"{found.provider}/{found.model}".strip("/"))}
    spent, rest = (compact(u.prompt_tokens + u.completion_tokens) for u in (found.spent, found.left))
    paid, due = ("-" if cost is None else money(cost) for cost in (found.cost, found.left_cost))
    lines: list[str] = [say("cost.estimate", **facts, **chapters, spent=spent, paid=paid, left=rest, due=due)]
    if found.spent.reasoning_tokens:
        share = round(100 * found.spent.reasoning_tokens / max(1, found.spent.completion_tokens))
        lines.append(say("cost.reasoning", percent=share, provider=one_line(found.provider)))
    if found.currency:
        lines.append(say("cost.list_price", currency=found.currency, date=found.prices_of))
    if found.left_off_peak is not None:
        peak = "peak" if found.left_off_peak < (found.left_cost or 0) else "off_peak"
        lines.append(say(f"cost.{peak}", money=money(found.left_off_peak)))
    if found.left_cost is None:
        lines.append(say("cost.no_price", provider=one_line(found.provider)))
    return lines
