"""What providers cost, by model and day: counted for every usage, also of replies that could not be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import Usage
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database, storable, upsert
from kgnb.stores.ledger.usage import COUNTS, columns, usage_of


@dataclass(frozen=True, slots=True)
class Spent:
    """What one provider (lower-case name) cost with one model on one day in Beijing."""

    provider: str
    model: str
    day: date
    usage: Usage


class Spending:
    """The part of the ledger that keeps ``kgnb_spending``."""

    def __init__(self, sql: Database) -> None:
        self._sql = sql

    async def add_spending(self, rows: Sequence[Spent], since: date | None = None) -> list[Spent]:
        """Adds ``rows`` and returns what all nodes spent from the day ``since`` on (nothing without it), in
        one transaction. After ServiceDown the rows may be counted or, far more likely, not."""
        return await self._sql.run(lambda c: _add(c, rows, since))

    async def spending(self, since: date) -> list[Spent]:
        """What all nodes spent from the day ``since`` on."""
        return await self._sql.run(lambda c: _read(c, since), write=False)


def _add(c: sa.Connection, rows: Sequence[Spent], since: date | None) -> list[Spent]:
    values = [
        {
            "provider": row.provider[:100],
            "model": storable(row.model)[:200],
            "day": row.day,
            **{name: getattr(row.usage, name) for name in COUNTS},
        }
        for row in sorted(rows, key=lambda r: (r.provider, r.model, r.day))  # one order: no deadlocks
    ]
    upsert(c, t.spending, values, _added)
    return _read(c, since) if since is not None else []


def _added(old: Any, new: Any) -> dict[str, Any]:
    """Null is what an older kgnb left of a count that it doesn't know."""
    # No parameter: PyMySQL takes none after the values of several rows.
    nothing: sa.ColumnElement[int] = sa.literal_column("0")
    return {name: sa.func.coalesce(old[name], nothing) + new[name] for name in COUNTS}


def _read(c: sa.Connection, since: date) -> list[Spent]:
    k = t.spending.c
    query = sa.select(k.provider, k.model, k.day, *columns(t.spending))
    rows = c.execute(query.where(k.day >= since).order_by(k.provider, k.model, k.day))
    return [Spent(row[0], row[1], row[2], usage_of(row[3:])) for row in rows]
