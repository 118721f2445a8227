"""The record: one durable row a chapter and task (``kgnb_extractions``), and the replies behind it.

A row is inserted only while the caller's token is the stored one, its claim locked. A row that is there
stays: its chapter is never asked again. Only a row of another text gives way, because main changed the
chapter and set it back to pending. Saving the same row again is the same as saving it once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import RULES, beijing_now
from kgnb.extract import evidence
from kgnb.extract.model import Extraction, Flag
from kgnb.graph.model import ExtractionRow
from kgnb.graph.project.settle import SettleRow
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database, storable
from kgnb.stores.ledger.migrations import content_hash
from kgnb.stores.ledger.usage import COUNTS, usage_of, usage_values

RAW_CHARS = 64 * 1024
RAW_PARTS = 16
"""Bounds of the replies kept for a chapter: of the newest run only."""
PAGE = 100
"""Rows held in memory while a novel is settled."""

Key = tuple[int, int]


class Record:
    """The part of the ledger that keeps extractions."""

    def __init__(self, sql: Database) -> None:
        self._sql = sql

    async def save_rows(
        self, rows: Sequence[ExtractionRow], raws: Sequence[Sequence[str]] = ()
    ) -> list[bool]:
        """Makes rows durable, with their raw replies; False where the row's token isn't the stored one.

        True also where the chapter had a row of this text already: that one is the record.
        """
        kept = list(raws) or [()] * len(rows)
        return await self._sql.run(lambda c: _save(c, rows, kept)) if rows else []

    async def row(self, task_id: int, chapter_id: int) -> ExtractionRow | None:
        """The chapter's row of this task."""
        e = t.extractions.c
        found = await self._rows((e.task_id == task_id) & (e.chapter_id == chapter_id))
        return found[0] if found else None

    async def rows(self, *, task_id: int | None = None, novel_id: int | None = None) -> list[ExtractionRow]:
        """A task's or a novel's rows in order of chapter and task."""
        e = t.extractions.c
        task = e.task_id == task_id if task_id is not None else sa.true()
        return await self._rows(task & (e.novel_id == novel_id if novel_id is not None else sa.true()))

    async def _rows(self, where: sa.ColumnElement[bool]) -> list[ExtractionRow]:
        return await self._sql.run(lambda c: read_rows(c, where), write=False)

    async def raw(self, task_id: int, chapter_id: int) -> list[str]:
        """The replies as they came, in the order of the chapter's chunks; long ones are cut."""
        r = t.raw_replies.c
        query = sa.select(r.reply).where(r.task_id == task_id, r.chapter_id == chapter_id).order_by(r.part)
        return await self._sql.run(lambda c: list(c.scalars(query)), write=False)

    async def record_rows(self, novel_id: int) -> AsyncIterator[dict[str, Any]]:
        """Every row of the novel as JSON-ready values, in order of chapter and task; read page by page."""
        e = t.extractions.c
        order = sa.select(e.task_id, e.chapter_id).where(e.novel_id == novel_id)
        order = order.order_by(e.chapter_number, e.chapter_id, e.task_id)
        keys = [(i, k) for i, k in await self._sql.run(lambda c: c.execute(order).all(), write=False)]
        for start in range(0, len(keys), PAGE):
            page = keys[start : start + PAGE]
            found = await self._sql.run(lambda c, page=page: _by_key(c, page), write=False)  # type: ignore[misc]
            for key in page:
                if key in found:
                    yield plain(found[key])

    def texts_blocking(self, novel_id: int) -> Iterator[str]:
        """The texts of the novel's chapters, a page at a time, for a caller that is in a thread."""
        k = t.chapters.c
        ids = sa.select(k.id).where(k.novel_id == novel_id).order_by(k.chapter_number, k.id)
        found = self._sql.run_blocking(lambda c: list(c.scalars(ids)), write=False)
        for start in range(0, len(found), PAGE):
            page = sa.select(k.content).where(k.id.in_(found[start : start + PAGE]))
            texts = self._sql.run_blocking(lambda c, page=page: list(c.scalars(page)), write=False)  # type: ignore[misc]
            yield from (text or "" for text in texts)

    async def note_dropped(self, novel_id: int, dropped: Mapping[str, Collection[int]]) -> None:
        """Notes for the novel's tasks how many characters that each named the graph was settled without."""
        counts = Counter(task_id for tasks in dropped.values() for task_id in tasks)
        await self._sql.run(lambda c: _note_dropped(c, novel_id, counts))

    async def settle_rows(self, novel_id: int) -> SettleRows:
        """The novel's rows that count, in order of chapter number."""
        chosen = await self._sql.run(lambda c: _counting(c, novel_id), write=False)
        return SettleRows(self._sql, chosen)


