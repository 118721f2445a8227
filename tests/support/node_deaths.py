"""Nodes killed without a replacement: how soon do the others claim what the dead one held?"""

from __future__ import annotations

import json
import random
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.cluster import Cluster, Node, cluster
from tests.support.commands import llm, novel
from tests.support.patience import SLOWEST


@dataclass
class Deaths:
    """Seconds from each kill -9 until the last of what the node held was claimed elsewhere."""

    lease: float
    seconds: list[float] = field(default_factory=list)
    held: list[int] = field(default_factory=list)  # leases of each killed node

    def line(self) -> str:
        told = {"lease": self.lease, "kills": len(self.seconds), "held": self.held}
        found = {"median": round(statistics.median(self.seconds), 2), "max": round(max(self.seconds), 2)}
        return json.dumps(told | found)


def die(place: Cluster, node: Node, deaths: Deaths) -> None:
    """Kills a node that holds chapters and waits until others hold all that it held. The others must have a
    slot free now and then; nothing may be started meanwhile, for a new neighbour ends a dead one's leases."""
    place.wait_until(lambda: len(place.held(node=node.name)) >= 2, 40, f"{node.life} holds chapters")
    began = time.time()
    node.kill9()
    owed = place.held(node=node.name, chapters=False)
    deaths.held.append(len(owed))
    latest = began
    while owed:
        limit = (deaths.lease + 30) * SLOWEST  # other ways than by its lease take HOLD_SECONDS
        assert time.time() - began < limit, f"never claimed: {owed}\n{place.logs()}"
        moved = {m: _moved(place, m, record["token"]) for m, record in owed.items()}
        latest = max([latest, *filter(None, moved.values())])
        owed = {m: record for m, record in owed.items() if moved[m] is None}
        time.sleep(0.02)
    deaths.seconds.append(latest - began)


def _moved(place: Cluster, member: str, token: str) -> float | None:
    """When another lease took this one's place (epoch seconds by the server's clock); None while none did."""
    now = place.held(chapters=False).get(member)
    if now is not None:
        return None if now["token"] in ("", token) else now["since"] / 1000
    kind, task, *chapter = member.split(":")
    over = kind == "c" and chapter[0] not in place.open_chapters(int(task))
    return time.time() if over else None


def death_figures(folder: Path, *, kills: int, lease: float, chapters: int, nodes: int = 3) -> Deaths:
    """Kills a random node, ``kills`` times; each is replaced once its chapters have moved."""
    deaths = Deaths(lease)
    rng = random.Random(kills)
    with (
        llm(latency=0.8) as server,
        cluster(folder / "deaths", server, KGNB_LEASE_SECONDS=f"{lease:g}", KGNB_CPU_WORKERS="1") as place,
    ):
        task = place.submit(novel(folder / "long.txt", chapters, lines=5))
        for number in range(nodes):
            place.start_node(f"m{number}")
        # A graph server that has just started takes seconds for its first writes, and a slow graph holds back
        # all claiming: that isn't what is measured.
        place.wait_until(lambda: place.chapters(task).get("completed", 0) >= 12, 180, "the graph is warm")
        for number in range(kills):
            place.joined(*place.living)
            die(place, rng.choice(place.living), deaths)
            if number < kills - 1:
                place.start_node(f"r{number}")
        assert place.status(task) == "running", "the book was too short"
    return deaths
