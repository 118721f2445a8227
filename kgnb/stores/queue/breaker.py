"""The circuit breaker that all nodes share: a provider's pauses, consecutive failures and rate limit, and
what it answered last, so that people see whether its key works.

It lives in Redis, under the keys of the wire contract and some ``kgnb:`` keys of its own.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from kgnb.core.errors import ServiceRefused
from kgnb.core.foreign_json import json_object
from kgnb.core.messages import say
from kgnb.stores.queue.connection import RedisConnection
from kgnb.stores.queue.inspect import LIMIT_PREFIX, PAUSE_PREFIX, hash_fields
from kgnb.stores.queue.types import Command

FAILURES_IN_A_ROW = 3
"""Consecutive counted failures that pause a provider (wire contract)."""
PAUSE_SECONDS = 600.0
"""Length of a pause that nothing else limits (wire contract)."""
FAIL_TTL = 86_400
"""Lifetime of the count in seconds (wire contract)."""
FAILURE_WINDOW = 30
"""Seconds in which the failures of all nodes count once: an outage hits every slot together."""
MAX_NOT_BEFORE = 3_600.0
"""Longest rate limit in seconds."""
MAX_PAUSE = 1e10
"""Longest pause that is told, and latest epoch second: what is later may have no date."""
MAX_REASON = 500
"""Longest stored reason, in characters."""
ANSWER_TTL = 7 * 86_400
"""Seconds for which an answer is remembered."""
OVERLAP_SECONDS = 30.0
"""A refusal within this time after an answer is one request's: other requests succeed meanwhile."""

_FAIL_PREFIX = "ai:provider:fail:"  # wire contract, as are pauses
_WINDOW_PREFIX = "kgnb:failed:"
_DETAILS_PREFIX = "kgnb:pause:"
_ANSWER_PREFIX = "kgnb:answer:"


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """A provider's last answer and last refusal; times in epoch seconds, 0 = never."""

    answered_at: float = 0.0
    seconds: float = 0.0  # that the last answer took; 0 = unknown
    refused_at: float = 0.0  # or got no answer
    since: float = 0.0  # the first refusal after the last answer
    reason: str = ""  # of the last refusal
    kind: str = ""  # key of that reason's text

    @property
    def refused(self) -> bool:
        """Whether the last refusal is clearly later than the last answer: the provider refuses everything."""
        return self.refused_at > 0 and self.refused_at > self.answered_at + OVERLAP_SECONDS


@dataclass(frozen=True, slots=True)
class ProviderState:
    """A provider's state on all nodes."""

    until: float = 0.0  # end of the pause in epoch seconds; 0 = not paused
    reason: str = ""  # why it is paused
    failures: int = 0  # consecutive ones, as counted
    not_before: float = 0.0  # end of its rate limit in epoch seconds; 0 = none
    by_hand: bool = False  # a person paused it
    refused: str = ""  # fingerprint of the key, address and models whose refusal paused it; "" = unknown
    kind: str = ""  # key of the error's text that paused it; "" = unknown
    answer: ProviderAnswer = ProviderAnswer()

    @property
    def paused(self) -> bool:
        """Whether the provider is paused (``until`` is set)."""
        return self.until > 0


