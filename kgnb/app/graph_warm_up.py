"""Lets a freshly started graph engine compile its code while a book's names are counted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

from kgnb.core.errors import ServiceDown
from kgnb.core.labels import CHARACTER_RELATIONS
from kgnb.core.model import Chapter, Novel, TaskConfig
from kgnb.extract.model import Character, Event, Extraction, Location, Organization, Relation
from kgnb.graph.model import ExtractionRow, Graph
from kgnb.graph.project.projection import ChapterProjector
from kgnb.stores.graph.store import GraphStore

CHAPTERS = 20
"""Made-up chapters of one transaction, about as many as a busy node writes at once."""
MOST = 25
"""Transactions after which the embedded engine gets no faster: the first takes 0.7 s, the last 0.06."""
_NOVEL = Novel(-1, "")
"""No stored novel has a negative id."""


async def warm_up_graph(store: GraphStore, is_over: Callable[[], bool]) -> None:
    """Write made-up chapters and roll them back, until ``is_over()``.

    An engine just started takes ten times as long for its first chapters, which are then those of the book.
    """
    projector = ChapterProjector(_NOVEL, (), TaskConfig())
    graphs = [_chapter(projector, number) for number in range(1, CHAPTERS + 1)]
    with suppress(ServiceDown):  # whoever writes next waits until it is up
        for _ in range(MOST):
            if is_over():
                return
            await store.rehearse(_NOVEL.id, graphs)


def _chapter(projector: ChapterProjector, number: int) -> Graph:
    """A chapter like many: people and their ties, some places and events."""
    people = [f"{number % 5}:{i}" for i in range(len(CHARACTER_RELATIONS) + 1)]
    places = [f"place {i}" for i in range(5)]
    ties = zip(CHARACTER_RELATIONS, pairwise(people), strict=True)
    extraction = Extraction(
        characters=[Character(name=name) for name in people],
        locations=[Location(name=name) for name in places],
        organizations=[Organization(name="…")],
        events=[
            Event(name=f"{number}:{i}", participants=people[i : i + 3], location=place, evidence="…")
            for i, place in enumerate(places)
        ],
        relations=[
            Relation(source=one, target=other, type=kind, evidence="…") for kind, (one, other) in ties
        ],
    )
    chapter = Chapter(-number, _NOVEL.id, number, "", 0)
    row = ExtractionRow(0, _NOVEL.id, chapter.id, number, "", "", extraction, "", "", 0)
    return projector.project(chapter, row)
