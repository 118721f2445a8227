"""What a second item means, and items that are hostile, newer or somebody else's."""

from __future__ import annotations

import json

import pytest

from kgnb.core.errors import ServiceRefused
from kgnb.core.messages import say
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import ClaimRequest, QueueName
from tests.support.queues import NEW, OLD, Maker, die, ids, items, opened, take


class TestFresh:
    async def test_two_items_are_one_task(self, queue: Queue) -> None:
        for _ in range(3):
            await queue.push(NEW, 1)
        await queue.push(NEW, 17)
        (claim,) = (await take(queue, tasks=1)).claims
        assert claim.fresh
        assert [i["task_id"] for i in await items(queue)] == [17]
        await queue.ack([claim])
        assert ids(await take(queue, tasks=9)) == [(17, 0)]

    async def test_mark_stays_through_release_and_reaping(self, queue: Queue) -> None:
        await queue.push(NEW, 1)
        (claim,) = await die(queue, tasks=1)
        (claim,) = (await take(queue, tasks=1)).claims
        assert (claim.fresh, claim.deliveries) == (True, 2), "no task was opened from it"
        await queue.open_task(claim, [1])
        await queue.release([claim])
        assert (await items(queue))[0]["kgnb"]["opened"]
        (claim,) = await die(queue, tasks=1)
        assert not claim.fresh
        (claim,) = (await take(queue, tasks=1)).claims
        assert not claim.fresh
        await queue.ack([claim])
        await queue.push(NEW, 1, opened=True)
        assert not (await take(queue, tasks=1)).claims[0].fresh

    async def test_a_retry_reaches_the_holder(self, make: Maker) -> None:
        queue, other = make(), make("b")
        claim = await opened(queue, 1, 2)
        await queue.push(NEW, 1)
        assert (await take(other, tasks=1)).claims == []
        assert await items(other) == []
        assert (await take(other, held=(1,))).refreshed == [], "it isn't the holder"
        (again,) = (await take(queue, held=(1,))).refreshed
        assert (again, again.fresh) == (claim, True)
        await queue.push(NEW, 1)  # while the holder opens the task anew
        assert (await take(queue, held=(1,))).refreshed
        assert await queue.open_task(again, [1, 2, 3])
        (third,) = (await take(queue, held=(1,))).refreshed
        assert await queue.open_task(third, [1, 2, 3])
        poll = await take(queue, held=(1,), chapters=9)
        assert poll.refreshed == []
        assert ids(poll) == [(1, 1), (1, 2), (1, 3)]

    async def test_a_retry_outlives_its_holder(self, make: Maker) -> None:
        queue, other = make(), make("b")
        await opened(queue, 1, 1)
        await queue.push(NEW, 1)
        await take(queue, held=(1,))
        await queue.forget_node("a")
        (claim,) = (await take(other, tasks=1)).claims
        assert claim.fresh

    async def test_a_retry_outlives_the_end_it_was_not_known_to(self, queue: Queue) -> None:
        claim = await opened(queue, 1, 1)
        await queue.push(NEW, 1)
        await take(queue)
        assert await queue.ack([claim]) == [True]
        (again,) = (await take(queue, tasks=1)).claims
        assert again.fresh
        await queue.open_task(again, [1])
        await queue.push(NEW, 1)
        (known,) = (await take(queue, held=(1,))).refreshed
        assert await queue.ack([known]) == [True]
        assert await items(queue) == []

    async def test_drop_leaves_retries_and_holders_alone(self, queue: Queue) -> None:
        claim = await opened(queue, 1, 3)
        await queue.drop_task(NEW, 1)
        assert len((await take(queue, chapters=9)).claims) == 3
        await queue.release([claim])
        await queue.push(NEW, 1)
        await queue.drop_task(NEW, 1)
        (left,) = await items(queue)
        assert "kgnb" not in left
        state = (await queue.states([NEW]))[NEW]
        assert (state.leased, state.chapters, state.open_tasks) == (0, 0, 0)
        await queue.drop_task(NEW, 1, fresh=True)
        assert await items(queue) == []

    async def test_ack_of_the_item_takes_chapters_in_flight_along(self, queue: Queue) -> None:
        claim = await opened(queue, 1, 5)
        await opened(queue, 2, 1, first=6)
        flying = (await take(queue, chapters=3)).claims
        assert await queue.ack([claim]) == [True]
        assert [c.task_id for c, good in zip(flying, await queue.ack(flying), strict=True) if good] == [2]
        assert not (await take(queue, chapters=9)).claims


