"""What main deletes stays deleted: kgnb's rows go, and what a late refresh wrote into the graph again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa

from kgnb.core.settings import Settings
from kgnb.extract.model import NameEntry
from kgnb.graph.model import Graph
from kgnb.graph.resolve.decisions import Decision
from kgnb.stores.graph.store import GraphStore
from kgnb.stores.ledger import orphans
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.queue.store import Queue
from kgnb.worker.provider_registry import ProviderRegistry
from kgnb.worker.reconciler import Reconciler
from kgnb.worker.refresh import Refresh
from tests.support.ledgers import end_of, execute, finish_chapter, new_task, open_with, row_of
from tests.support.random_novels import Novel
from tests.support.stored_graphs import stored_graph

ENGINES = ("sqlite", "valkey"), ("mariadb", "redis")
pytestmark = pytest.mark.parametrize(("sql_url", "redis_url"), ENGINES, indirect=True)


async def in_thread(function: Callable[..., Any], *args: object) -> Any:
    return await asyncio.to_thread(function, *args)


@dataclass
class Place:
    ledger: Ledger
    graph: GraphStore
    queue: Queue
    reconciler: Reconciler

    async def worked(self, salt: str) -> tuple[int, int]:
        """A novel and its task, at work: one of two chapters is done, and everything has rows."""
        novel_id, task_id = await new_task(self.ledger, 2, salt)
        chapter_id = (await open_with(self.ledger, task_id, 10)).chapters[0]
        name = NameEntry("刘备", ("玄德",))
        await self.ledger.names.freeze(task_id, novel_id, [name])
        await self.ledger.name_decisions.add(novel_id, [Decision(0, "merge", ("刘备", "玄德"))])
        assert await finish_chapter(self.ledger, task_id, chapter_id, 11)
        assert await Refresh(self.ledger, self.graph, in_thread, novel_id, 60.0).attempt()
        return novel_id, task_id

    async def write(self, novel_id: int, task_id: int) -> None:
        """What kgnb's record doesn't know goes into the graph."""
        _, number = await self.graph.begin_refresh(novel_id, 0.0)
        await self.graph.apply(novel_id, Novel.make(novel_id, task=task_id).exact(), number=number)

    async def main_deletes(self, task_id: int, novel_id: int | None = None) -> None:
        await execute(
            self.ledger, sa.delete(t.chapter_status).where(t.chapter_status.c.kg_task_id == task_id)
        )
        await execute(self.ledger, sa.delete(t.tasks).where(t.tasks.c.id == task_id))
        if novel_id is not None:
            await execute(self.ledger, sa.delete(t.chapters).where(t.chapters.c.novel_id == novel_id))
            await execute(self.ledger, sa.delete(t.novels).where(t.novels.c.id == novel_id))

    async def turn(self, *, after_leases: bool) -> None:
        self.queue.lease_seconds = 0 if after_leases else 30
        await self.queue.connection.client.delete("kgnb:reconciler")
        await self.reconciler.run_once()

    async def rows(self, novel_id: int, task_id: int) -> dict[str, int]:
        """kgnb's tables with rows of either."""

        def count(c: sa.Connection) -> dict[str, int]:
            found = {}
            for table in t.OWN:
                ids = {"novel_id": novel_id, "task_id": task_id}
                where = [table.c[name] == i for name, i in ids.items() if name in table.c]
                if where and table is not t.replies:
                    found[table.name] = c.scalar(sa.select(sa.func.count()).where(sa.or_(*where)))
            return {name: n for name, n in found.items() if n}

        return await self.ledger.database.run(count, write=False)

    async def in_graph(self, novel_id: int) -> int:
        return len((await stored_graph(self.graph, novel_id)).nodes)


@pytest.fixture
async def place(ledger: Ledger, queue: Queue, store: GraphStore, tmp_path: Path) -> Place:
    settings = Settings.load(data=tmp_path, keys=str(tmp_path / "keys"), providers="rules")
    providers = ProviderRegistry(ledger, settings)
    await providers.refresh()
    parts = {"ledger": ledger, "queue": queue, "graph": store}
    pool = SimpleNamespace(run_long=in_thread)
    facts = {"only_task": None, "providers": providers, "settings": settings, "pool": pool}
    node = SimpleNamespace(stores=SimpleNamespace(**parts), **facts)
    node.wake = lambda: None
    return Place(**parts, reconciler=Reconciler(cast("Any", node)))


async def test_a_novel_that_main_deletes_while_it_is_worked(place: Place) -> None:
    kept, gone = await place.worked("a"), await place.worked("b")
    await place.write(99, 7)  # kgnb's record never knew it
    before = [await place.rows(*kept), await place.in_graph(kept[0]), await place.in_graph(99)]
    assert all(before)
    work = await place.ledger.chapters.claim([(gone[1], 4, 12)])
    late = row_of(work[gone[1], 4], gone[1], 12)
    left = await place.rows(*gone)
    _, number = await place.graph.begin_refresh(gone[0], 0.0)
    await place.graph.apply(gone[0], Graph(), number=number)  # main: first the graph, then SQL
    await place.main_deletes(gone[1], gone[0])
    await place.write(*gone)  # by a node that doesn't know yet
    await place.turn(after_leases=False)
    assert await place.rows(*gone) == left
    await place.turn(after_leases=True)
    assert (await place.rows(*gone), await place.in_graph(gone[0])) == ({}, 0)
    assert await place.ledger.chapters.end([end_of(late)]) == [False]
    after = [await place.rows(*kept), await place.in_graph(kept[0]), await place.in_graph(99)]
    assert after == before


async def test_a_task_that_main_deletes_leaves_its_novel(place: Place) -> None:
    novel_id, task_id = await place.worked("a")
    other = await place.ledger.tasks.create(novel_id, provider="DeepSeek", model="m", use_ai=True, name="n")
    assert await finish_chapter(
        place.ledger, other, (await open_with(place.ledger, other, 20)).chapters[1], 21
    )
    await place.main_deletes(task_id)
    await place.turn(after_leases=True)
    assert await place.rows(0, task_id) == {}
    assert (await place.rows(0, other))["kgnb_extractions"] == 1
    assert (await place.rows(novel_id, other))["kgnb_names"] == 1
    nodes = (await stored_graph(place.graph, novel_id)).nodes.values()
    assert nodes
    assert all(node.properties["task_id"] == [other] for node in nodes)


async def test_what_main_is_still_deleting_is_stopped_and_keeps_its_rows(place: Place) -> None:
    novel_id, task_id = await place.worked("a")
    before = await place.rows(novel_id, task_id)
    await execute(place.ledger, sa.update(t.novels).values(is_deleting=1))
    assert await place.ledger.tasks.statuses([task_id]) == {}
    await place.turn(after_leases=True)
    assert await place.rows(novel_id, task_id) == before


async def test_every_novel_has_its_turn(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "NOVELS", 2)
    novels = [await new_task(place.ledger, 1, salt) for salt in "abcde"]
    for novel_id, task_id in (novels[1], novels[4]):
        await place.main_deletes(task_id, novel_id)
    for _ in range(3):
        await place.turn(after_leases=True)
    assert [bool(await place.rows(*one)) for one in novels] == [True, False, True, True, False]
