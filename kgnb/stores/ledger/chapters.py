"""Claiming, ending and handing back chapters in SQL, many in one transaction.

The fence is ``kgnb_claims``, which stores the token of a chapter's holder; tokens only rise. Locks are taken
in one order (task, claim, chapter), so that batches of several nodes queue up instead of deadlocking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from kgnb.book.model import text_hash
from kgnb.core.model import Chapter, ChapterStatus, TaskStatus, beijing_now
from kgnb.graph.model import ExtractionRow
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import DatabasePart, pages, reading, storable, transaction, upsert
from kgnb.stores.ledger.extractions import lock_claims, rows_by_key, save_rows
from kgnb.stores.ledger.tables import Key, has_key
from kgnb.stores.ledger.tasks import OPEN_STATES, count_columns, is_stopped, set_task
from kgnb.stores.queue.types import BuriedItem

HeldChapter = tuple[int, int, int]
"""(task id, chapter id, token)."""
ENDS_PER_STATEMENT = 64


@dataclass(frozen=True, slots=True)
class ChapterWork:
    """A claimed chapter.

    ``row``: its extraction of this very text, if there is one; it is used as it is. ``taken_over``: nobody
    handed it back, so its former holder may still be at work.
    """

    chapter: Chapter
    text: str
    row: ExtractionRow | None = None
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class ChapterEnd:
    """How work on a chapter ended; ``row`` and ``raw``: its extraction, if that isn't stored yet."""

    task_id: int
    chapter_id: int
    token: int
    status: ChapterStatus
    entities: int = 0
    relations: int = 0
    error: str = ""
    row: ExtractionRow | None = None
    raw: Sequence[str] = ()


class Chapters(DatabasePart):
    """A task's chapters, from pending to their end."""

    @transaction
    def claim(self, c: sa.Connection, held: Sequence[HeldChapter]) -> dict[Key, ChapterWork]:
        """Store the tokens of (task id, chapter id, token), if higher than the stored ones, and set the
        chapters to running; return (task id, chapter id) → work, for those that the caller may work on.

        Left out: chapters with a higher token, ended chapters, and those of paused, cancelled or deleted
        tasks. A task that main has reset or ended meanwhile is set to running.
        """
        tasks = lock_tasks(c, (task_id for task_id, _, _ in held))
        wanted = {(i, k): token for i, k, token in sorted(held) if i in tasks and not is_stopped(tasks[i])}
        if not wanted:
            return {}
        raise_tokens(c, wanted)
        stored = lock_claims(c, wanted)
        states = _lock_states(c, wanted)
        ours = [k for k, token in wanted.items() if stored[k] == token and states.get(k) in OPEN_STATES]
        works = _read_works(c, ours, states)
        if works:
            _set_states(c, works, OPEN_STATES, status=ChapterStatus.RUNNING, started_at=beijing_now())
            _set_current_chapters(c, works, tasks)
        if deleted := [k for k in ours if k not in works]:  # by main: waiting for them would never end
            _set_states(c, deleted, OPEN_STATES, status=ChapterStatus.SKIPPED, completed_at=beijing_now())
        return works

    @transaction
    def end(self, c: sa.Connection, ends: Sequence[ChapterEnd]) -> list[bool]:
        """Store rows, ends and the tasks' counts; return, for each end in order, whether the chapter was
        still the caller's.

        A token higher than the stored one ends a chapter that it never claimed here (the dead list does). The
        row of the stored token is kept in any case: main may have reset the chapter meanwhile.
        """
        if not ends:
            return []
        keys = [(end.task_id, end.chapter_id) for end in ends]
        lock_tasks(c, (task_id for task_id, _ in keys))
        stored = lock_claims(c, keys)
        states = _lock_states(c, keys)
        own = [(key, end) for key, end in zip(keys, ends, strict=True) if stored.get(key) == end.token]
        if rows := {key: (end.row, end.raw) for key, end in own if end.row is not None}:
            save_rows(c, rows)
        writes: dict[Key, ChapterEnd] = {}
        results = []
        for key, end in zip(keys, ends, strict=True):
            result = _end_result(end, stored.get(key, 0), states.get(key))
            if result is None:
                writes[key] = end
            results.append(result is not False)
        if writes:
            _write_ends(c, writes.values())
            raise_tokens(c, {k: end.token for k, end in writes.items() if end.token > stored.get(k, 0)})
            _write_counts(c, writes.values())
        return results

    async def fail(self, buried: Iterable[BuriedItem]) -> None:
        """End the chapters among the items of a dead list as failed; like :meth:`end`."""
        chapters = [item for item in buried if item.chapter_id]
        if chapters:
            failed = ChapterStatus.FAILED
            await self.end(
                [ChapterEnd(i.task_id, i.chapter_id, i.token, failed, error=i.reason) for i in chapters]
            )

    @reading
    def token(self, c: sa.Connection, task_id: int, chapter_id: int) -> int:
        """Return the chapter's stored token; 0 if no node has claimed it."""
        query = sa.select(t.claims.c.token).where(has_key(t.claims, [(task_id, chapter_id)]))
        return int(c.scalar(query) or 0)

    @transaction
    def hand_back(self, c: sa.Connection, held: Sequence[HeldChapter]) -> list[bool]:
        """Set running chapters to pending; return, for each in order, whether it is the caller's and not
        ended.
        """
        keys = [(task_id, chapter_id) for task_id, chapter_id, _ in held]
        lock_tasks(c, (task_id for task_id, _ in keys))
        stored, states = lock_claims(c, keys), _lock_states(c, keys)
        ours = [stored.get((task_id, chapter_id)) == token for task_id, chapter_id, token in held]
        running = [
            k for k, own in zip(keys, ours, strict=True) if own and states.get(k) == ChapterStatus.RUNNING
        ]
        if running:
            _set_states(c, running, (ChapterStatus.RUNNING,), status=ChapterStatus.PENDING, started_at=None)
        return [own and states.get(k) in OPEN_STATES for k, own in zip(keys, ours, strict=True)]


