"""When a provider may be asked, and by how many at once.

:class:`Breaker` keeps what all nodes share, in Redis: pauses, failures in a row, and the time before which a
rate-limited provider is left alone (keys of the wire contract, and ``kgnb:`` ones beside them).
:class:`SlotLimiter` is one node's own answer to 429: half the slots, then one more after each full round.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

PauseReason = Literal["failures", "auth", "quota", "manual"]

FAILURES_IN_A_ROW = 3
"""Counted failures that pause a provider (wire contract)."""
FAIL_TTL = 86_400
"""Seconds that the count lives (wire contract)."""
FAILURE_WINDOW = 30
"""Seconds in which all nodes' failures count as one: an outage hits every slot at once."""
SUCCESS_INTERVAL = 15.0
"""Seconds between two resets by one node that knows of no failure: below FAILURE_WINDOW, so that a success
between two counted failures shows, and no round trip for each chapter."""
MAX_NOT_BEFORE = 3_600.0
"""Seconds that a rate limit may hold all nodes."""


@dataclass(frozen=True, slots=True)
class ProviderState:
    """What all nodes know of a provider: ``until`` (epoch seconds; 0 = not paused) and why, counted failures
    in a row, ``not_before`` (epoch seconds; 0 = none) of a rate limit."""

    until: float = 0.0
    reason: str = ""
    failures: int = 0
    not_before: float = 0.0

    @property
    def paused(self) -> bool:
        """Whether nobody may ask it now."""
        return self.until > 0


class Breaker:
    """Pauses and rate limits of providers over all nodes. ``redis`` belongs to the caller and stays open;
    its errors pass through. Names of providers keep their case."""

    def __init__(self, redis: Redis, suspend_seconds: float = 600) -> None:
        self._redis = redis
        self._suspend = suspend_seconds
        self._failing: set[str] = set()
        self._reset_at: dict[str, float] = {}
        self._not_before: dict[str, float] = {}  # by the local monotonic clock

    async def failure(self, provider: str) -> bool:
        """Counts a failed call, once in 30 s whatever the number of nodes and slots. True = it is paused now,
        by this third failure in a row."""
        self._failing.add(provider)
        if not await _do(self._redis.set(_window(provider), b"1", nx=True, ex=FAILURE_WINDOW)):
            return False
        if await self._count(provider) < FAILURES_IN_A_ROW:
            return False
        await self.pause(provider, reason="failures")
        return True

    async def _count(self, provider: str) -> int:
        try:
            failures = int(await _do(self._redis.incr(_fail(provider))))
        except ResponseError:  # not a number: written by something else, so counting starts anew
            failures = 1
            await _do(self._redis.set(_fail(provider), b"1"))
        await _do(self._redis.expire(_fail(provider), FAIL_TTL))
        return failures

    async def success(self, provider: str) -> None:
        """A call came through: no failure is in a row any more. Costs a round trip only when a failure is
        known here, or once in 15 s."""
        now = time.monotonic()
        if provider not in self._failing and now < self._reset_at.get(provider, 0.0):
            return
        self._failing.discard(provider)
        self._reset_at[provider] = now + SUCCESS_INTERVAL
        await _do(self._redis.delete(_fail(provider)))

    async def pause(
        self, provider: str, seconds: float | None = None, *, reason: PauseReason = "manual"
    ) -> float:
        """Pauses ``provider`` on every node for ``seconds`` (default: the setting); a longer pause that
        stands is left. Returns until when (epoch seconds by Redis' clock)."""
        wanted = math.ceil(self._suspend if seconds is None else max(1.0, seconds))
        async with self._redis.pipeline(transaction=False) as pipe:
            clock, left = await _do(pipe.time().pttl(_suspend(provider)).execute())
        until = clock[0] + clock[1] / 1e6 + wanted
        if left == -1 or left > wanted * 1_000:  # -1: somebody paused it without an end
            return until
        told = json.dumps({"reason": reason, "until": until})
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(_suspend(provider), json.dumps({"until": until}), ex=wanted)
            await _do(pipe.set(_pause(provider), told, ex=wanted).execute())
        return until

    async def resume(self, provider: str) -> None:
        """Lifts a pause and forgets failures and rate limits, on every node."""
        self._failing.discard(provider)
        self._not_before.pop(provider, None)
        keys = (_suspend(provider), _pause(provider), _fail(provider), _window(provider), _limit(provider))
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:  # one by one: the keys lie in different slots of a cluster
                pipe.delete(key)
            await _do(pipe.execute())

    async def limited(self, provider: str, retry_after: float) -> None:
        """After a 429: no node asks ``provider`` for ``retry_after`` seconds. A longer wait that stands is
        left, and a shorter one that is known here costs no round trip."""
        wait = min(MAX_NOT_BEFORE, max(0.0, retry_after))
        until = time.monotonic() + wait
        if until <= self._not_before.get(provider, 0.0) + 0.5:
            return
        self._not_before[provider] = until
        milliseconds = math.ceil(wait * 1_000)
        if not milliseconds or await _do(self._redis.set(_limit(provider), b"1", px=milliseconds, nx=True)):
            return
        # It stands already; only ever longer. Redis 6.2 has no PEXPIRE GT, and a lost race costs little.
        if await _do(self._redis.pttl(_limit(provider))) < milliseconds:
            await _do(self._redis.pexpire(_limit(provider), milliseconds))

    def wait(self, provider: str) -> float:
        """Seconds until ``provider`` may be asked as far as this node knows; 0 = now. No round trip: other
        nodes' limits arrive with :meth:`states`."""
        return max(0.0, self._not_before.get(provider, 0.0) - time.monotonic())

    async def state(self, provider: str) -> ProviderState:
        """What all nodes know of ``provider``."""
        return (await self.states([provider]))[provider]

    async def states(self, providers: Sequence[str]) -> dict[str, ProviderState]:
        """:class:`ProviderState` of each, in one round trip; also brings other nodes' rate limits here."""
        if not providers:
            return {}
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for name in providers:
                pipe.pttl(_suspend(name)).get(_suspend(name)).get(_pause(name))
                pipe.get(_fail(name)).pttl(_limit(name))
            clock, *answers = await _do(pipe.execute())
        now = clock[0] + clock[1] / 1e6
        rows = zip(*[iter(answers)] * 5, strict=True)
        return {name: self._read(name, now, row) for name, row in zip(providers, rows, strict=True)}

    def _read(self, name: str, now: float, row: Sequence[Any]) -> ProviderState:
        left, suspended, paused, failures, limited = row
        count = _whole(failures)
        if count:
            self._failing.add(name)
        not_before = 0.0
        if limited > 0:
            not_before = now + limited / 1_000
            here = time.monotonic() + limited / 1_000
            self._not_before[name] = max(here, self._not_before.get(name, 0.0))
        if suspended is None:
            return ProviderState(failures=count, not_before=not_before)
        until = now + left / 1_000 if left > 0 else _number(_object(suspended).get("until")) or now + FAIL_TTL
        return ProviderState(until, str(_object(paused).get("reason") or ""), count, not_before)


