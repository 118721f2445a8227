"""Rebuild a novel's graph outside of a task, after a command changed its rows or names."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from kgnb.app.context import App
from kgnb.core.model import Novel
from kgnb.worker.settle_lease import SettleLease
from kgnb.worker.settle_process import SettleJob, settle_in_process

RETRY_SECONDS = 0.5


async def settle_novel(app: App, novel: Novel) -> None:
    """Make the novel's graph what its rows and names say now; needs the graph store. Raises ServiceDown."""

    async def settle(number: int) -> None:
        assert app.graph_target is not None
        config = await app.router.novel_config(novel.id)
        job = SettleJob(app.sql_target, app.graph_target, novel, config, number)
        # No node's lease to lose: only a newer settle or the end of this process stops this one.
        await settle_in_process(app.pool.run_long, job, lambda: time.monotonic() + app.settings.lease_seconds)

    await in_turn(app, novel.id, settle)


async def in_turn(
    app: App, novel_id: int, work: Callable[[int], Awaitable[object]], *, exact: bool = True
) -> None:
    """Await ``work(settle number)`` when no other settle of the novel runs (see SettleLease.settle)."""
    lease = SettleLease(app.graph, novel_id, app.settings.lease_seconds)
    while True:
        if await lease.settle(work, exact=exact):
            return
        await asyncio.sleep(RETRY_SECONDS)
