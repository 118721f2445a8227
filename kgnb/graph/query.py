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
    """A named entity of the book; ``chapters`` are sorted chapter numbers."""

    ref: NodeKey
    name: str
    aliases: tuple[str, ...]
    description: str
    chapters: tuple[int, ...]

    @property
    def kind(self) -> str:
        """The entity's label, one of :data:`KINDS`."""
        return self.ref[0]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An entity and all edges between it and another entity, strongest first.

    ``weight``: sum of the edges' weights (:func:`kgnb.graph.importance.edge_weight`).
    """

    entity: Entity
    edges: tuple[GraphEdge, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step of a path: two entities and the edges between them, strongest first."""

    source: Entity
    target: Entity
    edges: tuple[GraphEdge, ...]


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A chapter in which an entity occurs.

    ``events``: names of its events there, sorted; ``companions``: names of characters it is tied to there,
    closest first.
    """

    chapter: int
    title: str
    events: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()


class GraphQuery:
    """An index of one graph for queries, built once; later changes of the graph are not seen."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        chapters = graph.chapters()
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
        self.names = NameIndex((e.ref, e.name, e.aliases) for e in by_presence)
        """Names and aliases of entities of any kind, those of most chapters first."""

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
        """Return the entity of a node, with its aliases and all chapters."""
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
        """Return the only entity with this name or alias; characters go before places and other kinds.

        Raises InputError for an ambiguous name (with the candidates) and an unknown one (with similar names).
        """
        found = sorted((self.entities[ref] for ref in self.names.bearers(name)), key=_presence)
        found = [
            entity for entity in found if entity.kind == found[0].kind
        ]  # a name doesn't tell kinds apart
        if len(found) == 1:
            return found[0]
        shown = name[:MAX_NAME]
        if found:
            names = ", ".join(e.name for e in found[: 2 * MAX_SUGGESTIONS])
            raise InputError("explore.ambiguous", name=shown, found=names)
        if close := self.names.nearest(name):
            raise InputError("explore.unknown", name=shown, close=", ".join(close))
        raise InputError("explore.unknown_quite", name=shown)

    def find(self, text: str) -> list[Entity]:
        """Return the entities with ``text`` in a name or in the description, compared by letters alone.

        Order: equal to the name, equal to an alias, beginning of the name, part of a name or alias, part of
        the description; then characters before other kinds, then by number of chapters. [] for a text without
        letters.
        """
        wanted = letters(text)
        if not wanted:
            return []
        found = ((rank, e) for e in self.entities.values() if (rank := _match_rank(e, wanted)) is not None)
        return [e for _, e in sorted(found, key=lambda pair: (pair[0], *_presence(pair[1])))]

    # --- neighbourhood

    def neighbours(self, ref: NodeKey) -> list[Neighbour]:
        """Return the entities with an edge to ``ref``: characters first, then other kinds; within a
        kind the closest first.
        """
        found = [
            Neighbour(self.entities[near], tuple(sorted(edges, key=_by_strength)), _weight(edges))
            for near, edges in self._adjacent.get(ref, {}).items()
            if near in self.entities
        ]
        return sorted(found, key=lambda n: (KINDS.index(n.entity.kind), -n.weight, n.entity.ref))

    def edges(self, a: NodeKey, b: NodeKey) -> list[GraphEdge]:
        """Return the edges between two entities in either direction, strongest first, structural types
        last.
        """
        return sorted(self._adjacent.get(a, {}).get(b, ()), key=_by_strength)

    def shared_events(self, a: NodeKey, b: NodeKey) -> list[Entity]:
        """Return the events with an edge to both entities, sorted by id."""
        both = self._adjacent.get(a, {}).keys() & self._adjacent.get(b, {}).keys()
        return [self.entities[ref] for ref in sorted(both) if ref[0] == "Event"]

    def path(self, start: NodeKey, end: NodeKey) -> list[PathStep]:
        """Return the steps of a shortest path between two entities; [] without any path, or for the same
        entity. Of several paths the one of strongest edges.

        Between characters a path over characters alone is preferred, even if a path over other kinds is
        shorter.
        """
        refs = self._shortest(start, end, CHARACTER) if {start[0], end[0]} <= CHARACTER else []
        return [
            PathStep(self.entities[a], self.entities[b], tuple(self.edges(a, b)))
            for a, b in pairwise(refs or self._shortest(start, end, KINDS))
        ]

    def _shortest(self, start: NodeKey, end: NodeKey, labels: Collection[str]) -> list[NodeKey]:
        """Return the nodes of a shortest path over ``labels``; of equal length the largest sum of
        weights, then name order.
        """
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
        """Return an entry for each chapter in which ``ref`` occurs, in order: number, title, names of events
        (sorted) and of companions (closest first).
        """
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

    def top(self, count: int, kind: str = "Character") -> list[Entity]:
        """Return the ``count`` most important entities of a kind, most important first.

        Characters by :func:`rank_characters`, other kinds by number of chapters.
        """
        if kind == "Character":
            return [self.entities[one.node.ref] for one in rank_characters(self.graph)[:count]]
        return sorted((e for e in self.entities.values() if e.kind == kind), key=_presence)[:count]

    def count_neighbours(self, ref: NodeKey) -> tuple[int, int]:
        """Return (number of neighbours that are no events, number of events)."""
        near = self._adjacent.get(ref, {})
        events = sum(other[0] == "Event" for other in near)
        return len(near) - events, events


def _match_rank(entity: Entity, wanted: str) -> int | None:
    """Return the rank of the match, 0 (equal to the name) to 4 (in the description); None without a match."""
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
    """Return a sort key: characters first, then entities of more chapters."""
    return KINDS.index(entity.kind), -len(entity.chapters), entity.ref


def _weight(edges: Iterable[GraphEdge]) -> float:
    """Return the sum of the edges' weights."""
    return sum(edge_weight(edge) for edge in edges)


def _by_strength(edge: GraphEdge) -> tuple[bool, float, str, NodeKey]:
    """Return a sort key: strongest first, structural types last."""
    return edge.type in STRUCTURAL_RELATIONS, -edge_weight(edge), edge.type, edge.source
