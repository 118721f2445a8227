"""A person's hand on running work: commands on tasks, the dead list, pauses of providers.

Every function takes connected stores and works with or without a node, and after Redis lost its data: SQL is
the record. Each raises InputError for what a person did wrong, and ServiceDown like any store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

from kgnb.app.context import App
from kgnb.app.settle import against_others, settle_novel
from kgnb.app.task_items import (
    LET_GO_SECONDS,
    LOOK_SECONDS,
    dead_items,
    drop_items,
    known_queues,
    push,
    until_let_go,
)
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.model import ChapterStatus, Task, TaskStatus
from kgnb.stores.ledger.ledger import ChapterEnd
from kgnb.stores.ledger.task_commands import Commanded
from kgnb.stores.queue.breaker import CircuitBreaker
from kgnb.stores.queue.connection import mapped
from kgnb.stores.queue.dead_letters import asked_in, take_off
from kgnb.stores.queue.types import ClaimRequest, DeadItem

R = TypeVar("R")

# --- tasks --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command on a task did. ``was``: the status it met; ``changed`` is False when the task was so
    before; ``chapters``: to be done again; ``queue``: where its new item waits."""

    task: Task
    was: TaskStatus
    changed: bool = True
    chapters: int = 0
    queue: str = ""


async def pause_task(app: App, task_id: int) -> CommandResult:
    """Pauses a task: nodes hand its chapters back within 2 s. Its fresh items go, as one starts it.

    Raises InputError where a node still holds one after a lease and a bit: it may start the task later.
    """
    found = _checked(await app.ledger.pause_task(task_id), "operate.not_pausable")
    if await _end_items(app, found.task):
        # A node took a fresh item before. It writes "running" before it says that the item is answered.
        _checked(await app.ledger.pause_task(task_id), "operate.not_pausable")
    return CommandResult(found.task, found.status, found.outcome == "done")


async def _end_items(app: App, task: Task) -> bool:
    """Takes waiting items off and waits until the held ones are answered; whether there was one of these."""
    deadline = time.monotonic() + app.settings.lease_seconds + LET_GO_SECONDS
    queues, waited = await known_queues(app, task), False
    while True:
        await drop_items(app, task)
        asked = await asked_in(app.queue.link, queues, task.id)
        if not asked:
            return waited
        if time.monotonic() > deadline:
            raise InputError("operate.still_asked", task=task.id)
        waited = True
        await app.queue.poll(
            [ClaimRequest(queue) for queue in asked]
        )  # a dead node's waits again, to be taken off
        await asyncio.sleep(LOOK_SECONDS)


async def resume_task(app: App, task_id: int) -> CommandResult:
    """Queues a paused task again."""
    found = await app.ledger.resume_task(task_id)
    _checked(found, "operate.retry_instead" if found.status in _RETRIED else "operate.not_paused")
    return CommandResult(found.task, found.status, queue=await push(app, found.task))


async def cancel_task(app: App, task_id: int) -> CommandResult:
    """Ends a task for good, unless it is retried: nodes hand its chapters back within 2 s."""
    found = _checked(await app.ledger.cancel_task(task_id), "operate.not_cancellable")
    await drop_items(app, found.task)
    return CommandResult(found.task, found.status, found.outcome == "done")


async def retry_task(app: App, task_id: int) -> CommandResult:
    """Queues a task's failed chapters again, those on the dead list too; starts a cancelled task again.

    Nothing that is completed is done again. InputError when there is nothing to retry.
    """
    entries = [item for item in await dead_items(app) if item.task_id == task_id]
    return await _retry(app, task_id, entries, only=False)


_RETRIED = (TaskStatus.CANCELLED, TaskStatus.FAILED)


def _checked(found: Commanded, refusal: str) -> Commanded:
    """``found`` if the command was carried out; else raises InputError."""
    if found.outcome == "gone":
        if found.task.novel_id:
            raise InputError("operate.no_novel", task=found.task.id)
        raise InputError("cli.no_task", task=found.task.id)
    if found.outcome == "refused":
        raise InputError(refusal, task=found.task.id, status=found.status.value)
    return found


async def _retry(app: App, task_id: int, entries: Sequence[DeadItem], *, only: bool) -> CommandResult:
    dead: dict[int, int] = {}
    for entry in entries:
        if entry.chapter_id:
            dead[entry.chapter_id] = max(entry.token, dead.get(entry.chapter_id, 0))
    item = any(not entry.chapter_id for entry in entries)
    found = await app.ledger.retry_task(task_id, dead, only=only, item=item)
    _checked(found, _nothing_to_retry(found.status))
    # The ledger first: an entry that is still listed after a crash is taken off by the next opening.
    await take_off(app.queue.link, entries)
    return CommandResult(found.task, found.status, chapters=found.chapters, queue=await push(app, found.task))


