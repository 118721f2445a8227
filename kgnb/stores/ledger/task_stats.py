"""Statistics of tasks in SQL, for `status` and for lists of finished books."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import ChapterStatus, Progress, TaskStatus, Usage
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.books import novel_not_deleting
from kgnb.stores.ledger.database import DatabasePart, reading
from kgnb.stores.ledger.spending import read_wasted
from kgnb.stores.ledger.tables import read_usage, usage_columns
from kgnb.stores.ledger.tasks import read_rates

MAX_FINISHED = 1_000
"""Most finished tasks that are listed."""


@dataclass(slots=True)
class TaskFigures:
    """What one task has done so far."""

    counts: dict[str, int] = field(default_factory=dict)  # chapters by status
    flags: dict[str, int] = field(default_factory=dict)  # rows by flag
    useful: dict[tuple[str, str], Usage] = field(default_factory=dict)  # cost of rows, by (provider, model)
    wasted: dict[tuple[str, str], Usage] = field(default_factory=dict)  # what else was paid, for no row yet
    chars: int = 0
    rate: float | None = None  # chapters that ended per minute in the last RATE_SECONDS; None when none did
    unverified: int = 0  # events and relations without a quote from the text
    rejected: int = 0  # items of replies that could not be used
    dropped: int = 0  # characters that don't occur in the book

    @property
    def spent(self) -> dict[tuple[str, str], Usage]:
        """(provider, model) → usage of the task: of stored rows and of failed or unfinished chapters."""
        models = sorted(self.useful.keys() | self.wasted.keys())
        return {one: self.useful.get(one, Usage()) + self.wasted.get(one, Usage()) for one in models}

    @property
    def usage(self) -> Usage:
        """Total usage of the task."""
        return sum(self.spent.values(), Usage())

    def count(self, *statuses: ChapterStatus) -> int:
        """Return the number of chapters with one of ``statuses``."""
        return sum(self.counts.get(status, 0) for status in statuses)


@dataclass(frozen=True, slots=True)
class ChapterState:
    """A chapter's row of a task in main's ledger."""

    task_id: int
    chapter_id: int
    status: str
    error: str
    entities: int
    relations: int
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class FinishedTask:
    """A finished task and its book. ``chapters``: how many of the task's are in the graph."""

    task_id: int
    novel_id: int
    title: str
    author: str
    status: str
    chapters: int
    provider: str
    model: str
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class BookTask:
    """A book's newest task, in whatever state."""

    task_id: int
    novel_id: int
    title: str


