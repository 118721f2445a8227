"""A node on connected stores: wires its parts together and takes it through its life."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from kgnb.app.context import App, budget_of
from kgnb.core.errors import ServiceDown, ServiceError
from kgnb.core.event_loop import at_once
from kgnb.core.model import Provider, beijing_time
from kgnb.core.settings import Settings
from kgnb.stores.queue.lease_renewer import LeaseRenewer
from kgnb.stores.queue.presence import Presence
from kgnb.stores.queue.rate_limits import RateLimits
from kgnb.worker.background import BackgroundLoops
from kgnb.worker.budget import SpendingTracker
from kgnb.worker.chapter_worker import Stores
from kgnb.worker.extractor import ChapterExtractor
from kgnb.worker.node import LEAVING_SECONDS, NodeEvent, WorkerNode
from kgnb.worker.throttle import ProviderThrottle

EXTRA_WORKER_IDS = 40
"""Worker ids beyond those of the slots, for kept tasks without a slot; more are fetched on demand."""


@asynccontextmanager
async def running_node(
    app: App,
    *,
    only_task: int | None = None,
    listener: Callable[[NodeEvent], None],
    patience: Callable[[], float] | None = None,
) -> AsyncIterator[WorkerNode]:
    """Yield a node with heartbeat and leases, ready for ``node.run()``; it hands back open work after the
    block.

    ``patience()``: seconds to wait then for chapters in flight (default: the setting).
    """
    settings = app.settings
    presence = Presence(app.queue)
    # The providers' problems are reported before anything is claimed. What a node asks side by side when it
    # opens a task finds three SQL connections open.
    name, ids, *_ = await at_once(
        presence.claim_name(settings.node_name or socket.gethostname()),
        app.queue.new_worker_ids(settings.max_slots + EXTRA_WORKER_IDS),
        app.providers.refresh_and_log(),
        app.ledger.database.ping(),
        app.ledger.database.ping(),
    )
    renewer = LeaseRenewer(app.queue)
    renewer.start()
    try:
        node = _node(app, renewer, name, only_task, listener)
        background = BackgroundLoops(node, presence, ids)
        await at_once(presence.forget_dead_neighbours(), background.heartbeat())
        loops = asyncio.create_task(background.run())
        try:
            yield node
        finally:
            try:
                await node.leave(patience() if patience else settings.drain_seconds)
            finally:  # also when a second cancel cuts leaving short
                loops.cancel()
                await asyncio.gather(loops, return_exceptions=True)
                with suppress(ServiceError, TimeoutError):
                    async with asyncio.timeout(LEAVING_SECONDS):
                        await node.throttle.flush()
                        await background.publish_progress()
                with suppress(ServiceDown):  # its keys expire anyway
                    await presence.leave()
    finally:
        await asyncio.to_thread(renewer.stop)


def provider_throttle(app: App) -> ProviderThrottle:
    """Return this process's throttle for all providers; pauses, rate limits and budgets are shared with all
    nodes.
    """
    return ProviderThrottle(
        app.queue,
        app.outages,
        # The windows of a budget are all nodes': a machine whose clock is wrong must not have its own.
        SpendingTracker(
            app.ledger,
            budget_of(app.settings),
            lambda: beijing_time(app.queue.clock.now()),
            app.meter,
        ),
        RateLimits(app.queue.connection, app.settings.rpm, app.settings.tpm),
        slots_for=lambda provider: _slots(app.settings, provider),
        total_slots=app.settings.max_slots,
    )


def _node(
    app: App, renewer: LeaseRenewer, name: str, only_task: int | None, listener: Callable[[NodeEvent], None]
) -> WorkerNode:
    """Return a node on the app's stores."""
    throttle = provider_throttle(app)
    extractor = ChapterExtractor(
        app.ledger.reply_cache,
        app.providers,
        throttle,
        app.pool,
        app.outages,
        chunk_chars=app.settings.chunk_chars,
        assist=app.settings.assist,
    )
    stores = Stores(app.ledger, app.queue, app.graph, renewer, app.outages)
    return WorkerNode(
        stores,
        app.providers,
        extractor,
        throttle,
        app.pool,
        app.settings,
        name=name,
        only_task=only_task,
        listener=listener,
    )


def _slots(settings: Settings, provider: Provider) -> int:
    """Return the provider's slots, at most as many as it may have requests in flight (0: no such limit)."""
    slots = settings.slots_for(provider.lower_name)
    return min(slots, provider.options.max_in_flight or slots)