class TestItems:
    async def test_garbage_blocks_nobody(self, queue: Queue) -> None:
        bad = [
            "not json", "[]", "[1]", '"x"', "7", "null", "{}", '{"task_id": "7"}', '{"task_id": 1.5}',
            '{"task_id": -1}', '{"task_id": 1e300}', '{"task_id": true}', '{"task_id": NaN}',
            '{"task_id": 7, "v": "new"}', "[" * 5000, '{"a":' * 900 + "1" + "}" * 900, "\xff\x00",
            '{"task_id": 7, "pad": "' + "x" * 70_000 + '"}', '{"task_id": 7}}',
        ]  # fmt: skip
        for text in bad:
            await queue.connection.client.lpush(NEW, text)
        assert await queue.find_tasks([NEW]) == {}
        await queue.push(NEW, 5)
        poll = await take(queue, tasks=1)
        assert ids(poll) == [(5, 0)]
        assert len(poll.buried) == len(bad)
        dead = await queue.dead_items(NEW)
        assert len(dead) == len(bad)
        assert {d.reason for d in dead} <= {
            say(f"queue.dead_{why}") for why in ("not_json", "no_task", "too_large", "version")
        }
        assert all(len(d.item) <= 2000 for d in dead)
        assert (await take(queue, tasks=1)).buried == []

    async def test_newer_versions_are_left_alone(self, queue: Queue) -> None:
        await queue.push(NEW, 1)
        await queue.connection.client.rpush(NEW, '{"task_id": 9, "v": 2}')
        await queue.connection.client.rpush(NEW, '{"task_id": 8, "kgnb": {"v": 2, "opened": true}}')
        poll = await take(queue, tasks=5)
        assert (ids(poll), poll.newer) == ([(1, 0)], 2)
        assert await queue.open_task(poll.claims[0], [1, 2])
        await queue.connection.client.hset(f"kgnb:meta:{{{NEW}}}", "1", 2)
        await queue.forget_node("a")
        poll = await take(queue, tasks=5, chapters=5)
        assert poll.claims == []
        assert poll.newer >= 3
        assert len(await items(queue)) == 3

    @pytest.mark.parametrize("key", [NEW, OLD])
    async def test_any_number_of_newer_items_hides_nothing_behind_them(self, queue: Queue, key: str) -> None:
        newer = [json.dumps({"task_id": n, "v": 2}) for n in range(100, 950)]
        push = queue.connection.client.rpush if key == OLD else queue.connection.client.lpush
        await push(key, *newer)
        await queue.push(key, 1)
        poll = await take(queue, key, tasks=1)
        assert (ids(poll), poll.newer) == ([(1, 0)], 850)
        assert len(await items(queue, key)) == 850

    async def test_a_queue_of_another_type_stops_only_itself(
        self, queue: Queue, caplog: pytest.LogCaptureFixture
    ) -> None:
        await queue.connection.client.set(OLD, "not a list")
        await queue.push(NEW, 1)
        asks = [ClaimRequest(OLD, chapters=1, tasks=1), ClaimRequest(NEW, chapters=1, tasks=1)]
        assert ids(await queue.poll(asks)) == [(1, 0)]
        await queue.poll(asks)
        (told,) = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
        assert OLD in told
        await queue.connection.client.delete(OLD)
        await queue.push(OLD, 2)
        assert ids(await queue.poll(asks)) == [(2, 0)]

    @pytest.mark.parametrize("key", [NEW, OLD])
    async def test_a_task_that_goes_on_elsewhere_keeps_its_chapters_in_flight(
        self, make: Maker, key: QueueName
    ) -> None:
        queue = make()
        item = await opened(queue, 1, 3, key)
        (flying,) = (await take(queue, key, chapters=1)).claims
        await queue.push(key, 1)
        await queue.drop_task(key, 1, fresh=True, elsewhere=True)
        rest = f"kgnb:rest:{{{key}}}:1"
        assert (await queue.connection.client.scard(rest), await items(queue, key)) == (3, [])  # it is held
        await queue.release([item])
        await queue.drop_task(key, 1, elsewhere=True)
        assert await queue.connection.client.smembers(rest) == {str(flying.chapter_id).encode()}
        assert await queue.find_tasks([key]) == {}
        assert await queue.ack([flying]) == [True]

    @pytest.mark.parametrize("key", [NEW, OLD])
    async def test_unknown_fields_survive_to_the_byte(self, queue: Queue, key: str) -> None:
        raw = '{"task_id": 7 , "big": 12345678901234567890, "e": [], "s": "，\\"kgnb\\":{}}", "f": 1.10 }'
        await queue.connection.client.lpush(key, raw)
        for round_ in range(3):
            (claim,) = (await take(queue, key, tasks=1)).claims
            assert await queue.open_task(claim, [1])
            await queue.forget_node("a")
            await take(queue, key)
            (text,) = await queue.connection.client.lrange(key, 0, -1)
            head, _, mark = text.decode().rpartition(',"kgnb":')
            assert head + "}" == raw
            assert json.loads("{" + f'"kgnb":{mark}')["kgnb"]["deliveries"] == round_ + 1

    async def test_a_mark_that_somebody_reformatted(self, queue: Queue) -> None:
        text = json.dumps({"kgnb": {"v": 1, "opened": True, "deliveries": 3}, "task_id": 7, "x": [1]})
        await queue.connection.client.lpush(NEW, text)
        (claim,) = (await take(queue, tasks=1)).claims
        assert (claim.fresh, claim.deliveries) == (False, 4)
        await queue.release([claim], counted=True)
        (claim,) = (await take(queue, tasks=1)).claims
        assert (claim.fresh, claim.deliveries) == (False, 5)

    async def test_largest_task_id(self, queue: Queue) -> None:
        await opened(queue, 2**53 - 1, 2)
        assert ids(await take(queue, chapters=2)) == [(2**53 - 1, 1), (2**53 - 1, 2)]
        assert set(await queue.find_tasks([NEW])) == {2**53 - 1}

    async def test_an_item_taken_by_an_old_worker_frees_its_place(self, make: Maker) -> None:
        queue = make(cap=1)
        claim = await opened(queue, 1, 1)
        await queue.release([claim])
        await queue.connection.client.rpop(NEW)  # BRPOP of an old worker
        await queue.push(NEW, 2)
        (chapter,) = (await take(queue, chapters=1, tasks=1)).claims
        assert (chapter.task_id, chapter.chapter_id) == (1, 1)
        assert not (await take(queue, chapters=1, tasks=1)).claims
        assert await queue.ack([chapter]) == [True]  # in flight, it kept its place
        await take(queue, chapters=1, tasks=1)
        assert ids(await take(queue, chapters=1, tasks=1)) == [(2, 0)]

    async def test_known(self, queue: Queue) -> None:
        await opened(queue, 1, 2)
        await queue.push(NEW, 2)
        await queue.push(OLD, 3)
        await queue.push(NEW, 4, opened=True)
        known = await queue.find_tasks([NEW, OLD])
        assert {t: (k.fresh, k.held) for t, k in known.items()} == {
            1: (False, True),
            2: (True, False),
            3: (True, False),
            4: (False, False),
        }
        await queue.connection.client.set(OLD, "not a list")
        with pytest.raises(ServiceRefused, match=OLD):
            await queue.find_tasks([NEW, OLD])
