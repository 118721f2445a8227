"""How fast a build goes, and what its task has cost so far."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kgnb.app.prices import Quote, quote
from kgnb.core.model import Progress, Provider
from kgnb.stores.ledger.task_stats import RATE_SECONDS
from kgnb.worker.budget import Budget


class Pace:
    """Speed of a run over the last :data:`RATE_SECONDS`, and its task's cost.

    ``clock`` returns seconds that never go back.
    """

    def __init__(
        self, budget: Budget, provider: Provider, model: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._budget, self._provider, self._model, self._clock = budget, provider, model, clock
        self._ended: deque[tuple[float, int]] = deque()  # (when, chapters that had ended)

    def figures(self, progress: Progress) -> dict[str, Any]:
        """``rate``, ``cost`` and ``currency`` of a :class:`~kgnb.render.progress_bar.BuildStep`."""
        cost = Quote()
        if not self._provider.is_rules:
            cost = quote(self._budget, self._provider, self._model, progress.usage, datetime.now(UTC))
        return {"rate": self._rate(progress), "cost": cost.now, "currency": cost.currency}

    def _rate(self, progress: Progress) -> float | None:
        """Chapters a minute; None before the first chapter is at work, and before one has ended."""
        if not (self._ended or progress.running or progress.ended):
            return None
        now = self._clock()
        self._ended.append((now, progress.ended))
        while now - self._ended[0][0] > RATE_SECONDS:
            self._ended.popleft()
        since, before = self._ended[0]
        return 60 * (progress.ended - before) / (now - since) if progress.ended > before else None
