"""Build: a book's task becomes a graph, by a node that runs here until the task is closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from kgnb.app.build_result import BuildResult, book_figures
from kgnb.app.context import App
from kgnb.app.running_node import running_node
from kgnb.app.submit import Plan, is_finished, plan, plan_stored, refresh_finished
from kgnb.app.tasks import cancel_task
from kgnb.book.model import Book
from kgnb.core import errors
from kgnb.core.errors import BuildStopped
from kgnb.core.event_loop import at_once
from kgnb.core.formatting import time_of_day
from kgnb.core.model import STOPPED_STATUSES, BuildStep, Progress, Provider, Task, TaskStatus, Usage
from kgnb.stores.queue.breaker import ProviderState
from kgnb.stores.queue.types import QueueName
from kgnb.worker import book_process
from kgnb.worker.node import NodeEvent

STALL_SECONDS = 1500.0
"""Seconds without progress after which `build` gives up: a chapter that hangs goes to another node, and a
pause of a provider ends, in less."""
STUCK_TIMES = 3
"""`build` gives up after this many failures in a row to open its task or refresh its graph."""
POLL_SECONDS = 1.0
"""How often `build` reads progress, and whether another node closed the task, from SQL."""

Listener = Callable[[BuildStep], None]
R = TypeVar("R")


async def build(
    app: App,
    book: Book,
    path: Path,
    provider: str | None = None,
    *,
    again: bool = False,
    listener: Listener = lambda _: None,
) -> BuildResult:
    """Turn a book into a graph; return the result when its task, and those for chapters added meanwhile, are
    closed.

    The result describes the last task; its cost is that of all. Raises BuildStopped without progress for
    :data:`STALL_SECONDS`, and at once when the provider refuses the key, is out of quota, doesn't know the
    model or is paused for longer. Finished work is kept.
    """
    started = time.monotonic()
    chosen = app.providers.requested(provider)
    planning = asyncio.create_task(_plan_and_scan(app, book, path, chosen, listener, again))
    del book  # once its texts are stored, their memory is free
    planned = await planning
    if planned.found_finished:
        listener(planned.step("found", await app.ledger.task_stats.progress(planned.task.id)))
        await refresh_finished(app, planned)
    worked: list[int] = []
    while not planned.found_finished:
        worked.append(planned.task.id)
        await bring_to_end(app, planned, listener)
        if again:
            break
        planned = await TaskWatch(app).retry("sql", partial(plan_stored, app, planned, worked=worked))
    return await summary(app, planned, time.monotonic() - started, worked)


async def _plan_and_scan(
    app: App, book: Book, path: Path, chosen: Provider, tell: Listener, again: bool
) -> Plan:
    """Return :func:`plan`'s result after the name scan of a new task. What is down raises before anything is
    written.
    """
    asked = app.router.model_for(chosen), app.ledger.books.find_novel_id(book.sha256)
    model, known = await at_once(*asked)
    found = not again and known is not None and await is_finished(app, book.facts, known, chosen, model)
    # A text that is new is scanned while the services are asked and it is stored.
    scanning = asyncio.create_task(book_process.scan_book(app.pool, chosen, book)) if known is None else None
    try:
        if not found and not chosen.is_rules:
            await at_once(app.providers.client(chosen).models(), app.open_graph())
        await app.open_graph()
        planned = await plan(app, book, path, chosen.name, again=again, model=model)
        del book
        if not (planned.found_finished or planned.resumed):
            tell(planned.step("scan", Progress()))
            route = await app.router.route(planned.task, QueueName(planned.task.queue))
            scan = book_process.freeze_names(app.ledger, app.pool, planned.task, route, scanning)
            # The node repeats one that failed, and reports it.
            await asyncio.gather(scan, return_exceptions=True)
        return planned
    finally:
        if scanning is not None:
            scanning.cancel()
            await asyncio.gather(scanning, return_exceptions=True)


async def bring_to_end(app: App, planned: Plan, listener: Listener) -> None:
    """Run a node until the plan's task is closed. Raises what :func:`build` raises."""
    stage = "resumed" if planned.resumed else "started"
    progress = await app.ledger.task_stats.progress(planned.task.id) if planned.resumed else Progress()
    listener(planned.step(stage, progress))
    try:
        await _run_node(app, planned, listener)
    except BuildStopped as stopped:
        if isinstance(stopped.__cause__, errors.EndpointWrong) and not planned.resumed:
            await withdraw_unstarted(app, planned.task)
        raise
    progress, _ = await TaskWatch(app).read(planned.task.id)
    listener(planned.measured_step(app, "done", progress))


