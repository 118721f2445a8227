"""A build's progress: a line that moves in a terminal, a widget in a notebook, plain lines in a log."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TextIO, cast

from kgnb.core import logging as log_setup
from kgnb.core.formatting import compact, duration, money, rate
from kgnb.core.host import in_kernel, is_batch
from kgnb.core.messages import say
from kgnb.core.model import Progress
from kgnb.core.safe_text import one_line

REFRESHES = 2
"""Redraws a second in a terminal: the time that passed must be seen to move."""
LINE_PERCENT = 10.0
"""In a log, a line is written when so much more is done …"""
LINE_SECONDS = 60.0
"""… or so long after the last one, if anything has changed or a request is in flight."""
SLOW_SECONDS = 10.0
"""A model that takes longer for a reply is told to be waited for."""


@dataclass(frozen=True, slots=True)
class BuildStep:
    """Progress of a build: what it is doing, its task and the chapters so far.

    ``rate``: chapters a minute in this run, None before any ended; ``cost``: of the task so far, None where
    it isn't known, in ``currency`` ("" where the prices are the user's own); ``waited``: seconds since the
    oldest request in flight was sent.
    """

    stage: str
    """"found", "resumed", "scan" (names), "started" (the node's), "chapters", "refreshing" (the graph)
    or "done"."""
    progress: Progress
    task: int
    chapters: int  # of the book
    rate: float | None = None
    cost: float | None = None
    currency: str = ""
    waited: float = 0.0
    provider: str = ""
    """Who extracts: the provider's name and its model; "" for the rules."""

    @property
    def total(self) -> int:
        """Number of the task's chapters; before the task is open, of the book's."""
        return self.progress.total or self.chapters

    @property
    def percent(self) -> float:
        """Share of chapters that have ended, 0-100."""
        return 100 * self.progress.ended / self.total if self.total else 0.0

    @property
    def label(self) -> str:
        """Name of the stage in the user's language."""
        keys = {"scan": "cli.bar_scan", "chapters": "cli.bar_chapters", "done": "cli.bar_done"}
        keys |= {"refreshing": "status.is_refreshing"}
        return say(keys.get(self.stage, "cli.bar_start"))

    def facts(self) -> list[str]:
        """Return the known facts as texts: time left and speed, or the wait for a slow request;
        failures; tokens; cost.
        """
        progress = self.progress
        known: list[str] = []
        if self.rate and self.stage == "chapters":
            left = duration(60 * progress.open / self.rate)
            known = [say("cli.bar_left", time=left), say("status.per_minute", rate=rate(self.rate))]
        elif self.waited >= SLOW_SECONDS and self.stage == "chapters":
            known = [say("cli.bar_waited", time=duration(self.waited))]
        if progress.failed:
            known.append(say("cli.bar_failed", failed=progress.failed))
        if tokens := progress.usage.prompt_tokens + progress.usage.completion_tokens:
            known.append(say("cli.bar_tokens", tokens=compact(tokens)))
            if self.cost is not None:
                known.append(f"{money(self.cost)} {self.currency}".strip())
        return known


def tell_reading(book: str | Path) -> None:
    """Print which book a build is about to read, before slow imports."""
    tell(say("cli.reading", book=one_line(str(book))))


def tell(text: str) -> None:
    """Print to stderr, so that stdout stays readable for programs; in a notebook to stdout, as stderr
    looks like an error.
    """
    print(text, file=sys.stdout if in_kernel() else sys.stderr, flush=True)


class ProgressBar:
    """Shows the steps of a build; ``quiet`` shows nothing. ``kinds``: the things asked for, which no rules
    find."""

    def __init__(self, *, quiet: bool = False, kinds: Sequence[str] = ()) -> None:
        self._quiet = quiet
        self._kinds = kinds
        self._bar: _TerminalBar | _NotebookBar | _Lines | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, step: BuildStep) -> None:
        """Show one step."""
        if self._quiet:
            return
        if step.stage in ("found", "resumed"):
            key = "cli.found_finished" if step.stage == "found" else "cli.resumed"
            tell(say(key, task=step.task))
        if step.stage != "found":
            if self._bar is None:
                who = one_line(step.provider)
                tell(say("cli.by_provider", provider=who) if who else say("cli.by_rules"))
                if self._kinds and not who:
                    kinds = one_line(say("status.comma").join(self._kinds))
                    tell(say("cli.kinds_by_rules", kinds=kinds))
            self._bar = self._bar or _new_bar()
            self._bar.show(step)


