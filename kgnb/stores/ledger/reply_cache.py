"""The reply cache: a provider's reply to a prompt is never paid for twice.

A reply is stored before any other use of it. Eviction is least recently used first, by age or total size,
and spares replies that an unfinished task asked for or used last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import TaskStatus, Usage, beijing_now
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import DatabasePart, pages, reading, storable, transaction, upsert
from kgnb.stores.ledger.tables import read_usage, usage_columns, usage_values
from kgnb.stores.ledger.tasks import OPEN_STATES

MAX_CHARS = 1_000_000
"""Longer replies aren't stored: they would exceed a server's packet limit."""
MAX_AGE_DAYS, MAX_MB = 30, 512
"""Days without use after which a cached reply may go; size of the cache above which the longest unused go."""
PROBE_CHARS = 500_000
"""Length of a text that finds room only where chapters do."""
PAGE = 500
"""Keys in one statement."""


def reply_key(provider: str, model: str, prompt_hash: str) -> str:
    """Return the cache key of a reply: sha256 (hex) of provider (in any letter case), model and
    prompt hash.
    """
    parts = (provider.lower(), model, prompt_hash)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CachedReply:
    """A complete, parsable reply, or the caller's mark in place of one. ``task_id`` asked for it, for the
    chapter ``chapter_id`` (0: by an older kgnb, which didn't tell)."""

    key: str
    provider: str
    model: str
    text: str
    task_id: int
    usage: Usage = Usage()
    chapter_id: int = 0


class ReplyCache(DatabasePart):
    """``kgnb_replies``."""

    async def get(self, wanted: Mapping[str, int]) -> dict[str, CachedReply]:
        """Return key → stored reply, for those keys of ``wanted`` (key → task id) that are stored; marks them
        as used now, by that task.
        """
        found = await self._read(list(wanted))
        if found:
            await self._mark_used({key: wanted[key] for key in found})
        return found

    @reading
    def _read(self, c: sa.Connection, keys: Sequence[str]) -> dict[str, CachedReply]:
        """Return key → stored reply, for the keys that have one."""
        r, found = t.replies.c, {}
        facts = (r.id, r.provider, r.model, r.reply, r.task_id)
        query = sa.select(*facts, sa.func.coalesce(r.chapter_id, 0), *usage_columns(t.replies))
        for page in pages(keys, PAGE):
            rows = c.execute(query.where(r.id.in_(page)))
            for key, provider, model, text, task_id, chapter_id, *usage in rows:
                found[key] = CachedReply(key, provider, model, text, task_id, read_usage(usage), chapter_id)
        return found

    @transaction
    def _mark_used(self, c: sa.Connection, users: Mapping[str, int]) -> None:
        for task_id in sorted(set(users.values())):
            its = sorted(key for key, user in users.items() if user == task_id)
            for page in pages(its, PAGE):
                used = sa.update(t.replies).where(t.replies.c.id.in_(page))
                c.execute(used.values(used_at=beijing_now(), used_by=task_id))

    @transaction
    def put(self, c: sa.Connection, entries: Sequence[CachedReply]) -> None:
        """Store replies, except those longer than :data:`MAX_CHARS` (1,000,000).

        A stored reply stays: a row was made from it.
        """
        now = beijing_now()
        kept = [(e, storable(e.text)) for e in entries if len(e.text) <= MAX_CHARS]
        rows = {
            e.key: {
                "id": e.key,
                "provider": e.provider,
                "model": e.model,
                "task_id": e.task_id,
                "chapter_id": e.chapter_id,
                "used_by": e.task_id,
                **usage_values(e.usage),
                "size": len(text.encode()),
                "created_at": now,
                "used_at": now,
                "reply": text,
            }
            for e, text in reversed(kept)  # the first of equal keys wins
        }
        ordered = [rows[key] for key in sorted(rows)]  # one order for all nodes: no deadlocks
        upsert(c, t.replies, ordered, lambda _, new: {"used_by": new.used_by})

    async def probe(self) -> None:
        """Write as much as a chapter's replies take, and delete it again. Raises ServiceDown."""
        written = CachedReply("probe", "", "", "x" * PROBE_CHARS, 0)
        try:
            await self.put([written])
        finally:
            await self._drop(written.key)

    @transaction
    def _drop(self, c: sa.Connection, key: str) -> None:
        c.execute(sa.delete(t.replies).where(t.replies.c.id == key))

    @transaction
    def evict(self, c: sa.Connection, *, max_age_days: float = MAX_AGE_DAYS, max_mb: float = MAX_MB) -> int:
        """Delete replies unused for ``max_age_days``, then the longest unused until the rest fits ``max_mb``;
        return the number of deleted replies.

        Replies that unfinished tasks use stay, so that the cache may remain larger.
        """
        r = t.replies.c
        total = int(c.scalar(sa.select(sa.func.coalesce(sa.func.sum(r.size), 0))) or 0)
        spared = set(c.scalars(_unfinished_tasks()))
        cutoff = beijing_now() - timedelta(days=max_age_days)
        max_bytes = int(max_mb * 1_000_000)
        victims = []
        for key, *users, size, used_at in c.execute(
            sa.select(r.id, r.task_id, r.used_by, r.size, r.used_at).order_by(r.used_at, r.id)
        ):
            if used_at >= cutoff and total <= max_bytes:
                break
            if spared.isdisjoint(users):
                victims.append(key)
                total -= size
        for page in pages(victims, PAGE):
            c.execute(sa.delete(t.replies).where(r.id.in_(page)))
        return len(victims)


def _unfinished_tasks() -> sa.Select[Any]:
    """Return the query for the ids of tasks that may still ask for their replies."""
    k, s = t.tasks.c, t.chapter_status.c
    waiting = sa.exists().where(s.kg_task_id == k.id, s.status.in_(OPEN_STATES))
    settled = sa.exists().where(t.task_facts.c.task_id == k.id, t.task_facts.c.settled == 1)
    return sa.select(k.id).where(k.status != TaskStatus.CANCELLED, sa.or_(~settled, waiting))
