"""Decisions of people about a novel's names, in SQL: each is kept, an undone one too."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from kgnb.model import beijing_now
from kgnb.naming import Decision, Kind, same
from kgnb.store import tables as t
from kgnb.store.sql import Sql


class Naming:
    """The part of the ledger that keeps decisions about names."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def decisions(self, novel_id: int) -> list[Decision]:
        """All decisions about the novel's names, in the order in which they were made."""
        return await self._sql.run(lambda c: read_decisions(c, novel_id), write=False)

    async def decide(
        self, novel_id: int, kind: Kind, names: Sequence[str], *, by: str = ""
    ) -> tuple[Decision, bool]:
        """Stores a decision; (it, whether it is new). It isn't where the last standing one about two or more
        of these names says the same. ``by``: where it was made, at most 100 characters."""
        return await self._sql.run(lambda c: self._decide(c, novel_id, kind, tuple(names), by))

    def _decide(
        self, c: sa.Connection, novel_id: int, kind: Kind, names: tuple[str, ...], by: str
    ) -> tuple[Decision, bool]:
        _lock(c, novel_id)
        about = [
            d for d in read_decisions(c, novel_id) if d.stands and len(set(d.names).intersection(names)) > 1
        ]
        if about and same(about[-1], kind, names):
            return about[-1], False
        now = beijing_now()
        row = {
            "novel_id": novel_id,
            "kind": kind,
            "names": json.dumps(names, ensure_ascii=False),
            "made_at": now,
            "made_by": by[:100],
        }
        number = self._sql.insert(c, t.name_decisions, [row])
        return Decision(number, kind, names, now, by[:100]), True

    async def undo_decision(self, novel_id: int, number: int) -> tuple[Decision, bool] | None:
        """Takes a decision back; (it, whether it stood before). None when the novel has none of this id."""
        return await self._sql.run(lambda c: self._undo(c, novel_id, number))

    def _undo(self, c: sa.Connection, novel_id: int, number: int) -> tuple[Decision, bool] | None:
        _lock(c, novel_id)
        found = next((d for d in read_decisions(c, novel_id) if d.id == number), None)
        if found is None or not found.stands:
            return (found, False) if found else None
        mine = t.name_decisions.c.id == number
        c.execute(sa.update(t.name_decisions).where(mine).values(undone_at=beijing_now()))
        return found, True


def _lock(c: sa.Connection, novel_id: int) -> None:
    """Two decisions about one novel take turns."""
    c.execute(sa.select(t.novels.c.id).where(t.novels.c.id == novel_id).with_for_update())


def read_decisions(c: sa.Connection, novel_id: int) -> list[Decision]:
    """See :meth:`Naming.decisions`."""
    d = t.name_decisions
    rows = c.execute(sa.select(d).where(d.c.novel_id == novel_id).order_by(d.c.id)).mappings()
    return [
        Decision(
            r["id"], r["kind"], tuple(json.loads(r["names"])), r["made_at"], r["made_by"], r["undone_at"]
        )
        for r in rows
    ]