class CircuitBreaker:
    """Pauses and rate limits of providers over all nodes; their names keep their case.

    ``connection`` belongs to the caller and stays open. What asks it raises ServiceDown and ServiceRefused.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._limited: dict[str, float] = {}  # end, by time.monotonic()
        self._limited_at: dict[str, float] = {}  # when this node set it

    async def record_failure(
        self, provider: str, reason: str = "", kind: str = "", refused: str = ""
    ) -> bool:
        """Count a failed call, at most one per FAILURE_WINDOW (30) over all nodes and slots; return whether
        it paused the provider.

        The third counted failure in a row pauses it, with ``reason``.
        """
        window = ("SET", _WINDOW_PREFIX + provider, b"1", "NX", "EX", FAILURE_WINDOW)
        noted = _note_refusal(provider, reason, kind, certain=False)
        if not (await self._connection.send([window, *noted]))[0]:
            return False
        if await self._count(provider) < FAILURES_IN_A_ROW:
            return False
        await self.pause(provider, reason=reason, kind=kind, refused=refused)
        # The count starts anew (wire contract).
        await self._connection.send_one(("DEL", _FAIL_PREFIX + provider))
        return True

    async def _count(self, provider: str) -> int:
        """Count a failure; return the number of failures in a row."""
        try:
            failures = int(await self._connection.send_one(("INCR", _FAIL_PREFIX + provider)))
        except (ResponseError, ServiceRefused):  # somebody wrote no number: start again
            failures = 1
            await self._connection.send_one(("SET", _FAIL_PREFIX + provider, b"1"))
        await self._connection.send_one(("EXPIRE", _FAIL_PREFIX + provider, FAIL_TTL))
        return failures

    async def record_refusal(self, provider: str, reason: str, kind: str, *, certain: bool = True) -> None:
        """Note for people that ``provider`` refuses; no failure. ``certain``: whatever it is asked."""
        await self._connection.send(_note_refusal(provider, reason, kind, certain=certain))

    async def record_success(self, provider: str, seconds: float = 0.0) -> None:
        """Note an answer after ``seconds`` and reset the count of consecutive failures."""
        key = _ANSWER_PREFIX + provider
        answered = ("HSET", key, "answered_at", time.time(), "seconds", round(seconds, 3))
        forgotten = ("DEL", _FAIL_PREFIX + provider), _forget_refusals(provider)
        await self._connection.send([*forgotten, answered, ("EXPIRE", key, ANSWER_TTL)])

    async def pause(
        self,
        provider: str,
        seconds: float = PAUSE_SECONDS,
        reason: str = "",
        *,
        by_hand: bool = False,
        refused: str = "",
        kind: str = "",
    ) -> float:
        """Pause ``provider`` on every node for ``seconds`` (at least 1); return the end of this pause in
        epoch seconds by Redis' clock.

        A longer pause that is in force stays, unless this one is ``by_hand``; the return value is the same.
        ``reason`` is for people.
        """
        wanted = math.ceil(max(1.0, seconds))
        clock, left = await self._connection.send([("TIME",), ("PTTL", PAUSE_PREFIX + provider)])
        until: float = clock[0] + clock[1] / 1e6 + wanted
        if not by_hand and (left == -1 or left > wanted * 1_000):  # -1: paused without an end
            return until
        facts = {"reason": reason[:MAX_REASON], "until": until, "by_hand": by_hand}
        facts |= {"key": refused, "kind": kind}
        details = json.dumps(facts, ensure_ascii=False)
        await self._connection.send(
            [
                ("SET", PAUSE_PREFIX + provider, json.dumps({"until": until}), "EX", wanted),
                ("SET", _DETAILS_PREFIX + provider, details, "EX", wanted),
            ]
        )
        return until

    async def resume(self, provider: str) -> None:
        """End a pause, on every node, and forget failures and rate limits."""
        self._limited.pop(provider, None)
        # One by one: the keys lie in different slots of a cluster.
        ours = (_DETAILS_PREFIX, _FAIL_PREFIX, _WINDOW_PREFIX)
        ended = [("DEL", prefix + provider) for prefix in (PAUSE_PREFIX, LIMIT_PREFIX, *ours)]
        await self._connection.send([*ended, _forget_refusals(provider)])

    async def limit_rate(self, provider: str, retry_after: float) -> None:
        """After a 429: let no node ask ``provider`` for ``retry_after`` seconds.

        A longer limit stays; a limit no longer than the known one costs no round trip.
        """
        wait = min(MAX_NOT_BEFORE, max(0.0, retry_after))
        until = time.monotonic() + wait
        if until <= self._limited.get(provider, 0.0) + 0.5:
            return
        self._limited[provider], self._limited_at[provider] = until, time.monotonic()
        key, milliseconds = LIMIT_PREFIX + provider, math.ceil(wait * 1_000)
        if await self._connection.send_one(("PTTL", key)) < milliseconds:  # a lost race costs little
            await self._connection.send_one(("SET", key, b"1", "PX", max(1, milliseconds)))

    def update_limits(self, limited: Mapping[str, float], providers: Iterable[str], asked_at: float) -> None:
        """Learn which of ``providers`` are rate-limited, and for how many seconds, as Redis had it at
        ``asked_at`` (time.monotonic())."""
        for name in providers:
            if (seconds := limited.get(name, 0.0)) > 0:
                self._limited[name] = max(time.monotonic() + seconds, self._limited.get(name, 0.0))
            elif self._limited_at.get(name, -math.inf) < asked_at:  # over, or lifted by somebody
                self._limited.pop(name, None)

    def seconds_limited(self, provider: str) -> float:
        """Return the seconds until ``provider``'s rate limit ends, 0.0 for no limit, as far as this node
        knows (no round trip).

        Other nodes' limits arrive with :meth:`update_limits`.
        """
        return max(0.0, self._limited.get(provider, 0.0) - time.monotonic())

    async def state(self, provider: str) -> ProviderState:
        """Return the state of ``provider``; see :meth:`states`."""
        return (await self.states([provider]))[provider]

    async def states(self, providers: Sequence[str]) -> dict[str, ProviderState]:
        """Return provider → state (pause, rate limit, failures in a row), in one round trip; a state without
        pause for an unknown name.
        """
        if not providers:
            return {}
        commands: list[Command] = [("TIME",)]
        for name in providers:
            commands.append(("PTTL", PAUSE_PREFIX + name))
            commands += [("GET", prefix + name) for prefix in (PAUSE_PREFIX, _DETAILS_PREFIX, _FAIL_PREFIX)]
            commands += [("PTTL", LIMIT_PREFIX + name), ("HGETALL", _ANSWER_PREFIX + name)]
        clock, *values = await self._connection.send_each(commands)
        now = clock[0] + clock[1] / 1e6
        replies = (_Reply(*reply) for reply in zip(*[iter(values)] * len(_Reply._fields), strict=True))
        return {name: _read_state(now, reply) for name, reply in zip(providers, replies, strict=True)}


class _Reply(NamedTuple):
    """What Redis holds on one provider; TTLs in ms, negative without a key or an end."""

    pause_ms: int
    pause: Any
    details: Any
    failures: Any
    limit_ms: int
    answer: Any


def _read_state(now: float, reply: _Reply) -> ProviderState:
    """Return a provider's state from Redis' replies, which any program may have written."""
    count = max(0, int(_number(reply.failures)))
    not_before = now + min(reply.limit_ms / 1_000, MAX_PAUSE) if reply.limit_ms > 0 else 0.0
    broken = isinstance(reply.answer, ServiceRefused)  # a key of the wrong type
    answer = ProviderAnswer() if broken else _read_answer(reply.answer)
    if reply.pause is None:
        return ProviderState(failures=count, not_before=not_before, answer=answer)
    noted, details = json_object(reply.pause).get("until"), json_object(reply.details)
    left = reply.pause_ms / 1_000 if reply.pause_ms > 0 else _number(noted) - now
    until = now + min(left if left > 0 else FAIL_TTL, MAX_PAUSE)
    by_hand = details.get("by_hand") is True
    reason = say("operate.paused_by_hand") if by_hand else str(details.get("reason") or "")
    ours = details.get("until") == noted  # nobody wrote another pause over it
    key, kind = (str(details.get(name) or "") if ours else "" for name in ("key", "kind"))
    return ProviderState(until, reason, count, not_before, by_hand, key, kind, answer)


def _note_refusal(provider: str, reason: str, kind: str, *, certain: bool) -> list[Command]:
    """Return the commands that note a refusal; a ``certain`` one (a wrong key) holds for every request."""
    key, now = _ANSWER_PREFIX + provider, time.time()
    earlier: list[Command] = [("HDEL", key, "answered_at", "seconds")] if certain else []
    return [
        *earlier,
        ("HSET", key, "refused_at", now, "reason", reason[:MAX_REASON], "kind", kind),
        ("HSETNX", key, "since", now),
        ("EXPIRE", key, ANSWER_TTL),
    ]


def _forget_refusals(provider: str) -> Command:
    """Return the command that forgets a provider's refusals."""
    return ("HDEL", _ANSWER_PREFIX + provider, "refused_at", "since", "reason", "kind")


def _read_answer(reply: Mapping[bytes, bytes]) -> ProviderAnswer:
    """Return the provider's last answer in a hash that anyone may write; 0.0 for what is no number."""
    found = {name: value.decode("utf-8", "replace") for name, value in hash_fields(reply).items()}
    times = {
        name: min(max(0.0, _number(found.get(name))), MAX_PAUSE)
        for name in ("answered_at", "seconds", "refused_at", "since")
    }
    return ProviderAnswer(**times, reason=found.get("reason", ""), kind=found.get("kind", ""))


def _number(value: Any) -> float:
    """Return a finite number; 0.0 for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) else 0.0
