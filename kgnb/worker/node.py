"""The worker node: polls the queues, runs chapters in its slots, keeps tasks open, leaves without a loss."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kgnb.core import errors
from kgnb.core.messages import say
from kgnb.core.model import Provider, TaskStatus
from kgnb.core.settings import Settings
from kgnb.stores.queue.types import Claim, ClaimRequest, PollResult, QueueName, QueueState
from kgnb.worker.backoff import Backoff, idle_seconds
from kgnb.worker.chapter_worker import ChapterWorker, Outcome, Stores
from kgnb.worker.extractor import ChapterExtractor
from kgnb.worker.process_pool import CpuPool
from kgnb.worker.provider_registry import ProviderRegistry
from kgnb.worker.slots import (
    SMOOTHING_CHAPTERS,
    UNWRITTEN_PER_SLOT,
    claims_by_queue,
    queues_of,
    read_ahead,
)
from kgnb.worker.task_keeper import TaskKeeper
from kgnb.worker.throttle import ProviderThrottle

log = logging.getLogger(__name__)

RULES_SLOTS_PER_CORE = 4
"""Least chapters in flight for the rules, per core."""
LEAVING_SECONDS = 1.5
"""Seconds that a leaving node waits for a service that hangs."""
LIMITED_SECONDS = 5.0
"""Delay, after its limit, before a chapter that got a 429 is claimed again."""
HAND_BACK_SECONDS = 1.0
"""Delay before a chapter that can't be worked right now is claimed again."""


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """An event for the listener: the end of a chapter or a task, a provider's failure, a stuck task."""

    kind: str  # "chapter", "task", "provider", "stuck"
    task_id: int = 0
    chapter_id: int = 0
    outcome: str = ""
    provider: str = ""
    error: Exception | None = None