class TaskStats(DatabasePart):
    """Statistics of tasks."""

    @reading
    def chapter_states(
        self,
        c: sa.Connection,
        *,
        novel_id: int | None = None,
        task_id: int | None = None,
        chapter_id: int | None = None,
    ) -> list[ChapterState]:
        """Return the states of chapters of a novel, a task or a chapter id, sorted by task and chapter.

        Conditions add up; a task may have no rows yet for some chapters.
        """
        s, k = t.chapter_status.c, t.tasks.c
        counts = (sa.func.coalesce(count, 0) for count in (s.entities_extracted, s.relations_extracted))
        texts = _text(s.status), _text(s.error_message)
        query = sa.select(s.kg_task_id, s.chapter_id, *texts, *counts, s.started_at, s.completed_at)
        query = query.select_from(t.chapter_status.join(t.tasks, k.id == s.kg_task_id))
        given = (k.novel_id, novel_id), (s.kg_task_id, task_id), (s.chapter_id, chapter_id)
        where = (column == value for column, value in given if value is not None)
        rows = c.execute(query.where(*where).order_by(s.kg_task_id, s.chapter_id))
        return [ChapterState(*row) for row in rows]

    def _figures(self, c: sa.Connection, task_ids: Sequence[int]) -> dict[int, TaskFigures]:
        """Return task id → figures, for each of these ids; zeros for an unknown task."""
        if not task_ids:
            return {}
        found = {task_id: TaskFigures() for task_id in task_ids}
        s = t.chapter_status.c
        counts = sa.select(s.kg_task_id, s.status, sa.func.count()).where(s.kg_task_id.in_(task_ids))
        for task_id, status, number in c.execute(counts.group_by(s.kg_task_id, s.status)):
            found[task_id].counts[status] = number
        for task_id, rate in read_rates(c, task_ids).items():
            found[task_id].rate = rate
        f, names = t.task_facts.c, {}
        facts = sa.select(f.task_id, f.dropped, f.provider).where(f.task_id.in_(task_ids))
        for task_id, dropped, provider in c.execute(facts):
            found[task_id].dropped = dropped or 0
            names[task_id, (provider or "").lower()] = provider
        _read_rows(c, found)
        for (task_id, provider, model), usage in read_wasted(c, task_ids).items():
            one = found[task_id]
            known = (name for name, _ in one.useful if name.lower() == provider)
            one.wasted[next(known, names.get((task_id, provider), provider)), model] = usage
        return found

    figures = reading(_figures)

    @reading
    def progress(self, c: sa.Connection, task_id: int) -> Progress:
        """Return the task's number of chapters by status, usage and rate, counted now."""
        found = self._figures(c, [task_id])[task_id]
        by_status = {status.value: found.count(status) for status in ChapterStatus}
        total = sum(found.counts.values())
        return Progress(total, chars=found.chars, usage=found.usage, rate=found.rate, **by_status)

    @reading
    def failures(self, c: sa.Connection, task_id: int, limit: int) -> list[dict[str, Any]]:
        """Return the first ``limit`` failed chapters of a task, in the book's order.

        Keys: ``chapter`` (number), ``title``, ``reason``.
        """
        s, k = t.chapter_status.c, t.chapters.c
        query = (
            sa.select(
                k.chapter_number.label("chapter"),
                _text(k.title).label("title"),
                _text(s.error_message).label("reason"),
            )
            .select_from(t.chapter_status.join(t.chapters, k.id == s.chapter_id))
            .where(s.kg_task_id == task_id, s.status == ChapterStatus.FAILED)
            .order_by(k.chapter_number)
            .limit(limit)
        )
        return [dict(row) for row in c.execute(query).mappings()]

    @reading
    def newest_of_each_book(self, c: sa.Connection) -> list[BookTask]:
        """Return the newest task of each existing novel, newest first; at most :data:`MAX_FINISHED`
        (1,000).
        """
        newest, n = sa.func.max(t.tasks.c.id), t.novels.c
        query = (
            sa.select(newest, n.id, _text(n.title))
            .select_from(t.tasks.join(t.novels, n.id == t.tasks.c.novel_id))
            .where(novel_not_deleting())
            .group_by(n.id, n.title)
            .order_by(newest.desc())
            .limit(MAX_FINISHED)
        )
        return [BookTask(*row) for row in c.execute(query)]

    @reading
    def finished(self, c: sa.Connection) -> list[FinishedTask]:
        """Return the tasks of existing novels whose graph is complete and that have completed chapters,
        newest first, at most :data:`MAX_FINISHED` (1,000).

        A task that ended with failed chapters counts once its graph was refreshed. "completed" is enough, as
        other programs write no ``kgnb_tasks``.
        """
        k, f, n = t.tasks.c, t.task_facts.c, t.novels.c
        complete = sa.or_(
            k.status == TaskStatus.COMPLETED, sa.and_(k.status == TaskStatus.FAILED, f.settled == 1)
        )
        query = (
            sa.select(
                *(k.id, k.novel_id, _text(n.title), _text(n.author), k.status, k.completed_chapters),
                *(_text(f.provider), _text(f.model), k.completed_at),
            )
            .select_from(
                t.tasks.join(t.novels, n.id == k.novel_id).outerjoin(t.task_facts, k.id == f.task_id)
            )
            .where(complete, novel_not_deleting(), k.completed_chapters > 0)
            .order_by(k.id.desc())
            .limit(MAX_FINISHED)
        )
        return [FinishedTask(*row) for row in c.execute(query)]


def _text(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Return the column with "" for null."""
    return sa.func.coalesce(column, "")


def _read_rows(c: sa.Connection, found: dict[int, TaskFigures]) -> None:
    e = t.extractions.c
    keys = (e.task_id, e.provider, e.model, e.flags)
    sums = (e.chars, e.rejected, e.unverified, *usage_columns(t.extractions))
    query = sa.select(*keys, sa.func.count(), *(sa.func.sum(k) for k in sums))
    for task_id, provider, model, named, rows, chars, rejected, unverified, *usage in c.execute(
        query.where(e.task_id.in_(list(found))).group_by(*keys)
    ):
        one, key = found[task_id], (provider, model)
        one.useful[key] = one.useful.get(key, Usage()) + read_usage(usage)
        one.chars += int(chars or 0)
        one.rejected += int(rejected or 0)
        one.unverified += int(unverified or 0)
        for flag in filter(None, named.split(",")):
            one.flags[flag] = one.flags.get(flag, 0) + rows
    for one in found.values():
        one.flags = dict(sorted(one.flags.items()))
