"""The queue protocol on real servers: order, turns, leases, counters, chapters that have to be alone."""

from __future__ import annotations

import json

import pytest

from kgnb.core.messages import say
from kgnb.stores.queue.connection import script_call
from kgnb.stores.queue.lease_renewer import LeaseRenewer
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import ClaimRequest, QueueName
from tests.support.patience import eventually
from tests.support.queues import (
    NEW,
    OLD,
    Maker,
    closed,
    die,
    fail_for_good,
    ids,
    items,
    let_pass,
    opened,
    take,
)


async def set_clock(seconds: float, *nodes: Queue) -> None:
    """As if Redis' clock had been set: all times in it, and those that nodes know, are the old clock's."""
    await let_pass(seconds, nodes[0])
    for node in nodes:
        node.clock._offsets = {queue: at - seconds for queue, at in node.clock._offsets.items()}


class TestOrder:
    @pytest.mark.parametrize("key", [NEW, OLD, QueueName("other:openai")])
    async def test_oldest_first_and_reaped_next_in_line(self, queue: Queue, key: str) -> None:
        for task_id in (1, 2, 3):
            await queue.push(key, task_id)
        assert ids(await take(queue, key, tasks=2)) == [(1, 0), (2, 0)]
        assert await queue.forget_node("a") == 2
        assert ids(await take(queue, key, tasks=3)) == [(1, 0), (2, 0), (3, 0)]

    async def test_takes_what_old_producers_wrote(self, queue: Queue) -> None:
        await queue.connection.client.lpush(NEW, '{"task_id": 1, "provider": "openai"}', '{"task_id": 2}')
        await queue.connection.client.rpush(OLD, '{"task_id": 3}', '{"task_id": 4}')
        assert ids(await queue.poll([ClaimRequest(NEW, tasks=1), ClaimRequest(OLD, tasks=1)])) == [
            (1, 0),
            (3, 0),
        ]

    async def test_chapters_in_turn_over_tasks(self, queue: Queue) -> None:
        await opened(queue, 1, 2000)
        await opened(queue, 2, 3, first=3001)
        order = ids(await take(queue, chapters=8))
        assert sorted(order[:6]) == [(1, 1), (1, 2), (1, 3), (2, 3001), (2, 3002), (2, 3003)]
        assert order[6:] == [(1, 4), (1, 5)]
        assert {task for task, _ in order[:2]} == {1, 2}

    async def test_a_chapter_may_have_a_negative_id(self, queue: Queue) -> None:
        await queue.push(NEW, 1)
        (task,) = (await take(queue, tasks=1)).claims
        await queue.open_task(task, [-7, 8])
        claims = (await take(queue, chapters=9)).claims
        assert sorted(claim.chapter_id for claim in claims) == [-7, 8]
        assert await queue.ack(claims) == [True] * 2
        assert not (await take(queue, chapters=9)).claims

    async def test_a_chapter_that_two_tasks_want_is_claimed_once_at_a_time(self, make: Maker) -> None:
        queue, other = make(), make("b")
        await opened(queue, 1, 3)
        await opened(queue, 2, 3)
        poll = await take(queue, chapters=2)
        assert len({claim.chapter_id for claim in poll.claims}) == 2
        (last,) = (await take(other, chapters=9)).claims
        assert {claim.chapter_id for claim in (*poll.claims, last)} == {1, 2, 3}
        assert not (await take(other, chapters=9)).claims
        await other.ack([last])
        ((task, chapter),) = ids(await take(queue, chapters=9))
        assert (3 - task, chapter) == (last.task_id, last.chapter_id)

    async def test_what_a_task_that_left_has_in_flight_is_not_the_other_tasks(self, queue: Queue) -> None:
        await opened(queue, 1, 3)
        await opened(queue, 2, 3)
        claims = (await take(queue, chapters=2)).claims
        flying = next(claim for claim in claims if claim.task_id == 1)
        assert await queue.forget_task([NEW], 1) == {flying.chapter_id}
        others = (await take(queue, chapters=9)).claims
        assert flying.chapter_id not in {claim.chapter_id for claim in others}
        await queue.ack([flying])
        assert ids(await take(queue, chapters=9)) == [(2, flying.chapter_id)]

    async def test_released_chapters_come_first_and_in_order(self, queue: Queue) -> None:
        await opened(queue, 1, 6)
        claims = (await take(queue, chapters=3)).claims
        assert await queue.release(claims) == [True] * 3
        assert ids(await take(queue, chapters=4)) == [(1, 1), (1, 2), (1, 3), (1, 4)]

    async def test_cap_on_open_tasks(self, make: Maker) -> None:
        queue, other = make(cap=3), make("b", cap=3)
        for task_id in range(1, 6):
            await queue.push(NEW, task_id)
        await queue.push(OLD, 9)
        claims = (await take(queue, tasks=9)).claims
        assert [c.task_id for c in claims] == [1, 2, 3]
        assert not (await take(other, tasks=9)).claims
        both = await queue.poll([ClaimRequest(NEW, tasks=9), ClaimRequest(OLD, tasks=9)])
        assert both.claims == [], "both prefixes of a provider share the cap"
        await queue.release(claims[:1])
        assert ids(await take(other, tasks=9)) == [(1, 0)], "a task in the ring may always be taken"
        assert await queue.ack(claims[1:2]) == [True]
        assert ids(await take(other, tasks=9)) == [(4, 0)]

    async def test_only_one_task(self, make: Maker) -> None:
        queue = make(cap=1)
        await opened(queue, 1, 5)
        for task_id in (*range(100, 400), 1699, *range(400, 700)):  # one has the other's number in its own
            await queue.push(NEW, task_id)
        build = make("build", cap=1)
        (claim,) = (await take(build, tasks=1, chapters=5, only_task=699)).claims
        assert claim.task_id == 699
        await build.open_task(claim, [1, 2])
        assert ids(await take(build, tasks=1, chapters=5, only_task=699)) == [(699, 1), (699, 2)]


