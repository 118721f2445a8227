"""Opens tasks, keeps them open, refreshes their graphs and closes them.

All of it is one repeatable step, :meth:`TaskKeeper.advance`: open the task in SQL, then list its open
chapters in the queue or, when there are none, refresh the graph and close the task. After a crash the next
node that takes the task's item runs the same step and continues where the last one stopped.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial

from kgnb.core.errors import GraphConflict, KgnbError, LeaseLost, ServiceDown
from kgnb.core.event_loop import at_once
from kgnb.core.messages import say
from kgnb.core.model import ACTIVE_STATUSES, RULES, STOPPED_STATUSES, Task, TaskStatus
from kgnb.stores.ledger.task_lifecycle import Opening
from kgnb.stores.queue.types import MAX_FAILURES, BuriedItem, Claim, QueueName
from kgnb.worker.backoff import Backoff
from kgnb.worker.book_process import book_runner, freeze_names
from kgnb.worker.chapter_worker import Stores
from kgnb.worker.extractor import TaskInfo
from kgnb.worker.outages import FIRST_WAIT, LONGEST_WAIT
from kgnb.worker.process_pool import CpuPool
from kgnb.worker.provider_registry import ProviderRegistry
from kgnb.worker.refresh import Refresh, Refreshes
from kgnb.worker.task_router import TaskRouter

log = logging.getLogger(__name__)

STUCK_SECONDS = 5.0
"""Delay before a task that can't go on is taken again."""


@dataclass(slots=True)
class OpenTask:
    """A task that this node keeps open."""

    claim: Claim
    since: float  # epoch seconds
    info: TaskInfo | None = None
    step: asyncio.Task[None] | None = None  # the running advance, if any
    refresh: Refresh | None = None  # while it waits for it, to be closed then


