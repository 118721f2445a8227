"""What goes on while a provider or a task is paused: the rules, and requests that are paid for already."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from redis.asyncio import Redis

from kgnb.core.errors import ProviderDown, ServiceRefused, TableMissing
from kgnb.core.messages import say
from kgnb.llm.client import Completion
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.ledger import Ledger
from kgnb.worker import chapter_worker
from kgnb.worker import node as node_module
from kgnb.worker.node import NodeEvent, WorkerNode
from tests.support.ledgers import QUEUE, execute, novel_ids, scalar, set_task, status_row, task_row
from tests.support.light_nodes import LightNode, Model, asked, light_node, submitted
from tests.support.patience import SLOWEST, eventually
from tests.support.queues import NEW, die, nodes_on, take
from tests.support.queues import opened as opened_task

PAUSE = "ai:provider:suspend:DeepSeek"


async def test_the_rules_do_their_tasks_behind_a_paused_provider(
    redis_url: str, ledger: Ledger, tmp_path: Path
) -> None:
    model = Model()
    by_ai = await submitted(ledger, redis_url, 2)
    by_rules = await submitted(ledger, redis_url, 2, use_ai=False)
    async with Redis.from_url(redis_url) as redis:
        await redis.set(PAUSE, "1")
    async with light_node(redis_url, ledger, tmp_path, model) as light:
        await eventually(lambda: finished(ledger, by_rules))
        assert not model.asked
        task = await ledger.tasks.get(by_rules)
        assert task is not None
        assert task.queue == "kg:task:queue:rules"
        assert light.node.queue_states[QUEUE].leased <= 1  # the other task's item, and none of its chapters
        model.open.set()
        await light.queue.connection.client.delete(PAUSE)
        await eventually(lambda: finished(ledger, by_ai))
        assert sum(model.asked.values()) == 2


async def finished(ledger: Ledger, task_id: int, status: str = "completed") -> bool:
    return bool((await task_row(ledger, task_id))["status"] == status)


async def test_a_node_empties_no_slot_for_a_chapter_whose_provider_is_paused(redis_url: str) -> None:
    async with nodes_on(redis_url) as make:
        queue = make()
        await opened_task(queue, 1, 1)
        for _ in range(4):
            await die(queue, chapters=1)
        busy = {"chapters": 2, "tasks": 1, "idle": False}
        await take(queue, **busy)
        assert await queue.connection.client.exists(f"kgnb:solo:{{{NEW}}}")  # registered, to empty its slots
        await queue.push(NEW, 2)
        poll = await take(queue, chapters=-1, tasks=1, idle=False)
        assert [(claim.kind, claim.task_id) for claim in poll.claims] == [("task", 2)]
        assert not await queue.connection.client.exists(f"kgnb:solo:{{{NEW}}}")


async def test_a_paused_tasks_requests_end_in_the_reply_cache_and_none_begins(
    redis_url: str, ledger: Ledger, tmp_path: Path
) -> None:
    model = Model()
    task_id = await submitted(ledger, redis_url, 5)
    async with light_node(redis_url, ledger, tmp_path, model) as light:
        await eventually(lambda: asked(model, 2))
        await execute(ledger, set_task(task_id, status="paused"))
        await light.node.check_tasks()
        model.open.set()
        await eventually(lambda: nothing_in_flight(light))
        assert len(model.asked) == await stored_replies(ledger) == 2
        progress = await ledger.task_stats.progress(task_id)
        assert (progress.pending, progress.running, progress.completed) == (5, 0, 0)
        await light.queue.push(QUEUE, task_id)  # somebody goes on with it
        await eventually(lambda: finished(ledger, task_id))
    assert list(model.asked.values()) == [1] * 5


async def test_a_cancelled_tasks_request_ends_at_once_and_a_paused_ones_goes_on(
    redis_url: str, ledger: Ledger, tmp_path: Path
) -> None:
    model = Model()
    paused, cancelled = [await submitted(ledger, redis_url, 1, salt) for salt in "甲乙"]
    async with light_node(redis_url, ledger, tmp_path, model) as light:
        await eventually(lambda: asked(model, 2))
        await execute(ledger, set_task(paused, status="paused"))
        await execute(ledger, set_task(cancelled, status="cancelled"))
        await light.node.check_tasks()
        other = await submitted(ledger, redis_url, 1, "丙")
        await eventually(lambda: asked(model, 3))  # in the slot that the cancelled one had
        assert sorted(claim.task_id for claim in light.node.slots) == [paused, other]
        model.open.set()
        await eventually(lambda: finished(ledger, other))
        await eventually(lambda: nothing_in_flight(light))
        assert await stored_replies(ledger) == 2
    for task_id in (paused, cancelled):
        progress = await ledger.task_stats.progress(task_id)
        assert (progress.running, progress.completed) == (0, 0)


async def test_what_the_queue_buries_is_logged_and_its_chapter_failed(
    redis_url: str, ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A chapter that killed ten nodes, and an item that names no task."""
    model = Model()
    task_id = await submitted(ledger, redis_url, 2)
    (novel_id,) = await novel_ids(ledger)
    first, second = [c.id for c in await ledger.books.chapters(novel_id)]
    async with nodes_on(redis_url) as make:
        queue = make()
        (claim,) = (await take(queue, QUEUE, tasks=1)).claims
        assert await queue.open_task(claim, [first])
        for _ in range(25):  # from the fifth on, one poll finds it and the next one takes it
            await take(queue, QUEUE, tasks=1, chapters=1, idle=True)
            await queue.forget_node("a")
        await queue.connection.client.lpush(QUEUE, "not json", "[]")
        async with light_node(redis_url, ledger, tmp_path, model, "b"):

            async def told() -> bool:
                return not await queue.connection.client.exists(f"kgnb:untold:{{{QUEUE}}}")

            await eventually(told)
            assert (await status_row(ledger, task_id, first))["status"] == "failed"
            await eventually(lambda: asked(model, 1))
            model.open.set()
            await eventually(lambda: finished(ledger, task_id, "failed"))
    assert (await status_row(ledger, task_id, second))["status"] == "completed"
    logged = [record.getMessage() for record in caplog.records]
    reason = say("queue.dead_deliveries")
    assert logged.count(say("node.dead_letter", task=task_id, reason=reason)) == 1
    garbage = say("node.garbage", queue=QUEUE, count=2, reason=say("queue.dead_not_json"))
    assert logged.count(garbage) == 1


