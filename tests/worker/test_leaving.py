"""A node that is told to leave drains, hands the rest back and is gone; also when a server hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import FOLDER, QUEUE, SERVERS, Cluster, Node, cluster, stoppable
from tests.support.commands import Llm, llm, novel
from tests.support.patience import SLOWEST

GONE_SECONDS = 40.0
"""Limit of the waits: 10 s for work in flight, and what handing back takes on a slow machine."""
LONG = 300.0
"""Latency of a request that outlives every test."""


@pytest.fixture
def model() -> Iterator[Llm]:
    with llm(latency=LONG) as one:
        yield one


@pytest.fixture
def nodes(tmp_path: Path, model: Llm) -> Iterator[Cluster]:
    stoppable()
    with cluster(tmp_path, model, KGNB_LEASE_SECONDS="5") as one:
        yield one


def at_work(nodes: Cluster, model: Llm, folder: Path, *, chapters: int, **env: str) -> tuple[Node, int]:
    """A node with four chapters in flight, and their task."""
    task = nodes.submit(novel(folder / "book.txt", chapters, lines=6))
    node = nodes.start_node("a", 4, **env)
    nodes.wait_until(lambda: model.stats.in_flight >= 4, 120, "four chapters are being asked", every=0.01)
    return node, task


def claimable(nodes: Cluster, task: int) -> int:
    """Chapters that any node may claim at once; nothing may be leased or delayed."""
    assert nodes.held(chapters=False) == {}
    assert nodes.redis.zcard(f"kgnb:later:{{{QUEUE}}}") == 0
    assert nodes.redis.llen(QUEUE) == 1
    return int(nodes.redis.llen(f"kgnb:todo:{{{QUEUE}}}:{task}"))


def hashes(nodes: Cluster) -> list[str]:
    found = [*nodes.redis.scan_iter("kg:nodes:*"), *nodes.redis.scan_iter("kg:worker:*")]
    return [*found, *nodes.redis.scan_iter("kgnb:node:*")]


@pytest.mark.parametrize(("number", "drain"), [(signal.SIGINT, 10.0), (signal.SIGHUP, 6.0)])
def test_it_drains_and_hands_back(
    nodes: Cluster, model: Llm, tmp_path: Path, number: signal.Signals, drain: float
) -> None:
    soon = deque([drain * 0.3] * 2)
    answer = model.server.respond

    def respond(request: Any) -> Any:
        if request.method == "POST":
            model.server.latency = soon.popleft() if soon else LONG
        return answer(request)

    model.server.respond = respond  # type: ignore[method-assign]
    setting = {"KGNB_LEASE_SECONDS": "60"}  # as it works on until the end of its time, none may be lost
    if drain != 10:  # the default
        setting["KGNB_DRAIN_SECONDS"] = str(drain)
    node, task = at_work(nodes, model, tmp_path, chapters=8, **setting)
    began = time.monotonic()
    node.send(number)
    code = node.process.wait(GONE_SECONDS * SLOWEST)
    took = time.monotonic() - began
    assert code == 0, node.log()
    assert took >= drain - 1  # the others got their time
    assert nodes.chapters(task) == {"completed": 2, "pending": 6}, node.log()
    assert claimable(nodes, task) == 6
    assert hashes(nodes) == []
    assert "Traceback" not in node.log(), node.log()


@contextlib.contextmanager
def hanging(*servers: str) -> Iterator[None]:
    """The servers take connections and answer nothing."""
    pids = [int((FOLDER / name / "pid").read_text()) for name in servers]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("down", [("redis",), ("mariadb",), SERVERS], ids="+".join)
def test_it_leaves_in_time_while_a_server_hangs(
    nodes: Cluster, model: Llm, tmp_path: Path, down: tuple[str, ...]
) -> None:
    node, task = at_work(nodes, model, tmp_path, chapters=6, KGNB_DRAIN_SECONDS="1")
    with hanging(*down):
        time.sleep(2)
        code, _ = node.leave(GONE_SECONDS)
    assert code == 0, node.log()
    assert "Traceback" not in node.log(), node.log()
    if "redis" not in down:
        assert claimable(nodes, task) == 6
        assert hashes(nodes) == []
    # What it couldn't hand back is over with its lease, and uncounted: the next node does all of it.
    model.server.latency = 0.05
    other = nodes.start_node("b", 4)
    nodes.wait_until(lambda: nodes.finished(task), 40, "another node does the rest")
    assert nodes.chapters(task) == {"completed": 6}
    assert other.leave()[0] == 0
