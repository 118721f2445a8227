"""Redis, SQL and Bolt stopped and started under running nodes: waited out, told once, nothing lost.

The tests share three nodes and go through one outage each; the last one sees the books to their end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.support.cluster import (
    FOLDER,
    Cluster,
    Node,
    cluster,
    server_start,
    server_stop,
    stoppable,
)
from tests.support.commands import Llm, llm, novel
from tests.support.patience import SLOWEST
from tests.support.watching import Connects, Watch, lines_with, processor_seconds

LEASE_SECONDS, DOWN_SECONDS = 8.0, 9.0
"""Leases end while a server is down, and at no other time."""
LATENCY = 1.5
CHAPTERS, SLOTS = 120, 2
READ_AHEAD = 4 * SLOTS
"""Chapters that two nodes may ask about after an outage began: as many as slots that are read ahead, and as
many again that are claimed in their places before the first write fails."""
TRIES_A_SECOND = 8.0
"""Connections that a node tries to a server that is gone."""
SERVICE = {"redis": "redis", "mariadb": "sql", "neo4j": "bolt"}
GONE, BACK = "doesn't answer", "is back"
PAUSE = "ai:provider:suspend:Slow"


@dataclass
class Work:
    """Two nodes in the middle of a book, and one that was told to leave when nothing is left: it serves a
    provider that is paused, so it has nothing in hand, and its queue isn't empty."""

    nodes: Cluster
    model: Llm
    watch: Watch
    connects: Connects
    task: int
    paused: int
    busy: list[Node]
    idle: Node


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    stoppable()
    path = tmp_path_factory.mktemp("outages")
    connects = Connects(path / "connects")
    lease = {"KGNB_LEASE_SECONDS": f"{LEASE_SECONDS:g}"}
    with llm(latency=LATENCY) as model, cluster(path / "cluster", model, **lease) as nodes:
        watch = Watch(model)
        add = ("providers", "add", "Slow", "--url", model.server.base_url, "--model", "dryrun")
        assert nodes.place.run(*add, "--key-env", "MY_KEY", env={"MY_KEY": "sk-slow"}).code == 0
        nodes.redis.set(PAUSE, "1", ex=600)
        paused = nodes.submit(novel(path / "paused.txt", 4, seed=2, lines=3), provider="Slow")
        busy = [nodes.start_node(name, SLOTS, **connects.env()) for name in ("a", "b")]
        slow = "kg:task:queue:slow"
        nodes.wait_until(lambda: nodes.held(slow, chapters=False), 30, "one of them keeps the paused task")
        idle = nodes.start_node("idle", SLOTS, "--providers", "slow", "--drain", **connects.env())
        nodes.joined(*busy, idle)
        task = nodes.submit(novel(path / "book.txt", CHAPTERS, lines=3))
        yield Work(nodes, model, watch, connects, task, paused, busy, idle)


@dataclass
class Outage:
    """When it began and ended, by time.monotonic()."""

    began: float
    ended: float


def outage(work: Work, server: str, stopped: Callable[[], object] = lambda: None) -> Outage:
    """Stops a server while every slot works, and starts it again; what holds whichever it is. ``stopped`` is
    called when the server is gone."""
    nodes, everybody = work.nodes, [*work.busy, work.idle]
    nodes.wait_until(lambda: work.model.stats.in_flight == SLOTS * 2, 30, "every slot works")
    server_stop(server)
    stopped()
    began, began_at = time.monotonic(), time.time()
    used = [processor_seconds(node.pid) for node in everybody]
    time.sleep(DOWN_SECONDS)
    used = [processor_seconds(node.pid) - before for node, before in zip(everybody, used, strict=True)]
    tried = work.connects.to((FOLDER / server / "port").read_text().strip(), began_at)
    ended = time.monotonic()  # it may be back, and heard of, before the script that starts it has ended
    server_start(server)
    print(server, "processor", [round(s, 2) for s in used], "connections", tried)
    assert max(used) < 0.4 * DOWN_SECONDS
    assert tried <= TRIES_A_SECOND * DOWN_SECONDS * len(everybody)
    nodes.wait_until(lambda: work.watch.between(ended), 40, "it goes on")
    told_once(work, SERVICE[server])
    assert work.idle.alive, work.idle.log()
    assert "Task" not in work.idle.log()  # it has nothing in hand
    return Outage(began, ended)


def told_once(work: Work, service: str) -> None:
    """One line when it goes and one when it is back, of every node that missed it; nothing of another.

    Bolt is missed only by a node that had a graph to refresh just then.
    """
    for node in (*work.busy, work.idle):
        work.nodes.wait_until(lambda n=node: _told(n, service)[-1:] != [GONE], 40, "it is back")
        told = _told(node, service)
        assert told or node is work.idle or service == "bolt", node.log()
        # More than once only where a server that has just started is too slow to answer.
        assert told == [GONE, BACK] * (len(told) // 2), node.log()
        assert len(told) <= 8 * SLOWEST, node.log()
    troubles = [
        line for n in work.busy for w in ("WARNING", "ERROR") for line in lines_with(n.log(), f" {w} ")
    ]
    assert [line for line in troubles if "Service" not in line and "Slow is paused" not in line] == []


def _told(node: Node, service: str) -> list[str]:
    """What a node's log says of a service, oldest first."""
    lines = lines_with(node.log(), f"Service {service} ")
    return [word for line in lines for word in (GONE, BACK) if word in line]


def test_redis(work: Work) -> None:
    gone = outage(work, "redis")
    assert len(work.watch.between(gone.began, gone.ended)) <= READ_AHEAD


def test_sql(work: Work) -> None:
    began, work.model.server.latency = time.monotonic(), 8.0
    work.nodes.wait_until(lambda: len(work.watch.between(began)) >= 2 * SLOTS, 30, "every slot asks")
    work.model.server.latency = LATENCY
    in_flight: list[int] = []
    gone = outage(work, "mariadb", lambda: in_flight.append(work.model.stats.in_flight))
    assert in_flight[0] > 0  # their replies came when nothing could be stored
    assert work.watch.between(gone.began, gone.ended) == []


def test_chapters_go_on_while_neo4j_is_away(work: Work) -> None:
    before = work.nodes.chapters(work.task).get("completed", 0)
    gone = outage(work, "neo4j")
    assert len(work.watch.between(gone.began, gone.ended)) > READ_AHEAD
    assert work.nodes.chapters(work.task)["completed"] > before + READ_AHEAD


def test_nothing_is_lost_or_asked_for_again(work: Work) -> None:
    nodes = work.nodes
    assert work.idle.alive
    work.model.server.latency = 0.1
    nodes.redis.delete(PAUSE)
    nodes.wait_until(lambda: nodes.finished(work.task, work.paused), 120, "the books are done")
    assert nodes.chapters(work.task) == {"completed": CHAPTERS}
    assert nodes.chapters(work.paused) == {"completed": 4}
    nodes.wait_until(lambda: not work.idle.alive, 20, "nothing is left for it")
    assert work.idle.process.returncode == 0
    assert (work.model.stats.requests, work.model.stats.answered_twice) == (CHAPTERS + 4, [])
    for task in (work.task, work.paused):
        assert nodes.graph(task)["nodes"]  # as Neo4j has it
    assert nodes.dead() == {}
