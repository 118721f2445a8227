"""Decides, by other requests' outcomes, whether a request fails by itself or its provider fails."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

PATIENCE = 600.0
"""Seconds of failures after which others that fail too don't excuse a request: many may be unanswerable."""
REFUSALS = 3
"""429s in a row of one chapter, each after the Retry-After of the one before, after which it is its own if
the provider answers a short request: "Request too large" is a 429 too."""
LONGEST_RETRY_AFTER = 120.0
"""Longest Retry-After, in seconds, of a limit a minute. A longer one is a quota's, which passes by itself: it
buries no chapter."""
REFUSED_SECONDS = 480.0
"""Seconds from a chapter's first 429 after which its parts are asked without waiting: it fails in ten minutes
at most."""


@dataclass(slots=True)
class Moment:
    """Start of a request (time.monotonic()) and its provider's counts of answers and failures so far,
    without 429s.
    """

    at: float = 0.0
    answered: int = 0
    failed: int = 0


@dataclass(slots=True)
class _Refusals:
    """A chapter's 429s, the first of them ``since`` (time.monotonic()): in a row, until they are its own."""

    since: float
    count: int = 0


class FailureJudge:
    """Counts the answers and failures of one node's requests, by provider."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Moment] = defaultdict(Moment)
        self._failing: dict[tuple[str, str], Moment] = {}  # → the start of the first of its failures
        self._refused: dict[tuple[str, str], _Refusals] = {}  # by provider and passage

    def now(self, provider: str) -> Moment:
        """Return the present moment and the provider's counts of failures and answers; a request keeps it
        from its beginning for :meth:`is_own`.
        """
        return replace(self._counts[provider], at=time.monotonic())

    def on_answer(self, provider: str, request: str, passage: str) -> None:
        """Count an answer to ``request``, usable or not. ``passage``: the chapter, as in
        :meth:`wait_if_own`.
        """
        self._counts[provider].answered += 1
        self._failing.pop((provider, request), None)
        refusals = self._refused.get((provider, passage))
        if refusals is not None and refusals.count < REFUSALS:
            del self._refused[provider, passage]

    def has_answered(self, provider: str, began: Moment) -> bool:
        """Return whether the provider has answered any request since ``began``."""
        return self._counts[provider].answered > began.answered

    async def is_own(
        self, provider: str, request: str, began: Moment, answers: Callable[[], Awaitable[bool]]
    ) -> bool:
        """Count a failure of ``request`` (no 429); return whether the request itself is the cause, not the
        provider.

        True where no other request failed since ``began``, or this request fails for long, and the provider
        answers others. ``answers()`` sends a test request; it is awaited only if no other request was
        answered since ``began``.
        """
        first, now = self._failing.setdefault((provider, request), began), self.now(provider)
        alone, answered = now.failed == began.failed, self.has_answered(provider, began)
        patient = now.at - first.at > PATIENCE
        self._counts[provider].failed += 1
        own = (alone or patient) and (answered or await answers())
        if own:
            self._failing.pop((provider, request), None)
        return own

    async def wait_if_own(
        self, provider: str, passage: str, retry_after: float, answers: Callable[[], Awaitable[bool]]
    ) -> float | None:
        """Count a 429; return the seconds to wait before a part of the passage is asked, if only this passage
        is refused.

        None where the limit holds for all requests: then the passage waits for ``retry_after`` seconds.
        ``passage``: a chapter; ``answers()``: as in :meth:`is_own`, awaited after several 429s in a row.
        """
        key, now = (provider, passage), time.monotonic()
        if retry_after > LONGEST_RETRY_AFTER:
            self._refused.pop(key, None)
            return None
        refusals = self._refused.get(key)
        if refusals is None or now - refusals.since > PATIENCE:
            refusals = self._refused[key] = _Refusals(now)
        refusals.count += 1
        if refusals.count < REFUSALS:
            return None
        if not await answers():
            self._refused.pop(key, None)
            return None
        return max(0.0, min(retry_after, refusals.since + REFUSED_SECONDS - now))
