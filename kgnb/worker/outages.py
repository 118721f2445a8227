"""Which services are down; an outage is logged when it begins and when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kgnb.core.errors import LeaseLost, ServiceDown
from kgnb.core.messages import say
from kgnb.worker.backoff import Backoff

R = TypeVar("R")

log = logging.getLogger(__name__)

FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0
"""Seconds between two tries during an outage (exponential backoff)."""


class Outages:
    """The services that are down right now, by name ("redis", "sql", "bolt").

    An outage ends when a call that failed succeeds, or a call that does what the work does: one that only
    reads proves nothing of a service whose disk is full.
    """

    def __init__(self) -> None:
        self.down: dict[str, ServiceDown] = {}
        """The services that are down, with the last error of each."""

    def is_down(self, *services: str) -> bool:
        """Whether any of ``services`` is known to be down."""
        return any(service in self.down for service in services)

    def report_down(self, error: ServiceDown) -> None:
        """Note that a service is down; only the first of consecutive failures is logged."""
        if error.service not in self.down:
            log.warning(say("node.service_down", service=error.service, reason=str(error)))
        self.down[error.service] = error

    def report_up(self, service: str) -> None:
        """Note that a service does its work; log the end of an outage."""
        if self.down.pop(service, None) is not None:
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
        backoff, failed = Backoff(FIRST_WAIT, LONGEST_WAIT, jitter=0.5), False
        while True:
            try:
                result = await call()
            except ServiceDown as error:
                failed = True
                self.report_down(error)
                if lost():
                    raise LeaseLost("node.lease_lost") from error
                await asyncio.sleep(backoff.delay())
            else:
                if failed:
                    self.report_up(service)
                return result
