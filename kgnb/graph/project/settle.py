"""From extraction rows to the graph: a pure function, so that a graph can be made anew from the record.

:func:`chapter_graph` projects one row while a task runs, :func:`novel_graph` is the exact graph of all rows
that count. Both take the chapters in the order of their numbers, whatever order they are given in, so the
first text found is the earliest chapter's.

Beyond the wire contract it is settled here that

- the wire contract's properties are always there (``""`` or ``[]`` where nothing is known); kgnb's own
  (``evidence`` and its ``chapter_id``, ``unverified``, ``label``, ``labels``) only where there is something
  to say;
- an edge is ``unverified`` if no chapter's quote was found in its text; ``evidence`` is the earliest found;
- a namesake (张虎（张辽之子）) has its bare name as ``base_name``;
- a character of whom no name stands anywhere in the book is left out, with its edges;
- ``chapters`` are chapter numbers, ``count`` is how many; entities carry them too;
- a relation's end, or a participant, that no list of the reply names is who the name table or other chapters
  say, else a Character of confidence 0.5; a generic word (众人, the captain) makes no new node;
- between a character and an organization any tie but a hostile one is BELONGS_TO, whichever end comes first;
  a character and an event give PARTICIPATES_IN, an event and a location OCCURS_IN; a tie between any other
  two kinds has no type in the contract and stays in the record only;
- a word that is no enabled type is kept in ``label`` of KNOWS; where a pair has several, ``label`` is the
  earliest, ``labels`` are all of them, sorted, and ``label_chapters`` each one's chapters ("1,5,7");
- who is a protagonist protagonists.py says; a single chapter tells none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from kgnb.core.model import Chapter, TaskConfig
from kgnb.extract.model import NameEntry
from kgnb.graph.model import ExtractionRow, Graph
from kgnb.graph.project.facts import AbsentCharacters, FindInText
from kgnb.graph.project.graph_builder import (
    GraphBuilder,
    NameResolution,
    NovelFacts,
    ProjectionContext,
    SettleRow,
    event_id,
)
from kgnb.graph.resolve.chapter_identity import ChapterNames, chapter_names, every_name
from kgnb.graph.resolve.decisions import CombinedDecisions

__all__ = [
    "ChapterProjector",
    "NameResolution",
    "NovelFacts",
    "SettleRow",
    "chapter_graph",
    "event_id",
    "novel_graph",
    "novel_graph_and_names",
]


def _none(_names: Collection[str]) -> Collection[str]:
    return ()


def _glance(row: ExtractionRow) -> ChapterNames:
    return chapter_names(row.extraction, told=row.extracted_by == "ai")


class ChapterProjector(ProjectionContext):
    """What each row of a task adds to the graph while the task runs; settle replaces it by the exact graph.

    One instance serves all of a task's chapters.
    """

    def project(self, chapter: Chapter, row: ExtractionRow) -> Graph:
        """The row's graph. Who stands neither in the chapter nor in the name table is left to settle."""
        doubts = AbsentCharacters()
        if row.extraction.absent:
            doubts.hear(row.extraction)
        seen = _glance(row)
        builder = GraphBuilder(self, [seen], only=every_name(row.extraction, seen.known))
        builder.leave_out(doubts, _none)
        builder.add(chapter, SettleRow(row))
        return builder.graph(whole=False)


def chapter_graph(
    novel: NovelFacts,
    chapter: Chapter,
    row: ExtractionRow,
    names: Sequence[NameEntry],
    config: TaskConfig,
    decisions: CombinedDecisions | None = None,
) -> Graph:
    """The graph of a single chapter: see :class:`ChapterProjector`."""
    return ChapterProjector(novel, names, config, decisions).project(chapter, row)


def novel_graph(
    novel: NovelFacts,
    chapters: Sequence[Chapter],
    rows: Iterable[SettleRow],
    names: Sequence[NameEntry],
    config: TaskConfig,
    find_in_text: FindInText = _none,
    decisions: CombinedDecisions | None = None,
) -> Graph:
    """The exact graph of the novel; the same for any order of ``rows``, ``chapters`` and ``names``.

    ``rows`` are gone through twice, names first; if they come in the order of the chapters' numbers they
    never lie in memory together. A row whose chapter is not among ``chapters`` is left out; a chapter without
    a row gets no node. ``find_in_text`` tells which names stand in the book; it is called once at most, about
    people who stand neither in the name table nor in a chapter whose row names them. ``decisions``: what a
    person decided about names.
    """
    return _built(novel, chapters, rows, names, config, find_in_text, decisions).graph(whole=True)


def novel_graph_and_names(
    novel: NovelFacts,
    chapters: Sequence[Chapter],
    rows: Iterable[SettleRow],
    names: Sequence[NameEntry],
    config: TaskConfig,
    find_in_text: FindInText = _none,
    decisions: CombinedDecisions | None = None,
) -> tuple[Graph, NameResolution]:
    """:func:`novel_graph`, and how its names were joined."""
    builder = _built(novel, chapters, rows, names, config, find_in_text, decisions)
    return builder.graph(whole=True), builder.people


def _built(
    novel: NovelFacts,
    chapters: Sequence[Chapter],
    rows: Iterable[SettleRow],
    names: Sequence[NameEntry],
    config: TaskConfig,
    find_in_text: FindInText,
    decisions: CombinedDecisions | None,
) -> GraphBuilder:
    places = {chapter.id: chapter for chapter in chapters}
    rows = rows if iter(rows) is not rows else list(rows)

    def order(row: ExtractionRow) -> tuple[int, int]:
        return (places[row.chapter_id].number, row.chapter_id)

    doubts = AbsentCharacters()
    glances = []
    for one in rows:
        if one.row.chapter_id in places:
            doubts.hear(one.row.extraction)
            glances.append((order(one.row), _glance(one.row)))
    if any(late[0] < early[0] for early, late in pairwise(glances)):
        glances.sort(key=lambda pair: pair[0])
        rows = sorted((r for r in rows if r.row.chapter_id in places), key=lambda r: order(r.row))
    builder = GraphBuilder(
        ProjectionContext(novel, names, config, decisions), [found for _, found in glances]
    )
    builder.leave_out(doubts, find_in_text)
    for one in rows:
        if (chapter := places.get(one.row.chapter_id)) is not None:
            builder.add(chapter, one)
    return builder
