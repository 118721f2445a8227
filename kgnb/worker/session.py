"""Sessions of limited length (Kaggle, Colab): when a node must leave, before the machine is taken away."""

from __future__ import annotations

import time
from dataclasses import dataclass

MARGIN_SHARE = 0.1
"""Upper bound of the margin, as a share of the session: a short session is mostly for working."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that its host ends without notice. ``seconds``: its length, None = unlimited; ``margin``:
    how many seconds before the end a node starts to leave."""

    started_at: float  # epoch seconds
    seconds: float | None = None
    margin: float = 0.0

    @property
    def ends_at(self) -> float | None:
        """Epoch seconds; None = never."""
        return None if self.seconds is None else self.started_at + self.seconds

    @property
    def leaves_at(self) -> float | None:
        """When a node stops claiming (epoch seconds); None = never."""
        if self.seconds is None:
            return None
        return self.started_at + self.seconds - min(self.margin, self.seconds * MARGIN_SHARE)

    @property
    def left(self) -> float | None:
        """Seconds until the end, 0 when it is over; None = unlimited."""
        return None if self.ends_at is None else max(0.0, self.ends_at - time.time())

    @property
    def is_ending(self) -> bool:
        """Whether it is time to leave."""
        return self.leaves_at is not None and time.time() >= self.leaves_at

    def drain_seconds(self, wanted: float) -> float:
        """Seconds to wait for chapters in flight: ``wanted``, at most half of what is left."""
        return wanted if self.left is None else min(wanted, self.left / 2)


UNLIMITED = Session(0.0)
"""A server's session: it ends when it is stopped."""
