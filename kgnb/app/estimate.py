"""Estimate a book's cost from a few of its chapters, whose results are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path

from kgnb.app import build, submit
from kgnb.app.context import App, budget_of
from kgnb.app.prices import quote
from kgnb.book.model import Book
from kgnb.core.errors import InputError
from kgnb.core.model import Chapter, Task, TaskStatus, Usage
from kgnb.stores.ledger.books import ImportedBook


@dataclass(frozen=True, slots=True)
class Estimate:
    """``sampled`` of ``chapters`` are done and cost ``spent``; ``left`` is what the others will take.

    ``cost`` and ``left_cost`` are money now, None where the model has no price; ``left_off_peak`` what the
    others cost outside of the provider's peak hours, None where it has none. ``currency`` and ``prices_of``
    (a date) are those of a list price, "" where the prices are the user's own.
    """

    title: str
    provider: str
    model: str
    sampled: int
    chapters: int
    spent: Usage
    left: Usage
    cost: float | None
    left_cost: float | None
    left_off_peak: float | None = None
    currency: str = ""
    prices_of: str = ""


async def estimate(
    app: App,
    book: Book,
    path: Path,
    provider_name: str | None,
    *,
    sample: int,
    listener: build.Listener = lambda _: None,
) -> Estimate:
    """Work ``sample`` chapters spread over the book, unless some are done already, and extrapolate.

    A later build does the rest; nothing is paid twice. Raises what :func:`kgnb.app.build.build` raises, and
    InputError where a task over the whole book waits for its first chapter.
    """
    provider = app.providers.requested(provider_name)
    model = await app.router.model_for(provider)
    if not provider.is_rules:
        await app.providers.client(provider).models()
    imported = await submit.store_book(app, book, path)
    order = submit.Order(book.facts, imported, provider, model)
    tasks, open_ = await _sampled_tasks(app, order, sample, listener)
    figures = (await app.ledger.task_stats.figures(tasks)).values()
    spent = sum((found.usage for found in figures), Usage())
    useful = sum((usage for found in figures for usage in found.useful.values()), Usage())
    done = [chapter for chapter in imported.chapters if chapter.id not in open_]
    left = scaled(useful, _words(imported.chapters) - _words(done), _words(done))
    budget, now = budget_of(app.settings), datetime.now(UTC)
    paid, due = (quote(budget, provider, model, usage, now) for usage in (spent, left))
    listed = due if due.currency else paid  # what costs nothing has no price
    return Estimate(
        title=imported.title,
        provider=provider.name,
        model=model,
        sampled=len(done),
        chapters=len(imported.chapters),
        spent=spent,
        left=left,
        cost=paid.now,
        left_cost=due.now,
        left_off_peak=due.off_peak,
        currency=listed.currency,
        prices_of=listed.as_of.isoformat() if listed.as_of else "",
    )


async def _sampled_tasks(
    app: App, order: submit.Order, sample: int, listener: build.Listener
) -> tuple[list[int], set[int]]:
    """Return the tasks to extrapolate from and the chapters they leave; works a sample if nothing is done."""
    imported, novel_id = order.imported, order.imported.novel_id
    known = await submit.earlier_tasks(app, novel_id, order.provider, order.model)
    tasks = {task.id for task in known}
    left = set(await app.ledger.tasks.uncovered_chapters(novel_id, tasks))
    if len(left) < len(imported.chapters) or order.provider.is_rules:
        return sorted(tasks), left
    task = begun = _interrupted_estimate(known, imported, sample)
    if task is None:
        some = [chapter.id for chapter in spread(imported.chapters, sample)]
        task = await submit.new_task(app, order, some, submit.own_kinds(app, order.provider))
    else:
        await submit.queue_task(app, task)
    await build.bring_to_end(app, order.plan(task, resumed=begun is not None), listener)
    tasks.add(task.id)
    return sorted(tasks), set(await app.ledger.tasks.uncovered_chapters(novel_id, tasks))


def _interrupted_estimate(known: Sequence[Task], imported: ImportedBook, sample: int) -> Task | None:
    """Return the task of an estimate that was interrupted before its first chapter was done, if any.

    Raises InputError where it is a build's or a submitted one: nobody asked for the whole book.
    """
    task = next((t for t in known if not t.ended and t.status is not TaskStatus.CANCELLED), None)
    if task is not None and len(task.chapter_ids or imported.chapters) > sample:
        raise InputError("cost.nothing_done", task=task.id)
    return task


def spread(chapters: Sequence[Chapter], count: int) -> list[Chapter]:
    """Return ``count`` chapters spread evenly; never the first, which is often a preface."""
    if count >= len(chapters):
        return list(chapters)
    return [chapters[(2 * i + 1) * len(chapters) // (2 * count)] for i in range(count)]


def scaled(spent: Usage, part: int, whole: int) -> Usage:
    """Return the usage of ``part`` words if ``whole`` words took ``spent``."""
    share = part / whole if whole else 0.0
    return Usage(*(round(count * share) for count in astuple(spent)))


def _words(chapters: Sequence[Chapter]) -> int:
    return sum(chapter.word_count for chapter in chapters)