class TestLeases:
    async def test_tokens_rise_over_flushall(self, queue: Queue) -> None:
        tokens = []
        for task_id in range(1, 4):
            await opened(queue, task_id, 20)
            tokens += [c.token for c in (await take(queue, chapters=20)).claims]
            await queue.connection.client.flushall()
        assert len(tokens) == 60
        assert tokens == sorted(set(tokens))
        lost = (script_call("tokens", "kgnb:ids", 3), ("DEL", "kgnb:ids"))
        numbers = [int(first) for first in (await queue.connection.send(lost * 5))[::2]]
        assert numbers == sorted(set(numbers))
        many = script_call("tokens", "kgnb:ids", 10**9)
        first, second = map(int, await queue.connection.send([many, many]))
        assert second >= first + 10**9

    async def test_expired_lease_moves_on_and_its_token_is_stale(self, make: Maker) -> None:
        queue, other = make(), make("b")
        await opened(other, 1, 2)
        (claim,) = (await take(queue, chapters=1)).claims
        await take(make("c"), chapters=1)  # whose lease lasts
        await queue.connection.client.zadd(NEW.own_key("lease"), {claim.member: 1})  # its end, in ms
        (again,) = (await take(other, chapters=9)).claims
        assert (again.chapter_id, again.deliveries) == (claim.chapter_id, 2)
        assert again.token > claim.token
        assert await queue.ack([claim]) == [False]
        assert await queue.release([claim]) == [False]
        assert await queue.fail(claim, "late") == "lost"
        assert await other.ack([again]) == [True]
        assert await other.ack([again]) == [False]

    async def test_a_clock_set_forward_ends_no_living_nodes_lease(self, make: Maker) -> None:
        living, other, hasty = make(), make("b"), make("c", lease=1.5)
        await opened(living, 1, 2)
        renewer = LeaseRenewer(living)
        (kept,) = (await take(living, chapters=1)).claims
        renewer.hold(kept)
        await take(make("dead"), chapters=1)
        for node in (other, hasty):
            await take(node)
        await set_clock(7_200, living, other, hasty)
        for node in (other, other, hasty):  # only its first poll sees the step
            assert not (await take(node, chapters=1)).claims
        async with closed(renewer):
            assert await renewer.renew()

        async def claimed() -> list[tuple[int, int]]:
            return ids(await take(hasty, chapters=2))

        assert await eventually(claimed) == [(1, 2)]
        assert not renewer.lost(kept)
        assert await living.ack([kept]) == [True]

    async def test_a_clock_set_back_holds_no_dead_nodes_chapter(self, make: Maker) -> None:
        dead, other = make(hold=0.3), make("b", lease=0.3, hold=0.3)
        await opened(dead, 1, 2)
        await dead.release((await take(dead, chapters=2)).claims[1:], delay=10)
        await set_clock(-7_200, other)
        assert not (await take(other, chapters=2)).claims

        async def claimed() -> list[tuple[int, int]]:
            return sorted(ids(await take(other, chapters=2)))

        assert await eventually(claimed) == [(1, 1), (1, 2)]

    async def test_full_node_reaps_too(self, make: Maker) -> None:
        queue = make()
        await opened(queue, 1, 2)
        await die(queue, chapters=2)
        state = (await take(make("b"))).states[NEW]
        assert (state.leased, state.chapters, state.waiting) == (0, 2, 1)

    async def test_uncounted_release_and_outages_count_nothing(self, queue: Queue) -> None:
        await opened(queue, 1, 1)
        for _ in range(12):
            (claim,) = (await take(queue, chapters=1)).claims
            assert claim.deliveries == 1
            assert await queue.release([claim]) == [True]
        for _ in range(12):
            (claim,) = (await take(queue, chapters=1, outage=True)).claims
            assert claim.deliveries == 1
            await queue.forget_node("a")
        await take(queue)
        (claim,) = (await take(queue, chapters=1)).claims
        assert await queue.release([claim], counted=True) == [True]
        assert (await take(queue, chapters=1)).claims[0].deliveries == 3

    async def test_delayed(self, queue: Queue) -> None:
        task = await opened(queue, 1, 1)
        (claim,) = (await take(queue, chapters=1)).claims
        assert await queue.release([claim], delay=30) == [True]
        assert await queue.release([task], delay=30) == [True]
        poll = await take(queue, chapters=1, tasks=1)
        assert poll.claims == []
        assert poll.states[NEW].delayed == 1
        await let_pass(30, queue)
        assert ids(await take(queue, chapters=1, tasks=1)) == [(1, 0), (1, 1)]

    async def test_failures_of_a_tasks_own_item_are_forgotten_once_it_is_opened(self, make: Maker) -> None:
        one = make()
        await one.push(NEW, 1)
        for failures in (0, 1, 2):
            (claim,) = (await take(one, tasks=1)).claims
            assert claim.failures == failures
            if failures < 2:
                assert await one.fail(claim, "its process died") == "retry"
        assert await one.open_task(claim, [1])
        await one.release([claim])
        (claim,) = (await take(make("b"), tasks=1)).claims
        assert claim.failures == 0

    async def test_three_failures_are_the_chapters_end(self, queue: Queue) -> None:
        task = await opened(queue, 1, 2)
        fates = []
        for _ in range(3):
            claim = next(c for c in (await take(queue, chapters=2)).claims if c.chapter_id == 1)
            assert claim.deliveries == 1, "an outcome is no death"
            fates.append(await queue.fail(claim, "broken reply"))
        assert fates == ["retry", "retry", "dead"]
        (dead,) = await queue.dead_items(NEW)
        assert (dead.task_id, dead.chapter_id, dead.failures, dead.reason) == (1, 1, 3, "broken reply")
        poll = await take(queue, held=(1,))
        assert [(b.chapter_id, b.token) for b in poll.buried] == [(1, claim.token)]
        assert poll.chapters_left == {(NEW, 1): 1}
        await queue.confirm_buried(poll.buried)
        assert not (await take(queue, held=(1,))).buried
        revive = await queue.dead_chapters(task)
        assert await queue.open_task(task, [1, 2], revive), (
            "set back by somebody: listed again, the leased one is not"
        )
        assert ids(await take(queue, chapters=9)) == [(1, 1)]

    async def test_final_failure_and_no_resurrection_by_a_marked_item(self, queue: Queue) -> None:
        await opened(queue, 1, 1)
        (claim,) = (await take(queue, chapters=1)).claims
        await fail_for_good(queue, claim)
        await queue.forget_node("a")
        (task,) = (await take(queue, tasks=1)).claims
        assert not task.fresh
        assert await queue.open_task(task, [1], await queue.dead_chapters(task))
        assert not (await take(queue, chapters=1)).claims, "the ledger does not know yet"
        await queue.push(NEW, 1)
        (again,) = (await take(queue, held=(1,))).refreshed
        assert await queue.open_task(again, [1], await queue.dead_chapters(again))
        assert ids(await take(queue, chapters=1)) == [(1, 1)]

    async def test_a_chapter_that_dies_while_its_task_is_being_opened_stays_dead(self, queue: Queue) -> None:
        task = await opened(queue, 1, 1)
        (claim,) = (await take(queue, chapters=1)).claims
        revive = await queue.dead_chapters(task)  # the ledger is read now: not failed yet
        await fail_for_good(queue, claim)
        await queue.confirm_buried([claim])
        assert await queue.open_task(task, [1], revive)
        assert not (await take(queue, chapters=1)).claims
        assert [dead.chapter_id for dead in await queue.dead_items(NEW)] == [1]

    async def test_ten_deliveries_bury_a_chapter_but_never_an_opened_item(self, make: Maker) -> None:
        queue = make()
        await opened(queue, 1, 1)
        deliveries = []
        for _ in range(25):  # from the fifth on, one poll finds it and the next one takes it
            claims = await die(queue, tasks=1, chapters=1, idle=True)
            deliveries += [claim.deliveries for claim in claims if claim.kind == "chapter"]
        assert deliveries == list(range(1, 11))
        assert [d.reason for d in await queue.dead_items(NEW)] == [say("queue.dead_deliveries")]
        (task,) = (await take(make("b"), tasks=1)).claims
        assert task.deliveries > 10
        poll = await take(make("b"), held=(1,))
        assert [(b.task_id, b.chapter_id) for b in poll.buried] == [(1, 1)]

    @pytest.mark.parametrize(
        ("deliveries", "counted", "fate"), [(9, True, "delayed"), (10, False, "delayed"), (10, True, "dead")]
    )
    async def test_the_tenth_delivery_that_counts_is_the_last_also_when_handed_back(
        self, queue: Queue, deliveries: int, counted: bool, fate: str
    ) -> None:
        await opened(queue, 1, 1)
        for number in range(1, deliveries + 1):
            # from the fifth on, one poll finds it and the next one takes it
            (claim,) = [c for _ in range(2) for c in (await take(queue, chapters=1, idle=True)).claims]
            assert claim.deliveries == number
            if number < deliveries:
                assert await queue.release([claim], counted=True) == [True]
        assert await queue.release([claim], counted=counted, delay=60.0) == [True]
        state = (await take(queue)).states[NEW]
        assert (state.chapters, state.delayed, state.dead) == (0, fate == "delayed", fate == "dead")

    async def test_an_opened_item_waits_its_delay_however_often_it_was_delivered(self, queue: Queue) -> None:
        await opened(queue, 1, 1)
        for _ in range(11):
            await die(queue, tasks=1)
        (task,) = (await take(queue, tasks=1)).claims
        assert task.deliveries > 10
        assert await queue.release([task], delay=60.0) == [True]
        poll = await take(queue, tasks=1)
        assert (poll.claims, poll.states[NEW].waiting) == ([], 0)

    async def test_ten_deliveries_bury_an_unopened_item(self, queue: Queue) -> None:
        item = {"note": [], "task_id": 1, "provider": "openai", "v": 1}
        await queue.connection.client.lpush(NEW, json.dumps(item))
        counts = [c.deliveries for _ in range(11) for c in await die(queue, tasks=1)]
        assert counts == list(range(1, 11))
        poll = await take(queue)
        assert [(b.task_id, b.chapter_id) for b in poll.buried] == [(1, 0)]
        assert poll.states[NEW].open_tasks == 0
        await queue.confirm_buried(poll.buried)
        assert (await queue.find_tasks([NEW]))[1].dead
        await queue.revive(NEW, 1)
        assert await items(queue) == [item]

    async def test_a_dead_task_that_is_pushed_again_is_dead_no_more(self, queue: Queue) -> None:
        await queue.push(NEW, 1)
        for _ in range(10):
            await die(queue, tasks=1)
        await take(queue)
        assert [dead.task_id for dead in await queue.dead_items(NEW)] == [1]
        await queue.push(NEW, 1)
        poll = await take(queue, tasks=1)
        assert [claim.deliveries for claim in poll.claims] == [1]
        assert not poll.buried
        assert not await queue.dead_items(NEW)

    async def test_forget_node_takes_no_other_nodes_leases(self, make: Maker) -> None:
        queue, other = make(), make("b")
        await opened(queue, 1, 4)
        await take(queue, chapters=2)
        kept = (await take(other, chapters=2)).claims
        assert await other.forget_node("a") == 3
        await take(other)
        assert await other.ack(kept) == [True, True]


