"""The reply cache, on SQLite and on MariaDB."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from kgnb.core.model import Usage, beijing_now
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database
from kgnb.stores.ledger.reply_cache import CachedReply, ReplyCache, reply_key
from tests.support.ledgers import database_at


@pytest.fixture
async def sql(sql_url: str) -> AsyncIterator[Database]:
    one = database_at(sql_url)
    await one.prepare()
    yield one
    await one.close()


@pytest.fixture
def cache(sql: Database) -> ReplyCache:
    return ReplyCache(sql)


def entry(prompt: str, task_id: int, text: str = '{"characters": []}') -> CachedReply:
    key = reply_key("DeepSeek", "chat", prompt)
    return CachedReply(key, "DeepSeek", "chat", text, task_id, Usage(1, 2, 3, 1))


async def make_task(sql: Database, task_id: int, status: str, *, settled: int, pending: bool = False) -> None:
    def work(c: sa.Connection) -> None:
        c.execute(sa.insert(t.tasks).values(id=task_id, novel_id=1, status=status))
        facts = {"task_id": task_id, "novel_id": 1, "token": 1, "settled": settled}
        c.execute(sa.insert(t.task_facts).values(**facts))
        if pending:
            chapter = {"kg_task_id": task_id, "chapter_id": 1, "status": "pending"}
            c.execute(sa.insert(t.chapter_status).values(**chapter))

    await sql.run(work)


async def age(sql: Database, key: str, days: float) -> None:
    at = beijing_now() - timedelta(days=days)
    await sql.run(lambda c: c.execute(sa.update(t.replies).where(t.replies.c.id == key).values(used_at=at)))


def test_the_key_tells_everything_apart() -> None:
    keys = {reply_key(p, m, h) for p in ("a", "b", "ab") for m in ("b", "", "bc") for h in ("c", "bc")}
    assert len(keys) == 18
    assert reply_key("DeepSeek", "m", "h") == reply_key("deepseek", "m", "h")


async def get(cache: ReplyCache, keys: list[str]) -> dict[str, str]:
    return {key: one.text for key, one in (await cache.get(dict.fromkeys(keys, 9))).items()}


async def test_what_is_put_is_got(cache: ReplyCache) -> None:
    entries = [entry(f"p{i}", 1, f"回复{i} 😀") for i in range(1200)]
    await cache.put(entries)
    found = await get(cache, [e.key for e in entries] + ["0" * 64])
    assert found == {e.key: e.text for e in entries}
    twice = [entry("p0", 2, "新的"), entry("new", 2, "新的"), entry("new", 2, "更新的")]
    await cache.put([*twice, entry("bad", 2, "x\ud800")])
    assert await get(cache, [entries[0].key]) == {entries[0].key: entries[0].text}
    assert await get(cache, [entry("new", 2).key]) == {entry("new", 2).key: "新的"}
    assert list((await get(cache, [entry("bad", 2).key])).values()) == ["x?"]
    assert await get(cache, []) == {}


async def test_old_replies_go_and_used_ones_stay(sql: Database, cache: ReplyCache) -> None:
    old, used, fresh = (entry(p, 9) for p in ("old", "used", "fresh"))
    await cache.put([old, used, fresh])
    for one in (old, used):
        await age(sql, one.key, 31)
    await get(cache, [used.key])
    assert await cache.evict(max_age_days=30, max_mb=10) == 1
    assert set(await get(cache, [old.key, used.key, fresh.key])) == {used.key, fresh.key}


async def test_the_longest_unused_go_until_all_fit(sql: Database, cache: ReplyCache) -> None:
    entries = [entry(f"p{i}", 9, "x" * 300_000) for i in range(5)]
    await cache.put(entries)
    for i, one in enumerate(entries):
        await age(sql, one.key, 10 - i)
    assert await cache.evict(max_age_days=30, max_mb=1) == 2
    assert set(await get(cache, [e.key for e in entries])) == {e.key for e in entries[2:]}


async def test_nothing_of_an_unfinished_task_is_evicted(sql: Database, cache: ReplyCache) -> None:
    await make_task(sql, 1, "running", settled=0)
    await make_task(sql, 2, "paused", settled=0)
    await make_task(sql, 3, "paused", settled=1, pending=True)  # a retry on its way
    await make_task(sql, 4, "completed", settled=1)
    await make_task(sql, 5, "cancelled", settled=0)
    entries = [entry(f"p{i}", i) for i in range(1, 7)]  # 6: a deleted task
    shared = [entry("found by 1", 4), entry("found by 4", 1)]
    await cache.put([*entries, *shared])
    await cache.get({shared[0].key: 1, shared[1].key: 4})
    for one in [*entries, *shared]:
        await age(sql, one.key, 99)
    assert await cache.evict(max_age_days=30, max_mb=0) == 3
    kept = {e.key for e in (*entries[:3], *shared)}
    assert set(await get(cache, [e.key for e in (*entries, *shared)])) == kept
