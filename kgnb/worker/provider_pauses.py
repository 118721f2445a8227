"""Which providers a node may not ask, and why: pauses that all nodes share, and keys refused to it alone.

A reply is never lost over bookkeeping: while Redis is down, what happened to a provider isn't shared.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Awaitable, Sequence, Set
from typing import NamedTuple, TypeVar

from redis.exceptions import RedisError

from kgnb.core import errors
from kgnb.core.messages import say
from kgnb.core.model import Provider
from kgnb.render.formatting import time_of_day
from kgnb.stores.queue.breaker import CircuitBreaker, ProviderState
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import PollResult
from kgnb.worker.outages import Outages

R = TypeVar("R")

log = logging.getLogger(__name__)


class KeyRefusal(NamedTuple):
    """A refused key is tried again ``until`` (epoch seconds), or when it is replaced or somebody resumes."""

    until: float
    reason: str


class ProviderPauses:
    """One node's view of the pauses. ``suspend_seconds``: how long an automatic one lasts."""

    def __init__(self, queue: Queue, outages: Outages, suspend_seconds: float) -> None:
        self.paused: Set[str] = frozenset()
        """Paused providers, as of the node's last poll."""
        self.refused: dict[str, KeyRefusal] = {}
        """By provider, why this node alone doesn't ask it: others' keys are taken."""
        self._pausing: set[str] = set()  # pauses on their way to Redis, which no poll has read yet
        self._told: set[str] = set()  # paused providers of which this node has told why they fail
        self._found: set[str] = set()  # … that others paused, which this node has told
        self._asked: dict[str, str] = {}  # by lower-case name, fingerprints of the providers as asked
        self._outages = outages
        self._queue = queue
        self._breaker = CircuitBreaker(queue.connection, suspend_seconds)
        self._suspend_seconds = suspend_seconds

    def on_poll(self, poll: PollResult, providers: Sequence[Provider]) -> None:
        """Adopt a poll's pauses and rate limits."""
        self.refused = {name: one for name, one in self.refused.items() if one.until > time.time()}
        self.paused = self.refused.keys() | self._pausing | poll.paused
        self._told &= self.paused
        self._found &= self.paused
        self._breaker.update_limits(poll.limited, [p.name for p in providers], poll.sent_at)

    async def provider_states(self, providers: Sequence[Provider]) -> dict[str, ProviderState]:
        """The providers' shared states, by name. Raises ServiceDown."""
        return await self._breaker.states([p.name for p in providers if not p.is_rules])

    async def tell_found_pauses(self, providers: Sequence[Provider]) -> None:
        """Log, once, each pause that others set: a node that does nothing says why. Raises ServiceDown."""
        found = [p for p in providers if p.name in self.paused - self._told - self._found]
        for name, state in (await self._breaker.states([p.name for p in found])).items():
            if state.paused:
                self._found.add(name)
                until, reason = time_of_day(state.until), state.reason or say("providers.no_reason")
                log.warning(say("node.pause_found", provider=name, until=until, reason=reason))

    async def _pause(
        self, name: str, error: errors.ProviderError, *, seconds: float | None = None, asked: str = ""
    ) -> float | None:
        if name in self.paused:  # a wrong key fails every slot at once
            return None
        reason, kind = str(error), error.key
        self._pausing.add(name)
        self._told.add(name)
        self.paused |= {name}
        try:
            until = await self._share(self._breaker.pause(name, seconds, reason, refused=asked, kind=kind))
            if until and not isinstance(error, errors.BudgetReached):  # the provider itself refuses
                await self._share(self._breaker.record_refusal(name, reason, kind))
            if until is None:  # Redis is down
                self._told.discard(name)
            return until
        finally:
            self._pausing.discard(name)

    async def _stopped_alone(self, name: str, reason: str) -> bool:
        """Whether this node stops asking with its refused key, as another one serves the provider."""
        if name in self.refused:
            return True
        # Before the look at the others: two that are refused at once must not rely on each other.
        stopped = await self._share(self._breaker.stop_alone(name, self._queue.node)) or {self._queue.node}
        nodes = await self._share(self._queue.nodes()) or []
        if not any(node.name not in stopped and node.can_ask(name) for node in nodes):
            return False
        if name not in self.refused:  # by another slot, meanwhile
            until = time.time() + self._suspend_seconds
            self.refused[name] = KeyRefusal(until, reason)
            self.paused |= {name}
            self._told.add(name)
            log.error(say("node.key_refused", provider=name, reason=reason))
        return True

    async def lift_automatic_pause(self, provider: Provider) -> None:
        """End a pause that a node set by itself: the user starts a build in spite of it."""
        state = await self._share(self._breaker.state(provider.name))
        if state is not None and state.paused and state.reason and not state.by_hand:
            await self._share(self._breaker.resume(provider.name))

    async def lift_mended_pauses(self, providers: Sequence[Provider]) -> None:
        """End pauses by a refused key, address or model where it was replaced since the last call.

        ``providers``: all that the node serves. What it alone doesn't ask is asked again, too, when somebody
        resumes the provider. Raises ServiceDown.
        """
        asked = {p: fingerprint(p) for p in providers if not p.is_rules}
        replaced = [p for p, now in asked.items() if self._asked.get(p.lower_name) != now]
        states = await self.provider_states(replaced)
        for provider in replaced:
            if states[provider.name].refused not in ("", asked[provider]):
                log.warning(say("node.provider_mended", provider=provider.name))
                await self._breaker.resume(provider.name)
            self.refused.pop(provider.name, None)
            self._asked[provider.lower_name] = asked[provider]
        await self._breaker.go_on([provider.name for provider in replaced], self._queue.node)
        resumed = await self._breaker.resumed(list(self.refused), self._queue.node)
        kept = {provider.name for provider in providers}.difference(resumed)
        self.refused = {name: one for name, one in self.refused.items() if name in kept}

    async def _share(self, call: Awaitable[R]) -> R | None:
        """Await a call that shares state with all nodes; None, and a reported outage, while Redis is down."""
        try:
            return await call
        except errors.ServiceDown as error:
            self._outages.report_down(error)
        except (errors.ServiceRefused, RedisError) as error:  # a paid reply must not be lost over bookkeeping
            log.error(say("node.upkeep_failed", loop="limits", reason=str(error)))
        return None


def fingerprint(provider: Provider) -> str:
    """Tells a provider's keys, addresses and models apart, and no more: others may read it."""
    secrets = (one.get_secret_value() for one in (provider.api_key, *provider.options.secrets))
    asked = "\n".join((*secrets, provider.base_url, *provider.models))
    return hashlib.sha256(asked.encode()).hexdigest()[:8]
