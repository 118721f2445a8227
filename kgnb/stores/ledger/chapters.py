"""A chapter's rows in SQL: claiming, ending and handing back, many chapters in one transaction.

The fence is ``kgnb_claims``: whoever holds a chapter has its token there, and the token only rises. Locks are
taken in one order, task, claim, chapter, so that batches of several nodes queue up instead of deadlocking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from kgnb.book.model import text_hash
from kgnb.core.model import Chapter, ChapterStatus, TaskStatus, beijing_now
from kgnb.graph.model import ExtractionRow
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database, greatest, pairs, storable, upsert
from kgnb.stores.ledger.extractions import read_rows
from kgnb.stores.ledger.tasks import OPEN_STATES, counted, is_stopped

Key = tuple[int, int]
"""(task id, chapter id)."""
Held = tuple[int, int, int]
"""(task id, chapter id, token)."""


@dataclass(frozen=True, slots=True)
class ChapterWork:
    """A claimed chapter. ``row``: what it gave already, of this very text; then nobody is asked again."""

    chapter: Chapter
    text: str
    row: ExtractionRow | None = None

    @property
    def done(self) -> bool:
        """Whether only the graph and the mark are missing."""
        return self.row is not None


@dataclass(frozen=True, slots=True)
class ChapterEnd:
    """How work on a chapter ended."""

    task_id: int
    chapter_id: int
    token: int
    status: ChapterStatus
    entities: int = 0
    relations: int = 0
    error: str = ""


class Chapters:
    """The part of the ledger that moves chapters from pending to their end."""

    def __init__(self, sql: Database) -> None:
        self._sql = sql

    async def claim_chapters(self, pairs: Sequence[Held]) -> dict[Key, ChapterWork]:
        """Writes the tokens, if higher, and status running; returns each chapter that is the caller's.

        What is missing in the result isn't: a higher token is there, the chapter has come to an end, or the
        task is paused, cancelled or gone. A running task that main has reset or ended is running again.
        """
        return await self._sql.run(lambda c: _claim(c, pairs)) if pairs else {}

    async def end_chapters(self, ends: Sequence[ChapterEnd]) -> list[bool]:
        """Writes ends and the tasks' counts; False where the chapter isn't the caller's any more.

        A token higher than the stored one ends a chapter that it never claimed here (the dead list does).
        """
        return await self._sql.run(lambda c: _end(c, ends)) if ends else []

    async def still_claimed(self, pairs: Sequence[Held]) -> set[Held]:
        """Those whose token is the stored one: neither claimed anew nor deleted with their task."""
        k = t.claims.c
        keys = [pair[:2] for pair in pairs]
        query = sa.select(k.task_id, k.chapter_id, k.token).where(grouped(k.task_id, k.chapter_id, keys))
        rows = await self._sql.run(lambda c: c.execute(query).all(), write=False) if pairs else []
        return set(pairs) & {tuple(row) for row in rows}

    async def hand_back(self, pairs: Sequence[Held]) -> list[bool]:
        """Sets chapters back to pending; False where the chapter isn't the caller's any more."""
        return await self._sql.run(lambda c: _hand_back(c, pairs)) if pairs else []


# --- shared -------------------------------------------------------------------------------------------------


def grouped(task: sa.Column[Any], chapter: sa.Column[Any], keys: Iterable[Key]) -> sa.ColumnElement[bool]:
    """The condition for ``keys``: one IN list a task, which every optimiser turns into index ranges."""
    chapters: dict[int, list[int]] = defaultdict(list)
    for task_id, chapter_id in sorted(set(keys)):
        chapters[task_id].append(chapter_id)
    return sa.or_(*(sa.and_(task == i, chapter.in_(ids)) for i, ids in chapters.items()))


def lock_tasks(c: sa.Connection, task_ids: Iterable[int]) -> dict[int, str]:
    """The tasks' statuses, their rows locked in order of id."""
    ids = sorted(set(task_ids))
    query = sa.select(t.tasks.c.id, t.tasks.c.status).where(t.tasks.c.id.in_(ids)).order_by(t.tasks.c.id)
    return pairs(c.execute(query.with_for_update()))


