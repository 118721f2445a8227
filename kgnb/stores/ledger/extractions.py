"""Extractions in SQL: one durable row per chapter and task, and the raw replies behind it.

A row is saved in the transaction that ends its chapter (chapters.py), only while the caller's token is the
stored one, with its claim locked. A stored row stays, so its chapter is never asked again; only a row of
another text is replaced, after main changed the chapter and set it back to pending. Saving is idempotent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import beijing_now
from kgnb.extract import evidence
from kgnb.extract.model import Extraction, Flag
from kgnb.graph.model import ExtractionRow
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.books import existing_novels
from kgnb.stores.ledger.database import DatabasePart, pages, reading, storable, transaction
from kgnb.stores.ledger.tables import USAGE_COLUMNS, Key, has_key, read_usage, usage_values

MAX_RAW_CHARS = 64 * 1024
MAX_RAW_REPLIES = 16
"""Bounds of the replies kept for a chapter, of its newest run only."""
PAGE = 200
"""Rows held in memory while a novel is exported."""
_KNOWN_FLAGS = frozenset(Flag)
_SAME_COLUMNS = (
    *("task_id", "chapter_id", "novel_id", "chapter_number", "token", "text_hash", "prompt_hash"),
    *("provider", "model", "chars", "rejected"),
)
"""Columns that hold an ExtractionRow's field of that name as it is."""


class Extractions(DatabasePart):
    """``kgnb_extractions`` and ``kgnb_raw``."""

    @reading
    def row(self, c: sa.Connection, task_id: int, chapter_id: int) -> ExtractionRow | None:
        """Return the task's row for the chapter; None without one."""
        return next(iter(read_rows(c, has_key(t.extractions, [(task_id, chapter_id)]))), None)

    @reading
    def raw_replies(self, c: sa.Connection, task_id: int, chapter_id: int) -> list[str]:
        """Return the model's unparsed replies for a chapter, in the order of its chunks; long replies are
        truncated. [] for none.
        """
        r = t.raw_replies.c
        where = r.task_id == task_id, r.chapter_id == chapter_id
        return list(c.scalars(sa.select(r.reply).where(*where).order_by(r.part)))

    async def json_rows(self, novel_id: int) -> AsyncIterator[dict[str, Any]]:
        """Yield every row of the novel as JSON-ready values, by chapter and task, read page by page."""
        keys = await self._keys(novel_id)
        for page in pages(keys, PAGE):
            found = await self._database.run(partial(rows_by_key, keys=page), write=False)
            for row in found.values():
                yield _json_values(row)

    @reading
    def novels(self, c: sa.Connection) -> list[int]:
        """Return the ids of the novels with rows, without those that main is deleting."""
        return sorted(existing_novels(c, list(c.scalars(sa.select(t.extractions.c.novel_id).distinct()))))

    @reading
    def _keys(self, c: sa.Connection, novel_id: int) -> list[Key]:
        """Return the (task id, chapter id) of a novel's rows, sorted by chapter and task."""
        e = t.extractions.c
        query = sa.select(e.task_id, e.chapter_id).where(e.novel_id == novel_id)
        rows = c.execute(query.order_by(e.chapter_number, e.chapter_id, e.task_id))
        return [(task_id, chapter_id) for task_id, chapter_id in rows]

    @transaction
    def note_dropped(self, c: sa.Connection, novel_id: int, dropped: Mapping[str, Collection[int]]) -> None:
        """Store for each of the novel's tasks how many characters of its rows were left out of the graph.

        ``dropped``: the ids of the tasks that name each such character.
        """
        counts = Counter(task_id for tasks in dropped.values() for task_id in tasks)
        f = t.task_facts.c
        stored = sa.select(f.task_id, f.dropped).where(f.novel_id == novel_id).order_by(f.task_id)
        for task_id, before in c.execute(stored).all():
            if counts[task_id] != (before or 0):
                update = sa.update(t.task_facts).where(f.task_id == task_id)
                c.execute(update.values(dropped=counts[task_id]))


