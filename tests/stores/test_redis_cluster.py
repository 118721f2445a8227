"""Redis Cluster and Sentinel on Debian's servers: a book's life, a moved slot, a master that dies."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from pydantic import SecretStr

from kgnb.core.errors import ServiceDown, ServiceRefused
from kgnb.core.settings import Settings
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.queue.cluster import Cluster
from kgnb.stores.queue.lease_renewer import LeaseRenewer
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import ClaimRequest
from tests.support.commands import Place, llm, novel
from tests.support.ledgers import QUEUE, opened, task_row
from tests.support.light_nodes import LightNode, Model, light_node, submitted
from tests.support.patience import SLOWEST, eventually
from tests.support.queues import NEW, OLD, ids, nodes_on, old_worker, take
from tests.support.queues import opened as opened_task
from tests.support.redis_servers import PASSWORD, RedisCluster, RedisUnderSentinels

pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="apt-get install redis-server")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture
def redis_cluster(servers: RedisCluster) -> RedisCluster:
    """The module's redis_cluster, emptied; a master that only stands still for a while is left to be it."""
    servers.flush()
    servers.fails_over_after(60)
    return servers


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as one:
        yield one


class Answering(Model):
    """An LLM that takes a moment for each answer once it is open."""

    async def complete(self, *args: Any, **named: Any) -> Any:
        reply = await super().complete(*args, **named)
        await asyncio.sleep(0.03)
        return reply


async def finished(ledger: Ledger, task_id: int) -> bool:
    return (await task_row(ledger, task_id))["status"] == "completed"


def test_a_book_from_submit_to_its_graph(redis_cluster: RedisCluster, tmp_path: Path) -> None:
    place = Place(tmp_path)
    with pytest.raises(redis.ResponseError, match="slot"):
        redis_cluster.servers[0].client.mget("a", "b")
    with llm() as model:
        more = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis_cluster.servers[0].port), **model.env()}
        book = novel(tmp_path / "book.txt", 12)
        task = place.run("submit", book, "--provider", "dryrun", env=more).out.strip()
        assert place.run("providers", "pause", "dryrun", "--for", "60", env=more).code == 0
        paused = place.run("status", "--json", env=more).json
        assert [one["state"] for one in paused["providers"] if one["name"] == "dryrun"] == ["paused"]
        assert [task["percent"] for task in paused["tasks"]] == [0.0]
        assert place.run("providers", "resume", "dryrun", env=more).code == 0
        assert place.run("worker", "--drain", env=more).code == 0
        done = place.run("status", "--json", env=more).json
        assert place.run("dead", "list", env=more).code == 0
        assert place.run("doctor", "--json", env=more, timeout=90).code == 0
    assert [(t["task_id"], t["status"], t["completed"]) for t in done["tasks"]] == [
        (int(task), "completed", 12)
    ]
    assert place.graph(int(task))["nodes"]
    place.kill_everything()
    refused = [server.client.info("errorstats") for server in redis_cluster.masters()]
    assert sum(e.get("errorstat_CROSSSLOT", {}).get("count", 0) for e in refused) == 1  # the one above
    assert not any(e.keys() & {"errorstat_MOVED", "errorstat_CLUSTERDOWN"} for e in refused)


async def test_old_workers_on_every_master_are_seen(redis_cluster: RedisCluster) -> None:
    async with nodes_on(redis_cluster.url) as make:
        queue = make()
        for number in range(1, 7):
            await old_worker(queue, f"old-{number}", number)
        assert await queue.foreign_tasks() == set(range(1, 7))
    assert all(server.client.dbsize() for server in redis_cluster.masters())


async def test_a_cluster_has_one_database(redis_cluster: RedisCluster) -> None:
    queue = Queue(SecretStr(redis_cluster.url.replace("/0", "/1")), lease_seconds=6)
    with pytest.raises(ServiceRefused, match="REDIS_DB"):
        await queue.ping()
    await queue.close()


async def test_a_queue_whose_slot_is_being_moved_only_takes_new_items(redis_cluster: RedisCluster) -> None:
    """Its state is on two servers: a script would find half of it, and write to both."""
    async with nodes_on(redis_cluster.url) as make:
        queue, other = make(), make("b")
        task = await opened_task(queue, 1, 4)
        (first,) = (await take(queue, chapters=1)).claims
        renewer, loop, pushed = LeaseRenewer(queue), asyncio.get_running_loop(), list[int]()
        renewer.hold(task, first)

        async def half_moved() -> None:
            await queue.push(NEW, 100 + len(pushed))
            pushed.append(100 + len(pushed))
            assert not await renewer.renew()
            assert not renewer.lost(first)
            asking = queue.states([NEW]), queue.find_tasks([NEW])
            for call in (take(other, chapters=1, tasks=1), queue.ack([first]), *asking):
                with pytest.raises(ServiceDown):
                    await call

        def step() -> None:
            asyncio.run_coroutine_threadsafe(half_moved(), loop).result(10 * SLOWEST)

        await asyncio.to_thread(redis_cluster.move_slot, NEW, step)
        assert len(pushed) > 5
        assert await renewer.renew()
        assert await queue.ack([first]) == [True]
        poll = await take(other, chapters=9, tasks=19)
        await renewer.connection.close()
    assert ids(poll) == [*((task_id, 0) for task_id in pushed), (1, 2), (1, 3), (1, 4)]


