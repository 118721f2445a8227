"""When `build` gives up: what it counts as progress."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kgnb.app import build
from kgnb.core.errors import BuildStopped, InputError, ServiceDown
from kgnb.core.model import Progress, Provider, Task, TaskStatus
from kgnb.stores.queue.breaker import ProviderAnswer, ProviderState
from kgnb.worker.outages import Outages
from tests.support.patience import SLOWEST

TASK = Task(7, 1, "t", TaskStatus.RUNNING, use_ai=True, chapter_ids=None, queue="kg:task:queue:a")


class App:
    """A task of three chapters, one of them done; at each look another number of them is claimed."""

    def __init__(self, task: Task = TASK) -> None:
        self.task = task
        self.known: dict[int, object] = {7: "held"}
        self.outages = Outages()
        self.queue_alive = True
        self.breaker: object = SimpleNamespace(state=not_paused)
        self.tasks = self.task_stats = self.ledger = self.queue = self.providers = self
        self._looks = count()

    def ages(self, _provider: Provider) -> list[float]:
        return []

    async def progress(self, _task: int) -> Progress:
        running = next(self._looks) % 2
        return Progress(3, pending=2 - running, running=running, completed=1)

    async def get(self, _task: int) -> Task:
        return self.task

    async def find_tasks(self, _queues: object) -> dict[int, object]:
        known, self.known = self.known, {}
        return known


async def not_paused(_name: str) -> ProviderState:
    return ProviderState()


def watching(app: App) -> Awaitable[None]:
    planned: Any = SimpleNamespace(task=TASK, provider=Provider("p"), measured_step=lambda *_, **__: None)
    watch = build.TaskWatch(cast("Any", app))
    return asyncio.wait_for(build.watch_task(cast("Any", app), planned, watch, lambda _: None), 20 * SLOWEST)


async def test_chapters_claimed_and_handed_back_are_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    async def state(_name: str) -> ProviderState:
        return ProviderState(answer=ProviderAnswer(refused_at=1e9, reason="It did not answer."))

    monkeypatch.setattr(build, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(build, "STALL_SECONDS", 0.2)
    app = App()
    app.breaker = SimpleNamespace(state=state)
    with pytest.raises(BuildStopped) as stopped:
        await watching(app)
    assert stopped.value.key == "build.stalled"
    assert "It did not answer." in str(stopped.value)  # why


async def test_a_build_that_waited_for_a_service_in_vain_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_progress(_task: int) -> Progress:
        raise ServiceDown("ledger.full", service="sql", where="kgnb.db", reason="database or disk is full")

    monkeypatch.setattr(build, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(build, "STALL_SECONDS", 0.2)
    app = App()
    app.progress = no_progress  # type: ignore[method-assign]
    with pytest.raises(BuildStopped, match="disk is full"):
        await watching(app)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (ProviderState(until=time.time() + 9 * 3_600, reason="The budget is used up."), "budget"),
        (ProviderState(not_before=time.time() + 3_600, answer=ProviderAnswer(reason="Too many.")), "many"),
    ],
)
async def test_a_pause_longer_than_the_stall_limit_ends_the_build_at_once_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, state: ProviderState, reason: str
) -> None:
    async def paused(_name: str) -> ProviderState:
        return state

    monkeypatch.setattr(build, "POLL_SECONDS", 0.01)
    app = App()
    app.breaker = SimpleNamespace(state=paused)
    with pytest.raises(BuildStopped, match=reason) as stopped:
        await watching(app)
    assert stopped.value.key == "build.paused_long"


@pytest.mark.parametrize(
    "kept_waiting", ["a reply in flight", "a shorter pause", "only the graph is missing"]
)
async def test_such_a_pause_waits_for_what_is_under_way(
    monkeypatch: pytest.MonkeyPatch, kept_waiting: str
) -> None:
    async def paused(_name: str) -> ProviderState:
        return ProviderState(until=time.time() + (60 if "shorter" in kept_waiting else 9 * 3_600))

    async def all_ended(_task: int) -> Progress:
        return Progress(3, completed=3)

    monkeypatch.setattr(build, "POLL_SECONDS", 0.01)
    app = App()
    app.breaker = SimpleNamespace(state=paused)
    if "reply" in kept_waiting:
        app.ages = lambda _provider: [3.0]  # type: ignore[method-assign]
    if "graph" in kept_waiting:
        app.progress = all_ended  # type: ignore[method-assign]
    asyncio.get_running_loop().call_later(0.1, setattr, app, "task", replace(TASK, status=TaskStatus.PAUSED))
    with pytest.raises(BuildStopped) as stopped:
        await watching(app)
    assert stopped.value.key == "build.paused_elsewhere"


async def test_a_task_that_another_node_gave_up_ends_the_build_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the queue has it, as in the first look here, a status "failed" is main's guess."""
    monkeypatch.setattr(build, "POLL_SECONDS", 0.01)
    app = App(replace(TASK, status=TaskStatus.FAILED, error="Out of memory."))
    with pytest.raises(BuildStopped, match="Out of memory"):
        await watching(app)
    assert app.known == {}


@pytest.mark.parametrize(
    ("status", "key"),
    [(TaskStatus.PAUSED, "build.paused_elsewhere"), (TaskStatus.CANCELLED, "build.stopped_elsewhere")],
)
async def test_a_command_elsewhere_ends_the_build_and_says_which(
    monkeypatch: pytest.MonkeyPatch, status: TaskStatus, key: str
) -> None:
    monkeypatch.setattr(build, "POLL_SECONDS", 0.01)
    app = App()
    asyncio.get_running_loop().call_later(0.1, setattr, app, "task", replace(TASK, status=status))
    with pytest.raises(BuildStopped) as stopped:
        await watching(app)
    assert stopped.value.key == key


async def test_a_task_that_cannot_be_withdrawn_does_not_hide_why_the_build_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused(*_: object) -> None:
        raise InputError("operate.not_cancellable", task=7, status="failed")

    monkeypatch.setattr(build, "cancel_task", refused)
    app = App()
    app.progress = no_chapter_done  # type: ignore[method-assign]
    await build.withdraw_unstarted(cast("Any", app), TASK)


async def no_chapter_done(_task: int) -> Progress:
    return Progress(3, pending=3)
