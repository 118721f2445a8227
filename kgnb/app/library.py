"""Finished books: find their data folder, list them, open one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from kgnb.app.build_result import BuildResult, book_figures
from kgnb.app.context import App, open_for_task, open_to_look
from kgnb.app.tasks import find_task
from kgnb.core.errors import InputError
from kgnb.core.model import Task
from kgnb.core.settings import Settings
from kgnb.stores.embedded import restore
from kgnb.stores.ledger.task_stats import BookTask, FinishedTask

T = TypeVar("T", FinishedTask, BookTask)
Wanted = str | int | Mapping[str, Any] | None

MAX_LISTED = 10
"""Titles that an error lists."""


def locate(settings: Settings, given: Path | None) -> Settings | None:
    """Return settings whose record can be opened for ``given``: a data folder, a folder or zip that holds
    one, on Kaggle also an attached input OWNER/NAME; for None those of ``settings``. None if there is no
    record.

    A read-only record is copied to this user's temporary folder when it is opened. Raises InputError when
    ``given`` doesn't exist, or holds no data folder or several.
    """
    if not settings.embedded_sql or settings.db_path or settings.resume_from:
        return settings
    if given is None and settings.copy_to:
        return settings
    if given is not None:
        given = restore.named_source(str(given))
        return _settings_for(settings, given if given.is_file() else restore.find_data_folder(given))
    if settings.sqlite_path.exists():
        return _settings_for(settings, settings.data)
    return None


def no_book(shown: object) -> InputError:
    """Return the error for a place without a finished book; it names what is attached and could be opened."""
    if found := restore.inputs_with_data():
        return InputError("explore.unnamed", place=shown, found=", ".join(found))
    return InputError("explore.none", place=shown)


def _settings_for(settings: Settings, source: Path) -> Settings:
    """Return settings that open the record in ``source``, in place if it is writable, else a copy."""
    if source.is_dir() and restore.writable(source):
        return settings.model_copy(update={"data": source, "copy_to": ""})
    return restore.copied(settings, source)


async def books(app: App) -> list[FinishedTask]:
    """Return the newest finished task of each book, newest first."""
    return _newest(await app.ledger.task_stats.finished())


def _newest(tasks: Sequence[T]) -> list[T]:
    """Return the first task of each novel, in the given order."""
    newest: dict[int, T] = {}
    for one in tasks:
        newest.setdefault(one.novel_id, one)
    return list(newest.values())


async def choose(app: App, wanted: Wanted, shown: object) -> FinishedTask:
    """Return the finished book of this title or task number; for None the newest.

    Raises InputError that lists the books when none or several fit, or names ``shown`` as the place where
    there is no book.
    """
    every = await app.ledger.task_stats.finished()
    if not every:
        raise no_book(shown)
    if wanted is None:
        return every[0]
    if isinstance(wanted, Mapping):
        wanted = wanted.get("task", "")
    fitting = _matching(every, wanted if isinstance(wanted, int) else str(wanted))
    if len({one.novel_id for one in fitting}) > 1:
        raise InputError("explore.several_books", book=wanted, known=_known(fitting))
    if not fitting:
        raise InputError("explore.no_such_book", book=wanted, known=_known(every))
    return fitting[0]


def _matching(every: Sequence[T], wanted: str | int) -> list[T]:
    """Return those with this exact title, else the one of this number, else those whose title contains the
    text: "1984" is a book before it is a task.
    """
    if isinstance(wanted, int):
        return [one for one in every if one.task_id == wanted]
    word = wanted.strip().strip("《》").casefold()
    same = [one for one in every if one.title.casefold() == word]
    held = [one for one in every if word and word in one.title.casefold()]
    numbered = [one for one in every if word == str(one.task_id)]
    return same or numbered or held


def _known(every: Sequence[T]) -> str:
    """Return titles with task numbers, one for each novel, "…" behind MAX_LISTED."""
    newest = _newest(every)
    names = [f"{one.title[:60]} ({one.task_id})" for one in newest[:MAX_LISTED]]
    return ", ".join(names) + (" …" if len(newest) > MAX_LISTED else "")


async def find_task_id(settings: Settings, book: str | None) -> int:
    """Return the id of the task that ``book`` means: the newest task of the book with this title, else the
    number itself; for None the task of the only book.

    A number may be no task's. Raises InputError that lists the books when none or several fit.
    """
    place = settings.data.absolute() if settings.embedded_sql else f"{settings.db_host}/{settings.db_name}"
    every: list[BookTask] = []
    if not settings.embedded_sql or settings.sqlite_path.exists():
        async with open_to_look(settings, queue=False, graph=False) as app:
            every = await app.ledger.task_stats.newest_of_each_book()
    fitting = every if book is None else _matching(every, book)
    if book is not None and book.isdecimal() and not any(one.title == book for one in fitting):
        return int(book)  # of an older task too
    if not every:
        raise InputError("cli.no_books", place=place)
    if not fitting:
        raise InputError("cli.no_such_book", book=book, known=_known(every))
    if len(fitting) > 1:
        raise InputError("cli.which_book", known=_known(fitting))
    return fitting[0].task_id


@asynccontextmanager
async def open_book(
    settings: Settings, book: str | None, **services: bool
) -> AsyncIterator[tuple[App, Task]]:
    """Yield (app as of :func:`open_for_task`, task that ``book`` means as in :func:`find_task_id`)."""
    number = await find_task_id(settings, book)
    async with open_for_task(settings, number, **services) as app:
        yield app, await find_task(app, number)


async def find_task_and_names(
    settings: Settings, book: str | None, names: Sequence[str]
) -> tuple[int, list[str]]:
    """Return (task id as :func:`find_task_id`, ``names``). Where there is no such ``book``, it counts as one
    more name, before ``names``, of the only book.
    """
    try:
        return await find_task_id(settings, book), [*names]
    except InputError as error:
        if book is None or error.key != "cli.no_such_book":
            raise
    return await find_task_id(settings, None), [book, *names]


async def opened(app: App, one: FinishedTask) -> BuildResult:
    """Return the figures of a finished book in the form that ``build`` returns."""
    progress = await app.ledger.task_stats.progress(one.task_id)
    return BuildResult(
        task_id=one.task_id,
        novel_id=one.novel_id,
        status=one.status,
        chapters=progress.total or one.chapters,
        completed=progress.completed or one.chapters,
        failed=progress.failed,
        skipped=progress.skipped,
        chars=progress.chars,
        **await book_figures(app, one.novel_id),
    )
