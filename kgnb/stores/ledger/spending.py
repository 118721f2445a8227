"""What providers cost, by model and day, and by task; replies that could not be used included."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from datetime import date
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import Usage
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import DatabasePart, reading, storable, transaction, upsert
from kgnb.stores.ledger.tables import USAGE_COLUMNS, read_usage, usage_columns

SpendingKey = tuple[str, str, date]
"""Provider (lower-case name), model, day in Beijing."""
TaskSpendingKey = tuple[int, str, str]
"""Task, provider (lower-case name), model."""


class Spending(DatabasePart):
    """``kgnb_spending`` and ``kgnb_task_spending``."""

    @transaction
    def add(
        self,
        c: sa.Connection,
        spent: Mapping[SpendingKey, Usage],
        since: date | None = None,
        *,
        by_task: Mapping[TaskSpendingKey, Usage] | None = None,
    ) -> dict[SpendingKey, Usage]:
        """Add what was ``spent``; return (provider, model, day) → usage of all nodes from the day ``since``
        on, {} for None.

        ``by_task``: how much of it was for which task. After ServiceDown the rows may be counted, but most
        likely are not.
        """
        values = [
            {**_model_values(provider, model), "day": day, **asdict(usage)}
            for (provider, model, day), usage in sorted(spent.items())  # one order: no deadlocks
        ]
        upsert(c, t.spending, values, _sums)
        add_task_spending(c, by_task or {})
        return self._read_since(c, since) if since is not None else {}

    def _read_since(self, c: sa.Connection, day: date) -> dict[SpendingKey, Usage]:
        """Return (provider, model, day) → usage of all nodes from ``day`` on."""
        k = t.spending.c
        query = sa.select(k.provider, k.model, k.day, *usage_columns(t.spending))
        return {(row[0], row[1], row[2]): read_usage(row[3:]) for row in c.execute(query.where(k.day >= day))}

    since = reading(_read_since)


def add_task_spending(c: sa.Connection, spent: Mapping[TaskSpendingKey, Usage]) -> None:
    """Add what was spent on tasks; of one that was deleted meanwhile nothing is kept."""
    if not spent:
        return
    k = t.tasks.c.id
    present = set(c.scalars(sa.select(k).where(k.in_(sorted({task_id for task_id, _, _ in spent})))))
    values = [
        {"task_id": task_id, **_model_values(provider, model), **asdict(usage)}
        for (task_id, provider, model), usage in sorted(spent.items())
        if task_id in present
    ]
    upsert(c, t.task_spending, values, _sums)


def read_wasted(c: sa.Connection, task_ids: Sequence[int]) -> dict[TaskSpendingKey, Usage]:
    """Return (task id, provider in lower case, model) → usage that paid for no stored row: failures and
    unfinished chapters. Without entries of zero usage.
    """
    e, k, rows = t.extractions.c, t.task_spending.c, defaultdict[TaskSpendingKey, Usage](Usage)
    # What other rows cost (imported, of an older kgnb) isn't in kgnb_task_spending.
    metered = e.task_id.in_(task_ids), e.metered == 1
    keys = (e.task_id, e.provider, e.model)
    query = sa.select(*keys, *map(sa.func.sum, usage_columns(t.extractions))).group_by(*keys)
    for task_id, provider, model, *counts in c.execute(query.where(*metered)):
        rows[task_id, provider.lower(), model] += read_usage(counts)
    wasted = {}
    spent = sa.select(k.task_id, k.provider, k.model, *usage_columns(t.task_spending))
    for task_id, provider, model, *counts in c.execute(spent.where(k.task_id.in_(task_ids))):
        rest = read_usage(counts) - rows[task_id, provider, model]
        # Less than 0 where a crash lost the last seconds of spending.
        wasted[task_id, provider, model] = Usage(*(max(0, count) for count in astuple(rest)))
    return {key: usage for key, usage in wasted.items() if usage != Usage()}


def _model_values(provider: str, model: str) -> dict[str, str]:
    """Return the columns of provider and model, cut to their lengths."""
    return {"provider": provider[:100], "model": storable(model)[:200]}


def _sums(old: Any, new: Any) -> dict[str, Any]:
    # A literal, not a parameter: PyMySQL takes none after the values of several rows. Null is a count that an
    # older kgnb didn't know.
    """Return column → SQL expression of the old and the new count together."""
    zero: sa.ColumnElement[int] = sa.literal_column("0")
    return {name: sa.func.coalesce(old[name], zero) + new[name] for name in USAGE_COLUMNS}
