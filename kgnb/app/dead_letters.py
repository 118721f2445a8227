"""Dead letters: chapters and tasks that failed too often. List them, queue them again, drop them.

Works on connected stores and without a node. All raise ServiceDown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kgnb.app.context import App
from kgnb.app.task_items import dead_items
from kgnb.app.tasks import find_task, retry_chapters
from kgnb.core.errors import InputError
from kgnb.core.model import STOPPED_STATUSES
from kgnb.stores.queue.types import DeadItem


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead item with the names a person knows.

    ``chapter`` is the chapter's number: 0 for a task's own item, None where the chapter is gone. ``title`` is
    the chapter's title, or the task's name. Garbage, an item that names no task, has ``task_id`` 0.
    """

    item: DeadItem
    chapter: int | None
    title: str

    def as_dict(self) -> dict[str, object]:
        """Return the object that ``dead list --json`` prints."""
        names = ("task_id", "chapter_id", "reason", "deliveries", "failures", "at", "queue")
        told = {name: getattr(self.item, name) for name in names}
        return told | {"chapter": self.chapter, "title": self.title}


@dataclass(frozen=True, slots=True)
class RetryResult:
    """Tasks that run again, the number of dead letters queued, and the tasks left alone because they are
    paused, cancelled or deleted."""

    tasks: tuple[int, ...]
    entries: int
    left: tuple[int, ...] = ()


async def list_dead_letters(app: App) -> list[DeadLetter]:
    """Return the dead letters of every known queue, oldest first."""
    items = await dead_items(app)
    named: dict[tuple[int, int], tuple[int, str]] = {}  # by task and chapter, 0 for the task's own item
    for task_id in sorted({i.task_id for i in items} - {0}):
        task = await app.ledger.tasks.get(task_id)
        if task is not None:
            named[task_id, 0] = 0, task.name
            ids = [i.chapter_id for i in items if i.task_id == task_id]
            found = await app.ledger.books.chapters(task.novel_id, ids)
            named |= {(task_id, c.id): (c.number, c.title) for c in found}
    letters = []
    for item in items:
        unknown = (None if item.chapter_id else 0, "" if item.task_id else item.item)
        letters.append(DeadLetter(item, *named.get((item.task_id, item.chapter_id), unknown)))
    return letters


async def retry_dead_letters(app: App, task_id: int | None = None, chapter: int | None = None) -> RetryResult:
    """Queue dead chapters (``chapter``: number) and items again, of one task or of all; return the tasks, the
    number of letters, and the tasks left alone.

    A named task runs again even when it was closed, paused or cancelled; without a name, paused and cancelled
    tasks are left alone. Raises InputError when no dead letter matches.
    """
    if task_id is not None:
        items = await _matching(app, task_id, chapter)
        await _retry(app, task_id, items)
        return RetryResult((task_id,), len(items))
    by_task: dict[int, list[DeadItem]] = {}
    for item in await dead_items(app):
        if item.task_id:
            by_task.setdefault(item.task_id, []).append(item)
    if not by_task:
        raise InputError("operate.nothing_dead")
    statuses = await app.ledger.tasks.statuses(by_task)
    wanted = [i for i in sorted(by_task) if statuses.get(i) not in (None, *STOPPED_STATUSES)]
    for one in wanted:
        await _retry(app, one, by_task[one])
    left = tuple(sorted(by_task.keys() - set(wanted)))
    return RetryResult(tuple(wanted), sum(len(by_task[one]) for one in wanted), left)


_STALE = {"operate.nothing_failed", "operate.nothing_to_retry", "operate.resume_instead"}
"""Errors that say that the chapters of a dead letter are completed by now."""


async def _retry(app: App, task_id: int, items: Sequence[DeadItem]) -> None:
    try:
        await retry_chapters(app, task_id, items, only_dead=True)
    except InputError as error:
        if error.key not in _STALE:
            raise
        await app.queue.remove_dead(items)


async def drop_dead_letters(app: App, task_id: int, chapter: int | None = None) -> int:
    """Drop a task's dead letters, or those of one chapter; return their number. Their chapters stay failed.

    A task whose own item is dropped ends as failed. Raises InputError when no dead letter matches.
    """
    items = await _matching(app, task_id, chapter)
    await app.ledger.chapters.fail(items)  # the node may have died before it wrote them
    for item in items:
        if not item.chapter_id:
            await app.ledger.task_commands.give_up(task_id, item.reason)
    await app.queue.remove_dead(items)
    return len(items)


async def drop_garbage(app: App) -> int:
    """Drop the dead items that name no task; return their number, 0 for none."""
    garbage = [item for item in await dead_items(app) if not item.task_id]
    await app.queue.remove_dead(garbage)
    return len(garbage)


async def _matching(app: App, task_id: int, chapter: int | None) -> list[DeadItem]:
    """Return the task's dead items, or those of one chapter by number; raises InputError when none match."""
    found = [letter for letter in await list_dead_letters(app) if letter.item.task_id == task_id]
    if chapter is not None:
        wanted = [letter.item for letter in found if letter.item.chapter_id and letter.chapter == chapter]
        if not wanted:
            raise InputError("operate.chapter_not_dead", task=task_id, chapter=chapter)
        return wanted
    if not found:
        await find_task(app, task_id)
        raise InputError("operate.task_not_dead", task=task_id)
    return [letter.item for letter in found]
