"""A person's commands on tasks, the dead list and providers: on embedded stores, on Redis and MariaDB."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis as plain_redis
import sqlalchemy as sa
from redis.connection import parse_url

from kgnb.app import dead_letters, providers
from kgnb.app import tasks as tasks_use_case
from kgnb.app.context import App, open_app
from kgnb.app.status import StatusReport
from kgnb.core.errors import InputError
from kgnb.core.messages import use_language
from kgnb.core.model import ChapterStatus, TaskStatus
from kgnb.core.settings import Settings
from kgnb.stores.ledger import tables as t
from kgnb.stores.queue.breaker import PAUSE_SECONDS, CircuitBreaker
from kgnb.stores.queue.types import Claim, QueueName
from kgnb.worker.throttle import ProviderThrottle
from tests.conftest import new_database, outside
from tests.support.held_tasks import (
    NEW,
    OLD,
    bury,
    chapters,
    failed_task,
    hold,
    keeping,
    mark,
    new_task,
    reopen,
    status,
    stepped,
)
from tests.support.ledgers import execute, finish_chapter, scalar, set_task, task_row
from tests.support.queues import fail_for_good, ids, items, old_worker, take


@pytest.fixture(autouse=True)
def english() -> None:
    use_language("en")


@pytest.fixture(params=["embedded", "services"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    given: dict[str, Any] = {"data": tmp_path / "data", "lang": "en"}
    given |= {"openai_base_url": "http://127.0.0.1:9/v1", "provider_name": "DeepSeek", "openai_model": "chat"}
    if request.param == "embedded":
        yield Settings.load(**given)
        return
    at = parse_url(outside("KGNB_TEST_REDIS_URL"))
    with plain_redis.Redis(**{**at, "db": 8}) as client:
        client.flushdb()
    given |= {"redis_host": at["host"], "redis_port": at["port"], "redis_db": 8}
    sql = sa.make_url(request.getfixturevalue("database"))
    given |= {"db_host": sql.host, "db_port": sql.port, "db_user": sql.username, "db_name": sql.database}
    yield Settings.load(**given, redis_password=at["password"], db_password=sql.password)
    _empty(sql)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """One on MariaDB for all tests here: making its tables takes longer than any of them."""
    with new_database() as url:
        yield url


def _empty(url: sa.URL) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for table in t.METADATA.sorted_tables:
            if table is not t.versions:
                connection.execute(sa.delete(table))
    engine.dispose()


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[App]:
    async with open_app(settings, graph=False) as one:
        yield one


async def held_task(app: App) -> int:
    task_id = await new_task(app)
    await hold(app)
    return task_id


async def freeze_names(app: App, task_id: int) -> None:
    task = await app.ledger.tasks.get(task_id)
    assert task is not None
    await app.ledger.names.freeze(task_id, task.novel_id, ())


async def frozen_task(app: App) -> int:
    task_id = await new_task(app)
    await freeze_names(app, task_id)
    return task_id


async def states(app: App, task_id: int) -> dict[str, int]:
    progress = await app.ledger.task_stats.progress(task_id)
    found = {s.value: getattr(progress, s.value) for s in ChapterStatus}
    return {name: count for name, count in found.items() if count}


@contextmanager
def refused(key: str) -> Iterator[None]:
    """Expects an InputError of this key, and that its text is complete."""
    with pytest.raises(InputError) as caught:
        yield
    assert caught.value.key == key
    assert str(caught.value)


class TestPausing:
    async def test_a_waiting_task_stays_paused_and_goes_on_when_resumed(self, app: App) -> None:
        task_id = await new_task(app)
        done = await tasks_use_case.pause_task(app, task_id)
        assert (done.task.status, done.changed) == (TaskStatus.CREATED, True)
        row = await task_row(app.ledger, task_id)
        assert (row["status"], row["paused_at"] is not None) == ("paused", True)
        assert (await take(app.queue, NEW, tasks=1)).claims == []  # its fresh item would have started it
        assert not (await tasks_use_case.pause_task(app, task_id)).changed
        assert (await tasks_use_case.resume_task(app, task_id)).queue == NEW
        row = await task_row(app.ledger, task_id)
        assert (row["status"], row["paused_at"]) == ("created", None)
        assert len(await reopen(app, (await take(app.queue, NEW, tasks=1)).claims[0])) == 3

    async def test_a_running_one_is_stopped_by_its_status_and_its_duplicates_go(self, app: App) -> None:
        task_id = await new_task(app)
        held = await hold(app)
        (claim, *_) = await chapters(app, 1)
        for queue in (NEW, OLD):
            await app.queue.push(queue, task_id)
        assert (await tasks_use_case.pause_task(app, task_id)).task.status is TaskStatus.RUNNING
        assert await items(app.queue, NEW) == await items(app.queue, OLD) == []
        assert await app.ledger.chapters.claim([(task_id, claim.chapter_id, claim.token + 1)]) == {}
        poll = await take(app.queue, NEW, held=(task_id,))
        assert (poll.refreshed, poll.chapters_left) == (
            [],
            {(NEW, task_id): 3},
        )  # its node finds out, and lets go
        opening = await app.ledger.task_lifecycle.open(
            task_id, queue=NEW, provider="DeepSeek", model="chat", token=held.token, fresh=False
        )
        assert opening.outcome == "paused"
        await tasks_use_case.resume_task(app, task_id)  # before that node has let go
        (again,) = (await take(app.queue, NEW, held=(task_id,))).refreshed
        assert len(await reopen(app, again)) == 3

    async def test_its_keeper_starts_it_again_only_where_it_was_asked_for_anew(self, app: App) -> None:
        task_id = await frozen_task(app)
        (claim,) = (await take(app.queue, NEW, tasks=1)).claims
        with keeping(app) as task_keeper:
            await task_keeper.take(claim)
            await stepped(task_keeper, task_id)
            await execute(app.ledger, set_task(task_id, status="paused"))
            await app.queue.push(NEW, task_id)
            (fresh,) = (await take(app.queue, NEW, held=(task_id,))).refreshed
            task_keeper.reopen(task_id, fresh)
            await stepped(task_keeper, task_id)
            assert (await status(app, task_id), list(task_keeper.open_tasks)) == ("running", [task_id])
            await execute(app.ledger, set_task(task_id, status="paused"))
            assert await task_keeper.check_statuses([task_id]) == {task_id: TaskStatus.PAUSED}
            await stepped(task_keeper, task_id)
            assert (await status(app, task_id), list(task_keeper.open_tasks)) == ("paused", [])
        assert await items(app.queue, NEW) == []

    async def test_a_chapter_that_another_node_buries_meanwhile_stays_dead(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task_id = await held_task(app)
        (dying, *_) = await chapters(app, 3)
        await app.queue.forget_node(app.queue.node)
        await freeze_names(app, task_id)
        (claim, dying) = (await take(app.queue, NEW, tasks=1, chapters=1)).claims
        await app.ledger.chapters.claim([(task_id, dying.chapter_id, dying.token)])
        read = app.ledger.task_lifecycle.open

        async def slow(*args: Any, **kwargs: Any) -> Any:
            opening = await read(*args, **kwargs)
            await bury(app, dying)
            return opening

        monkeypatch.setattr(app.ledger.task_lifecycle, "open", slow)
        with keeping(app) as task_keeper:
            await task_keeper.take(claim)
            await stepped(task_keeper, task_id)
        assert [item.chapter_id for item in await app.queue.dead_items(NEW)] == [dying.chapter_id]
        assert len((await take(app.queue, NEW, chapters=9)).claims) == 2

    async def test_one_that_is_just_being_opened(self, app: App) -> None:
        task_id = await new_task(app)
        (claim,) = (await take(app.queue, NEW, tasks=1)).claims  # a node has its item, and opens it too late
        pausing = asyncio.create_task(tasks_use_case.pause_task(app, task_id))
        while await status(app, task_id) != "paused":
            await asyncio.sleep(0.02)
        await asyncio.sleep(1.5)  # much too late: SQL was slow
        assert not pausing.done()
        await reopen(app, claim)
        assert (await pausing).task.status is TaskStatus.CREATED
        assert await status(app, task_id) == "paused"

    async def test_one_that_main_pauses_and_retries_meanwhile(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits, poll = asyncio.Event(), app.queue.poll

        async def noted(*given: Any) -> Any:
            waits.set()
            return await poll(*given)

        task_id = await new_task(app)
        held = await hold(app)
        await execute(app.ledger, set_task(task_id, status="paused"))
        await app.queue.push(NEW, task_id)
        (fresh,) = (await take(app.queue, NEW, held=(task_id,), tasks=1)).refreshed
        assert fresh.token == held.token
        monkeypatch.setattr(app.queue, "poll", noted)
        pausing = asyncio.create_task(tasks_use_case.pause_task(app, task_id))
        await waits.wait()
        await reopen(app, fresh)
        assert (await pausing).task.status is TaskStatus.PAUSED
        assert await status(app, task_id) == "paused"

    async def test_one_whose_taker_died_or_hands_it_back(self, app: App) -> None:
        task_id = await new_task(app)
        assert len((await take(app.queue, NEW, tasks=1)).claims) == 1
        await app.queue.forget_node(app.queue.node)
        await tasks_use_case.pause_task(app, task_id)
        assert (await take(app.queue, NEW, tasks=1)).claims == []
        await tasks_use_case.resume_task(app, task_id)
        claims = (await take(app.queue, NEW, tasks=1)).claims
        pausing = asyncio.create_task(tasks_use_case.pause_task(app, task_id))
        await asyncio.sleep(0.3)
        await app.queue.release(claims)
        await pausing
        assert (await take(app.queue, NEW, tasks=1)).claims == []
        assert await status(app, task_id) == "paused"

    async def test_one_that_nobody_opens_is_said(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        task_id = await new_task(app)
        assert len((await take(app.queue, NEW, tasks=1)).claims) == 1
        monkeypatch.setattr(tasks_use_case, "LET_GO_SECONDS", 0.4 - app.settings.lease_seconds)
        with refused("operate.still_asked"):
            await tasks_use_case.pause_task(app, task_id)
        assert await status(app, task_id) == "paused"

    async def test_what_is_wrong_is_said(self, app: App) -> None:
        task_id = await failed_task(app, dead=0)
        with refused("operate.not_pausable"):
            await tasks_use_case.pause_task(app, task_id)
        with refused("operate.not_paused"):
            await tasks_use_case.resume_task(app, task_id)
        with refused("operate.not_cancellable"):
            await tasks_use_case.cancel_task(app, task_id)
        for command in (
            tasks_use_case.pause_task,
            tasks_use_case.resume_task,
            tasks_use_case.cancel_task,
            tasks_use_case.retry_task,
            dead_letters.retry_dead_letters,
            dead_letters.drop_dead_letters,
        ):
            with refused("cli.no_task"):
                await command(app, task_id + 1)
        assert await items(app.queue, NEW) == []

    async def test_a_task_that_main_reset_is_at_work_all_the_same(self, app: App) -> None:
        task_id = await held_task(app)
        await execute(app.ledger, set_task(task_id, status="failed"))  # main's guard
        assert (await tasks_use_case.pause_task(app, task_id)).changed
        assert await status(app, task_id) == "paused"


class TestCancelling:
    async def test_a_cancelled_task_is_over_until_it_is_retried(self, app: App) -> None:
        task_id = await new_task(app)
        assert (await tasks_use_case.cancel_task(app, task_id)).task.status is TaskStatus.CREATED
        assert not (await tasks_use_case.cancel_task(app, task_id)).changed
        assert await items(app.queue, NEW) == []
        with refused("operate.not_pausable"):
            await tasks_use_case.pause_task(app, task_id)
        with refused("operate.retry_instead"):
            await tasks_use_case.resume_task(app, task_id)
        done = await tasks_use_case.retry_task(app, task_id)
        assert (done.task.status, done.chapters, done.queue) == (TaskStatus.CANCELLED, 0, NEW)
        await hold(app)
        assert await states(app, task_id) == {"pending": 3}

    async def test_a_paused_one_and_one_at_work(self, app: App) -> None:
        task_id = await held_task(app)
        await chapters(app, 2)
        await tasks_use_case.pause_task(app, task_id)
        assert (await tasks_use_case.cancel_task(app, task_id)).task.status is TaskStatus.PAUSED
        assert await app.ledger.tasks.unfinished() == []
        assert await states(app, task_id) == {"pending": 1, "running": 2}  # their nodes hand these back


class TestRetrying:
    async def test_after_redis_lost_everything(self, app: App) -> None:
        task_id = await failed_task(app, 4, dead=2)
        await app.queue.connection.client.flushdb()
        done = await tasks_use_case.retry_task(app, task_id)
        assert (done.task.status, done.chapters, done.queue) == (TaskStatus.FAILED, 2, NEW)
        row = await task_row(app.ledger, task_id)
        assert (row["status"], row["failed_chapters"], row["error_message"]) == ("created", 0, None)
        await hold(app)
        assert await states(app, task_id) == {"completed": 2, "pending": 2}
        assert len(await chapters(app, 9)) == 2

    async def test_a_closed_task_with_dead_chapters(self, app: App) -> None:
        task_id = await failed_task(app, 3, dead=2)
        assert (await tasks_use_case.retry_task(app, task_id)).chapters == 2
        assert await dead_letters.list_dead_letters(app) == []
        await hold(app)
        again = await chapters(app, 9)
        assert [(c.deliveries, c.failures) for c in again] == [(1, 0), (1, 0)]  # as if new

    @pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
    async def test_while_the_task_runs(self, app: App, told: bool) -> None:
        task_id = await held_task(app)
        claims = await chapters(app, 2)
        await bury(app, claims[0], told=told)
        done = await tasks_use_case.retry_task(app, task_id)
        assert (done.task.status, done.chapters) == (TaskStatus.RUNNING, 1)
        assert await status(app, task_id) == "running"
        if not told:  # its holder has heard of the end, and writes it only now
            assert not await mark(app, claims[0], ChapterStatus.FAILED)
        assert await states(app, task_id) == {"pending": 2, "running": 1}
        (refreshed,) = (await take(app.queue, NEW, held=(task_id,))).refreshed
        third = set(await reopen(app, refreshed)) - {c.chapter_id for c in claims}
        assert {c.chapter_id for c in await chapters(app, 9)} == third | {claims[0].chapter_id}
        assert not (await take(app.queue, NEW, held=(task_id,))).buried

    async def test_an_end_that_is_told_late_ends_nothing_though_no_ledger_knew_the_claim(
        self, app: App
    ) -> None:
        task_id = await new_task(app, 1)
        await hold(app)
        (claim,) = (await take(app.queue, NEW, chapters=1)).claims
        await bury(app, claim, told=False)
        assert (await tasks_use_case.retry_task(app, task_id)).chapters == 1
        assert not await mark(app, claim, ChapterStatus.FAILED)
        assert await states(app, task_id) == {"pending": 1}

    async def test_what_was_claimed_anew_meanwhile_is_left_to_its_holder(self, app: App) -> None:
        task_id, stale, newer = await self.claimed_anew(app)
        found = await app.ledger.task_commands.retry(task_id, {stale.chapter_id: stale.token})
        assert (found.outcome, found.chapters) == ("refused", 0)
        assert await states(app, task_id) == {"running": 1}
        assert await mark(app, newer, ChapterStatus.COMPLETED)

    async def test_an_older_dead_entry_lowers_no_token(self, app: App) -> None:
        task_id, stale, newer = await self.claimed_anew(app)
        await bury(app, newer)
        found = await app.ledger.task_commands.retry(task_id, {stale.chapter_id: stale.token})
        assert (found.outcome, found.chapters) == ("done", 1)
        assert await app.ledger.chapters.claim([(task_id, stale.chapter_id, stale.token)]) == {}

    async def claimed_anew(self, app: App) -> tuple[int, Claim, Claim]:
        """A task whose one chapter died untold, was listed again and claimed again; both claims."""
        task_id = await new_task(app, 1)
        held = await hold(app)
        (stale,) = await chapters(app, 1)
        await bury(app, stale, told=False)
        assert await app.queue.open_task(held, [stale.chapter_id], [stale.chapter_id])
        (newer,) = await chapters(app, 1)
        return task_id, stale, newer

    async def test_nothing_to_retry(self, app: App) -> None:
        done, waiting = await failed_task(app, dead=0), await new_task(app, 2)
        with refused("operate.nothing_to_retry"):
            await tasks_use_case.retry_task(app, done)
        with refused("operate.nothing_failed"):
            await tasks_use_case.retry_task(app, waiting)
        await tasks_use_case.pause_task(app, waiting)
        with refused("operate.resume_instead"):
            await tasks_use_case.retry_task(app, waiting)
        assert (await items(app.queue, NEW), await status(app, done)) == ([], "completed")

    async def test_one_that_main_ended_before_it_was_finished(self, app: App) -> None:
        task_id = await held_task(app)
        await execute(app.ledger, set_task(task_id, status="failed"))
        assert (await tasks_use_case.retry_task(app, task_id)).chapters == 0
        assert await status(app, task_id) == "created"

    async def test_an_item_that_was_never_opened(self, app: App) -> None:
        task_id = await new_task(app)
        (claim,) = (await take(app.queue, NEW, tasks=1)).claims
        await fail_for_good(app.queue, claim)
        (entry,) = await dead_letters.list_dead_letters(app)
        assert (entry.item.task_id, entry.chapter, entry.title) == (task_id, 0, "三国")
        assert (await tasks_use_case.retry_task(app, task_id)).queue == NEW
        assert await dead_letters.list_dead_letters(app) == []
        await hold(app)


class TestQueues:
    async def test_only_the_provider_is_known(self, app: App) -> None:
        task_id = await new_task(app, push=False)
        await execute(app.ledger, sa.update(t.task_facts).values(provider="Elsewhere"))
        await tasks_use_case.pause_task(app, task_id)
        assert (await tasks_use_case.resume_task(app, task_id)).queue == "kg:task:queue:elsewhere"

    async def test_mains_task_goes_to_the_default_configs_provider_or_to_any(self, app: App) -> None:
        task_id = await new_task(app, push=False)
        await execute(app.ledger, sa.delete(t.task_facts))
        await execute(app.ledger, set_task(task_id, status="failed"))
        assert (await tasks_use_case.retry_task(app, task_id)).queue == NEW
        await execute(app.ledger, set_task(task_id, status="failed", use_ai=0))
        assert (await tasks_use_case.retry_task(app, task_id)).queue == "kg:task:queue:rules"

    async def test_nobody_can_do_it(self, settings: Settings) -> None:
        bare = settings.model_copy(update={"openai_base_url": ""})
        async with open_app(bare, graph=False) as app:
            task_id = await new_task(app, push=False)
            await execute(app.ledger, sa.delete(t.task_facts))
            await execute(app.ledger, set_task(task_id, status="paused"))
            with refused("operate.nobody"):
                await tasks_use_case.resume_task(app, task_id)

    async def test_a_novel_that_main_deleted(self, app: App) -> None:
        task_id = await failed_task(app)
        await execute(app.ledger, sa.update(t.novels).values(is_deleting=1))
        with refused("operate.no_novel"):
            await tasks_use_case.retry_task(app, task_id)


class TestOldWorkers:
    @contextmanager
    def taking(self, app: App) -> Iterator[Any]:
        """A node's take of the next item; returns the task's status and whether the node keeps it open."""
        with keeping(app) as task_keeper:

            async def take_next(task_id: int) -> tuple[str, bool]:
                (claim,) = (await take(app.queue, NEW, tasks=1)).claims
                await task_keeper.take(claim)
                await stepped(task_keeper, task_id)
                return await status(app, task_id), task_id in task_keeper.open_tasks

            yield take_next

    async def test_a_task_that_one_is_at_work_on_is_left_to_it(self, app: App) -> None:
        task_id = await frozen_task(app)
        await app.queue.push(OLD, task_id)
        await old_worker(app.queue, "old", task_id)
        with self.taking(app) as take_next:
            assert await take_next(task_id) == ("created", False)
            assert ids(await take(app.queue, NEW, tasks=1)) == []
            await app.queue.connection.client.delete("kg:nodes:old")  # it dies; main queues the task again
            await app.queue.push(NEW, task_id)
            assert await take_next(task_id) == ("running", True)

    async def test_a_retry_of_a_stopped_one_and_an_opened_task_go_on(self, app: App) -> None:
        task_id = await frozen_task(app)
        await old_worker(app.queue, "old", task_id)
        await execute(app.ledger, set_task(task_id, status="paused"))
        with self.taking(app) as take_next:
            assert await take_next(task_id) == ("running", True)
            await app.queue.push(NEW, task_id)  # once more, while it is open here
            (fresh,) = (await take(app.queue, NEW, held=(task_id,))).refreshed
            assert len(await reopen(app, fresh)) == 3


class TestDeadList:
    async def test_shows_and_retries_one_chapter(self, app: App) -> None:
        task_id = await failed_task(app, 4, dead=2)
        first, second = await dead_letters.list_dead_letters(app)
        assert (first.item.task_id, first.chapter, first.title) == (task_id, 1, "第1回")
        assert (first.item.reason, first.item.deliveries, first.item.failures) == (
            "no JSON in the reply",
            0,
            3,
        )
        assert abs(first.item.at - time.time()) < 60
        assert json.loads(json.dumps(first.as_dict()))["queue"] == NEW
        with refused("operate.chapter_not_dead"):
            await dead_letters.retry_dead_letters(app, task_id, 3)
        done = await dead_letters.retry_dead_letters(app, task_id, 2)
        assert (done.tasks, done.entries) == ((task_id,), 1)
        assert [e.chapter for e in await dead_letters.list_dead_letters(app)] == [1]
        await hold(app)
        assert [c.chapter_id for c in await chapters(app, 9)] == [second.item.chapter_id]
        assert await states(app, task_id) == {"completed": 2, "failed": 1, "running": 1}

    async def test_dropped_chapters_stay_failed(self, app: App) -> None:
        task_id = await held_task(app)
        claims = await chapters(app, 3)
        await bury(app, claims[0])
        await bury(app, claims[1], told=False)
        assert await dead_letters.drop_dead_letters(app, task_id) == 2
        assert await states(app, task_id) == {"failed": 2, "running": 1}
        assert await dead_letters.list_dead_letters(app) == []
        assert not (await take(app.queue, NEW, held=(task_id,))).buried
        with refused("operate.task_not_dead"):
            await dead_letters.drop_dead_letters(app, task_id)
        with refused("operate.nothing_dead"):
            await dead_letters.retry_dead_letters(app)

    async def test_a_dropped_item_ends_its_task(self, app: App) -> None:
        task_id = await new_task(app)
        (claim,) = (await take(app.queue, NEW, tasks=1)).claims
        await fail_for_good(app.queue, claim)
        assert await dead_letters.drop_dead_letters(app, task_id) == 1
        row = await task_row(app.ledger, task_id)
        assert (row["status"], row["error_message"]) == ("failed", "broken")
        assert await app.ledger.tasks.unfinished() == []
        await tasks_use_case.retry_task(app, task_id)
        await hold(app)

    async def test_all_but_what_was_stopped_and_garbage(self, app: App) -> None:
        running, stopped = await failed_task(app, 3), await failed_task(app, 2, dead=2, salt="别")
        await execute(app.ledger, set_task(stopped, status="cancelled"))
        for text in ("no json", '{"task_id": "seven"}'):
            await app.queue.connection.client.lpush(OLD, text)
        await take(app.queue, OLD, tasks=1)
        assert [e.item.task_id for e in await dead_letters.list_dead_letters(app)].count(0) == 2
        done = await dead_letters.retry_dead_letters(app)
        assert (done.tasks, done.entries, done.left) == ((running,), 1, (stopped,))
        assert await dead_letters.drop_garbage(app) == 2
        assert {e.item.task_id for e in await dead_letters.list_dead_letters(app)} == {stopped}
        await dead_letters.retry_dead_letters(app, stopped)  # by name it starts again
        assert await status(app, stopped) == "created"

    async def test_what_is_completed_by_now_only_leaves_the_list(self, app: App) -> None:
        task_id = await failed_task(app, 2, dead=1)
        await execute(app.ledger, sa.update(t.chapter_status).values(status="completed"))
        assert (await dead_letters.retry_dead_letters(app, task_id)).entries == 1
        assert (await dead_letters.list_dead_letters(app), await items(app.queue, NEW)) == ([], [])
        assert await status(app, task_id) == "failed"

    async def test_queues_of_providers_that_are_gone(self, app: App) -> None:
        await app.queue.push(QueueName("kg:task:queue:gone"), await new_task(app, push=False))
        (claim,) = (await take(app.queue, QueueName("kg:task:queue:gone"), tasks=1)).claims
        await fail_for_good(app.queue, claim)
        assert [e.item.queue for e in await dead_letters.list_dead_letters(app)] == ["kg:task:queue:gone"]


class TestProviders:
    async def test_a_person_pauses_longer_and_shorter(self, app: App) -> None:
        breaker = CircuitBreaker(app.queue.connection)
        await breaker.pause("DeepSeek", 500, "three failures")
        pause = await providers.pause_provider(app, "deepseek", 40)
        assert (pause.provider, pause.seconds) == ("DeepSeek", 40)
        state = await breaker.state("DeepSeek")
        assert 30 < state.until - time.time() < 41
        assert (state.reason, state.by_hand) == ("paused by hand", True)
        assert abs(pause.until - state.until) < 1
        assert (await providers.pause_provider(app, " DEEPSEEK ")).seconds == PAUSE_SECONDS
        assert list((await app.queue.poll([], ["DeepSeek", "deepseek"])).paused) == ["DeepSeek"]

    async def test_resuming_says_whether_there_was_a_pause(self, app: App) -> None:
        await app.queue.connection.client.set(
            "ai:provider:suspend:DeepSeek", '{"until": 1}', ex=60
        )  # by some other program
        assert (await providers.resume_provider(app, "DeepSeek")).until
        assert (await app.queue.poll([], ["DeepSeek"])).paused == set()
        assert not (await providers.resume_provider(app, "DeepSeek")).until

    @pytest.mark.parametrize("by_hand", [True, False])
    async def test_a_build_ends_only_a_pause_that_a_node_began(self, app: App, by_hand: bool) -> None:
        if by_hand:
            await providers.pause_provider(app, "DeepSeek")
        else:
            await CircuitBreaker(app.queue.connection).pause("DeepSeek", reason="wrong key")
        unused: Any = None
        throttle = ProviderThrottle(app.queue, app.outages, unused, unused, slots_for=lambda _: 1)
        await throttle.pauses.lift_automatic(app.providers.get("DeepSeek"))
        assert bool((await app.queue.poll([], ["DeepSeek"])).paused) == by_hand

    async def test_paused_rules_are_told_like_any_provider(self, app: App) -> None:
        await providers.pause_provider(app, "rules")
        (listed,) = (one for one in await providers.list_providers(app) if one["name"] == "rules")
        assert listed["paused_until"]
        assert listed["reason"] == "paused by hand"
        (shown,) = (one for one in (await StatusReport(app).read())["providers"] if one["name"] == "rules")
        assert (shown["state"], shown["paused_until"] is None) == ("paused", False)

    async def test_one_that_only_other_machines_know(self, app: App) -> None:
        await new_task(app, push=False)
        await execute(app.ledger, sa.update(t.task_facts).values(provider="MoonShot"))
        assert (await providers.pause_provider(app, "moonshot")).provider == "MoonShot"
        for name in ("nobody", ""):
            with refused("operate.no_provider"):
                await providers.pause_provider(app, name)


async def test_a_late_row_of_a_task_that_is_being_deleted(app: App) -> None:
    task_id = await new_task(app)
    await hold(app)
    claims = await chapters(app, 2)
    novel_id = await app.ledger.task_lifecycle.delete(task_id)
    assert novel_id is not None
    with pytest.raises(KeyError):  # claimed no more
        await finish_chapter(app.ledger, task_id, claims[0].chapter_id, claims[0].token + 5)
    assert not await mark(app, claims[1], ChapterStatus.COMPLETED)
    assert await new_task(app, push=False, salt="新") > task_id  # no other ever gets its number
    await app.ledger.task_lifecycle.delete(task_id + 1)
    for orphan in (await app.ledger.orphans.find(0))[0]:
        await app.ledger.orphans.forget(orphan)
    await app.ledger.names.freeze(task_id, novel_id, [])  # by a node that is just scanning the book
    for table in (t.tasks, t.chapter_status, t.extractions, t.claims, t.task_facts):
        assert await scalar(app.ledger, sa.select(sa.func.count()).select_from(table)) == 0
    assert ids(await take(app.queue, OLD, tasks=1)) == []
