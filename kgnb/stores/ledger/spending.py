"""What providers cost, by model and day, replies that could not be used included."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import Usage
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import DatabasePart, reading, storable, transaction, upsert
from kgnb.stores.ledger.tables import USAGE_COLUMNS, read_usage, usage_columns

SpendingKey = tuple[str, str, date]
"""Provider (lower-case name), model, day in Beijing."""


class Spending(DatabasePart):
    """``kgnb_spending``."""

    @transaction
    def add(
        self, c: sa.Connection, spent: Mapping[SpendingKey, Usage], since: date | None = None
    ) -> dict[SpendingKey, Usage]:
        """Add what was ``spent``; return what all nodes spent from the day ``since`` on (nothing without it).

        After ServiceDown the rows may be counted, but most likely are not.
        """
        values = [
            {
                "provider": provider[:100],
                "model": storable(model)[:200],
                "day": day,
                **{name: getattr(usage, name) for name in USAGE_COLUMNS},
            }
            for (provider, model, day), usage in sorted(spent.items())  # one order: no deadlocks
        ]
        upsert(c, t.spending, values, _sums)
        return self._read_since(c, since) if since is not None else {}

    def _read_since(self, c: sa.Connection, day: date) -> dict[SpendingKey, Usage]:
        """What all nodes spent from ``day`` on."""
        k = t.spending.c
        query = sa.select(k.provider, k.model, k.day, *usage_columns(t.spending))
        return {(row[0], row[1], row[2]): read_usage(row[3:]) for row in c.execute(query.where(k.day >= day))}

    since = reading(_read_since)


def _sums(old: Any, new: Any) -> dict[str, Any]:
    # A literal, not a parameter: PyMySQL takes none after the values of several rows. Null is a count that an
    # older kgnb didn't know.
    zero: sa.ColumnElement[int] = sa.literal_column("0")
    return {name: sa.func.coalesce(old[name], zero) + new[name] for name in USAGE_COLUMNS}
