"""A build's progress: a line that moves in a terminal, a bar in a notebook, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from html import escape
from pathlib import Path
from typing import Any, Self, TextIO, cast

from kgnb.core import logging as log_setup
from kgnb.core.formatting import compact, duration, money, rate
from kgnb.core.host import in_kernel, is_batch
from kgnb.core.messages import say
from kgnb.core.model import BuildStep
from kgnb.core.safe_text import one_line

REFRESHES = 2
"""Redraws a second in a terminal: the time that passed must be seen to move."""
LINE_PERCENT = 10.0
"""In a log, a line is written when so much more is done …"""
LINE_SECONDS = 60.0
"""… or so long after the last one, if anything has changed or a request is in flight."""
SLOW_SECONDS = 10.0
"""A model that takes longer for a reply is told to be waited for."""


def label(step: BuildStep) -> str:
    """Return the name of the step's stage in the user's language."""
    keys = {"scan": "cli.bar_scan", "chapters": "cli.bar_chapters", "done": "cli.bar_done"}
    keys |= {"refreshing": "status.is_refreshing"}
    return say(keys.get(step.stage, "cli.bar_start"))


def facts(step: BuildStep) -> list[str]:
    """Return the known facts as texts: time left and speed, or the wait for a slow request; failures; tokens;
    cost.
    """
    progress = step.progress
    known: list[str] = []
    if step.rate and step.stage == "chapters":
        left = duration(60 * progress.open / step.rate)
        known = [say("cli.bar_left", time=left), say("status.per_minute", rate=rate(step.rate))]
    elif step.waited >= SLOW_SECONDS and step.stage == "chapters":
        known = [say("cli.bar_waited", time=duration(step.waited))]
    if progress.failed:
        known.append(say("cli.bar_failed", failed=progress.failed))
    if tokens := progress.usage.prompt_tokens + progress.usage.completion_tokens:
        known.append(say("cli.bar_tokens", tokens=compact(tokens)))
        if step.cost is not None:
            known.append(f"{money(step.cost)} {step.currency}".strip())
    return known


def tell_reading(book: str | Path) -> None:
    """Print which book a build is about to read, before slow imports."""
    tell(say("cli.reading", book=one_line(str(book))))


def tell(text: str) -> None:
    """Print to stderr, so that stdout stays readable for programs; in a notebook to stdout, as stderr
    looks like an error.
    """
    print(text, file=sys.stdout if in_kernel() else sys.stderr, flush=True)


Draw = Callable[[BuildStep], None]


class ProgressBar:
    """Shows the steps of a build; ``quiet`` shows nothing. ``kinds``: the things asked for, which no rules
    find."""

    def __init__(self, *, quiet: bool = False, kinds: Sequence[str] = ()) -> None:
        self._quiet = quiet
        self._kinds = kinds
        self._draw: Draw | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # the terminal may be gone
            self._stack.close()

    def show(self, step: BuildStep) -> None:
        """Show one step."""
        if self._quiet:
            return
        if step.stage in ("found", "resumed"):
            key = "cli.found_finished" if step.stage == "found" else "cli.resumed"
            tell(say(key, task=step.task))
        if step.stage != "found":
            if self._draw is None:
                who = one_line(step.provider)
                tell(say("cli.by_provider", provider=who) if who else say("cli.by_rules"))
                if self._kinds and not who:
                    kinds = one_line(say("status.comma").join(self._kinds))
                    tell(say("cli.kinds_by_rules", kinds=kinds))
                self._draw = _bar(self._stack)
            self._draw(step)


def _bar(stack: ExitStack) -> Draw:
    """Return what draws steps as it suits the output, until ``stack`` is closed: a notebook's bar, a
    terminal's, or lines.
    """
    if in_kernel() and not is_batch():
        return _notebook_bar()
    return _terminal_bar(stack) if sys.stderr.isatty() else Lines().show


def _terminal_bar(stack: ExitStack) -> Draw:
    """Return what draws one line in place; log lines appear above it."""
    from rich.file_proxy import FileProxy
    from rich.live import Live
    from rich.text import Text

    from kgnb.render.terminal import console, progress_bar

    began, last = time.monotonic(), deque[BuildStep](maxlen=1)

    def line() -> Text:
        drawn = Text(no_wrap=True, overflow="ellipsis")
        for step in last:
            drawn.append(label(step), "bold").append(" ").append(progress_bar(step.percent), "green")
            drawn.append(f" {_line(step)}").append(f" · {_passed(began)}", "dim")
        return drawn

    screen = console(sys.stderr)
    stack.enter_context(log_setup.redirected(sys.stderr, cast("TextIO", FileProxy(screen, sys.stderr))))
    stack.enter_context(Live(console=screen, refresh_per_second=REFRESHES, get_renderable=line))
    return last.append


def _notebook_bar() -> Draw:
    """Return what draws a bar in the output of the cell."""
    from IPython.display import display

    began = time.monotonic()
    handle: Any = None

    def draw(step: BuildStep) -> None:
        nonlocal handle
        line = f"{_line(step)} · {_passed(began)}"
        shown = {"text/plain": f"{label(step)} {line}", "text/html": _html(step, line)}
        if handle is None:
            handle = display(shown, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            handle.update(shown, raw=True)

    return draw


def _html(step: BuildStep, line: str) -> str:
    """Return a step as HTML: its stage, a bar, the line of facts."""
    bar = f'<progress style="width:16em" max="100" value="{step.percent:.1f}"></progress>'
    return f"<div><b>{escape(label(step))}</b> {bar} {escape(line)}</div>"


def _line(step: BuildStep) -> str:
    """Return "ended/total percent%" and the known facts."""
    count = f"{step.progress.ended}/{step.total} {int(step.percent)}%"
    return " · ".join([count, *facts(step)])


def _passed(began: float) -> str:
    """Return the time since ``began`` in words."""
    return say("cli.bar_passed", time=duration(time.monotonic() - began))


class Lines:
    """A line on stderr at the start of each stage and now and then between."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: BuildStep | None = None
        self._at = 0.0

    def show(self, step: BuildStep) -> None:
        """Write a line for a step that is worth one."""
        if self._is_news(step):
            self._last, self._at = step, self._clock()
            print(f"{label(step)} {_line(step)}", file=sys.stderr, flush=True)

    def _is_news(self, step: BuildStep) -> bool:
        """Return whether a step is worth a line: a new stage, some percent more, or some time passed."""
        last = self._last
        if last is None or label(last) != label(step):
            return True
        if step.percent - last.percent >= LINE_PERCENT:
            return True
        alive = step.progress != last.progress or step.waited >= SLOW_SECONDS
        return alive and self._clock() - self._at >= LINE_SECONDS
