"""The record to the graph: :func:`project`, a pure function and the only source of a graph.

It processes chapters by number, whatever order they are given in, so "first" means the earliest chapter.

Beyond the wire contract:

- the wire contract's properties are always there (``""`` or ``[]`` if unknown); kgnb's own (``evidence`` and
  its ``chapter_id``, ``unverified``, ``label``, ``labels``) only where they have a value;
- a tie that a reader added has ``extracted_by`` "";
- an edge is ``unverified`` if no chapter's quote was found in its text; ``evidence`` is the first one found
  in which both ends are named, else the first that names one, else the first;
- a namesake (张虎（张辽之子）) has its bare name as ``base_name``;
- a character none of whose names is in the book's text is left out, with its edges;
- ``chapters`` are chapter numbers, ``count`` is how many; entities have them too;
- an end of a relation or a participant that no list of the reply has is what the name table or other chapters
  say, else a Character of confidence 0.5; a generic word (众人, the captain) makes no new node;
- between a character and an organization any relation but a hostile one is BELONGS_TO, whichever end comes
  first; a character and an event give PARTICIPATES_IN, an event and a location OCCURS_IN, two locations
  CONTAINS where the reply's word says which holds which; a relation between any other two labels has no type
  in the contract and stays in the record only;
- ``sequence`` is an event's place among those of its chapter, from 1;
- a word that is no enabled type becomes the ``label`` of KNOWS; where a pair has several, ``label`` is the
  first, ``labels`` are all of them, sorted, and ``label_chapters`` the chapters of each ("1,5,7");
- :func:`mark_protagonists` of protagonists.py decides who is a protagonist.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

from kgnb.core.model import Chapter, Novel, TaskConfig
from kgnb.core.process_tuning import no_collector
from kgnb.extract import evidence
from kgnb.extract.model import NameEntry
from kgnb.graph.model import ExtractionRow, Graph, RecordRow
from kgnb.graph.project.absent_characters import AbsentCharacters, FindInText
from kgnb.graph.project.corrections import correct
from kgnb.graph.project.graph_builder import GraphBuilder
from kgnb.graph.project.record import Record
from kgnb.graph.resolve.chapter_identity import CountNames, chapter_names
from kgnb.graph.resolve.decisions import CombinedDecisions, combine_decisions


def project(record: Record, until: int | None = None) -> Graph:
    """Return the graph of a novel's record, with the reader's corrections. Blocks while it reads the rows.

    ``until``: the graph that a reader of the chapters up to this number knows, equal to the graph of a record
    that ends with this chapter; None for the whole book.
    """
    with no_collector():
        record = record if until is None else record.until(until)
        graph = builder_of(record).graph()
        correct(graph, record.decisions)
        return graph


def builder_of(record: Record) -> GraphBuilder:
    """Return the builder of the record's graph, with all chapters added; its ``names`` has the persons."""

    def find_in_text(forms: Collection[str]) -> Collection[str]:
        return evidence.names_in_texts(forms, (text for _, text in record.texts))

    def count_names(names: Collection[str]) -> Mapping[int, Counter[str]]:
        return evidence.count_names(names, record.texts)

    return novel_builder(
        record.novel,
        record.chapters,
        record.rows,
        record.names,
        record.config,
        find_in_text,
        combine_decisions(record.decisions),
        count_names,
    )


def novel_builder(
    novel: Novel,
    chapters: Sequence[Chapter],
    rows: Iterable[RecordRow],
    names: Sequence[NameEntry],
    config: TaskConfig,
    find_in_text: FindInText = lambda _: (),
    decisions: CombinedDecisions | None = None,
    count_names: CountNames = lambda _: {},
) -> GraphBuilder:
    """Return the builder of the novel's graph, with all chapters added.

    The graph is the same for any order of ``rows``, ``chapters`` and ``names``.

    ``rows`` are iterated twice, first for their names; if they come in the order of the chapters' numbers
    they are never in memory together. A row without its chapter is ignored; a chapter without a row gets no
    node. ``find_in_text`` is called once at most, for the characters that are neither in the name table nor
    in the text of a chapter whose row has them. ``count_names`` is called once where a decision splits a
    person's names: a chapter is the person's whose names stand in its text.
    """
    by_id = {chapter.id: chapter for chapter in chapters}
    rows = rows if iter(rows) is not rows else list(rows)

    def order(row: ExtractionRow) -> tuple[int, int]:
        return (by_id[row.chapter_id].number, row.chapter_id)

    absent = AbsentCharacters()
    ordered = []
    for one in rows:
        if one.row.chapter_id in by_id:
            absent.add(one.row.extraction)
            names_here = chapter_names(one.row.extraction, from_reply=one.row.extracted_by == "ai")
            ordered.append((order(one.row), names_here))
    if any(late[0] < early[0] for early, late in pairwise(ordered)):
        ordered.sort(key=lambda pair: pair[0])
        rows = sorted((r for r in rows if r.row.chapter_id in by_id), key=lambda r: order(r.row))
    chapter_by_chapter = [found for _, found in ordered]
    builder = GraphBuilder(novel, names, config, decisions or CombinedDecisions(), chapter_by_chapter)
    del ordered, chapter_by_chapter  # the builder forgets the names of each chapter that is added
    builder.drop_absent(absent, find_in_text)
    builder.count_split(count_names)
    for one in rows:
        if (chapter := by_id.get(one.row.chapter_id)) is not None:
            builder.add(chapter, one)
    return builder
