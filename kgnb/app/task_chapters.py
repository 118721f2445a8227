"""A task's chapters with their states, by their numbers in the book."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kgnb.app.context import App
from kgnb.app.tasks import find_task
from kgnb.core.model import ChapterStatus


@dataclass(frozen=True, slots=True)
class ListedChapter:
    """A chapter: its number and title in the book, its status and why it failed, if it did."""

    number: int
    title: str
    status: str
    reason: str = ""


async def list_chapters(app: App, task_id: int) -> Sequence[ListedChapter]:
    """Return the task's chapters in the book's order.

    A chapter without a row, of a task that no node has opened yet, is pending. Raises InputError when there
    is no task.
    """
    task = await find_task(app, task_id)
    found = await app.ledger.task_stats.chapter_states(task_id=task.id)
    states = {one.chapter_id: (one.status, one.error) for one in found}
    return [
        ListedChapter(one.number, one.title, *states.get(one.id, (ChapterStatus.PENDING.value, "")))
        for one in await app.ledger.books.chapters(task.novel_id, task.chapter_ids)
    ]