async def test_a_poll_that_one_queue_does_not_answer_keeps_nothing_of_the_other(
    redis_cluster: RedisCluster,
) -> None:
    async with nodes_on(redis_cluster.url) as make:
        queue = make()
        await queue.push(NEW, 1)
        await queue.push(OLD, 2)
        slot, *both = redis_cluster.begin_move(OLD)
        with pytest.raises(ServiceDown):
            await queue.poll([ClaimRequest(NEW, tasks=1), ClaimRequest(OLD, tasks=1)])
        await eventually(lambda: waits(queue))
        for server in both:
            server.says("CLUSTER", "SETSLOT", slot, "STABLE")
        poll = await queue.poll([ClaimRequest(NEW, tasks=1), ClaimRequest(OLD, tasks=1)])
    assert [(claim.task_id, claim.deliveries) for claim in poll.claims] == [(1, 1), (2, 1)]


async def waits(queue: Queue) -> bool:
    state = (await queue.states([NEW]))[NEW]
    return (state.waiting, state.leased) == (1, 0)


async def test_a_slot_that_moves_while_nodes_claim(
    redis_cluster: RedisCluster, ledger: Ledger, tmp_path: Path
) -> None:
    moved = asyncio.Event()

    class Waiting(Answering):
        """Some chapters are left for afterwards."""

        async def complete(self, *args: Any, **named: Any) -> Any:
            if len(self.asked) >= 20:
                await moved.wait()
            return await super().complete(*args, **named)

    model = Waiting()
    model.open.set()
    task_id = await submitted(ledger, redis_cluster.url, 40)
    async with (
        light_node(redis_cluster.url, ledger, tmp_path, model) as light,
        light_node(redis_cluster.url, ledger, tmp_path, model, "b"),
    ):
        await eventually(lambda: asked(model, 5))
        before = redis_cluster.owner(QUEUE)
        await asyncio.to_thread(redis_cluster.move_slot, QUEUE, lambda: time.sleep(0.05))
        assert redis_cluster.owner(QUEUE) is not before
        moved.set()
        await eventually(lambda: finished(ledger, task_id))
        assert not light.node.stores.outages.down
    assert sorted(model.asked.values()) == [1] * 40


async def test_a_master_that_dies_in_mid_run(
    redis_cluster: RedisCluster, ledger: Ledger, tmp_path: Path
) -> None:
    model = Answering()
    task_id = await submitted(ledger, redis_cluster.url, 12)
    async with (
        light_node(redis_cluster.url, ledger, tmp_path, model) as light,
        light_node(redis_cluster.url, ledger, tmp_path, model, "b"),
    ):
        await eventually(lambda: asked(model, 4))
        redis_cluster.fails_over_after(2)
        redis_cluster.owner(QUEUE).kill_replicated()
        await eventually(lambda: is_down(light))
        model.open.set()
        await eventually(lambda: finished(ledger, task_id))
    assert sorted(model.asked.values()) == [1] * 12


async def test_a_failover_by_sentinels(ledger: Ledger, tmp_path: Path) -> None:
    model = Answering()
    with RedisUnderSentinels(tmp_path / "servers") as servers:
        secrets = {"REDIS_PASSWORD": PASSWORD, "REDIS_SENTINEL_PASSWORD": PASSWORD}
        settings = Settings(_env_file=None, REDIS_SENTINEL=servers.addresses, **secrets)
        assert not settings.embedded_redis
        url = settings.redis_url.get_secret_value()
        task_id = await submitted(ledger, url, 8)
        async with light_node(url, ledger, tmp_path, model) as light:
            await eventually(lambda: asked(model, 2))
            servers.master.kill_replicated()
            await eventually(lambda: is_down(light))
            model.open.set()
            await eventually(lambda: finished(ledger, task_id))
    assert sorted(model.asked.values()) == [1] * 8


async def asked(model: Model, prompts: int) -> bool:
    return len(model.asked) >= prompts


async def is_down(light: LightNode) -> bool:
    return light.node.stores.outages.is_down("redis")


async def test_connections_opened_while_others_are_closed_are_closed_too() -> None:
    closed: list[int] = []

    class Client:
        async def aclose(self) -> None:
            closed.append(len(closed))
            if len(closed) == 1:
                cluster.client_of(("127.0.0.1", 3))

    cluster = Cluster(("127.0.0.1", 1), lambda _: cast("Any", Client()))
    for port in (1, 2):
        cluster.client_of(("127.0.0.1", port))
    await cluster.close()
    assert closed == [0, 1, 2]
