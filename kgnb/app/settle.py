"""Rebuild a novel's graph outside of a task: a command changed its rows or names, or the graph is new."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from kgnb.core.messages import say
from kgnb.core.model import Novel
from kgnb.core.process_pool import CpuPool
from kgnb.core.settings import Settings
from kgnb.stores.graph.store import GraphStore
from kgnb.stores.ledger.ledger import Ledger
from kgnb.worker.book_process import SettleJob, settle_in_process
from kgnb.worker.settle_lease import SettleLease

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5


class Parts(Protocol):
    """What settling needs of a :class:`~kgnb.app.context.App`."""

    settings: Settings
    ledger: Ledger
    pool: CpuPool

    @property
    def graph(self) -> GraphStore: ...  # noqa: D102


async def settle_novel(app: Parts, novel: Novel) -> None:
    """Make the novel's graph what its rows and names say now; needs the graph store. Raises ServiceDown."""

    async def settle(number: int) -> None:
        config = await app.ledger.providers.default_config()
        job = SettleJob(app.ledger.database.target, app.graph.target, novel, config, number)
        # No node's lease to lose: only a newer settle or the end of this process stops this one.
        await settle_in_process(app.pool.run_long, job, lambda: time.monotonic() + app.settings.lease_seconds)

    await in_turn(app, novel.id, settle)


async def settle_every_novel(app: Parts) -> None:
    """Make a new graph what the whole record says. Raises ServiceDown."""
    for novel_id in await app.ledger.extractions.novels():
        await _settle_from_record(app, novel_id)


async def settle_missing(app: Parts, novel_id: int) -> None:
    """Make the novel's graph from its rows where the graph store has nothing of it (one that was emptied, or
    another one), or what a settle left that was interrupted. Raises ServiceDown."""
    if await app.graph.is_unsettled(novel_id) and novel_id in await app.ledger.extractions.novels():
        await _settle_from_record(app, novel_id)


async def _settle_from_record(app: Parts, novel_id: int) -> None:
    novel = await app.ledger.books.novel(novel_id)
    log.info(say("resume.settles", title=novel.title))
    await settle_novel(app, novel)


async def in_turn(
    app: Parts, novel_id: int, work: Callable[[int], Awaitable[object]], *, exact: bool = True
) -> None:
    """Await ``work(settle number)`` when no other settle of the novel runs (see SettleLease.settle)."""
    lease = SettleLease(app.graph, novel_id, app.settings.lease_seconds)
    while True:
        if await lease.settle(work, exact=exact):
            return
        await asyncio.sleep(RETRY_SECONDS)