class TestAlone:
    async def worn(self, queue: Queue, task_id: int, chapters: int) -> None:
        """A task whose first chapter has four deliveries behind it."""
        await opened(queue, task_id, chapters)
        for _ in range(4):
            await die(queue, chapters=1)
            (task,) = (await take(queue, tasks=1)).claims
            await queue.open_task(task, [])

    async def test_only_an_empty_node_takes_it_and_nothing_else(self, queue: Queue) -> None:
        await self.worn(queue, 1, 5)
        await opened(queue, 2, 5, OLD)
        asks = [ClaimRequest(OLD, chapters=2, tasks=1), ClaimRequest(NEW, chapters=2, tasks=1)]
        poll = await queue.poll(asks)
        assert ids(poll) == [(2, 1), (2, 2)], (
            "the queue it waits in hands out nothing: the node empties itself"
        )
        assert (await queue.poll(asks)).claims == []
        await queue.ack(poll.claims)
        empty = [ClaimRequest(a.queue, chapters=2, tasks=1, idle=True) for a in asks]
        (claim,) = (await queue.poll(empty)).claims
        assert (claim.task_id, claim.chapter_id, claim.deliveries, claim.alone) == (1, 1, 5, True)
        assert (await queue.poll(asks)).claims == [], "nothing beside it"
        await queue.ack([claim])
        assert len((await queue.poll(empty)).claims) == 4

    async def test_one_node_drains_the_others_go_on(self, make: Maker) -> None:
        queue, other = make(), make("b")
        await self.worn(queue, 1, 9)
        assert not (await take(queue, chapters=1)).claims, "reserved: this one drains"
        assert ids(await take(other, chapters=1)) == [(1, 2)]
        assert ids(await take(other, chapters=1)) == [(1, 3)]
        assert ids(await take(queue, chapters=1, idle=True)) == [(1, 1)]
        assert ids(await take(other, chapters=1)) == [(1, 4)]

    async def test_an_empty_node_need_not_wait_for_the_one_that_drains(self, make: Maker) -> None:
        queue, other = make(), make("b")
        await self.worn(queue, 1, 1)
        assert not (await take(queue, chapters=1)).claims
        assert not (await take(other, chapters=1, idle=True)).claims
        assert [c.alone for c in (await take(other, chapters=1, idle=True)).claims] == [True]
        assert not (await take(queue, chapters=1)).claims
        await opened(queue, 2, 1, first=2)
        assert ids(await take(queue, chapters=1)) == [(2, 2)], "no longer drains"

    async def test_it_waits_while_it_is_in_flight_for_another_task(self, make: Maker) -> None:
        queue, other = make(), make("b")
        await self.worn(queue, 1, 1)
        await opened(other, 2, 1)
        assert not (await take(queue, chapters=1)).claims, "reserved"
        (flying,) = (await take(other, chapters=1)).claims
        assert (flying.task_id, flying.chapter_id) == (2, 1)
        assert (await take(queue, chapters=1, idle=True)).claims == []
        await other.ack([flying])
        assert not (await take(queue, chapters=1, idle=True)).claims, "reserved again"
        assert ids(await take(queue, chapters=1, idle=True)) == [(1, 1)]

    @pytest.mark.parametrize("idle", [True, False])
    async def test_while_its_provider_is_paused_the_others_are_served(self, make: Maker, idle: bool) -> None:
        queue = make()
        await self.worn(queue, 1, 1)
        await opened(queue, 2, 3, OLD)
        await take(queue, chapters=1)  # this node begins to empty itself for it, then the pause comes
        shut, free = ClaimRequest(NEW, idle=idle), ClaimRequest(OLD, chapters=1, tasks=1, idle=idle)
        got = [claim for _ in range(4) for claim in ids(await queue.poll([shut, free]))]
        assert sorted(got) == [(2, 1), (2, 2), (2, 3)]
        await make("b").poll([ClaimRequest(NEW, chapters=1)])
        assert await queue.connection.client.get(f"kgnb:solo:{{{NEW}}}") == b"b", (
            "somebody else may empty itself for it"
        )

    async def test_a_dead_drainer_starves_nobody(self, make: Maker) -> None:
        queue, other = make(), make("b")
        client, reserved = other.connection.client, f"kgnb:solo:{{{NEW}}}"
        await self.worn(make("c"), 1, 1)
        await take(queue, chapters=1)
        await take(other, chapters=1)
        assert await client.get(reserved) == b"a"
        assert 0 < await client.pttl(reserved) <= 30_000
        await client.delete(reserved)  # as if that time were over
        await take(other, chapters=1)
        assert await client.get(reserved) == b"b"
