"""What a book will cost, before it is built: from a few of its chapters, which are worked and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kgnb.app import App, budget_of
from kgnb.building import Listener, Plan, bring_to_end, chosen_provider, new_task, own_kinds
from kgnb.llm.budget import Budget
from kgnb.model import Book, Chapter, Usage
from kgnb.providers import model_of
from kgnb.store.figures import figures


@dataclass(frozen=True, slots=True)
class Estimate:
    """``sampled`` of ``chapters`` are done and cost ``spent``; ``left`` is what the others will take.

    ``cost`` and ``left_cost`` are money, None where the model has no price.
    """

    title: str
    provider: str
    model: str
    sampled: int
    chapters: int
    spent: Usage
    left: Usage
    cost: float | None
    left_cost: float | None


async def estimate(
    app: App,
    book: Book,
    path: Path,
    provider_name: str | None,
    *,
    sample: int,
    listener: Listener = lambda _: None,
) -> Estimate:
    """Works ``sample`` chapters spread over the book, unless some are done already, and reckons with them.

    A later build does the rest; nothing is paid twice. Raises what :func:`kgnb.building.build` raises.
    """
    provider = chosen_provider(app, provider_name)
    model = model_of(provider, await app.ledger.default_config())
    if not provider.is_rules:
        await app.providers.client(provider).reachable()
    size = await asyncio.to_thread(lambda: path.stat().st_size)
    imported = await app.ledger.import_book(book, file_path=str(path), file_size=size)
    key = imported.novel_id, provider.name, model
    tasks = [task.id for task in await app.ledger.tasks_with(*key, own_kinds(app))]
    if not tasks and not provider.is_rules:
        some = spread(imported.chapters, sample)
        task = await new_task(app, book, imported, provider, model, [c.id for c in some], own_kinds(app))
        plan = Plan(book, imported, provider, model, task, found_finished=False, resumed=False)
        await bring_to_end(app, plan, listener)
        tasks = [task.id]
    open_ = set(await app.ledger.uncovered(*key, only=tasks))
    spent = Usage()
    for found in (await figures(app.sql, tasks)).values():
        spent = sum(found.spent.values(), spent)
    done = [chapter for chapter in imported.chapters if chapter.id not in open_]
    left = scaled(spent, _words(imported.chapters) - _words(done), _words(done))
    budget = budget_of(app.settings)
    return Estimate(
        title=book.title,
        provider=provider.name,
        model=model,
        sampled=len(done),
        chapters=len(imported.chapters),
        spent=spent,
        left=left,
        cost=_money(budget, provider.name, model, spent),
        left_cost=_money(budget, provider.name, model, left),
    )


def spread(chapters: Sequence[Chapter], count: int) -> list[Chapter]:
    """``count`` of the chapters, evenly over the book, the first never among them: it is often a preface."""
    if count >= len(chapters):
        return list(chapters)
    return [chapters[(2 * i + 1) * len(chapters) // (2 * count)] for i in range(count)]


def scaled(spent: Usage, part: int, whole: int) -> Usage:
    """What ``part`` takes if ``whole`` took ``spent``."""
    share = part / whole if whole else 0.0
    return Usage(
        round(spent.requests * share),
        round(spent.prompt_tokens * share),
        round(spent.completion_tokens * share),
    )


def _words(chapters: Sequence[Chapter]) -> int:
    return sum(chapter.word_count for chapter in chapters)


def _money(budget: Budget, provider: str, model: str, usage: Usage) -> float | None:
    return budget.cost(provider, model, usage) if usage != Usage() else 0.0
