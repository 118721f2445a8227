"""What providers cost, and whether a budget allows more.

Usage is counted in memory and written every two seconds and at leaving, to ``kgnb_spending`` and, by task, to
``kgnb_task_spending``; a crash loses two seconds of it. All nodes share these rows. A budget is overspent by
the requests in flight when it is reached and by what other nodes spent in the last seconds. Days are calendar
days in Beijing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TypeVar

from kgnb.core.errors import BudgetReached
from kgnb.core.model import Provider, Usage, beijing_now
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.ledger.spending import SpendingKey, TaskSpendingKey

K = TypeVar("K")

FRESH_SECONDS = 10.0
"""Greatest age of the other nodes' spending that a budget is checked against."""
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits by lower-case provider name ("" for every other provider), and prices of a million tokens by
    ``name`` or ``name/model``: (prompt, reply) or (prompt, reply, cached prompt)."""

    money: Mapping[str, float] = field(default_factory=dict)
    tokens: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    days: int = 30  # length of the window, including today

    def limits(self, provider: str) -> tuple[float, float]:
        """Return (money, tokens) that the provider may cost; 0 is unlimited. Without own limits those
        of "".
        """
        key = provider.lower()
        money, tokens = (given.get(key, given.get("", 0.0)) for given in (self.money, self.tokens))
        return money, tokens

    def price(self, provider: str, model: str) -> tuple[float, ...] | None:
        """Return the prices of a million tokens, (prompt, reply) or (prompt, reply, cached prompt); None if
        unknown.

        The price of ``provider/model`` goes before that of ``provider``, then that of "".
        """
        key = provider.lower()
        names = (f"{key}/{model.lower()}", key, "")
        return next((self.prices[name] for name in names if name in self.prices), None)

    def cost(self, provider: str, model: str, usage: Usage) -> float | None:
        """Return the money that ``usage`` cost; None without a price.

        Cached tokens without a price of their own cost as much as other prompt tokens.
        """
        price = self.price(provider, model)
        return None if price is None else cost_at(price, usage)

    def total_cost(self, spent: Mapping[tuple[str, str], Usage]) -> float | None:
        """Return the money that all usage cost, by (provider, model); None without usage or if any
        price is unknown.
        """
        costs = [self.cost(*model, usage) for model, usage in spent.items() if usage != Usage()]
        return None if None in costs or not costs else round(sum(c for c in costs if c is not None), 4)

    def first_day(self, now: datetime) -> date:
        """Return the first day of the budget's window that ends with ``now``."""
        return now.date() - timedelta(days=self.days - 1)


def cost_at(price: Sequence[float], usage: Usage) -> float:
    """Return the money for ``usage`` at the prices (prompt, reply[, cached prompt]) of a million tokens.

    Reasoning tokens are part of the reply's tokens.
    """
    prompt, reply, *rest = price
    money = usage.prompt_tokens * prompt + usage.completion_tokens * reply
    for cached in rest:
        money += usage.cached_tokens * (cached - prompt)
    return money / MILLION


class SpendingTracker:
    """Counts this node's spending, knows what all nodes spent, and checks it against the budget.

    ``clock`` returns the time in Beijing; ``meter(task_id, usage)`` is called with all that a task cost.
    """

    def __init__(
        self,
        ledger: Ledger,
        budget: Budget,
        clock: Callable[[], datetime] = beijing_now,
        meter: Callable[[int, Usage], None] = lambda _task_id, _usage: None,
    ) -> None:
        self.budget = budget
        self._ledger = ledger
        self._clock = clock
        self._meter = meter
        self._unwritten: dict[SpendingKey, Usage] = {}
        self._unwritten_tasks: dict[TaskSpendingKey, Usage] = {}
        self._stored: dict[SpendingKey, Usage] = {}
        self._read_at = float("-inf")
        self._writing = asyncio.Lock()
        self._flushes: set[asyncio.Task[None]] = set()

    def record(self, provider: Provider, model: str, usage: Usage, task_id: int | None = None) -> None:
        """Count the usage of a call, for a task or (None) for no task."""
        if usage == Usage():
            return
        _add(self._unwritten, (provider.lower_name, model, self._clock().date()), usage)
        if task_id is not None:
            _add(self._unwritten_tasks, (task_id, provider.lower_name, model), usage)
            self._meter(task_id, usage)

    @property
    def _has_limits(self) -> bool:
        return bool(self.budget.money or self.budget.tokens)

    async def flush(self) -> None:
        """Write new usage; under a budget also read what all nodes spent. Raises ServiceDown.

        When the caller is cancelled, the write goes on and the next call waits for it: what it wrote must not
        be written again.
        """
        flush = asyncio.create_task(self._flush())
        self._flushes.add(flush)
        flush.add_done_callback(self._flushes.discard)
        await asyncio.shield(flush)

    async def _flush(self) -> None:
        async with self._writing:
            stale = self._has_limits and time.monotonic() - self._read_at > FRESH_SECONDS
            if not self._unwritten and not stale:
                return
            writing, by_task = dict(self._unwritten), dict(self._unwritten_tasks)
            since = self.budget.first_day(self._clock()) if self._has_limits else None
            stored = await self._ledger.spending.add(writing, since, by_task=by_task)
            _subtract(self._unwritten, writing)
            _subtract(self._unwritten_tasks, by_task)
            self._stored = stored
            self._read_at = time.monotonic()

    def is_stale(self, provider: Provider) -> bool:
        """Whether :meth:`flush` must read what other nodes spent before :meth:`check` can decide."""
        return (
            any(self.budget.limits(provider.lower_name)) and time.monotonic() - self._read_at > FRESH_SECONDS
        )

    def check(self, provider: Provider, model: str) -> None:
        """Raise BudgetReached when the provider may cost no more, as far as is known here."""
        money, tokens = self.budget.limits(provider.lower_name)
        if not (money or tokens):
            return
        if money and self.budget.price(provider.lower_name, model) is None:
            raise self._reached("provider.no_price", provider, model=model)
        spent_money, spent_tokens = self._spent_in_window(provider.lower_name)
        if money and spent_money >= money:
            facts = {"spent": f"{spent_money:.4g}", "limit": f"{money:.10g}", "days": self.budget.days}
            raise self._reached("provider.budget_money", provider, **facts)
        if tokens and spent_tokens >= tokens:
            facts = {"spent": spent_tokens, "limit": f"{tokens:.10g}", "days": self.budget.days}
            raise self._reached("provider.budget_tokens", provider, **facts)

    def _spent_in_window(self, key: str) -> tuple[float, int]:
        since, money, tokens = self.budget.first_day(self._clock()), 0.0, 0
        for rows in (self._stored, self._unwritten):
            for (provider, model, day), usage in rows.items():
                if provider == key and day >= since:
                    money += self.budget.cost(provider, model, usage) or 0.0
                    tokens += usage.prompt_tokens + usage.completion_tokens
        return money, tokens

    def _reached(self, key: str, provider: Provider, **facts: object) -> BudgetReached:
        now = self._clock()
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time())
        pause = max(60.0, (midnight - now).total_seconds() + 1)  # the window moves at midnight
        return BudgetReached(key, provider=provider.name, pause_seconds=pause, **facts)


def _add(sums: dict[K, Usage], key: K, usage: Usage) -> None:
    sums[key] = sums.get(key, Usage()) + usage


def _subtract(sums: dict[K, Usage], written: Mapping[K, Usage]) -> None:
    for key, usage in written.items():
        sums[key] -= usage
        if sums[key] == Usage():
            del sums[key]
