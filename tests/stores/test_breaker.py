"""Pauses, failures in a row and rate limits on the real queue engines."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr
from redis.asyncio import Redis

from kgnb.core.errors import (
    AuthRejected,
    NodeLeaving,
    ProviderDown,
    ProviderPaused,
    QuotaExhausted,
    RateLimited,
    RateReached,
    ReplyRefused,
    ReplyTruncated,
    ServiceDown,
)
from kgnb.core.messages import say
from kgnb.core.model import Provider
from kgnb.core.provider_options import ProviderOptions
from kgnb.llm.fake.server import FakeServer, Faults
from kgnb.stores.queue.breaker import CircuitBreaker, ProviderState
from kgnb.stores.queue.connection import RedisConnection
from kgnb.stores.queue.inspect import LIMIT_PREFIX
from kgnb.stores.queue.types import PollResult
from kgnb.worker.provider_pauses import fingerprint
from tests.support.patience import SLOWEST
from tests.support.throttles import Asking, asking

NAME = "DeepSeek"
SUSPEND, FAIL = f"ai:provider:suspend:{NAME}", f"ai:provider:fail:{NAME}"
WINDOW = f"kgnb:failed:{NAME}"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(SecretStr(redis_url), 30)
    yield connection
    await connection.close()


@pytest.fixture
def breaker(link: RedisConnection) -> CircuitBreaker:
    return CircuitBreaker(link)


async def look(redis: Redis, *breakers: CircuitBreaker) -> None:
    """As a node's poll does."""
    asked_at, left = time.monotonic(), await redis.pttl(LIMIT_PREFIX + NAME)
    for one in breakers:
        one.update_limits({NAME: left / 1_000} if left > 0 else {}, [NAME], asked_at)


async def failures(breaker: CircuitBreaker, redis: Redis, count: int) -> list[bool]:
    """Failures each in a 30-second window of its own."""
    paused = []
    for _ in range(count):
        paused.append(await breaker.record_failure(NAME, "HTTP 503"))
        await redis.delete(WINDOW)
    return paused


async def test_three_failures_in_a_row_pause_the_provider(breaker: CircuitBreaker, redis: Redis) -> None:
    assert await failures(breaker, redis, 3) == [False, False, True]
    until = json.loads(await redis.get(SUSPEND))["until"]
    assert 500 < until - time.time() <= 601
    assert 500 < await redis.ttl(SUSPEND) <= 600
    assert await redis.get(FAIL) is None  # the count starts anew
    state = await breaker.state(NAME)
    assert state.paused
    assert (state.reason, state.failures) == ("HTTP 503", 0)
    assert not (await breaker.state("deepseek")).paused  # the name's case counts


async def test_an_outage_counts_once_over_slots_and_nodes(
    breaker: CircuitBreaker, redis: Redis, link: RedisConnection
) -> None:
    other = CircuitBreaker(link)
    paused = await asyncio.gather(*(b.record_failure(NAME) for b in (breaker, other) for _ in range(30)))
    assert not any(paused)
    assert await redis.get(FAIL) == b"1"
    assert 0 < await redis.ttl(WINDOW) <= 30


async def test_a_success_resets_the_count(breaker: CircuitBreaker, redis: Redis) -> None:
    assert await failures(breaker, redis, 2) == [False, False]
    await breaker.record_success(NAME)
    assert await redis.get(FAIL) is None
    assert await failures(breaker, redis, 3) == [False, False, True]


async def test_another_nodes_success_resets_the_count_too(
    breaker: CircuitBreaker, redis: Redis, link: RedisConnection
) -> None:
    other = CircuitBreaker(link)
    await failures(breaker, redis, 2)
    await other.record_success(NAME)
    assert await failures(breaker, redis, 2) == [False, False]


async def test_it_takes_three_failures_after_a_pause_to_pause_again(
    breaker: CircuitBreaker, redis: Redis
) -> None:
    await failures(breaker, redis, 3)
    await redis.delete(SUSPEND)
    assert await failures(breaker, redis, 2) == [False, False]
    assert 86_000 < await redis.ttl(FAIL) <= 86_400
    assert await failures(breaker, redis, 1) == [True]


