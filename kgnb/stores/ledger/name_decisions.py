"""Decisions of people about a novel's names, in SQL: each is kept, an undone one too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import beijing_now
from kgnb.graph.resolve.decisions import Decision, is_same
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database, Row


class Naming:
    """The part of the ledger that keeps decisions about names."""

    def __init__(self, sql: Database) -> None:
        self._sql = sql

    async def decisions(self, novel_id: int) -> list[Decision]:
        """All decisions about the novel's names, in the order in which they were made."""
        return await self._sql.run(lambda c: read_decisions(c, novel_id), write=False)

    async def decide(self, novel_id: int, decision: Decision) -> tuple[Decision, bool]:
        """Stores a decision; (it with its id and time, whether it is new). It isn't where the last standing
        one about two or more of its names says the same."""
        return await self._sql.run(lambda c: self._decide(c, novel_id, decision))

    def _decide(self, c: sa.Connection, novel_id: int, new: Decision) -> tuple[Decision, bool]:
        _lock(c, novel_id)
        names = set(new.names)
        about = [
            d for d in read_decisions(c, novel_id) if d.in_force and len(names.intersection(d.names)) > 1
        ]
        if about and is_same(about[-1], new.kind, new.names, new.chapters):
            return about[-1], False
        stored = replace(new, made_at=_now(), made_by=new.made_by[:100])
        number = self._sql.insert(c, t.name_decisions, [_row(novel_id, stored)])
        return replace(stored, id=number), True

    async def undo_decision(self, novel_id: int, number: int) -> tuple[Decision, bool] | None:
        """Takes a decision back; (it, whether it stood before). None when the novel has none of this id."""
        return await self._sql.run(lambda c: self._undo(c, novel_id, number))

    def _undo(self, c: sa.Connection, novel_id: int, number: int) -> tuple[Decision, bool] | None:
        _lock(c, novel_id)
        found = next((d for d in read_decisions(c, novel_id) if d.id == number), None)
        if found is None or not found.in_force:
            return (found, False) if found else None
        mine = t.name_decisions.c.id == number
        c.execute(sa.update(t.name_decisions).where(mine).values(undone_at=_now()))
        return found, True


def take_up_decisions(sql: Database, c: sa.Connection, novel_id: int, decisions: Sequence[Decision]) -> None:
    """Stores another engine's decisions in their order; those that are here already only once."""
    there = {(d.kind, d.names, d.chapters, _second(d.made_at)) for d in read_decisions(c, novel_id)}
    for one in sorted(decisions, key=lambda d: d.id):
        if (one.kind, one.names, one.chapters, _second(one.made_at)) not in there:
            sql.insert(c, t.name_decisions, [_row(novel_id, one)])


def _row(novel_id: int, decision: Decision) -> Row:
    first, last = decision.chapters or (None, None)
    return {
        "novel_id": novel_id,
        "kind": decision.kind,
        "names": json.dumps(decision.names, ensure_ascii=False),
        "first_chapter": first,
        "last_chapter": last,
        "made_by": decision.made_by[:100],
        "made_at": _second(decision.made_at),
        "undone_at": _second(decision.undone_at),
    }


def _now() -> datetime:
    return beijing_now().replace(microsecond=0)


def _second(moment: datetime | None) -> datetime | None:
    """Without what MySQL rounds off, so that a time is the same in every engine."""
    return moment.replace(microsecond=0) if moment is not None else None


def _lock(c: sa.Connection, novel_id: int) -> None:
    """Two decisions about one novel take turns."""
    c.execute(sa.select(t.novels.c.id).where(t.novels.c.id == novel_id).with_for_update())


def read_decisions(c: sa.Connection, novel_id: int) -> list[Decision]:
    """See :meth:`Naming.decisions`."""
    d = t.name_decisions
    rows = c.execute(sa.select(d).where(d.c.novel_id == novel_id).order_by(d.c.id)).mappings()
    return [_decision(r) for r in rows]


def _decision(r: Any) -> Decision:
    chapters = (r["first_chapter"], r["last_chapter"]) if r["first_chapter"] is not None else None
    names = tuple(json.loads(r["names"]))
    return Decision(r["id"], r["kind"], names, r["made_at"], r["made_by"], r["undone_at"], chapters)