class Failing(Model):
    """A model that can't be reached at the first ``times`` times."""

    times = 2

    async def complete(self, *args: Any, **options: Any) -> Completion:
        if sum(self.asked.values()) < self.times:
            self.asked["failed"] += 1
            raise ProviderDown("provider.unreachable", provider="DeepSeek", host="there", tries=1)
        return await super().complete(*args, **options)


async def test_a_providers_failure_is_told_and_the_chapter_asked_again(
    redis_url: str,
    ledger: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(node_module, "HAND_BACK_SECONDS", 0.1)
    caplog.set_level(logging.DEBUG, node_module.__name__)
    model, events = Failing(), list[NodeEvent]()
    model.open.set()
    async with light_node(redis_url, ledger, tmp_path, model) as light:
        light.node.listener = events.append
        task_id = await submitted(ledger, redis_url, 1)
        await eventually(lambda: finished(ledger, task_id))
    told = [(event.kind, event.task_id, event.provider) for event in events if event.kind == "provider"]
    assert told == [("provider", task_id, "DeepSeek")] * 2
    assert all(isinstance(event.error, ProviderDown) for event in events if event.kind == "provider")
    levels = [record.levelname for record in caplog.records if "there" in record.getMessage()]
    assert levels == ["WARNING", "DEBUG"]
    assert say("node.provider_back", provider="DeepSeek") in caplog.text


async def test_a_reply_to_a_request_sent_before_a_pause_is_no_sign_that_the_provider_works(
    redis_url: str,
    ledger: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(node_module, "HAND_BACK_SECONDS", 0.1)
    model, back = Failing(), say("node.provider_back", provider="DeepSeek")
    model.times = 1
    task_id = await submitted(ledger, redis_url, 5)
    async with light_node(redis_url, ledger, tmp_path, model) as light, Redis.from_url(redis_url) as redis:
        await eventually(lambda: asked(model, 3))
        await redis.set(PAUSE, "1")
        await eventually(lambda: paused(light))
        model.open.set()
        await eventually(lambda: has_completed(ledger, task_id, 2))
        assert back not in caplog.text
        await redis.delete(PAUSE)
        await eventually(lambda: finished(ledger, task_id))
    assert caplog.text.count(back) == 1


async def has_completed(ledger: Ledger, task_id: int, chapters: int) -> bool:
    return (await ledger.task_stats.progress(task_id)).completed >= chapters


async def paused(light: LightNode) -> bool:
    return bool(light.node.throttle.pauses.paused)


async def test_a_chapter_whose_row_the_database_refuses_fails_alone(
    redis_url: str,
    ledger: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A trigger, a check or a column that main's people added."""
    monkeypatch.setattr(chapter_worker, "RETRY_SECONDS", (0.0, 0.0))
    refuse = (
        "WHEN NEW.chapter_number = 2 BEGIN SELECT RAISE(ABORT, 'not this'); END"
        if ledger.database.sqlite
        else "IF NEW.chapter_number = 2 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this'; END IF"
    )
    trigger = "CREATE TRIGGER rule BEFORE INSERT ON kgnb_extractions FOR EACH ROW"
    await execute(ledger, sa.text(f"{trigger} {refuse}"))
    model = Model(slots=5)
    model.open.set()
    task_id = await submitted(ledger, redis_url, 5)
    async with light_node(redis_url, ledger, tmp_path, model):
        await eventually(lambda: finished(ledger, task_id, "failed"))
    progress = await ledger.task_stats.progress(task_id)
    assert (progress.completed, progress.failed) == (4, 1)
    assert "not this" in caplog.text
    assert "Traceback" not in caplog.text


_STATUS = "ALTER TABLE knowledge_graph_chapter_status RENAME COLUMN"


@pytest.mark.parametrize(
    ("away", "back", "named"),
    [
        (
            "ALTER TABLE kgnb_extractions RENAME TO away",
            "ALTER TABLE away RENAME TO kgnb_extractions",
            "kgnb_extractions",
        ),
        ("ALTER TABLE kgnb_claims RENAME TO away", "ALTER TABLE away RENAME TO kgnb_claims", "kgnb_claims"),
        (f"{_STATUS} error_message TO away", f"{_STATUS} away TO error_message", "error_message"),
    ],
)
async def test_a_table_that_goes_missing_stops_the_node_and_fails_nothing(
    redis_url: str,
    ledger: Ledger,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    away: str,
    back: str,
    named: str,
) -> None:
    model = Model()
    task_id = await submitted(ledger, redis_url, 5)
    async with light_node(redis_url, ledger, tmp_path, model) as light:
        await eventually(lambda: asked(model, 2))
        await execute(ledger, sa.text(away))
        model.open.set()
        with pytest.raises(TableMissing) as caught:
            await asyncio.wait_for(light.running, 20 * SLOWEST)
    await execute(ledger, sa.text(back))
    assert named in str(caught.value)
    assert "Traceback" not in caplog.text
    assert (await ledger.task_stats.progress(task_id)).failed == 0
    async with light_node(redis_url, ledger, tmp_path, model, "b"):
        await eventually(lambda: finished(ledger, task_id))
    assert (await ledger.task_stats.progress(task_id)).completed == 5


async def test_a_node_that_sql_refuses_stops_and_fails_nothing(
    redis_url: str,
    ledger: Ledger,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_: object) -> None:
        raise ServiceRefused("ledger.refused", service="sql", where="db", reason="1142")

    model = Model()
    task_id = await submitted(ledger, redis_url, 5)
    async with light_node(redis_url, ledger, tmp_path, model) as light:
        await eventually(lambda: asked(model, 2))
        with monkeypatch.context() as patch:
            patch.setattr(ledger.chapters, "end", refuse)
            patch.setattr(ledger.chapters, "hand_back", refuse)
            model.open.set()
            with pytest.raises(ServiceRefused, match="1142"):
                await asyncio.wait_for(light.running, 20 * SLOWEST)
    assert "Traceback" not in caplog.text
    assert (await ledger.task_stats.progress(task_id)).failed == 0
    async with light_node(redis_url, ledger, tmp_path, model, "b"):
        await eventually(lambda: finished(ledger, task_id))


async def test_a_chapter_is_stopped_at_the_moment_when_a_time_limit_of_its_own_ends() -> None:
    limit = asyncio.timeout(60 * SLOWEST)

    async def chapter() -> None:
        with suppress(TimeoutError):
            async with limit:
                await asyncio.Event().wait()
        await asyncio.Event().wait()

    work = asyncio.create_task(chapter())
    await asyncio.sleep(0)
    limit.reschedule(asyncio.get_running_loop().time())
    await asyncio.sleep(0)
    assert work.cancelling()  # by its limit
    node = cast("Any", SimpleNamespace(_cancelled=set()))
    WorkerNode._cancel(node, [work])
    WorkerNode._cancel(node, [work])
    assert work.cancelling() == 2  # once
    with pytest.raises(asyncio.CancelledError):
        await work


async def stored_replies(ledger: Ledger) -> object:
    return await scalar(ledger, sa.select(sa.func.count()).select_from(t.replies))


async def nothing_in_flight(light: LightNode) -> bool:
    return not light.node.slots and light.node.nothing_left
