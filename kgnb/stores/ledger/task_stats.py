"""What `status` shows of tasks: counts, speed and cost of many of them, in one read of the rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from kgnb.core.model import ChapterStatus, Usage, beijing_now
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database
from kgnb.stores.ledger.usage import columns, usage_of

RATE_SECONDS = 300.0
"""The speed is that of the last five minutes: long enough for slow models, short enough to follow changes."""
ENDED = (ChapterStatus.COMPLETED, ChapterStatus.FAILED, ChapterStatus.SKIPPED)


@dataclass(slots=True)
class TaskFigures:
    """One task's chapters by status, its flags, what its rows cost by (provider, model), and its speed.

    ``unverified``: events and relations without a quote from the text; ``dropped``: characters that stand
    nowhere in the book; ``rejected``: items of replies that could not be used.
    ``rate``: chapters that came to an end per minute, lately; None when none did.
    """

    counts: dict[str, int] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    spent: dict[tuple[str, str], Usage] = field(default_factory=dict)
    chars: int = 0
    rate: float | None = None
    unverified: int = 0
    rejected: int = 0
    dropped: int = 0

    def count(self, *statuses: ChapterStatus) -> int:
        """Chapters with one of ``statuses``."""
        return sum(self.counts.get(status, 0) for status in statuses)


@dataclass(frozen=True, slots=True)
class ChapterState:
    """A chapter's row in main's ledger."""

    status: str
    entities: int
    relations: int
    error: str
    started_at: datetime | None
    completed_at: datetime | None


async def chapter_state(sql: Database, task_id: int, chapter_id: int) -> ChapterState | None:
    """How a task's chapter stands; None if the task hasn't got it (yet)."""
    s = t.chapter_status.c
    query = sa.select(
        *(s.status, s.entities_extracted, s.relations_extracted, s.error_message),
        *(s.started_at, s.completed_at),
    ).where(s.kg_task_id == task_id, s.chapter_id == chapter_id)
    row = await sql.run(lambda c: c.execute(query).first(), write=False)
    if row is None:
        return None
    return ChapterState(row[0] or "", row[1] or 0, row[2] or 0, row[3] or "", row[4], row[5])


async def figures(sql: Database, task_ids: Sequence[int]) -> dict[int, TaskFigures]:
    """The figures of each of these tasks. Raises ServiceDown and ServiceRefused."""
    if not task_ids:
        return {}
    return await sql.run(lambda c: _figures(c, task_ids), write=False)


def _figures(c: sa.Connection, task_ids: Sequence[int]) -> dict[int, TaskFigures]:
    found = {task_id: TaskFigures() for task_id in task_ids}
    s = t.chapter_status.c
    counts = sa.select(s.kg_task_id, s.status, sa.func.count()).where(s.kg_task_id.in_(task_ids))
    for task_id, status, number in c.execute(counts.group_by(s.kg_task_id, s.status)):
        found[task_id].counts[status] = number
    _speeds(c, found)
    _costs(c, found)
    f = t.task_facts.c
    for task_id, dropped in c.execute(sa.select(f.task_id, f.dropped).where(f.task_id.in_(task_ids))):
        found[task_id].dropped = dropped or 0
    return found


def _speeds(c: sa.Connection, found: dict[int, TaskFigures]) -> None:
    now, s = beijing_now(), t.chapter_status.c
    window = now - timedelta(seconds=RATE_SECONDS)
    # From the start of the first of them: a task that has run for a minute has no five minutes to divide by.
    recent = (
        sa.select(s.kg_task_id, sa.func.count(), sa.func.min(s.started_at))
        .where(s.kg_task_id.in_(list(found)), s.status.in_(ENDED), s.completed_at > window)
        .group_by(s.kg_task_id)
    )
    for task_id, number, first in c.execute(recent):
        began = max(window, first) if isinstance(first, datetime) else window
        found[task_id].rate = 60 * number / max(1.0, (now - began).total_seconds())


def _costs(c: sa.Connection, found: dict[int, TaskFigures]) -> None:
    e = t.extractions.c
    keys = (e.task_id, e.provider, e.model, e.flags)
    sums = (e.chars, e.rejected, e.unverified, *columns(t.extractions))
    query = sa.select(*keys, sa.func.count(), *(sa.func.sum(k) for k in sums))
    flags: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for task_id, provider, model, named, rows, chars, rejected, unverified, *usage in c.execute(
        query.where(e.task_id.in_(list(found))).group_by(*keys)
    ):
        one, key = found[task_id], (provider, model)
        one.spent[key] = one.spent.get(key, Usage()) + usage_of(usage)
        one.chars += int(chars or 0)
        one.rejected += int(rejected or 0)
        one.unverified += int(unverified or 0)
        for flag in filter(None, named.split(",")):
            flags[task_id][flag] += rows
    for task_id, named_flags in flags.items():
        found[task_id].flags = dict(sorted(named_flags.items()))
