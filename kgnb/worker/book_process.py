"""The scan of a whole book for names, in a process of its own, so that the node stays responsive."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from kgnb.book.model import Book
from kgnb.core.labels import language_of
from kgnb.core.messages import say
from kgnb.core.model import Provider, Task
from kgnb.core.process_tuning import release_memory
from kgnb.extract import name_scan
from kgnb.extract.model import NameEntry
from kgnb.extract.zh.dictionary import dictionary_file
from kgnb.stores.ledger.books import LANGUAGE_CHAPTERS, digest
from kgnb.stores.ledger.ledger import Ledger, run_on_ledger
from kgnb.stores.targets import SqlTarget
from kgnb.worker.process_pool import CpuPool, PoolRun

if TYPE_CHECKING:
    from kgnb.worker.task_router import Route

log = logging.getLogger(__name__)


SHORT_BOOK = 100_000
"""Characters below which a book's scan and refresh take less time than the start of a process."""


Scanned = tuple[Sequence[NameEntry], str]
"""The names of a book, and ``books.text_digest`` of the text that they are from."""


def book_runner(pool: CpuPool, provider: Provider, chars: int) -> PoolRun:
    """Return the function that runs the scan and the refresh of a book with ``chars`` characters: in this
    process for a short book, in a process of the rules for the rules, else in the process for long work.
    """
    if chars < SHORT_BOOK:
        return pool.run_here
    return pool.run if provider.is_rules else pool.run_long


async def freeze_names(
    ledger: Ledger, pool: CpuPool, task: Task, route: Route, scanning: Awaitable[Scanned] | None = None
) -> Sequence[NameEntry]:
    """Return the names for the task's prompts; scan its book for them and store them, with the route's kinds
    of things, unless the task has names already.

    ``scanning``: a scan that has begun, to be awaited instead. Raises ServiceDown, and BrokenProcessPool when
    the scan's process died.
    """
    if scanning is None and (frozen := await ledger.names.frozen(task.id)) is not None:
        return frozen
    log.info(say("node.scan", task=task.id))
    if dictionary_file() is None and await ledger.books.language(task.novel_id) == "zh":
        log.warning(say("node.no_dictionary", task=task.id))
    found, state = await (scanning or _scan_stored(ledger, pool, task, route))
    return await ledger.names.freeze(task.id, task.novel_id, found, state, route.config.thing_kinds)


async def scan_book(pool: CpuPool, provider: Provider, book: Book) -> Scanned:
    """Return (names, digest of the texts) of a book that is not stored yet, scanned in a process that suits
    its length.
    """
    texts = [(chapter.number, chapter.text) for chapter in book.chapters]
    lang = language_of("".join(text for _, text in texts[:LANGUAGE_CHAPTERS]))
    run, forks = _where(pool, provider, book.facts.chars)
    found = await run(name_scan.scan_and_release, texts, lang, forks)
    return found, digest((chapter.number, chapter.hash) for chapter in book.chapters)


async def _scan_stored(ledger: Ledger, pool: CpuPool, task: Task, route: Route) -> Scanned:
    """Return (names, digest) of the task's stored book."""
    run, forks = _where(pool, route.provider, await ledger.books.chars(task.novel_id))
    scanned: Scanned = await run(scan_names, ledger.database.target, task.novel_id, forks)
    return scanned


def _where(pool: CpuPool, provider: Provider, chars: int) -> tuple[PoolRun, bool]:
    """Return (function that runs the scan, whether it may fork)."""
    return book_runner(pool, provider, chars), pool.may_fork and chars >= SHORT_BOOK


async def rescan_names(ledger: Ledger, pool: CpuPool, novel_id: int) -> None:
    """Make the book's name table what its present text says. Raises as :func:`freeze_names`."""
    found, state = await pool.run_long(scan_names, ledger.database.target, novel_id, pool.may_fork)
    await ledger.names.replace(novel_id, found, state)


def scan_names(sql: SqlTarget, novel_id: int, forks: bool) -> Scanned:
    """Return (names, digest of the texts) of a stored book; runs in the pool's process, whose memory is
    released afterwards.
    """
    try:
        return run_on_ledger(sql, partial(_scan, novel_id, forks))
    finally:
        release_memory()  # the book's texts: the process stays for the refresh


async def _scan(novel_id: int, forks: bool, ledger: Ledger) -> Scanned:
    """Return (names, digest) of a stored book, in this process."""
    state = await ledger.books.text_digest(novel_id)
    lang = await ledger.books.language(novel_id)
    return name_scan.scan(ledger.books.texts_blocking(novel_id), lang, forks=forks), state