def lock_tasks(c: sa.Connection, task_ids: Iterable[int]) -> dict[int, str]:
    """Lock the tasks' rows, in order of id; return task id → status, without unknown ids."""
    ids = sorted(set(task_ids))
    query = sa.select(t.tasks.c.id, t.tasks.c.status).where(t.tasks.c.id.in_(ids)).order_by(t.tasks.c.id)
    return dict(c.execute(query.with_for_update()).all())


def raise_tokens(c: sa.Connection, tokens: Mapping[Key, int]) -> None:
    """Store the tokens of chapters that have a lower one, or none."""
    rows = [{"task_id": i, "chapter_id": k, "token": token} for (i, k), token in tokens.items()]
    greatest = sa.func.max if c.dialect.name == "sqlite" else sa.func.greatest
    upsert(c, t.claims, rows, lambda old, new: {"token": greatest(old.token, new.token)})


def _lock_states(c: sa.Connection, keys: Iterable[Key]) -> dict[Key, str]:
    """Return (task id, chapter id) → status, for the keys that have a row, locked until the commit."""
    s = t.chapter_status.c
    query = sa.select(s.kg_task_id, s.chapter_id, s.status)
    rows = c.execute(query.where(has_key(t.chapter_status, keys)).with_for_update())
    return {(task_id, chapter_id): status for task_id, chapter_id, status in rows}


def _set_states(c: sa.Connection, keys: Iterable[Key], from_states: Sequence[str], **values: Any) -> None:
    s = t.chapter_status.c
    update = sa.update(t.chapter_status).where(has_key(t.chapter_status, keys), s.status.in_(from_states))
    c.execute(update.values(**values, updated_at=beijing_now()))


