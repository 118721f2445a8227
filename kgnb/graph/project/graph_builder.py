"""Accumulates the nodes and edges of a novel chapter by chapter; projection.py documents the rules."""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from functools import lru_cache

from kgnb.core.labels import STRUCTURAL_RELATIONS, SYMMETRIC_RELATIONS
from kgnb.core.model import Chapter, Novel, TaskConfig
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
from kgnb.graph.model import EdgeKey, Graph, GraphEdge, GraphNode, NodeKey, Properties, RecordRow, Value
from kgnb.graph.project import properties
from kgnb.graph.project.absent_characters import AbsentCharacters, FindInText
from kgnb.graph.project.contradictions import odds, settled
from kgnb.graph.project.facts import Facts, NodeFacts, ResolvedChapter, TieFacts
from kgnb.graph.project.protagonists import mark_protagonists, rate_by_mentions
from kgnb.graph.relation_types import HOSTILE, containment, enabled_types, relation_type, structural_edge
from kgnb.graph.resolve.alias_evidence import Mention
from kgnb.graph.resolve.chapter_identity import (
    ChapterNames,
    ChapterPersons,
    CountNames,
    PersonResolver,
    known_names,
)
from kgnb.graph.resolve.decisions import CombinedDecisions
from kgnb.graph.resolve.name_listing import NameResolution
from kgnb.graph.resolve.name_table import name_table
from kgnb.graph.resolve.spelling import Spelling

IMPLIED = 0.5
"""Confidence of an entity that a reply doesn't list, only uses in a relation or an event."""


def event_id(novel_id: int, chapter_id: int, name: str) -> str:
    """Return the unique key of an event, NOVEL_CHAPTER_HASH: two ids and 8 hex digits of the name's MD5.

    The form is part of the wire contract.
    """
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return f"{novel_id}_{chapter_id}_{digest[:8]}"


@lru_cache(maxsize=1_024)
def _type_and_label(word: str, enabled: frozenset[str]) -> tuple[str, str]:
    """Return (enabled type that ``word`` names, ""); for any other word ("KNOWS", the word as label)."""
    name = relation_type(word, enabled)
    known = name in enabled
    return (name if known else "KNOWS", "" if known or name in STRUCTURAL_RELATIONS else word)