def _new_bar() -> _TerminalBar | _NotebookBar | _Lines:
    """Return the bar that suits the output: a notebook's, a terminal's, or lines."""
    if in_kernel() and not is_batch():
        return _NotebookBar()
    return _TerminalBar() if sys.stderr.isatty() else _Lines()


class _TerminalBar:
    """One line that is redrawn in place; log lines appear above it."""

    def __init__(self) -> None:
        from rich.file_proxy import FileProxy
        from rich.live import Live

        from kgnb.render.terminal import console

        self._step: BuildStep | None = None
        self._began = time.monotonic()
        self._stack = ExitStack()
        screen = console(color=True, file=sys.stderr)
        above = cast("TextIO", FileProxy(screen, sys.stderr))
        self._stack.enter_context(log_setup.redirected(sys.stderr, above))
        self._live = self._stack.enter_context(
            Live(console=screen, refresh_per_second=REFRESHES, get_renderable=self._line)
        )

    def show(self, step: BuildStep) -> None:
        self._step = step

    def _line(self) -> Any:
        """Return the bar's line; an empty one before the first step."""
        from rich.text import Text

        from kgnb.render.terminal import progress_bar

        step = self._step
        if step is None:
            return Text("")
        passed = say("cli.bar_passed", time=duration(time.monotonic() - self._began))
        return Text.assemble(
            (step.label, "bold"), " ", (progress_bar(step.percent), "green"), f" {_count(step)}",
            *(f" · {fact}" for fact in step.facts()), (f" · {passed}", "dim"),
            no_wrap=True, overflow="ellipsis",
        )  # fmt: skip

    def close(self) -> None:
        with suppress(OSError):  # the terminal may be gone
            self._stack.close()


class _NotebookBar:
    """tqdm's bar: a widget where ipywidgets works, else a line of text."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that ipywidgets is missing
            from tqdm.auto import tqdm
        self._bar = tqdm(total=1, bar_format="{desc}{bar} {n_fmt}/{total_fmt} {elapsed}{postfix}")

    def show(self, step: BuildStep) -> None:
        bar = self._bar
        bar.total, bar.n = step.total, step.progress.ended
        if getattr(bar, "container", None) is not None:  # its widget was made for the first total
            bar.container.children[1].max = step.total
        bar.set_description(step.label, refresh=False)
        bar.set_postfix_str(" · ".join(step.facts()), refresh=False)
        bar.refresh()

    def close(self) -> None:
        self._bar.close()


class _Lines:
    """A line on stderr at the start of each stage and now and then between."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: BuildStep | None = None
        self._at = 0.0

    def show(self, step: BuildStep) -> None:
        if self._is_news(step):
            self._last, self._at = step, self._clock()
            print(" · ".join([f"{step.label} {_count(step)}", *step.facts()]), file=sys.stderr, flush=True)

    def _is_news(self, step: BuildStep) -> bool:
        """Return whether a step is worth a line: a new stage, some percent more, or some time passed."""
        last = self._last
        if last is None or last.label != step.label:
            return True
        if step.percent - last.percent >= LINE_PERCENT:
            return True
        alive = step.progress != last.progress or step.waited >= SLOW_SECONDS
        return alive and self._clock() - self._at >= LINE_SECONDS

    def close(self) -> None:
        pass


def _count(step: BuildStep) -> str:
    """Return "ended/total percent%"."""
    return f"{step.progress.ended}/{step.total} {int(step.percent)}%"