def _read_works(c: sa.Connection, keys: Sequence[Key], states: Mapping[Key, str]) -> dict[Key, ChapterWork]:
    """Return key → text and stored row of each chapter that exists; no row if the text changed since."""
    if not keys:
        return {}
    k = t.chapters.c
    query = sa.select(k.id, k.novel_id, k.chapter_number, k.title, k.word_count, k.content)
    found = {r.id: r for r in c.execute(query.where(k.id.in_({chapter_id for _, chapter_id in keys})))}
    rows = rows_by_key(c, keys)
    works = {}
    for key in keys:
        if (r := found.get(key[1])) is None:
            continue
        text, row = r.content or "", rows.get(key)
        if row is not None and row.text_hash != text_hash(text):  # the text changed since
            row = None
        works[key] = ChapterWork(t.read_chapter(r), text, row, states[key] == ChapterStatus.RUNNING)
    return works


def _set_current_chapters(c: sa.Connection, keys: Iterable[Key], statuses: dict[int, str]) -> None:
    """Show main which chapter runs, and set a task that main wrote another status on back to running."""
    for task_id, chapter_id in dict(sorted(keys)).items():
        running = {"status": TaskStatus.RUNNING, "completed_at": None}
        resumed = {} if statuses[task_id] == TaskStatus.RUNNING else running
        set_task(c, task_id, current_chapter_id=chapter_id, **resumed)


def _end_result(end: ChapterEnd, stored: int, state: str | None) -> bool | None:
    """Return None if the end is to be written, True if this very holder wrote it before, False if the chapter
    isn't the caller's.
    """
    if stored > end.token or state is None:
        return False
    if stored == end.token:
        return None if state == ChapterStatus.RUNNING else state == end.status
    return None if state in OPEN_STATES else False


def _write_ends(c: sa.Connection, ends: Iterable[ChapterEnd]) -> None:
    """Write those of a task that ended alike in one statement, whatever their counts.

    The task's row is locked meanwhile: at 100 ms a round trip, a statement each would block every other node.
    """
    alike: dict[tuple[int, ChapterStatus, str], list[ChapterEnd]] = defaultdict(list)
    for end in ends:
        alike[end.task_id, end.status, storable(end.error)[:2_000]].append(end)
    for (task_id, status, error), some in alike.items():
        same = {"b_task": task_id, "b_status": status, "b_error": error or None, "b_now": beijing_now()}
        for page in pages(some, ENDS_PER_STATEMENT):
            size = 1 << (len(page) - 1).bit_length()  # powers of two, padded: few statements to compile
            own: dict[str, int] = {}
            for i, end in enumerate([*page, *[page[-1]] * (size - len(page))]):
                own |= {f"b_id_{i}": end.chapter_id, f"b_e_{i}": end.entities, f"b_r_{i}": end.relations}
            c.execute(_end_statement(size), same | own)


@cache
def _end_statement(size: int) -> sa.Update:
    """Return the statement that ends ``size`` chapters; made once, which takes SQLAlchemy ten times as long
    as running it.
    """
    s, b = t.chapter_status.c, sa.bindparam
    ids = [b(f"b_id_{i}", type_=sa.Integer) for i in range(size)]

    def each(count: str) -> sa.Case[int]:
        counts = (b(f"b_{count}_{i}", type_=sa.Integer) for i in range(size))
        return sa.case(*zip(ids, counts, strict=True), value=s.chapter_id)

    ended: dict[str, Any] = {"status": b("b_status"), "error_message": b("b_error")}
    ended |= dict.fromkeys(("completed_at", "updated_at"), b("b_now"))
    counts = {"entities_extracted": each("e"), "relations_extracted": each("r")}
    where = s.kg_task_id == b("b_task"), s.chapter_id.in_(ids)
    return sa.update(t.chapter_status).where(*where).values(**ended, **counts)


def _write_counts(c: sa.Connection, ends: Collection[ChapterEnd]) -> None:
    failed = {e.task_id: e for e in ends if e.status is ChapterStatus.FAILED}
    for task_id in sorted({e.task_id for e in ends}):
        last = {"last_error_chapter_id": failed[task_id].chapter_id} if task_id in failed else {}
        set_task(c, task_id, **count_columns(c, task_id), **last)