class SettleRows:
    """Rows that count, read page by page while iterated: a long book's rows never lie in memory together.

    Iterating reads SQL, so do it in a thread; it raises ServiceDown like any read.
    """

    def __init__(self, sql: Database, chosen: Sequence[tuple[int, int, frozenset[int]]]) -> None:
        self._sql = sql
        self._chosen = chosen  # (chapter id, task id whose row counts, other task ids)

    def __len__(self) -> int:
        return len(self._chosen)

    def only(self, chapters: Container[int]) -> SettleRows:
        """Those of these chapters (ids)."""
        return SettleRows(self._sql, [one for one in self._chosen if one[0] in chapters])

    def __iter__(self) -> Iterator[SettleRow]:
        for start in range(0, len(self._chosen), PAGE):
            page = self._chosen[start : start + PAGE]
            keys = [(task_id, chapter_id) for chapter_id, task_id, _ in page]
            found = self._sql.run_blocking(lambda c, keys=keys: _by_key(c, keys), write=False)  # type: ignore[misc]
            for chapter_id, task_id, others in page:
                row = found.get((task_id, chapter_id))
                if row is not None:  # else its task was deleted since
                    yield SettleRow(row, others)


# --- one row ------------------------------------------------------------------------------------------------


def encode(extraction: Extraction) -> str:
    """An extraction as compact JSON, defaults left out."""
    return extraction.model_dump_json(exclude_defaults=True)


def decode(text: str) -> Extraction:
    """The extraction of :func:`encode`."""
    return Extraction.model_validate_json(text)


def plain(row: ExtractionRow) -> dict[str, Any]:
    """A row as JSON-ready values."""
    values = {k: getattr(row, k) for k in row.__slots__}
    return values | {
        "extraction": row.extraction.model_dump(mode="json", exclude_defaults=True),
        "flags": sorted(row.flags),
        "usage": asdict(row.usage),
    }


def _values(row: ExtractionRow) -> dict[str, Any]:
    return {
        "task_id": row.task_id,
        "chapter_id": row.chapter_id,
        "novel_id": row.novel_id,
        "chapter_number": row.chapter_number,
        "token": row.token,
        "text_hash": row.text_hash,
        "prompt_hash": row.prompt_hash,
        "provider": row.provider,
        "model": row.model,
        "flags": ",".join(sorted(row.flags)),
        **usage_values(row.usage),
        "chars": row.chars,
        "rejected": row.rejected,
        "unverified": evidence.unverified(row.extraction),
        "created_at": beijing_now(),
        "extraction": encode(row.extraction),
    }


def _row(r: Any) -> ExtractionRow:
    known = set(Flag)
    return ExtractionRow(
        task_id=r.task_id,
        novel_id=r.novel_id,
        chapter_id=r.chapter_id,
        chapter_number=r.chapter_number,
        text_hash=r.text_hash,
        prompt_hash=r.prompt_hash,
        extraction=decode(r.extraction),
        provider=r.provider,
        model=r.model,
        token=r.token,
        flags=frozenset(Flag(f) for f in r.flags.split(",") if f in known),
        usage=usage_of(getattr(r, name) for name in COUNTS),
        chars=r.chars,
        rejected=r.rejected,
    )


def read_rows(c: sa.Connection, where: sa.ColumnElement[bool]) -> list[ExtractionRow]:
    """Rows in order of chapter number and task."""
    e = t.extractions.c
    query = sa.select(t.extractions).where(where).order_by(e.chapter_number, e.chapter_id, e.task_id)
    return [_row(r) for r in c.execute(query)]


def _keys(table: sa.Table, keys: Iterable[Key]) -> sa.ColumnElement[bool]:
    chapters: dict[int, list[int]] = defaultdict(list)
    for task_id, chapter_id in sorted(set(keys)):
        chapters[task_id].append(chapter_id)
    k = table.c
    return sa.or_(*((k.task_id == i) & k.chapter_id.in_(ids) for i, ids in chapters.items()))


def _by_key(c: sa.Connection, keys: Iterable[Key]) -> dict[Key, ExtractionRow]:
    return {(r.task_id, r.chapter_id): r for r in read_rows(c, _keys(t.extractions, keys))}


# --- saving -------------------------------------------------------------------------------------------------


