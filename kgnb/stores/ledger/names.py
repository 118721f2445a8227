"""Names in SQL: a novel's name table, the names of a task's prompts, and people's decisions about names.

A task's names are frozen when it is first opened, or before, so that its prompts can be reproduced and the
reply cache hits after a crash. Decisions that were undone are kept, with the time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import beijing_now
from kgnb.extract.model import NameEntry, Reason
from kgnb.graph.resolve.decisions import OF_NAMES, Decision
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.books import lock_novel, text_digest
from kgnb.stores.ledger.database import DatabasePart, Row, reading, transaction, upsert
from kgnb.stores.ledger.tasks import locked_task

_COUNTS = ("mentions", "first_chapter", "last_chapter", "chapters")


class Names(DatabasePart):
    """``kgnb_names`` and the names in ``kgnb_tasks``."""

    @reading
    def read(self, c: sa.Connection, novel_id: int) -> list[NameEntry]:
        """Return the entries of the novel's name table, most mentioned first; [] without a table."""
        return read_names(c, novel_id)

    def _read_frozen(self, c: sa.Connection, task_id: int) -> list[NameEntry] | None:
        """Return the names that the task's prompts use; None before they were frozen."""
        stored = c.scalar(sa.select(t.task_facts.c.names).where(t.task_facts.c.task_id == task_id))
        if stored is None:
            return None
        return read_frozen_names(stored)

    frozen = reading(_read_frozen)

    @transaction
    def freeze(
        self,
        c: sa.Connection,
        task_id: int,
        novel_id: int,
        names: Sequence[NameEntry],
        digest: str = "",
        kinds: Sequence[str] = (),
    ) -> list[NameEntry]:
        """Store the names and entity kinds of the task's prompts; return the names that the task has from now
        on.

        Names that the task has already stay and are returned. ``digest``: ``books.text_digest`` at the start
        of the scan, "" for unknown. Nothing is stored for a task that is deleted, or that nobody has opened
        while the text changed since the scan. ``names`` also become the novel's name table, unless the text
        changed and a table is there. ``kinds`` count unless the task has kinds of its own.
        """
        task, token = locked_task(c, task_id)
        stored = self._read_frozen(c, task_id)
        if stored is not None:
            return stored
        if task is None:  # deleted meanwhile: nothing of it is kept
            return list(names)
        lock_novel(c, novel_id)
        same_text = digest == text_digest(c, novel_id)
        if digest and token is None and not same_text:
            return list(names)  # scanned before it was opened: it will take new chapters along
        rows = [(*astuple(n)[:-2], n.since) for n in names]  # without the reasons
        asked = kinds if task.thing_kinds is None else task.thing_kinds
        row = {
            **{"task_id": task_id, "novel_id": novel_id, "token": 0, "settled": 0},
            "names": json.dumps(rows, ensure_ascii=False, separators=(",", ":")),
            "kinds": json.dumps(list(asked), ensure_ascii=False),
        }
        upsert(c, t.task_facts, [row], lambda _, new: {"names": new.names, "kinds": new.kinds})
        if same_text or not read_names(c, novel_id):
            replace_names(c, novel_id, names)
        return list(names)

    @transaction
    def replace(self, c: sa.Connection, novel_id: int, names: Sequence[NameEntry], digest: str) -> None:
        """Replace the novel's name table by ``names``; nothing if the text changed since the scan
        (``digest``).
        """
        lock_novel(c, novel_id)
        if digest == text_digest(c, novel_id):
            replace_names(c, novel_id, names)


def read_names(c: sa.Connection, novel_id: int) -> list[NameEntry]:
    """Return the entries of the novel's name table, most mentioned first; [] without a table."""
    n = t.names.c
    query = sa.select(t.names).where(n.novel_id == novel_id).order_by(n.mentions.desc(), n.kind, n.name)
    return [read_entry(r) for r in c.execute(query).mappings()]


def read_entry(row: Mapping[Any, Any]) -> NameEntry:
    """Return the name entry in a row of ``kgnb_names``."""
    return NameEntry(
        **{column: row[column] for column in ("name", "kind", *_COUNTS)},
        aliases=tuple(json.loads(row["aliases"])),
        narrator=bool(row["narrator"]),
        reasons=tuple(_reason(*one) for one in json.loads(row["reasons"] or "[]")),
        since=json.loads(row["since"] or "{}"),
    )


def _reason(alias: str, other: str, why: str, certainty: float = 1.0) -> Reason:
    """Return a reason as a tuple; an older record has no certainty."""
    return alias, other, why, certainty  # an older kgnb wrote no probability


def read_frozen_names(stored: str) -> list[NameEntry]:
    """Return the names of a task's prompts, from the JSON text in ``kgnb_tasks``."""
    return [_frozen_entry(*row) for row in json.loads(stored)]


