"""Nothing is lost on a bad day: nodes killed and replaced, servers restarted or emptied, a failing LLM."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from kgnb.llm.fake.server import Faults
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import Claim, ClaimRequest
from tests.conftest import outside
from tests.support.chaos import GoodDay, bad_day, good_day
from tests.support.chaos_plan import Figures, Plan
from tests.support.cluster import QUEUE, Cluster, Node, cluster, stoppable
from tests.support.commands import Llm, llm, novel
from tests.support.node_deaths import death_figures

LEASE = 3.0
PLAN = Plan(
    chapters=(72, 30, 18), kill_every=1.0, moved=0, poison=(1, 3), twins=2, deleted=18, old_worker=True
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> GoodDay:
    return good_day(tmp_path_factory.mktemp("good"), PLAN)


class TestBadDay:
    @pytest.mark.timeout(1500)  # on a slow machine more than any other
    def test_ends_as_a_good_one(self, tmp_path: Path, good: GoodDay) -> None:
        stoppable()
        figures = bad_day(tmp_path, PLAN, good)
        print(figures.line())
        check(figures)
        assert figures.kills >= 5
        assert set(figures.outages) == {"redis", "mariadb", "neo4j"}
        assert all(
            figures.outcomes.get(fault, 0) for fault in ("rate_429", "rate_500", "truncated", "broken")
        )
        assert figures.again_unforced == 0
        assert figures.again <= figures.kills * PLAN.slots + figures.again_twins + figures.again_moved
        assert figures.again_moved <= PLAN.nodes * PLAN.slots
        assert (figures.moved_to, figures.poison_failed) == ("dryrun", True)
        # Three tries of the whole and of a half, the half twice more, and three whenever a node died over it.
        assert figures.poison <= 12 + 3 * figures.kills, figures
        check_old_worker(figures.old)

    def test_redis_is_not_the_record(self, tmp_path: Path, good: GoodDay) -> None:
        plan = Plan(
            chapters=PLAN.chapters[:1],
            nodes=2,
            latency=0.2,
            faults=Faults(truncated=0.05),
            kill_every=600.0,
            outages=(),
            flush_at=0.3,
        )
        figures = bad_day(tmp_path, plan, good._replace(graphs=good.graphs[:1]))
        print(figures.line())
        check(figures)
        assert figures.outages == {"flush": 0.0}
        assert figures.again <= plan.nodes * plan.slots  # in flight when the leases went


def check(figures: Figures) -> None:
    """What holds whatever happened."""
    assert figures.completed == figures.chapters, figures
    assert (figures.lost, figures.doubled, figures.dead) == (0, 0, 0), figures
    assert figures.same_graph, figures
    assert figures.stored_again == 0, figures
    assert figures.requests <= 1.15 * figures.prompts + figures.forced, figures
    assert figures.strange <= 2 * figures.split, figures


def check_old_worker(old: dict[str, int]) -> None:
    """It did all of its task, and kgnb nothing of it, nor to its keys."""
    assert old["did"] == old["wanted"]
    assert old["queued"] >= 2
    assert (old["missing"], old["rows"], old["undone"], old["reopened"]) == (0, 0, 0, 0), old


class TestDeath:
    def test_its_chapters_are_claimed_within_a_lease(self, tmp_path: Path) -> None:
        deaths = death_figures(tmp_path, kills=2, lease=LEASE, chapters=250)
        print(deaths.line())
        assert min(deaths.held) > 0


@pytest.fixture
def server() -> Iterator[Llm]:
    with llm(latency=60.0) as one:
        yield one


@pytest.fixture
def place(tmp_path: Path, server: Llm) -> Iterator[Cluster]:
    with cluster(tmp_path / "cluster", server) as one:
        one.submit(novel(tmp_path / "book.txt", 12, lines=5))
        yield one


def busy(place: Cluster, name: str) -> Node:
    """A node that has all its slots in flight, for longer than anybody waits."""
    node = place.start_node(name)
    place.wait_until(lambda: len(place.held(node=name)) >= 2, 40, f"{name} is busy")
    return node


async def claim_all() -> list[Claim]:
    """All that one poll of another node gets."""
    queue = Queue(SecretStr(outside("KGNB_TEST_REDIS_URL")), lease_seconds=LEASE)
    try:
        return (await queue.poll([ClaimRequest(QUEUE, chapters=99, tasks=1)])).claims
    finally:
        await queue.close()


class TestLeaving:
    def test_what_it_held_is_claimable_when_it_is_gone(self, place: Cluster) -> None:
        node = busy(place, "a")
        assert node.leave()[0] == 0, node.log()
        assert place.held(node="a", chapters=False) == {}
        left = (
            place.redis.keys("kg:worker:*") + place.redis.keys("kg:nodes:*") + place.redis.keys("kgnb:node:*")
        )
        assert left == []
        assert place.chapters(1) == {"pending": 12}
        claims = asyncio.run(claim_all())
        assert sum(claim.kind == "task" for claim in claims) == 1
        assert sorted(claim.chapter_id for claim in claims if claim.kind == "chapter") == [*range(1, 13)]
        assert {claim.deliveries for claim in claims} == {1}  # being handed back doesn't count