async def test_a_count_that_is_no_number_starts_anew(breaker: CircuitBreaker, redis: Redis) -> None:
    await redis.set(FAIL, '"many"')
    assert (await breaker.state(NAME)).failures == 0
    assert await failures(breaker, redis, 1) == [False]
    assert await redis.get(FAIL) == b"1"


async def test_pausing_at_once_with_a_reason_and_resuming(breaker: CircuitBreaker, redis: Redis) -> None:
    until = await breaker.pause(NAME, 120, "余额已用完")
    assert 60 < until - time.time() <= 121
    state = await breaker.state(NAME)
    assert state.until == pytest.approx(until, abs=60)
    assert state.reason == "余额已用完"
    await failures(breaker, redis, 1)
    await breaker.limit_rate(NAME, 50)
    await breaker.resume(NAME)
    assert await breaker.state(NAME) == ProviderState()
    assert breaker.seconds_limited(NAME) == 0
    assert not await redis.keys("*")


async def test_a_longer_pause_that_stands_is_left(breaker: CircuitBreaker, redis: Redis) -> None:
    await redis.set(SUSPEND, json.dumps({"until": time.time() + 5_000}), ex=5_000)
    assert await breaker.pause(NAME, 60, "short"), "it is paused"
    assert await redis.ttl(SUSPEND) > 4_900
    await redis.set(SUSPEND, json.dumps({"until": time.time() + 9e9}))
    await breaker.pause(NAME, 60)
    assert await redis.ttl(SUSPEND) == -1
    assert (await breaker.state(NAME)).until > time.time() + 1e9


@pytest.mark.parametrize("value", ["", "x", "[]", "null", '{"until": "soon"}', "[" * 5_000, b"\xff\xfe"])
async def test_whatever_stands_in_the_key_the_provider_is_paused_while_it_exists(
    breaker: CircuitBreaker, redis: Redis, value: str | bytes
) -> None:
    await redis.set(SUSPEND, value, ex=100)
    await redis.set(f"kgnb:pause:{NAME}", value)
    state = await breaker.state(NAME)
    assert 50 < state.until - time.time() <= 101
    assert state.reason == ""


async def test_a_pause_by_hand_is_told_in_the_readers_language(breaker: CircuitBreaker) -> None:
    await breaker.pause(NAME, reason="paused by hand", by_hand=True)
    assert (await breaker.state(NAME)).reason == "手动暂停"


@pytest.mark.parametrize("until", [1e300, 1e13, 5, -5])
async def test_a_pause_without_an_end_ends_at_some_time_that_can_be_told(
    breaker: CircuitBreaker, redis: Redis, until: float
) -> None:
    await redis.set(SUSPEND, json.dumps({"until": until}))
    state = await breaker.state(NAME)
    assert state.paused
    assert datetime.fromtimestamp(state.until) > datetime.now()


async def test_times_that_somebody_wrote_can_be_told(breaker: CircuitBreaker, redis: Redis) -> None:
    await redis.hset(f"kgnb:answer:{NAME}", mapping={"refused_at": "1e300", "since": "9" * 30})
    await redis.set(f"{LIMIT_PREFIX}{NAME}", "1", px=10**17)
    state = await breaker.state(NAME)
    for moment in (state.answer.since, state.answer.refused_at, state.not_before):
        datetime.fromtimestamp(moment)
    assert state.answer.refused


async def test_deleting_the_key_resumes(breaker: CircuitBreaker, redis: Redis) -> None:
    await breaker.pause(NAME)
    await redis.delete(SUSPEND)
    assert not (await breaker.state(NAME)).paused


async def test_a_rate_limit_is_shared_and_only_grows(
    breaker: CircuitBreaker, redis: Redis, link: RedisConnection
) -> None:
    other = CircuitBreaker(link)
    await breaker.limit_rate(NAME, 200)
    assert 100 < breaker.seconds_limited(NAME) <= 200
    assert other.seconds_limited(NAME) == 0
    state = (await other.states(["x", NAME]))[NAME]
    assert 100 < state.not_before - time.time() < 201
    await look(redis, other)
    assert 100 < other.seconds_limited(NAME) <= 200
    await other.limit_rate(NAME, 50)
    assert other.seconds_limited(NAME) > 100
    await other.limit_rate(NAME, 600)
    await look(redis, breaker)
    assert breaker.seconds_limited(NAME) > 500
    await CircuitBreaker(link).limit_rate(NAME, 30)  # knows nothing yet: the longer one stands
    assert await redis.pttl(f"kgnb:limit:{NAME}") > 500_000


