"""Questions about a graph: who is it, whom does it know, how are two connected, where does it occur.

Pure: a graph in, plain values out. Names are data, whatever they hold; a chapter number that no chapter has
is left out of nothing but the charts.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from kgnb.core.errors import InputError
from kgnb.core.model import STRUCTURAL_RELATIONS
from kgnb.extract.model import MAX_NAME, MAX_TEXT
from kgnb.extract.zh.script import fold
from kgnb.graph.importance import edge_weight, rank_characters
from kgnb.graph.model import NAMED_LABELS, Graph, GraphEdge, GraphNode, NodeKey

KINDS = (*NAMED_LABELS, "Event")
"""Labels of what has a name in a book."""
PERSONAL = frozenset({"Character"})
CLOSE_ENOUGH = 0.5
"""Likeness (0-1) of a name that is suggested: one of two characters, as many Chinese names have two."""
MOST_SUGGESTED = 5

Nearby = dict[NodeKey, list[GraphEdge]]


@dataclass(frozen=True, slots=True)
class Entity:
    """Something of the book that has a name; ``chapters`` are numbers, sorted."""

    ref: NodeKey
    name: str
    aliases: tuple[str, ...]
    description: str
    chapters: tuple[int, ...]

    @property
    def kind(self) -> str:
        """Its label: Character, Location, Organization, Thing or Event."""
        return self.ref[0]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An entity next to another, and every edge between the two, strongest first."""

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
    """A chapter in which somebody occurs: what happens there, and with whom (the closest first)."""

    chapter: int
    title: str
    events: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RankedEntity:
    """One line of a list of the most important: distinct neighbours, and events taken part in."""

    entity: Entity
    ties: int
    events: int


@dataclass(slots=True)
class _Names:
    """Where a name leads, as it is written and without case, width and blanks."""

    exact: defaultdict[str, list[NodeKey]] = field(default_factory=lambda: defaultdict(list))
    loose: defaultdict[str, list[NodeKey]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, ref: NodeKey) -> None:
        for table, word in ((self.exact, name), (self.loose, normalized(name))):
            if word and ref not in table[word]:
                table[word].append(ref)