# Names as the wire contract has them; kgnb's own beside them.


def _suspend(provider: str) -> str:
    return f"ai:provider:suspend:{provider}"


def _fail(provider: str) -> str:
    return f"ai:provider:fail:{provider}"


def _pause(provider: str) -> str:
    return f"kgnb:pause:{provider}"


def _window(provider: str) -> str:
    return f"kgnb:failed:{provider}"


def _limit(provider: str) -> str:
    return f"kgnb:limit:{provider}"


async def _do(answer: Any) -> Any:
    # redis-py types its commands as "an awaitable or a value", for both of its faces at once.
    return await cast("Awaitable[Any]", answer)


def _object(value: Any) -> Mapping[str, Any]:
    """A JSON object from a key that anyone may write; empty for anything else."""
    try:
        found = json.loads(value) if value else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) else 0.0


def _whole(value: Any) -> int:
    return max(0, int(_number(value)))


# --- slots --------------------------------------------------------------------------------------------------


class SlotLimiter:
    """How many of a provider's slots may ask at once: ``most`` at first, half after a 429, one more after as
    many successes as there are slots. For one event loop."""

    def __init__(self, most: int) -> None:
        self.most = max(1, most)
        self.limit = self.most
        self.busy = 0
        self._round = 0  # successes since the last change
        self._age = 0  # number of halvings
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """A slot's turn to ask; waits while too many ask already."""
        await self._enter()
        try:
            yield Turn(self, self._age)
        finally:
            self.busy -= 1
            self._wake()

    async def _enter(self) -> None:
        if self.busy < self.limit and not self._waiting:
            self.busy += 1
            return
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(ready)
        try:
            await ready  # whoever wakes it has counted it as busy
        except asyncio.CancelledError:
            if ready.done() and not ready.cancelled():
                self.busy -= 1
                self._wake()
            elif ready in self._waiting:
                self._waiting.remove(ready)
            raise

    def _wake(self) -> None:
        while self._waiting and self.busy < self.limit:
            ready = self._waiting.popleft()
            if not ready.done():
                self.busy += 1
                ready.set_result(None)

    def resize(self, most: int) -> None:
        """Takes another number of slots into use."""
        self.most = max(1, most)
        self.limit = min(self.limit, self.most)
        self._wake()

    def _succeeded(self) -> None:
        if self.limit >= self.most:
            return
        self._round += 1
        if self._round >= self.limit:
            self.limit, self._round = self.limit + 1, 0
            self._wake()

    def _throttled(self, age: int) -> None:
        if age == self._age:  # requests that were under way at the last halving say nothing new
            self.limit, self._round, self._age = max(1, self.limit // 2), 0, self._age + 1


class Turn:
    """One request's turn; tell it how the request ended."""

    __slots__ = ("_age", "_limiter")

    def __init__(self, limiter: SlotLimiter, age: int) -> None:
        self._limiter = limiter
        self._age = age

    def succeeded(self) -> None:
        """An answer came."""
        self._limiter._succeeded()

    def throttled(self) -> None:
        """A 429 came: halves the slots, once for all requests that were under way together."""
        self._limiter._throttled(self._age)
