"""The way to a provider: pauses and rate limits shared by all nodes, slots that shrink and grow here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from redis.exceptions import RedisError

from kgnb.errors import (
    AuthRejected,
    ProviderDown,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    ServiceDown,
    ServiceRefused,
)
from kgnb.extract.prompt import Prompt
from kgnb.health import Health
from kgnb.llm.client import Client, Completion
from kgnb.llm.limits import Breaker, ProviderState, SlotLimiter
from kgnb.model import Provider
from kgnb.store.link import mapped
from kgnb.store.queue import Queue
from kgnb.texts import say

R = TypeVar("R")

SHORTEST_LIMIT = 1.0
"""Seconds that a rate limit counts for at least: "Retry-After: 0" must not make handing back spin."""

log = logging.getLogger(__name__)


class Gate:
    """Asks for a node; ``most`` is the number of slots of each provider."""

    def __init__(self, queue: Queue, health: Health, *, suspend_seconds: float, most: int) -> None:
        self._queue = queue
        self._health = health
        self._breaker = Breaker(queue.redis, suspend_seconds)
        self._most = most
        self._limiters: dict[str, SlotLimiter] = {}
        self._asking: dict[str, asyncio.Semaphore] = {}

    async def ask(self, client: Client, prompt: Prompt, model: str) -> Completion:
        """``client.ask``, its outcome told to all nodes. Raises the ProviderError tree."""
        try:
            done = await client.ask(prompt, model)
        except ProviderError as error:
            await self._failed(client.provider, error)
            raise
        self.limiter(client.provider).succeeded()
        await self._shared(self._breaker.success(client.provider.name))
        return done

    async def lift(self, provider: Provider) -> None:
        """Ends a pause that kgnb itself began, for who has seen its reason and asks again all the same."""
        state = await self._shared(self._breaker.state(provider.name))
        if state is not None and state.paused and state.reason:
            await self._shared(self._breaker.resume(provider.name))

    async def _failed(self, provider: Provider, error: ProviderError) -> None:
        name, reason = provider.name, str(error)
        if isinstance(error, RateLimited):
            self.limiter(provider).limited()
            await self._shared(self._breaker.not_before(name, max(SHORTEST_LIMIT, error.retry_after)))
            return
        paused: object = False
        if isinstance(error, AuthRejected | QuotaExhausted):
            paused = await self._shared(self._breaker.pause(name, reason=reason))
        elif isinstance(error, ProviderDown):
            paused = await self._shared(self._breaker.failure(name, reason))
        if paused:
            log.error(say("node.provider_paused", provider=name, reason=reason))

    async def _shared(self, call: Awaitable[R]) -> R | None:
        """What all nodes should know; while Redis is away it stays here, and is noted as an outage."""
        try:
            with mapped(self._queue.where):
                return await call
        except ServiceDown as error:
            self._health.failed(error)
        except (ServiceRefused, RedisError) as error:  # a paid reply must not be lost over bookkeeping
            log.error(say("node.upkeep_failed", loop="limits", reason=str(error)))
        return None

    def turn(self, provider: Provider) -> asyncio.Semaphore:
        """A slot's turn to ask, held until the reply is stored: a crash loses no more replies than slots."""
        return self._asking.setdefault(provider.key, asyncio.Semaphore(self._most))

    def limiter(self, provider: Provider) -> SlotLimiter:
        """The provider's slots here."""
        return self._limiters.setdefault(provider.key, SlotLimiter(self._most))

    def wait(self, provider: Provider) -> float:
        """Seconds until a rate limit of the provider is over; 0 = none."""
        return self._breaker.wait(provider.name)

    async def look(self, providers: Sequence[Provider]) -> dict[str, ProviderState]:
        """What all nodes know of the providers, by name; brings other nodes' rate limits here.

        Raises ServiceDown.
        """
        with mapped(self._queue.where):
            return await self._breaker.states([p.name for p in providers if not p.is_rules])
