"""The reply cache: what a provider answered to a prompt is never paid for twice.

A reply is stored before any other use of it. It is evicted by age or when all of them grow too large, the
longest unused first, and never while a task that asked for it or used it last is unfinished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import ChapterStatus, TaskStatus, Usage, beijing_now
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database, storable, upsert
from kgnb.stores.ledger.usage import usage_values

MAX_CHARS = 1_000_000
"""Longer replies aren't kept: they would pass a server's limit for one packet."""
PAGE = 500
"""Keys in one statement."""


def reply_key(provider: str, model: str, prompt_hash: str) -> str:
    """The key of a reply: sha256 (hex) over provider (case aside), model and prompt."""
    parts = (provider.lower(), model, prompt_hash)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CachedReply:
    """A complete, parsable reply, or the caller's mark in place of one; ``task_id`` asked for it, ``usage``
    is what it cost."""

    key: str
    provider: str
    model: str
    text: str
    task_id: int
    usage: Usage = Usage()


class ReplyCache:
    """Replies in ``kgnb_replies``."""

    def __init__(self, sql: Database) -> None:
        self._sql = sql

    async def get(self, keys: Sequence[str], task_ids: Sequence[int] = ()) -> dict[str, str]:
        """The stored replies among ``keys``; each counts as used now, by the task at its key's place."""
        found = await self._sql.run(lambda c: _get(c, keys), write=False) if keys else {}
        if found:
            users = dict(zip(keys, task_ids, strict=True)) if task_ids else {}
            await self._sql.run(lambda c: _touch(c, list(found), users))
        return found

    async def put(self, entries: Sequence[CachedReply]) -> None:
        """Stores replies; one that is there stays: a record was made from it. Absurdly long ones aren't."""
        if entries:
            await self._sql.run(lambda c: _put(c, entries))

    async def evict(self, *, max_age_days: float, max_mb: float) -> int:
        """Deletes replies unused for ``max_age_days``, then the longest unused until all fit ``max_mb``.

        Spares those of unfinished tasks, so the cache may stay larger. Returns how many went.
        """
        return await self._sql.run(lambda c: _evict(c, max_age_days, int(max_mb * 1_000_000)))


def _get(c: sa.Connection, keys: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for page in _pages(keys):
        rows = c.execute(sa.select(t.replies.c.id, t.replies.c.reply).where(t.replies.c.id.in_(page)))
        found.update((key, reply) for key, reply in rows)
    return found


def _touch(c: sa.Connection, keys: Sequence[str], users: Mapping[str, int]) -> None:
    for page in _pages(sorted(keys)):
        c.execute(sa.update(t.replies).where(t.replies.c.id.in_(page)).values(used_at=beijing_now()))
    for task_id in sorted(set(users.values())):
        its = sorted(key for key in keys if users.get(key) == task_id)
        if its:
            c.execute(sa.update(t.replies).where(t.replies.c.id.in_(its)).values(used_by=task_id))


def _put(c: sa.Connection, entries: Iterable[CachedReply]) -> None:
    now = beijing_now()
    kept = [(e, storable(e.text)) for e in entries if len(e.text) <= MAX_CHARS]
    rows = {
        e.key: {
            "id": e.key,
            "provider": e.provider,
            "model": e.model,
            "task_id": e.task_id,
            "used_by": e.task_id,
            **usage_values(e.usage),
            "size": len(text.encode()),
            "created_at": now,
            "used_at": now,
            "reply": text,
        }
        for e, text in reversed(kept)  # the first of a prompt's
    }
    ordered = [rows[key] for key in sorted(rows)]  # one order for all nodes: no deadlocks
    upsert(c, t.replies, ordered, lambda _, new: {"used_by": new.used_by})


def _unfinished() -> sa.Select[Any]:
    """Ids of tasks that may still come for their replies."""
    k, s = t.tasks.c, t.chapter_status.c
    waiting = sa.exists().where(
        s.kg_task_id == k.id, s.status.in_((ChapterStatus.PENDING, ChapterStatus.RUNNING))
    )
    settled = sa.exists().where(t.task_facts.c.task_id == k.id, t.task_facts.c.settled == 1)
    return sa.select(k.id).where(k.status != TaskStatus.CANCELLED, sa.or_(~settled, waiting))


def _evict(c: sa.Connection, max_age_days: float, max_bytes: int) -> int:
    r = t.replies.c
    total = int(c.scalar(sa.select(sa.func.coalesce(sa.func.sum(r.size), 0))) or 0)
    spared = set(c.scalars(_unfinished()))
    cutoff = beijing_now() - timedelta(days=max_age_days)
    victims = []
    for key, *users, size, used_at in c.execute(
        sa.select(r.id, r.task_id, r.used_by, r.size, r.used_at).order_by(r.used_at, r.id)
    ):
        if used_at >= cutoff and total <= max_bytes:
            break
        if spared.isdisjoint(users):
            victims.append(key)
            total -= size
    for page in _pages(victims):
        c.execute(sa.delete(t.replies).where(r.id.in_(page)))
    return len(victims)


def _pages(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[i : i + PAGE] for i in range(0, len(keys), PAGE))
