"""Submit: a book becomes a task in a queue. The book is stored, its task found or made, its item pushed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kgnb.app.context import App, budget_of
from kgnb.app.prices import quote
from kgnb.app.refresh import refresh_stale
from kgnb.app.task_items import queue_of
from kgnb.book.model import Book, BookFacts
from kgnb.book.reader import read_book
from kgnb.core.errors import InputError
from kgnb.core.event_loop import at_once
from kgnb.core.formatting import number_ranges
from kgnb.core.messages import say
from kgnb.core.model import BuildStep, Progress, Provider, Task, TaskStatus
from kgnb.stores.ledger.books import ImportedBook
from kgnb.worker.book_process import rescan_names

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """A stored book, and the provider and model that are to read it."""

    book: BookFacts
    imported: ImportedBook
    provider: Provider
    model: str

    def plan(self, task: Task, **state: bool) -> Plan:
        """Return the plan to fulfil this order by ``task``; ``state``: flags of the plan."""
        return Plan(self.book, self.imported, self.provider, self.model, task, **state)


@dataclass(frozen=True, slots=True)
class Plan(Order):
    """The task that `build` or `submit` works on, and whether it was finished already."""

    task: Task
    found_finished: bool = False
    resumed: bool = False

    def step(self, stage: str, progress: Progress, **figures: Any) -> BuildStep:
        """Return the progress event of a ``stage`` for listeners; ``figures``: further fields of it."""
        provider = "" if self.provider.is_rules else f"{self.provider.name} {self.model}"
        return BuildStep(stage, progress, self.task.id, self.book.chapters, provider=provider, **figures)

    def measured_step(self, app: App, stage: str, progress: Progress, **figures: Any) -> BuildStep:
        """Like :meth:`step`, with the task's rate, and its cost so far unless the rules work it."""
        if not self.provider.is_rules:
            budget, now = budget_of(app.settings), datetime.now(UTC)
            cost = quote(budget, self.provider, self.model, progress.usage, now)
            figures |= {"cost": cost.now, "currency": cost.currency}
        return self.step(stage, progress, rate=progress.rate, **figures)


async def read(path: Path, title: str | None, author: str | None, edition_of: int | None = None) -> Book:
    """Return the book at ``path``; log which lines were left out and which headings are missing. Raises
    InputError.

    ``edition_of``: the novel (id) of which the user says that it is an edition.
    """
    if title is not None and not 0 < len(title.strip()) <= 255:  # as many as the tables take
        raise InputError("book.bad_title")
    book = await asyncio.to_thread(read_book, path, title=title, author=author, edition_of=edition_of or 0)
    if book.left_out:
        log.info(say("book.left_out", title=book.title, lines=book.left_out))
    if book.missing:
        log.warning(say("book.missing_headings", title=book.title, numbers=_shortened(book.missing)))
    return book


def _shortened(numbers: Sequence[int]) -> str:
    """Return numbers as ranges, "1–3, 5", with "…" behind the tenth."""
    ranges = number_ranges(numbers)
    return ", ".join(ranges[:10]) + (" …" if len(ranges) > 10 else "")


async def store_book(app: App, book: Book, path: Path) -> ImportedBook:
    """Store the book that was read from ``path``, unless it is stored; return its novel and chapters. The
    file may be gone since.

    Log what it replaced: title, author and chapters of an earlier text; and a novel of which it may be an
    edition.
    """
    try:
        size = (await asyncio.to_thread(path.stat)).st_size
    except OSError:
        size = 0
    imported = await app.ledger.books.import_book(book, file_path=str(path), file_size=size)
    if imported.before:
        earlier, author = imported.before
        log.warning(say("book.renamed", title=imported.title, earlier=earlier, author=author))
    if imported.plan and (replaced := [old.number for _, old in imported.plan.changed]):
        log.warning(say("book.replaced", title=imported.title, numbers=_shortened(replaced)))
    if imported.plan and (removed := [old.number for old in imported.plan.removed]):
        log.warning(say("book.removed", title=imported.title, numbers=_shortened(removed)))
    if imported.similar is not None:
        novel, title = imported.similar
        log.warning(say("book.similar", title=imported.title, novel=novel, similar=title))
    return imported


async def plan(
    app: App, book: Book, path: Path, provider_name: str | None, *, again: bool, model: str | None = None
) -> Plan:
    """Import the book, find or create its task, and queue it unless it is queued; return the plan.

    Chapters that the book grew by since its task was made get a task of their own, queued behind it. Tasks
    that ask for other kinds of things than the settings name don't count; without such a setting new chapters
    are asked for the same kinds as the others.
    """
    provider = app.providers.requested(provider_name)
    if provider.is_rules and book.foreign:
        log.warning(say("book.foreign", title=book.title))
    model = await app.router.model_for(provider) if model is None else model
    imported = await store_book(app, book, path)
    return await plan_stored(app, Order(book.facts, imported, provider, model), again=again)


