"""A node's life: it claims, works its slots, keeps tasks open, and leaves without losing anything."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kgnb.ask import Asker
from kgnb.chapter import ChapterWorker, Outcome, Stores
from kgnb.errors import (
    AuthRejected,
    KgnbError,
    LeaseLost,
    ProviderDown,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    ServiceDown,
)
from kgnb.llm.limits import Breaker, SlotLimiter
from kgnb.model import TaskStatus
from kgnb.pool import CpuPool
from kgnb.providers import Providers
from kgnb.settings import Settings
from kgnb.slots import Slots, queues_of, share
from kgnb.store.queue import Ask, Claim, Poll, QueueState
from kgnb.task import TaskKeeper
from kgnb.texts import say

log = logging.getLogger(__name__)

SHORTEST_WAIT = 0.2
LONGEST_WAIT = 2.0
"""Seconds between two polls of a node that has nothing to do; it doubles from the first to the last."""


@dataclass(frozen=True, slots=True)
class Happened:
    """Something a listener may want to know: a chapter's or a task's end, a provider's pause."""

    what: str  # "chapter", "task", "provider"
    task_id: int = 0
    chapter_id: int = 0
    outcome: str = ""
    provider: str = ""
    error: KgnbError | None = None


class Node:
    """One worker node on one event loop. ``only_task`` makes it serve a single task (``build``)."""

    def __init__(
        self,
        stores: Stores,
        providers: Providers,
        asker: Asker,
        breaker: Breaker,
        pool: CpuPool,
        settings: Settings,
        *,
        only_task: int | None = None,
        listener: Callable[[Happened], None] = lambda _: None,
    ) -> None:
        self.stores = stores
        self.providers = providers
        self.breaker = breaker
        self.settings = settings
        self.only_task = only_task
        self.slots = Slots()
        self.states: dict[str, QueueState] = {}
        self.keeper = TaskKeeper(stores, providers, pool, on_closed=self._task_closed)
        self._chapters = ChapterWorker(stores, asker)
        self._limiters: dict[str, SlotLimiter] = {}
        self._listener = listener
        self._running: dict[asyncio.Task[None], Claim] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._suspended: dict[str, float] = {}
        self._turn = 0
        self._seen_newer = False

    # --- life

    async def run(self, *, drain: bool = False, until: Callable[[], bool] = lambda: False) -> None:
        """Works until :meth:`stop`, until ``until()`` holds, or with ``drain`` until nothing is left.

        Raises only what waiting can't mend (ServiceRefused, SettingsError); outages are waited out.
        """
        idle = SHORTEST_WAIT
        while not self._stopping and not until():
            self._wake.clear()
            poll = await self._poll()
            busy = poll is not None and await self._act_on(poll)
            if drain and poll is not None and not busy and self._nothing_left():
                return
            idle = SHORTEST_WAIT if busy or self._running else min(idle * 2, LONGEST_WAIT)
            await self._rest(idle * random.uniform(0.7, 1.0))  # noqa: S311 - jitter, not a secret

    def stop(self) -> None:
        """No new claims from now on; :meth:`run` returns soon. May be called from the loop only."""
        self._stopping = True
        self._wake.set()

    def wake(self) -> None:
        """Polls at once instead of after the rest of the pause."""
        self._wake.set()

    async def leave(self, seconds: float) -> None:
        """Waits up to ``seconds`` for chapters in flight, then hands everything back."""
        self._stopping = True
        if self._running and seconds > 0:
            await asyncio.wait(list(self._running), timeout=seconds)
        for work in list(self._running):
            work.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.keeper.release_all()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    def _nothing_left(self) -> bool:
        idle = not self._running and not self.keeper.held
        return idle and not any(
            s.waiting or s.leased or s.delayed or s.open_tasks for s in self.states.values()
        )

    # --- polling

    async def _poll(self) -> Poll | None:
        asks = self._asks()
        try:
            poll = await self.stores.queue.poll(asks, [p.name for p in self.providers.served()])
        except ServiceDown as error:
            self.stores.health.failed(error)
            return None
        self.stores.health.answered("redis")
        self.states = poll.state
        self._suspended = poll.suspended
        return poll

    def _asks(self) -> list[Ask]:
        served = self.providers.served()
        queues = queues_of(served, self.settings.prefixes)
        self._turn += 1
        wanted: dict[str, int] = {}
        for provider in served:
            own = [q for q, key in queues.items() if key == provider.key]
            wanted |= share(self._free(provider.key, len(served)), own, self.states, self._turn)
        outage = self.stores.health.is_down("sql", "bolt")
        closed = self._stopping or outage
        return [self._ask(queue, 0 if closed else wanted[queue], closed, outage) for queue in queues]

    def _ask(self, queue: str, chapters: int, closed: bool, outage: bool) -> Ask:
        mine = tuple(t for t, h in self.keeper.held.items() if h.claim.queue == queue and h.step is None)
        return Ask(
            queue=queue,
            chapters=chapters,
            tasks=0 if closed or self._paused(queue.rpartition(":")[2]) else 1,
            only_task=self.only_task,
            idle=not self._running,
            outage=outage,
            mine=mine,
        )

    def _free(self, key: str, served: int) -> int:
        if self._paused(key):
            return 0
        most = self.settings.slots_for(served)
        limit = min(most, self._limiter(key).slots)
        return max(0, limit - self.slots.busy(key))

    def _limiter(self, key: str) -> SlotLimiter:
        if key not in self._limiters:
            self._limiters[key] = SlotLimiter(self.settings.slots_for(1))
        return self._limiters[key]

    def _paused(self, key: str) -> bool:
        now = time.time()
        names = [p.name for p in self.providers.served() if p.key == key]
        return any(self._suspended.get(n, 0) > now for n in names)

    # --- acting

    async def _act_on(self, poll: Poll) -> bool:
        if poll.newer and not self._seen_newer:
            self._seen_newer = True
            log.warning(say("node.newer_items", count=poll.newer))
        if poll.buried:
            await self.stores.health.patiently("sql", lambda: self.keeper.bury(poll.buried))
        for claim in poll.claims:
            if claim.kind == "task":
                self.stores.renewer.hold(claim)
                self.keeper.take(claim)
            else:
                self._start(claim)
        for (_, task_id), left in poll.left.items():
            if left == 0:
                self.keeper.nothing_left(task_id)
        return bool(poll.claims)

    def _start(self, claim: Claim) -> None:
        self.stores.renewer.hold(claim)
        key = claim.queue.rpartition(":")[2]
        self.slots.add(claim, key, time.time())
        work = asyncio.create_task(self._work(claim, key))
        self._running[work] = claim
        work.add_done_callback(lambda done: self._ended(done, claim))

    def _ended(self, work: asyncio.Task[None], claim: Claim) -> None:
        self._running.pop(work, None)
        self.slots.remove(claim)
        self.stores.renewer.forget(claim)
        self._wake.set()
        if not work.cancelled() and work.exception() is not None:
            log.error(
                say("node.slot_broke", task=claim.task_id, chapter=claim.chapter_id),
                exc_info=work.exception(),
            )

    async def _work(self, claim: Claim, key: str) -> None:
        try:
            await self._chapter(claim, key)
        except LeaseLost:
            log.info(say("node.chapter_moved", task=claim.task_id, chapter=claim.chapter_id))
        except (Exception, asyncio.CancelledError):
            await asyncio.shield(self._hand_back(claim))
            raise

    async def _chapter(self, claim: Claim, key: str) -> None:
        sql = self.stores.health
        info = await sql.patiently("sql", lambda: self.keeper.info(claim.task_id, claim.queue))
        if info is None:
            await self.stores.queue.ack([claim])
            return
        started = time.monotonic()
        try:
            outcome = await self._chapters.run(claim, info)
        except ProviderError as error:
            await self._provider_failed(info.provider.name, key, error)
            await self._hand_back(claim)
            return
        if outcome in (Outcome.COMPLETED, Outcome.SKIPPED):
            await self._succeeded(info.provider.name, key)
        if outcome is not Outcome.NOT_OURS:
            seconds = round(time.monotonic() - started, 1)
            log.info(
                say(
                    "node.chapter",
                    task=claim.task_id,
                    chapter=claim.chapter_id,
                    outcome=outcome.value,
                    seconds=seconds,
                )
            )
            self._listener(Happened("chapter", claim.task_id, claim.chapter_id, outcome.value, key))

    async def _hand_back(self, claim: Claim) -> None:
        back = [(claim.task_id, claim.chapter_id, claim.token)]
        await self.stores.ledger.hand_back(back)
        await self.stores.queue.release([claim])

    async def _succeeded(self, name: str, key: str) -> None:
        self._limiter(key).succeeded()
        await self.breaker.success(name)

    async def _provider_failed(self, name: str, key: str, error: ProviderError) -> None:
        if isinstance(error, RateLimited):
            self._limiter(key).limited()
            await self.breaker.not_before(name, error.retry_after)
        elif isinstance(error, AuthRejected | QuotaExhausted):
            await self.breaker.pause(name, self.settings.suspend_seconds, str(error))
        elif isinstance(error, ProviderDown):
            await self.breaker.failure(name, str(error))
        log.warning(say("node.provider_failed", provider=name, reason=str(error)))
        self._listener(Happened("provider", provider=name, error=error))

    def _task_closed(self, task_id: int, status: TaskStatus) -> None:
        self._listener(Happened("task", task_id, outcome=status.value))
        self._wake.set()

    # --- main's commands

    async def watch_tasks(self) -> None:
        """Hands back the chapters of tasks that were paused, cancelled or deleted meanwhile."""
        ids = {c.task_id for c in self._running.values()} | set(self.keeper.held)
        if not ids:
            return
        stopped = await self.keeper.watch(sorted(ids))
        self.cancel(stopped)

    def cancel(self, task_ids: Sequence[int] | set[int]) -> None:
        """Stops the chapters in flight of these tasks; they are handed back."""
        for work, claim in list(self._running.items()):
            if claim.task_id in task_ids:
                work.cancel()
