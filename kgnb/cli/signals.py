"""What SIGTERM, Ctrl-C and the end of the terminal do: end a one-shot command, let a worker leave."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable

from kgnb.cli.options import OK
from kgnb.core.messages import say

log = logging.getLogger(__name__)


def cancel_on_sigterm() -> None:
    """SIGTERM and SIGHUP end the running command as Ctrl-C does: the second cuts its last waits short."""
    task = asyncio.current_task()
    assert task is not None

    def on_signal() -> None:
        if task.cancelling() < 2:  # a third would cut short what hands the work back
            task.cancel()

    for number in _end_signals():
        asyncio.get_running_loop().add_signal_handler(number, on_signal)


def _end_signals() -> list[signal.Signals]:
    """Return SIGTERM, and SIGHUP unless ``nohup`` or the user's shell has it ignored."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGTERM] if ignored else [signal.SIGTERM, signal.SIGHUP]


def stop_on_signals(stop: Callable[[], None], *, within: float) -> None:
    """The first SIGTERM, SIGHUP or SIGINT calls ``stop`` and gives the worker ``within`` seconds; the second
    ends the process at once (its leases expire by themselves)."""
    loop = asyncio.get_running_loop()
    deadline: list[threading.Timer] = []

    def end_now() -> None:
        logging.shutdown()
        os._exit(OK)

    def on_deadline() -> None:
        log.warning(say("node.left_late"))
        end_now()

    def on_signal() -> None:
        if deadline:
            end_now()
        deadline.append(threading.Timer(within, on_deadline))
        deadline[0].daemon = True
        deadline[0].start()
        stop()

    for number in (*_end_signals(), signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
