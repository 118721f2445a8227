"""Run a worker node from its first connection to its end, for `kgnb worker` and notebooks."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import chain

from kgnb.app.context import App, when_up
from kgnb.app.local_model import open_to_work
from kgnb.app.running_node import running_node
from kgnb.core.errors import NodeStopped, ServiceError, ServiceRefused
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.stores.queue.types import QueueName
from kgnb.worker.counters import Counters
from kgnb.worker.node import NodeEvent, WorkerNode
from kgnb.worker.session import UNLIMITED, Departure, Session

log = logging.getLogger(__name__)

SESSION_CHECK_SECONDS = 1.0
"""How often the session's end is checked; the margin before it is far longer."""


async def serve(
    settings: Settings,
    departure: Departure,
    counters: Counters,
    *,
    drain: bool = False,
    fail_fast: bool = False,
    session: Session = UNLIMITED,
    listener: Callable[[NodeEvent], None] = lambda _: None,
    on_ready: Callable[[App, WorkerNode], None] = lambda _app, _node: None,
    on_left: Callable[[App], Awaitable[None]] | None = None,
) -> None:
    """Run a node until it is asked to leave, the session ends or, with ``drain``, nothing is left to do.

    Waits for services that are down at the start (``fail_fast``: raises ServiceDown); embedded engines that
    die are restarted. ``counters`` count what each node does, ``listener`` gets its events; ``on_ready`` is
    called with each node that runs, ``on_left`` when it has handed everything back and the stores are still
    open. Raises errors that waiting can't mend.
    """

    def on_event(event: NodeEvent) -> None:
        counters.on_event(event)
        listener(event)

    def patience() -> float:
        return session.drain_seconds(min(settings.drain_seconds, departure.drain_limit))

    async with leaving_when(departure.wanted, session) as leaving:
        restart = True
        while restart and not leaving.is_set():
            async with when_up(partial(open_to_work, settings), leaving, fail_fast=fail_fast) as app:
                if app is None:
                    return
                join = partial(running_node, app, listener=on_event, patience=patience)
                async with when_up(join, leaving, fail_fast=fail_fast) as node:
                    if node is None:
                        return
                    departure.node = node
                    counters.follow(app.spent, node)
                    on_ready(app, node)
                    await _run_node(app, node, leaving, drain)
                restart = not app.queue_alive
                if drain and not (restart or leaving.is_set()):
                    await _tell_waiting(app)
                if on_left is not None:
                    await on_left(app)
            if app.outages.is_down("redis"):
                log.warning(say("node.left_alone", node=node.name, seconds=round(settings.lease_seconds)))
            else:
                log.info(say("node.left", node=node.name))


async def _run_node(app: App, node: WorkerNode, leaving: asyncio.Event, drain: bool) -> None:
    served = ", ".join(one_line(provider.name) for provider in app.providers.served())
    served = served or say("status.no_providers")
    log.info(say("node.started", node=node.name, slots=app.settings.slots_for(), providers=served))
    if app.settings.slots_by_hand:
        log.info(say("node.slots_by_hand", slots=app.settings.slots))

    async def stop_node() -> None:
        await leaving.wait()
        node.stop()

    stopping = asyncio.create_task(stop_node())
    try:
        await node.run(drain=drain, until=lambda: not app.queue_alive)
    except ServiceRefused as error:
        raise NodeStopped("node.refused", reason=str(error)) from error
    finally:
        stopping.cancel()


async def _tell_waiting(app: App) -> None:
    """Say which tasks wait for providers that this node doesn't serve; nothing while a service is down."""
    served = {provider.lower_name for provider in app.providers.served()}
    waiting = defaultdict(list)
    try:
        unfinished = await app.ledger.tasks.unfinished()
        queues = await app.queue.waiting_queues(app.settings.prefixes) if unfinished else {}
    except ServiceError:
        return
    for task in unfinished:
        key = task.provider.lower() or QueueName(task.queue or queues.get(task.id, "")).provider_key
        if key and key not in served:
            waiting[one_line(task.provider or key)].append(str(task.id))
    if waiting:
        tasks = ", ".join(chain.from_iterable(waiting.values()))
        log.warning(say("node.left_waiting", tasks=tasks, providers=", ".join(waiting)))


@asynccontextmanager
async def leaving_when(stop: asyncio.Event, session: Session) -> AsyncIterator[asyncio.Event]:
    """Yield an event that is set when ``stop`` is set, or when the session's end is near."""
    leaving = asyncio.Event()
    if stop.is_set():
        leaving.set()

    async def watch() -> None:
        while not stop.is_set():
            if session.is_ending:
                log.warning(say("node.session_ends", minutes=round((session.left or 0) / 60)))
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), SESSION_CHECK_SECONDS)
        leaving.set()

    watcher = asyncio.create_task(watch())
    try:
        yield leaving
    finally:
        watcher.cancel()
