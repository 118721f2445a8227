"""How many of a provider's slots a node uses, and how many chapters it asks its queues for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kgnb.core.errors import ProviderPaused
from kgnb.llm.fake.server import FakeServer
from kgnb.stores.ledger.chapters import Chapters
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import ClaimRequest, PollResult, QueueName, QueueState
from kgnb.worker import slots as slots_module
from kgnb.worker.slots import UNWRITTEN_PER_SLOT, SlotLimiter, claims_by_queue, read_ahead
from tests.support.light_nodes import LightNode, Model, asked, done, light_node, submitted
from tests.support.patience import eventually
from tests.support.throttles import asking


@pytest.mark.parametrize(
    ("slots", "seconds", "overhead", "chapters"),
    [
        (60, 0.0, 0.0, 15),  # nobody knows how long a request takes
        (60, 0.5, 0.0, 60),
        (60, 0.3, 0.0, 100),  # most of them twice in half a second
        (60, 0.1, 0.0, 120),
        (60, 1.0, 0.0, 30),
        (60, 15.0, 0.0, 15),
        (60, 5.0, 2.5, 30),  # the stores are far
        (60, 5.0, 60.0, 120),
        (4, 15.0, 0.0, 1),
        (1, 0.1, 0.0, 2),
    ],
)
def test_as_many_are_read_ahead_as_answers_are_due(
    slots: int, seconds: float, overhead: float, chapters: int
) -> None:
    assert read_ahead(slots, seconds, overhead) == chapters


async def test_a_burst_of_429s_halves_once_and_a_round_of_successes_adds_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(slots_module.time, "monotonic", lambda: now[0])
    limiter = SlotLimiter(40)
    for _ in range(40):
        await limiter.on_rate_limit()
    assert limiter.slots == 20
    now[0] += 10
    await limiter.on_rate_limit()
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
        await limiter.on_rate_limit()
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


async def test_chapters_that_wait_for_their_rows_free_their_slots_up_to_a_limit(
    redis_url: str, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, go_on, end = Model(slots=1), asyncio.Event(), Chapters.end
    model.open.set()

    async def slow_end(*args: Any) -> list[bool]:
        await go_on.wait()
        return await end(*args)

    monkeypatch.setattr(Chapters, "end", slow_end)
    async with light_node(redis_url, ledger, tmp_path, model) as light:
        task_id = await submitted(ledger, redis_url, 8)
        most = 1 + UNWRITTEN_PER_SLOT
        await eventually(lambda: asked(model, most))
        polls = light.node.poll_count
        await eventually(lambda: polled(light, polls + 2))
        assert len(model.asked) == most
        go_on.set()
        await eventually(lambda: done(ledger, light, task_id))
    assert (len(model.asked), set(model.asked.values())) == (8, {1})


async def polled(light: LightNode, times: int) -> bool:
    return light.node.poll_count >= times


async def test_no_more_is_claimed_than_finds_a_place_in_a_rate_that_was_full(
    redis_url: str, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed, poll = list[int](), Queue.poll

    async def counted(self: Queue, requests: Sequence[ClaimRequest], *rest: Any) -> PollResult:
        claimed.append(max(request.chapters for request in requests))
        return await poll(self, requests, *rest)

    monkeypatch.setattr(Queue, "poll", counted)
    model = Model(slots=2, places=1)
    async with light_node(redis_url, ledger, tmp_path, model) as light:
        await submitted(ledger, redis_url, 30)
        await eventually(lambda: asked(model, 2))
        assert len(light.node.slots) == 2
    assert max(claimed) == 1


async def test_nothing_is_read_ahead_of_a_rate_that_was_full(
    redis_url: str, ledger: Ledger, tmp_path: Path
) -> None:
    model = Model(slots=2, places=9, seconds=0.1)
    async with light_node(redis_url, ledger, tmp_path, model) as light:
        await submitted(ledger, redis_url, 30)
        await eventually(lambda: asked(model, 2))
        polls = light.node.poll_count

        async def polled() -> bool:
            light.node.wake()
            return light.node.poll_count >= polls + 3

        await eventually(polled)
        assert len(light.node.slots) == 2
        model.places = None
        light.node.wake()
        await eventually(lambda: asked(model, 6))


async def test_what_waits_is_not_asked_beyond_the_slots_that_a_429_left(redis_url: str) -> None:
    async with asking(redis_url, most=8) as node:
        limiter = node.throttle.limiter(node.provider)
        asking_now: list[asyncio.Event] = []

        async def ask() -> None:
            async with node.throttle.request_slot(node.provider):
                asking_now.append(done := asyncio.Event())
                await done.wait()
                asking_now.remove(done)

        async def after_answers(count: int, most: int) -> None:
            for done in asking_now[:count]:
                done.set()

            async def reached() -> bool:
                return len(asking_now) == most and not any(done.is_set() for done in asking_now)

            await eventually(reached)
            await asyncio.sleep(0.05)
            assert len(asking_now) == most

        async with asyncio.TaskGroup() as group:
            for _ in range(24):
                group.create_task(ask())
            await after_answers(0, 8)
            await limiter.on_rate_limit()
            await after_answers(3, 5)
            await after_answers(3, 4)
            for _ in range(limiter.slots):
                limiter.on_success()
            await after_answers(2, 5)
            for _ in range(5 + 6 + 7):
                limiter.on_success()
            await after_answers(5, 8)
            for left in (3, 0):
                await after_answers(8, left)


async def test_a_429_takes_slots_that_nobody_uses_too(redis_url: str) -> None:
    async with asking(redis_url, most=8) as node, asyncio.TaskGroup() as group:
        limiter, held, done = node.throttle.limiter(node.provider), [0], asyncio.Event()

        async def ask() -> None:
            async with node.throttle.request_slot(node.provider):
                held[0] += 1
                await done.wait()

        async def asking_now(count: int) -> bool:
            return held == [count]

        group.create_task(ask())
        await eventually(lambda: asking_now(1))
        await limiter.on_rate_limit()
        for _ in range(7):
            group.create_task(ask())
        await eventually(lambda: asking_now(4))
        await asyncio.sleep(0.05)
        assert held == [4]
        done.set()


async def test_one_slow_answer_moves_a_providers_mean_a_little(redis_url: str) -> None:
    async with FakeServer() as llm, asking(redis_url, llm.base_url) as node:
        took: list[float] = []
        node.throttle.on_request_timed = lambda _, seconds: took.append(seconds)
        await node.ask()
        llm.latency = took[0] + 1.0
        await node.ask("张飞。")
        first, second = took
        assert first < node.throttle.request_seconds(node.provider) < (first + second) / 2


async def test_a_request_that_was_not_admitted_took_no_time(redis_url: str) -> None:
    async with FakeServer() as llm, asking(redis_url, llm.base_url) as node:
        took: list[float] = []
        node.throttle.on_request_timed = lambda _, seconds: took.append(seconds)
        node.throttle.pauses.paused = {node.provider.name}
        with pytest.raises(ProviderPaused):
            await node.ask()
        assert took == []
