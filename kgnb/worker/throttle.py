"""Throttles requests to providers: pauses, rate limits and budgets of all nodes, concurrency of this one.

Budget, pause and rate limits are checked before each HTTP request, retries included. A reply is never lost
over bookkeeping: while Redis is down, the breaker's counters are skipped. A rate limit that the user set is
not skipped: its requests wait until Redis is back.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from kgnb.core import errors
from kgnb.core.messages import say
from kgnb.core.model import Prompt, Provider, Usage
from kgnb.llm.client import TEST_PROMPT, Completion, LlmClient
from kgnb.stores.queue.rate_limits import CLAIM_AHEAD, LONGEST_WAIT, RateLimits, RateReservation
from kgnb.stores.queue.store import Queue
from kgnb.worker.budget import Reservation, SpendingTracker
from kgnb.worker.failure_judge import FailureJudge, Moment
from kgnb.worker.outages import Outages
from kgnb.worker.provider_pauses import ProviderPauses, fingerprint
from kgnb.worker.slots import SlotLimiter

SHORTEST_LIMIT = 1.0
"""Least seconds a 429 blocks the provider: with "Retry-After: 0" chapters would be handed back in a loop."""
SMOOTHING_REQUESTS = 20
"""Window, in requests, of the moving average of a provider's response time."""
PAUSE_POLL_SECONDS = 1.0
"""How often a chapter that waits for a request slot checks whether its provider was paused."""
TEST_SECONDS = 30.0
"""Timeout of the test request that shows whether a provider answers others."""

log = logging.getLogger(__name__)
pauses = log.getChild("pauses")
"""Logger of pauses whose reason a build also ends with: the build silences it, to show the reason once."""


@dataclass(slots=True)
class _Call:
    """One call of a client, which may take several HTTP requests."""

    client: LlmClient
    prompt: Prompt
    model: str
    spending: Reservation
    lost: Callable[[], bool]
    started: Moment
    passage: str = ""  # of which chapter the prompt is
    reservation: RateReservation | None = None  # of the current request
    began: float = 0.0  # start of the current request (time.monotonic())

    @property
    def provider(self) -> Provider:
        """The provider that is asked."""
        return self.client.provider

    @property
    def chars(self) -> int:
        """Number of characters of the prompt."""
        return len(self.prompt.system) + len(self.prompt.user)


