"""Which services are down; an outage is logged when it begins and when it ends.

A service that starts answers, fails and answers again: what fails so soon after a logged outage is logged
only when it lasts, or keeps coming back.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from kgnb.core.errors import LeaseLost, ServiceDown
from kgnb.core.messages import say
from kgnb.worker.backoff import Backoff

R = TypeVar("R")

log = logging.getLogger(__name__)

FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0
"""Seconds between two tries during an outage (exponential backoff)."""
STEADY_SECONDS = 30.0
"""How long after a logged outage no other is logged, unless it lasts as long itself."""


@dataclass(slots=True)
class _Outage:
    """An outage under way."""

    error: ServiceDown  # the last one
    since: float  # time.monotonic()
    logged: bool = False


class Outages:
    """The services that are down right now, by name ("redis", "sql", "bolt")."""

    def __init__(self) -> None:
        self._outages: dict[str, _Outage] = {}  # by service, those under way
        self._back_at: dict[str, float] = {}  # when the last one that was logged ended (time.monotonic())

    def is_down(self, *services: str) -> bool:
        """Whether any of ``services`` is known to be down."""
        return any(s in self._outages for s in services)

    @property
    def down(self) -> dict[str, ServiceDown]:
        """The services that are down, with the error of each."""
        return {service: outage.error for service, outage in self._outages.items()}

    def report_down(self, error: ServiceDown) -> None:
        """Note that a service is down; only one of consecutive failures is logged."""
        now, service = time.monotonic(), error.service
        outage = self._outages.setdefault(service, _Outage(error, now))
        outage.error = error
        is_new = outage.since - self._back_at.get(service, -math.inf) >= STEADY_SECONDS
        if not outage.logged and (is_new or now - outage.since >= STEADY_SECONDS):
            outage.logged = True
            log.warning(say("node.service_down", service=service, reason=str(error)))

    def report_up(self, *services: str) -> None:
        """Note that ``services`` answered; log the end of an outage."""
        for service in services:
            outage = self._outages.pop(service, None)
            if outage is not None and outage.logged:
                self._back_at[service] = time.monotonic()
                log.warning(say("node.service_up", service=service))

    async def retry_until_up(
        self,
        service: str,
        call: Callable[[], Awaitable[R]],
        *,
        lost: Callable[[], bool] = lambda: False,
    ) -> R:
        """Await ``call()`` and return its result, repeating it while ``service`` is down.

        Raises LeaseLost as soon as ``lost()`` holds, and what else the call raises.
        """
        backoff = Backoff(FIRST_WAIT, LONGEST_WAIT, jitter=0.5)
        while True:
            try:
                result = await call()
            except ServiceDown as error:
                self.report_down(error)
                if lost():
                    raise LeaseLost("node.lease_lost") from error
                await asyncio.sleep(backoff.delay())
            else:
                self.report_up(service)
                return result
