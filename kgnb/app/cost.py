"""Cost of a task by provider and model, and of its remaining chapters at that rate."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from kgnb.app.context import App, budget_of
from kgnb.app.tasks import find_task
from kgnb.core.model import ChapterStatus, Usage


async def task_cost(app: App, task_id: int) -> dict[str, Any]:
    """Return the task's requests, tokens and money, JSON-ready; raises InputError when there is no task.

    ``models``: a row for each provider and model, ``price`` (prompt, reply) or (prompt, reply, cached prompt)
    of a million tokens; ``cached_tokens`` are among the prompt's; ``left``: remaining chapters and
    their cost if they are like the others. Money is None where a price is missing. Failed chapters and
    discarded replies only count in the provider's total of `kgnb status`.
    """
    task = await find_task(app, task_id)
    found = (await app.ledger.task_stats.figures([task_id]))[task_id]
    budget = budget_of(app.settings)
    done = found.count(ChapterStatus.COMPLETED)
    left = found.count(ChapterStatus.PENDING, ChapterStatus.RUNNING)
    total = found.usage
    money = budget.total_cost(found.spent) if total != Usage() else 0.0
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
        **asdict(total),
        "cost": money,
        "left": {"chapters": left, **_extrapolated(total, money, left / done if done else None)},
    }


def _extrapolated(total: Usage, money: float | None, share: float | None) -> dict[str, float | None]:
    if share is None:
        return dict.fromkeys(("prompt_tokens", "completion_tokens", "cost"))
    return {
        "prompt_tokens": round(total.prompt_tokens * share),
        "completion_tokens": round(total.completion_tokens * share),
        "cost": None if money is None else round(money * share, 4),
    }
