"""Names in SQL: a novel's name table, and the names that a task's prompts use.

A task's names are frozen when it is first opened, so that its prompts can be reproduced and the reply cache
hits after a crash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from typing import Any

import sqlalchemy as sa

from kgnb.extract.model import NameEntry
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.books import lock_novel, text_digest
from kgnb.stores.ledger.database import DatabasePart, reading, transaction, upsert
from kgnb.stores.ledger.tasks import locked_task

_COUNTS = ("mentions", "first_chapter", "last_chapter", "chapters")


class Names(DatabasePart):
    """``kgnb_names`` and the names in ``kgnb_tasks``."""

    @reading
    def read(self, c: sa.Connection, novel_id: int) -> list[NameEntry]:
        """The novel's name table, most mentioned first."""
        return read_names(c, novel_id)

    def _read_frozen(self, c: sa.Connection, task_id: int) -> list[NameEntry] | None:
        """The names that the task's prompts use; None before they were frozen."""
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
        """Store the names and entity kinds of the task's prompts, unless it has some; return its names.

        They replace the novel's name table, unless there is one and the text changed since their scan began:
        ``digest`` is ``books.text_digest`` of then. ``kinds`` count unless the task has kinds of its own.
        """
        task, _ = locked_task(c, task_id)
        stored = self._read_frozen(c, task_id)
        if stored is not None:
            return stored
        if task is None:  # deleted meanwhile: nothing of it is kept
            return list(names)
        rows = [astuple(n)[:-1] for n in names]  # without the reasons
        asked = kinds if task.thing_kinds is None else task.thing_kinds
        row = {
            **{"task_id": task_id, "novel_id": novel_id, "token": 0, "settled": 0},
            "names": json.dumps(rows, ensure_ascii=False, separators=(",", ":")),
            "kinds": json.dumps(list(asked), ensure_ascii=False),
        }
        upsert(c, t.task_facts, [row], lambda _, new: {"names": new.names, "kinds": new.kinds})
        _replace_names(c, novel_id, names, digest)
        return list(names)


def _replace_names(c: sa.Connection, novel_id: int, entries: Sequence[NameEntry], digest: str) -> None:
    lock_novel(c, novel_id)
    own = t.names.c.novel_id == novel_id
    present = c.scalar(sa.select(sa.func.count()).select_from(t.names).where(own))
    if present and digest != text_digest(c, novel_id):
        return
    c.execute(sa.delete(t.names).where(own))
    extend_names(c, novel_id, entries)


def read_names(c: sa.Connection, novel_id: int) -> list[NameEntry]:
    """See :meth:`Names.read`."""
    n = t.names.c
    query = sa.select(t.names).where(n.novel_id == novel_id).order_by(n.mentions.desc(), n.kind, n.name)
    return [read_entry(r) for r in c.execute(query).mappings()]


def read_entry(row: Mapping[Any, Any]) -> NameEntry:
    """The entry of a row of ``kgnb_names``."""
    return NameEntry(
        **{column: row[column] for column in ("name", "kind", *_COUNTS)},
        aliases=tuple(json.loads(row["aliases"])),
        reasons=tuple((alias, other, why) for alias, other, why in json.loads(row["reasons"] or "[]")),
    )


def read_frozen_names(stored: str) -> list[NameEntry]:
    """The names of a task's prompts, as stored in ``kgnb_tasks``."""
    return [NameEntry(name, tuple(aliases), *rest) for name, aliases, *rest in json.loads(stored)]


def extend_names(c: sa.Connection, novel_id: int, entries: Sequence[NameEntry]) -> None:
    """Merge ``entries`` into the novel's name table: union of aliases, maxima of counts, the widest span."""
    lock_novel(c, novel_id)
    merged = {(e.kind, e.name): e for e in read_names(c, novel_id)}
    written = {}
    for entry in entries:
        key = (entry.kind[:40], entry.name[:200])
        merged[key] = written[key] = _merge(merged[key], entry) if key in merged else entry
    columns = (*_COUNTS, "aliases", "reasons")
    rows = [
        {
            **{"novel_id": novel_id, "kind": kind, "name": name},
            **{count: getattr(entry, count) for count in _COUNTS},
            "aliases": json.dumps(entry.aliases, ensure_ascii=False),
            "reasons": json.dumps(entry.reasons, ensure_ascii=False),
        }
        for (kind, name), entry in written.items()
    ]
    upsert(c, t.names, rows, lambda _, new: {k: new[k] for k in columns})


def _merge(old: NameEntry, new: NameEntry) -> NameEntry:
    starts = [n for n in (old.first_chapter, new.first_chapter) if n]
    return replace(
        old,
        aliases=tuple(sorted({*old.aliases, *new.aliases} - {old.name})),
        mentions=max(old.mentions, new.mentions),
        first_chapter=min(starts, default=0),
        last_chapter=max(old.last_chapter, new.last_chapter),
        chapters=max(old.chapters, new.chapters),
        reasons=tuple({r[0]: r for r in (*old.reasons, *new.reasons)}.values()),
    )
