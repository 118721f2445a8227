"""Cost of a task by provider and model, and of its remaining chapters at that rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from kgnb.app.context import App, budget_of
from kgnb.app.tasks import find_task
from kgnb.core.model import ChapterStatus, Usage
from kgnb.worker.budget import Budget


async def task_cost(app: App, task_id: int) -> dict[str, Any]:
    """Return the task's requests, tokens and money, JSON-ready; raises InputError when there is no task.

    ``models``: a row for each provider and model, ``price`` (prompt, reply) or (prompt, reply, cached prompt)
    of a million tokens; ``cached_tokens`` are among the prompt's. ``useful``: what the chapters with a result
    cost; ``wasted``: the rest, for failed chapters, what was discarded or timed out, and chapters at work.
    ``left``: remaining chapters and their cost if they are like those with a result. Money is None where a
    price is missing.
    """
    task = await find_task(app, task_id)
    found = (await app.ledger.task_stats.figures([task_id]))[task_id]
    budget = budget_of(app.settings)
    done = found.count(ChapterStatus.COMPLETED)
    left = found.count(ChapterStatus.PENDING, ChapterStatus.RUNNING)
    useful = _costs(budget, found.useful)
    return {
        "task_id": task.id,
        "name": task.name,
        "status": task.status.value,
        "chapters": sum(found.counts.values()),
        "completed": done,
        "chars": found.chars,
        "models": [
            {
                "provider": provider,
                "model": model,
                "price": budget.price(provider, model),
                **asdict(usage),
                "cost": budget.cost(provider, model, usage),
            }
            for (provider, model), usage in sorted(found.spent.items())
        ],
        **_costs(budget, found.spent),
        "useful": useful,
        "wasted": _costs(budget, found.wasted),
        "left": {"chapters": left, **_extrapolated(useful, left / done if done else None)},
    }


def _costs(budget: Budget, spent: Mapping[tuple[str, str], Usage]) -> dict[str, Any]:
    """Return the sum of the usage as a dict of its fields, with "cost": the money, 0.0 for no usage."""
    total = sum(spent.values(), Usage())
    return {**asdict(total), "cost": budget.total_cost(spent) if total != Usage() else 0.0}


def _extrapolated(useful: Mapping[str, Any], share: float | None) -> dict[str, float | None]:
    """Return tokens and cost of ``share`` times the useful usage; None for each without a share."""
    if share is None:
        return dict.fromkeys(("prompt_tokens", "completion_tokens", "cost"))
    return {
        "prompt_tokens": round(useful["prompt_tokens"] * share),
        "completion_tokens": round(useful["completion_tokens"] * share),
        "cost": None if useful["cost"] is None else round(useful["cost"] * share, 4),
    }
