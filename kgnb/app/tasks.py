"""Commands on tasks: find, pause, resume, cancel, retry, delete.

They need connected stores, no node, and also work after Redis lost its data: SQL is the record. All raise
InputError for a command that the task's state doesn't allow, and ServiceDown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from kgnb.app.context import App, no_task
from kgnb.app.refresh import refresh_novel
from kgnb.app.task_items import (
    LET_GO_SECONDS,
    POLL_SECONDS,
    dead_items,
    drop_items,
    known_queues,
    push,
    wait_until_released,
)
from kgnb.core.errors import InputError
from kgnb.core.model import ACTIVE_STATUSES, Task, TaskStatus
from kgnb.stores.ledger.orphans import Orphan
from kgnb.stores.ledger.task_commands import CommandOutcome
from kgnb.stores.queue.types import ClaimRequest, DeadItem


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command did to a task.

    ``task`` is as it was before; ``changed`` is False when it was in the wanted state already; ``chapters``
    counts those to be done again; ``queue`` holds the task's new item.
    """

    task: Task
    changed: bool = True
    chapters: int = 0
    queue: str = ""


async def find_task(app: App, task_id: int) -> Task:
    """Return the task; raises InputError when there is none."""
    task = await app.ledger.tasks.get(task_id)
    if task is None:
        raise no_task(app.settings, task_id)
    return task


async def pause_task(app: App, task_id: int) -> CommandResult:
    """Pause a task; return it, ``changed`` False if it was paused before. Nodes hand its chapters back within
    2 s.

    Raises InputError for an unknown or ended task, and when a node still holds a fresh item of it after a
    lease and ``LET_GO_SECONDS``: that node may start the task later.
    """
    found = await _stop(app, task_id, TaskStatus.PAUSED, "operate.not_pausable")
    if await _end_items(app, found.task):
        # A node that took a fresh item before writes "running" before it acknowledges the item.
        await _stop(app, task_id, TaskStatus.PAUSED, "operate.not_pausable")
    return CommandResult(found.task, found.outcome == "done")


async def _stop(app: App, task_id: int, wanted: TaskStatus, refusal: str) -> CommandOutcome:
    """Give the task the status ``wanted``; return what came of it. Raises InputError as :func:`_checked`."""
    return _checked(app, await app.ledger.task_commands.stop(task_id, wanted), refusal)


async def _end_items(app: App, task: Task) -> bool:
    """Drop waiting items and wait until held ones are acknowledged; return whether any was held. Raises
    InputError if they are held too long.
    """
    deadline = time.monotonic() + app.settings.lease_seconds + LET_GO_SECONDS
    queues, any_held = await known_queues(app, task), False
    while True:
        await drop_items(app, task)
        holding = await app.queue.unanswered_queues(queues, task.id)
        if not holding:
            return any_held
        if time.monotonic() > deadline:
            raise InputError("operate.still_asked", task=task.id)
        any_held = True
        # Polling returns a dead node's item to the queue, where the next round drops it.
        await app.queue.poll([ClaimRequest(queue) for queue in holding])
        await asyncio.sleep(POLL_SECONDS)


async def resume_task(app: App, task_id: int) -> CommandResult:
    """Queue a paused task again; return it with its queue. Raises InputError for an unknown task, or one that
    isn't paused.
    """
    found = await app.ledger.task_commands.resume(task_id)
    is_ended = found.task.status in (TaskStatus.CANCELLED, TaskStatus.FAILED)
    _checked(app, found, "operate.retry_instead" if is_ended else "operate.not_paused")
    return CommandResult(found.task, queue=await push(app, found.task))


async def cancel_task(app: App, task_id: int) -> CommandResult:
    """End a task until it is retried; return it, ``changed`` False if it was cancelled before. Nodes hand its
    chapters back within 2 s. Raises InputError for an unknown or finished task.
    """
    found = await _stop(app, task_id, TaskStatus.CANCELLED, "operate.not_cancellable")
    await drop_items(app, found.task)
    return CommandResult(found.task, found.outcome == "done")


async def retry_task(app: App, task_id: int) -> CommandResult:
    """Queue a task's failed and dead chapters again, a cancelled task from where it was; return it with these
    chapters and its queue.

    Completed chapters are not repeated. Raises InputError when there is nothing to retry.
    """
    letters = [item for item in await dead_items(app) if item.task_id == task_id]
    return await retry_chapters(app, task_id, letters, only_dead=False)


async def retry_chapters(
    app: App, task_id: int, letters: Sequence[DeadItem], *, only_dead: bool
) -> CommandResult:
    """Queue a task again for its dead letters and, unless ``only_dead``, for its other failed chapters;
    return it with these chapters and its queue. Raises InputError when there is nothing to retry.
    """
    dead: dict[int, int] = {}
    for letter in letters:
        if letter.chapter_id:
            dead[letter.chapter_id] = max(letter.token, dead.get(letter.chapter_id, 0))
    item = any(not letter.chapter_id for letter in letters)
    found = await app.ledger.task_commands.retry(task_id, dead, only=only_dead, item=item)
    _checked(app, found, _nothing_to_retry(found.task.status))
    # The ledger first: a letter that is still listed after a crash is dropped when the task is opened next.
    await app.queue.remove_dead(letters)
    queue = await push(app, found.task)
    return CommandResult(found.task, chapters=found.chapters, queue=queue)


def _nothing_to_retry(status: TaskStatus) -> str:
    """Return the key of the error for a task of this status without anything to retry."""
    if status is TaskStatus.PAUSED:
        return "operate.resume_instead"
    waiting = status in ACTIVE_STATUSES
    return "operate.nothing_failed" if waiting else "operate.nothing_to_retry"


def _checked(app: App, found: CommandOutcome, refusal: str) -> CommandOutcome:
    """Return ``found`` if the command was carried out, else raise InputError."""
    if found.outcome == "gone":
        if found.task.novel_id:
            raise InputError("operate.no_novel", task=found.task.id)
        raise no_task(app.settings, found.task.id)
    if found.outcome == "refused":
        raise InputError(refusal, task=found.task.id, status=found.task.status.value)
    return found


async def delete_task(app: App, task_id: int) -> CommandResult:
    """Delete a task with its rows, queue items and its part of the graph; return it. Raises InputError for an
    unknown task.

    Nodes that work on it let go within 2 s. A deletion that was interrupted is completed by a node.
    """
    task = await find_task(app, task_id)
    if await app.ledger.task_lifecycle.delete(task_id) is None:
        raise no_task(app.settings, task_id)
    queues = await known_queues(app, task)
    await drop_items(app, task)
    await app.queue.remove_dead([i for i in await dead_items(app, queues) if i.task_id == task_id])
    await wait_until_released(app, queues, task_id)
    await drop_items(app, task)
    await refresh_novel(app, task.novel_id)
    await app.ledger.orphans.forget(Orphan(task.novel_id, False, (task_id,)))
    return CommandResult(task)
