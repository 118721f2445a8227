"""Tasks whose name scan or refresh breaks again and again: they end as failed, and can be retried."""

from __future__ import annotations

import asyncio
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kgnb.app.context import App, open_app
from kgnb.app.tasks import retry_task
from kgnb.core.errors import ServiceDown
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.stores.ledger import tables as t
from kgnb.stores.queue.types import Claim
from kgnb.worker import book_process, task_keeper
from tests.support.held_tasks import NEW, chapters, hold, keeping, new_task, status, stepped
from tests.support.ledgers import execute, finish_chapter, task_row
from tests.support.patience import SLOWEST
from tests.support.queues import items, take


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(task_keeper, "STUCK_SECONDS", 0.0)
    monkeypatch.setattr(book_process, "SHORT_BOOK", 0)  # every book is scanned in a process of its own
    given: dict[str, Any] = {"openai_base_url": "http://127.0.0.1:9/v1", "provider_name": "DeepSeek"}
    settings = Settings.load(data=tmp_path / "data", lang="en", openai_model="chat", **given)
    async with open_app(settings, graph=False) as one:
        yield one


class Graph:
    """Lets everybody refresh, unless another refresh holds the lease."""

    target = None

    def __init__(self, turn: str = "mine") -> None:
        self.turn = turn
        self.tries = 0

    async def begin_refresh(self, *_: object, **__: object) -> tuple[str, int]:
        self.tries += 1
        return self.turn, 1

    async def extend_refresh(self, *_: object) -> None:
        pass

    async def end_refresh(self, *_: object) -> None:
        pass


async def killed(*_: object) -> None:
    raise BrokenProcessPool


async def all_done(app: App) -> int:
    """A task that is ready to be refreshed."""
    task_id = await new_task(app)
    held = await hold(app)
    await app.ledger.names.freeze(task_id, 1, [], "")
    for claim in await chapters(app, 3):
        assert await finish_chapter(app.ledger, task_id, claim.chapter_id, claim.token)
        await app.queue.ack([claim])
    await app.queue.release([held])
    return task_id


async def on_a_new_node(app: App, graph: Graph | None = None) -> Claim:
    """A node that has just started takes the next task, and does what it can."""
    (claim,) = (await take(app.queue, NEW, tasks=1)).claims
    with keeping(app) as keeper:
        keeper.stores = replace(keeper.stores, graph=graph or Graph())  # type: ignore[arg-type]
        await keeper.take(claim)
        await stepped(keeper, claim.task_id)
        assert not keeper.open_tasks
    return claim


@pytest.mark.parametrize("what", ["scan", "refresh"])
async def test_the_third_death_in_a_row_of_its_process_ends_a_task(
    app: App, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await (new_task(app) if what == "scan" else all_done(app))
    monkeypatch.setattr(app.pool, "run_long", killed)
    for failures in range(3):
        assert await status(app, task_id) != "failed"
        assert (await on_a_new_node(app)).failures == failures
    row = await task_row(app.ledger, task_id)
    assert row["status"] == "failed"
    assert say("node.book_process_died") in row["error_message"]
    assert f"kgnb task retry {task_id}" in row["error_message"]
    assert await items(app.queue, NEW) == []
    assert not (await take(app.queue, NEW, tasks=1)).claims
    await retry_task(app, task_id)
    assert (await on_a_new_node(app)).failures == 0
    assert await status(app, task_id) == "running"


async def test_an_outage_counts_as_no_death(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = await new_task(app)
    monkeypatch.setattr(app.pool, "run_long", killed)

    async def away(*_: object) -> bool:
        raise ServiceDown("ledger.busy", service="sql", where="there")

    for _ in range(2):
        await on_a_new_node(app)
    with monkeypatch.context() as patched:
        patched.setattr(app.ledger.task_commands, "give_up", away)
        assert (await on_a_new_node(app)).failures == 2
    assert app.outages.is_down("sql")
    await app.queue.forget_node(app.queue.node)  # its lease expires
    assert (await on_a_new_node(app)).failures == 2
    assert await status(app, task_id) == "failed"


async def test_a_task_whose_novel_goes_while_it_waits_for_its_refresh_is_dropped(app: App) -> None:
    """Main deletes a novel from the graph first: a refresh would bring it back."""
    await all_done(app)
    graph = Graph("held")
    waiting = asyncio.create_task(on_a_new_node(app, graph))
    async with asyncio.timeout(20 * SLOWEST):
        while not graph.tries:
            await asyncio.sleep(0.01)
        await execute(app.ledger, sa.update(t.novels).values(is_deleting=1))
        await waiting
    assert await items(app.queue, NEW) == []
