"""A node from its first connection to its end: what `kgnb worker` and a notebook's node both do."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import suppress

from kgnb.app import App, open_app, open_waiting, running_node
from kgnb.node import Happened, Node
from kgnb.session import UNLIMITED, Session
from kgnb.settings import Settings
from kgnb.texts import say

log = logging.getLogger(__name__)

SESSION_LOOK_SECONDS = 1.0
"""How often the session's end is looked at; the margin before it is far longer."""


async def serve(
    settings: Settings,
    stop: asyncio.Event,
    *,
    drain: bool = False,
    fail_fast: bool = False,
    session: Session = UNLIMITED,
    listener: Callable[[Happened], None] = lambda _: None,
    ready: Callable[[App, Node], None] = lambda _app, _node: None,
    hurry: Callable[[], float] = lambda: math.inf,
) -> None:
    """Runs a node until ``stop`` is set, the session ends, or with ``drain`` until nothing is left to do.

    Waits for services that are down at the start (``fail_fast``: raises ServiceDown); embedded engines that
    die are started anew. ``ready`` is called with each node that runs; ``hurry()`` is how many seconds
    whoever stops it will wait for chapters in flight, at most. Raises what waiting can't mend.
    """

    def patience() -> float:
        return session.drain(min(settings.drain_seconds, hurry()))

    again = True
    while again and not stop.is_set():
        again = False
        async with open_app(settings) if fail_fast else open_waiting(settings, stop=stop) as app:
            if app is None:
                return
            async with running_node(app, listener=listener, patience=patience) as node:
                ready(app, node)
                watcher = asyncio.create_task(_stop_at_end(stop, session, node))
                log.info(say("node.started", node=node.name, slots=settings.slots_for(1)))
                try:
                    await node.run(drain=drain, until=lambda app=app: app.engines_gone)  # type: ignore[misc]
                finally:
                    watcher.cancel()
            again = app.engines_gone and not session.is_ending
        log.info(say("node.left", node=node.name))


async def _stop_at_end(stop: asyncio.Event, session: Session, node: Node) -> None:
    while not stop.is_set():
        if session.is_ending:
            log.warning(say("node.session_ends", minutes=round((session.left or 0) / 60)))
            break
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SESSION_LOOK_SECONDS)
    node.stop()
