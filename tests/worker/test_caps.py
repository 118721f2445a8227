"""The caps of the environment bound what one node has in flight, as the LLMs of several providers see it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cluster import Cluster, cluster
from tests.support.commands import Llm, Running, llm, novel
from tests.support.watching import InFlight, lines_with

PROVIDERS = 3
LATENCY = 1.0


@dataclass
class Busy:
    """Providers with a book each that no case gets to the end of."""

    nodes: Cluster
    models: list[Llm]
    all: InFlight

    def most(
        self, each: Sequence[int], in_all: int, slots: int | None = None, *args: str, **caps: int
    ) -> tuple[list[int], int, str]:
        """Runs a node with these caps until at least so many were in flight by provider and in all, and for
        one more round; returns the most of both, and its log."""
        env = {name: str(value) for name, value in caps.items()}
        node = self.nodes.start_node("a", slots, *args, KGNB_DRAIN_SECONDS="0", **env)
        self.nodes.wait_until(lambda: self._reached(each, in_all), 40, f"{each}, {in_all} in all")
        time.sleep(1.5 * LATENCY)
        found = self._by_provider(), self.all.most
        assert node.leave()[0] == 0, node.log()
        self.nodes.wait_until(lambda: not self.all.now, 30, "nothing is in flight")
        for one in self.models:
            one.stats.most_in_flight = 0
        self.all.restart()
        return *found, node.log()

    def _by_provider(self) -> list[int]:
        return [one.stats.most_in_flight for one in self.models]

    def _reached(self, each: Sequence[int], in_all: int) -> bool:
        enough = all(most >= least for most, least in zip(self._by_provider(), each, strict=True))
        return enough and self.all.most >= in_all


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    path = tmp_path_factory.mktemp("caps")
    with ExitStack() as stack:
        models = [stack.enter_context(llm(latency=LATENCY)) for _ in range(PROVIDERS)]
        nodes = stack.enter_context(cluster(path / "cluster"))
        assert nodes.place.run("status").code == 0  # makes the tables
        for number, one in enumerate(models):
            add_provider(nodes, f"p{number}", one.server.base_url)
        submits = [submit(nodes, path, number) for number in range(PROVIDERS)]
        assert [one.ended().code for one in submits] == [0] * PROVIDERS
        yield Busy(nodes, models, InFlight(models))


def add_provider(nodes: Cluster, name: str, url: str) -> None:
    nodes.sql(
        "INSERT INTO ai_providers (name, display_name, api_key, base_url, models, is_active) "
        "VALUES (:name, :name, 'sk-x', :url, :models, 1)",
        name=name,
        url=url,
        models=json.dumps(["dryrun"]),
    )


def submit(nodes: Cluster, path: Path, number: int) -> Running:
    book = novel(path / f"{number}.txt", 150, seed=number + 1, lines=2)
    return nodes.place.start("submit", book, "--provider", f"p{number}")


def test_the_slots_and_the_cap_of_each_provider(busy: Busy) -> None:
    caps = {"KG_WORKERS_PER_PROVIDER": 8, "KG_MAX_PROCESSES_PER_PROVIDER": 3}
    each, _, log = busy.most([3] * PROVIDERS, 0, **caps)
    assert each == [3] * PROVIDERS
    assert lines_with(log, "started", "3 slots per provider")


@pytest.mark.parametrize("cap", [8, 2])
def test_the_cap_of_all(busy: Busy, cap: int) -> None:
    """Also where it is no multiple of the providers, and below their number: then they take turns."""
    caps = {"KG_WORKERS_PER_PROVIDER": 6, "KG_MAX_TOTAL_PROCESSES": cap}
    least = cap // PROVIDERS * PROVIDERS or cap  # each has as many slots as the others
    _, in_all, _ = busy.most([1] * PROVIDERS, least, **caps)
    assert least <= in_all <= cap


def test_an_explicit_number_raises_both_and_the_log_says_so(busy: Busy) -> None:
    slots, caps = 5, {"KG_MAX_TOTAL_PROCESSES": 4, "KG_MAX_PROCESSES_PER_PROVIDER": 2}
    wanted = [slots, slots, 0]
    each, _, log = busy.most(wanted, 2 * slots, slots, "--providers", "p0,p1", **caps)
    assert each == wanted
    (line,) = lines_with(log, f"{slots} slots", "limit")
    assert all(name in line for name in caps)
