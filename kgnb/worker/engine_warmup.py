"""Warms up a freshly started graph engine while a book's names are scanned and nothing is written yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kgnb.core.errors import ServiceDown
from kgnb.core.model import CHARACTER_RELATIONS, Chapter, Novel, TaskConfig
from kgnb.extract.model import Character, Event, Extraction, Location, Organization, Relation
from kgnb.graph.model import ExtractionRow, Graph
from kgnb.graph.project.settle import ChapterProjector
from kgnb.stores.graph.store import WARMUP_NOVEL, GraphStore
from kgnb.worker.outages import Outages

CHAPTERS = 20
"""Made-up chapters of one transaction: about as many as a busy node writes at once."""
ROUNDS = 25
"""Transactions after which the engine gets no faster."""


@asynccontextmanager
async def warming_up(graph: GraphStore | None, outages: Outages) -> AsyncIterator[None]:
    """Warm up ``graph`` until the body is done; None: there is nothing to warm up."""
    if graph is None:
        yield
        return
    warming = asyncio.create_task(_warm_up(graph, outages))
    try:
        yield
    finally:
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)


async def _warm_up(graph: GraphStore, outages: Outages) -> None:
    chapters = [_chapter(number) for number in range(CHAPTERS)]
    for _ in range(ROUNDS):
        try:
            await graph.warm_up(chapters)
        except ServiceDown as error:  # the next writer waits for it
            outages.report_down(error)
            return


def _chapter(number: int) -> Graph:
    """A typical chapter: a dozen characters, a few locations, events and relations."""
    people = [f"{number % 5}:{i}" for i in range(12)]
    places = [f"place {i}" for i in range(5)]
    extraction = Extraction(
        characters=[Character(name=name) for name in people],
        locations=[Location(name=name) for name in places],
        organizations=[Organization(name="…")],
        events=[
            Event(name=f"{number}:{i}", participants=people[i : i + 3], location=place, evidence="…")
            for i, place in enumerate(places)
        ],
        relations=[
            Relation(source=one, target=other, type=kind, evidence="…")
            for one, other, kind in zip(people, people[1:], CHARACTER_RELATIONS, strict=False)
        ],
    )
    chapter_id = WARMUP_NOVEL - number
    row = ExtractionRow(0, WARMUP_NOVEL, chapter_id, number, "", "", extraction, "", "", 0)
    novel = Novel(WARMUP_NOVEL, "", "")
    chapter = Chapter(chapter_id, WARMUP_NOVEL, number, "", 0)
    return ChapterProjector(novel, (), TaskConfig()).project(chapter, row)
