"""The embedded graph engine warms up while a book is scanned, and nothing of it is left."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from kgnb.app import build, submit
from kgnb.app.context import open_app
from kgnb.app.graph_warm_up import MOST, warm_up_graph
from kgnb.core.errors import ServiceDown
from kgnb.core.labels import CHARACTER_RELATIONS
from kgnb.core.settings import Settings
from kgnb.graph.model import Graph
from kgnb.stores.graph.store import GraphStore
from kgnb.worker import book_process
from tests.support.commands import STORY


class Recorder:
    """Counts rehearsals; ``fails``: the engine is gone."""

    def __init__(self, *, fails: bool = False) -> None:
        self.graphs: list[list[Graph]] = []
        self._fails = fails

    async def rehearse(self, novel_id: int, graphs: list[Graph]) -> None:
        assert novel_id < 0
        self.graphs.append(graphs)
        if self._fails:
            raise ServiceDown("graph.down", service="bolt", where="")


async def warmed(store: Recorder, until: int = MOST + 1) -> int:
    await warm_up_graph(cast(GraphStore, store), lambda: len(store.graphs) >= until)
    return len(store.graphs)


async def test_it_ends_with_the_scan_after_enough_and_when_the_engine_is_gone() -> None:
    assert await warmed(Recorder()) == MOST
    assert await warmed(Recorder(), 3) == 3
    assert await warmed(Recorder(), 0) == 0
    assert await warmed(Recorder(fails=True)) == 1


async def test_every_type_of_a_chapter_is_rehearsed() -> None:
    store = Recorder()
    await warmed(store, 1)
    types = {type_ for graph in store.graphs[0] for _, type_, _ in graph.edges}
    assert types >= {*CHARACTER_RELATIONS, "APPEARS_IN", "PARTICIPATES_IN", "OCCURS_IN"}
    labels = {label for graph in store.graphs[0] for label, _ in graph.nodes}
    assert labels >= {"Novel", "Chapter", "Character", "Location", "Organization", "Event"}


async def test_a_build_leaves_only_its_novel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsed: list[int] = []
    rehearse = GraphStore.rehearse

    async def told(self: GraphStore, novel_id: int, graphs: list[Graph]) -> None:
        rehearsed.append(novel_id)
        await rehearse(self, novel_id, graphs)

    monkeypatch.setattr(GraphStore, "rehearse", told)
    scan = book_process.freeze_names

    async def late(*given: object) -> object:
        while not rehearsed:  # the story is scanned before the engine is up
            await asyncio.sleep(0.05)
        return await scan(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(book_process, "freeze_names", late)
    async with open_app(Settings.load(data=tmp_path / "data", lang="zh"), graph=False) as app:
        result = await build.build(app, await submit.read(STORY, None, None), STORY, "rules")
        novels = await app.graph.query("MATCH (n:Novel) RETURN n.id AS id")
        chapters = await app.graph.query("MATCH (n:Chapter) RETURN count(n) AS count")
    assert rehearsed
    assert [row["id"] for row in novels] == [result.novel_id]
    assert chapters == [{"count": result.chapters}]