async def test_a_rate_limit_ends(breaker: CircuitBreaker, redis: Redis) -> None:
    await breaker.limit_rate(NAME, 0.2)
    await asyncio.sleep(0.25)
    assert breaker.seconds_limited(NAME) == 0
    assert (await breaker.state(NAME)).not_before == 0
    await breaker.limit_rate(NAME, 1e9)
    assert breaker.seconds_limited(NAME) <= 3_600
    await breaker.limit_rate(NAME, float("nan"))
    await breaker.limit_rate(NAME, -5)


async def test_a_rate_limit_that_somebody_lifts_is_over_on_every_node(
    breaker: CircuitBreaker, redis: Redis, link: RedisConnection
) -> None:
    other = CircuitBreaker(link)
    await breaker.limit_rate(NAME, 500)
    await look(redis, other)
    await other.resume(NAME)
    assert breaker.seconds_limited(NAME) > 400  # until it looks
    await look(redis, breaker)
    assert breaker.seconds_limited(NAME) == 0


async def test_states_of_none_ask_nothing(breaker: CircuitBreaker) -> None:
    assert await breaker.states([]) == {}


# --- at the throttle


async def failing(node: Asking, error: type[Exception], times: int, redis: Redis) -> None:
    for _ in range(times):
        await redis.delete(WINDOW)
        with pytest.raises(error):
            await node.ask()


