"""What running nodes hear of their providers, and heed: pauses, rate limits, endpoints that refuse.

The tests share two nodes, and each brings books of its own.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cluster import QUEUE, Cluster, Node, cluster
from tests.support.commands import KEY, llm, novel
from tests.support.watching import Connects, OneLimit, lines_with, processor_seconds

PAUSE = "ai:provider:suspend:dryrun"
HEARD = 8.0
"""Within this every node knows of a rate limit: 2 s, and what a busy machine may take."""
LATENCY, RETRY_AFTER = 0.5, 11.0
PATIENCE = 60
"""Seconds that anything may take on a busy machine."""
SLOTS = 2


@dataclass
class Pair:
    """Two nodes; each asks with a key of its own, so that the LLM's side can tell them apart."""

    cluster: Cluster
    watch: OneLimit
    connects: Connects
    nodes: list[Node]

    def at_work(self, book: Path) -> int:
        """Queues a book, and waits until both ask about it."""
        began = time.monotonic()
        task = self.cluster.submit(book)
        self.both_ask(began)
        return task

    def both_ask(self, since: float) -> None:
        both = {node.name for node in self.nodes}
        self.cluster.wait_until(
            lambda: {one.life for one in self.watch.between(since)} == both, PATIENCE, "both ask"
        )

    def silence(self, seconds: float = PATIENCE) -> None:
        """Waits until nobody asks any more and all is handed back."""
        self.cluster.wait_until(
            lambda: time.monotonic() - self.watch.asked[-1].at > 4 * LATENCY and not self.cluster.held(),
            seconds,
            "all is handed back",
        )

    def counted(self, queue: str = QUEUE) -> dict[str, str]:
        """Chapters that aren't leased and have a delivery or a failure to their name."""
        counts = self.cluster.redis.hgetall(f"kgnb:count:{{{queue}}}")
        return {member: counts for member, counts in counts.items() if counts != "0 0"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    path = tmp_path_factory.mktemp("following")
    connects = Connects(path / "connects")
    with llm(latency=LATENCY, retry_after=RETRY_AFTER) as model, cluster(path / "cluster", model) as nodes:
        env = connects.env()
        two = [nodes.start_node(name, SLOTS, OPENAI_API_KEY=f"sk-{name}", **env) for name in ("a", "b")]
        nodes.joined(*two)
        yield Pair(nodes, OneLimit(model), connects, two)


def test_anybodys_pause_is_heeded_by_every_node(pair: Pair, tmp_path: Path) -> None:
    nodes, watch, chapters, asked = pair.cluster, pair.watch, 36, len(pair.watch.asked)
    task = pair.at_work(novel(tmp_path / "book.txt", chapters, lines=3))

    def quiet(begun: float) -> None:
        """No request once every node knows of it, and everything is handed back unharmed."""
        pair.silence()
        assert (nodes.held(), pair.counted()) == ({}, {})
        assert set(nodes.chapters(task)) == {"completed", "pending"}
        print(f"paused: last request after {watch.asked[-1].at - begun:.2f} s")

    nodes.redis.set(PAUSE, "main writes what it likes", ex=600)
    quiet(time.monotonic())
    assert nodes.place.run("providers", "pause", "dryrun", "--for", "600").code == 0
    assert 0 < nodes.redis.ttl(PAUSE) <= 600
    assert not nodes.held()
    assert nodes.place.run("providers", "resume", "dryrun").code == 0
    pair.both_ask(time.monotonic())

    seconds = 12
    nodes.redis.set(PAUSE, '{"until": 0}', ex=seconds)  # how long is the key's own life
    begun = time.monotonic()
    pair.silence(seconds - 1)
    heard = time.monotonic()
    nodes.wait_until(lambda: not nodes.redis.exists(PAUSE), PATIENCE, "it ends", every=0.01)
    assert watch.between(heard, begun + seconds - 0.1) == []
    pair.both_ask(begun + seconds - 0.1)

    nodes.wait_until(lambda: nodes.finished(task), 2 * PATIENCE, "the book is done")
    assert nodes.chapters(task) == {"completed": chapters}
    prompts = [one.prompt for one in watch.asked[asked:]]
    assert len(prompts) == len(set(prompts)) == chapters  # nothing is paid twice


def test_one_nodes_rate_limit_is_heeded_by_the_other(pair: Pair, tmp_path: Path) -> None:
    nodes, watch, chapters, asked = pair.cluster, pair.watch, 28, len(pair.watch.asked)
    task = pair.at_work(novel(tmp_path / "book.txt", chapters, seed=2, lines=3))
    watch.whom = "a"
    nodes.wait_until(lambda: watch.limited, PATIENCE, "a is limited", every=0.01)
    assert watch.limited is not None
    until = watch.limited.at + LATENCY + RETRY_AFTER  # the answer took LATENCY to come
    pair.both_ask(until - 0.05)
    assert watch.between(watch.limited.at + LATENCY + HEARD, until - 0.05) == []
    assert pair.counted() == {}
    nodes.wait_until(lambda: nodes.finished(task), 2 * PATIENCE, "the book is done")
    assert nodes.chapters(task) == {"completed": chapters}
    assert [one.outcome for one in watch.asked[asked:]].count("rate_429") == 1
    assert len(watch.asked) - asked == chapters + 1


# --- an endpoint that is gone -------------------------------------------------------------------------------


@pytest.fixture
def closed() -> Iterator[int]:
    """A port that refuses connections, and that nobody else gets meanwhile."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


WINDOW = "kgnb:failed:Gone"
"""Failures count as one while it exists, for 30 s; the test lets it end sooner."""


def test_an_endpoint_that_refuses_is_paused_and_costs_next_to_nothing(
    pair: Pair, closed: int, tmp_path: Path
) -> None:
    nodes, connects, queue = pair.cluster, pair.connects, "kg:task:queue:gone"
    url = f"http://127.0.0.1:{closed}/v1"
    add = ("providers", "add", "Gone", "--url", url, "--model", "dryrun", "--key-env", "MY_KEY")
    ran = nodes.place.run(*add, env={"MY_KEY": KEY})
    assert ran.code == 0, ran
    task = nodes.submit(novel(tmp_path / "gone.txt", 12, seed=3, lines=3), provider="Gone")
    nodes.wait_until(lambda: connects.to(closed), PATIENCE, "it is asked")
    began, cpu = time.time(), [processor_seconds(node.pid) for node in pair.nodes]
    other = nodes.submit(novel(tmp_path / "other.txt", 8, seed=4, lines=3))

    for failures in (1, 2):
        nodes.wait_until(lambda n=failures: _failures(nodes) == n, PATIENCE, f"{failures} failures count")
        time.sleep(4)
        assert _failures(nodes) == failures  # however often it is tried
        nodes.redis.delete(WINDOW)
    nodes.wait_until(lambda: nodes.redis.exists("ai:provider:suspend:Gone"), PATIENCE, "the pause")
    paused = time.time()
    tried, seconds = connects.to(closed, began, paused), paused - began
    used = [processor_seconds(node.pid) - before for node, before in zip(pair.nodes, cpu, strict=True)]
    about = [lines_with(node.log(), "Gone") for node in pair.nodes]
    nodes.wait_until(lambda: not nodes.held(queue), PATIENCE, "all is handed back")
    handed_back = time.time()
    time.sleep(1.0)
    assert connects.to(closed, handed_back) == 0
    print(f"{tried} tries and {used} s of processor time in {seconds:.0f} s, {list(map(len, about))} lines")
    assert tried <= 4 * SLOTS * seconds * len(pair.nodes)
    assert max(used) < 0.5 * seconds
    assert max(map(len, about)) <= 6, about
    assert (nodes.held(queue), pair.counted(queue), nodes.dead(queue)) == ({}, {}, {})
    assert nodes.chapters(task) == {"pending": 12}
    nodes.wait_until(lambda: nodes.finished(other), PATIENCE, "the other provider's book is done")
    assert nodes.chapters(other) == {"completed": 8}


def _failures(nodes: Cluster) -> int:
    return int(nodes.redis.get("ai:provider:fail:Gone") or 0)
