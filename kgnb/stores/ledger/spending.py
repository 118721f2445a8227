"""What providers cost, by model and day, replies that could not be used included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import Usage
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import DatabasePart, reading, storable, transaction, upsert
from kgnb.stores.ledger.tables import USAGE_COLUMNS, read_usage, usage_columns


@dataclass(frozen=True, slots=True)
class Spent:
    """Usage of one provider (lower-case name) and model on one day in Beijing."""

    provider: str
    model: str
    day: date
    usage: Usage


class Spending(DatabasePart):
    """``kgnb_spending``."""

    @transaction
    def add(self, c: sa.Connection, rows: Sequence[Spent], since: date | None = None) -> list[Spent]:
        """Add ``rows``; return what all nodes spent from the day ``since`` on (nothing without it).

        After ServiceDown the rows may be counted, but most likely are not.
        """
        values = [
            {
                "provider": row.provider[:100],
                "model": storable(row.model)[:200],
                "day": row.day,
                **{name: getattr(row.usage, name) for name in USAGE_COLUMNS},
            }
            for row in sorted(rows, key=lambda r: (r.provider, r.model, r.day))  # one order: no deadlocks
        ]
        upsert(c, t.spending, values, _sums)
        return self._read_since(c, since) if since is not None else []

    def _read_since(self, c: sa.Connection, day: date) -> list[Spent]:
        """What all nodes spent from ``day`` on."""
        k = t.spending.c
        query = sa.select(k.provider, k.model, k.day, *usage_columns(t.spending))
        rows = c.execute(query.where(k.day >= day).order_by(k.provider, k.model, k.day))
        return [Spent(row[0], row[1], row[2], read_usage(row[3:])) for row in rows]

    since = reading(_read_since)


def _sums(old: Any, new: Any) -> dict[str, Any]:
    # A literal, not a parameter: PyMySQL takes none after the values of several rows. Null is a count that an
    # older kgnb didn't know.
    zero: sa.ColumnElement[int] = sa.literal_column("0")
    return {name: sa.func.coalesce(old[name], zero) + new[name] for name in USAGE_COLUMNS}
