"""Chapters that can't be done: one whose reply is never usable, one that kills every node that asks for it.

Each ends on the dead list by its own counter, and takes no other chapter with it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from kgnb.llm.fake.http import Request, Response, error_response
from tests.support.cluster import QUEUE, Cluster, Node
from tests.support.commands import Llm, novel

UNUSABLE, KILLER = "无字天书现世", "夺命书现世"
FAILURES, DELIVERIES, ALONE_FROM = 3, 10, 5
CHAPTERS = 14


class Killer:
    """The LLM as seen by whoever sends the killer chapter: dead by SIGKILL before the answer.

    A node is told apart by its API key. What else it held at that moment is noted, oldest first.
    """

    def __init__(self, model: Llm, nodes: Cluster) -> None:
        self.neighbours: list[tuple[int, set[str]]] = []
        """(delivery of the killer, other chapters that the node held)"""
        self.wanted = 0
        """Nodes to be replaced."""
        self._nodes = nodes
        self._guard = threading.Lock()
        self._answer = model.server.respond
        model.server.respond = self.respond  # type: ignore[method-assign]

    def respond(self, request: Request) -> Response:
        if request.method != "POST" or KILLER not in request.body.decode():
            return self._answer(request)
        key = request.headers["authorization"].removeprefix("Bearer ")
        node = next(n for n in self._nodes.living if key.endswith(n.name))
        held = self._nodes.held(node=node.name)
        (killer,) = (m for m in held if m == self.member)
        self.neighbours.append((held[killer]["deliveries"], set(held) - {killer}))
        node.kill9()
        # Its leases are over: nobody waits for that, and a node that only stands still keeps its own.
        for member in self._nodes.held(node=node.name, chapters=False):
            self._nodes.redis.zadd(f"kgnb:lease:{{{QUEUE}}}", {member: 0}, xx=True)
        with self._guard:
            self.wanted += 1
        return error_response(500, "server_error", "nobody is there to read this")

    member = ""

    def replaced(self) -> bool:
        """Takes one replacement on."""
        with self._guard:
            if not self.wanted:
                return False
            self.wanted -= 1
            return True


def poisoned(path: Path, *, unusable: int, killer: int) -> Path:
    """A book with a mark in two of its chapters."""
    novel(path, CHAPTERS, lines=6)
    parts = path.read_text("utf-8").split("\n第")
    parts[unusable] += f"\n{UNUSABLE}。\n"
    parts[killer] += f"\n{KILLER}。\n"
    path.write_text("\n第".join(parts), "utf-8")
    return path


def unusable_is_answered_in_prose(model: Llm) -> None:
    server: Any = model.server
    outcome = server.respond_with
    server.respond_with = lambda what, asked: outcome("prose" if UNUSABLE in asked.text else what, asked)


def test_poison_ends_on_the_dead_list_and_spares_the_others(
    nodes: Cluster, model: Llm, tmp_path: Path
) -> None:
    unusable_is_answered_in_prose(model)
    killer = Killer(model, nodes)
    task = nodes.submit(poisoned(tmp_path / "book.txt", unusable=1, killer=6))
    by_number = dict(nodes.sql("SELECT chapter_number, id FROM chapters"))
    members = {what: f"c:{task}:{by_number[n]}" for what, n in (("unusable", 1), ("killer", 6))}
    killer.member = members["killer"]
    started: Counter[str] = Counter()

    def start() -> Node:
        started["nodes"] += 1
        name = f"n{started['nodes']}"
        return nodes.start_node(name, 3, OPENAI_API_KEY=f"sk-{name}")

    start(), start()

    def over() -> bool:
        while killer.replaced():
            start()
        # The pause of half a minute before the third try is over sooner here.
        for member, due in nodes.redis.zrange(f"kgnb:later:{{{QUEUE}}}", 0, -1, withscores=True):
            if due / 1000 - time.time() > 6:
                nodes.redis.zadd(f"kgnb:later:{{{QUEUE}}}", {member: 0}, xx=True)
        return nodes.finished(task)

    nodes.wait_until(over, 100, "the task ends")
    dead = nodes.dead()
    assert set(dead) == set(members.values()), nodes.logs(80)
    assert (dead[members["unusable"]]["failures"], dead[members["killer"]]["deliveries"]) == (
        FAILURES,
        DELIVERIES,
    )
    assert dead[members["killer"]]["failures"] == 0
    deliveries = [delivery for delivery, _ in killer.neighbours]
    assert deliveries == list(range(1, DELIVERIES + 1))
    assert any(others for delivery, others in killer.neighbours if delivery < ALONE_FROM)
    assert not any(others for delivery, others in killer.neighbours if delivery >= ALONE_FROM), (
        killer.neighbours
    )
    assert nodes.status(task) == "failed"
    assert nodes.chapters(task) == {"completed": CHAPTERS - 2, "failed": 2}
    reasons = dict(
        nodes.sql(
            "SELECT chapter_id, error_message FROM knowledge_graph_chapter_status WHERE status = 'failed'"
        )
    )
    assert "JSON" in reasons[by_number[1]], reasons
    assert "10" in reasons[by_number[6]], reasons
    assert "Traceback" not in "".join(n.log() for n in nodes.nodes)
    left = nodes.living
    nodes.joined(*left)  # one that only starts dies of SIGTERM
    assert [node.leave()[0] for node in left] == [0] * len(left)