def lock_claims(c: sa.Connection, keys: Iterable[Key]) -> dict[Key, int]:
    """Return (task id, chapter id) → stored token, for the keys that have one, locked until the commit.

    Until then claiming and deleting these chapters waits.
    """
    k = t.claims.c
    query = sa.select(k.task_id, k.chapter_id, k.token).where(has_key(t.claims, keys))
    rows = c.execute(query.order_by(k.task_id, k.chapter_id).with_for_update())
    return {(task_id, chapter_id): token for task_id, chapter_id, token in rows}


def _json_values(row: ExtractionRow) -> dict[str, Any]:
    """Return the row's fields as JSON values."""
    values = {name: getattr(row, name) for name in row.__slots__}
    return values | {
        "extraction": row.extraction.model_dump(mode="json", exclude_defaults=True),
        "flags": sorted(row.flags),
        "usage": asdict(row.usage),
    }


def _values(row: ExtractionRow) -> dict[str, Any]:
    """Return column → value of an extraction's row."""
    return {
        **{name: getattr(row, name) for name in _SAME_COLUMNS},
        "flags": ",".join(sorted(row.flags)),
        **usage_values(row.usage),
        "unverified": evidence.count_unverified(row.extraction),
        "created_at": beijing_now(),
        "extraction": row.extraction.model_dump_json(exclude_defaults=True),
    }


def read_flags(names: Iterable[str]) -> frozenset[Flag]:
    """Return the flags of these names; names that this version doesn't know are left out."""
    return frozenset(Flag(name) for name in names if name in _KNOWN_FLAGS)


def _read_row(r: Any) -> ExtractionRow:
    """Return the extraction in a row of the table."""
    return ExtractionRow(
        **{name: getattr(r, name) for name in _SAME_COLUMNS},
        extraction=Extraction.model_validate_json(r.extraction),
        flags=read_flags(r.flags.split(",")),
        usage=read_usage(getattr(r, name) for name in USAGE_COLUMNS),
    )


def read_rows(c: sa.Connection, where: sa.ColumnElement[bool]) -> list[ExtractionRow]:
    """Return the rows that fulfil the condition, sorted by chapter number, chapter and task."""
    e = t.extractions.c
    query = sa.select(t.extractions).where(where).order_by(e.chapter_number, e.chapter_id, e.task_id)
    return [_read_row(r) for r in c.execute(query)]


def rows_by_key(c: sa.Connection, keys: Iterable[Key]) -> dict[Key, ExtractionRow]:
    """Return (task id, chapter id) → row, for the keys that have a row."""
    return {(r.task_id, r.chapter_id): r for r in read_rows(c, has_key(t.extractions, keys))}


def save_rows(c: sa.Connection, rows: Mapping[Key, tuple[ExtractionRow, Sequence[str]]]) -> None:
    """Store rows with their raw replies; their claims are locked, and their tokens are the stored ones.

    A row of the same text that is stored already stays.
    """
    e = t.extractions.c
    stored = sa.select(e.task_id, e.chapter_id, e.text_hash).where(has_key(t.extractions, rows))
    hashes = {(task, chapter): text_hash for task, chapter, text_hash in c.execute(stored)}
    new = {key: row for key, row in rows.items() if hashes.get(key) != row[0].text_hash}
    if outdated := [key for key in new if key in hashes]:
        c.execute(sa.delete(t.extractions).where(has_key(t.extractions, outdated)))
    if new:
        c.execute(sa.insert(t.extractions), [_values(row) | {"metered": 1} for row, _ in new.values()])
        _save_raw(c, {key: raw for key, (_, raw) in new.items()})


def _save_raw(c: sa.Connection, replies: Mapping[Key, Sequence[str]]) -> None:
    """Store raw replies in place of any of an earlier row, which may be gone while they are left."""
    c.execute(sa.delete(t.raw_replies).where(has_key(t.raw_replies, replies)))
    rows = [
        {"task_id": task_id, "chapter_id": chapter_id, "part": part, "reply": storable(text[:MAX_RAW_CHARS])}
        for (task_id, chapter_id), parts in replies.items()
        for part, text in enumerate(parts[:MAX_RAW_REPLIES])
    ]
    if rows:
        c.execute(sa.insert(t.raw_replies), rows)
