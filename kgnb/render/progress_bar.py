"""A build's progress on stderr: one bar over the chapters."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Self

from kgnb.core.messages import say
from kgnb.core.model import Progress


@dataclass(frozen=True, slots=True)
class BuildStep:
    """Progress of a build: what it is doing, its task and the chapters so far."""

    stage: str
    """"found", "resumed", "started", "chapters", "settling" or "done"."""
    progress: Progress
    task: int
    chapters: int  # of the book


class ProgressBar:
    """Shows the steps of a build; ``quiet`` shows nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, step: BuildStep) -> None:
        """Show one step."""
        if self._quiet:
            return
        if step.stage == "found":
            print(say("cli.found_finished", task=step.task), file=sys.stderr)
            return
        if step.stage == "resumed":
            print(say("cli.resumed", task=step.task), file=sys.stderr)
        progress = step.progress
        if self._bar is None:
            from tqdm import tqdm

            total = progress.total or step.chapters
            self._bar = tqdm(
                total=total, unit="", desc=say("cli.bar_scan"), file=sys.stderr, dynamic_ncols=True
            )
        ended = progress.completed + progress.failed + progress.skipped
        if progress.total:
            self._bar.total = progress.total
        label = {"chapters": "cli.bar_chapters", "settling": "cli.bar_settling", "done": "cli.bar_chapters"}
        if step.stage in label and (ended or step.stage != "chapters"):
            self._bar.set_description(say(label[step.stage]), refresh=False)
        if progress.failed:
            self._bar.set_postfix_str(say("cli.bar_failed", failed=progress.failed), refresh=False)
        self._bar.n = ended
        self._bar.refresh()