def _nothing_to_retry(status: TaskStatus) -> str:
    if status is TaskStatus.PAUSED:
        return "operate.resume_instead"
    waiting = status in (TaskStatus.CREATED, TaskStatus.RUNNING)
    return "operate.nothing_failed" if waiting else "operate.nothing_to_retry"


# --- deleting -----------------------------------------------------------------------------------------------


async def delete_task(app: App, task_id: int) -> CommandResult:
    """Deletes a task with its rows, queue items and its part of the graph; needs the graph store.

    Nodes that work on it let go within 2 s. Whatever ends this in the middle, doing it again completes it:
    the task's own row goes last.
    """
    task = await app.ledger.task(task_id)
    if task is None or await app.ledger.clear_task(task_id) is None:
        raise InputError("cli.no_task", task=task_id)
    queues = await known_queues(app, task)
    await drop_items(app, task)
    await take_off(app.queue.link, [i for i in await dead_items(app, queues) if i.task_id == task_id])
    await until_let_go(app, queues, task_id)
    await _take_out_of_graph(app, task)
    await app.ledger.delete_task(task_id)
    await drop_items(app, task)
    return CommandResult(task, task.status)


async def _take_out_of_graph(app: App, task: Task) -> None:
    """Makes the novel's graph what it is without the task, whatever other nodes do meanwhile."""
    await against_others(lambda: app.graph.delete_task(task.novel_id, task.id))
    others = [t for t in await app.ledger.tasks_of(task.novel_id) if t.id != task.id]
    if not any(t.provider for t in others):
        return  # no row of ours says what its graph should be
    try:
        novel = await app.ledger.novel(task.novel_id)
    except InputError:  # main deleted the novel: nothing of it is to be made anew
        return
    await settle_novel(app, novel)


# --- the dead list ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeadEntry:
    """A dead entry as a person sees it. ``chapter`` is its number: 0 for a task's item, None where the
    chapter is gone; ``title`` the chapter's, or the task's name. Garbage has task 0."""

    task_id: int
    chapter_id: int
    chapter: int | None
    title: str
    reason: str
    deliveries: int
    failures: int
    at: float  # epoch seconds
    queue: str
    item: DeadItem

    def as_dict(self) -> dict[str, object]:
        """The object that ``dead list --json`` prints."""
        names = (f.name for f in fields(self) if f.name != "item")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class RetryResult:
    """What :func:`retry_dead` did: tasks that run again, how many entries, and tasks that it left alone
    because they are paused, cancelled or deleted."""

    tasks: tuple[int, ...]
    entries: int
    left: tuple[int, ...] = ()


async def dead(app: App) -> list[DeadEntry]:
    """The dead lists of every queue that is known, oldest first."""
    items = await dead_items(app)
    numbers: dict[tuple[int, int], tuple[int, str]] = {}
    names: dict[int, str] = {}
    for task_id in sorted({i.task_id for i in items} - {0}):
        task = await app.ledger.task(task_id)
        if task is not None:
            names[task_id] = task.name
            ids = [i.chapter_id for i in items if i.task_id == task_id]
            chapters = await app.ledger.chapters(task.novel_id, ids)
            numbers |= {(task_id, c.id): (c.number, c.title) for c in chapters}
    return [_entry(item, numbers, names) for item in items]


def _entry(
    item: DeadItem, numbers: dict[tuple[int, int], tuple[int, str]], names: dict[int, str]
) -> DeadEntry:
    chapter: int | None = 0
    title = names.get(item.task_id, "") if item.task_id else item.item
    if item.chapter_id:
        chapter, title = numbers.get((item.task_id, item.chapter_id), (None, ""))
    return DeadEntry(
        task_id=item.task_id,
        chapter_id=item.chapter_id,
        chapter=chapter,
        title=title,
        reason=item.reason,
        deliveries=item.deliveries,
        failures=item.failures,
        at=item.at,
        queue=item.queue,
        item=item,
    )


