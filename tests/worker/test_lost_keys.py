"""Redis loses one of kgnb's keys (an eviction takes a whole key) or all: the book goes on by itself."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from kgnb.stores.ledger import tables as t
from kgnb.worker.chapter_worker import Outcome
from tests.support.ledgers import QUEUE, execute, open_with, opened, scalar
from tests.support.light_nodes import Model, done, in_flight, light_node, submitted
from tests.support.patience import eventually
from tests.support.queues import ids, nodes_on, take, until_expired

CHAPTERS = 5
KEYS = ("token", "lease", "held", "open", "meta", "todo", "rest", "alone", "later", "count")


@pytest.mark.parametrize("key", KEYS)
async def test_a_key_is_lost_in_mid_book(redis_url: str, tmp_path: Path, key: str) -> None:
    """While chapters wait, are asked about, delayed, to be run alone, and leased by a node that died."""
    model = Model()
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger, nodes_on(redis_url) as make:
        task_id = await submitted(ledger, redis_url, CHAPTERS)
        async with light_node(redis_url, ledger, tmp_path, model) as a:
            await eventually(lambda: in_flight(model))
            redis, own = a.queue.connection.client, QUEUE.own_key
            (died,) = (await take(make("dead", lease=0.6), QUEUE, chapters=1)).claims
            todo, due = f"{own('todo')}:{task_id}", time.time() * 1000 + 300
            await redis.zadd(own("later"), {f"c:{task_id}:{int(await redis.lpop(todo))}": due})
            if key in ("alone", "count"):  # an empty node takes such a chapter first, and nothing beside it
                await redis.rpush(own("alone"), worn := f"c:{task_id}:{int(await redis.lpop(todo))}")
                await redis.hset(own("count"), worn, "4 0")
            await redis.delete(f"{own(key)}:{task_id}" if key in ("todo", "rest") else own(key))
            if key == "meta":  # nodes of an older version leave the task alone again
                await eventually(lambda: redis.hexists(own("meta"), str(task_id)))
            if key == "lease":  # a living node's poll gives each lease its whole time again
                await eventually(lambda: redis.zscore(own("lease"), died.member))
                await redis.zadd(own("lease"), {died.member: 0})  # as if it were over
            a.renewer.wake.set()
            async with light_node(redis_url, ledger, tmp_path, model, "b"):
                await until_expired(died, 0.6)  # nothing that was in flight has ended by then
                model.open.set()
                await eventually(lambda: done(ledger, a, task_id))
        assert set(model.asked.values()) == {1}
        assert (await ledger.task_stats.progress(task_id)).completed == CHAPTERS == len(model.asked)


async def test_sql_remembers_higher_tokens_than_an_emptied_redis_gives(
    redis_url: str, tmp_path: Path
) -> None:
    """Its clock is behind, or so the tokens look. The chapters in flight were claimed, the others never."""
    model = Model()
    ahead = time.time_ns() // 1_000 + 86_400_000_000
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
        task_id = await submitted(ledger, redis_url, 5)
        async with light_node(redis_url, ledger, tmp_path, model) as a:
            await eventually(lambda: in_flight(model))
            await a.queue.connection.client.flushall()
        await execute(ledger, sa.update(t.task_facts).values(token=ahead))
        await execute(ledger, sa.update(t.claims).values(token=t.claims.c.token + 86_400_000_000))
        async with light_node(redis_url, ledger, tmp_path, model) as a:
            await eventually(lambda: done(ledger, a, task_id))
        tokens = sa.select(sa.func.min(t.task_facts.c.token))
        assert int(str(await scalar(ledger, tokens))) > ahead
        assert (await ledger.task_stats.progress(task_id)).completed == 5


async def test_a_really_newer_holder_keeps_task_and_chapter(redis_url: str, tmp_path: Path) -> None:
    model = Model(slots=0)
    url = f"sqlite:///{tmp_path / 'kgnb.db'}"
    async with opened(url) as ledger, nodes_on(redis_url) as make:
        task_id = await submitted(ledger, redis_url, 1)
        newer = make("newer")
        (task,) = (await take(newer, QUEUE, tasks=1)).claims
        chapters = (await open_with(ledger, task_id, task.token)).chapters
        await newer.open_task(task, chapters)
        (chapter,) = (await take(newer, QUEUE, chapters=1)).claims
        await ledger.chapters.claim([(task_id, chapter.chapter_id, chapter.token)])
        async with light_node(redis_url, ledger, tmp_path, model) as a:
            await a.node.task_keeper.take(replace(task, token=task.token - 1))

            async def let_go() -> bool:
                return not a.node.task_keeper.open_tasks

            await eventually(let_go)
            stale = replace(chapter, token=chapter.token - 1)
            assert await a.node._chapters.run(stale, cast("Any", None)) is Outcome.NOT_OURS
            assert ids(await take(a.queue, QUEUE, chapters=1, tasks=1)) == []
            assert await newer.ack([chapter, task]) == [True, True]
