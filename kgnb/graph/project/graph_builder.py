"""The nodes and edges of a novel, gathered chapter by chapter: the rules are in settle.py's description."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from kgnb.core.model import STRUCTURAL_RELATIONS, SYMMETRIC_RELATIONS, Chapter, TaskConfig
from kgnb.extract.model import (
    Character,
    Event,
    Extraction,
    Location,
    NameEntry,
    Organization,
    Relation,
    Thing,
)
from kgnb.graph.model import EdgeKey, ExtractionRow, Graph, GraphEdge, GraphNode, NodeKey, Value
from kgnb.graph.project import properties
from kgnb.graph.project.facts import AbsentCharacters, Facts, FindInText, NodeFacts, ResolvedChapter, TieFacts
from kgnb.graph.project.protagonists import mark_protagonists
from kgnb.graph.relation_types import HOSTILE, enabled_types, relation_type, structural_edge
from kgnb.graph.resolve.chapter_identity import ChapterNames, PersonResolver, known_names
from kgnb.graph.resolve.decisions import CombinedDecisions
from kgnb.graph.resolve.identity import Mention, Persons
from kgnb.graph.resolve.name_table import name_table
from kgnb.graph.resolve.spelling import Spelling, table_spellings

IMPLIED = 0.5
"""Confidence of an entity that a reply only mentions, as a relation's end or a participant."""


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


@dataclass(frozen=True, slots=True)
class NameResolution:
    """Who the people of a novel are, beside its graph. ``of``: the spelling that is used for a name."""

    joined: Persons
    of: Callable[[str], str]


class ProjectionContext:
    """What is the same for all chapters of a task, worked out once: a name table is long, a chapter short."""

    def __init__(
        self,
        novel: NovelFacts,
        names: Sequence[NameEntry],
        config: TaskConfig,
        decisions: CombinedDecisions | None = None,
    ) -> None:
        self.novel = novel
        self.forms = table_spellings(names)
        self.table = name_table(self.forms.entries)
        self.decisions = decisions or CombinedDecisions()
        self.decided = self.decisions.names
        self.types = enabled_types(config)
        self.labels = {*config.labels, *(("Thing",) if config.thing_kinds else ())}
        self.with_relations = bool(config.relation_types)


