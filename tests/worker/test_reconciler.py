"""What no live provider serves moves on: queues of providers that were switched off or deleted."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import redis
import sqlalchemy as sa

from kgnb.app.context import App, open_app
from kgnb.core.model import RULES
from kgnb.core.settings import Settings
from kgnb.stores.embedded.connect import open_queue
from kgnb.stores.ledger import tables as t
from kgnb.worker.reconciler import Reconciler
from tests.support.commands import Llm, Place, Running, llm, novel
from tests.support.ledgers import QUEUE, execute, new_task, open_with, set_task
from tests.support.queues import items, take

SOON = {"KG_WORKER_GUARD_INTERVAL": "0.5", "KGNB_LEASE_SECONDS": "3"}


@pytest.fixture
def place(tmp_path: Path, running_engines: None) -> Iterator[Place]:
    with Place(tmp_path, env=dict(SOON)) as one:
        yield one


def write(place: Place, statement: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(place.data / "kgnb.db", timeout=10)) as db, db:
        db.execute(statement, values)


def add_provider(place: Place, name: str, server: Llm) -> None:
    write(
        place,
        "INSERT INTO ai_providers (name, api_key, base_url, models, is_active) VALUES (?, ?, ?, ?, 1)",
        *(name, "k", server.server.base_url, '["dryrun"]'),
    )


def switch_off(place: Place, name: str) -> None:
    write(place, "UPDATE ai_providers SET is_active = 0 WHERE name = ?", name)


@contextlib.contextmanager
def queue_of(place: Place) -> Iterator[redis.Redis]:
    """The embedded queue, beside the commands that use it."""
    with open_queue(place.data) as engines:
        url = engines.redis_url
        assert url is not None
        with redis.Redis.from_url(url.get_secret_value()) as client:
            yield client


def two_providers(place: Place, server: Llm) -> None:
    assert place.run("status", "--json").code == 0  # makes the tables
    add_provider(place, "First", server)
    add_provider(place, "Second", server)


def drained(place: Place) -> None:
    ran = place.run("worker", "--drain", "--slots", "4", timeout=90)
    assert ran.code == 0, ran


def states(place: Place) -> list[tuple[object, ...]]:
    return place.sql(
        "SELECT k.id, k.status, f.provider, f.queue FROM knowledge_graph_tasks k "
        "LEFT JOIN kgnb_tasks f ON f.task_id = k.id ORDER BY k.id"
    )


def test_the_queue_of_a_provider_that_was_switched_off_is_moved(place: Place, tmp_path: Path) -> None:
    with llm() as server:
        two_providers(place, server)
        book = novel(tmp_path / "b.txt", 3)
        assert place.run("submit", book, "--provider", "First").code == 0
        switch_off(place, "First")
        with queue_of(place) as queue:
            item = json.loads(queue.lpop("kg:task:queue:first"))
            queue.lpush("kg:task:queue:first", json.dumps({**item, "note": {"by": ["main"]}}))
            worker = place.start("worker", "--slots", "4")
            worker.until(lambda: states(place)[0][1] == "completed", 60)
            worker.send(15)
            assert worker.ended().code == 0
            assert queue.llen("kg:task:queue:first") == 0
            assert queue.llen("kg:task:queue:second") == 0
    assert states(place) == [(1, "completed", "Second", "kg:task:queue:second")]


def test_a_deleted_provider_of_a_task_at_work(place: Place, tmp_path: Path) -> None:
    """Its node lets go of it, another provider finishes it, and no chapter is done twice."""
    place.env["KGNB_LEASE_SECONDS"] = "60"  # one that is lost would be done twice
    with llm(latency=0.5) as server:
        two_providers(place, server)
        assert place.run("submit", novel(tmp_path / "b.txt", 40), "--provider", "First").code == 0
        worker = place.start("worker", "--slots", "2")
        worker.until(lambda: len(done(place)) >= 3)
        write(place, "DELETE FROM ai_providers WHERE name = 'First'")
        worker.until(lambda: states(place)[0][1] == "completed", 60)
        assert finished(worker) == 0
    assert [row[1:3] for row in states(place)] == [("completed", "Second")]
    by = place.sql("SELECT provider, COUNT(*) FROM kgnb_extractions GROUP BY provider ORDER BY provider")
    assert [name for name, _ in by] == ["First", "Second"]
    assert sum(n for _, n in by) == server.stats.requests == 40


def done(place: Place) -> list[tuple[object, ...]]:
    return place.sql("SELECT chapter_id FROM kgnb_extractions")


def finished(worker: Running) -> int:
    worker.send(15)
    return worker.ended().code


def test_a_build_goes_on_where_the_tasks_queue_was_deserted(place: Place, tmp_path: Path) -> None:
    """A task that main switched to the rules was opened from the first provider's queue."""
    with llm() as server:
        two_providers(place, server)
        book = novel(tmp_path / "b.txt", 3)
        assert place.run("submit", book, "--provider", "First").code == 0
        write(place, "UPDATE knowledge_graph_tasks SET use_ai = 0, status = 'running'")
        write(place, "UPDATE kgnb_tasks SET provider = 'rules', model = ''")
        with queue_of(place) as queue:
            queue.flushall()
        switch_off(place, "First")
        assert place.build(book, "--provider", "rules")["completed"] == 3
    assert states(place) == [(1, "completed", "rules", "kg:task:queue:rules")]


