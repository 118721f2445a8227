"""Warms a freshly started graph engine up while a book's names are counted and nothing is written yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kgnb.core.errors import ServiceDown
from kgnb.core.model import CHARACTER_RELATIONS, Chapter, Novel, TaskConfig
from kgnb.extract.model import Character, Event, Extraction, Location, Organization, Relation
from kgnb.graph.model import ExtractionRow, Graph
from kgnb.graph.project.settle import chapter_graph
from kgnb.stores.graph.store import REHEARSED, GraphStore
from kgnb.worker.outages import Outages

CHAPTERS = 20
"""Made-up chapters of one rehearsal: about as much as one transaction of a busy node."""
ROUNDS = 25
"""After so many the engine is as fast as it gets."""


@asynccontextmanager
async def rehearsing(graph: GraphStore | None, outages: Outages) -> AsyncIterator[None]:
    """Rehearses on ``graph`` until the body is done; None: there is nothing to warm up."""
    if graph is None:
        yield
        return
    warming = asyncio.create_task(_rehearse(graph, outages))
    try:
        yield
    finally:
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)


async def _rehearse(graph: GraphStore, outages: Outages) -> None:
    chapters = [_chapter(number) for number in range(CHAPTERS)]
    for _ in range(ROUNDS):
        try:
            await graph.rehearse(chapters)
        except ServiceDown as error:  # whoever writes next waits for it
            outages.report_down(error)
            return


def _chapter(number: int) -> Graph:
    """A chapter like many: a dozen people, a few places, events and ties."""
    people = [f"{number % 5}:{i}" for i in range(12)]
    places = [f"place {i}" for i in range(5)]
    relations = [
        Relation(source=people[i], target=people[(i + 1) % 12], type=kind, evidence="…")
        for i, kind in enumerate(CHARACTER_RELATIONS)
        if i < 12
    ]
    events = [
        Event(name=f"{number}:{i}", participants=people[i : i + 3], location=places[i], evidence="…")
        for i in range(4)
    ]
    extraction = Extraction(
        characters=[Character(name=name) for name in people],
        locations=[Location(name=name) for name in places],
        organizations=[Organization(name="…")],
        events=events,
        relations=relations,
    )
    chapter_id = REHEARSED - number
    row = ExtractionRow(0, REHEARSED, chapter_id, number, "", "", extraction, "", "", 0)
    novel = Novel(REHEARSED, "", "")
    return chapter_graph(novel, Chapter(chapter_id, REHEARSED, number, "", 0), row, (), TaskConfig())
