"""Requests and tokens a minute: one limit over all nodes, nearly all of it used, no cost where none is."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import accumulate
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from kgnb.core.amounts import parse_amounts
from kgnb.core.errors import (
    LeaseLost,
    NodeLeaving,
    ProviderDown,
    ProviderPaused,
    RateReached,
    ServiceDown,
    SettingsError,
)
from kgnb.core.model import Provider
from kgnb.core.settings import Settings
from kgnb.llm.fake.server import FakeServer, Faults
from kgnb.stores.queue.connection import Command, RedisConnection
from kgnb.stores.queue.rate_limits import RateLimits, RateReservation
from tests.conftest import outside
from tests.support.patience import SLOWEST, eventually
from tests.support.throttles import NAME, asking

PROVIDER = Provider(NAME)
KEY = f"kgnb:rate:{NAME.lower()}"
WINDOW = 60.0
SHORTER = 0.1
"""Seconds by which a window is looked at that may hold no more than the limit: Redis' two commands lie that
far apart, and milliseconds are rounded."""


@pytest.fixture
def redis_only() -> str:
    """The outside Redis, emptied: what takes seconds is run on one engine."""
    import redis as blocking

    url = outside("KGNB_TEST_REDIS_URL")
    with blocking.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


class Timed(RedisConnection):
    """Notes when, by the server's clock, the last command ran. Slots take turns, as where each waits for
    replies between its commands: a pool of connections may let a few starve."""

    ran_at = 0.0

    def __init__(self, url: SecretStr, seconds: float) -> None:
        super().__init__(url, seconds)
        self.turn = asyncio.Lock()

    async def send_one(self, command: Command) -> Any:
        async with self.turn:
            (seconds, micros), reply = await self.send([("TIME",), command])
            self.ran_at = seconds + micros / 1e6
        return reply


def most_in(sent: Sequence[tuple[float, int]], seconds: float) -> int:
    """The largest sum of amounts in any window of so many seconds."""
    at = [when for when, _ in sorted(sent)]
    sums = [0, *accumulate(amount for _, amount in sorted(sent))]
    return max(sums[bisect.bisect_left(at, when + seconds)] - sums[i] for i, when in enumerate(at))


async def two_nodes(
    redis_url: str, seconds: float, rpm: str, tpm: str, chars: Sequence[int], *, tokens_per_char: float = 1.5
) -> list[tuple[float, int]]:
    """(time, tokens) of every request of two nodes with ten busy slots each: when it may be sent, which
    nobody waits for."""
    links = [Timed(SecretStr(redis_url), 30) for _ in range(2)]
    sent: list[tuple[float, int]] = []

    async def slot(link: Timed, rates: RateLimits) -> None:
        while not sent or sent[-1][0] < sent[0][0] + seconds:
            size = random.choice(chars)
            place = await rates.reserve(PROVIDER, size)
            tokens = round(size * tokens_per_char)
            sent.append((link.ran_at + place.wait, tokens))
            rates.record_usage(PROVIDER, size, place, tokens)

    nodes = [
        RateLimits(link, parse_amounts(rpm), parse_amounts(tpm), window=WINDOW, longest=2 * seconds)
        for link in links
    ]
    await asyncio.gather(*(slot(*node) for node in zip(links, nodes, strict=True) for _ in range(10)))
    for link in links:
        await link.close()
    return sent


async def test_two_nodes_share_a_limit_of_requests_and_use_it(redis_only: str) -> None:
    sent = [(at, 1) for at, _ in await two_nodes(redis_only, 2.5 * WINDOW, "deepseek=40", "", [100])]
    assert most_in(sent, WINDOW - SHORTER) <= 40
    first = min(sent)[0]
    assert sum(at < first + 2 * WINDOW for at, _ in sent) >= 0.8 * 2 * 40


async def test_two_nodes_share_a_limit_of_tokens_and_use_it(redis_only: str) -> None:
    sent = await two_nodes(redis_only, 2.5 * WINDOW, "", "6000", [50, 100, 300])
    assert most_in(sent, WINDOW - SHORTER) <= 6_000
    first = min(sent)[0]
    assert sum(tokens for at, tokens in sent if at < first + 2 * WINDOW) >= 0.8 * 2 * 6_000


async def test_real_use_corrects_the_estimate(redis_only: str) -> None:
    # Twice as many tokens as was reserved at first: what is too much in the beginning is paid back later.
    sent = await two_nodes(redis_only, 3 * WINDOW, "", "6000", [100], tokens_per_char=3)
    first = min(sent)[0]
    assert sum(tokens for at, tokens in sent if at < first + 2 * WINDOW) <= 2 * 6_000 + 600  # two requests
    rest = [(at, tokens) for at, tokens in sent if at > first + WINDOW]
    assert most_in(rest, WINDOW - SHORTER) <= 6_000
    assert sum(tokens for _, tokens in rest) >= 0.8 * 6_000


@pytest.mark.parametrize("limit", [1, 2, 3, 9, 10, 60, 1_000])
async def test_no_limit_is_too_small_or_overrun_by_what_may_come_at_once(redis_only: str, limit: int) -> None:
    link = Timed(SecretStr(redis_only), 30)
    rates = RateLimits(link, {"": limit}, {}, window=60, longest=3_000)
    waits = [(await rates.reserve(PROVIDER, 10)).wait]
    places = [began := link.ran_at]
    for _ in range(min(limit * 2, 149)):
        waits.append((await rates.reserve(PROVIDER, 10)).wait)
        places.append(link.ran_at + waits[-1])
    await link.close()
    assert places == sorted(places)  # in the order in which they asked
    assert waits[0] == 0
    assert most_in([(at, 1) for at in places], 60 - SHORTER) <= limit
    if limit * 2 < 150:
        assert 100 <= places[-1] - began <= 136  # twice the limit takes about two minutes


async def test_a_request_above_the_limit_of_tokens_goes_all_the_same(redis_url: str) -> None:
    link = RedisConnection(SecretStr(redis_url), 30)
    rates = RateLimits(link, {}, {"deepseek": 1_000}, window=60, longest=600)
    waits = [(await rates.reserve(PROVIDER, 2_000)).wait for _ in range(2)]  # 3,000 tokens each
    await link.close()
    assert waits[0] == 0
    assert 120 < waits[1] <= 180


async def test_the_key_ends_with_its_use(redis_url: str, redis: Redis) -> None:
    link = RedisConnection(SecretStr(redis_url), 30)
    rates = RateLimits(link, {"": 30}, {"": 90_000}, window=6_000)
    place = await rates.reserve(PROVIDER, 1_000)
    assert 0 < await redis.pttl(KEY) <= 220_000
    rates.cancel(PROVIDER, place)
    await rates.flush()
    await rates.flush()
    await link.close()
    assert await redis.exists(KEY) == 0


async def test_more_given_back_than_was_taken_is_no_credit(redis_url: str) -> None:
    link = RedisConnection(SecretStr(redis_url), 30)
    rates = RateLimits(link, {"": 60}, {"": 60_000}, window=6_000, longest=6_000)
    place = await rates.reserve(PROVIDER, 10)
    for _ in range(20):
        rates.cancel(PROVIDER, RateReservation())
    rates.record_usage(PROVIDER, 2_000, place, 3_000)  # tokens that are used up for longer keep the key
    await rates.flush()
    waits = [(await rates.reserve(PROVIDER, 10)).wait for _ in range(7)]
    await link.close()
    assert waits[:6] == [0] * 6  # a tenth of the limit may come at once
    assert waits[6] > 0


@contextlib.contextmanager
def answers_lost(connection: RedisConnection) -> Iterator[None]:
    """Redis does what it is told, and nobody hears of it."""
    whole = connection.send_one

    async def lost(command: Command) -> None:
        await whole(command)
        raise ServiceDown("queue.down", service="redis", where=connection.where)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "send_one", lost)
        yield


async def test_a_place_is_given_back_once_whatever_becomes_of_the_answer(
    redis_url: str, redis: Redis
) -> None:
    link = RedisConnection(SecretStr(redis_url), 30)
    rates = RateLimits(link, {"": 60}, {"": 60_000}, window=600)
    places = [await rates.reserve(PROVIDER, 100) for _ in range(5)]
    taken = await redis.hmget(KEY, "r", "t")
    rates.cancel(PROVIDER, places[0])
    with answers_lost(link), pytest.raises(ServiceDown):
        await rates.flush()
    given = await redis.hmget(KEY, "r", "t")
    back = [round(float(before) - float(now)) for now, before in zip(given, taken, strict=True)]
    # One request, and its tokens, in milliseconds; a tenth of each limit may come in a burst.
    assert back == [round(600_000 / 55), round(places[0].tokens * 600_000 / 54_001)]
    await rates.flush()
    assert await redis.hmget(KEY, "r", "t") == given
    await link.close()


async def test_tokens_used_beyond_a_place_are_owed_until_redis_has_answered(
    redis_url: str, redis: Redis
) -> None:
    link = RedisConnection(SecretStr(redis_url), 30)
    rates = RateLimits(link, {}, {"": 60_000}, window=600)
    place = await rates.reserve(PROVIDER, 100)
    rates.record_usage(PROVIDER, 100, place, place.tokens + 1_000)
    with answers_lost(link), pytest.raises(ServiceDown):
        await rates.flush()
    told = float(await redis.hget(KEY, "t"))
    await rates.flush()  # it may not have been told before: twice is safe
    assert float(await redis.hget(KEY, "t")) > told
    await link.close()


@pytest.mark.parametrize("value", ["x", "-5", "nan", "inf", "1e300", ""])
async def test_whatever_stands_in_the_key(redis_url: str, redis: Redis, value: str) -> None:
    await redis.hset(KEY, mapping={"r": value, "t": value, "s": value})
    link = RedisConnection(SecretStr(redis_url), 30)
    rates = RateLimits(link, {"": 30}, {"": 1_000}, window=60)
    with contextlib.suppress(RateReached):
        assert (await rates.reserve(PROVIDER, 10)).wait == 0
    assert 0 < await redis.pttl(KEY) <= 3_600_001
    await link.close()


# --- at the throttle


async def test_no_limit_costs_no_round_trip(redis_url: str, redis: Redis) -> None:
    async def commands() -> int:
        stats = await redis.info("commandstats")
        names = {name: name.removeprefix("cmdstat_").partition("|")[0] for name in stats}
        others = {
            "info",
            "ping",
            "client",
            "auth",
            "hello",
            "select",
        }  # connections, and who looks after Redis
        return sum(stats[name]["calls"] for name, command in names.items() if command not in others)

    async with FakeServer() as llm, asking(redis_url, llm.base_url, rpm="other=1") as node:
        await node.ask()
        before = await commands()
        for _ in range(20):
            await node.ask()
        assert await commands() == before
    assert await redis.exists(KEY) == 0


async def test_every_http_request_takes_a_place(redis_url: str, redis: Redis) -> None:
    async def scripts() -> int:
        stats = await redis.info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval"))

    async with (
        FakeServer(faults=Faults(rate_500=1.0)) as llm,
        asking(redis_url, llm.base_url, rpm="600", tries=2) as node,
    ):
        with pytest.raises(ProviderDown):
            await node.ask()
        before = await scripts()
        with pytest.raises(ProviderDown):
            await node.ask()
        assert llm.stats.requests == 8  # and the tries of two test requests
        assert await scripts() - before == 4


async def test_a_short_wait_is_slept_in_the_slot(redis_only: str) -> None:
    async with FakeServer() as llm, asking(redis_only, llm.base_url, rpm="3", window=3) as node:
        began = time.monotonic()
        for _ in range(3):
            await node.ask()
        assert time.monotonic() - began >= 1.9


async def test_a_rate_that_is_booked_out_is_claimed_for_as_it_has_places(redis_url: str) -> None:
    async with FakeServer() as llm, asking(redis_url, llm.base_url, rpm="60", most=20) as node:
        await node.ask()
        assert node.throttle.rate_places(node.provider) is None
        asks = [asyncio.create_task(node.ask(f"{i}")) for i in range(14)]  # in six seconds and more
        async with asyncio.timeout(30 * SLOWEST):
            while not node.throttle.rate_wait(node.provider):
                await asyncio.sleep(0.01)
        assert node.throttle.rate_places(node.provider) == 5
        assert llm.stats.requests < 14
        for one in asks:
            one.cancel()
        await asyncio.gather(*asks, return_exceptions=True)
    async with asking(redis_url, rpm="600", tpm="6000") as node:
        for _ in range(9):
            node.rates.record_usage(node.provider, 100, RateReservation(), 200)
        assert node.rates.places(node.provider) == 3  # of 6,000 ÷ 200 a minute


async def test_a_long_wait_hands_back_and_is_nobodys_failure(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeServer() as llm, asking(redis_url, llm.base_url, rpm="1") as node:
        await node.ask()
        assert node.throttle.rate_wait(node.provider) == 0
        assert node.throttle.rate_places(node.provider) is None
        for _ in range(3):
            with pytest.raises(RateReached):
                await node.ask()
        assert node.throttle.rate_places(node.provider) == 1
        assert llm.stats.requests == 1
        assert 50 < node.throttle.rate_wait(node.provider) <= 61  # the node claims nothing meanwhile
        assert node.throttle.limiter(node.provider).slots == 4
        (state,) = (await node.throttle.breaker.states([node.provider.name])).values()
        assert (state.failures, state.not_before, state.paused) == (0, 0, False)
    assert not caplog.records


@pytest.mark.parametrize(
    ("why", "error"),
    [("cancelled", asyncio.CancelledError), ("leaving", NodeLeaving), ("paused", ProviderPaused)],
)
async def test_who_waits_and_does_not_ask_gives_its_place_back(
    redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch, why: str, error: type[BaseException]
) -> None:
    async def used() -> float:
        return float(await redis.hget(KEY, "r") or 0)

    async with FakeServer() as llm, asking(redis_url, llm.base_url, rpm="3", window=180, longest=60) as node:
        await node.ask()
        before, reserve = await used(), node.rates.reserve

        async def hindered(provider: Provider, chars: int) -> RateReservation:
            place = await reserve(provider, chars)
            assert place.wait > 0
            assert await used() > before + 1
            if why == "cancelled":
                asyncio.get_running_loop().call_soon(waiting.cancel)
            elif why == "leaving":
                node.throttle.stop_requests()
            else:
                node.throttle.pauses.paused = {NAME}
            return RateReservation(0.01, place.tokens)  # it has nearly waited

        monkeypatch.setattr(node.rates, "reserve", hindered)
        waiting = asyncio.create_task(node.ask())
        with pytest.raises(error):
            await waiting
        await node.rates.flush()
        assert await used() <= before + 1  # milliseconds
        assert llm.stats.requests == 1


async def test_who_leaves_while_a_place_is_reserved_asks_nothing(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeServer() as llm, asking(redis_url, llm.base_url, rpm="600") as node:
        reserve = node.rates.reserve

        async def meanwhile(provider: Provider, chars: int) -> RateReservation:
            node.throttle.stop_requests()
            return await reserve(provider, chars)

        monkeypatch.setattr(node.rates, "reserve", meanwhile)
        with pytest.raises(NodeLeaving):
            await node.ask()
        assert llm.stats.requests == 0


@pytest.mark.parametrize("why", ["leaving", "paused", "lost"])
async def test_a_request_slot_that_comes_too_late_is_not_used(redis_url: str, why: str) -> None:
    async with asking(redis_url, most=1) as node:
        throttle, lost = node.throttle, False

        async def wait() -> None:
            async with throttle.request_slot(node.provider, lambda: lost):
                raise AssertionError("it came too late")

        async with throttle.request_slot(node.provider):
            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0)
            if why == "leaving":
                throttle.stop_requests()
            throttle.pauses.paused = {NAME} if why == "paused" else set()
            lost = why == "lost"
        with pytest.raises((NodeLeaving, ProviderPaused, LeaseLost)):
            await waiting


async def test_without_redis_nobody_knows_the_limit_so_nothing_is_asked() -> None:
    async with FakeServer() as llm, asking("redis://127.0.0.1:9/0", llm.base_url, rpm="60") as node:
        waiting = asyncio.create_task(node.ask())

        async def outage() -> bool:
            return node.outages.is_down("redis")

        await eventually(outage)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(LeaseLost):
            await node.ask(lost=lambda: True)
        assert llm.stats.requests == 0


# --- settings


def test_one_number_or_numbers_by_name() -> None:
    assert parse_amounts("") == {}
    assert parse_amounts("60") == {"": 60}
    assert parse_amounts(" OpenAI=60, deepseek = 1.5e3 ,10") == {"openai": 60, "deepseek": 1_500, "": 10}


@pytest.mark.parametrize("text", ["many", "a=", "a=0", "a=-1", "a=nan", "a=1,A=2", "1,2", "=,"])
@pytest.mark.parametrize("name", ["KGNB_RPM", "KGNB_TPM", "KGNB_BUDGET", "KGNB_BUDGET_TOKENS"])
def test_a_malformed_limit_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(SettingsError, match=name):
        Settings.load()
