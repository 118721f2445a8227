"""A node that joins the others: services that vanish meanwhile, and names that change hands."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from kgnb.app.context import when_up
from kgnb.cli import worker as cli
from kgnb.core import logging as log_setup
from kgnb.core.errors import KgnbError, NodeStopped, ServiceDown, ServiceRefused
from kgnb.core.settings import Settings
from kgnb.stores.queue.presence import Presence
from kgnb.stores.queue.store import Queue
from tests.support.commands import Place, llm, novel
from tests.support.patience import SLOWEST
from tests.support.throttles import asking

DOWN = ServiceDown("queue.down", service="redis", where="there")


class Joining:
    """What fails so many times before it works."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[str]:
        if self.failures:
            self.failures -= 1
            raise DOWN
        yield "node"


class TestServicesThatVanish:
    async def test_are_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kgnb.app.context.WAIT_SECONDS", 0.01)
        async with when_up(Joining(3), asyncio.Event()) as joined:
            assert joined == "node"

    async def test_end_a_node_that_must_not_wait(self) -> None:
        with pytest.raises(ServiceDown):
            async with when_up(Joining(1), asyncio.Event(), fail_fast=True):
                pass

    async def test_do_not_hold_a_node_that_has_to_leave(self) -> None:
        leaving = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, leaving.set)
        async with when_up(Joining(99), leaving) as joined:
            assert joined is None


@contextlib.asynccontextmanager
async def present(redis_url: str, name: str) -> AsyncIterator[Presence]:
    queue = Queue(SecretStr(redis_url), lease_seconds=30)
    presence = Presence(queue)
    await presence.claim_name(name)
    try:
        yield presence
    finally:
        await queue.close()


async def shown(presence: Presence) -> str:
    now = datetime.now().astimezone()
    await presence.heartbeat(workers=[], started_at=now, slots=2)
    return presence.queue.node


class TestNames:
    async def test_a_second_try_finds_its_own_name(self, redis_url: str) -> None:
        async with present(redis_url, "n") as one:
            assert await one.claim_name("n") == "n"

    async def test_a_node_that_stood_still_for_too_long_takes_another(self, redis_url: str) -> None:
        async with present(redis_url, "n") as frozen:
            assert await shown(frozen) == "n"
            await frozen.queue.connection.client.delete("kgnb:node:n")  # its time ran out
            async with present(redis_url, "n") as other:
                assert await shown(other) == "n"
                await shown(frozen)
                assert await shown(frozen) == "n-2"
                assert await shown(other) == "n"


async def test_a_paid_reply_does_not_wait_for_a_redis_that_hangs(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = asyncio.Event()

    async def hangs(*_: object) -> None:
        await answers.wait()

    with llm() as server:
        async with asking(redis_url, server.server.base_url) as node:
            monkeypatch.setattr(node.throttle.breaker, "record_success", hangs)
            async with asyncio.timeout(60 * SLOWEST):
                assert (await node.ask()).usage.requests == 1
            answers.set()  # leaving waits for it


def test_a_name_that_nobody_has_is_said_and_drains_at_once(tmp_path: Path) -> None:
    with Place(tmp_path) as place:
        assert place.run("submit", novel(tmp_path / "book.txt", 1), "--provider", "rules").code == 0
        ran = place.run("worker", "--providers", "opnai", "--drain", "--lang", "en")
        assert ran.code == 0
        assert "no provider opnai" in ran.out
        assert "serves (none)" in ran.out
        assert "Tasks 1 are left: they wait for rules" in ran.out


@pytest.mark.usefixtures("running_engines")
def test_a_task_of_a_provider_that_nobody_here_knows_is_told(embedded: Any, tmp_path: Path) -> None:
    """Main queued it for a provider whose key no node has yet: only the item in Redis says which."""
    place, queue = Place(tmp_path), "kg:ai_queue:other"
    assert place.run("submit", novel(tmp_path / "book.txt", 1), "--provider", "rules").code == 0
    task = {"id": 2, "novel_id": 1, "task_name": "x", "use_ai": 1, "status": "created"}
    with contextlib.closing(sqlite3.connect(embedded.folder.sqlite)) as main, main:
        main.execute(f"INSERT INTO knowledge_graph_tasks ({', '.join(task)}) VALUES {(*task.values(),)}")
    with redis.Redis.from_url(embedded.redis_url.get_secret_value()) as main:
        main.rpush(queue, json.dumps({"task_id": 2, "provider": "other"}))
        main.rpush(f"{queue}s", "no item")
    ran = place.run("worker", "--drain", "--lang", "en")
    assert ran.code == 0
    assert "serves rules" in ran.out
    assert "Tasks 2 are left: they wait for other" in ran.out
    told = place.run("status", "--json").json
    assert {task["task_id"]: task["queue"] for task in told["tasks"]} == {2: queue, 1: "kg:task:queue:rules"}
    assert [(one["queue"], one["waiting"]) for one in told["queues"]] == [(queue, 1)]
    checks = {
        one["name"]: one["detail"] for one in place.run("doctor", "--json", "--lang", "en").json["checks"]
    }
    assert checks["providers"].startswith("no LLM")
    assert checks[queue].startswith("waiting: 1,")


@pytest.mark.parametrize(
    "error",
    [NodeStopped("node.refused", reason="x"), ServiceRefused("queue.refused", service="redis", where="x")],
)
async def test_why_a_node_was_stopped_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: KgnbError
) -> None:
    async def refused(*_: object, on_ready: Any, **__: object) -> None:
        on_ready(None, SimpleNamespace(name="a"))
        raise error

    monkeypatch.setattr(cli, "serve", refused)
    monkeypatch.setattr(log_setup, "name_node", lambda _: None)
    monkeypatch.setattr(cli, "stop_on_signals", lambda *_, **__: None)
    with pytest.raises(type(error)):
        await cli.worker(argparse.Namespace(drain=False, fail_fast=False), Settings(_env_file=None))
    assert str(error) in caplog.text
