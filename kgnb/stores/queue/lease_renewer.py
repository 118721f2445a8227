"""Renews leases from a thread of its own, so that a busy event loop loses none."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from kgnb.core.errors import ServiceDown, ServiceError
from kgnb.core.messages import say
from kgnb.stores.queue.connection import RedisConnection, script_call
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import Claim, Command, QueueName

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim's lease as its worker sees it: ``lives()`` and ``lost()`` are each True only when that is
    certain; both are False while Redis can't be asked. ``progressed()``: a part of the work was stored."""

    lives: Callable[[], bool]
    lost: Callable[[], bool]
    progressed: Callable[[], None] = lambda: None


@dataclass(slots=True)
class _Held:
    """A claim that is renewed; times by time.monotonic()."""

    until: float  # the lease certainly lives
    hold_end: float  # it may be held
    lost: bool = False
    progressed: bool = False  # not told yet


class LeaseRenewer(threading.Thread):
    """Renews every held claim each third of a lease, in one round trip, on a connection and an event loop of
    its own.

    A lease is :meth:`lost` only when the server says so. While the server is away none is, as nobody can reap
    it and it may still be renewed; :meth:`holds` is False meanwhile.
    """

    def __init__(self, queue: Queue) -> None:
        super().__init__(name=f"kgnb-renewer {queue.node}", daemon=True)
        self.connection = RedisConnection(queue.url, queue.lease_seconds, connections=1)
        self._node = queue.node
        self._lease = queue.lease_seconds
        self._hold = queue.hold_seconds
        self._guard = threading.Lock()
        self._held: dict[Claim, _Held] = {}
        self.wake = threading.Event()
        self._stopping = False
        self._down = False

    def hold(self, *claims: Claim) -> None:
        """Renew these claims from now on."""
        with self._guard:
            for claim in claims:
                hold_end = claim.sent_at + (self._hold if claim.kind == "chapter" else math.inf)
                self._held.setdefault(claim, _Held(min(claim.sent_at + self._lease, hold_end), hold_end))

    def forget(self, claim: Claim) -> None:
        """Stop renewing a claim that was acknowledged, released, failed or lost."""
        with self._guard:
            self._held.pop(claim, None)

    def progressed(self, claim: Claim) -> None:
        """Note that a part of the chapter was stored: its hold starts anew, its delivery doesn't count."""
        with self._guard:
            if held := self._held.get(claim):
                held.progressed = True
        if self.holds_until(claim) < time.monotonic() + self._lease / 2:  # its hold is nearly over
            self.wake.set()

    def give_up(self, claim: Claim) -> None:
        """Stop renewing a claim whose work must end: it counts as lost until it is forgotten."""
        with self._guard:
            if held := self._held.get(claim):
                held.lost = True

    def holds(self, claim: Claim) -> bool:
        """Return whether the lease certainly lives now, by the time when its last successful renewal
        was sent.
        """
        return time.monotonic() < self.holds_until(claim)

    def holds_until(self, claim: Claim) -> float:
        """Return the time.monotonic() until which the lease certainly lives; 0.0 if it isn't held here, or is
        lost.
        """
        held = self._held.get(claim)
        return held.until if held and not held.lost else 0.0

    def lost(self, claim: Claim) -> bool:
        """Return whether the server or :meth:`give_up` ended the lease, or its chapter made no progress for
        too long.

        False for a claim that isn't held here.
        """
        held = self._held.get(claim)
        if held is None:
            return False
        # In this order: the renewing thread moves the end before it resets `progressed`.
        return held.lost or (not held.progressed and time.monotonic() >= held.hold_end)

    def lease(self, claim: Claim) -> Lease:
        """Return the claim's lease: an object with which its worker asks whether the lease lives, and reports
        progress.
        """
        return Lease(lambda: self.holds(claim), lambda: self.lost(claim), lambda: self.progressed(claim))

    def stop(self, timeout: float = 1.5) -> None:
        """End the thread; claims that aren't released expire."""
        self._stopping = True
        self.wake.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout)

    def run(self) -> None:
        """Renew until stopped."""
        with asyncio.Runner() as runner:
            while not self._stopping:
                try:
                    wait = self._lease / 3 if runner.run(self.renew()) else self._lease / 10
                except Exception:  # without this thread the node would lose all its work; it is logged
                    log.exception(say("queue.log_renewal_broke"))
                    wait = self._lease / 10
                self.wake.wait(wait)
                self.wake.clear()
            runner.run(self.connection.close())

    async def renew(self) -> bool:
        """Renew every held lease in one round trip; return whether the server answered; True
        without leases.
        """
        by_queue: dict[QueueName, list[tuple[Claim, bool, float]]] = {}
        sent = time.monotonic()
        with self._guard:
            for claim, held in self._held.items():
                left = self._hold if held.progressed else held.hold_end - sent
                if not held.lost:
                    by_queue.setdefault(claim.queue, []).append((claim, held.progressed, left))
        if not by_queue:
            return True
        try:
            replies = await self.connection.send([self.renewal(*one) for one in by_queue.items()])
        except ServiceError as error:
            if not self._down:
                # The node reports an outage: its own calls fail too.
                level = logging.DEBUG if isinstance(error, ServiceDown) else logging.WARNING
                log.log(level, say("queue.log_no_renewal", reason=str(error)))
            self._down = True
            return False
        self._down = False
        for renewed, alive in zip(by_queue.values(), replies, strict=True):
            for (claim, told, _), good in zip(renewed, alive, strict=True):
                self._record(claim, sent, bool(good), told)
        return True

    def renewal(self, queue: QueueName, claims: list[tuple[Claim, bool, float]]) -> Command:
        """Return the command that renews claims of one queue; ``claims``: (claim, whether its chapter
        progressed since the last renewal, seconds left of its hold).
        """
        args: list[str | int] = []
        for claim, told, left in claims:
            milliseconds = round(1_000 * min(self._lease, left))
            args += [claim.member, claim.token, claim.asked, int(told), milliseconds]
        return script_call("renew", queue, self._node, *args)

    def _record(self, claim: Claim, sent: float, good: bool, progressed: bool) -> None:
        with self._guard:
            held = self._held.get(claim)
            if held is None or held.lost:  # forgotten meanwhile, or given up
                return
            held.lost = not good
            if progressed:
                held.hold_end, held.progressed = sent + self._hold, False
            held.until = min(sent + self._lease, held.hold_end)