class GraphQuery:
    """A graph made ready for questions. Takes one walk over it; later changes of the graph are not seen."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.chapter_titles: Mapping[int, str] = _chapter_titles(graph)
        """Number → title of the book's chapters, in order."""
        self.chapter_numbers: Mapping[int, int] = _chapter_numbers(graph)
        """Chapter's id → its number."""
        self._near: defaultdict[NodeKey, Nearby] = defaultdict(dict)
        self._seen: defaultdict[NodeKey, set[int]] = defaultdict(set)
        self._walk()
        self.entities: Mapping[NodeKey, Entity] = {
            node.ref: self._entity(node) for node in graph.nodes.values() if node.label in KINDS
        }
        self._own, self._other = _Names(), _Names()
        for entity in self.entities.values():
            self._own.add(entity.name, entity.ref)
            for alias in entity.aliases:
                self._other.add(alias, entity.ref)

    def _walk(self) -> None:
        nodes = self.graph.nodes
        for edge in self.graph.edges.values():
            if edge.source not in nodes or edge.target not in nodes or edge.source == edge.target:
                continue
            if edge.type == "APPEARS_IN":
                number = nodes[edge.target].properties.get("chapter_number")
                self._seen[edge.source].update(_numbers([number]))
            else:
                self._near[edge.source].setdefault(edge.target, []).append(edge)
                self._near[edge.target].setdefault(edge.source, []).append(edge)
        for event in nodes.values():
            if event.label == "Event":
                at = _numbers([event.properties.get("chapter_number")])
                self._seen[event.ref].update(at)
                for ref in self._near[event.ref]:
                    self._seen[ref].update(at)

    def _entity(self, node: GraphNode) -> Entity:
        facts = node.properties
        names = [str(a) for a in _list(facts.get("aliases"))]
        names += [str(facts["base_name"])] if facts.get("base_name") else []  # of a namesake
        own = str(facts.get("name") or node.key)
        chapters = self._seen[node.ref] | set(_numbers(_list(facts.get("chapters"))))
        return Entity(
            node.ref,
            own,
            tuple(dict.fromkeys(n for n in names if n and n != own)),
            str(facts.get("description") or ""),
            tuple(sorted(chapters)),
        )

    # --- names

    def entity(self, name: str) -> Entity:
        """The entity that this name or alias belongs to; a person before a place of the same name.

        Raises InputError that lists those it could be, or names like it.
        """
        found = self._candidates(name)
        if len(found) == 1:
            return found[0]
        shown = name[:MAX_NAME]
        if found:
            names = ", ".join(e.name for e in found[: 2 * MOST_SUGGESTED])
            raise InputError("explore.ambiguous", name=shown, found=names)
        if close := self.similar_names(name):
            raise InputError("explore.unknown", name=shown, close=", ".join(close))
        raise InputError("explore.unknown_quite", name=shown)

    def _candidates(self, name: str) -> list[Entity]:
        word = name.strip()
        for own, other, key in (
            (self._own.exact, self._other.exact, word),
            (self._own.loose, self._other.loose, normalized(word)),
        ):
            if refs := own.get(key):
                # Namesakes among places, groups and persons can't be told apart by a name: the first kind.
                best = min(KINDS.index(ref[0]) for ref in refs)
                return [self.entities[ref] for ref in refs if KINDS.index(ref[0]) == best]
            if refs := other.get(key):
                return self._ranked(self.entities[ref] for ref in refs)
        return []

    def similar_names(self, name: str) -> list[str]:
        """Names and aliases that look like ``name``, the likest first."""
        words = list(dict.fromkeys([*self._own.exact, *self._other.exact]))
        word = name.strip()[:MAX_NAME]
        return difflib.get_close_matches(word, words, MOST_SUGGESTED, CLOSE_ENOUGH) if word else []

    def find(self, text: str) -> list[Entity]:
        """Whatever has ``text`` in its name, an alias or its description: exact names first, then beginnings,
        then the rest, the more present before the less."""
        wanted = normalized(text)
        if not wanted:
            return []
        found = ((rank, e) for e in self.entities.values() if (rank := _rank(e, wanted)) is not None)
        return [e for _, e in sorted(found, key=lambda pair: (pair[0], *_order(pair[1])))]

    def _ranked(self, entities: Iterable[Entity]) -> list[Entity]:
        return sorted(entities, key=_order)

    # --- around somebody

    def neighbours(self, ref: NodeKey) -> list[Neighbour]:
        """Everybody and everything next to ``ref``, the closest first."""
        found = [
            Neighbour(self.entities[near], tuple(sorted(edges, key=_strongest)), _weight(edges))
            for near, edges in self._near.get(ref, {}).items()
            if near in self.entities
        ]
        return sorted(found, key=lambda n: (KINDS.index(n.entity.kind), -n.weight, n.entity.ref))

    def edges(self, a: NodeKey, b: NodeKey) -> list[GraphEdge]:
        """Every edge between the two, the strongest first."""
        return sorted(self._near.get(a, {}).get(b, ()), key=_strongest)

    def shared_events(self, a: NodeKey, b: NodeKey) -> list[Entity]:
        """The events that both are tied to."""
        both = self._near.get(a, {}).keys() & self._near.get(b, {}).keys()
        return [self.entities[ref] for ref in sorted(both) if ref[0] == "Event"]

    def path(self, start: NodeKey, end: NodeKey) -> list[PathStep]:
        """The shortest path, of several the strongest; empty where there is none.

        Goes from person to person where that leads there, else over groups, events and places too.
        """
        persons = {start[0], end[0]} <= PERSONAL and self._shortest(start, end, PERSONAL)
        refs = persons or self._shortest(start, end, KINDS)
        return [
            PathStep(self.entities[a], self.entities[b], tuple(sorted(self._near[a][b], key=_strongest)))
            for a, b in pairwise(refs)
        ]

    def _shortest(self, start: NodeKey, end: NodeKey, labels: Collection[str]) -> list[NodeKey]:
        """Breadth first; among ways of one length the largest sum of weights decides, then the names."""
        best: dict[NodeKey, tuple[float, NodeKey]] = {start: (0.0, start)}
        level = [start]
        while level and end not in best:
            reached: dict[NodeKey, tuple[float, NodeKey]] = {}
            for here in level:
                for near, edges in self._near.get(here, {}).items():
                    if near[0] in labels and near not in best:
                        total = best[here][0] + _weight(edges)
                        if near not in reached or total > reached[near][0]:
                            reached[near] = (total, here)
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
        for near, edges in self._near.get(ref, {}).items():
            if near[0] == "Event":
                for at in self._seen[near]:
                    events[at].append(self.entities[near].name)
                    for other in self._near[near]:
                        if other != ref and other[0] in PERSONAL:
                            weights[at][self.entities[other].name] += 1.0
            elif near[0] in PERSONAL:
                for at in _together(edges):
                    weights[at][self.entities[near].name] += _weight(edges)
        return [
            TimelineEntry(
                at,
                self.chapter_titles.get(at, ""),
                tuple(sorted(events[at])),
                tuple(sorted(weights[at], key=lambda name: (-weights[at][name], name))),
            )
            for at in sorted({*self.entities[ref].chapters, *events, *weights})
        ]

    # --- lists

    def top(self, count: int, kind: str = "Character") -> list[RankedEntity]:
        """The most important of a kind: characters as the picture ranks them, the others by presence."""
        if kind == "Character":
            refs = [one.node.ref for one in rank_characters(self.graph)[:count]]
            chosen = [self.entities[ref] for ref in refs]
        else:
            chosen = self._ranked(e for e in self.entities.values() if e.kind == kind)[:count]
        return [RankedEntity(entity, *self._counts(entity.ref)) for entity in chosen]

    def _counts(self, ref: NodeKey) -> tuple[int, int]:
        near = self._near.get(ref, {})
        events = sum(other[0] == "Event" for other in near)
        return len(near) - events, events


