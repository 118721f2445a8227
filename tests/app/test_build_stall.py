"""When `build` gives up: what it counts as progress."""

from __future__ import annotations

import asyncio
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kgnb.app import build
from kgnb.core.errors import BuildStopped
from kgnb.core.model import Progress, Task, TaskStatus
from kgnb.worker.outages import Outages

TASK = Task(7, 1, "t", TaskStatus.RUNNING, use_ai=True, chapter_ids=None)


class App:
    """A task of three chapters, one of them done; at each look another number of them is claimed."""

    def __init__(self) -> None:
        self.settings = SimpleNamespace(stall_seconds=0.2)
        self.outages = Outages()
        self.engines_gone = False
        self.tasks = self.ledger = self
        self._looks = count()

    async def progress(self, _task: int) -> Progress:
        running = next(self._looks) % 2
        return Progress(3, pending=2 - running, running=running, completed=1)

    async def get(self, _task: int) -> Task:
        return TASK


async def test_chapters_claimed_and_handed_back_are_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "POLL_SECONDS", 0.01)
    planned: Any = SimpleNamespace(task=TASK, step=lambda *_: None)
    watching = build._watch_task(cast("Any", App()), planned, build._TaskWatch(), lambda _: None)
    with pytest.raises(BuildStopped) as stopped:
        await asyncio.wait_for(watching, 5)
    assert stopped.value.key == "build.stalled"
