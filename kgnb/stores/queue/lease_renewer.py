"""Leases are renewed from a thread of their own, so that a busy event loop loses none."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from kgnb.core.errors import ServiceDown, ServiceError
from kgnb.core.messages import say
from kgnb.stores.queue.connection import (
    Command,
    mapped_errors,
    script,
    sync_client,
    unknown_scripts,
    with_source,
)
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import Claim, QueueName

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """What a claim's worker may ask about it: ``lives()``, certainly; ``lost()``, certainly. Neither holds
    while nobody knows."""

    lives: Callable[[], bool]
    lost: Callable[[], bool]


UNLEASED = Lease(lambda: True, lambda: False)
"""For work that nobody else could take."""


class LeaseRenewer(threading.Thread):
    """Renews every held claim each third of a lease, in one round trip, on one connection of its own.

    A lease that the server says is gone is :meth:`lost`. While the server is away nothing is: leases that
    nobody could reap may still be renewed; :meth:`holds` is false meanwhile. ``on_lost(claim)`` is called in
    this thread (hand it on with ``call_soon_threadsafe``).
    """

    def __init__(
        self, queue: Queue, *, node: str = "", on_lost: Callable[[Claim], None] = lambda _: None
    ) -> None:
        super().__init__(name=f"kgnb-renewer {node}".strip(), daemon=True)
        self._client = sync_client(queue.url, queue.lease_seconds)
        self._where = queue.where
        self._lease = queue.lease_seconds
        self._hold = queue.hold_seconds
        self._on_lost = on_lost
        self._guard = threading.Lock()
        self._claims: dict[Claim, float] = {}  # -> until when the lease certainly lives (time.monotonic)
        self._lost: set[Claim] = set()
        self._stop_asked = threading.Event()
        self._away = False

    def hold(self, *claims: Claim) -> None:
        """Keeps these claims from now on."""
        with self._guard:
            for claim in claims:
                self._claims.setdefault(claim, self._until(claim, claim.sent_at))

    def forget(self, *claims: Claim) -> None:
        """Lets go of claims that were acknowledged, released, failed or lost."""
        with self._guard:
            for claim in claims:
                self._claims.pop(claim, None)
                self._lost.discard(claim)

    def holds(self, claim: Claim) -> bool:
        """Whether the lease certainly lives: counted from before the last renewal that succeeded was sent."""
        return time.monotonic() < self.holds_until(claim)

    def holds_until(self, claim: Claim) -> float:
        """Until when (time.monotonic()) the lease certainly lives; 0 = it isn't held."""
        return self._claims.get(claim, 0.0)

    def lost(self, claim: Claim) -> bool:
        """Whether the server said that the lease is gone, or a chapter has been held for too long in all."""
        too_long = claim.kind == "chapter" and time.monotonic() >= claim.sent_at + self._hold
        return too_long or claim in self._lost

    def lease(self, claim: Claim) -> Lease:
        """The claim's lease, for who works on it."""
        return Lease(lambda: self.holds(claim), lambda: self.lost(claim))

    def stop(self, timeout: float = 1.5) -> None:
        """Ends the thread; what it held expires unless it was released."""
        self._stop_asked.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout)

    def run(self) -> None:
        """Renews until stopped."""
        wait = self._lease / 3
        while not self._stop_asked.wait(wait):
            try:
                wait = self._lease / 3 if self._renew() else self._lease / 10
            except Exception:  # without this thread the node would lose all its work; the traceback is logged
                log.exception(say("queue.log_renewal_broke"))
                wait = self._lease / 10
        self._client.close()

    def _until(self, claim: Claim, since: float) -> float:
        limit = since + self._lease
        return min(limit, claim.sent_at + self._hold) if claim.kind == "chapter" else limit

    def _renew(self) -> bool:
        with self._guard:
            by_queue: dict[QueueName, list[Claim]] = {}
            for claim in self._claims:
                by_queue.setdefault(claim.queue, []).append(claim)
        if not by_queue:
            return True
        sent = time.monotonic()
        try:
            with mapped_errors(self._where):
                replies = self._trip([self._command(queue, claims) for queue, claims in by_queue.items()])
        except ServiceError as error:
            if not self._away:
                # An outage is told by the node, which meets it as well.
                level = logging.DEBUG if isinstance(error, ServiceDown) else logging.WARNING
                log.log(level, say("queue.log_no_renewal", reason=str(error)))
            self._away = True
            return False
        self._away = False
        for claims, alive in zip(by_queue.values(), replies, strict=True):
            for claim, good in zip(claims, alive, strict=True):
                self._note(claim, sent, bool(good))
        return True

    def _command(self, queue: QueueName, claims: list[Claim]) -> Command:
        pairs = [part for claim in claims for part in (claim.member, claim.token)]
        return script("renew").call(queue, round(self._lease * 1000), round(self._hold * 1000), *pairs)

    def _note(self, claim: Claim, sent: float, good: bool) -> None:
        with self._guard:
            if claim not in self._claims:  # let go meanwhile
                return
            if good:
                self._claims[claim] = self._until(claim, sent)
                return
            del self._claims[claim]
            self._lost.add(claim)
        self._on_lost(claim)

    def _trip(self, commands: list[Command]) -> list[Any]:
        replies = self._send(commands)
        for i in unknown_scripts(replies):
            replies[i] = self._send([with_source(commands[i])])[0]
        for reply in replies:
            if isinstance(reply, redis.RedisError):
                raise reply
        return replies

    def _send(self, commands: list[Command]) -> list[Any]:
        pipe: Any  # redis-py leaves execute_command untyped
        with self._client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return list(pipe.execute(raise_on_error=False))