async def test_three_failed_calls_in_a_row_pause_and_a_success_between_them_resets(
    redis_url: str, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeServer() as llm, asking(redis_url, llm.base_url) as node:
        llm.faults = Faults(rate_500=1.0)
        await failing(node, ProviderDown, 2, redis)
        llm.faults = Faults()
        await node.ask()
        llm.faults = Faults(rate_500=1.0)
        await failing(node, ProviderDown, 2, redis)
        assert NAME not in node.throttle.pauses.paused
        assert not caplog.records
        await failing(node, ProviderDown, 1, redis)
        assert len(caplog.records) == 1
        asked = llm.stats.requests
        with pytest.raises(ProviderPaused):  # at once, without a poll
            await node.ask()
        assert llm.stats.requests == asked
        assert 500 < await redis.ttl(SUSPEND) <= 600


@pytest.mark.parametrize(
    ("faults", "error"),
    [(Faults(truncated=1.0), ReplyTruncated), (Faults(refused=1.0), ReplyRefused)],
)
async def test_replies_that_are_the_chapters_trouble_show_that_the_provider_lives(
    redis_url: str,
    redis: Redis,
    faults: Faults,
    error: type[Exception],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeServer(faults=Faults(rate_500=1.0)) as llm, asking(redis_url, llm.base_url) as node:
        await failing(node, ProviderDown, 2, redis)
        llm.faults = faults
        await failing(node, error, 5, redis)
        assert await redis.get(FAIL) is None
        assert await redis.get(SUSPEND) is None
        assert not caplog.records  # none is told as a pause


async def test_a_wrong_key_and_an_empty_account_pause_at_once_with_the_reason(
    redis_url: str, redis: Redis
) -> None:
    async with FakeServer(key="right") as llm, asking(redis_url, llm.base_url, key="wrong") as node:
        with pytest.raises(AuthRejected) as error:
            await node.ask()
        state = (await node.throttle.breaker.states([node.provider.name]))[NAME]
        assert (state.reason, state.kind, state.failures) == (str(error.value), "provider.auth", 0)
        assert state.answer.refused
        assert state.answer.reason == state.reason
        await redis.flushall()
    async with FakeServer() as llm, asking(redis_url, llm.base_url) as node:
        with pytest.raises(QuotaExhausted):
            await node.ask(model="dryrun-no-quota")
        assert (await node.throttle.breaker.states([node.provider.name]))[NAME].paused


async def test_a_refused_key_pauses_the_provider_for_every_node(redis_url: str, redis: Redis) -> None:
    async with (
        FakeServer(key="right") as llm,
        asking(redis_url, llm.base_url, key="wrong") as one,
        asking(redis_url, llm.base_url, key="right") as other,
    ):
        await one.throttle.pauses.lift_mended([one.provider])
        found = await asyncio.gather(*(one.ask() for _ in range(4)), return_exceptions=True)
        assert {type(error) for error in found} <= {AuthRejected, ProviderPaused}
        assert await redis.exists(SUSPEND)
        await other.throttle.pauses.lift_mended([other.provider])  # whose key is another: taken for a new one
        assert not await redis.exists(SUSPEND)
        assert (await other.ask("关羽。")).usage.requests == 1


async def test_a_replaced_key_lifts_the_pause_of_the_one_before(redis_url: str, redis: Redis) -> None:
    async with FakeServer(key="right") as llm, asking(redis_url, llm.base_url, key="wrong") as node:

        async def paused_after(key: str) -> bool:
            await node.throttle.pauses.lift_mended([replace(node.provider, api_key=SecretStr(key))])
            return await redis.exists(SUSPEND) > 0

        assert not await paused_after("wrong")
        with pytest.raises(AuthRejected):
            await node.ask()
        assert "wrong" not in str(await redis.get(f"kgnb:pause:{NAME}"))
        assert await paused_after("wrong")
        async with asking(redis_url) as started:  # another node, with the same key
            await started.throttle.pauses.lift_mended([node.provider])
        assert await paused_after("wrong")
        more = ProviderOptions(api_keys=(SecretStr("another"),))
        assert fingerprint(node.provider) != fingerprint(replace(node.provider, options=more))
        assert not await paused_after("right")
        node.throttle.pauses.paused = set()  # as the next poll says
        with pytest.raises(AuthRejected):
            await node.ask()  # a request that was sent with the key of before
        assert not await redis.exists(SUSPEND)


async def test_a_wrong_key_met_by_every_slot_pauses_once(
    redis_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeServer(key="right") as llm, asking(redis_url, llm.base_url, key="wrong") as node:
        pause = CircuitBreaker.pause

        async def pause_after_a_poll(*args: Any, **facts: Any) -> float:
            node.throttle.pauses.on_poll(PollResult(), [node.provider])
            return await pause(*args, **facts)

        monkeypatch.setattr(CircuitBreaker, "pause", pause_after_a_poll)
        found = await asyncio.gather(*(node.ask() for _ in range(4)), return_exceptions=True)
    reasons = {str(error) for error in found if isinstance(error, AuthRejected)}
    assert NAME in node.throttle.pauses.paused
    paused = [say("node.provider_paused", provider=NAME, reason=reason) for reason in reasons]
    assert sum(record.getMessage() in paused for record in caplog.records) == 1


class Waiting(FakeServer):
    """Answers when the test says so."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.arrived, self.answers = asyncio.Semaphore(0), asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.arrived.release()
        await self.answers.wait()
        return await super().handle(request)


async def test_a_node_that_finds_a_provider_paused_says_so_once_in_its_own_language(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeServer() as llm, asking(redis_url, llm.base_url) as node:
        breaker = CircuitBreaker(node.queue.connection)
        for by_hand, why in ((True, "手动暂停"), (False, "no quota left")):
            caplog.clear()
            await breaker.pause(NAME, 600, "no quota left", by_hand=by_hand)
            for _ in range(3):
                node.throttle.pauses.on_poll(PollResult(paused={NAME}), [node.provider])
                await node.throttle.pauses.tell_found([node.provider])
            assert [why in text for text in caplog.messages] == [True]
            await breaker.resume(NAME)
            node.throttle.pauses.on_poll(PollResult(), [node.provider])
            await node.throttle.pauses.tell_found([node.provider])
        await breaker.pause("rules", by_hand=True)
        node.throttle.pauses.on_poll(PollResult(paused={"rules"}), [Provider("rules")])
        await node.throttle.pauses.tell_found([Provider("rules")])
        assert "rules" in caplog.messages[-1]


async def test_a_failure_while_redis_can_not_pause_the_provider_is_left_to_the_node_to_tell(
    redis_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_given: Any, **_facts: Any) -> float:
        raise ServiceDown("queue.down", service="redis", where="there")

    async with FakeServer() as llm, asking(redis_url, llm.base_url) as node:
        monkeypatch.setattr(CircuitBreaker, "pause", down)
        with pytest.raises(QuotaExhausted):
            await node.ask(model="dryrun-no-quota")
        assert NAME not in node.throttle.pauses.paused
        assert node.throttle.pauses._outages.is_down("redis")  # so no request begins
    assert say("node.provider_paused", provider=NAME, reason="") not in caplog.text


@pytest.mark.parametrize("over", ["a person's", "main's", "no balance"])
async def test_a_replaced_key_lifts_no_other_pause(
    redis_url: str, redis: Redis, breaker: CircuitBreaker, over: str
) -> None:
    async with FakeServer(key="right") as llm, asking(redis_url, llm.base_url, key="wrong") as node:
        with pytest.raises(AuthRejected):
            await node.ask()
        if over == "main's":
            await redis.set(SUSPEND, json.dumps({"until": time.time() + 60}), ex=60)
        else:
            await breaker.pause(NAME, 900, over, by_hand=over == "a person's")
        await node.throttle.pauses.lift_mended([replace(node.provider, api_key=SecretStr("right"))])
        assert await redis.exists(SUSPEND)


async def test_retry_after_0_counts_for_a_second_on_every_node(
    redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_rate, seconds = CircuitBreaker.limit_rate, list[float]()

    async def for_longer(self: CircuitBreaker, provider: str, retry_after: float) -> None:
        seconds.append(retry_after)
        await limit_rate(self, provider, 600 * retry_after)  # than the test may stand still

    monkeypatch.setattr(CircuitBreaker, "limit_rate", for_longer)
    async with (
        FakeServer(faults=Faults(rate_429=1.0), retry_after=0) as llm,
        asking(redis_url, llm.base_url, most=8) as node,
        asking(redis_url, llm.base_url) as other,
    ):
        with pytest.raises(RateLimited):
            await node.ask()
        assert seconds == [1]
        assert 0 < node.throttle.rate_wait(node.provider) <= 600
        await look(redis, other.throttle.breaker)
        assert 0 < other.throttle.rate_wait(other.provider) <= 600
        assert [n.throttle.limiter(n.provider).slots for n in (node, other)] == [4, 4]


async def test_who_is_about_to_ask_waits_for_a_short_limit_and_hands_back_for_a_long_one(
    redis_url: str, redis: Redis, breaker: CircuitBreaker
) -> None:
    async with FakeServer() as llm, asking(redis_url, llm.base_url) as node:
        began = time.monotonic()
        await breaker.limit_rate(NAME, 1)
        await look(redis, node.throttle.breaker)
        await node.ask()
        assert time.monotonic() - began > 0.7
        await breaker.limit_rate(NAME, 100)
        await look(redis, node.throttle.breaker)
        with pytest.raises(RateReached):
            await node.ask()
        assert llm.stats.requests == 1


@pytest.mark.parametrize("left", [False, True])
async def test_a_pause_or_leaving_hands_back_who_waits_and_lets_finish_who_is_answered(
    redis_url: str, left: bool
) -> None:
    async with Waiting() as llm, asking(redis_url, llm.base_url, most=1) as node:

        async def chapter() -> str:
            async with node.throttle.request_slot(node.provider):
                await node.ask()
            return "asked"

        chapters = [asyncio.create_task(chapter()) for _ in range(4)]
        await llm.arrived.acquire()
        if left:
            node.throttle.stop_requests()
        else:
            node.throttle.pauses.paused = {NAME}
        await asyncio.wait(chapters[1:])
        llm.answers.set()
        done = await asyncio.gather(*chapters, return_exceptions=True)
        assert done[0] == "asked"
        assert {type(one) for one in done[1:]} == {NodeLeaving if left else ProviderPaused}
        assert llm.stats.requests == 1
        node.throttle.pauses.paused = set()
        async with asyncio.timeout(5 * SLOWEST):
            (after,) = await asyncio.gather(chapter(), return_exceptions=True)
        assert isinstance(after, NodeLeaving) if left else after == "asked"