def lock_claims(c: sa.Connection, keys: Iterable[Key]) -> dict[Key, int]:
    """The stored tokens, their rows locked: nobody claims these chapters before the transaction ends."""
    k = t.claims.c
    query = sa.select(k.task_id, k.chapter_id, k.token).where(grouped(k.task_id, k.chapter_id, keys))
    rows = c.execute(query.order_by(k.task_id, k.chapter_id).with_for_update())
    return {(task_id, chapter_id): token for task_id, chapter_id, token in rows}


def _states(c: sa.Connection, keys: Iterable[Key]) -> dict[Key, str]:
    s = t.chapter_status.c
    query = sa.select(s.kg_task_id, s.chapter_id, s.status)
    rows = c.execute(query.where(grouped(s.kg_task_id, s.chapter_id, keys)).with_for_update())
    return {(task_id, chapter_id): status for task_id, chapter_id, status in rows}


def _mark(c: sa.Connection, keys: Iterable[Key], from_: Sequence[str], **values: Any) -> None:
    s = t.chapter_status.c
    where = grouped(s.kg_task_id, s.chapter_id, keys), s.status.in_(from_)
    c.execute(sa.update(t.chapter_status).where(*where).values(**values, updated_at=beijing_now()))


# --- claim --------------------------------------------------------------------------------------------------


def _claim(c: sa.Connection, pairs: Sequence[Held]) -> dict[Key, ChapterWork]:
    statuses = lock_tasks(c, (task_id for task_id, _, _ in pairs))
    wanted = {(i, k): token for i, k, token in sorted(pairs) if i in statuses and not is_stopped(statuses[i])}
    if not wanted:
        return {}
    rows = [{"task_id": i, "chapter_id": k, "token": token} for (i, k), token in wanted.items()]
    upsert(c, t.claims, rows, lambda old, new: {"token": greatest(c, old.token, new.token)})
    stored = lock_claims(c, wanted)
    states = _states(c, wanted)
    ours = [k for k, token in wanted.items() if stored[k] == token and states.get(k) in OPEN_STATES]
    works = _works(c, ours)
    if works:
        _mark(c, works, OPEN_STATES, status=ChapterStatus.RUNNING, started_at=beijing_now())
        _note_current(c, works, statuses)
    if gone := [k for k in ours if k not in works]:  # main deleted the chapter: waiting for it never ends
        _mark(c, gone, OPEN_STATES, status=ChapterStatus.SKIPPED, completed_at=beijing_now())
    return works


def _works(c: sa.Connection, keys: Sequence[Key]) -> dict[Key, ChapterWork]:
    if not keys:
        return {}
    k = t.chapters.c
    query = sa.select(k.id, k.novel_id, k.chapter_number, k.title, k.word_count, k.content)
    found = {r.id: r for r in c.execute(query.where(k.id.in_({chapter_id for _, chapter_id in keys})))}
    e = t.extractions.c
    rows = {(r.task_id, r.chapter_id): r for r in read_rows(c, grouped(e.task_id, e.chapter_id, keys))}
    works = {}
    for key in keys:
        if (r := found.get(key[1])) is None:
            continue
        text, row = r.content or "", rows.get(key)
        if row is not None and row.text_hash != text_hash(text):
            row = None  # the text changed since
        chapter = Chapter(r.id, r.novel_id, r.chapter_number or 0, r.title or "", r.word_count or 0)
        works[key] = ChapterWork(chapter, text, row)
    return works


def _note_current(c: sa.Connection, keys: Iterable[Key], statuses: dict[int, str]) -> None:
    """Shows main which chapter is under way, and takes back what main wrote on a task at work."""
    for task_id, chapter_id in dict(sorted(keys)).items():
        values: dict[str, Any] = {"current_chapter_id": chapter_id, "updated_at": beijing_now()}
        if statuses[task_id] != TaskStatus.RUNNING:
            values |= {"status": TaskStatus.RUNNING, "completed_at": None}
        c.execute(sa.update(t.tasks).where(t.tasks.c.id == task_id).values(**values))


# --- end ----------------------------------------------------------------------------------------------------

ENDED_AT_ONCE = 64
"""Chapters that one statement marks at most."""