@dataclass(eq=False, repr=False)
class TaskKeeper:
    """Keeps tasks open on behalf of all nodes.

    ``on_step()`` is called when a step ended: chapters may be listed. ``on_closed(task_id, status)`` is
    called when a task was closed here, ``on_stuck(task_id, error)`` when one fails: it goes back to the queue
    for :data:`STUCK_SECONDS`, or ends as failed.
    """

    stores: Stores
    providers: ProviderRegistry
    pool: CpuPool
    on_step: Callable[[], None]
    on_closed: Callable[[int, TaskStatus], None]
    on_stuck: Callable[[int, Exception], None]

    def __post_init__(self) -> None:
        self._router = TaskRouter(self.stores.ledger, self.providers)
        self._refreshes = Refreshes()
        self._infos: dict[tuple[int, QueueName], TaskInfo] = {}
        self._info_lock = asyncio.Lock()
        self.open_tasks: dict[int, OpenTask] = {}
        self._logged_reasons: dict[int, str] = {}  # task id → why it can't go on, as last logged
        self.announce: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)
        """Writes the open tasks to Redis, where main reads them."""

    # --- what chapters need

    async def info(self, task_id: int, queue: QueueName) -> TaskInfo | None:
        """Return what extraction needs of an open task (names, config, provider, model); None when the task
        is gone or was never opened.
        """
        async with self._info_lock:
            known = self._infos.get((task_id, queue))
            if known is not None and self._is_current(known):
                return known
            ledger = self.stores.ledger
            task, frozen = await at_once(ledger.tasks.get(task_id), ledger.names.frozen(task_id))
            if task is None or frozen is None:
                return None
            books, novel_id = ledger.books, task.novel_id
            route = await self._router.route(task, queue)
            novel, lang, chars = await at_once(
                books.novel(novel_id),
                books.language(novel_id),
                books.chars(novel_id),
            )
            info = self._infos[(task_id, queue)] = TaskInfo(
                task=task,
                novel=novel,
                lang=lang,
                chars=chars,
                names=frozen,
                config=route.config,
                provider=route.provider,
                model=route.model,
            )
            return info

    def _is_current(self, info: TaskInfo) -> bool:
        """Return whether the provider's models are those that the info was made with."""
        provider = self.providers.find(info.provider.lower_name)
        return provider is None or provider.models == info.provider.models

    # --- steps

    async def take(self, claim: Claim) -> None:
        """Open the task of a claimed item; a task that is open from another queue goes on there.

        On ServiceDown the lease of ``claim`` is left to expire.
        """
        kept = self.open_tasks.get(claim.task_id)
        if kept is not None and kept.claim.queue != claim.queue:
            await self._redirect_item(claim, kept.claim.queue)
            return
        self.stores.renewer.hold(claim)
        held = self.open_tasks[claim.task_id] = OpenTask(claim, time.time())
        self._start(held)

    async def _redirect_item(self, claim: Claim, queue: QueueName) -> None:
        """Acknowledge an item of a task that is open from ``queue``; push a fresh one there instead.

        Producers push to either prefix, but chapters of a task come from one queue only.
        """
        log.info(say("node.task_elsewhere", task=claim.task_id, queue=queue))
        there = (await self.stores.queue.find_tasks([queue])).get(claim.task_id) if claim.fresh else None
        if claim.fresh and not (there and there.fresh):  # else they would pile up while nobody takes any
            await self.stores.queue.push(queue, claim.task_id)
        await self.stores.queue.ack([claim], elsewhere=True)

    def idle_tasks(self, queue: QueueName) -> tuple[int, ...]:
        """Return the ids of the tasks opened from ``queue`` for which no step is running."""
        return tuple(t for t, h in self.open_tasks.items() if h.claim.queue == queue and h.step is None)

    def _idle(self, task_id: int) -> OpenTask | None:
        """Return an open task for which no step runs; None for any other."""
        held = self.open_tasks.get(task_id)
        return held if held is not None and held.step is None else None

    def reopen(self, task_id: int, claim: Claim | None = None) -> None:
        """Open a task again: a producer pushed it again (``claim``), or none of its chapters is left."""
        if held := self._idle(task_id):
            held.claim = claim or held.claim
            self._start(held)

    def on_lease_lost(self, task_id: int) -> None:
        """Stop keeping a task whose lease another node holds by now."""
        if held := self._idle(task_id):
            self._remove(held)

    def _start(self, held: OpenTask) -> None:
        held.step = asyncio.create_task(self._advance_and_log(held))

    async def _advance_and_log(self, held: OpenTask) -> None:
        try:
            await self._advance_until_done(held)
        except LeaseLost:
            self._remove(held)  # another node keeps it now
        except KgnbError as error:
            news = self._logged_reasons.get(held.claim.task_id) != str(error)
            self._logged_reasons[held.claim.task_id] = str(error)
            text = say("node.task_stuck", task=held.claim.task_id, reason=str(error))
            log.log(logging.ERROR if news else logging.DEBUG, text)
            self.on_stuck(held.claim.task_id, error)
            await self._give_back(held, STUCK_SECONDS)
        except BrokenProcessPool as error:
            await self._count_failure(held, error, say("node.book_process_died"))
        except Exception as error:  # a bug on this task must neither spin nor stop the others
            log.exception(say("node.task_broke", task=held.claim.task_id))
            await self._count_failure(held, error, f"{error!r}.")
        finally:
            held.step = None
            self.on_step()

    async def _advance_until_done(self, held: OpenTask) -> None:
        backoff = Backoff(FIRST_WAIT, LONGEST_WAIT, jitter=0.0)
        give_up = time.monotonic() + self.stores.queue.lease_seconds
        while True:
            try:
                if await self.advance(held):
                    self._logged_reasons.pop(held.claim.task_id, None)
                    return
            except ServiceDown as error:
                self.stores.outages.report_down(error)
                if error.service == "bolt" and time.monotonic() >= give_up:  # another node may reach it
                    await self._give_back(held, STUCK_SECONDS)
                    return
            except GraphConflict:
                pass  # opened again after the wait: main may have stopped the task or deleted its novel
            if self.stores.renewer.lost(held.claim):
                raise LeaseLost("node.lease_lost")
            await asyncio.sleep(backoff.delay())

    async def advance(self, held: OpenTask) -> bool:
        """Open the task, then list its open chapters, or refresh its graph and close it when there are none;
        return whether the step is done.

        False where it is to be tried again: all its chapters are in flight from another queue, or it can't be
        read yet.
        """
        claim = held.claim
        _, dead, foreign, task = await at_once(
            self._announce(held),
            self.stores.queue.dead_chapters(claim),
            self._foreign_tasks(held),
            self.stores.ledger.tasks.get(claim.task_id),
        )
        opening = await self._open(held, task, foreign) if task is not None else None
        if opening is not None and opening.outcome == "elsewhere":
            await self._redirect_item(claim, QueueName(opening.task.queue))
            self._remove(held)
            return True
        if opening is not None and opening.outcome == "stale":
            # Another node has the lease, or Redis lost its tokens and its clock is behind.
            await self._give_back(held, above=opening.token)
            return True
        if opening is None or opening.outcome != "open":
            outcome = opening.outcome if opening is not None else "gone"
            log.info(say("node.task_dropped", task=claim.task_id, outcome=outcome))
            await self._ack_and_remove(held)
            if opening is not None and opening.outcome == "finished":
                self.on_closed(claim.task_id, opening.task.status)
            return True
        if not opening.chapters:
            held.info = await self._info_of_opened(claim, opening)
            if held.info is not None:
                await self._refresh_and_close(held, held.info)
            return held.info is not None
        held.info, in_flight = await at_once(
            self._info_of_opened(claim, opening), self._forget_elsewhere(claim)
        )
        if held.info is None:
            return False  # the next step drops it
        return await self._list_chapters(held, opening.chapters, in_flight, dead)

    async def _announce(self, held: OpenTask) -> None:
        if held.info is None:
            await self.announce()  # main resets a running task that no worker hash names

    async def _foreign_tasks(self, held: OpenTask) -> Collection[int]:
        """Return the ids of tasks of old workers, where this task might be one; () else."""
        first = held.claim.fresh and held.info is None
        return await self.stores.queue.foreign_tasks() if first else ()

    async def _forget_elsewhere(self, claim: Claim) -> set[int]:
        """Take the task out of every other queue; return the ids of its chapters in flight from there."""
        queue = self.stores.queue
        others = [name for name in await self.providers.all_queues(queue) if name != claim.queue]
        return await queue.forget_task(others, claim.task_id)

    async def _list_chapters(
        self, held: OpenTask, wanted: Sequence[int], in_flight: Collection[int], dead: Collection[int]
    ) -> bool:
        """List chapters in the queue, but none in flight from another one; return whether any was listed.
        Raises LeaseLost.

        Those of ``dead`` leave the dead list.
        """
        claim = held.claim
        chapters = [chapter for chapter in wanted if chapter not in in_flight]
        if not await self.stores.queue.open_task(claim, chapters, dead):
            raise LeaseLost("node.lease_lost")
        held.refresh = None  # one that is running now misses these chapters
        # A fresh item would start a paused task again; its failures are over (opened.lua).
        held.claim = replace(claim, fresh=False, failures=0)
        if chapters:
            log.info(say("node.task_open", task=claim.task_id, chapters=len(chapters)))
        return bool(chapters)

    async def _open(self, held: OpenTask, task: Task, foreign: Collection[int]) -> Opening:
        """Return the opening of the task, as it was read a moment ago."""
        ledger, claim = self.stores.ledger, held.claim
        # Should the old worker die, main queues the task again. A fresh item of a paused one is a retry.
        if task.id in foreign and task.status in ACTIVE_STATUSES:
            return Opening("old_worker", task, [])
        route = await self._router.route(task, claim.queue)
        rules = claim.queue.with_provider(RULES)
        served = RULES in (provider.lower_name for provider in self.providers.served())
        if route.provider.is_rules and served and claim.queue not in (rules, task.queue):
            # Not behind an LLM's pauses and limits.
            return Opening("elsewhere", replace(task, queue=rules), [])
        return await ledger.task_lifecycle.open(
            claim.task_id,
            queue=claim.queue,
            instead_of=task.queue if await self._is_deserted(task, claim.queue) else "",
            provider=route.provider.name,
            model=route.model,
            token=claim.token,
            fresh=claim.fresh,
        )

    async def _is_deserted(self, task: Task, queue: QueueName) -> bool:
        """Return whether the task was opened from another queue that no longer has it."""
        if task.queue in ("", queue):
            return False
        opened_from = QueueName(task.queue)
        if await self.providers.is_gone(opened_from.provider_key):
            return True
        return task.id not in await self.stores.queue.find_tasks([opened_from])

    async def _info_of_opened(self, claim: Claim, opening: Opening) -> TaskInfo | None:
        """Return the info of an opened task, with its names frozen; None where it was deleted meanwhile."""
        if (known := await self.info(claim.task_id, claim.queue)) is not None:
            return known
        route = await self._router.route(opening.task, claim.queue)
        await freeze_names(self.stores.ledger, self.pool, opening.task, route)
        return await self.info(claim.task_id, claim.queue)

    async def mark_buried(self, buried: Sequence[BuriedItem]) -> None:
        """Mark chapters failed that the queue moved to the dead list; log what went there."""
        garbage = [b for b in buried if not b.task_id]  # in no later poll again
        if garbage:
            first, count = garbage[0], len(garbage)
            log.warning(say("node.garbage", queue=first.queue, count=count, reason=first.reason))
        await self.stores.ledger.chapters.fail(buried)
        await self.stores.queue.confirm_buried(buried)
        for b in buried:
            if b.task_id:
                facts = {"task": b.task_id, "chapter_id": b.chapter_id, "reason": b.reason}
                log.warning(say("node.dead_letter", **facts))

    async def _refresh_and_close(self, held: OpenTask, info: TaskInfo) -> None:
        claim, started = held.claim, time.monotonic()
        held.refresh = held.refresh or self._refresh(held, info)
        if not await self._refreshes.attempt(held.refresh):
            raise GraphConflict("graph.conflict", novel=info.novel.id)
        held.refresh = None
        status = await self.stores.ledger.task_lifecycle.close(claim.task_id, claim.token)
        if status is None:
            return  # a chapter is pending again; closed by a later poll
        await self._ack_and_remove(held)
        seconds = time.monotonic() - started
        log.info(say("node.task_closed", task=claim.task_id, status=status.value, seconds=round(seconds, 1)))
        self.on_closed(claim.task_id, status)

    def _refresh(self, held: OpenTask, info: TaskInfo) -> Refresh:
        """Return the refresh of an open task's novel."""
        stores, task = self.stores, held.claim.task_id
        run, seconds = book_runner(self.pool, info.provider, info.chars), stores.queue.lease_seconds
        holds = partial(stores.renewer.holds, held.claim)
        return Refresh(stores.ledger, stores.graph, run, info.novel.id, seconds, task, holds)

    async def refresh_in_mid_run(self) -> None:
        """Refresh the graphs of open tasks that are due, while their chapters go on.

        Raises ServiceDown. A process that dies is told; the refresh before the task closes counts it.
        """
        if self.stores.graph is None or self.stores.outages.is_down("bolt"):
            return
        open_tasks = {task_id: held for task_id, held in self.open_tasks.items() if held.step is None}
        ended = await self.stores.ledger.tasks.completed_chapters(list(open_tasks))
        wanted = [
            (self._refresh(held, held.info), ended.get(task_id, 0))
            for task_id, held in open_tasks.items()
            if held.info is not None
        ]
        try:
            await self._refreshes.in_mid_run(wanted)
        except BrokenProcessPool:
            log.warning(say("node.refresh_died"))

    # --- ends

    async def _ack_and_remove(self, held: OpenTask) -> None:
        claim = held.claim
        await self.stores.queue.ack([claim])
        await self.stores.queue.drop_task(claim.queue, claim.task_id)
        self._remove(held)

    def _remove(self, held: OpenTask) -> None:
        if self.open_tasks.get(held.claim.task_id) is held:
            del self.open_tasks[held.claim.task_id]
        self.stores.renewer.forget(held.claim)
        self._infos.pop((held.claim.task_id, held.claim.queue), None)

    async def _give_back(self, held: OpenTask, delay: float = 0.0, *, above: int = 0) -> None:
        self._remove(held)
        await self._release([held], delay, above=above)

    async def _count_failure(self, held: OpenTask, error: Exception, reason: str) -> None:
        """Hand a task back whose scan or refresh broke, or end it as failed after :data:`MAX_FAILURES`."""
        claim, stores = held.claim, self.stores
        self._remove(held)
        given_up = KgnbError("node.task_given_up", task=claim.task_id, reason=reason)
        last = claim.failures + 1 >= MAX_FAILURES
        try:
            if last and await stores.ledger.task_commands.give_up(claim.task_id, str(given_up)):
                log.error(str(given_up))
                error = given_up
                await self._ack_and_remove(held)
            else:
                log.error(say("node.task_stuck", task=claim.task_id, reason=reason))
                await stores.queue.fail(claim, reason, delay=STUCK_SECONDS)
        except ServiceDown as outage:  # the lease expires
            stores.outages.report_down(outage)
        self.on_stuck(claim.task_id, error)

    async def _release(self, held: Sequence[OpenTask], delay: float = 0.0, *, above: int = 0) -> None:
        """Return items to the queue; during an outage their leases expire instead."""
        try:
            await self.stores.queue.release([h.claim for h in held], delay=delay, above=above)
        except ServiceDown as error:
            self.stores.outages.report_down(error)

    async def release_all_except(self, queues: Collection[QueueName] = ()) -> None:
        """Hand every open task back, except those of ``queues``, for other nodes to take at once."""
        held = [h for h in self.open_tasks.values() if h.claim.queue not in queues]
        for one in held:
            self._remove(one)
            if one.step is not None:
                one.step.cancel()
        await asyncio.gather(*(h.step for h in held if h.step is not None), return_exceptions=True)
        if held:
            await self._release(held)

    async def check_statuses(self, task_ids: Sequence[int]) -> dict[int, TaskStatus | None]:
        """Return task id → status of those tasks that main paused or cancelled; None as status for a deleted
        task or one whose novel is deleted.

        An open task that main reset or ended before it was finished is opened again. Cached infos of all
        tasks that are not in ``task_ids`` are dropped.
        """
        self._infos = {key: info for key, info in self._infos.items() if key[0] in task_ids}
        if not task_ids:
            return {}
        statuses = await self.stores.ledger.tasks.statuses(task_ids)
        stopped = {t: status for t in task_ids if (status := statuses.get(t)) in (None, *STOPPED_STATUSES)}
        for task_id, held in list(self.open_tasks.items()):
            if held.step is None and (task_id in stopped or statuses.get(task_id) != TaskStatus.RUNNING):
                self._start(held)
        return stopped
