"""A node from its first connection to its end: what `kgnb worker` and a notebook's node both do."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

from kgnb.app.context import WAIT_SECONDS, App, open_app, open_waiting, running_node
from kgnb.core.errors import NodeStopped, ServiceDown, ServiceRefused
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.worker.node import NodeEvent, WorkerNode
from kgnb.worker.session import UNLIMITED, Session

log = logging.getLogger(__name__)

SESSION_LOOK_SECONDS = 1.0
"""How often the session's end is looked at; the margin before it is far longer."""


async def _nothing(_: App) -> None:
    """For who has nothing to do with an app whose node has left."""


async def serve(
    settings: Settings,
    stop: asyncio.Event,
    *,
    drain: bool = False,
    fail_fast: bool = False,
    session: Session = UNLIMITED,
    listener: Callable[[NodeEvent], None] = lambda _: None,
    ready: Callable[[App, WorkerNode], None] = lambda _app, _node: None,
    left: Callable[[App], Awaitable[None]] = _nothing,
    hurry: Callable[[], float] = lambda: math.inf,
) -> None:
    """Runs a node until ``stop`` is set, the session ends, or with ``drain`` until nothing is left to do.

    Waits for services that are down at the start (``fail_fast``: raises ServiceDown); embedded engines that
    die are started anew. ``ready`` is called with each node that runs, ``left`` when it has handed everything
    back and the stores are still open; ``hurry()`` is how many seconds whoever stops it will wait for
    chapters in flight, at most. Raises what waiting can't mend.
    """

    def patience() -> float:
        return session.drain(min(settings.drain_seconds, hurry()))

    async with leaving_when(stop, session) as leaving:
        again = True
        while again and not leaving.is_set():
            again = False
            async with open_app(settings) if fail_fast else open_waiting(settings, stop=leaving) as app:
                if app is None:
                    return
                async with AsyncExitStack() as stack:
                    joining = lambda: running_node(app, listener=listener, patience=patience)  # noqa: E731
                    node = await _joined(stack, joining, leaving, fail_fast)
                    if node is None:
                        return
                    ready(app, node)
                    log.info(say("node.started", node=node.name, slots=settings.slots_for(1)))
                    if settings.slots_by_hand:
                        log.info(say("node.slots_by_hand", slots=settings.slots))
                    await _work(app, node, leaving, drain)
                again = app.engines_gone and not leaving.is_set()
                await left(app)
            if app.health.is_down("redis"):
                log.warning(say("node.left_alone", node=node.name, seconds=round(settings.lease_seconds)))
            else:
                log.info(say("node.left", node=node.name))


async def _joined(
    stack: AsyncExitStack,
    joining: Callable[[], AbstractAsyncContextManager[WorkerNode]],
    leaving: asyncio.Event,
    fail_fast: bool,
) -> WorkerNode | None:
    """The node, once it is among the others; None when it has to leave before. Raises ServiceDown if
    ``fail_fast``."""
    told = ""
    while not leaving.is_set():
        try:
            return await stack.enter_async_context(joining())
        except ServiceDown as error:
            if fail_fast:
                raise
            if str(error) != told:
                told = str(error)
                log.warning(say("node.waiting", reason=told))
            with suppress(TimeoutError):
                await asyncio.wait_for(leaving.wait(), WAIT_SECONDS)
    return None


async def _work(app: App, node: WorkerNode, leaving: asyncio.Event, drain: bool) -> None:
    async def end() -> None:
        await leaving.wait()
        node.stop()

    ending = asyncio.create_task(end())
    try:
        await node.run(drain=drain, until=lambda: app.engines_gone)
    except ServiceRefused as error:
        raise NodeStopped("node.refused", reason=str(error)) from error
    finally:
        ending.cancel()


@asynccontextmanager
async def leaving_when(stop: asyncio.Event, session: Session) -> AsyncIterator[asyncio.Event]:
    """An event that is set when ``stop`` is, or when it is time to leave because the session ends."""
    leaving = asyncio.Event()
    if stop.is_set():
        leaving.set()

    async def watch() -> None:
        while not stop.is_set():
            if session.is_ending:
                log.warning(say("node.session_ends", minutes=round((session.left or 0) / 60)))
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), SESSION_LOOK_SECONDS)
        leaving.set()

    watcher = asyncio.create_task(watch())
    try:
        yield leaving
    finally:
        watcher.cancel()
