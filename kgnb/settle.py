"""From extraction rows to the graph: a pure function, so that a graph can be made anew from the record.

:func:`chapter_graph` projects one row while a task runs, :func:`novel_graph` is the exact graph of all rows
that count. Both take the chapters in the order of their numbers, whatever order they are given in, so the
first text found is the earliest chapter's.

Beyond the wire contract it is settled here that

- the wire contract's properties are always there (``""`` or ``[]`` where nothing is known); kgnb's own
  (``evidence``, ``label``, ``labels``) only where there is something to say;
- ``chapters`` are chapter numbers, ``count`` is how many; entities carry them too;
- a relation's end, or a participant, that no list of the reply names is who the name table or other chapters
  say, else a Character of confidence 0.5; a generic word (众人, the captain) makes no new node;
- between a character and an organization any tie but a hostile one is BELONGS_TO, whichever end comes first;
  a character and an event give PARTICIPATES_IN, an event and a location OCCURS_IN; a tie between any other
  two kinds has no type in the contract and stays in the record only;
- a word that is no enabled type is kept in ``label`` of KNOWS; where a pair has several, ``label`` is the
  earliest and ``labels`` are all of them, sorted;
- protagonists score at least 80 and occur in at least a quarter as many chapters as the most present of
  those; where nobody scores 80, the highest score above 0 counts. A single chapter tells no protagonist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from kgnb.alias import name_table
from kgnb.gather import Facts, Place
from kgnb.model import (
    CHARACTER_RELATIONS,
    RELATION_TYPE,
    STRUCTURAL_RELATIONS,
    SYMMETRIC_RELATIONS,
    Chapter,
    EdgeKey,
    Event,
    ExtractionRow,
    Graph,
    GraphEdge,
    GraphNode,
    NameEntry,
    NodeKey,
    Relation,
    TaskConfig,
    Value,
)
from kgnb.who import Glance, Who, glance, known_names

IMPLIED = 0.5
"""Confidence of an entity that a reply only mentions, as a relation's end or a participant."""

PROTAGONIST_SCORE = 80
HOSTILE = frozenset({"ENEMY", "HATES", "RIVAL"})
"""Ties to an organization that are no membership."""

_TEXTS = {
    "Character": ("description", "title"),
    "Location": ("description", "type"),
    "Organization": ("description", "type"),
    "Thing": ("description", "kind"),
    "Event": ("name", "description", "importance"),
}
_LISTS = {"Character": ("traits", "aliases"), "Thing": ("aliases",), "Event": ("participants",)}


class NovelFacts(Protocol):
    """What the graph says of a novel."""

    @property
    def id(self) -> int:
        """``novels.id``."""

    @property
    def title(self) -> str:
        """The book's title."""

    @property
    def author(self) -> str:
        """Empty when unknown."""


@dataclass(frozen=True, slots=True)
class SettleRow:
    """A chapter's row that counts, and the other tasks that have a row for the chapter."""

    row: ExtractionRow
    other_tasks: Collection[int] = ()

    @property
    def tasks(self) -> frozenset[int]:
        """Every task that touched the chapter."""
        return frozenset({self.row.task_id, *self.other_tasks})


def event_id(novel_id: int, chapter_id: int, name: str) -> str:
    """The unique key of an event."""
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return f"{novel_id}_{chapter_id}_{digest[:8]}"


def chapter_graph(
    novel: NovelFacts, chapter: Chapter, row: ExtractionRow, names: Sequence[NameEntry], config: TaskConfig
) -> Graph:
    """What one row adds to the graph while its task runs; settle replaces it by the exact graph."""
    builder = _Builder(novel, names, config, [glance(row.extraction)])
    builder.add(chapter, SettleRow(row))
    return builder.graph(whole=False)