async def plan_stored(app: App, order: Order, *, again: bool = False, worked: Collection[int] = ()) -> Plan:
    """Like :func:`plan`, for an imported book, even if another edition was imported since.

    Tasks that this run has ``worked`` (ids) count whatever they ask for, so that no run pays twice.
    """
    novel_id, tasks = order.imported.novel_id, app.ledger.tasks
    earlier = [] if again else await earlier_tasks(app, novel_id, order.provider, order.model)
    if worked:
        found = {task.id for task in earlier}
        mine = [task for task in await tasks.of_novel(novel_id) if task.id in worked]
        earlier = sorted([*earlier, *(task for task in mine if task.id not in found)], key=lambda one: one.id)
    missing = await tasks.unplanned_chapters(novel_id, [task.id for task in earlier]) if earlier else []
    live = [task for task in earlier if task.status is not TaskStatus.CANCELLED]
    kinds = own_kinds(app, order.provider) or (earlier[-1].thing_kinds if earlier else None)
    if (unfinished := next((task for task in live if not task.ended), None)) is not None:
        if missing:
            await new_task(app, order, missing, kinds)
        await queue_task(app, unfinished)
        return order.plan(unfinished, resumed=True)
    if live and not missing:
        return order.plan(live[-1], found_finished=True)
    return order.plan(await new_task(app, order, missing or None, kinds))


async def refresh_finished(app: App, planned: Plan) -> None:
    """Put what changed into a finished book's graph, since no task will: its title and author, its chapters'
    texts, numbers and titles."""
    imported = planned.imported
    if not planned.found_finished:
        return
    if imported.plan is not None and imported.plan.changes_anything:
        await rescan_names(app.ledger, app.pool, imported.novel_id)
    await app.open_graph()
    await refresh_stale(app, imported.novel_id)


async def earlier_tasks(app: App, novel_id: int, provider: Provider, model: str) -> list[Task]:
    """Return the novel's tasks with this provider, model and the same kinds of things, oldest first; [] for
    none.
    """
    return await app.ledger.tasks.with_model(novel_id, provider.name, model, own_kinds(app, provider))


async def is_finished(app: App, book: BookFacts, novel_id: int, provider: Provider, model: str) -> bool:
    """Return whether :func:`plan` would find this book, the text of the novel, finished; reads only."""
    if book.edition_of not in (0, novel_id):
        return False
    tasks = await earlier_tasks(app, novel_id, provider, model)
    live = [task for task in tasks if task.status is not TaskStatus.CANCELLED]
    ended = bool(live) and all(task.ended for task in live)
    return ended and not await app.ledger.tasks.uncovered_chapters(novel_id, [task.id for task in tasks])


def own_kinds(app: App, provider: Provider) -> tuple[str, ...] | None:
    """Return the kinds of things that the settings ask an LLM for; None leaves them to the config, as does a
    provider that is no LLM (the rules)."""
    return None if provider.is_rules else app.ledger.providers.thing_kinds or None


async def new_task(app: App, order: Order, chapters: list[int] | None, kinds: Sequence[str] | None) -> Task:
    """Create a task over ``chapters`` (ids; None: all of the novel's), push its item, and return it."""
    imported, provider = order.imported, order.provider
    everything = chapters is None or len(chapters) == len(imported.chapters)
    queue = app.providers.first_queue(provider.lower_name)
    task_id = await app.ledger.tasks.create(
        imported.novel_id,
        provider=provider.name,
        model=order.model,
        use_ai=not provider.is_rules,
        name=order.imported.title,
        queue=queue,
        chapter_ids=None if everything else chapters,
        thing_kinds=kinds,
    )
    task: Task | None
    task, _ = await at_once(app.ledger.tasks.get(task_id), app.queue.push(queue, task_id))
    assert task is not None
    return task


async def queue_task(app: App, task: Task) -> None:
    """Push the task's item unless one is waiting or a node keeps the task open."""
    queue = await queue_of(app, task)
    known = (await app.queue.find_tasks([queue])).get(task.id)
    if known is None:
        await app.queue.push(queue, task.id)
    elif known.dead:
        await app.queue.revive(queue, task.id)  # the user asked for the task again


async def submit(
    app: App,
    path: Path,
    provider: str | None = None,
    *,
    title: str | None = None,
    author: str | None = None,
    edition_of: int | None = None,
    again: bool = False,
) -> Plan:
    """Read the book at ``path``, import it and queue its task for the nodes; return the plan. Raises
    InputError.
    """
    planned = await plan(app, await read(path, title, author, edition_of), path, provider, again=again)
    await refresh_finished(app, planned)
    return planned