def _save(c: sa.Connection, rows: Sequence[ExtractionRow], raws: Sequence[Sequence[str]]) -> list[bool]:
    keys = [(row.task_id, row.chapter_id) for row in rows]
    k, e = t.claims.c, t.extractions.c
    # Whose token is stored can't change before the commit: whoever claims, or deletes a task, waits here.
    lock = sa.select(k.task_id, k.chapter_id, k.token).where(_keys(t.claims, keys))
    held = {(i, n): tok for i, n, tok in c.execute(lock.order_by(k.task_id, k.chapter_id).with_for_update())}
    stored = sa.select(e.task_id, e.chapter_id, e.text_hash).where(_keys(t.extractions, keys))
    before = {(i, n): h for i, n, h in c.execute(stored)}
    mine = [held.get(key) == row.token for key, row in zip(keys, rows, strict=True)]
    old = [
        k
        for k, row, ok in zip(keys, rows, mine, strict=True)
        if ok and before.get(k) not in (None, row.text_hash)
    ]
    if old:
        c.execute(sa.delete(t.extractions).where(_keys(t.extractions, old)))
    new = {keys[i]: i for i, ok in enumerate(mine) if ok and before.get(keys[i]) != rows[i].text_hash}
    if new:
        c.execute(sa.insert(t.extractions), [_values(rows[i]) for i in new.values()])
        _save_raw(c, [(key, raws[i]) for key, i in new.items()])
    return mine


def insert_rows(c: sa.Connection, rows: Iterable[ExtractionRow]) -> int:
    """Inserts rows that come from elsewhere, past the fence, where no row is yet; returns how many."""
    given = {(row.task_id, row.chapter_id): row for row in rows}
    e, tasks = t.extractions.c, sorted({task for task, _ in given})
    # Who saves a row holds its claim locked, and then the row is seen here.
    c.execute(sa.select(t.claims.c.token).where(t.claims.c.task_id.in_(tasks)).with_for_update()).all()
    there = sa.select(e.task_id, e.chapter_id).where(e.task_id.in_(tasks))
    for task_id, chapter_id in c.execute(there):
        given.pop((task_id, chapter_id), None)
    if given:
        c.execute(sa.insert(t.extractions), [_values(row) for row in given.values()])
    return len(given)


def _save_raw(c: sa.Connection, replies: Sequence[tuple[Key, Sequence[str]]]) -> None:
    c.execute(sa.delete(t.raw_replies).where(_keys(t.raw_replies, [key for key, _ in replies])))
    rows = [
        {"task_id": key[0], "chapter_id": key[1], "part": part, "reply": storable(text[:RAW_CHARS])}
        for key, parts in replies
        for part, text in enumerate(parts[:RAW_PARTS])
    ]
    if rows:
        c.execute(sa.insert(t.raw_replies), rows)


# --- settling -----------------------------------------------------------------------------------------------


def _counting(c: sa.Connection, novel_id: int) -> list[tuple[int, int, frozenset[int]]]:
    """Per chapter the row that counts: of the present text, AI before rules, then the highest task id."""
    e, k = t.extractions.c, t.chapters.c
    there = t.extractions.join(t.tasks, t.tasks.c.id == e.task_id).join(t.chapters, k.id == e.chapter_id)
    query = sa.select(e.chapter_id, e.task_id, e.provider, e.text_hash).select_from(there)
    rows: dict[int, list[tuple[bool, int, str]]] = defaultdict(list)
    for chapter_id, task_id, provider, text_hash in c.execute(query.where(e.novel_id == novel_id)):
        rows[chapter_id].append((provider != RULES, task_id, text_hash))
    present = sa.select(k.id, content_hash(c)).where(k.novel_id == novel_id).order_by(k.chapter_number, k.id)
    chosen = []
    for chapter_id, text_hash in c.execute(present):
        current = [(ai, task_id) for ai, task_id, h in rows[chapter_id] if h == text_hash]
        if current:
            _, counts = max(current)
            others = frozenset(task_id for _, task_id, _ in rows[chapter_id]) - {counts}
            chosen.append((chapter_id, counts, others))
    return chosen


def _note_dropped(c: sa.Connection, novel_id: int, counts: Mapping[int, int]) -> None:
    f = t.task_facts.c
    mine = sa.select(f.task_id, f.dropped).where(f.novel_id == novel_id)
    for task_id, before in c.execute(mine.order_by(f.task_id)).all():
        if counts.get(task_id, 0) != (before or 0):
            update = sa.update(t.task_facts).where(f.task_id == task_id)
            c.execute(update.values(dropped=counts.get(task_id, 0)))
