"""Requests and tokens a minute that all nodes together may use of a provider.

One script call per request covers both limits (``lua/rate.lua``, on Redis' clock); without a limit there is
no round trip at all. What a request will cost in tokens is estimated from the mean of what came before; the
difference to what it did cost travels with the next call, or with :meth:`RateLimits.flush`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kgnb.core.errors import RateReached
from kgnb.core.model import Provider
from kgnb.stores.queue.connection import RedisConnection, script

WINDOW_SECONDS = 61.0
"""A minute and what a request may be late by on its way: no minute there sees more than the limit."""
LONGEST_WAIT = 10.0
"""Seconds that a request waits in its slot; what would wait longer is handed back."""
CLAIM_AHEAD = 5.0
"""A node claims again so long before the next free place, so that its slots are ready for it."""
TOKENS_PER_CHAR = 1.5
"""Estimate before anything is known: above what any model takes for prompt and reply together."""
MEMORY = 0.95
"""What a request's share in the mean keeps with each later one: the last twenty count most."""


@dataclass(slots=True)
class _Mean:
    """Tokens per character of prompt, lately."""

    tokens: float = TOKENS_PER_CHAR
    chars: float = 1.0

    def learn(self, chars: int, tokens: int) -> None:
        self.tokens = self.tokens * MEMORY + tokens
        self.chars = self.chars * MEMORY + chars


@dataclass(slots=True)
class _Owed:
    """Requests and tokens to correct the reservations by."""

    requests: float = 0.0
    tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class RateReservation:
    """A reserved place: seconds to wait for it, and the tokens that it holds."""

    wait: float = 0.0
    tokens: int = 0


@dataclass(slots=True)
class _Limits:
    requests: float
    tokens: float
    mean: _Mean = field(default_factory=_Mean)
    owed: _Owed = field(default_factory=_Owed)


class RateLimits:
    """``rpm`` and ``tpm``: limits a minute by lower-case name, "" for each provider that isn't named."""

    def __init__(
        self,
        connection: RedisConnection,
        rpm: Mapping[str, float],
        tpm: Mapping[str, float],
        *,
        window: float = WINDOW_SECONDS,
        longest: float = LONGEST_WAIT,
    ) -> None:
        self._connection = connection
        self._rpm = rpm
        self._tpm = tpm
        self._window = window
        self._longest = longest
        self._known: dict[str, _Limits] = {}

    def limited(self, provider: Provider) -> bool:
        """Whether the provider has a limit."""
        limits = self._of(provider.key)
        return bool(limits.requests or limits.tokens)

    async def reserve(self, provider: Provider, chars: int) -> RateReservation:
        """A place for a request with a prompt of ``chars`` characters, in one round trip.

        Raises RateReached when the next one is too far away, ServiceDown, ServiceRefused.
        """
        limits = self._of(provider.key)
        tokens = self._estimate(limits, chars) if limits.tokens else 0
        reserved, milliseconds = await self._call(provider.key, limits, 1, tokens)
        wait = milliseconds / 1_000
        if not reserved:
            raise RateReached("provider.rate_reached", provider=provider.name, retry_after=wait)
        return RateReservation(wait, tokens)

    def give_back(self, provider: Provider, place: RateReservation) -> None:
        """The place was not used."""
        owed = self._of(provider.key).owed
        owed.requests -= 1
        owed.tokens -= place.tokens

    def used(self, provider: Provider, chars: int, place: RateReservation, tokens: int) -> None:
        """A request at ``place`` cost ``tokens``; 0 when it got no answer, or one that tells no tokens."""
        limits = self._of(provider.key)
        if tokens:
            limits.mean.learn(chars, tokens)
            limits.owed.tokens += tokens - place.tokens

    async def flush(self) -> None:
        """Sends the corrections that no request has taken along. Raises ServiceDown, ServiceRefused."""
        for key, limits in list(self._known.items()):  # a request may add one meanwhile
            if (limits.requests and limits.owed.requests) or (limits.tokens and limits.owed.tokens):
                await self._call(key, limits, 0, 0)

    async def _call(self, key: str, limits: _Limits, requests: int, tokens: int) -> tuple[int, int]:
        owed, limits.owed = limits.owed, _Owed()
        command = script("rate").call(
            f"kgnb:rate:{key}",
            *(f"{most:.12g}" for most in (limits.requests, limits.tokens)),
            requests,
            tokens,
            f"{owed.requests:.0f}",
            f"{owed.tokens:.0f}",
            round(self._longest * 1_000),
            round(self._window * 1_000),
        )
        try:
            reserved, milliseconds = await self._connection.send_one(command)
        except BaseException:  # it may have been executed: counted twice is safe, forgotten isn't
            limits.owed.requests += max(0.0, owed.requests)
            limits.owed.tokens += max(0.0, owed.tokens)
            raise
        return int(reserved), int(milliseconds)

    @staticmethod
    def _estimate(limits: _Limits, chars: int) -> int:
        return max(1, round(chars * limits.mean.tokens / limits.mean.chars))

    def _of(self, key: str) -> _Limits:
        if key not in self._known:
            rpm, tpm = (given.get(key, given.get("", 0.0)) for given in (self._rpm, self._tpm))
            self._known[key] = _Limits(rpm, tpm)
        return self._known[key]
