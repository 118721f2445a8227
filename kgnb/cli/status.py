"""`kgnb status`: once, or again every two seconds until Ctrl-C; as text or as one JSON object a line."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

from rich.live import Live

from kgnb.app import context, status
from kgnb.cli.options import OK, print_json, warn
from kgnb.cli.signals import cancel_on_sigterm
from kgnb.core.errors import KgnbError
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.render import terminal

WATCH_SECONDS = 2.0

Status = dict[str, Any]
Show = Callable[[Status | None, str], None]
"""Shows a status, or None and why it could not be read."""


async def show_status(args: argparse.Namespace, settings: Settings) -> int:
    """Print the state of everything, with ``--watch`` until Ctrl-C or SIGTERM; return 0."""
    if not args.watch:
        async with context.open_to_look(settings, graph=False) as app:
            found = await status.StatusReport(app).read()
        if args.json:
            _show_json(found, "")
        else:
            terminal.show(terminal.status_page(found))
        if app.settings is not settings and not found["tasks"]:
            warn(say("explore.no_record", place=settings.data.absolute()))
        return OK
    cancel_on_sigterm()
    screen = Screen()
    try:
        await _watch(settings, _show_json if args.json else screen.show)
    except asyncio.CancelledError:
        return OK
    finally:
        screen.close()


def _show_json(status: Status | None, reason: str) -> None:
    outage = {"at": datetime.now().astimezone().isoformat(timespec="seconds"), "error": reason}
    print_json(outage if reason else status)


async def _watch(settings: Settings, show: Show) -> NoReturn:
    """Raise what is wrong at the start; show later outages and wait until they end.

    An embedded queue is joined as soon as it runs.
    """
    started = False
    while True:
        try:
            async with context.open_to_look(settings, graph=False) as app:
                report = status.StatusReport(app)
                show(await report.read(), "")
                started = True
                await asyncio.sleep(WATCH_SECONDS)
                while app.queue_alive and (app.settings is settings or not settings.data.exists()):
                    try:
                        show(await report.read(), "")
                    except KgnbError as error:
                        show(None, str(error))
                    await asyncio.sleep(WATCH_SECONDS)
        except KgnbError as error:
            if not started:
                raise
            show(None, str(error))
            await asyncio.sleep(WATCH_SECONDS)


class Screen:
    """The status on the terminal's alternate screen, redrawn in place; off a terminal one below the other."""

    def __init__(self) -> None:
        self._last: Status | None = None
        self._live: Live | None = None

    def show(self, status: Status | None, reason: str) -> None:
        """Show a status, or the last one below the reason why there is nothing newer."""
        self._last = status or self._last
        warning = ""
        if reason:
            read_at = f"{datetime.fromisoformat(self._last['at']):%H:%M:%S}" if self._last else ""
            warning = say("status.away", reason=one_line(reason), time=read_at)
        page = terminal.status_page(self._last, warning) if self._last else warning
        if not sys.stdout.isatty():
            print("\n".join(terminal.plain_lines(page)) + "\n", flush=True)
            return
        if self._live is None:
            out = terminal.console()
            self._live = Live(
                console=out, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        self._live.update(terminal.FirstLines(page), refresh=True)

    def close(self) -> None:
        """Give the terminal back and leave the last status on it."""
        if self._live is None:
            return
        self._live.stop()
        if self._last is not None:
            terminal.show(terminal.status_page(self._last))