async def withdraw_unstarted(app: App, task: Task) -> None:
    """Cancel a new task whose provider has no such model, unless a chapter ended before.

    With another model the same command makes another task: no node should take this one up any more.
    """
    with suppress(errors.KgnbError):  # the refusal is what to tell
        if (await app.ledger.task_stats.progress(task.id)).ended == 0:
            await cancel_task(app, task.id)


@dataclass(slots=True)
class TaskWatch:
    """The watched task, by the node's events and by SQL; patience while services are down."""

    app: App
    closed: bool = False
    refused: Exception | None = None
    stuck: int = 0  # times in a row
    progress_at: float = field(default_factory=time.monotonic)

    def on_event(self, event: NodeEvent) -> None:
        """Note what a node's event says about the task: that it closed, or why it can't go on."""
        if event.kind == "task":
            self.closed = True
        elif isinstance(event.error, errors.AuthRejected | errors.QuotaExhausted | errors.RequestRejected):
            self.refused = event.error
        elif event.kind == "stuck":
            self.stuck += 1
            if self.stuck == STUCK_TIMES:
                self.refused = event.error
        elif event.kind == "chapter":
            self.stuck = 0

    @property
    def is_stalled(self) -> bool:
        """Whether nothing has progressed for STALL_SECONDS (1,500)."""
        return time.monotonic() - self.progress_at > STALL_SECONDS

    def stall_error(self, reason: str = "") -> BuildStopped:
        """Return the error of a build without progress; it names the service that is down, else
        ``reason``.
        """
        down = next(iter(self.app.outages.down.values()), None)
        reason = reason if down is None else f"{down} "
        minutes = round(STALL_SECONDS / 60)
        return BuildStopped("build.stalled", minutes=minutes, reason=reason)

    async def retry(self, service: str, call: Callable[[], Awaitable[R]]) -> R:
        """Retry ``call`` while the service is down; raises BuildStopped after a stall."""
        try:
            return await self.app.outages.retry_until_up(service, call, lost=lambda: self.is_stalled)
        except errors.LeaseLost:
            raise self.stall_error() from None

    async def read(self, task_id: int) -> tuple[Progress, Task | None]:
        """:meth:`retry` to read the task and its progress."""
        ledger = self.app.ledger
        reading = ledger.task_stats.progress, ledger.tasks.get
        progress, task = await self.retry("sql", lambda: at_once(*(read(task_id) for read in reading)))
        return progress, task


async def _run_node(app: App, planned: Plan, listener: Listener) -> None:
    watch = TaskWatch(app)
    app.providers.serve_only(planned.provider)
    async with running_node(app, only_task=planned.task.id, listener=watch.on_event) as node:
        if not planned.provider.is_rules:
            await node.throttle.pauses.lift_automatic(planned.provider)
        watching = asyncio.create_task(watch_task(app, planned, watch, listener))
        try:
            await node.run(until=lambda: watch.closed or watch.refused is not None or watching.done())
        except errors.ServiceRefused as error:
            watch.refused = error
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        failure = watching.exception() if watching.done() and not watching.cancelled() else None
        if isinstance(failure, errors.ServiceRefused):
            watch.refused = watch.refused or failure
        if watch.refused is not None:
            known = isinstance(watch.refused, errors.KgnbError)
            reason = str(watch.refused) if known else f"{watch.refused!r}."
            raise BuildStopped("build.refused", reason=reason) from watch.refused
        if failure is not None:
            raise failure


