"""The graph that every reader asks for: kept while it fits the record, made again otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from kgnb.app import graphs
from kgnb.app.graphs import graph_counts, graph_of
from kgnb.graph.project.projection import project
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.ledger import Ledger
from kgnb.worker.process_pool import CpuPool
from tests.support.ledgers import execute, finish_task, new_task, opened


@dataclass
class Parts:
    ledger: Ledger
    pool: CpuPool


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Parts]:
    pool = CpuPool(1)
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
        yield Parts(ledger, pool)
        await pool.close()


@pytest.fixture
async def novel(app: Parts) -> int:
    novel_id, task_id = await new_task(app.ledger)
    await finish_task(app.ledger, task_id, 10)
    return novel_id


async def made_at(app: Parts, novel: int) -> int:
    stored = await app.ledger.graphs.stored(novel)
    assert stored is not None
    return stored.number


async def test_a_graph_is_made_once_for_each_state_of_the_record(app: Parts, novel: int) -> None:
    first = await graph_of(app, novel)
    number = await made_at(app, novel)
    assert first == await graph_of(app, novel)
    assert await graph_counts(app, novel) == first.counts()
    assert await made_at(app, novel) == number
    await execute(app.ledger, sa.update(t.chapters).values(title="另一个题目"))
    changed = await graph_of(app, novel)
    assert changed != first
    assert {node.text("title") for node in changed.nodes.values() if node.label == "Chapter"} == {
        "另一个题目"
    }
    assert await made_at(app, novel) > number
    await execute(app.ledger, sa.delete(t.extractions).where(t.extractions.c.chapter_number == 3))
    assert (await graph_counts(app, novel))["Chapter"] == 2


async def test_until_a_chapter_nothing_is_kept(app: Parts, novel: int) -> None:
    graph = await graph_of(app, novel, until=2)
    assert graph.counts()["Chapter"] == 2
    assert await app.ledger.graphs.stored(novel) is None


@pytest.mark.parametrize("data", [b"", b"x" * 100])
async def test_what_kgnb_did_not_write_is_made_again(app: Parts, novel: int, data: bytes) -> None:
    graph = await graph_of(app, novel)
    await execute(app.ledger, sa.update(t.graphs).values(data=data))
    assert await graph_of(app, novel) == graph
    stored = await app.ledger.graphs.stored(novel)
    assert stored is not None
    assert stored.data != data


async def test_a_read_only_record_is_read(app: Parts, novel: int) -> None:
    expected = await asyncio.to_thread(project, await app.ledger.graphs.record(novel))
    refused = "CREATE TRIGGER refuse BEFORE INSERT ON kgnb_graphs BEGIN SELECT RAISE(ABORT, 'read only'); END"
    await execute(app.ledger, sa.text(refused))
    assert await graph_of(app, novel) == expected
    assert await app.ledger.graphs.stored(novel) is None


async def test_a_long_book_is_projected_in_a_process_of_its_own(
    app: Parts, novel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await asyncio.to_thread(project, await app.ledger.graphs.record(novel))
    monkeypatch.setattr(graphs, "LONG", 1)
    monkeypatch.setattr(graphs, "make_graph", None)  # none is made here
    assert await graph_of(app, novel) == expected
    assert (await graph_counts(app, novel)) == expected.counts()
