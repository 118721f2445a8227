"""When a node leaves: before its session ends (Kaggle, Colab take the machine away), or when asked to."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kgnb.worker.node import WorkerNode

LEAVE_SECONDS = 4.5
"""Most seconds that a leaving node takes beyond its drain: a server that hangs must not keep it."""
MARGIN_SHARE = 0.1
"""Upper bound of the margin, as a share of the session: a short session is mostly for working."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that its host ends without notice."""

    started_at: float  # epoch seconds
    seconds: float | None = None  # its length, None = unlimited
    margin: float = 0.0  # how many seconds before the end a node starts to leave

    @property
    def ends_at(self) -> float | None:
        """End of the session in epoch seconds; None for a session without end."""
        return None if self.seconds is None else self.started_at + self.seconds

    @property
    def leaves_at(self) -> float | None:
        """Epoch seconds when a node stops claiming; None for a session without end."""
        if self.seconds is None:
            return None
        return self.started_at + self.seconds - min(self.margin, self.seconds * MARGIN_SHARE)

    @property
    def left(self) -> float | None:
        """Seconds until the end, at least 0; None for a session without end."""
        return None if self.ends_at is None else max(0.0, self.ends_at - time.time())

    @property
    def is_ending(self) -> bool:
        """Whether ``leaves_at`` has passed."""
        return self.leaves_at is not None and time.time() >= self.leaves_at

    def drain_seconds(self, wanted: float) -> float:
        """Return the seconds to wait for chapters in flight: ``wanted``, but at most half of what is left."""
        return wanted if self.left is None else min(wanted, self.left / 2)


UNLIMITED = Session(0.0)
"""A server's session: it ends when it is stopped."""


class Departure:
    """The request to a node to leave, and how long its chapters in flight may take then."""

    def __init__(self) -> None:
        self.wanted = asyncio.Event()
        self.drain_limit = math.inf
        """Seconds for the chapters in flight, at most."""
        self.node: WorkerNode | None = None
        """The node that runs."""

    def ask(self, drain_limit: float = math.inf) -> None:
        """Ask the node to leave; a further call can only shorten the wait. To be called on the event loop.

        ``drain_limit``: most seconds for chapters in flight.
        """
        self.drain_limit = min(self.drain_limit, drain_limit)
        self.wanted.set()
        if self.node is not None and math.isfinite(self.drain_limit):
            asyncio.get_running_loop().call_later(self.drain_limit, self.node.stop_now)
