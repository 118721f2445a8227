"""Two versions of a node on one queue: the older one leaves alone what the newer one made."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import QUEUE, Cluster, Node
from tests.support.commands import Llm, llm, novel
from tests.support.paths import ROOT

NEWER = "items of a newer version"
CHAPTER = re.compile(r"Task (\d+) chapter (\d+): completed")


@pytest.fixture
def model() -> Iterator[Llm]:
    with llm(latency=0.1) as one:
        yield one


@pytest.fixture
def newer(tmp_path: Path) -> str:
    """A copy of kgnb whose queue protocol is of the next version; the PYTHONPATH to run it."""
    package = tmp_path / "newer" / "kgnb"
    shutil.copytree(ROOT / "kgnb", package, ignore=shutil.ignore_patterns("__pycache__"))
    for file, line in (("store.py", "VERSION = {}\n"), ("lua/common.lua", "local VERSION = {}\n")):
        path = package / "stores" / "queue" / file
        text = path.read_text("utf-8")
        assert text.count("\n" + line.format(1)) == 1
        path.write_text(text.replace("\n" + line.format(1), "\n" + line.format(2)), "utf-8")
    return str(tmp_path / "newer")


def done_by(node: Node) -> set[tuple[str, str]]:
    """(task, chapter) of what the node's log says it completed."""
    return set(CHAPTER.findall(node.log()))


def test_an_older_node_takes_only_what_it_understands(nodes: Cluster, newer: str, tmp_path: Path) -> None:
    theirs = nodes.place.run("submit", novel(tmp_path / "new.txt", 6, seed=2), "--provider", "dryrun",
                             env={"PYTHONPATH": newer})  # fmt: skip
    assert theirs.code == 0, theirs
    hers = int(theirs.out)
    (item,) = nodes.redis.lrange(QUEUE, 0, -1)
    assert json.loads(item)["v"] == 2
    ours = nodes.submit(novel(tmp_path / "old.txt", 4))
    old = nodes.start_node("old", 2)
    nodes.wait_until(lambda: nodes.finished(ours), 60, "the item behind the newer one is done")
    # An item of a newer version stays where it was, and so it does while the node looks again and again.
    nodes.wait_until(lambda: NEWER in old.log(), 30, "it says so")
    third = nodes.submit(novel(tmp_path / "third.txt", 2, seed=3))
    nodes.wait_until(lambda: nodes.finished(third), 60, "and it goes on serving others")
    assert nodes.redis.lrange(QUEUE, 0, -1) == [item]
    assert nodes.status(hers) == "created"

    new = nodes.start_node("new", 2, PYTHONPATH=newer)
    fourth = nodes.submit(novel(tmp_path / "fourth.txt", 8, seed=4))
    nodes.wait_until(lambda: nodes.finished(hers, fourth), 60, "both are done, side by side")
    assert {nodes.status(task) for task in (hers, ours, third, fourth)} == {"completed"}
    assert {task for task, _ in done_by(old)} <= {str(ours), str(third), str(fourth)}
    assert len([chapter for task, chapter in done_by(new) if task == str(hers)]) == 6
    assert old.log().count(NEWER) == 1
    assert NEWER not in new.log()
    assert [node.leave()[0] for node in (old, new)] == [0, 0]
    assert nodes.redis.llen(QUEUE) == 0


def test_open_tasks_of_a_newer_node_are_left_to_newer_nodes(
    nodes: Cluster, newer: str, model: Llm, tmp_path: Path
) -> None:
    """Its chapters, its leases when it dies, and its item when it is handed back."""
    theirs = nodes.submit(novel(tmp_path / "new.txt", 8, seed=2))  # an item that anyone may take: v 1
    model.server.latency = 300
    new = nodes.start_node("new", 2, PYTHONPATH=newer)
    nodes.wait_until(lambda: model.stats.in_flight == 2, 60, "the newer node is at work")
    old = nodes.start_node("old", 2)
    nodes.joined(old)
    new.kill9()
    model.server.latency = 0.1
    ours = nodes.submit(novel(tmp_path / "old.txt", 4))
    nodes.wait_until(lambda: nodes.finished(ours), 60, "the older node does its own")
    nodes.wait_until(lambda: not nodes.held(chapters=False), 20, "the dead node's leases are over")
    nodes.wait_until(lambda: old.log().count(NEWER) == 1, 30, "it says so once")
    again = nodes.start_node("newer", 2, PYTHONPATH=newer)
    nodes.wait_until(lambda: nodes.finished(theirs), 60, "a newer node finishes")
    assert nodes.chapters(theirs) == {"completed": 8}
    assert {task for task, _ in done_by(old)} == {str(ours)}
    assert {task for task, _ in done_by(again)} >= {str(theirs)}
    assert old.log().count(NEWER) == 1
