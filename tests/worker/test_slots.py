"""How many of a provider's slots a node uses, and how many chapters it asks its queues for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from kgnb.llm.fake.server import FakeServer
from kgnb.stores.queue.types import QueueName, QueueState
from kgnb.worker import slots as slots_module
from kgnb.worker.slots import SlotLimiter, claims_by_queue, max_unwritten, read_ahead
from tests.support.ledgers import opened
from tests.support.light_nodes import Model, done, light_node, submitted, until
from tests.support.throttles import asking


@pytest.mark.parametrize(
    ("slots", "due", "chapters"), [(60, 0, 15), (60, 30, 30), (60, 90, 60), (4, 0, 1), (1, 1, 1), (1, 0, 0)]
)
def test_as_many_are_read_ahead_as_answers_are_due(slots: int, due: int, chapters: int) -> None:
    assert read_ahead(slots, due) == chapters


@pytest.mark.parametrize(("slots", "chapters"), [(1, 2), (60, 120), (100, 120), (200, 120), (400, 200)])
def test_fewer_wait_for_the_graph_where_slots_are_many(slots: int, chapters: int) -> None:
    assert max_unwritten(slots) == chapters


def test_a_burst_of_429s_halves_once_and_a_round_of_successes_adds_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(slots_module.time, "monotonic", lambda: now[0])
    limiter = SlotLimiter(40)
    for _ in range(40):
        limiter.on_rate_limit()
    assert limiter.slots == 20
    now[0] += 10
    limiter.on_rate_limit()
    assert limiter.slots == 10
    for _ in range(9):
        limiter.on_success()
    assert limiter.slots == 10
    limiter.on_success()
    assert limiter.slots == 11
    for _ in range(11):
        limiter.on_success()
    assert limiter.slots == 12
    for _ in range(2_000):
        limiter.on_success()
    assert limiter.slots == 40
    for _ in range(20):
        now[0] += 10
        limiter.on_rate_limit()
    assert limiter.slots == 1
    limiter.on_success()
    assert limiter.slots == 2
    assert SlotLimiter(1).slots == SlotLimiter(0).slots == 1


OLD, NEW, OTHER = (QueueName(f"{prefix}:qwen") for prefix in ("old", "new", "other"))
IDLE, BUSY = QueueState(0, 0, 0, 0, 0, 0), QueueState(0, 9, 0, 0, 0, 1)


def test_queues_with_work_share_the_slots_and_each_other_is_asked_for_one() -> None:
    found = claims_by_queue(9, [OLD, NEW, OTHER], {OLD: BUSY, NEW: BUSY, OTHER: IDLE})
    assert (sorted((found[OLD], found[NEW])), found[OTHER]) == ([4, 5], 1)
    assert claims_by_queue(4, [OLD, NEW], {OLD: BUSY, NEW: IDLE}) == {OLD: 4, NEW: 1}


def test_a_quiet_queue_is_not_asked_when_those_with_work_take_all() -> None:
    assert claims_by_queue(1, [OLD, NEW], {OLD: BUSY, NEW: IDLE}) == {OLD: 1, NEW: 0}
    assert claims_by_queue(0, [OLD, NEW], {}) == {OLD: 0, NEW: 0}


def test_without_work_all_are_asked() -> None:
    assert claims_by_queue(4, [OLD, NEW], {}) == {OLD: 2, NEW: 2}


async def test_chapters_that_wait_for_their_graph_free_their_slots_up_to_a_limit(
    redis_url: str, sql_url: str, tmp_path: Path
) -> None:
    model, go_on = Model(slots=1), asyncio.Event()
    model.open.set()
    async with opened(sql_url) as ledger, light_node(redis_url, ledger, tmp_path, model, lease=9.0) as light:
        light.graph.gate = cast("Any", go_on.wait)
        task_id = await submitted(ledger, redis_url, 8)
        most = 1 + max_unwritten(1)
        await until(lambda: asked(model, most))
        await asyncio.sleep(1.0)
        assert len(model.asked) == most
        go_on.set()
        await until(lambda: done(ledger, light, task_id))


async def asked(model: Model, count: int) -> bool:
    return len(model.asked) == count


async def test_one_slow_answer_moves_a_providers_mean_a_little(redis_url: str) -> None:
    async with FakeServer() as llm, asking(redis_url, llm.base_url) as node:
        took: list[float] = []
        node.throttle.on_request_timed = lambda _, seconds: took.append(seconds)
        await node.ask()
        llm.latency = took[0] + 1.0
        await node.ask("张飞。")
        first, second = took
        assert first < node.throttle._mean_seconds[node.provider.key] < (first + second) / 2


async def test_answers_are_due_when_the_provider_has_answered_so_far(redis_url: str) -> None:
    async with FakeServer(latency=1.0) as llm, asking(redis_url, llm.base_url) as node:

        def due(overhead: float) -> int:
            return node.throttle.answers_due(node.provider, overhead)

        first = asyncio.create_task(node.ask("刘备。"))
        await until(lambda: true(llm.stats.in_flight == 1))
        assert due(60.0) == 0  # nobody knows yet
        await first
        llm.latency = 60.0
        asks = [asyncio.create_task(node.ask(f"第{n}句。")) for n in range(3)]
        await until(lambda: true(llm.stats.in_flight == 3))
        assert (due(0.0), due(60.0)) == (0, 3)
        await until(lambda: true(due(0.0) == 3))
        await until(lambda: true(due(0.0) == 0))  # late: nobody knows any more
        for ask in asks:
            ask.cancel()
        await asyncio.gather(*asks, return_exceptions=True)
        assert due(60.0) == 0


async def true(holds: bool) -> bool:
    return holds