def novel_graph(
    novel: NovelFacts,
    chapters: Sequence[Chapter],
    rows: Iterable[SettleRow],
    names: Sequence[NameEntry],
    config: TaskConfig,
) -> Graph:
    """The exact graph of the novel; the same for any order of ``rows``, ``chapters`` and ``names``.

    ``rows`` are gone through twice, names first; if they come in the order of the chapters' numbers they
    never lie in memory together. A row whose chapter is not among ``chapters`` is left out; a chapter without
    a row gets no node.
    """
    places = {chapter.id: chapter for chapter in chapters}
    rows = rows if iter(rows) is not rows else list(rows)

    def order(row: ExtractionRow) -> tuple[int, int]:
        return (places[row.chapter_id].number, row.chapter_id)

    glances = [(order(r.row), glance(r.row.extraction)) for r in rows if r.row.chapter_id in places]
    if any(late[0] < early[0] for early, late in pairwise(glances)):
        glances.sort(key=lambda pair: pair[0])
        rows = sorted((r for r in rows if r.row.chapter_id in places), key=lambda r: order(r.row))
    builder = _Builder(novel, names, config, [found for _, found in glances])
    for one in rows:
        if (chapter := places.get(one.row.chapter_id)) is not None:
            builder.add(chapter, one)
    return builder.graph(whole=True)


# --- building -----------------------------------------------------------------------------------------------