class GraphBuilder:
    """Takes the chapters in order, once; then gives the graph."""

    def __init__(
        self,
        basis: ProjectionContext,
        glances: Sequence[ChapterNames],
        *,
        only: Collection[str] | None = None,
    ) -> None:
        """``only``: every name that the chapters have, where these are few and the table is long."""
        self._basis = basis
        self._novel = basis.novel
        self._labels = basis.labels
        self._spelling = Spelling(basis.forms, glances)
        entries = self._spelling.entries()
        table = basis.table if entries is basis.forms.entries else name_table(entries)
        if only is not None:
            table = table.about(map(self._spelling.of, basis.decided.union(only)))
        self._glances = [self._spelling.glance(one) for one in glances]
        self._who = PersonResolver(self._glances, table, basis.decisions)
        self._nowhere: set[NodeKey] = set()
        self._dropped: dict[str, frozenset[int]] = {}
        self._chapters: list[tuple[Chapter, frozenset[int]]] = []
        self._nodes: dict[NodeKey, NodeFacts] = defaultdict(NodeFacts)
        self._edges: dict[EdgeKey, Facts] = defaultdict(Facts)
        self._ties: dict[EdgeKey, TieFacts] = defaultdict(TieFacts)
        self._events: dict[str, Chapter] = {}

    @property
    def people(self) -> NameResolution:
        """Who the people are."""
        return NameResolution(self._who.joined, self._spelling.of)

    def leave_out(self, doubts: AbsentCharacters, find_in_text: FindInText) -> None:
        """Leaves out the people that stand nowhere in the book."""
        if not doubts:
            return
        counted = [e for e in self._spelling.entries() if e.mentions and e.kind == "Character"]
        known = {form for entry in counted for form in (entry.name, *entry.aliases)}
        self._nowhere = doubts.nowhere(self._person, known, find_in_text)

    def _person(self, name: str) -> NodeKey:
        return self._who.key("Character", self._spelling.of(name))

    def add(self, chapter: Chapter, one: SettleRow) -> None:
        """Takes the next chapter's row; they come in the order of the glances."""
        index = len(self._chapters)
        found = self._spelling.extraction(one.row.extraction)
        known = self._glances[index].known if found is one.row.extraction else known_names(found)
        who = self._who.chapter(index, chapter.number)
        ref = ("Chapter", str(chapter.id))
        place = ResolvedChapter(chapter, ref, one.tasks, known, who, one.row.extracted_by == "ai")
        self._chapters.append((chapter, place.tasks))
        self._entities(place, found)
        for event in found.events if "Event" in self._labels else ():
            self._event(place, event)
        for relation in found.relations if self._basis.with_relations else ():
            self._relation(place, relation)

    # --- nodes

    def _entities(self, place: ResolvedChapter, extraction: Extraction) -> None:
        for character in extraction.characters if "Character" in self._labels else ():
            key = self._bearer(place, character)
            if self._left_out(place, key):
                continue
            facts = self._see(place, key, character.name, character.confidence)
            facts.say(description=character.description, title=character.title)
            facts.score = max(facts.score, character.protagonist_score)
            facts.also("traits", character.traits)
            facts.also("aliases", character.aliases)
            self._see_parted(place, key, character)
        for location in extraction.locations if "Location" in self._labels else ():
            facts = self._named(place, "Location", location)
            facts.say(description=location.description, type=location.type)
        for organization in extraction.organizations if "Organization" in self._labels else ():
            facts = self._named(place, "Organization", organization)
            facts.say(description=organization.description, type=organization.type)
        for thing in extraction.things if "Thing" in self._labels else ():
            facts = self._named(place, "Thing", thing)
            facts.say(description=thing.description, kind=thing.kind)
            facts.also("aliases", thing.aliases)

    def _left_out(self, place: ResolvedChapter, key: NodeKey) -> bool:
        """Whether the character stands nowhere in the book; who named it is noted."""
        if key not in self._nowhere:
            return False
        self._dropped[key[1]] = self._dropped.get(key[1], frozenset()) | place.tasks
        return True

    def _bearer(self, place: ResolvedChapter, character: Character) -> NodeKey:
        aliases = frozenset(map(self._spelling.of, character.aliases))
        return ("Character", place.who.item(Mention(character.name, aliases - {character.name})))

    def _named(self, place: ResolvedChapter, label: str, one: Location | Organization | Thing) -> NodeFacts:
        return self._see(place, self._who.key(label, one.name), one.name, one.confidence)

    def _see_parted(self, place: ResolvedChapter, key: NodeKey, character: Character) -> None:
        """Where a split took a name from the person, whoever bears it now occurs here too."""
        if (parted := self._who.parted.get(key[1])) is not None:
            for name in parted.keys() & set(character.aliases):
                self._see(place, ("Character", parted[name]), name, IMPLIED)

    def _see(self, place: ResolvedChapter, key: NodeKey, name: str, confidence: float) -> NodeFacts:
        """Notes that the entity occurs in the chapter; a character then APPEARS_IN it."""
        facts = self._nodes[key]
        facts.see(place, confidence)
        if key[1] != name:
            facts.lists["aliases"].add(name)
        if key[0] == "Character":
            self._edges[key, "APPEARS_IN", place.ref].see(place, confidence)
        return facts

    def _end(
        self, place: ResolvedChapter, name: str, default: str = "Character", quote: str = ""
    ) -> NodeKey | None:
        """The node of a relation's end or a participant, made if the reply only mentions it."""
        found = self._who.find(place.known, name, default)
        if found is None or found[0] not in self._labels:
            return None
        label, own = found
        if label == "Event":
            return ("Event", event_id(self._novel.id, place.chapter.id, own)) if own in place.known else None
        key = self._key(place, label, own)
        if key is None or self._left_out(place, key):
            return None
        if label == "Character" and key[1] in self._who.parted:
            key = (label, self._who.quoted(key[1], quote))
        facts = self._nodes.get(key)
        if facts is None or place.chapter.id not in facts.chapters:
            self._see(place, key, own, IMPLIED)
        return key

    def _key(self, place: ResolvedChapter, label: str, name: str) -> NodeKey | None:
        """The node of this name in this chapter; None for a word that means nobody there."""
        if label != "Character":
            return self._who.key(label, name)
        person = place.who.name(name)
        return (label, person) if person else None

    def _is_nowhere(self, place: ResolvedChapter, name: str) -> bool:
        found = self._who.find(place.known, name)
        return found is not None and self._key(place, *found) in self._nowhere

    # --- edges

    def _event(self, place: ResolvedChapter, event: Event) -> None:
        key = ("Event", event_id(self._novel.id, place.chapter.id, event.name))
        facts = self._nodes[key]
        facts.claim(place, event)
        facts.say(name=event.name, description=event.description, importance=event.importance)
        self._events[key[1]] = place.chapter
        for name in event.participants:
            end = self._end(place, name)
            if end is not None or not self._is_nowhere(place, name):
                facts.lists["participants"].add(end[1] if end and end[0] != "Event" else name)
            if end is not None and end[0] == "Character":
                edge = self._edges[end, "PARTICIPATES_IN", key]
                edge.see(place, event.confidence, unverified=event.unverified)
        where = self._end(place, event.location, "Location") if event.location else None
        if where is not None and where[0] == "Location":
            edge = self._edges[key, "OCCURS_IN", where]
            edge.see(place, event.confidence, unverified=event.unverified)

    def _relation(self, place: ResolvedChapter, relation: Relation) -> None:
        type_, label = self._type(relation.type)
        source = self._end(place, relation.source, quote=relation.evidence)
        target = self._end(place, relation.target, quote=relation.evidence)
        if source is None or target is None or source == target:
            return
        if source[0] == target[0] == "Character":
            self._tie(place, relation, type_, label, source, target)
        elif (placed := structural_edge(source, target)) is not None and type_ not in HOSTILE:
            self._structure(place, relation, label, placed)

    def _tie(
        self,
        place: ResolvedChapter,
        relation: Relation,
        type_: str,
        label: str,
        source: NodeKey,
        target: NodeKey,
    ) -> None:
        if type_ in SYMMETRIC_RELATIONS and target < source:
            source, target = target, source
        facts = self._ties[source, type_, target]
        facts.claim(place, relation)
        facts.say(description=relation.description)
        chapter = place.chapter.id
        facts.strengths[chapter] = max(facts.strengths.get(chapter, 0), relation.strength)
        if label:
            facts.label(label, place)

    def _structure(self, place: ResolvedChapter, relation: Relation, label: str, key: EdgeKey) -> None:
        facts = self._edges[key]
        facts.claim(place, relation)
        said = label or relation.description
        if key[1] == "BELONGS_TO":
            facts.say(position=said, description=relation.description)
        elif key[1] == "PARTICIPATES_IN":
            facts.say(role=said)

    def _type(self, word: str) -> tuple[str, str]:
        """The enabled type that ``word`` is, else KNOWS and the word itself."""
        name = relation_type(word)
        if name in self._basis.types:
            return name, ""
        return "KNOWS", "" if name in STRUCTURAL_RELATIONS else word

    # --- the result

    def graph(self, *, whole: bool) -> Graph:
        """What was gathered; can be asked once. ``whole``: it is a whole novel, which has protagonists."""
        graph = Graph(dropped=dict(sorted(self._dropped.items())))
        for node in self._frame():
            graph.nodes[node.ref] = node
        for key in sorted(self._nodes):
            graph.nodes[key] = GraphNode(*key, self._properties(key, self._nodes[key]))
        if whole:
            mark_protagonists([n for n in graph.nodes.values() if n.label == "Character"])
        novel = self._novel.id
        for edge in sorted([*self._edges, *self._ties]):  # popped, so that facts and properties don't pile up
            if edge in self._ties:
                found = properties.tie(novel, self._ties.pop(edge))
            else:
                found = properties.structure(novel, edge[1], self._edges.pop(edge))
            graph.edges[edge] = GraphEdge(*edge, found)
        return graph

    def _frame(self) -> Iterator[GraphNode]:
        """The novel's and the chapters' own nodes."""
        novel = self._novel
        tasks = sorted(frozenset().union(*(t for _, t in self._chapters)))
        own: dict[str, Value] = {"id": novel.id, "title": novel.title, "author": novel.author}
        yield GraphNode("Novel", str(novel.id), {**own, "task_id": tasks})
        for chapter, touched in self._chapters:
            own = {
                "id": chapter.id,
                "title": chapter.title,
                "novel_id": novel.id,
                "chapter_number": chapter.number,
                "word_count": chapter.word_count,
                "task_id": sorted(touched),
            }
            yield GraphNode("Chapter", str(chapter.id), own)

    def _properties(self, key: NodeKey, facts: NodeFacts) -> dict[str, Value]:
        label, name = key
        novel = self._novel.id
        if label == "Character":
            aliases = self._aliases(name, facts.lists.get("aliases", set()))
            return properties.character(novel, name, facts, aliases)
        if label == "Event":
            return properties.event(novel, name, facts, self._events[name])
        return properties.NAMED[label](novel, name, facts)

    def _aliases(self, name: str, found: set[str]) -> list[str]:
        """All other names of a character, without those that are someone else's."""
        of, joined = self._spelling.of, self._who.joined
        others = found.union(joined.classes.of(name)) - {name}
        if not others:
            return []
        everyone = {a for a in others if joined.bears(name, of(a))}
        mine = {a for a in everyone if of(a) == name}
        free = {a for a in everyone - mine if ("Character", of(a)) not in self._nodes}
        return sorted(mine | free)
