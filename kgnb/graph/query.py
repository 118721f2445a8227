"""Queries on a graph in memory: find entities, their neighbours, a path, a timeline, a ranking."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from kgnb.core.errors import InputError
from kgnb.core.labels import STRUCTURAL_RELATIONS
from kgnb.extract.evidence import letters
from kgnb.extract.model import MAX_NAME
from kgnb.graph.importance import edge_weight, rank_characters
from kgnb.graph.model import NAMED_LABELS, Graph, GraphEdge, GraphNode, NodeKey
from kgnb.graph.name_index import MAX_SUGGESTIONS, NameIndex

KINDS = (*NAMED_LABELS, "Event")
"""Labels of entities, in the order in which results list them."""
CHARACTER = frozenset({"Character"})

Adjacency = dict[NodeKey, list[GraphEdge]]
"""Neighbour → edges to it."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A named entity of the book; ``chapters`` are sorted numbers."""

    ref: NodeKey
    name: str
    aliases: tuple[str, ...]
    description: str
    chapters: tuple[int, ...]

    @property
    def kind(self) -> str:
        """Its label, one of :data:`KINDS`."""
        return self.ref[0]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An entity with all edges between it and another one, strongest first; ``weight`` is their sum."""

    entity: Entity
    edges: tuple[GraphEdge, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step of a path."""

    source: Entity
    target: Entity
    edges: tuple[GraphEdge, ...]


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A chapter in which an entity occurs; names of its events and companions there, closest first."""

    chapter: int
    title: str
    events: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RankedEntity:
    """An entity of a ranking; ``events`` of its neighbours are events, ``ties`` are others."""

    entity: Entity
    ties: int
    events: int


class GraphQuery:
    """An index of one graph for queries, built once; later changes of the graph are not seen."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        chapters = [
            (number, node)
            for node in graph.nodes.values()
            if node.label == "Chapter"
            for number in node.numbers("chapter_number")
        ]
        chapters.sort(key=lambda chapter: chapter[0])
        self.chapter_titles = {number: node.text("title") for number, node in chapters}
        """Chapter number → title, in order."""
        self.chapter_numbers = {int(node.key): n for n, node in chapters if node.key.isdecimal()}
        """Chapter id → number, in order."""
        self._adjacent: defaultdict[NodeKey, Adjacency] = defaultdict(dict)
        self._chapters_of: defaultdict[NodeKey, set[int]] = defaultdict(set)
        self._index_edges()
        self.entities: Mapping[NodeKey, Entity] = {
            node.ref: self._entity(node) for node in graph.nodes.values() if node.label in KINDS
        }
        by_presence = sorted(self.entities.values(), key=_presence)
        self._names = NameIndex((e.ref, e.name, e.aliases) for e in by_presence)

    def _index_edges(self) -> None:
        nodes = self.graph.nodes
        for edge in self.graph.edges.values():
            if edge.source not in nodes or edge.target not in nodes or edge.source == edge.target:
                continue
            if edge.type == "APPEARS_IN":
                self._chapters_of[edge.source].update(nodes[edge.target].numbers("chapter_number"))
            else:
                self._adjacent[edge.source].setdefault(edge.target, []).append(edge)
                self._adjacent[edge.target].setdefault(edge.source, []).append(edge)
        for event in nodes.values():
            if event.label == "Event":
                at = event.numbers("chapter_number")
                self._chapters_of[event.ref].update(at)
                for ref in self._adjacent[event.ref]:
                    self._chapters_of[ref].update(at)

    def _entity(self, node: GraphNode) -> Entity:
        aliases = [*node.texts("aliases"), node.text("base_name")]  # the latter of a namesake
        name = node.text("name") or node.key
        chapters = self._chapters_of[node.ref].union(node.numbers("chapters"))
        return Entity(
            node.ref,
            name,
            tuple(dict.fromkeys(alias for alias in aliases if alias and alias != name)),
            node.text("description"),
            tuple(sorted(chapters)),
        )

    # --- names

    def entity(self, name: str) -> Entity:
        """The entity called ``name``; a character before a place of the same name.

        Raises InputError that lists the candidates of an ambiguous name or suggestions for an unknown one.
        """
        found = self._candidates(name)
        if len(found) == 1:
            return found[0]
        shown = name[:MAX_NAME]
        if found:
            names = ", ".join(e.name for e in found[: 2 * MAX_SUGGESTIONS])
            raise InputError("explore.ambiguous", name=shown, found=names)
        if close := self.similar_names(name):
            raise InputError("explore.unknown", name=shown, close=", ".join(close))
        raise InputError("explore.unknown_quite", name=shown)

    def _candidates(self, name: str) -> list[Entity]:
        """The entities called so, of one kind: a name can't tell a place, a group and a person apart."""
        found = sorted((self.entities[ref] for ref in self._names.bearers(name)), key=_presence)
        return [entity for entity in found if entity.kind == found[0].kind]

    def similar_names(self, name: str) -> list[str]:
        """Names and aliases like ``name``, the nearest first."""
        return self._names.nearest(name)

    def find(self, text: str) -> list[Entity]:
        """Entities with ``text`` in a name or in the description.

        Exact names come first, then aliases, beginnings of names, parts of names, descriptions; among equals
        those that occur in more chapters.
        """
        wanted = letters(text)
        if not wanted:
            return []
        found = ((rank, e) for e in self.entities.values() if (rank := _match_rank(e, wanted)) is not None)
        return [e for _, e in sorted(found, key=lambda pair: (pair[0], *_presence(pair[1])))]

    # --- neighbourhood

    def neighbours(self, ref: NodeKey) -> list[Neighbour]:
        """The entities with an edge to ``ref``, by kind, the closest first."""
        found = [
            Neighbour(self.entities[near], tuple(sorted(edges, key=_by_strength)), _weight(edges))
            for near, edges in self._adjacent.get(ref, {}).items()
            if near in self.entities
        ]
        return sorted(found, key=lambda n: (KINDS.index(n.entity.kind), -n.weight, n.entity.ref))

    def edges(self, a: NodeKey, b: NodeKey) -> list[GraphEdge]:
        """The edges between the two, strongest first."""
        return sorted(self._adjacent.get(a, {}).get(b, ()), key=_by_strength)

    def shared_events(self, a: NodeKey, b: NodeKey) -> list[Entity]:
        """The events that both have an edge to."""
        both = self._adjacent.get(a, {}).keys() & self._adjacent.get(b, {}).keys()
        return [self.entities[ref] for ref in sorted(both) if ref[0] == "Event"]

    def path(self, start: NodeKey, end: NodeKey) -> list[PathStep]:
        """The shortest path, the strongest of several; empty if there is none.

        Over characters only if there is such a path, else over entities of any kind.
        """
        refs = self._shortest(start, end, CHARACTER) if {start[0], end[0]} <= CHARACTER else []
        return [
            PathStep(self.entities[a], self.entities[b], tuple(self.edges(a, b)))
            for a, b in pairwise(refs or self._shortest(start, end, KINDS))
        ]

    def _shortest(self, start: NodeKey, end: NodeKey, labels: Collection[str]) -> list[NodeKey]:
        """Breadth-first search; of paths of one length the largest sum of weights wins, then name order."""
        best: dict[NodeKey, tuple[float, NodeKey]] = {start: (0.0, start)}
        level = [start]
        while level and end not in best:
            reached: dict[NodeKey, tuple[float, NodeKey]] = {}
            for ref in level:
                for near, edges in self._adjacent.get(ref, {}).items():
                    if near[0] in labels and near not in best:
                        total = best[ref][0] + _weight(edges)
                        if near not in reached or total > reached[near][0]:
                            reached[near] = (total, ref)
            best |= reached
            level = sorted(reached)
        refs = [end] if end in best else []
        while refs and refs[-1] != start:
            refs.append(best[refs[-1]][1])
        return refs[::-1]

    def timeline(self, ref: NodeKey) -> list[TimelineEntry]:
        """The chapters in which ``ref`` occurs, in order."""
        events: defaultdict[int, list[str]] = defaultdict(list)
        weights: defaultdict[int, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        for near, edges in self._adjacent.get(ref, {}).items():
            if near[0] == "Event":
                for number in self._chapters_of[near]:
                    events[number].append(self.entities[near].name)
                    for other in self._adjacent[near]:
                        if other != ref and other[0] in CHARACTER:
                            weights[number][self.entities[other].name] += 1.0
            elif near[0] in CHARACTER:
                for number in {number for edge in edges for number in edge.numbers("chapters")}:
                    weights[number][self.entities[near].name] += _weight(edges)
        return [
            TimelineEntry(
                number,
                self.chapter_titles.get(number, ""),
                tuple(sorted(events[number])),
                tuple(sorted(weights[number], key=lambda name: (-weights[number][name], name))),
            )
            for number in sorted({*self.entities[ref].chapters, *events, *weights})
        ]

    # --- rankings

    def top(self, count: int, kind: str = "Character") -> list[RankedEntity]:
        """The most important entities of a kind: characters by :func:`rank_characters`, others by number of
        chapters."""
        if kind == "Character":
            chosen = [self.entities[one.node.ref] for one in rank_characters(self.graph)[:count]]
        else:
            chosen = sorted((e for e in self.entities.values() if e.kind == kind), key=_presence)[:count]
        return [RankedEntity(entity, *self._count_neighbours(entity.ref)) for entity in chosen]

    def _count_neighbours(self, ref: NodeKey) -> tuple[int, int]:
        near = self._adjacent.get(ref, {})
        events = sum(other[0] == "Event" for other in near)
        return len(near) - events, events


def _match_rank(entity: Entity, wanted: str) -> int | None:
    """How well the entity matches, 0 best; None if not at all."""
    own, others = letters(entity.name), [letters(a) for a in entity.aliases]
    if wanted == own:
        return 0
    if wanted in others:
        return 1
    if own.startswith(wanted):
        return 2
    if wanted in own or any(wanted in other for other in others):
        return 3
    return 4 if wanted in letters(entity.description) else None


def _presence(entity: Entity) -> tuple[int, int, NodeKey]:
    return KINDS.index(entity.kind), -len(entity.chapters), entity.ref


def _weight(edges: Iterable[GraphEdge]) -> float:
    return sum(edge_weight(edge) for edge in edges)


def _by_strength(edge: GraphEdge) -> tuple[bool, float, str, NodeKey]:
    return edge.type in STRUCTURAL_RELATIONS, -edge_weight(edge), edge.type, edge.source
