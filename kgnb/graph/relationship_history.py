"""Edges between two entities, chapter by chapter.

The graph has one edge of each type with its list of chapters; strength and quote in each chapter are in the
chapter's extraction row. Types and chapters are taken from the graph, a row only adds details.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from kgnb.core.labels import SYMMETRIC_RELATIONS
from kgnb.extract.evidence import letters
from kgnb.extract.model import Relation
from kgnb.graph.model import GraphEdge, RecordRow, Value
from kgnb.graph.query import Entity, GraphQuery
from kgnb.graph.relation_types import type_in_pair


@dataclass(frozen=True, slots=True)
class PairChapter:
    """A chapter in which two entities have an edge, share an event, or both occur.

    ``edges`` have the properties of this chapter, strongest first; without a row they have no strength.
    ``events``: names.
    """

    chapter: int
    title: str
    edges: tuple[GraphEdge, ...] = ()
    events: tuple[str, ...] = ()


def tied_chapters(query: GraphQuery, a: Entity, b: Entity) -> dict[int, int]:
    """Return chapter id → chapter number for the chapters in which the pair has an edge."""
    wanted = {number for edge in query.edges(a.ref, b.ref) for number in edge.numbers("chapters")}
    return {key: number for key, number in query.chapter_numbers.items() if number in wanted}


def history(query: GraphQuery, a: Entity, b: Entity, rows: Iterable[RecordRow]) -> list[PairChapter]:
    """Return the chapters of a pair of entities, in order, with edges and events of each.

    ``rows``: those of :func:`tied_chapters`; KeyError for one of a chapter that the graph doesn't have.
    Iterating them may block.
    """
    relations: defaultdict[int, list[Relation]] = defaultdict(list)
    for one in rows:
        relations[query.chapter_numbers[one.row.chapter_id]] += one.row.extraction.relations
    edges = query.edges(a.ref, b.ref)
    types = {edge.type for edge in edges}
    edges_in: defaultdict[int, list[GraphEdge]] = defaultdict(list)
    for edge in edges:
        for number in edge.numbers("chapters"):
            properties = _properties_in(edge, types, query, relations[number])
            edges_in[number].append(GraphEdge(edge.source, edge.type, edge.target, properties))
    events_in: defaultdict[int, set[str]] = defaultdict(set)
    for event in query.shared_events(a.ref, b.ref):
        for number in event.chapters:
            events_in[number].add(event.name)
    common = set(a.chapters) & set(b.chapters)
    return [
        PairChapter(
            number,
            query.chapter_titles.get(number, ""),
            tuple(sorted(edges_in[number], key=lambda e: (-e.number("strength"), e.type))),
            tuple(sorted(events_in[number])),
        )
        for number in sorted({*edges_in, *events_in, *common})
    ]


def _properties_in(
    edge: GraphEdge, types: set[str], query: GraphQuery, relations: Iterable[Relation]
) -> dict[str, Value]:
    """Return the edge's properties by the relations of one chapter; without a fitting relation only label,
    position and role. ``types``: types of all edges of the pair.
    """
    source, target = query.entities[edge.source], query.entities[edge.target]
    labels = {edge.text("label"), *edge.texts("labels")}
    told = [one for one in relations if type_in_pair(one.type, types, labels) == edge.type]
    told = [one for one in told if _is_between(one, edge.type, source, target)]
    if not told:  # no row, or one that another program's task wrote: only the edge itself is known
        return {key: edge.properties[key] for key in ("label", "position", "role") if key in edge.properties}
    found: dict[str, Value] = {"strength": max(one.strength for one in told)}
    for relation in told:
        texts = {"description": relation.description, "evidence": relation.evidence}
        texts["label"] = relation.type if relation.type in labels else ""
        found |= {key: text for key, text in texts.items() if text and key not in found}
    return found


def is_in_graph(relation: Relation, query: GraphQuery, chapter: int) -> bool:
    """Return whether the graph has a relation of the row of ``chapter``: an edge of its type between its ends
    that has this chapter.

    False where the reader's corrections or the rest of the book speak against it. Between other than two
    characters any edge counts.
    """
    for a, b in product(query.names.bearers(relation.source), query.names.bearers(relation.target)):
        edges = query.edges(a, b)
        types = {edge.type for edge in edges}
        for edge in (one for one in edges if chapter in one.numbers("chapters")):
            type_ = type_in_pair(relation.type, types, {edge.text("label"), *edge.texts("labels")})
            ends = query.entities[edge.source], query.entities[edge.target]
            if not a[0] == b[0] == "Character" or (
                type_ == edge.type and _is_between(relation, type_, *ends)
            ):
                return True
    return False


def _is_between(relation: Relation, type_: str, source: Entity, target: Entity) -> bool:
    """Return whether the relation joins these two entities; in this direction, if the type has a
    direction.
    """
    if _is_called(relation.source, source) and _is_called(relation.target, target):
        return True
    either_way = type_ in SYMMETRIC_RELATIONS or type_ == "BELONGS_TO"
    return either_way and _is_called(relation.source, target) and _is_called(relation.target, source)


def _is_called(name: str, entity: Entity) -> bool:
    """Return whether a name is the entity's name or alias, by its letters."""
    return letters(name) in {letters(own) for own in (entity.name, *entity.aliases)}
