"""`kgnb status`: once, or again every two seconds until Ctrl-C; as text or as one JSON object a line."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, NoReturn

from kgnb.app.context import open_app
from kgnb.app.status import StatusReport
from kgnb.cli.options import OK
from kgnb.core.errors import KgnbError
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.render.status_table import columns, cut, render

WATCH_SECONDS = 2.0

Show = Callable[[dict[str, Any] | None, str], None]


async def once(settings: Settings, *, as_json: bool) -> int:
    """Shows the state of everything; returns the exit code."""
    async with open_app(settings, graph=False) as app:
        found = await StatusReport(app).look()
    if as_json:
        _show_json(found, "")
    else:
        print("\n".join(render(found, color=_color(settings))))
    return OK


def _color(settings: Settings) -> bool:
    return sys.stdout.isatty() and not settings.no_color


def _show_json(found: dict[str, Any] | None, reason: str) -> None:
    told = {"at": datetime.now().astimezone().isoformat(timespec="seconds"), "error": reason}
    print(json.dumps(told if reason else found, ensure_ascii=False, default=str), flush=True)


# --- watching


async def watch(settings: Settings, *, as_json: bool) -> int:
    """Shows it again and again until Ctrl-C or SIGTERM; that is exit code 0.

    Raises what is wrong at the start; later outages are shown and waited out.
    """
    screen = Screen(settings)
    try:
        await _watch(settings, _show_json if as_json else screen.show)
    except asyncio.CancelledError:
        return OK
    finally:
        screen.leave()


async def _watch(settings: Settings, show: Show) -> NoReturn:
    async with open_app(settings, graph=False) as app:
        overview = StatusReport(app)
        show(await overview.look(), "")
        await _again(overview.look, show, until=lambda: app.engines_gone)
    while True:
        await _reopened(settings, show)


async def _again(
    look: Callable[[], Awaitable[dict[str, Any]]], show: Show, *, until: Callable[[], bool]
) -> None:
    while not until():
        await asyncio.sleep(WATCH_SECONDS)
        try:
            found = await look()
        except KgnbError as error:
            show(None, str(error))
        else:
            show(found, "")


async def _reopened(settings: Settings, show: Show) -> None:
    """The embedded engines were ended under us: joins or starts them again."""
    try:
        async with open_app(settings, graph=False) as app:
            await _again(StatusReport(app).look, show, until=lambda: app.engines_gone)
    except KgnbError as error:
        show(None, str(error))
        await asyncio.sleep(WATCH_SECONDS)


class Screen:
    """Draws over the picture before, line by line, so that nothing flickers; off a terminal, one after the
    other."""

    def __init__(self, settings: Settings) -> None:
        self._terminal = sys.stdout.isatty()
        self._color = _color(settings)
        self._last: list[str] = []
        self._at = ""
        self._drawn = False

    def show(self, found: dict[str, Any] | None, reason: str) -> None:
        """Shows what was found, or what was found last and why there is nothing newer."""
        if found is not None:
            self._last, self._at = render(found, color=self._color), found["at"][11:19]
        warning = [say("status.away", reason=one_line(reason), time=self._at), ""] if reason else []
        lines = warning + self._last
        if not self._terminal:
            print("\n".join(lines) + "\n", flush=True)
            return
        size = shutil.get_terminal_size()
        if len(lines) > size.lines - 1:
            hidden = len(lines) - size.lines + 2
            lines = [*lines[: size.lines - 2], say("status.more", count=hidden)]
        start = "\x1b[H" if self._drawn else "\x1b[?25l\x1b[2J\x1b[H"
        self._drawn = True
        body = "".join(f"{fitted(line, size.columns)}\x1b[K\n" for line in lines)
        sys.stdout.write(f"{start}{body}\x1b[J")
        sys.stdout.flush()

    def leave(self) -> None:
        """Gives the cursor back."""
        if self._drawn:
            print("\x1b[?25h", end="", flush=True)


def fitted(line: str, width: int) -> str:
    """The line in at most ``width`` columns; a cut one loses its colours."""
    bare = "".join(part.partition("m")[2] if i else part for i, part in enumerate(line.split("\x1b[")))
    return line if columns(bare) <= width else cut(bare, width)
