"""Which providers a node may not ask, and why: the pauses that all nodes share.

A reply is never lost over bookkeeping: while Redis is down, what happened to a provider isn't shared.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Sequence, Set
from typing import TypeVar

from redis.exceptions import RedisError

from kgnb.core import errors
from kgnb.core.formatting import time_of_day
from kgnb.core.messages import say
from kgnb.core.model import Provider
from kgnb.stores.queue.breaker import PAUSE_SECONDS, CircuitBreaker
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import PollResult
from kgnb.worker.outages import Outages

R = TypeVar("R")

log = logging.getLogger(__name__)


class ProviderPauses:
    """One node's view of the pauses."""

    def __init__(self, queue: Queue, outages: Outages) -> None:
        self.paused: Set[str] = frozenset()
        """Paused providers, as of the node's last poll."""
        self._pausing: set[str] = set()  # pauses on their way to Redis, which no poll has read yet
        self._told: set[str] = set()  # paused providers whose reason this node has logged
        self._asked: dict[str, str] = {}  # by lower-case name, fingerprints of the providers as asked
        self._outages = outages
        self.breaker = CircuitBreaker(queue.connection)

    def on_poll(self, poll: PollResult, providers: Sequence[Provider]) -> None:
        """Adopt a poll's pauses and rate limits."""
        self.paused = self._pausing | poll.paused
        self._told &= self.paused
        self.breaker.update_limits(poll.limited, [p.name for p in providers], poll.sent_at)

    async def tell_found(self, providers: Sequence[Provider]) -> None:
        """Log, once, each pause that others set: a node that does nothing says why. Raises ServiceDown."""
        found = [p for p in providers if p.name in self.paused - self._told]
        for name, state in (await self.breaker.states([p.name for p in found])).items():
            if state.paused:
                self._told.add(name)
                until, reason = time_of_day(state.until), state.reason or say("providers.no_reason")
                log.warning(say("node.pause_found", provider=name, until=until, reason=reason))

    async def pause(
        self, name: str, error: errors.ProviderError, *, seconds: float = PAUSE_SECONDS, asked: str = ""
    ) -> float | None:
        """Pause a provider on every node for ``seconds``, because of ``error``; return the end in epoch
        seconds, None where it was paused before or Redis is down.

        ``asked``: :func:`fingerprint` of the provider where another key, address or model would end the
        pause.
        """
        if name in self.paused:  # a wrong key fails every slot at once
            return None
        reason, kind = str(error), error.key
        self._pausing.add(name)
        self.paused |= {name}
        try:
            until = await self.share(self.breaker.pause(name, seconds, reason, refused=asked, kind=kind))
            if until and not isinstance(error, errors.BudgetReached):  # the provider itself refuses
                await self.share(self.breaker.record_refusal(name, reason, kind))
            if until is None:  # Redis is down: no request begins until it is back
                self.paused -= {name}
            return until
        finally:
            self._pausing.discard(name)

    async def lift_automatic(self, provider: Provider) -> None:
        """End a pause that a node set by itself: the user starts a build in spite of it."""
        state = await self.share(self.breaker.state(provider.name))
        if state is not None and state.paused and state.reason and not state.by_hand:
            await self.share(self.breaker.resume(provider.name))

    async def lift_mended(self, providers: Sequence[Provider]) -> None:
        """End pauses by a refused key, address or model where it was replaced since the last call.

        ``providers``: all that the node serves. Raises ServiceDown.
        """
        asked = {p: fingerprint(p) for p in providers if not p.is_rules}
        replaced = [p for p, now in asked.items() if self._asked.get(p.lower_name) != now]
        states = await self.breaker.states([p.name for p in replaced])
        for provider in replaced:
            if states[provider.name].refused not in ("", asked[provider]):
                log.warning(say("node.provider_mended", provider=provider.name))
                await self.breaker.resume(provider.name)
            self._asked[provider.lower_name] = asked[provider]

    def is_replaced(self, provider: Provider) -> bool:
        """Return whether the provider's present key, address or models differ from this object's."""
        now = fingerprint(provider)
        return self._asked.get(provider.lower_name, now) != now

    def note_own(self, name: str) -> None:
        """Note a pause that this node has set and logged."""
        self.paused |= {name}
        self._told.add(name)

    async def share(self, call: Awaitable[R]) -> R | None:
        """Return the result of a call that shares state with all nodes; None while Redis is down (the outage
        is reported) or refuses it (logged).
        """
        try:
            return await call
        except errors.ServiceDown as error:
            self._outages.report_down(error)
        except (errors.ServiceRefused, RedisError) as error:  # a paid reply must not be lost over bookkeeping
            log.error(say("node.upkeep_failed", loop="limits", reason=str(error)))
        return None


def fingerprint(provider: Provider) -> str:
    """Return 8 hex digits that change with the provider's keys, address or models, and reveal none of
    them.
    """
    secrets = (one.get_secret_value() for one in (provider.api_key, *provider.options.secrets))
    asked = "\n".join((*secrets, provider.base_url, *provider.models))
    return hashlib.sha256(asked.encode()).hexdigest()[:8]