@dataclass(eq=False, repr=False)
class ProviderThrottle:
    """One node's access to all providers.

    ``slots_for``: a provider's number of concurrent requests; ``total_slots``: that of all together.
    """

    queue: Queue
    _outages: Outages
    _spending: SpendingTracker
    _rates: RateLimits
    slots_for: Callable[[Provider], int]
    total_slots: int | None = None

    def __post_init__(self) -> None:
        self.pauses = ProviderPauses(self.queue, self._outages)
        self.breaker = self.pauses.breaker
        self.on_request_timed: Callable[[str, float], None] = lambda _provider, _seconds: None
        """Called with a provider's lower-case name and the seconds of each answered request."""
        self._mean_seconds: dict[str, float] = {}  # by lower-case name, a moving average
        self.judge = FailureJudge()
        self._limiters: dict[str, SlotLimiter] = {}
        self._leaving = False
        # Each provider has at least one slot, and chapters are read ahead: only this enforces the total.
        self._all_requests = asyncio.Semaphore(self.total_slots or sys.maxsize)
        self._answered: dict[str, float] = {}  # seconds of the last answer since flush(), by name
        self._rate_full_until: dict[str, float] = {}  # by lower-case name (time.monotonic())

    async def complete(
        self,
        client: LlmClient,
        prompt: Prompt,
        model: str,
        *,
        task_id: int,
        chapter_id: int = 0,
        lost: Callable[[], bool] = lambda: False,
    ) -> Completion:
        """Return the completion of ``client.ask`` for a task's chapter, and share its outcome with all nodes.

        Raises the ProviderError tree (ProviderPaused, RateReached, BudgetReached before anything is asked;
        RequestUnanswered if the provider answers others), NodeLeaving, and LeaseLost once ``lost()`` holds.
        """
        provider = client.provider
        passage = f"{task_id}/{chapter_id or prompt.hash}"
        spending = self._spending.reservation(provider, model, task_id)
        call = _Call(client, prompt, model, spending, lost, self.judge.now(provider.lower_name), passage)
        try:
            done = await self._ask(call)
        except errors.ProviderError as error:
            if (own := await self._own_failure(call, error)) is not None:
                raise own from error
            found = await self._without_blame(call, error)
            await self._on_failure(provider, found)
            raise found from None
        self.judge.on_answer(provider.lower_name, prompt.hash, passage)
        if done.usage.prompt_tokens + done.usage.completion_tokens == 0:
            # No usage reported: count one token per character, so that budgets still bind.
            estimate = Usage(0, call.chars, len(done.text))
            self._spending.record(provider, model, estimate, task_id)
            done = replace(done, usage=done.usage + estimate)
        self.limiter(provider).on_success()
        # Shared by flush(): storing a paid reply must not wait for a Redis that hangs.
        self._answered[provider.name] = time.monotonic() - call.began
        return done

    async def _ask(self, call: _Call) -> Completion:
        """Return the client's completion, with limits and costs applied."""
        admit, spent = partial(self._admit, call), partial(self._record_usage, call)
        return await call.client.ask(call.prompt, call.model, admit=admit, spent=spent)

    # --- before a request

    async def _admit(self, call: _Call) -> None:
        """Wait until the call's next HTTP request may start; raise when it may not."""
        provider = call.provider
        # Budget before pause: a used-up budget is the error to report, not the pause it caused.
        self._spending.reserve(call.spending, Usage(1, call.chars))
        written = partial(self._spending.write_reserved, provider)
        await self._outages.retry_until_up("sql", written, lost=call.lost)
        self._spending.check(provider, call.model)
        self._check_allowed(provider, call.lost)
        wait = self.breaker.seconds_limited(provider.name)
        if wait > LONGEST_WAIT:
            raise errors.RateReached("provider.rate", provider=provider.name, retry_after=wait)
        limited = self._rates.has_limit(provider)
        reservation = await self._reserve(call) if limited else RateReservation()
        await self._wait_for_turn(call, reservation, max(wait, reservation.wait))
        call.reservation = reservation
        call.began = time.monotonic()

    async def _reserve(self, call: _Call) -> RateReservation:
        """Return a place under the rate limit. Raises RateReached for a long wait, LeaseLost."""
        full = self._rate_full_until.get(call.provider.lower_name, 0.0) - time.monotonic()
        if full > LONGEST_WAIT:  # saves a round trip
            raise errors.RateReached("provider.rate_reached", provider=call.provider.name, retry_after=full)
        try:
            place = await self._outages.retry_until_up(
                "redis", lambda: self._rates.reserve(call.provider, call.chars), lost=call.lost
            )
        except errors.RateReached as error:
            self._note_full(call.provider, max(1.0 + CLAIM_AHEAD, error.retry_after))
            raise
        self._note_full(call.provider, place.wait)
        return place

    def _note_full(self, provider: Provider, wait: float) -> None:
        """Let chapters be claimed a little before a place is free, so that slots are filled by then."""
        if wait > CLAIM_AHEAD:
            self._rate_full_until[provider.lower_name] = time.monotonic() + wait - CLAIM_AHEAD

    async def _wait_for_turn(self, call: _Call, reservation: RateReservation, seconds: float) -> None:
        try:
            if seconds > 0:  # sleep(0) would wait behind all other work of a busy loop
                await asyncio.sleep(seconds)
            self._check_allowed(call.provider, call.lost)
        except BaseException:
            self._rates.cancel(call.provider, reservation)
            raise

    def stop_requests(self) -> None:
        """Start no more requests: a leaving node might miss a reply that is paid for."""
        self._leaving = True

    def _check_allowed(self, provider: Provider, lost: Callable[[], bool]) -> None:
        if self._leaving:
            raise errors.NodeLeaving("node.asks_no_more")
        if lost():
            raise errors.LeaseLost("node.lease_lost")
        if provider.name in self.pauses.paused:
            raise errors.ProviderPaused("provider.paused", provider=provider.name)

    # --- afterwards

    async def _own_failure(self, call: _Call, error: errors.ProviderError) -> errors.RequestUnanswered | None:
        """Return the error of the request itself, if the provider answers others; None else."""
        key, answers = call.provider.lower_name, partial(self._answers, call)
        if isinstance(error, errors.ReplyError):
            self.judge.on_answer(key, call.prompt.hash, call.passage)
        if isinstance(error, errors.RateReached) or not _may_be_own(error):
            return None
        wait = None
        if isinstance(error, errors.RateLimited):
            wait = await self.judge.wait_if_own(key, call.passage, error.retry_after, answers)
            is_own = wait is not None
        elif isinstance(error, errors.EndpointWrong):  # no outage: others that fail too prove nothing
            is_own = await answers()
        else:
            is_own = await self.judge.is_own(key, call.prompt.hash, call.started, answers)
        if not is_own:
            return None
        reason = error.facts.get("detail") or str(error)
        own = errors.RequestUnanswered("provider.unanswered", provider=call.provider.name, reason=reason)
        own.usage, own.wait = error.usage, wait
        return own

    async def _without_blame(self, call: _Call, error: errors.ProviderError) -> errors.ProviderError:
        """Return EndpointWrong for a rejected request where the provider rejects others too, ProviderPaused
        where it is paused for that by now: no chapter is to blame; else ``error``.
        """
        key = call.provider.lower_name
        if type(error) is not errors.RequestRejected or self.judge.has_answered(key, call.started):
            return error
        failure = await self._test(call)
        if isinstance(failure, errors.ProviderPaused):
            return failure
        if not isinstance(failure, errors.RequestRejected):
            return error
        facts: dict[str, Any] = {**error.facts}
        found = errors.EndpointWrong("provider.rejects_all", **facts)
        found.usage = error.usage
        return found

    async def _answers(self, failed: _Call) -> bool:
        """Return whether the provider answers a :meth:`_test`."""
        return await self._test(failed) is None

    async def _test(self, failed: _Call) -> Exception | None:
        """Send a short request at the cost of the ``failed`` one's task; return its failure, None where the
        provider answers.
        """
        started = self.judge.now(failed.provider.lower_name)
        spending = replace(failed.spending, usage=Usage())
        call = _Call(failed.client, TEST_PROMPT, failed.model, spending, lambda: False, started)
        try:
            async with asyncio.timeout(TEST_SECONDS):
                await self._ask(call)
        except errors.ReplyError:
            pass
        except (errors.ProviderError, TimeoutError) as error:
            return error
        took = time.monotonic() - call.began
        await self.pauses.share(self.breaker.record_success(call.provider.name, took))
        return None

    def _record_usage(self, call: _Call, usage: Usage, unanswered: int = 0) -> None:
        # A request that timed out or was cancelled is billed: one token per character of its prompt leaves
        # room for the reply.
        self._spending.settle(call.spending, usage + Usage(unanswered, unanswered * call.chars))
        if not call.began:  # nothing was asked
            return
        took = time.monotonic() - call.began
        self.on_request_timed(call.provider.lower_name, took)
        if call.reservation is not None:
            before = self._mean_seconds.get(call.provider.lower_name, took)
            self._mean_seconds[call.provider.lower_name] = before + (took - before) / SMOOTHING_REQUESTS
            # Failed tries reported no tokens; their reservations stay used.
            tokens = usage.prompt_tokens + usage.completion_tokens
            self._rates.record_usage(call.provider, call.chars, call.reservation, tokens)

    async def _on_failure(self, provider: Provider, error: errors.ProviderError) -> None:
        name, reason = provider.name, str(error)
        paused: object = False
        if isinstance(error, errors.ProviderPaused | errors.RateReached):
            return
        await self._share_answers()  # of before
        if isinstance(error, errors.RateLimited):
            await self.limiter(provider).on_rate_limit()
            await self.pauses.share(self.breaker.limit_rate(name, max(SHORTEST_LIMIT, error.retry_after)))
        elif isinstance(error, errors.BudgetReached):
            paused = await self.pauses.pause(name, error, seconds=error.pause_seconds)
        elif isinstance(error, errors.AuthRejected | errors.EndpointWrong):
            if self.pauses.is_replaced(provider):  # meanwhile
                return
            paused = await self.pauses.pause(name, error, asked=fingerprint(provider))
        elif isinstance(error, errors.QuotaExhausted):
            paused = await self.pauses.pause(name, error)
        elif isinstance(error, errors.ProviderDown):
            facts = (name, reason, error.key, fingerprint(provider))
            paused = await self.pauses.share(self.breaker.record_failure(*facts))
        elif isinstance(error, errors.RequestRejected):
            await self.pauses.share(self.breaker.record_refusal(name, reason, error.key, certain=False))
        elif isinstance(error, errors.ReplyError):  # the provider answers: resets consecutive failures
            await self.pauses.share(self.breaker.record_success(name))
        if paused:
            self.pauses.note_own(name)
            ends_build = isinstance(error, errors.AuthRejected | errors.QuotaExhausted | errors.EndpointWrong)
            text = say("node.provider_paused", provider=name, reason=reason)
            (pauses if ends_build else log).error(text)

    # --- for the node

    @asynccontextmanager
    async def request_slot(
        self, provider: Provider, lost: Callable[[], bool] = lambda: False
    ) -> AsyncIterator[None]:
        """Wait for one of the provider's request slots and keep it during the block.

        Raises ProviderPaused, NodeLeaving, and LeaseLost when ``lost()`` holds, while it waits and after it.
        """
        slots = self.limiter(provider)
        check = partial(self._check_allowed, provider, lost)
        await _acquire(slots.requests, check)
        try:
            await _acquire(self._all_requests, check)
            try:
                check()
                yield
            finally:
                self._all_requests.release()
        finally:
            slots.release()

    async def wait(self, provider: Provider, seconds: float, lost: Callable[[], bool]) -> None:
        """Wait before a part of a passage is asked; raises as :meth:`request_slot` does while it waits."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._check_allowed(provider, lost)
            await asyncio.sleep(min(left, PAUSE_POLL_SECONDS))

    def limiter(self, provider: Provider) -> SlotLimiter:
        """Return the provider's slot limiter on this node, made at the first call, then always the same
        object.
        """
        if provider.lower_name not in self._limiters:
            self._limiters[provider.lower_name] = SlotLimiter(self.slots_for(provider))
        return self._limiters[provider.lower_name]

    def request_seconds(self, provider: Provider) -> float:
        """Return the moving average of the provider's response time in seconds; 0 before the first answer."""
        return self._mean_seconds.get(provider.lower_name, 0.0)

    def rate_wait(self, provider: Provider) -> float:
        """Return the seconds until the provider's and the user's rate limits admit a request; 0 without
        a wait.
        """
        full = self._rate_full_until.get(provider.lower_name, 0.0) - time.monotonic()
        return max(0.0, full, self.breaker.seconds_limited(provider.name))

    def rate_places(self, provider: Provider) -> int | None:
        """Return how many chapters to claim at once where the user's rate limit was full in the last
        minute, else None.
        """
        full_until = self._rate_full_until.get(provider.lower_name, float("-inf"))
        was_full = time.monotonic() - full_until < self._rates.window
        return self._rates.places(provider) if was_full else None

    async def _share_answers(self) -> None:
        while self._answered:
            await self.pauses.share(self.breaker.record_success(*self._answered.popitem()))

    async def flush(self) -> None:
        """Share who answered, and write what was spent, since the last time. Raises ServiceDown."""
        await self._share_answers()
        await self._spending.flush()
        await self._rates.flush()


def _may_be_own(error: errors.ProviderError) -> bool:
    """Return whether such an error may be one request's alone: unlisted models may be served, and firewalls
    read texts.
    """
    firewall = isinstance(error, errors.AuthRejected) and error.facts.get("status") == 403
    return firewall or isinstance(error, errors.RateLimited | errors.ProviderDown | errors.EndpointWrong)


async def _acquire(slots: asyncio.Semaphore, check: Callable[[], None]) -> None:
    while slots.locked():  # the timer is needed only then
        try:
            async with asyncio.timeout(PAUSE_POLL_SECONDS):
                await slots.acquire()
            return
        except TimeoutError:
            check()
    await slots.acquire()
