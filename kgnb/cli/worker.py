"""`kgnb worker`: a node until it is stopped, its session ends, or (``--drain``) nothing is left to do."""

from __future__ import annotations

import argparse
import asyncio
import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING

from kgnb.app.context import App
from kgnb.app.run_worker import serve
from kgnb.app.session_report import SessionReport
from kgnb.cli.options import OK
from kgnb.cli.signals import stop_on_signals
from kgnb.core import logging as log_setup
from kgnb.core.errors import NodeStopped, ServiceRefused
from kgnb.core.host import detect_host
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.worker.counters import Counters
from kgnb.worker.node import WorkerNode
from kgnb.worker.session import LEAVE_SECONDS, Departure, Session

if TYPE_CHECKING:
    from kgnb.app.prometheus import Metrics

log = logging.getLogger(__name__)


async def worker(args: argparse.Namespace, settings: Settings) -> int:
    """Run a node until it is stopped; return 0, also when a signal stopped it."""
    if not settings.metrics_port:
        return await _run_node(args, settings, None)
    from kgnb.app.prometheus import Metrics

    with closing(Metrics(settings)) as metrics:
        log.info(say("metrics.listening", host=settings.metrics_host, port=settings.metrics_port))
        return await _run_node(args, settings, metrics)


async def _run_node(args: argparse.Namespace, settings: Settings, metrics: Metrics | None) -> int:
    """Run a node until it leaves; return 0."""
    departure = Departure()
    stop_on_signals(departure.ask, within=settings.drain_seconds + LEAVE_SECONDS)
    # Unlimited unless the user says so: only a notebook's session ends by itself.
    session = Session(time.time(), settings.session_seconds or None, settings.session_margin)
    counters = Counters()
    report = SessionReport(settings, detect_host(), session, counters.summary)

    def on_ready(app: App, node: WorkerNode) -> None:
        log_setup.name_node(node.name)
        report.node = node.name
        if metrics:
            metrics.watch(app, node)

    try:
        await serve(
            settings,
            departure,
            counters,
            drain=args.drain,
            fail_fast=args.fail_fast,
            session=session,
            listener=metrics.on_event if metrics else lambda _: None,
            on_ready=on_ready,
            on_left=report.read_status if session.seconds is not None else None,
        )
    except (NodeStopped, ServiceRefused) as error:
        if report.node:  # who reads only the JSON lines or the file learns it, too
            log.error(str(error))
        raise
    if session.seconds is not None:
        why = "stopped" if departure.wanted.is_set() else "session" if session.is_ending else "drained"
        await asyncio.to_thread(report.write, why)
    return OK
