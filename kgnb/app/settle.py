"""Rebuild a novel's graph outside of a task, after a command changed its rows or names."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from kgnb.app.context import App
from kgnb.core.errors import GraphConflict
from kgnb.core.model import Novel
from kgnb.worker.settle_process import SettleJob, settle_in_process

MAX_ATTEMPTS = 20
RETRY_SECONDS = 0.25


async def settle_novel(app: App, novel: Novel) -> None:
    """Make the novel's graph what its rows and names say now; needs the graph store.

    Raises GraphConflict when other nodes' settles overtake every attempt, and ServiceDown.
    """
    await retry_on_conflict(lambda: _settle(app, novel))


async def _settle(app: App, novel: Novel) -> None:
    assert app.graph_target is not None
    number = await app.graph.raise_settle_number(novel.id, 0)
    config = await app.router.novel_config(novel.id)
    job = SettleJob(app.sql_target, app.graph_target, novel, config, number)
    # There is no lease to lose: only a newer settle or the end of this process stops this one.
    await settle_in_process(app.pool.run_long, job, lambda: time.monotonic() + app.settings.lease_seconds)


async def retry_on_conflict(attempt: Callable[[], Awaitable[object]]) -> None:
    """Repeat ``attempt`` while other settles of the novel overtake it, at most ``MAX_ATTEMPTS`` times."""
    for left in reversed(range(MAX_ATTEMPTS)):
        try:
            await attempt()
            return
        except GraphConflict:
            if not left:
                raise
        await asyncio.sleep(RETRY_SECONDS)
