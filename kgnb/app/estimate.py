"""What a book will cost at a provider: reckoned at once and for nothing, or measured by a few of its
chapters, whose results are kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from kgnb.app import build, submit
from kgnb.app.context import App, budget_of
from kgnb.app.prices import quote
from kgnb.book.model import Book
from kgnb.core.errors import InputError
from kgnb.core.labels import Lang
from kgnb.core.model import Chapter, Provider, Task, TaskConfig, TaskStatus, Usage
from kgnb.extract.prompt import PromptBuilder
from kgnb.llm.request_form import THINKING_TOKENS, RequestForm
from kgnb.stores.ledger.books import ImportedBook
from kgnb.stores.ledger.task_stats import TaskFigures

TOKENS_PER_CHAR = {"zh": 0.6, "en": 0.3}
"""What DeepSeek says of its models (api-docs.deepseek.com, Token & Token Usage); those of others differ."""
REPLY_SHARE = 0.4
"""Tokens of a reply by those of its passage: a guess, not measured. Both serve until the model has done a
chapter here."""
THOUGHTS = THINKING_TOKENS // 2
"""Tokens before each reply of a model that thinks: half of the room that it is left, a guess."""
RECENT_TASKS = 50
"""Tasks among which those of the same model are looked for."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """``sampled`` of ``chapters`` are done and cost ``spent``; ``left`` is what the others will take.

    ``cost`` and ``left_cost`` are money now, None where the model has no price; ``left_off_peak`` what the
    others cost outside of the provider's peak hours, None where it has none. ``currency`` and ``prices_of``
    (a date) are those of a list price, "" where the prices are the user's own. ``measured``: by chapters that
    this model has done, not by constants.
    """

    title: str
    provider: str
    model: str
    sampled: int
    chapters: int
    spent: Usage
    left: Usage
    cost: float | None = None
    left_cost: float | None = None
    left_off_peak: float | None = None
    currency: str = ""
    prices_of: str = ""
    measured: bool = True


def _priced(app: App, found: Estimate, provider: Provider) -> Estimate:
    """Return the estimate with the costs of what is spent and left."""
    budget, now = budget_of(app.settings), datetime.now(UTC)
    paid, due = (quote(budget, provider, found.model, usage, now) for usage in (found.spent, found.left))
    listed = due if due.currency else paid  # what costs nothing has no price
    return replace(
        found,
        cost=paid.now,
        left_cost=due.now,
        left_off_peak=due.off_peak,
        currency=listed.currency,
        prices_of=listed.as_of.isoformat() if listed.as_of else "",
    )


def _useful(figures: Sequence[TaskFigures]) -> Usage:
    """Return the sum of what the chapters with a result took."""
    return sum((usage for one in figures for usage in one.useful.values()), Usage())


def scaled(spent: Usage, part: int, whole: int) -> Usage:
    """Return the usage of a ``part`` of a text if the ``whole`` took ``spent``, rounded; zeros for an
    empty whole.
    """
    share = part / whole if whole else 0.0
    return Usage(*(round(count * share) for count in astuple(spent)))


# --- reckoned


@dataclass(frozen=True, slots=True)
class BookSize:
    """A book's language and the characters of each of its chapters."""

    lang: Lang
    chapters: tuple[int, ...]


async def quick_estimate(app: App, size: BookSize, provider_name: str | None) -> Estimate:
    """Return what the book will cost, by earlier tasks of the same provider and model, else by rules of
    thumb; nothing is asked. Raises SettingsError for an unknown provider.
    """
    provider = app.providers.requested(provider_name)
    model, usage = await app.router.model_for(provider), None
    if not provider.is_rules:
        usage = await _earlier(app, provider, model, sum(size.chapters))
    left, measured = usage or _reckoned(app, size, provider, model), usage is not None
    found = Estimate("", provider.name, model, 0, len(size.chapters), Usage(), left, measured=measured)
    return _priced(app, found, provider)


async def _earlier(app: App, provider: Provider, model: str, chars: int) -> Usage | None:
    """Return the usage to expect for ``chars``, in proportion to what the model took in recent tasks; None
    where it has no recent task.
    """
    tasks = await app.ledger.tasks.newest(RECENT_TASKS)
    same = [task.id for task in tasks if (task.provider, task.model) == (provider.name, model)]
    figures = list((await app.ledger.task_stats.figures(same)).values())
    read, took = sum(one.chars for one in figures), _useful(figures)
    return scaled(took, chars, read) if read and took.prompt_tokens else None


def _reckoned(app: App, size: BookSize, provider: Provider, model: str) -> Usage:
    """Return the usage that a book of this size will take, by rules of thumb; zeros for the rules."""
    if provider.is_rules:
        return Usage()
    config = TaskConfig()
    limit = max(app.settings.chunk_chars, config.max_content_length)
    requests = sum(max(1, math.ceil(chars / limit)) for chars in size.chapters)
    prompt = PromptBuilder(size.lang, (), config).prompt("")
    text = sum(size.chapters) * TOKENS_PER_CHAR[size.lang]
    around = requests * (len(prompt.system) + len(prompt.user)) * TOKENS_PER_CHAR[size.lang]
    thoughts = requests * THOUGHTS if RequestForm.first(provider, model).thinks else 0
    reply = round(text * REPLY_SHARE) + thoughts
    return Usage(requests, round(text + around), reply, reasoning_tokens=thoughts)


# --- measured


async def estimate(
    app: App,
    book: Book,
    path: Path,
    provider_name: str | None,
    *,
    sample: int,
    listener: build.Listener = lambda _: None,
) -> Estimate:
    """Extract ``sample`` chapters spread over the book, unless some are done already; return what they cost,
    and what the rest will, in proportion.

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
    figures = list((await app.ledger.task_stats.figures(tasks)).values())
    done = [chapter for chapter in imported.chapters if chapter.id not in open_]
    found = Estimate(
        title=imported.title,
        provider=provider.name,
        model=model,
        sampled=len(done),
        chapters=len(imported.chapters),
        spent=sum((one.usage for one in figures), Usage()),
        left=scaled(_useful(figures), _words(imported.chapters) - _words(done), _words(done)),
    )
    return _priced(app, found, provider)


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
    """Return ``count`` chapters spread evenly, in order; all if there are not more. A smaller count never has
    the first, which is often a preface.

    Of ten chapters 2: the third and the eighth.
    """
    if count >= len(chapters):
        return list(chapters)
    return [chapters[(2 * i + 1) * len(chapters) // (2 * count)] for i in range(count)]


def _words(chapters: Sequence[Chapter]) -> int:
    """Return the sum of the chapters' word counts."""
    return sum(chapter.word_count for chapter in chapters)
