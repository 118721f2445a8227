"""What providers cost, and whether a budget allows more.

Usage is written every two seconds and at leaving, to ``kgnb_spending`` and, by task, to
``kgnb_task_spending``. A request counts before it is sent, by an estimate that its usage replaces: whatever
kills a node, what it asked stays counted. Under a budget the estimate is written first. All nodes share these
rows. A budget is overspent by the requests in flight when it is reached. Days are calendar days in Beijing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TypeVar

from kgnb.core.errors import BudgetReached
from kgnb.core.model import Provider, Usage, beijing_now
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.ledger.spending import SpendingKey, TaskSpendingKey

K = TypeVar("K")

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


@dataclass(slots=True)
class Reservation:
    """What the requests of one call may cost, counted before they are sent, until they are settled."""

    key: SpendingKey
    task_id: int
    usage: Usage = Usage()


@dataclass(eq=False, repr=False)
class SpendingTracker:
    """Counts this node's spending, knows what all nodes spent, and checks it against the budget.

    ``clock`` returns the time in Beijing; ``meter(task_id, usage)`` is called with all that a task cost.
    """

    _ledger: Ledger
    budget: Budget
    _clock: Callable[[], datetime] = beijing_now
    _meter: Callable[[int, Usage], None] = lambda _task_id, _usage: None

    def __post_init__(self) -> None:
        self._unwritten: dict[SpendingKey, Usage] = {}
        self._unwritten_tasks: dict[TaskSpendingKey, Usage] = {}
        self._reserved: dict[SpendingKey, Usage] = {}  # of requests in flight
        self._stored: dict[SpendingKey, Usage] = {}
        self._writing = asyncio.Lock()
        self._flushes: set[asyncio.Task[None]] = set()

    def record(self, provider: Provider, model: str, usage: Usage, task_id: int | None = None) -> None:
        """Count the usage of a call, for a task or (None) for no task."""
        self._count(self._key(provider, model), task_id, usage)
        if task_id is not None and usage != Usage():
            self._meter(task_id, usage)

    def reservation(self, provider: Provider, model: str, task_id: int) -> Reservation:
        """Return the empty reservation of a call for a task."""
        return Reservation(self._key(provider, model), task_id)

    def reserve(self, call: Reservation, usage: Usage) -> None:
        """Count a request that is about to be sent."""
        call.usage += usage
        _add(self._reserved, call.key, usage)
        self._count(call.key, call.task_id, usage)

    async def write_reserved(self, provider: Provider) -> None:
        """Where the provider has a budget, write what is reserved, and read what all nodes spent, for
        :meth:`check`. Raises ServiceDown.
        """
        if any(self.budget.limits(provider.lower_name)):
            await self.flush()

    def settle(self, call: Reservation, usage: Usage) -> None:
        """Count what the call cost in place of what was reserved for it."""
        _add(self._reserved, call.key, Usage() - call.usage)
        self._count(call.key, call.task_id, usage - call.usage)
        call.usage = Usage()
        if usage != Usage():
            self._meter(call.task_id, usage)

    def _key(self, provider: Provider, model: str) -> SpendingKey:
        """Return (provider, model, today) as spending is counted."""
        return provider.lower_name, model, self._clock().date()

    def _count(self, key: SpendingKey, task_id: int | None, usage: Usage) -> None:
        _add(self._unwritten, key, usage)
        if task_id is not None:
            _add(self._unwritten_tasks, (task_id, *key[:2]), usage)

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
            writing, by_task = dict(self._unwritten), dict(self._unwritten_tasks)
            if not (writing or by_task):  # another call wrote it
                return
            has_limits = self.budget.money or self.budget.tokens
            since = self.budget.first_day(self._clock()) if has_limits else None
            self._stored = await self._ledger.spending.add(writing, since, by_task=by_task)
            _subtract(self._unwritten, writing)
            _subtract(self._unwritten_tasks, by_task)

    def check(self, provider: Provider, model: str) -> None:
        """Raise BudgetReached when the provider may cost no more, as far as is known here. What this node has
        in flight doesn't count: it may cost less.
        """
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
        """Return (money, tokens) that a provider cost within the budget's days, on all nodes, reserved parts
        aside.
        """
        since, money, tokens = self.budget.first_day(self._clock()), 0.0, 0
        for sign, rows in ((1, self._stored), (1, self._unwritten), (-1, self._reserved)):
            for (provider, model, day), usage in rows.items():
                if provider == key and day >= since:
                    money += sign * (self.budget.cost(provider, model, usage) or 0.0)
                    tokens += sign * (usage.prompt_tokens + usage.completion_tokens)
        return money, tokens

    def _reached(self, key: str, provider: Provider, **facts: object) -> BudgetReached:
        """Return the error of a reached budget, with a pause until midnight."""
        now = self._clock()
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time())
        pause = max(60.0, (midnight - now).total_seconds() + 1)  # the window moves at midnight
        return BudgetReached(key, provider=provider.name, pause_seconds=pause, **facts)


def _add(sums: dict[K, Usage], key: K, usage: Usage) -> None:
    total = sums.pop(key, Usage()) + usage
    if total != Usage():
        sums[key] = total


def _subtract(sums: dict[K, Usage], written: Mapping[K, Usage]) -> None:
    for key, usage in written.items():
        _add(sums, key, Usage() - usage)