@cache
def _ended(size: int) -> sa.Update:
    """One statement for ``size`` chapters of a task that ended alike but for their counts: over a line of
    100 ms, and with the task's row locked meanwhile, one each would hold up every other node."""
    s = t.chapter_status.c
    ids = [sa.bindparam(f"b_chapter_{i}", type_=s.chapter_id.type) for i in range(size)]

    def each(count: str) -> sa.Case[int]:
        values = (sa.bindparam(f"b_{count}_{i}", type_=sa.Integer) for i in range(size))
        return sa.case(*((s.chapter_id == one, value) for one, value in zip(ids, values, strict=True)))

    return (
        sa.update(t.chapter_status)
        .where(s.kg_task_id == sa.bindparam("b_task"), s.chapter_id.in_(ids))
        .values(
            status=sa.bindparam("b_status"),
            entities_extracted=each("entities"),
            relations_extracted=each("relations"),
            error_message=sa.bindparam("b_error"),
            completed_at=sa.bindparam("b_now"),
            updated_at=sa.bindparam("b_now"),
        )
    )


def _end(c: sa.Connection, ends: Sequence[ChapterEnd]) -> list[bool]:
    keys = [(end.task_id, end.chapter_id) for end in ends]
    lock_tasks(c, (task_id for task_id, _ in keys))
    stored = lock_claims(c, keys)
    states = _states(c, keys)
    writes: dict[Key, ChapterEnd] = {}
    results = []
    for key, end in zip(keys, ends, strict=True):
        fate = _may_end(end, stored.get(key, 0), states.get(key))
        if fate is None:
            writes[key] = end
        results.append(fate is not False)
    if writes:
        _write_ends(c, list(writes.values()))
        _raise_tokens(c, list(writes.values()))
        _write_counts(c, list(writes.values()))
    return results


def _may_end(end: ChapterEnd, stored: int, state: str | None) -> bool | None:
    """None: to be written; True: it was written before, by this very holder; False: not the caller's."""
    if stored > end.token or state is None:
        return False
    if stored == end.token:
        return None if state == ChapterStatus.RUNNING else state == end.status
    return None if state in OPEN_STATES else False


def _write_ends(c: sa.Connection, ends: Sequence[ChapterEnd]) -> None:
    alike: dict[tuple[int, ChapterStatus, str], list[ChapterEnd]] = defaultdict(list)
    for end in ends:
        alike[end.task_id, end.status, storable(end.error)[:2_000]].append(end)
    for (task_id, status, error), some in alike.items():
        same = {"b_task": task_id, "b_status": status, "b_error": error or None, "b_now": beijing_now()}
        for start in range(0, len(some), ENDED_AT_ONCE):
            page = some[start : start + ENDED_AT_ONCE]
            size = 1 << (len(page) - 1).bit_length()  # few statements to prepare: the last one fills up
            page += page[-1:] * (size - len(page))
            own: dict[str, int] = {}
            for i, end in enumerate(page):
                own[f"b_chapter_{i}"] = end.chapter_id
                own[f"b_entities_{i}"], own[f"b_relations_{i}"] = end.entities, end.relations
            c.execute(_ended(size), same | own)


def _raise_tokens(c: sa.Connection, ends: Sequence[ChapterEnd]) -> None:
    rows = [{"task_id": e.task_id, "chapter_id": e.chapter_id, "token": e.token} for e in ends]
    upsert(c, t.claims, rows, lambda old, new: {"token": greatest(c, old.token, new.token)})


def _write_counts(c: sa.Connection, ends: Sequence[ChapterEnd]) -> None:
    failed = {e.task_id: e for e in ends if e.status is ChapterStatus.FAILED}
    for task_id in sorted({e.task_id for e in ends}):
        values: dict[str, Any] = dict(counted(c, task_id))
        if task_id in failed:
            values["last_error_chapter_id"] = failed[task_id].chapter_id
        update = sa.update(t.tasks).where(t.tasks.c.id == task_id)
        c.execute(update.values(**values, updated_at=beijing_now()))


def _hand_back(c: sa.Connection, pairs: Sequence[Held]) -> list[bool]:
    keys = [(task_id, chapter_id) for task_id, chapter_id, _ in pairs]
    lock_tasks(c, (task_id for task_id, _ in keys))
    stored, states = lock_claims(c, keys), _states(c, keys)
    mine: Callable[[Held], bool] = lambda p: stored.get(p[:2]) == p[2]  # noqa: E731
    back = [p[:2] for p in pairs if mine(p) and states.get(p[:2]) == ChapterStatus.RUNNING]
    if back:
        _mark(c, back, (ChapterStatus.RUNNING,), status=ChapterStatus.PENDING, started_at=None)
    return [mine(p) and states.get(p[:2]) in OPEN_STATES for p in pairs]