def test_a_queue_of_a_provider_that_no_table_ever_had_is_left_alone(place: Place, tmp_path: Path) -> None:
    """It may be another node's own provider, from that one's environment."""
    with llm() as server:
        two_providers(place, server)
        book = novel(tmp_path / "b.txt", 3)
        assert place.run("submit", book, "--provider", "mine", env=server.env(name="mine")).code == 0
        assert place.run("submit", book, "--provider", "First").code == 0
        drained(place)
    assert [row[1:3] for row in states(place)] == [("created", "mine"), ("completed", "First")]


def test_what_no_queue_remembers_goes_to_the_default_provider(place: Place, tmp_path: Path) -> None:
    """Redis lost everything, and main's own row never had a queue."""
    with llm() as server:
        two_providers(place, server)
        write(
            place,
            "INSERT INTO knowledge_graph_configs (name, ai_provider, is_default) VALUES ('d', 'SECOND', 1)",
        )
        assert place.run("submit", novel(tmp_path / "b.txt", 3), "--provider", "First").code == 0
        write(place, "DELETE FROM kgnb_tasks")
        with queue_of(place) as queue:
            queue.flushall()
            worker = place.start("worker")
            worker.until(lambda: states(place)[0][1] == "completed", 60)
            assert finished(worker) == 0
    assert [row[1:3] for row in states(place)] == [("completed", "Second")]


def reconciler(app: App) -> Reconciler:
    """One of a node that does nothing else."""
    node = SimpleNamespace(
        stores=SimpleNamespace(ledger=app.ledger, queue=app.queue),
        providers=app.providers,
        settings=app.settings,
        only_task=None,
        wake=lambda: None,
    )
    return Reconciler(cast("Any", node))


async def test_copies_dont_pile_up_where_a_gone_providers_queue_is_moved_to(tmp_path: Path) -> None:
    """Main queues a created task again and again, and nobody takes any of the copies."""
    provider = {"openai_base_url": "http://127.0.0.1:9/v1", "openai_api_key": "k", "openai_model": "m"}
    settings = Settings.load(data=tmp_path / "data", provider_name="DeepSeek", **provider)
    gone, target = QUEUE.with_provider("gone"), QUEUE.with_provider("deepseek")
    async with open_app(settings, graph=False) as app:
        await app.ledger.providers.save("Gone", {"models": ["m"], "base_url": "http://127.0.0.1:9/v1"})
        await app.ledger.providers.seen()
        await app.ledger.providers.remove("Gone", delete=False)
        await app.queue.push(target, 2, opened=True)  # starts no paused task, so a fresh one is needed still
        turns = reconciler(app)
        for _ in range(3):
            for task_id in (1, 1, 2, 3):
                item = {"task_id": task_id, "provider": "gone", "note": ["长", 2**60, []]}
                await app.queue.connection.client.lpush(gone, json.dumps(item))
            await app.queue.connection.client.delete("kgnb:reconciler")
            await turns.run_once()
            assert await app.queue.find_tasks([gone]) == {}
        found = await items(app.queue, target)
    waiting = [("kgnb" in item, item["task_id"]) for item in found]
    assert waiting == [(True, 2), (False, 1), (False, 2), (False, 3)], "next in line first"
    assert all((one["provider"], one["note"]) == ("deepseek", ["长", 2**60, []]) for one in found[1:])


async def test_a_lost_task_that_had_been_opened_comes_back_as_such(tmp_path: Path) -> None:
    """As a new one it would start again what main has paused meanwhile."""
    provider = {"openai_base_url": "http://127.0.0.1:9/v1", "openai_api_key": "k", "openai_model": "m"}
    settings = Settings.load(data=tmp_path / "data", provider_name="DeepSeek", **provider)
    async with open_app(settings, graph=False) as app:
        _, waiting = await new_task(app.ledger, salt="a")
        _, opened = await new_task(app.ledger, salt="b")
        assert (await open_with(app.ledger, opened, 1)).outcome == "open"
        _, by_rules = await new_task(app.ledger, salt="c")
        await execute(app.ledger, set_task(by_rules, use_ai=False))
        _, old_workers = await new_task(app.ledger, salt="d")
        await execute(app.ledger, set_task(old_workers, status="running"))
        await execute(app.ledger, sa.delete(t.task_facts).where(t.task_facts.c.task_id == old_workers))
        await reconciler(app).run_once()
        claims = (await take(app.queue, QUEUE, tasks=9)).claims
        assert {claim.task_id: claim.fresh for claim in claims} == {waiting: True, opened: False}
        (claim,) = (await take(app.queue, QUEUE.with_provider(RULES), tasks=2)).claims
        assert claim.task_id == by_rules
