"""What each provider answered last, on any node: a hash in Redis, so that people see whether a key works."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kgnb.stores.queue.inspect import hash_fields
from kgnb.stores.queue.types import Command

KEPT_SECONDS = 7 * 86_400
"""How long an answer is remembered."""
MAX_REASON = 500
"""Longest stored reason, in characters."""
OVERLAP_SECONDS = 30.0
"""A refusal within this time after an answer is one request's: other requests succeed meanwhile."""

_PREFIX = "kgnb:answer:"


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """A provider's last answer and last refusal; times in epoch seconds, 0 = never.

    Attributes:
        answered_at: when a request was answered last.
        seconds: how long that answer took; 0 = unknown.
        refused_at: when a request was refused, or got no answer, last.
        since: first refusal after the last answer.
        reason: of the last refusal.
        kind: key of the last refusal's text.
    """

    answered_at: float = 0.0
    seconds: float = 0.0
    refused_at: float = 0.0
    since: float = 0.0
    reason: str = ""
    kind: str = ""

    @property
    def refused(self) -> bool:
        """Whether it refuses what it is asked, rather than a request among others."""
        return self.refused_at > 0 and self.refused_at > self.answered_at + OVERLAP_SECONDS


NO_ANSWER = ProviderAnswer()


def answered(provider: str, seconds: float) -> list[Command]:
    """The commands that note an answer after ``seconds``."""
    noted = ("HSET", _PREFIX + provider, "answered_at", time.time(), "seconds", round(seconds, 3))
    return [noted, forgiven(provider), ("EXPIRE", _PREFIX + provider, KEPT_SECONDS)]


def refused(provider: str, reason: str, kind: str, *, certain: bool) -> list[Command]:
    """The commands that note a refusal; a ``certain`` one (a wrong key) holds for every request."""
    key, now = _PREFIX + provider, time.time()
    earlier: list[Command] = [("HDEL", key, "answered_at", "seconds")] if certain else []
    return [
        *earlier,
        ("HSET", key, "refused_at", now, "reason", reason[:MAX_REASON], "kind", kind),
        ("HSETNX", key, "since", now),
        ("EXPIRE", key, KEPT_SECONDS),
    ]


def forgiven(provider: str) -> Command:
    """The command that forgets refusals."""
    return ("HDEL", _PREFIX + provider, "refused_at", "since", "reason", "kind")


def asked(provider: str) -> Command:
    """The command whose reply :func:`read_answer` takes."""
    return ("HGETALL", _PREFIX + provider)


def read_answer(reply: Sequence[Any]) -> ProviderAnswer:
    """The answer in a hash that anyone may write: what is no number is 0."""
    found = {name: value.decode("utf-8", "replace") for name, value in hash_fields(reply).items()}
    times = {name: _number(found.get(name)) for name in ("answered_at", "seconds", "refused_at", "since")}
    return ProviderAnswer(**times, reason=found.get("reason", ""), kind=found.get("kind", ""))


def _number(value: str | None) -> float:
    try:
        number = float(value or 0)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0
