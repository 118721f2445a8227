"""When a provider may be asked, and by how many at once.

:class:`CircuitBreaker` keeps what all nodes share, in Redis: pauses, failures in a row, and the time before
which a rate-limited provider is left alone (keys of the wire contract, and ``kgnb:`` ones beside them).
:class:`SlotLimiter` is one node's own answer to 429: half the slots, then one more after each full round.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from kgnb.stores.queue.inspect import LIMIT_PREFIX

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
ECHO_SECONDS = 5.0
"""Time in which further calls for the same pause by one node are its other slots'."""
MAX_REASON = 500
"""Characters of a reason that are kept."""


@dataclass(frozen=True, slots=True)
class ProviderState:
    """What all nodes know of a provider: ``until`` (epoch seconds; 0 = not paused) and why, counted failures
    in a row, ``not_before`` (epoch seconds; 0 = none) of a rate limit; ``by_hand``: a person paused it."""

    until: float = 0.0
    reason: str = ""
    failures: int = 0
    not_before: float = 0.0
    by_hand: bool = False

    @property
    def paused(self) -> bool:
        """Whether nobody may ask it now."""
        return self.until > 0


class CircuitBreaker:
    """Pauses and rate limits of providers over all nodes. ``redis`` belongs to the caller and stays open;
    its errors pass through. Names of providers keep their case."""

    def __init__(self, redis: Redis, suspend_seconds: float = 600) -> None:
        self._redis = redis
        self._suspend = suspend_seconds
        self._failing: set[str] = set()
        self._paused_at: dict[str, float] = {}
        self._reset_at: dict[str, float] = {}
        self._limited: dict[str, float] = {}  # until when, by the local monotonic clock
        self._limited_at: dict[str, float] = {}  # when that became known here

    async def failure(self, provider: str, reason: str = "") -> bool:
        """Counts a failed call, once in 30 s whatever the number of nodes and slots. True = it is paused now,
        by this third failure in a row; ``reason`` is kept for those who ask why."""
        self._failing.add(provider)
        if not await _do(self._redis.set(_window(provider), b"1", nx=True, ex=FAILURE_WINDOW)):
            return False
        if await self._count(provider) < FAILURES_IN_A_ROW:
            return False
        await self.pause(provider, reason=reason)
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
        if self.knows_success(provider):
            return
        self._failing.discard(provider)
        self._reset_at[provider] = time.monotonic() + SUCCESS_INTERVAL
        await _do(self._redis.delete(_fail(provider)))

    def knows_success(self, provider: str) -> bool:
        """Whether :meth:`success` has nothing to tell."""
        return provider not in self._failing and time.monotonic() < self._reset_at.get(provider, 0.0)

    async def pause(
        self, provider: str, seconds: float | None = None, reason: str = "", *, by_hand: bool = False
    ) -> float:
        """Pauses ``provider`` on every node for ``seconds`` (default: the setting); a longer pause that
        stands is left, unless ``by_hand``: a person's word counts. ``reason`` is shown to people. Returns
        until when (epoch seconds, Redis' clock); 0 when this node asked for the same a moment ago: every
        slot meets a wrong key at once."""
        now = time.monotonic()
        if seconds is None and not by_hand and now < self._paused_at.get(provider, -math.inf) + ECHO_SECONDS:
            return 0.0
        self._paused_at[provider] = now
        wanted = math.ceil(self._suspend if seconds is None else max(1.0, seconds))
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.pttl(_suspend(provider))
            clock, left = await pipe.execute()
        until: float = clock[0] + clock[1] / 1e6 + wanted
        if not by_hand and (left == -1 or left > wanted * 1_000):  # -1: somebody paused it without an end
            return until
        facts = {"reason": reason[:MAX_REASON], "until": until, "by_hand": by_hand}
        told = json.dumps(facts, ensure_ascii=False)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(_suspend(provider), json.dumps({"until": until}), ex=wanted)
            pipe.set(_pause(provider), told, ex=wanted)
            await pipe.execute()
        return until

    async def resume(self, provider: str) -> None:
        """Lifts a pause and forgets failures and rate limits, on every node."""
        self._failing.discard(provider)
        self._limited.pop(provider, None)
        self._paused_at.pop(provider, None)
        keys = (_suspend(provider), _pause(provider), _fail(provider), _window(provider), _limit(provider))
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:  # one by one: the keys lie in different slots of a cluster
                pipe.delete(key)
            await pipe.execute()

    async def not_before(self, provider: str, retry_after: float) -> None:
        """After a 429: no node asks ``provider`` for ``retry_after`` seconds. A longer wait that stands is
        left, and a shorter one that is known here costs no round trip."""
        wait = min(MAX_NOT_BEFORE, max(0.0, retry_after))
        until = time.monotonic() + wait
        if until <= self._limited.get(provider, 0.0) + 0.5:
            return
        self._limited[provider], self._limited_at[provider] = until, time.monotonic()
        milliseconds = math.ceil(wait * 1_000)
        if not milliseconds or await _do(self._redis.set(_limit(provider), b"1", px=milliseconds, nx=True)):
            return
        # It stands already; only ever longer. Redis 6.2 has no PEXPIRE GT, and a lost race costs little.
        if await _do(self._redis.pttl(_limit(provider))) < milliseconds:
            await _do(self._redis.pexpire(_limit(provider), milliseconds))

    def heard(self, limited: Mapping[str, float], providers: Iterable[str], asked: float) -> None:
        """Takes in which of ``providers`` are rate-limited for all nodes and for how many seconds more, as
        somebody ``asked`` Redis (time.monotonic())."""
        for name in providers:
            self._hear(name, limited.get(name, 0.0), asked)

    def _hear(self, name: str, seconds: float, asked: float) -> None:
        if seconds > 0:
            self._limited[name] = max(time.monotonic() + seconds, self._limited.get(name, 0.0))
        elif self._limited_at.get(name, -math.inf) < asked:  # over, or lifted by somebody
            self._limited.pop(name, None)

    def wait(self, provider: str) -> float:
        """Seconds until ``provider`` may be asked as far as this node knows; 0 = now. No round trip: other
        nodes' limits arrive with :meth:`states`."""
        return max(0.0, self._limited.get(provider, 0.0) - time.monotonic())

    async def state(self, provider: str) -> ProviderState:
        """What all nodes know of ``provider``."""
        return (await self.states([provider]))[provider]

    async def states(self, providers: Sequence[str]) -> dict[str, ProviderState]:
        """:class:`ProviderState` of each, in one round trip; also brings other nodes' rate limits here."""
        if not providers:
            return {}
        asked = time.monotonic()
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for name in providers:
                pipe.pttl(_suspend(name))
                for key in (_suspend(name), _pause(name), _fail(name)):
                    pipe.get(key)
                pipe.pttl(_limit(name))
            clock, *answers = await pipe.execute()
        now = clock[0] + clock[1] / 1e6
        rows = zip(*[iter(answers)] * 5, strict=True)
        return {name: self._read(name, now, row, asked) for name, row in zip(providers, rows, strict=True)}

    def _read(self, name: str, now: float, row: Sequence[Any], asked: float) -> ProviderState:
        left, suspended, paused, failures, limited = row
        count = _whole(failures)
        if count:
            self._failing.add(name)
        not_before = now + limited / 1_000 if limited > 0 else 0.0
        self._hear(name, limited / 1_000, asked)
        if suspended is None:
            return ProviderState(failures=count, not_before=not_before)
        until = now + left / 1_000 if left > 0 else _number(_object(suspended).get("until")) or now + FAIL_TTL
        told = _object(paused)
        by_hand = told.get("by_hand") is True
        return ProviderState(until, str(told.get("reason") or ""), count, not_before, by_hand)


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
    return LIMIT_PREFIX + provider


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
