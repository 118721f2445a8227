"""How the ties of two changed from chapter to chapter: what the record's rows say of the pair. Pure.

The graph keeps one edge for each kind of tie; strength and quote of each chapter are in the rows. Which kinds
there are, and in which chapters, is the graph's word: a row only adds what it said there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kgnb.core.model import STRUCTURAL_RELATIONS, SYMMETRIC_RELATIONS
from kgnb.extract.model import Relation
from kgnb.graph.model import GraphEdge, Value
from kgnb.graph.project.settle import SettleRow
from kgnb.graph.query import Entity, GraphQuery, normalized
from kgnb.graph.relation_types import relation_type


@dataclass(frozen=True, slots=True)
class PairChapter:
    """A chapter in which two are tied, share an event or both occur. ``edges`` are the ties as this chapter
    has them, strongest first; without a row they have no strength. ``events`` are names."""

    chapter: int
    title: str
    edges: tuple[GraphEdge, ...] = ()
    events: tuple[str, ...] = ()


def tied_chapters(explorer: GraphQuery, a: Entity, b: Entity) -> dict[int, int]:
    """The chapters whose rows say something of the pair: id → number."""
    wanted = {number for edge in explorer.edges(a.ref, b.ref) for number in _chapters(edge)}
    return {key: number for key, number in explorer.chapter_numbers.items() if number in wanted}


def relations_by_chapter(rows: Iterable[SettleRow], numbers: Mapping[int, int]) -> dict[int, list[Relation]]:
    """What the rows say of relations, by the chapters' numbers. Reading rows may block."""
    found: defaultdict[int, list[Relation]] = defaultdict(list)
    for one in rows:
        found[numbers[one.row.chapter_id]] += one.row.extraction.relations
    return dict(found)


def history(
    explorer: GraphQuery, a: Entity, b: Entity, said: Mapping[int, Sequence[Relation]]
) -> list[PairChapter]:
    """The pair's chapters in order; ``said`` is what :func:`relations_by_chapter` found in them."""
    edges = explorer.edges(a.ref, b.ref)
    tied: defaultdict[int, list[GraphEdge]] = defaultdict(list)
    for edge in edges:
        for number in _chapters(edge):
            facts = _facts(edge, edges, explorer, said.get(number, ()))
            tied[number].append(GraphEdge(edge.source, edge.type, edge.target, facts))
    events: defaultdict[int, set[str]] = defaultdict(set)
    for event in explorer.shared_events(a.ref, b.ref):
        for number in event.chapters:
            events[number].add(event.name)
    both = set(a.chapters) & set(b.chapters)
    return [
        PairChapter(
            at,
            explorer.chapter_titles.get(at, ""),
            tuple(sorted(tied[at], key=_order)),
            tuple(sorted(events[at])),
        )
        for at in sorted({*tied, *events, *both})
    ]


def _facts(
    edge: GraphEdge,
    edges: Iterable[GraphEdge],
    explorer: GraphQuery,
    relations_by_chapter: Iterable[Relation],
) -> dict[str, Value]:
    """The edge's properties as one chapter has them."""
    source, target = explorer.entities[edge.source], explorer.entities[edge.target]
    types = {one.type for one in edges}
    facts: dict[str, Value] = {}
    for relation in relations_by_chapter:
        name = relation_type(relation.type)
        if (name if name in types else "KNOWS") != edge.type or not _fits(
            relation, edge.type, source, target
        ):
            continue
        facts["strength"] = max(_int(facts.get("strength")), relation.strength)
        texts = {"description": relation.description, "evidence": relation.evidence}
        texts["label"] = "" if name in (edge.type, *STRUCTURAL_RELATIONS) else relation.type
        facts |= {key: text for key, text in texts.items() if text and key not in facts}
    if facts:
        return facts
    # No row, or one that a task of another program wrote: the kind of tie is known, no more.
    return {key: edge.properties[key] for key in ("label", "position", "role") if key in edge.properties}


def _fits(relation: Relation, type_: str, source: Entity, target: Entity) -> bool:
    """Whether the relation is one between these two, in this direction where that matters."""
    ends = _is(relation.source, source) and _is(relation.target, target)
    loose = type_ in SYMMETRIC_RELATIONS or type_ == "BELONGS_TO"
    return ends or (loose and _is(relation.source, target) and _is(relation.target, source))


def _is(name: str, entity: Entity) -> bool:
    return normalized(name) in {normalized(own) for own in (entity.name, *entity.aliases)}


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _chapters(edge: GraphEdge) -> list[int]:
    listed = edge.properties.get("chapters")
    return [n for n in listed if isinstance(n, int)] if isinstance(listed, list) else []


def _order(edge: GraphEdge) -> tuple[int, str]:
    return -_int(edge.properties.get("strength")), edge.type