class _Builder:
    """Takes the chapters in order, once; then gives the graph."""

    def __init__(
        self, novel: NovelFacts, names: Sequence[NameEntry], config: TaskConfig, glances: Sequence[Glance]
    ) -> None:
        self._novel = novel
        self._table = name_table(tuple(names))
        self._who = Who(glances, self._table)
        self._types = _enabled(config)
        self._with_things = bool(config.thing_kinds)
        self._chapters: list[tuple[Chapter, frozenset[int]]] = []
        self._nodes: dict[NodeKey, Facts] = {}
        self._edges: dict[EdgeKey, Facts] = {}
        self._events: dict[str, Chapter] = {}

    def add(self, chapter: Chapter, one: SettleRow) -> None:
        place = Place(chapter, one.row, one.tasks, known_names(one.row.extraction))
        self._chapters.append((chapter, place.tasks))
        self._entities(place)
        for event in place.row.extraction.events:
            self._event(place, event)
        for relation in place.row.extraction.relations:
            self._relation(place, relation)

    # --- nodes

    def _entities(self, place: Place) -> None:
        extraction = place.row.extraction
        for character in extraction.characters:
            facts = self._see(place, "Character", character.name, character.confidence)
            facts.say(description=character.description, title=character.title)
            facts.score = max(facts.score, character.protagonist_score)
            facts.lists["traits"].update(character.traits)
            facts.lists["aliases"].update(character.aliases)
        for location in extraction.locations:
            facts = self._see(place, "Location", location.name, location.confidence)
            facts.say(description=location.description, type=location.type)
        for organization in extraction.organizations:
            facts = self._see(place, "Organization", organization.name, organization.confidence)
            facts.say(description=organization.description, type=organization.type)
        for thing in extraction.things if self._with_things else ():
            facts = self._see(place, "Thing", thing.name, thing.confidence)
            facts.say(description=thing.description, kind=thing.kind)
            facts.lists["aliases"].update(thing.aliases)

    def _see(self, place: Place, label: str, name: str, confidence: float) -> Facts:
        """Notes that the entity occurs in the chapter; a character then APPEARS_IN it."""
        key = self._who.key(label, name)
        facts = self._nodes.setdefault(key, Facts())
        facts.see(place, confidence)
        if key[1] != name:
            facts.lists["aliases"].add(name)
        if label == "Character":
            chapter = ("Chapter", str(place.chapter.id))
            self._edge(key, "APPEARS_IN", chapter).see(place, confidence)
        return facts

    def _end(self, place: Place, name: str, default: str = "Character") -> NodeKey | None:
        """The node of a relation's end or a participant, made if the reply only mentions it."""
        found = self._who.find(place.known, name, default)
        if found is None or (found[0] == "Thing" and not self._with_things):
            return None
        label, own = found
        if label == "Event":
            return ("Event", event_id(self._novel.id, place.chapter.id, own)) if own in place.known else None
        key = self._who.key(label, own)
        if key not in self._nodes or place.chapter.id not in self._nodes[key].chapters:
            self._see(place, label, own, IMPLIED)
        return key

    # --- edges

    def _edge(self, source: NodeKey, type_: str, target: NodeKey) -> Facts:
        return self._edges.setdefault((source, type_, target), Facts())

    def _event(self, place: Place, event: Event) -> None:
        key = ("Event", event_id(self._novel.id, place.chapter.id, event.name))
        facts = self._nodes.setdefault(key, Facts())
        facts.see(place, event.confidence)
        facts.say(
            name=event.name,
            description=event.description,
            importance=event.importance,
            evidence=event.evidence,
        )
        self._events[key[1]] = place.chapter
        for name in event.participants:
            end = self._end(place, name)
            facts.lists["participants"].add(end[1] if end and end[0] != "Event" else name)
            if end is not None and end[0] == "Character":
                self._edge(end, "PARTICIPATES_IN", key).see(place, event.confidence)
        where = self._end(place, event.location, "Location") if event.location else None
        if where is not None and where[0] == "Location":
            self._edge(key, "OCCURS_IN", where).see(place, event.confidence)

    def _relation(self, place: Place, relation: Relation) -> None:
        type_, label = self._type(relation.type)
        source, target = self._end(place, relation.source), self._end(place, relation.target)
        if source is None or target is None or source == target:
            return
        if source[0] == target[0] == "Character":
            self._tie(place, relation, type_, label, source, target)
        elif (placed := _structural(source, target)) is not None and type_ not in HOSTILE:
            self._structure(place, relation, label, placed)

    def _tie(
        self, place: Place, relation: Relation, type_: str, label: str, source: NodeKey, target: NodeKey
    ) -> None:
        if type_ in SYMMETRIC_RELATIONS and target < source:
            source, target = target, source
        facts = self._edge(source, type_, target)
        facts.see(place, relation.confidence)
        facts.say(description=relation.description, evidence=relation.evidence)
        chapter = place.chapter.id
        facts.strengths[chapter] = max(facts.strengths.get(chapter, 0), relation.strength)
        if label:
            facts.labels.setdefault(label)

    def _structure(self, place: Place, relation: Relation, label: str, key: EdgeKey) -> None:
        facts = self._edges.setdefault(key, Facts())
        facts.see(place, relation.confidence)
        facts.say(evidence=relation.evidence)
        said = label or relation.description
        if key[1] == "BELONGS_TO":
            facts.say(position=said, description=relation.description)
        elif key[1] == "PARTICIPATES_IN":
            facts.say(role=said)

    def _type(self, word: str) -> tuple[str, str]:
        """The enabled type that ``word`` is, else KNOWS and the word itself."""
        name = type_name(word)
        if name in self._types:
            return name, ""
        return "KNOWS", "" if name in STRUCTURAL_RELATIONS else word

    # --- the result

    def graph(self, *, whole: bool) -> Graph:
        graph = Graph()
        for node in self._frame():
            graph.nodes[node.ref] = node
        for key in sorted(self._nodes):
            graph.nodes[key] = self._node(key, self._nodes[key])
        if whole:
            _mark_protagonists([n for n in graph.nodes.values() if n.label == "Character"])
        for edge in sorted(self._edges):
            facts = self._edges.pop(edge)  # so that facts and properties don't pile up beside each other
            graph.edges[edge] = GraphEdge(*edge, self._edge_properties(edge[1], facts))
        return graph

    def _frame(self) -> Iterator[GraphNode]:
        """The novel's and the chapters' own nodes."""
        novel = self._novel
        tasks = sorted(frozenset().union(*(t for _, t in self._chapters)))
        properties: dict[str, Value] = {"id": novel.id, "title": novel.title, "author": novel.author}
        yield GraphNode("Novel", str(novel.id), {**properties, "task_id": tasks})
        for chapter, touched in self._chapters:
            properties = {
                "id": chapter.id,
                "title": chapter.title,
                "novel_id": novel.id,
                "chapter_number": chapter.number,
                "word_count": chapter.word_count,
                "task_id": sorted(touched),
            }
            yield GraphNode("Chapter", str(chapter.id), properties)

    def _node(self, key: NodeKey, facts: Facts) -> GraphNode:
        label, name = key
        properties: dict[str, Value] = {"novel_id": self._novel.id}
        properties |= {text: facts.texts.get(text, "") for text in _TEXTS[label]}
        properties |= {kind: sorted(facts.lists[kind]) for kind in _LISTS.get(label, ())}
        properties |= facts.origin()
        if label == "Event":
            chapter = self._events[name]
            properties |= {"id": name, "chapter_id": chapter.id, "chapter_number": chapter.number}
            properties |= {k: v for k, v in facts.texts.items() if k == "evidence"}
        else:
            properties |= {"name": name} | facts.occurrence()
        if label == "Character":
            properties |= {"protagonist_score": facts.score, "is_protagonist": False}
            properties["aliases"] = self._aliases(name, facts.lists["aliases"])
        return GraphNode(label, name, properties)

    def _aliases(self, name: str, found: set[str]) -> list[str]:
        """All other names of a character, without those that are someone else's."""
        everyone = found.union(self._table.aliases.get(name, ()))
        return sorted(a for a in everyone if a != name and ("Character", a) not in self._nodes)

    def _edge_properties(self, type_: str, facts: Facts) -> dict[str, Value]:
        properties: dict[str, Value] = {"novel_id": self._novel.id} | facts.origin() | facts.occurrence()
        properties |= {k: v for k, v in facts.texts.items() if k in ("evidence", "description")}
        if type_ == "PARTICIPATES_IN":
            properties["role"] = facts.texts.get("role", "")
        elif type_ == "BELONGS_TO":
            properties["position"] = facts.texts.get("position", "")
        elif type_ not in STRUCTURAL_RELATIONS:
            properties |= {"description": facts.texts.get("description", ""), "strength": facts.strength()}
            properties |= _label_properties(list(facts.labels))
        return properties


