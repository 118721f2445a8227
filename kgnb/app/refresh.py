"""Refresh a novel's graph over Bolt outside of a task: a command changed its rows or names, or it is missing.

Without NEO4J_URI nothing is to be done: whoever reads a graph makes it again where its record has changed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.worker.refresh import Refresh

if TYPE_CHECKING:
    from kgnb.app.context import App

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5


async def refresh_novel(app: App, novel_id: int) -> None:
    """Make the novel's graph over Bolt what its rows and names say now; nothing is left of a novel that is
    gone. Waits for another refresh of the novel. Raises ServiceDown."""
    if app.graph is None:
        return
    refresh = Refresh(app.ledger, app.graph, app.pool.run_long, novel_id, app.settings.lease_seconds)
    while True:
        if await refresh.attempt():
            return
        await asyncio.sleep(RETRY_SECONDS)


async def refresh_stale(app: App, novel_id: int) -> None:
    """:func:`refresh_novel` where the graph there isn't that of the record: it was emptied, or is another's,
    or whoever changed the record died before its refresh was done."""
    if app.graph is None:
        return
    try:
        record = await app.ledger.graphs.record(novel_id)
    except InputError:  # main deleted the novel
        return
    if await app.graph.refreshed_state(novel_id) != record.state:
        log.info(say("resume.refreshes", title=record.novel.title))
        await refresh_novel(app, novel_id)