def normalized(text: str) -> str:
    """A text as people type it: without case, width, script, blanks and the dot between foreign names."""
    folded = fold(unicodedata.normalize("NFKC", text[:MAX_TEXT]).casefold())
    return "".join(c for c in folded if not c.isspace() and c not in "·・•")


def _chapter_titles(graph: Graph) -> dict[int, str]:
    found: dict[int, str] = {}
    for node in graph.nodes.values():
        if node.label == "Chapter":
            for number in _numbers([node.properties.get("chapter_number")]):
                found[number] = str(node.properties.get("title") or "")
    return dict(sorted(found.items()))


def _chapter_numbers(graph: Graph) -> dict[int, int]:
    return {
        int(node.key): number
        for node in graph.nodes.values()
        if node.label == "Chapter" and node.key.isdecimal()
        for number in _numbers([node.properties.get("chapter_number")])
    }


def _rank(entity: Entity, wanted: str) -> int | None:
    """How well the entity fits, 0 best; None: not at all."""
    own, others = normalized(entity.name), [normalized(a) for a in entity.aliases]
    if wanted == own:
        return 0
    if wanted in others:
        return 1
    if own.startswith(wanted):
        return 2
    if wanted in own or any(wanted in other for other in others):
        return 3
    return 4 if wanted in normalized(entity.description) else None


def _order(entity: Entity) -> tuple[int, int, NodeKey]:
    return KINDS.index(entity.kind), -len(entity.chapters), entity.ref


def _weight(edges: Iterable[GraphEdge]) -> float:
    return sum(edge_weight(edge) for edge in edges)


def _strongest(edge: GraphEdge) -> tuple[bool, float, str, NodeKey]:
    return edge.type in STRUCTURAL_RELATIONS, -edge_weight(edge), edge.type, edge.source


def _together(edges: Iterable[GraphEdge]) -> set[int]:
    return {number for edge in edges for number in _numbers(_list(edge.properties.get("chapters")))}


def _numbers(values: Iterable[object]) -> Iterator[int]:
    yield from (v for v in values if isinstance(v, int) and not isinstance(v, bool))


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
