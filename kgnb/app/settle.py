"""A novel's graph made anew outside of any task: after a command changed the rows or names behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from kgnb.app.context import App
from kgnb.core.errors import GraphConflict
from kgnb.core.model import Novel
from kgnb.worker.settle_process import SettleJob, settle

CONFLICTS = 20
"""Tries against other settles of the same novel, a quarter of a second apart."""


async def settle_novel(app: App, novel: Novel) -> None:
    """Makes the novel's graph what its rows and names say now, whatever other nodes do meanwhile.

    Needs the graph store. Raises GraphConflict when others overtake it again and again, and ServiceDown.
    """
    await against_others(lambda: _settle(app, novel))


async def _settle(app: App, novel: Novel) -> None:
    assert app.graph_place is not None
    number = await app.graph.raise_settle_number(novel, 0)
    config = await app.router.novel_config(novel.id)
    job = SettleJob(app.sql_place, app.graph_place, novel, config, number)
    # No lease is at stake: only a newer settle may stop this one, or the end of this process.
    await settle(app.pool.run_long, job, lambda: time.monotonic() + app.settings.lease_seconds)


async def against_others(do: Callable[[], Awaitable[object]]) -> None:
    """Repeats ``do`` while other settles of the novel overtake it."""
    for left in reversed(range(CONFLICTS)):
        try:
            await do()
            return
        except GraphConflict:
            if not left:
                raise
        await asyncio.sleep(0.25)
