"""Rate limits that all nodes share: requests and tokens a minute for each provider (GCRA, in lua/rate.lua).

One script call per request covers both limits, by Redis' clock; without a limit there is no round trip. A
request's tokens are estimated from a moving average; the difference to its real usage is sent with the next
call, or by :meth:`RateLimits.flush`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from kgnb.core.errors import RateReached
from kgnb.core.model import Provider
from kgnb.stores.queue.connection import RedisConnection, script_call

WINDOW_SECONDS = 61.0
"""A minute, and a second of network jitter: no minute at the provider sees more than the limit."""
LONGEST_WAIT = 10.0
"""Seconds that a request may wait in its slot; a chapter that would wait longer is handed back."""
BURST_SHARE = 0.1
"""Share of a limit that may be used at once; the steady rate leaves room for it."""
CLAIM_AHEAD = 5.0
"""Seconds before the next free place at which a node claims again, so that its slots are ready."""
TOKENS_PER_CHAR = 1.5
"""First estimate: above what any model takes for prompt and reply together."""
DECAY = 0.95
"""Weight of the past in the exponential moving average: about the last twenty requests count."""


@dataclass(frozen=True, slots=True)
class RateReservation:
    """A reserved place: seconds to wait for it, and its reserved tokens."""

    wait: float = 0.0
    tokens: int = 0


@dataclass(slots=True)
class _Limits:
    """A provider's limits, the moving average of its tokens per character, and corrections to be sent."""

    requests: float
    tokens: float
    mean_tokens: float = TOKENS_PER_CHAR
    mean_chars: float = 1.0
    learnt: float = 0.0  # requests in these sums
    owed_requests: float = 0.0
    owed_tokens: float = 0.0

    def learn(self, chars: int, tokens: int) -> None:
        self.mean_tokens = self.mean_tokens * DECAY + tokens
        self.mean_chars = self.mean_chars * DECAY + chars
        self.learnt = self.learnt * DECAY + 1

    def estimate(self, chars: int) -> int:
        """Return the estimated tokens of a request with a prompt of ``chars`` characters, at least 1."""
        return max(1, round(chars * self.mean_tokens / self.mean_chars))


@dataclass(eq=False)
class RateLimits:
    """``rpm`` and ``tpm``: limits a minute by lower-case provider name, "" for all that aren't named."""

    connection: RedisConnection
    rpm: Mapping[str, float]
    tpm: Mapping[str, float]
    window: float = WINDOW_SECONDS
    longest: float = LONGEST_WAIT
    _known: dict[str, _Limits] = field(default_factory=dict, init=False)

    def has_limit(self, provider: Provider) -> bool:
        """Return whether a limit of requests or tokens a minute is set for the provider."""
        limits = self._limits_of(provider.lower_name)
        return bool(limits.requests or limits.tokens)

    def places(self, provider: Provider) -> int:
        """Return how many requests the provider's limits admit in the next CLAIM_AHEAD (5) seconds, rounded
        up, at least 1; 1 for a provider without limits.
        """
        limits, share = self._limits_of(provider.lower_name), CLAIM_AHEAD / self.window
        found = [limits.requests * share] if limits.requests else []
        if limits.tokens:
            found.append(limits.tokens * share * max(1.0, limits.learnt) / limits.mean_tokens)
        return max(1, math.ceil(min(found, default=1)))

    async def reserve(self, provider: Provider, chars: int) -> RateReservation:
        """Reserve a place for a request with a prompt of ``chars`` characters; return the seconds to wait
        before it and the reserved tokens. One round trip.

        Raises RateReached when the wait would be longer than ``longest``, ServiceDown, ServiceRefused.
        """
        limits = self._limits_of(provider.lower_name)
        tokens = limits.estimate(chars) if limits.tokens else 0
        reserved, milliseconds = await self._call(provider.lower_name, limits, 1, tokens)
        wait = milliseconds / 1_000
        if not reserved:
            raise RateReached("provider.rate_reached", provider=provider.name, retry_after=wait)
        return RateReservation(wait, tokens)

    def cancel(self, provider: Provider, place: RateReservation) -> None:
        """Give back a reserved place that was not used."""
        limits = self._limits_of(provider.lower_name)
        limits.owed_requests -= 1
        limits.owed_tokens -= place.tokens

    def record_usage(self, provider: Provider, chars: int, place: RateReservation, tokens: int) -> None:
        """Correct a reservation by the ``tokens`` that the request took; 0 (no reply, or no usage in
        it) changes nothing.
        """
        limits = self._limits_of(provider.lower_name)
        if tokens:
            limits.learn(chars, tokens)
            limits.owed_tokens += tokens - place.tokens

    async def flush(self) -> None:
        """Send the corrections that no request has sent yet. Raises ServiceDown, ServiceRefused."""
        for key, limits in list(self._known.items()):  # a request may add one meanwhile
            if (limits.requests and limits.owed_requests) or (limits.tokens and limits.owed_tokens):
                await self._call(key, limits, 0, 0)

    async def _call(self, key: str, limits: _Limits, requests: int, tokens: int) -> tuple[int, int]:
        """Reserve or give back in Redis; return (1 if reserved, milliseconds to wait)."""
        owed_requests, owed_tokens = limits.owed_requests, limits.owed_tokens
        limits.owed_requests = limits.owed_tokens = 0.0
        command = script_call(
            "rate",
            f"kgnb:rate:{key}",
            *(f"{most:.12g}" for most in (limits.requests, limits.tokens)),
            requests,
            tokens,
            f"{owed_requests:.0f}",
            f"{owed_tokens:.0f}",
            round(self.longest * 1_000),
            round(self.window * 1_000),
            str(BURST_SHARE),
        )
        try:
            reserved, milliseconds = await self.connection.send_one(command)
        except BaseException:  # it may have been executed: counting twice is safe, losing usage isn't
            limits.owed_requests += max(0.0, owed_requests)
            limits.owed_tokens += max(0.0, owed_tokens)
            raise
        return int(reserved), int(milliseconds)

    def _limits_of(self, key: str) -> _Limits:
        """Return the limits of a provider's lower-case name, always the same object."""
        if key not in self._known:
            rpm, tpm = (given.get(key, given.get("", 0.0)) for given in (self.rpm, self.tpm))
            self._known[key] = _Limits(rpm, tpm)
        return self._known[key]