def type_name(word: str) -> str:
    """A relation's word as the name of a type that it may be."""
    return "_".join(word.replace("-", " ").upper().split())


def _enabled(config: TaskConfig) -> frozenset[str]:
    """Types between characters that may become statements."""
    configured = {t for t in config.relation_types if RELATION_TYPE.fullmatch(t)}
    return frozenset((configured | set(CHARACTER_RELATIONS)) - set(STRUCTURAL_RELATIONS))


def _structural(one: NodeKey, other: NodeKey) -> EdgeKey | None:
    """The structural edge between two nodes of these kinds, whichever end the reply gave first."""
    for source, target in ((one, other), (other, one)):
        match source[0], target[0]:
            case "Character", "Organization":
                return (source, "BELONGS_TO", target)
            case "Character", "Event":
                return (source, "PARTICIPATES_IN", target)
            case "Event", "Location":
                return (source, "OCCURS_IN", target)
    return None


def _label_properties(labels: list[str]) -> dict[str, Value]:
    properties: dict[str, Value] = {"label": labels[0]} if labels else {}
    if len(labels) > 1:
        properties["labels"] = sorted(labels)
    return properties


def _mark_protagonists(characters: list[GraphNode]) -> None:
    """Sets ``is_protagonist`` by the rule in this module's description."""
    scores = {n.key: n.properties["protagonist_score"] for n in characters}
    counts = {n.key: n.properties["count"] for n in characters}
    top = max((s for s in scores.values() if isinstance(s, int)), default=0)
    high = [k for k, s in scores.items() if isinstance(s, int) and s >= min(top, PROTAGONIST_SCORE) > 0]
    most = max((c for k in high if isinstance(c := counts[k], int)), default=0)
    for node in characters:
        count = counts[node.key]
        node.properties["is_protagonist"] = node.key in high and isinstance(count, int) and 4 * count >= most
