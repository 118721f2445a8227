"""Books whose graph is whole: what there is to explore."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from kgnb.core.model import TaskStatus
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database

MOST = 1_000
"""Tasks that are looked at, newest first."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A task that came to its end, and its book. ``chapters`` are the task's that are in the graph."""

    task_id: int
    novel_id: int
    title: str
    author: str
    status: str
    chapters: int
    provider: str
    model: str
    completed_at: datetime | None


async def finished(sql: Database) -> list[Finished]:
    """Finished tasks of novels that are there, newest first. One that ended with failed chapters counts once
    it is settled; a program without kgnb's own rows says by "completed" alone that it is done.

    Raises ServiceDown and ServiceRefused.
    """
    k, f, n = t.tasks.c, t.task_facts.c, t.novels.c
    whole = sa.or_(k.status == TaskStatus.COMPLETED, sa.and_(k.status == TaskStatus.FAILED, f.settled == 1))
    query = (
        sa.select(
            *(k.id, k.novel_id, n.title, n.author, k.status, k.completed_chapters),
            *(f.provider, f.model, k.completed_at),
        )
        .select_from(t.tasks.join(t.novels, n.id == k.novel_id).outerjoin(t.task_facts, k.id == f.task_id))
        .where(whole, sa.func.coalesce(n.is_deleting, 0) == 0, k.completed_chapters > 0)
        .order_by(k.id.desc())
        .limit(MOST)
    )
    rows = await sql.run(lambda c: c.execute(query).all(), write=False)
    return [
        Finished(
            task, novel, title or "", author or "", status, chapters or 0, provider or "", model or "", at
        )
        for task, novel, title, author, status, chapters, provider, model, at in rows
    ]
