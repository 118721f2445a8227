"""`kgnb status`: once, or again every two seconds until Ctrl-C; as text or as one JSON object a line."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from kgnb.app.context import open_app
from kgnb.app.status import StatusReport
from kgnb.cli.options import OK
from kgnb.core.errors import KgnbError
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.render.status_view import status_view

if TYPE_CHECKING:
    from rich.live import Live

WATCH_SECONDS = 2.0

Status = dict[str, Any]
Show = Callable[[Status | None, str], None]
"""Shows a status, or None and why it could not be read."""


async def once(settings: Settings, *, as_json: bool) -> int:
    """Show the state of everything; return the exit code."""
    async with open_app(settings, graph=False) as app:
        status = await StatusReport(app).read()
    if as_json:
        _show_json(status, "")
    else:
        from kgnb.render import terminal

        terminal.show(terminal.status_page(status_view(status)), color=not settings.no_color)
    return OK


def _show_json(status: Status | None, reason: str) -> None:
    outage = {"at": datetime.now().astimezone().isoformat(timespec="seconds"), "error": reason}
    print(json.dumps(outage if reason else status, ensure_ascii=False, default=str), flush=True)


# --- watching


async def watch(settings: Settings, *, as_json: bool) -> int:
    """Show it again and again until Ctrl-C or SIGTERM; that is exit code 0.

    Raises what is wrong at the start; later outages are shown and waited out.
    """
    screen = Screen(settings)
    try:
        await _watch(settings, _show_json if as_json else screen.show)
    except asyncio.CancelledError:
        return OK
    finally:
        screen.close()


async def _watch(settings: Settings, show: Show) -> NoReturn:
    async with open_app(settings, graph=False) as app:
        report = StatusReport(app)
        show(await report.read(), "")
        await _show_repeatedly(report.read, show, until=lambda: app.engines_gone)
    while True:
        await _watch_reopened(settings, show)


async def _show_repeatedly(
    read: Callable[[], Awaitable[Status]], show: Show, *, until: Callable[[], bool]
) -> None:
    while not until():
        await asyncio.sleep(WATCH_SECONDS)
        try:
            status = await read()
        except KgnbError as error:
            show(None, str(error))
        else:
            show(status, "")


async def _watch_reopened(settings: Settings, show: Show) -> None:
    """Join or start the embedded engines again after somebody ended them."""
    try:
        async with open_app(settings, graph=False) as app:
            await _show_repeatedly(StatusReport(app).read, show, until=lambda: app.engines_gone)
    except KgnbError as error:
        show(None, str(error))
        await asyncio.sleep(WATCH_SECONDS)


class Screen:
    """The status on the terminal's alternate screen, redrawn in place; off a terminal one below the other."""

    def __init__(self, settings: Settings) -> None:
        self._color = not settings.no_color
        self._last: Status | None = None
        self._live: Live | None = None

    def show(self, status: Status | None, reason: str) -> None:
        """Show a status, or the last one below the reason why there is nothing newer."""
        from kgnb.render import terminal

        self._last = status or self._last
        view = None if self._last is None else status_view(self._last)
        warning = ""
        if reason:
            read_at = f"{view.read_at:%H:%M:%S}" if view else ""
            warning = say("status.away", reason=one_line(reason), time=read_at)
        page = terminal.status_page(view, warning) if view else warning
        if not sys.stdout.isatty():
            print("\n".join(terminal.plain_lines(page)) + "\n", flush=True)
            return
        if self._live is None:
            self._live = terminal.start_live(color=self._color)
        self._live.update(terminal.FirstLines(page), refresh=True)

    def close(self) -> None:
        """Give the terminal back and leave the last status on it."""
        if self._live is None:
            return
        self._live.stop()
        if self._last is not None:
            from kgnb.render import terminal

            terminal.show(terminal.status_page(status_view(self._last)), color=self._color)
