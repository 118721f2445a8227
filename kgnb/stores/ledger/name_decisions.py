"""People's merge and split decisions about a novel's names, in SQL; undone ones are kept, with the time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import beijing_now
from kgnb.graph.resolve.decisions import Decision
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.books import lock_novel
from kgnb.stores.ledger.database import DatabasePart, Row, reading, transaction


class NameDecisions(DatabasePart):
    """``kgnb_name_decisions``."""

    def _read(self, c: sa.Connection, novel_id: int) -> list[Decision]:
        """All decisions about the novel's names, oldest first."""
        d = t.name_decisions
        rows = c.execute(sa.select(d).where(d.c.novel_id == novel_id).order_by(d.c.id)).mappings()
        return [read_decision(r) for r in rows]

    read = reading(_read)

    @transaction
    def add(self, c: sa.Connection, novel_id: int, decision: Decision) -> tuple[Decision, bool]:
        """Store a decision; return it with its id and time, and whether it is new.

        It isn't when the last standing decision about two or more of its names says the same.
        """
        lock_novel(c, novel_id)
        names = set(decision.names)
        about = [d for d in self._read(c, novel_id) if d.in_force and len(names.intersection(d.names)) > 1]
        if about and about[-1].effect == decision.effect:
            return about[-1], False
        stored = replace(decision, made_at=_whole_second(beijing_now()), made_by=decision.made_by[:100])
        number = self._database.insert(c, t.name_decisions, [_row(novel_id, stored)])
        return replace(stored, id=number), True

    @transaction
    def undo(self, c: sa.Connection, novel_id: int, decision_id: int) -> tuple[Decision, bool] | None:
        """Undo a decision; return it and whether it stood before. None when the novel has none of this id."""
        lock_novel(c, novel_id)
        found = next((d for d in self._read(c, novel_id) if d.id == decision_id), None)
        if found is None or not found.in_force:
            return (found, False) if found else None
        where = t.name_decisions.c.id == decision_id
        c.execute(sa.update(t.name_decisions).where(where).values(undone_at=_whole_second(beijing_now())))
        return found, True

    def insert_missing(self, c: sa.Connection, novel_id: int, decisions: Sequence[Decision]) -> None:
        """Store another engine's decisions in their order, less those that are here already."""
        present = {(d.kind, d.names, d.chapters, _whole_second(d.made_at)) for d in self._read(c, novel_id)}
        for d in sorted(decisions, key=lambda d: d.id):
            if (d.kind, d.names, d.chapters, _whole_second(d.made_at)) not in present:
                self._database.insert(c, t.name_decisions, [_row(novel_id, d)])


def _row(novel_id: int, decision: Decision) -> Row:
    first, last = decision.chapters or (None, None)
    return {
        "novel_id": novel_id,
        "kind": decision.kind,
        "names": json.dumps(decision.names, ensure_ascii=False),
        "first_chapter": first,
        "last_chapter": last,
        "made_by": decision.made_by[:100],
        "made_at": _whole_second(decision.made_at),
        "undone_at": _whole_second(decision.undone_at),
    }


def _whole_second(moment: datetime | None) -> datetime | None:
    """Drop microseconds, which MySQL doesn't store, so that a time is equal in every engine."""
    return moment.replace(microsecond=0) if moment is not None else None


def read_decision(r: Any) -> Decision:
    """The decision of a row."""
    chapters = (r["first_chapter"], r["last_chapter"]) if r["first_chapter"] is not None else None
    names = tuple(json.loads(r["names"]))
    return Decision(r["id"], r["kind"], names, r["made_at"], r["made_by"], r["undone_at"], chapters)