async def retry_dead(app: App, task_id: int | None = None, chapter: int | None = None) -> RetryResult:
    """Queues dead chapters (by number) and items again, of one task or of all.

    A task that is named runs again even when it was closed, paused or cancelled; of all, the paused and
    cancelled ones are left alone. Raises InputError when nothing like that is on the list.
    """
    if task_id is not None:
        entries = await _entries(app, task_id, chapter)
        await _retry_listed(app, task_id, entries)
        return RetryResult((task_id,), len(entries))
    by_task: dict[int, list[DeadItem]] = {}
    for item in await dead_items(app):
        if item.task_id:
            by_task.setdefault(item.task_id, []).append(item)
    if not by_task:
        raise InputError("operate.nothing_dead")
    statuses = await app.ledger.statuses(by_task)
    stopped = (None, TaskStatus.PAUSED, TaskStatus.CANCELLED)
    wanted = [i for i in sorted(by_task) if statuses.get(i) not in stopped]
    for one in wanted:
        await _retry_listed(app, one, by_task[one])
    left = tuple(sorted(by_task.keys() - set(wanted)))
    return RetryResult(tuple(wanted), sum(len(by_task[one]) for one in wanted), left)


async def _retry_listed(app: App, task_id: int, entries: Sequence[DeadItem]) -> None:
    try:
        await _retry(app, task_id, entries, only=True)
    except InputError as error:
        if error.key not in _STALE:
            raise
        await take_off(app.queue.link, entries)  # its chapters are completed by now: nothing to do again


_STALE = {"operate.nothing_failed", "operate.nothing_to_retry", "operate.resume_instead"}


async def drop_dead(app: App, task_id: int, chapter: int | None = None) -> int:
    """Takes dead entries of a task off the list; their chapters stay failed. Returns how many.

    A task whose own item is dropped ends as failed. Raises InputError when nothing like that is on the list.
    """
    entries = await _entries(app, task_id, chapter)
    ends = [
        ChapterEnd(task_id, i.chapter_id, i.token, ChapterStatus.FAILED, error=i.reason)
        for i in entries
        if i.chapter_id
    ]
    await app.ledger.end_chapters(ends)  # no node may have told the ledger yet
    for item in entries:
        if not item.chapter_id:
            await app.ledger.give_up_task(task_id, item.reason)
    await take_off(app.queue.link, entries)
    return len(entries)


async def drop_garbage(app: App) -> int:
    """Takes what was no task's item off the dead lists; returns how many."""
    garbage = [item for item in await dead_items(app) if not item.task_id]
    await take_off(app.queue.link, garbage)
    return len(garbage)


async def _entries(app: App, task_id: int, chapter: int | None) -> list[DeadItem]:
    """The task's entries, or those of the chapter of this number; raises InputError when there are none."""
    found = [e for e in await dead(app) if e.task_id == task_id]
    if chapter is not None:
        wanted = [e.item for e in found if e.chapter_id and e.chapter == chapter]
        if not wanted:
            raise InputError("operate.chapter_not_dead", task=task_id, chapter=chapter)
        return wanted
    if not found:
        if await app.ledger.task(task_id) is None:
            raise InputError("cli.no_task", task=task_id)
        raise InputError("operate.task_not_dead", task=task_id)
    return [e.item for e in found]


# --- providers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProviderPause:
    """A provider's pause: ``until`` in epoch seconds, 0 = not paused; ``seconds`` that it lasts."""

    provider: str
    until: float = 0.0
    seconds: float = 0.0


async def pause_provider(app: App, name: str, seconds: float | None = None) -> ProviderPause:
    """Pauses a provider on every node for ``seconds`` (default: the setting), whatever pause stands.

    Nodes see it within 2 s and hand its chapters back uncounted.
    """
    provider = await _provider_name(app, name)
    lasting = app.settings.suspend_seconds if seconds is None else seconds
    until = await _shared(
        app, _breaker(app).pause(provider, lasting, say("operate.paused_by_hand"), by_hand=True)
    )
    return ProviderPause(provider, until, lasting)


async def resume_provider(app: App, name: str) -> ProviderPause:
    """Lifts a provider's pause, whoever set it; forgets its failures and rate limit. Returns what stood."""
    provider = await _provider_name(app, name)
    state = await _shared(app, _breaker(app).state(provider))
    await _shared(app, _breaker(app).resume(provider))
    return ProviderPause(provider, state.until, max(0.0, state.until - time.time()) if state.until else 0.0)


def _breaker(app: App) -> CircuitBreaker:
    return CircuitBreaker(app.queue.redis, app.settings.suspend_seconds)


async def _shared(app: App, call: Awaitable[R]) -> R:
    with mapped(app.queue.where):
        return await call


async def _provider_name(app: App, name: str) -> str:
    """The provider's name in its own case. One that only other machines' settings know is found by its work.

    Raises InputError that says how to list them.
    """
    key = name.strip().lower()
    provider = app.providers.find(key)
    if provider is not None:
        return provider.name
    worked = await app.ledger.called(key) if key else None
    if worked is None:
        known = ", ".join(sorted(p.name for p in app.providers.all()))
        raise InputError("operate.no_provider", provider=name, known=known)
    return worked
