"""Tells a request that fails by itself from a provider that fails, by what other requests got meanwhile.

The first must end on the dead list and pause nobody; an outage or a rate limit, however long, must bury no
chapter. Each node judges by its own requests.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

OTHERS_ANSWERED = 10
"""Answers to others, with no other failure between them, after which a repeated 429 is the request's own:
under a rate limit any request may be the one that is refused."""
PATIENCE = 600.0
"""Seconds of failures after which others that fail too don't excuse a request: many may be unanswerable."""
LIMITED_PATIENCE = 8 * 3_600.0
"""Seconds of 429s without OTHERS_ANSWERED. Three of these are a day: no daily quota buries a chapter."""


@dataclass(slots=True)
class Moment:
    """When a request began, and what its provider had answered and failed by then; ``limited``: by a 429."""

    at: float = 0.0
    answered: int = 0
    failed: int = 0
    limited: int = 0


class FailureJudge:
    """Counts the answers and failures of one node's requests, by provider."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Moment] = defaultdict(Moment)
        self._failing: dict[tuple[str, str], Moment] = {}  # → the start of the first of its failures

    def now(self, provider: str) -> Moment:
        """This moment, for a request that begins."""
        return replace(self._counts[provider], at=time.monotonic())

    def on_answer(self, provider: str, request: str) -> None:
        """Count an answer, whether it could be used or not."""
        self._counts[provider].answered += 1
        self._failing.pop((provider, request), None)

    async def is_own(
        self,
        provider: str,
        request: str,
        began: Moment,
        answers: Callable[[], Awaitable[bool]],
        *,
        limited: bool,
    ) -> bool:
        """Whether the failure of ``request`` is its own; ``limited``: it is a 429.

        ``answers()`` sends the provider a test request; awaited only if other requests don't show whether it
        answers.
        """
        first = self._failing.setdefault((provider, request), began)
        since, now = first if limited else began, self.now(provider)
        failed, answered = now.failed - since.failed, now.answered - since.answered
        if not limited:
            failed -= now.limited - since.limited  # who refuses others for their number is no outage
        alone = failed == 0
        patient = now.at - first.at > (LIMITED_PATIENCE if limited else PATIENCE)
        self._counts[provider].failed += 1
        self._counts[provider].limited += limited
        first.failed += 1  # what it counts are the others'
        first.limited += limited
        if limited and not alone:
            first.answered, first.failed = now.answered, now.failed + 1
        if limited:
            own = (alone and answered >= OTHERS_ANSWERED) or (patient and await answers())
        else:
            own = (alone or patient) and (answered > 0 or await answers())
        if own:
            self._failing.pop((provider, request), None)
        return own