async def watch_task(app: App, planned: Plan, watch: TaskWatch, listener: Listener) -> None:
    """Report progress until the task is closed; raises BuildStopped when it is stopped, and when nothing
    progresses or SQL is down.
    """
    before, opened = -1, False
    while not watch.closed:
        progress, task = await watch.read(planned.task.id)
        if progress.ended != before:  # chapters that are handed back and claimed again are no progress
            before, watch.progress_at = progress.ended, time.monotonic()
        waited = max(app.providers.ages(planned.provider), default=0.0)
        opened = opened or (task is not None and task.status is TaskStatus.RUNNING)
        stage = _stage(progress, opened)
        listener(planned.measured_step(app, stage, progress, waited=waited))
        # The item that this build queued starts a paused task: only a pause after that ends the build.
        stopped = STOPPED_STATUSES if opened else (TaskStatus.CANCELLED,)
        if task is None or task.status in stopped:
            paused = task is not None and task.status is TaskStatus.PAUSED
            how = "build.paused_elsewhere" if paused else "build.stopped_elsewhere"
            raise BuildStopped(how, task=planned.task.id)
        if await _is_given_up(task, watch):
            raise BuildStopped("build.refused", reason=task.error)
        watch.closed = watch.closed or task.ended
        if not app.queue_alive:
            raise BuildStopped("build.engines_gone")
        if stage != "refreshing" and not (waited or planned.provider.is_rules):
            _check_pause(await _state(app, planned.provider), planned.provider.name)
        if watch.is_stalled:
            answer = (await _state(app, planned.provider)).answer
            raise watch.stall_error(f"{answer.reason} " if answer.refused else "")
        await asyncio.sleep(POLL_SECONDS)


async def _state(app: App, provider: Provider) -> ProviderState:
    """Return the provider's state; one without pause or failure while Redis is away, which is waited for, and
    told, elsewhere.
    """
    try:
        return await app.breaker.state(provider.name)
    except errors.ServiceError:
        return ProviderState()


def _check_pause(state: ProviderState, provider: str) -> None:
    """Raise BuildStopped where the provider isn't to be asked for longer than a build waits for progress."""
    until = max(state.until, state.not_before)
    if until - time.time() > STALL_SECONDS:
        reason = state.reason if state.paused else state.answer.reason
        facts = {"until": time_of_day(until), "reason": f"{reason} " if reason else ""}
        raise BuildStopped("build.paused_long", provider=provider, **facts)


def _stage(progress: Progress, opened: bool) -> str:
    """Return the stage of a build: "started", "chapters" once the task is ``opened``, "refreshing" once no
    chapter is left.
    """
    if progress.total and not progress.open:
        return "refreshing"
    return "chapters" if opened or progress.ended else "started"


async def _is_given_up(task: Task, watch: TaskWatch) -> bool:
    """Return whether the task failed as a whole: it isn't finished, and no queue has it any more."""
    if task.status is not TaskStatus.FAILED or task.refreshed or not task.queue:
        return False
    queues = [QueueName(task.queue)]
    return task.id not in await watch.retry("redis", lambda: watch.app.queue.find_tasks(queues))


async def summary(app: App, planned: Plan, seconds: float, worked: Sequence[int] = ()) -> BuildResult:
    """Return the task's figures, counted in rows and graph, with this run's cost over all tasks ``worked``.

    Waits for stores that are down; raises BuildStopped after :data:`STALL_SECONDS`.
    """
    watch, counting = TaskWatch(app), partial(book_figures, app, planned.imported.novel_id)
    (progress, task), figures = await at_once(watch.read(planned.task.id), watch.retry("sql", counting))
    spent = sum((app.spent.get(task_id, Usage()) for task_id in worked), Usage())
    return BuildResult(
        task_id=planned.task.id,
        novel_id=planned.imported.novel_id,
        status=task.status.value if task else TaskStatus.CANCELLED.value,
        chapters=progress.total,
        completed=progress.completed,
        failed=progress.failed,
        skipped=progress.skipped,
        chars=planned.book.chars,
        seconds=round(seconds, 2),
        **figures,
        **asdict(spent),
    )