@dataclass(eq=False, repr=False)
class WorkerNode:
    """One worker node on one event loop. ``only_task`` makes it serve a single task (``build``)."""

    stores: Stores
    providers: ProviderRegistry
    extractor: ChapterExtractor
    throttle: ProviderThrottle
    pool: CpuPool
    settings: Settings
    name: str
    only_task: int | None = None
    listener: Callable[[NodeEvent], None] = lambda _: None

    def __post_init__(self) -> None:
        self.slots: dict[Claim, float] = {}
        """The chapters that hold a slot → since when (epoch seconds)."""
        self.unpublished_tasks: set[int] = set()
        """Tasks whose progress changed since it was last published."""
        self.queue_states: dict[QueueName, QueueState] = {}
        self.poll_count = 0
        """Successful polls so far."""
        self.decisive_poll: float = 1
        """The first poll that shows whether anything is left: its queues may have been filled anew before."""
        told = self.wake, self._task_closed, self._task_stuck
        self.task_keeper = TaskKeeper(self.stores, self.providers, self.pool, *told)
        self._chapters = ChapterWorker(self.stores, self.extractor)
        self._running: dict[asyncio.Task[None], Claim] = {}
        self._cancelled: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._stopping = False
        self._given_up: errors.ServiceRefused | None = None
        self._polled_tasks: list[tuple[QueueName, int]] = []
        self._newer_logged = False
        self._newer_items = 0
        self._provider_failures: dict[str, type[errors.ProviderError]] = {}
        self._overhead = 0.0  # moving average of a chapter's seconds in its slot outside requests

    # --- life

    async def run(self, *, drain: bool = False, until: Callable[[], bool] = lambda: False) -> None:
        """Work until :meth:`stop`, until ``until()`` holds, or with ``drain`` until nothing is left.

        Raises ServiceRefused (also what :meth:`give_up` was told) and SettingsError; outages are waited out.
        """
        backoff = Backoff()
        while not self._stopping and not until():
            self._wake.clear()
            poll = await self._poll()
            busy = poll is not None and await self._handle_poll(poll)
            if drain and poll is not None and not busy and self.nothing_left:
                break
            if poll is not None and (busy or self._running or self.task_keeper.open_tasks):
                backoff.reset()
            backoff.last = idle_seconds(self.stores.queue.node_count)
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff.delay()):
                    await self._wake.wait()
        if self._given_up is not None:
            raise self._given_up

    def give_up(self, error: errors.ServiceRefused) -> None:
        """End :meth:`run` with ``error``, which would meet every chapter."""
        self._given_up = error
        self.stop()

    def _is_ended_by(self, error: Exception) -> bool:
        """Give up if SQL refuses this node, or lacks a table; return whether it does."""
        if isinstance(error, errors.ServiceRefused) and error.service == "sql":
            self.give_up(error)
            return True
        return False

    def stop(self) -> None:
        """Claim nothing more; :meth:`run` returns soon. Call it on the event loop only."""
        self._stopping = True
        self._wake.set()

    def stop_now(self) -> None:
        """:meth:`stop`, and hand chapters in flight back instead of waiting for them."""
        self.stop()
        self._cancel(self._running)

    def _cancel(self, works: Iterable[asyncio.Task[None]]) -> None:
        """Cancel chapters, each once only: a second cancel would interrupt its handing back."""
        for work in set(works) - self._cancelled:  # Task.cancelling() counts time-outs that end inside, too
            self._cancelled.add(work)
            work.cancel()

    def wake(self) -> None:
        """Poll at once instead of after the rest of the backoff."""
        self._wake.set()

    async def leave(self, seconds: float) -> None:
        """Wait up to ``seconds`` for chapters in flight, then hand everything back. Starts no new request."""
        self._stopping = True
        self.throttle.stop_requests()
        try:
            if self._running and seconds > 0:
                await asyncio.wait(list(self._running), timeout=seconds)
        finally:  # also when a second signal cuts the wait short
            self._cancel(self._running)
            await asyncio.gather(*self._running, return_exceptions=True)
            await self.task_keeper.release_all_except()

    @property
    def nothing_left(self) -> bool:
        """Whether the queues were empty at the last poll, and this node has neither a chapter nor a task."""
        if self._running or self.task_keeper.open_tasks or self.poll_count < self.decisive_poll:
            return False
        states = self.queue_states.values()
        waiting = sum(state.waiting for state in states)  # items for a newer kgnb don't count
        return waiting <= self._newer_items and not any(s.chapters or s.leased or s.delayed for s in states)

    # --- polling

    async def _poll(self) -> PollResult | None:
        """Return the result of one poll; None while Redis is down."""
        served = self.providers.served()
        requests = self._claim_requests(served)
        self._polled_tasks = [(r.queue, task_id) for r in requests for task_id in r.held]
        try:
            poll = await self.stores.queue.poll(requests, [p.name for p in served])
        except errors.ServiceDown as error:
            self.stores.outages.report_down(error)
            return None
        self.stores.outages.report_up("redis")
        self.queue_states = poll.states
        self.poll_count += 1
        self._newer_items = poll.newer
        paused = self.throttle.pauses.paused
        self.throttle.pauses.on_poll(poll, served)
        if paused - self.throttle.pauses.paused:
            self._wake.set()  # a pause is over: poll its queues at once
        return poll

    def _claim_requests(self, served: Sequence[Provider]) -> list[ClaimRequest]:
        """Return what to ask each queue of the served providers for; -1 chapters for a paused provider, no
        tasks once stopping.
        """
        outage = self.stores.outages.is_down("sql")
        requests, keys = [], [provider.lower_name for provider in served]
        for provider in served:
            # Paused on all nodes, or rate-limited: tasks are still opened, as some are for the rules.
            blocked = provider.name in self.throttle.pauses.paused or self.throttle.rate_wait(provider) > 0
            closed = self._stopping or outage
            free = 0 if closed or blocked else self._claimable(provider, keys)
            queues = queues_of([provider], self.settings.prefixes)
            wanted = claims_by_queue(free, queues, self.queue_states)
            requests += [
                ClaimRequest(
                    queue=queue,
                    chapters=-1 if blocked else wanted[queue],
                    tasks=0 if closed else 1,
                    only_task=self.only_task,
                    idle=not self._running,
                    outage=outage,
                    held=self.task_keeper.idle_tasks(queue),
                )
                for queue in queues
            ]
        return requests

    def slot_limit(self, provider: Provider, served: Sequence[str]) -> int:
        """Return how many chapters of the provider may have slots now: its share of the total among the
        providers ``served``, at most what its limiter allows; for the rules at least RULES_SLOTS_PER_CORE for
        each processor.
        """
        limit = min(
            self.settings.slots_for(provider.lower_name, served), self.throttle.limiter(provider).slots
        )
        if provider.is_rules:  # no provider to protect: keep the processes busy
            limit = max(limit, RULES_SLOTS_PER_CORE * self.settings.cpus)
        return limit

    def _claimable(self, provider: Provider, served: Sequence[str]) -> int:
        """Return how many chapters of a provider this node can take now, read-ahead included."""
        limit = self.slot_limit(provider, served)
        # A chapter whose replies are stored frees its slot while its row is written; the number of such
        # chapters is bounded, so that a slow store slows the claiming down.
        busy, running = (
            sum(claim.queue.provider_key == provider.lower_name for claim in claims)
            for claims in (self.slots, self._running.values())
        )
        room = min(limit - busy, (1 + UNWRITTEN_PER_SLOT) * limit - running)
        places = self.throttle.rate_places(provider)
        if places is not None:
            room = min(room, places)
        elif not provider.is_rules:
            room += read_ahead(limit, self.throttle.request_seconds(provider), self._overhead)
        return max(0, room)

    # --- acting

    async def _handle_poll(self, poll: PollResult) -> bool:
        """Start the chapters and tasks of a poll; return whether it gave any work."""
        if poll.newer and not self._newer_logged:
            self._newer_logged = True
            log.warning(say("node.newer_items", count=poll.newer))
        for claim in poll.claims:
            if claim.kind == "chapter":
                self._start_chapter(claim)
        try:
            for claim in poll.claims:
                if claim.kind == "task":
                    await self.task_keeper.take(claim)
            if poll.buried:
                await self.task_keeper.mark_buried(poll.buried)
        except errors.ServiceDown as error:  # leases expire, and the next poll returns the burials again
            self.stores.outages.report_down(error)
        for claim in poll.refreshed:
            self.task_keeper.reopen(claim.task_id, claim)
        for queue, task_id in self._polled_tasks:
            left = poll.chapters_left.get((queue, task_id))
            if left is None:
                self.task_keeper.on_lease_lost(task_id)
            elif left == 0:
                self.task_keeper.reopen(task_id)
        return bool(poll.claims)

    def _start_chapter(self, claim: Claim) -> None:
        self.stores.renewer.hold(claim)
        self.slots[claim] = time.time()
        work = asyncio.create_task(self._run_chapter(claim))
        self._running[work] = claim
        work.add_done_callback(lambda done: self._on_chapter_ended(done, claim))

    def _free_slot(self, claim: Claim, held: float, asking: float) -> None:
        """Free the slot of a chapter that held it for ``held`` seconds, ``asking`` of them for requests."""
        if asking:
            self._overhead += (held - asking - self._overhead) / SMOOTHING_CHAPTERS
        del self.slots[claim]
        self._wake.set()

    def _on_chapter_ended(self, work: asyncio.Task[None], claim: Claim) -> None:
        self._running.pop(work, None)
        self._cancelled.discard(work)
        self.slots.pop(claim, None)
        self.stores.renewer.forget(claim)
        self._chapters.forget(claim)
        self._wake.set()
        if not work.cancelled():
            work.result()  # raises a bug to the event loop's handler

    async def _run_chapter(self, claim: Claim) -> None:
        try:
            await self._process_chapter(claim)
        except errors.LeaseLost:
            log.info(say("node.chapter_moved", **self._chapters.log_facts(claim)))
            await self._hand_back(claim, counted=True)  # nothing, unless its task was paused
        except asyncio.CancelledError:
            await asyncio.shield(self._hand_back(claim))
            raise
        except errors.RowRefused as error:  # of this chapter alone, or of every one
            await self._chapters.count_crash(claim, str(error))
        except errors.KgnbError as error:
            if self._is_ended_by(error):
                await self._hand_back(claim)
                return
            log.warning(say("node.chapter_back", **self._chapters.log_facts(claim), reason=error))
            await self._hand_back(claim, HAND_BACK_SECONDS)
        except Exception as error:  # a bug on one chapter must neither loop nor stop the others
            log.exception(say("node.slot_broke", **self._chapters.log_facts(claim)))
            await self._chapters.count_crash(claim, repr(error))

    async def _process_chapter(self, claim: Claim) -> None:
        started = time.monotonic()

        def seconds() -> float:
            return time.monotonic() - started

        info = await self.stores.outages.retry_until_up(
            "sql", lambda: self.task_keeper.info(claim.task_id, claim.queue)
        )
        if info is None:
            # Its task was deleted or never opened: else it would come back for ever.
            await self.stores.queue.drop_task(claim.queue, claim.task_id)
            await self._hand_back(claim, HAND_BACK_SECONDS)
            return
        try:
            outcome = await self._chapters.run(
                claim, info, lambda asking: self._free_slot(claim, seconds(), asking)
            )
        except (errors.NodeLeaving, errors.ProviderPaused, errors.RateReached):  # counts as no failure
            await self._hand_back(claim)
        except errors.ProviderError as error:
            self._report_provider_failure(claim, info.provider.name, error)
            # After a limit, behind others: that shows whether it hits this chapter alone.
            limit = error.retry_after + LIMITED_SECONDS if isinstance(error, errors.RateLimited) else 0.0
            await self._hand_back(claim, limit or HAND_BACK_SECONDS)
        else:
            self._report_outcome(claim, info.provider.name, outcome, seconds())

    def _report_outcome(self, claim: Claim, provider: str, outcome: Outcome, seconds: float) -> None:
        if outcome is Outcome.NOT_OURS:
            return
        # While it is paused, replies still come to requests sent before.
        works = outcome is Outcome.COMPLETED and provider not in self.throttle.pauses.paused
        if works and self._provider_failures.pop(provider, None) is not None:
            log.warning(say("node.provider_back", provider=provider))
        self.unpublished_tasks.add(claim.task_id)
        facts = self._chapters.log_facts(claim)
        log.info(say("node.chapter", seconds=round(seconds, 1), outcome=outcome.value, **facts))
        key = claim.queue.provider_key
        self.listener(NodeEvent("chapter", claim.task_id, claim.chapter_id, outcome.value, key))

    def _report_provider_failure(self, claim: Claim, provider: str, error: errors.ProviderError) -> None:
        """Logged as a warning once, until the provider fails in another way or works again."""
        told = provider in self.throttle.pauses.paused  # with why it was paused
        news = not told and self._provider_failures.get(provider) is not type(error)
        self._provider_failures[provider] = type(error)
        facts = self._chapters.log_facts(claim)
        text = say("node.provider_failed", provider=provider, reason=str(error), **facts)
        log.log(logging.WARNING if news else logging.DEBUG, text)
        self.listener(NodeEvent("provider", claim.task_id, provider=provider, error=error))

    async def _hand_back(self, claim: Claim, delay: float = 0.0, *, counted: bool = False) -> None:
        """Return a chapter without counting a failure; during an outage its lease expires instead."""
        try:
            await self.stores.queue.release([claim], counted=counted, delay=delay)
            # A leaving node doesn't wait for SQL: the next node that claims the chapter writes its state.
            async with asyncio.timeout(LEAVING_SECONDS if self._stopping else None):
                await self.stores.ledger.chapters.hand_back([(claim.task_id, claim.chapter_id, claim.token)])
        except errors.ServiceDown as error:
            self.stores.outages.report_down(error)
        except errors.ServiceRefused as error:
            self.give_up(error)
        except TimeoutError:
            log.warning(say("node.service_silent", service="sql"))

    def _task_stuck(self, task_id: int, error: Exception) -> None:
        self.unpublished_tasks.add(task_id)
        self.listener(NodeEvent("stuck", task_id, error=error))
        self._is_ended_by(error)

    def _task_closed(self, task_id: int, status: TaskStatus) -> None:
        self.unpublished_tasks.add(task_id)
        self.listener(NodeEvent("task", task_id, outcome=status.value))

    # --- main's commands

    async def check_tasks(self) -> None:
        """Hand back the chapters of tasks that main paused, cancelled or deleted.

        A paused task's requests are paid: they end in the reply cache, but none begins.
        """
        ids = {c.task_id for c in self._running.values()} | set(self.task_keeper.open_tasks)
        stopped = await self.task_keeper.check_statuses(sorted(ids))
        paused = {task_id for task_id, status in stopped.items() if status is TaskStatus.PAUSED}
        for claim in self._running.values():
            if claim.task_id in paused:
                self.stores.renewer.give_up(claim)
        ended = stopped.keys() - paused
        self._cancel(work for work, claim in self._running.items() if claim.task_id in ended)
        await self.task_keeper.release_all_except(queues_of(self.providers.served(), self.settings.prefixes))
