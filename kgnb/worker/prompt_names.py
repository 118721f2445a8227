"""The names that a task's prompts know its book by: scanned once, stored for good."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from kgnb.book.reader import language
from kgnb.core.messages import say
from kgnb.core.model import Lang, Provider, Task
from kgnb.core.process_pool import CpuPool
from kgnb.extract.model import NameEntry
from kgnb.stores.ledger.ledger import Ledger
from kgnb.worker.settle_process import SAMPLE_CHAPTERS, book_runner, scan_names

log = logging.getLogger(__name__)


async def freeze_names(
    ledger: Ledger, pool: CpuPool, task: Task, provider: Provider, kinds: Sequence[str]
) -> Sequence[NameEntry]:
    """Scan the task's book for the names of its prompts, and store them for good; return those stored before.

    Raises ServiceDown, and BrokenProcessPool when the scan's process died.
    """
    frozen = await ledger.names.frozen(task.id)
    if frozen is not None:
        return frozen
    log.info(say("node.scan", task=task.id))
    found, state = await book_runner(pool, provider)(scan_names, ledger.database.target, task.novel_id)
    return await ledger.names.freeze(task.id, task.novel_id, found, state, kinds)


async def book_language(ledger: Ledger, novel_id: int) -> Lang:
    """Detect the language of a book from its first chapters."""
    return language("".join(await ledger.books.first_texts(novel_id, SAMPLE_CHAPTERS)))