class GraphBuilder:
    """Builds one graph: :meth:`add` each chapter in order, then :meth:`graph` once."""

    def __init__(
        self,
        novel: Novel,
        names: Sequence[NameEntry],
        config: TaskConfig,
        decisions: CombinedDecisions,
        chapters: Sequence[ChapterNames],
    ) -> None:
        """``names``: the name table; ``chapters``: the names of all chapters that will be added, in this
        order.
        """
        self._novel = novel
        self._enabled = enabled_types(config)
        self._labels = {*config.labels, *(("Thing",) if config.thing_kinds else ())}
        self._with_relations = bool(config.relation_types)
        self._spelling = Spelling(names, chapters)
        self._form = self._spelling.form
        self._chapter_names = deque(self._spelling.names(one) for one in chapters)  # of those to come
        self._resolver = PersonResolver(self._chapter_names, name_table(self._spelling.entries), decisions)
        self._not_in_book: set[NodeKey] = set()
        self._dropped: dict[str, frozenset[int]] = {}
        self._chapters: list[tuple[Chapter, frozenset[int]]] = []
        self._entities: dict[NodeKey, NodeFacts] = defaultdict(NodeFacts)
        self._keys: dict[NodeKey, NodeKey] = {}  # see _one_key
        self._lasting: dict[EdgeKey, Facts] = defaultdict(Facts)
        self._ties: dict[EdgeKey, TieFacts] = defaultdict(TieFacts)
        self._graph = Graph()

    @property
    def names(self) -> NameResolution:
        """The persons of the added chapters, and the function that gives a name's spelling."""
        counted = {person: counts.total() for person, counts in self._resolver.counted.items()}
        return NameResolution(self._resolver.persons, self._form, counted)

    def drop_absent(self, absent: AbsentCharacters, find_in_text: FindInText) -> None:
        """Leave out the characters that are nowhere in the book's text; to be called before :meth:`add`."""
        counted = [e for e in self._spelling.entries if e.mentions and e.kind == "Character"]
        known = {form for entry in counted for form in (entry.name, *entry.aliases)}
        key, form = self._resolver.node_key, self._form
        self._not_in_book = absent.not_in_book(lambda n: key("Character", form(n)), known, find_in_text)

    def count_split(self, count_names: CountNames) -> None:
        """Count in the texts the names of persons whom splits changed; to be called before :meth:`add`."""
        self._resolver.count_split(count_names)

    def add(self, chapter: Chapter, row: RecordRow) -> None:
        """Add the next chapter's row."""
        index = len(self._chapters)
        names = self._chapter_names.popleft()
        found = self._spelling.extraction(row.row.extraction)
        known = names.known if found is row.row.extraction else known_names(found)
        persons = ChapterPersons(self._resolver, index, chapter.number, names.mentions)
        key = ("Chapter", str(chapter.id))
        by_ai, alone = row.row.extracted_by == "ai", {chapter.id: chapter.number}
        here = ResolvedChapter(chapter, key, row.tasks, known, persons, by_ai, alone)
        self._chapters.append((chapter, here.tasks))
        self._add_entities(here, found)
        for event in found.events if "Event" in self._labels else ():
            self._add_event(here, event)
        for relation in found.relations if self._with_relations else ():
            self._add_relation(here, relation)
        self._finish(here)

    # --- nodes

    def _add_entities(self, here: ResolvedChapter, extraction: Extraction) -> None:
        for character in extraction.characters if "Character" in self._labels else ():
            self._add_character(here, character)
        places: dict[str, Sequence[Location | Organization]] = {
            "Location": extraction.locations,
            "Organization": extraction.organizations,
        }
        for label, items in places.items():
            for place in items if label in self._labels else ():
                facts = self._add_named(here, label, place)
                facts.add_texts(description=place.description, type=place.type)
        for thing in extraction.things if "Thing" in self._labels else ():
            facts = self._add_named(here, "Thing", thing)
            facts.add_texts(description=thing.description, kind=thing.kind)
            facts.add_words("aliases", thing.aliases)

    def _add_character(self, here: ResolvedChapter, character: Character) -> None:
        mention = Mention.of(character.name, map(self._form, character.aliases))
        key = ("Character", here.persons.person_of(mention))
        if self._is_dropped(here, key):
            return
        facts = self._add_occurrence(here, key, character.name, character.confidence)
        facts.add_texts(description=character.description, title=character.title)
        facts.score = max(facts.score, character.protagonist_score)
        facts.mentions += 0 if here.by_ai else self._counted(key[1], here) or character.mentions
        facts.add_words("traits", character.traits)
        facts.add_words("aliases", character.aliases)
        if (split_off := self._resolver.split_off.get(key[1])) is not None:
            for name in split_off.keys() & set(character.aliases):  # its new owner occurs here too
                owner = split_off[name]
                facts = self._add_occurrence(here, ("Character", owner), name, IMPLIED)
                facts.mentions += 0 if here.by_ai else self._counted(owner, here)

    def _counted(self, person: str, here: ResolvedChapter) -> int:
        """Return how often the chapter's text names a person whom a split changed; 0 for others."""
        counts = self._resolver.counted.get(person)
        return counts[here.chapter.number] if counts else 0

    def _is_dropped(self, here: ResolvedChapter, key: NodeKey) -> bool:
        """Return whether the character is left out, and record the tasks that named it."""
        if key not in self._not_in_book:
            return False
        self._dropped[key[1]] = self._dropped.get(key[1], frozenset()) | here.tasks
        return True

    def _add_named(
        self, here: ResolvedChapter, label: str, item: Location | Organization | Thing
    ) -> NodeFacts:
        """Add an occurrence of a place, an organization or a thing; return its facts."""
        key = self._resolver.node_key(label, item.name)
        return self._add_occurrence(here, key, item.name, item.confidence)

    def _add_occurrence(self, here: ResolvedChapter, key: NodeKey, name: str, confidence: float) -> NodeFacts:
        """Count an entity in the chapter under this name; a character also gets an edge APPEARS_IN.
        Return its facts.
        """
        key = self._one_key(key)
        facts = self._entities[key]
        facts.add_chapter(here, confidence)
        if key[1] != name:
            facts.lists["aliases"].add(name)
        if key[0] == "Character" and confidence > here.people.get(key, -1):
            here.people[key] = confidence
        return facts

    def _end(
        self, here: ResolvedChapter, name: str, default: str = "Character", quote: str = ""
    ) -> NodeKey | None:
        """Return the node that a name means as an end of a relation, a participant or a place; added where
        new.

        None where the graph has no node for it. ``default``: label of a name that is in no list.
        """
        found = here.ends.get((name, default))
        if found is None:
            found = here.ends[name, default] = key, own = self._find_end(here, name, default)
            if key is not None and key[0] != "Event" and not self._is_split(key):
                self._add_implied(here, key, own)
        key, own = found
        if key is not None and self._is_split(key):
            key = self._one_key((key[0], self._resolver.quoted(key[1], quote)))
            self._add_implied(here, key, own)
        return key

    def _is_split(self, key: NodeKey) -> bool:
        """Return whether a split has taken names from the character, so that quotes tell whom they mean."""
        return key[0] == "Character" and key[1] in self._resolver.split_off

    def _add_implied(self, here: ResolvedChapter, key: NodeKey, name: str) -> None:
        """Count an entity that the chapter uses, where none of its lists has it."""
        facts = self._entities.get(key)
        if facts is None or here.chapter.id not in facts.chapters:
            self._add_occurrence(here, key, name, IMPLIED)

    def _find_end(self, here: ResolvedChapter, name: str, default: str) -> tuple[NodeKey | None, str]:
        """Return (node or None, name in this chapter), before a quote decides between two persons."""
        found = self._resolver.find(here.known, name, default)
        if found is None or found[0] not in self._labels:
            return None, ""
        label, own = found
        if label == "Event":
            key = ("Event", event_id(self._novel.id, here.chapter.id, own))
            return (key if own in here.known else None), own
        named = self._key(here, label, own)
        if named is None or self._is_dropped(here, named):
            return None, own
        return self._one_key(named), own

    def _one_key(self, key: NodeKey) -> NodeKey:
        """Return an equal key, always the same object: a book has several hundred thousand edges."""
        return self._keys.setdefault(key, key)

    def _key(self, here: ResolvedChapter, label: str, name: str) -> NodeKey | None:
        """Return the node that the name means in this chapter; None for a word that means no person."""
        if label != "Character":
            return self._resolver.node_key(label, name)
        person = here.persons.person_named(name)
        return (label, person) if person else None

    def _is_not_in_book(self, here: ResolvedChapter, name: str) -> bool:
        """Return whether a name means a character that is nowhere in the book."""
        found = self._resolver.find(here.known, name)
        return found is not None and self._key(here, *found) in self._not_in_book

    # --- edges

    def _add_event(self, here: ResolvedChapter, event: Event) -> None:
        key = ("Event", event_id(self._novel.id, here.chapter.id, event.name))
        facts = here.events[key]
        facts.add_claim(here, event)
        facts.add_texts(name=event.name, description=event.description, importance=event.importance)
        for name in event.participants:
            end = self._end(here, name)
            if end is not None or not self._is_not_in_book(here, name):
                facts.lists["participants"].add(end[1] if end and end[0] != "Event" else name)
            if end is not None and end[0] == "Character":
                edge = here.edges[end, "PARTICIPATES_IN", key]
                edge.add_chapter(here, event.confidence, unverified=event.unverified)
        where = self._end(here, event.location, "Location") if event.location else None
        if where is not None and where[0] == "Location":
            edge = here.edges[key, "OCCURS_IN", where]
            edge.add_chapter(here, event.confidence, unverified=event.unverified)

    def _add_relation(self, here: ResolvedChapter, relation: Relation) -> None:
        type_, label = _type_and_label(relation.type, self._enabled)
        source = self._end(here, relation.source, quote=relation.evidence)
        target = self._end(here, relation.target, quote=relation.evidence)
        if source is None or target is None or source == target:
            return
        if source[0] == target[0] == "Character":
            self._add_tie(here, relation, (source, type_, target), label)
        elif (edge := containment(source, target, relation.type)) is not None:
            self._lasting[edge].add_claim(here, relation)
        elif (edge := structural_edge(source, target)) is not None and type_ not in HOSTILE:
            self._add_structural(here, relation, edge, label)

    def _add_tie(self, here: ResolvedChapter, relation: Relation, edge: EdgeKey, label: str) -> None:
        source, type_, target = edge
        if type_ in SYMMETRIC_RELATIONS and target < source:
            source, target = target, source
        facts = self._ties[source, type_, target]
        is_named, quote = self._resolver.is_named, relation.evidence
        facts.add_claim(here, relation, lambda: is_named(source[1], quote) + is_named(target[1], quote))
        facts.odds += odds(relation.confidence)
        facts.add_texts(description=relation.description)
        chapter = here.chapter.id
        facts.strengths[chapter] = max(facts.strengths.get(chapter, 0), relation.strength)
        if label:
            facts.labels.setdefault(label, set()).add(here.chapter.number)

    def _add_structural(self, here: ResolvedChapter, relation: Relation, edge: EdgeKey, label: str) -> None:
        facts = (self._lasting if edge[1] == "BELONGS_TO" else here.edges)[edge]
        facts.add_claim(here, relation)
        text = label or relation.description
        if edge[1] == "BELONGS_TO":
            facts.add_texts(position=text, description=relation.description)
        elif edge[1] == "PARTICIPATES_IN":
            facts.add_texts(role=text)

    # --- result

    def _finish(self, here: ResolvedChapter) -> None:
        """Make the nodes and edges that belong to this chapter alone, which most of a book do."""
        for sequence, (key, event) in enumerate(here.events.items(), 1):
            of_event = properties.event(self._novel.id, key[1], event, here.chapter, sequence)
            self._graph.nodes[key] = GraphNode(*key, of_event)
        equal: dict[object, Properties] = {}  # most have the same, as APPEARS_IN of all characters
        for person, confidence in here.people.items():
            if (found := equal.get(confidence)) is None:
                facts = Facts()
                facts.add_chapter(here, confidence)
                found = equal[confidence] = properties.structural_edge(self._novel.id, "APPEARS_IN", facts)
            edge = person, "APPEARS_IN", here.key
            self._graph.edges[edge] = GraphEdge(*edge, found)
        for edge, facts in here.edges.items():
            same = edge[1], facts.confidence, facts.unverified, *facts.texts.items()
            if (found := equal.get(same)) is None:
                found = equal[same] = properties.structural_edge(self._novel.id, edge[1], facts)
            self._graph.edges[edge] = GraphEdge(*edge, found)

    def graph(self) -> Graph:
        """Return the graph of all chapters that were added; to be called once."""
        graph, novel = self._graph, self._novel.id
        graph.dropped = dict(sorted(self._dropped.items()))
        for node in self._novel_and_chapters():
            graph.nodes[node.ref] = node
        rate_by_mentions(self._entities.values())
        for key, entity in self._entities.items():
            graph.nodes[key] = GraphNode(*key, self._properties(key, entity))
        mark_protagonists([n for n in graph.nodes.values() if n.label == "Character"])
        self._ties = settled(self._ties, self._enabled)
        for edge, facts in self._lasting.items():
            graph.edges[edge] = GraphEdge(*edge, properties.structural_edge(novel, edge[1], facts))
        while self._ties:  # never all facts and properties in memory
            edge, tie = self._ties.popitem()
            graph.edges[edge] = GraphEdge(*edge, properties.tie(novel, tie))
        return graph

    def _novel_and_chapters(self) -> Iterator[GraphNode]:
        """Yield the Novel node, then a node for each chapter that was added."""
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
        """Return property → value of an entity's node."""
        label, name = key
        novel = self._novel.id
        if label == "Character":
            aliases = self._aliases(name, facts.lists.get("aliases", set()))
            return properties.character(novel, name, facts, aliases)
        of_label = properties.thing if label == "Thing" else properties.place
        return of_label(novel, name, facts)

    def _aliases(self, name: str, given: set[str]) -> list[str]:
        """Return a character's other names, sorted: from replies and its class, without other
        characters' names.
        """
        form, persons = self._form, self._resolver.persons
        others = given.union(persons.names_of(name)) - {name}
        if not others:
            return []
        accepted = {a for a in others if persons.accepts_alias(name, form(a))}
        own = {a for a in accepted if form(a) == name}
        free = {a for a in accepted - own if ("Character", form(a)) not in self._entities}
        return sorted(own | free)