def _frozen_entry(name: str, aliases: Sequence[str], *more: Any) -> NameEntry:
    """Return the entry in a task's stored names; of an older kgnb without ``since``."""
    rest = list(more)
    since = rest.pop() if rest and isinstance(rest[-1], dict) else {}  # none in a row of an older kgnb
    return replace(NameEntry(name, tuple(aliases), *rest), since=since)


def replace_names(c: sa.Connection, novel_id: int, entries: Sequence[NameEntry]) -> None:
    """Make ``entries`` the novel's name table; of several with the same kind and name the first counts."""
    c.execute(sa.delete(t.names).where(t.names.c.novel_id == novel_id))
    written: dict[tuple[str, str], NameEntry] = {}
    for entry in entries:
        written.setdefault((entry.kind[:40], entry.name[:200]), entry)
    rows = [
        {
            **{"novel_id": novel_id, "kind": kind, "name": name},
            **{count: getattr(entry, count) for count in _COUNTS},
            "narrator": int(entry.narrator),
            "aliases": json.dumps(entry.aliases, ensure_ascii=False),
            "reasons": json.dumps(entry.reasons, ensure_ascii=False),
            "since": json.dumps(dict(entry.since), ensure_ascii=False),
        }
        for (kind, name), entry in written.items()
    ]
    if rows:
        c.execute(sa.insert(t.names), rows)


# --- people's decisions -----------------------------------------------------------------------------------


class NameDecisions(DatabasePart):
    """``kgnb_name_decisions``."""

    @reading
    def read(self, c: sa.Connection, novel_id: int) -> list[Decision]:
        """Return all decisions about the novel, oldest first, undone decisions included."""
        return read_decisions(c, novel_id)

    @transaction
    def add(
        self, c: sa.Connection, novel_id: int, decisions: Iterable[Decision]
    ) -> list[tuple[Decision, bool]]:
        """Store decisions in their order; return (decision with id and time, whether it is new) for each.

        Not new is a decision with the same effect as the last one in force about its subject; of a merge or a
        split: about two or more of its names. Then the earlier decision is returned.
        """
        lock_novel(c, novel_id)
        standing = [d for d in read_decisions(c, novel_id) if d.in_force]
        of_names = [d for d in standing if d.kind in OF_NAMES]
        corrections = {d.subject: d for d in standing if d.kind not in OF_NAMES}
        added = []
        for decision in decisions:
            if decision.kind in OF_NAMES:
                names = set(decision.names)
                last = next((d for d in reversed(of_names) if len(names.intersection(d.names)) > 1), None)
            else:
                last = corrections.get(decision.subject)
            if last and last.effect == decision.effect:
                added.append((last, False))
                continue
            stored = replace(decision, made_at=_whole_second(beijing_now()), made_by=decision.made_by[:100])
            stored = replace(stored, id=self._database.insert(c, t.name_decisions, [_row(novel_id, stored)]))
            added.append((stored, True))
            if decision.kind in OF_NAMES:
                of_names.append(stored)
            else:
                corrections[stored.subject] = stored
        return added

    @transaction
    def undo(self, c: sa.Connection, novel_id: int, decision_id: int) -> tuple[Decision, bool] | None:
        """Undo a decision; return (decision, whether it was not undone before). None if the novel has no
        decision of this id.
        """
        lock_novel(c, novel_id)
        found = next((d for d in read_decisions(c, novel_id) if d.id == decision_id), None)
        if found is None or found.undone_at:
            return (found, False) if found else None
        where = t.name_decisions.c.id == decision_id
        c.execute(sa.update(t.name_decisions).where(where).values(undone_at=_whole_second(beijing_now())))
        return found, True


def read_decisions(c: sa.Connection, novel_id: int) -> list[Decision]:
    """Return all decisions about the novel, oldest first, undone decisions included."""
    d = t.name_decisions
    rows = c.execute(sa.select(d).where(d.c.novel_id == novel_id).order_by(d.c.id)).mappings()
    return [read_decision(r) for r in rows]


def _row(novel_id: int, decision: Decision) -> Row:
    """Return column → value of a decision's row."""
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
        "detail": decision.detail or None,
        "reason": decision.reason or None,
    }


def _whole_second(moment: datetime | None) -> datetime | None:
    """Return the time without microseconds, which MySQL doesn't store; None for None."""
    return moment.replace(microsecond=0) if moment is not None else None


def read_decision(r: Any) -> Decision:
    """Return the decision in a row of ``kgnb_name_decisions``."""
    chapters = (r["first_chapter"], r["last_chapter"]) if r["first_chapter"] is not None else None
    names = tuple(json.loads(r["names"]))
    return Decision(
        *(r["id"], r["kind"], names, r["made_at"], r["made_by"], r["undone_at"], chapters),
        detail=r["detail"] or "",
        reason=r["reason"] or "",
    )
