"""History of a book chapter by chapter, for its finished graph: the names in use and the quotes.

The graph has a person once, with all names, and a tie once, with all its chapters. A reader of chapter N
knows less: a name that is linked to the person only later belongs to a stranger until then. The extraction
rows give names and words of each chapter; persons, ties and chapters are the graph's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from kgnb.core.labels import SYMMETRIC_RELATIONS
from kgnb.extract.model import Extraction, Relation
from kgnb.graph.importance import is_tie
from kgnb.graph.model import RELATION_GROUPS, EdgeKey, Graph, GraphEdge, GraphNode, NodeKey
from kgnb.graph.project.contradictions import MIN_ODDS, is_contested, odds, settled
from kgnb.graph.project.facts import TieFacts
from kgnb.graph.relation_types import type_in_pair

ChapterRow = tuple[int, Extraction]
"""Chapter number and the extraction that counts for it."""
KnownSince = Mapping[str, int]
"""Name → number of the chapter from which a reader knows whose it is, as the name scan found it; of a
person's names in the order in which they are chosen to call the person by."""


@dataclass(slots=True)
class PersonHistory:
    """Names and chapters of a character.

    ``since``: name → number of the chapter from which a reader knows that it is this person's, the
    character's own name first. ``chapters``: name → numbers of the chapters that use it; key "" for chapters
    without a known name. ``title`` and ``traits``: text → number of the first chapter that has it.
    """

    node: GraphNode
    since: dict[str, int] = field(default_factory=dict)
    chapters: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    title: dict[str, int] = field(default_factory=dict)
    traits: dict[str, int] = field(default_factory=dict)

    def unknown(self, name: str, chapter: int) -> str:
        """Return ``name`` if a reader of ``chapter`` doesn't know yet that it is this person's, else ""."""
        return name if self.since.get(name, 0) > chapter else ""


@dataclass(frozen=True, slots=True)
class TieChapter:
    """A tie in one chapter: strength 1-10, a quote or "", and the names that the chapter uses for the
    two ends.
    """

    chapter: int
    strength: int
    quote: str = ""
    source: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class BookHistory:
    """All characters and the ties between them, chapter by chapter, in the graph's order.

    ``ties`` has also those of a part of the book: later chapters refute them, or both ends turn out to be one
    person. ``described``: entity → number of the chapter that its description is from. ``turns``: tie that
    rules read → numbers of the chapters from which it holds, no longer holds, holds again …
    (:mod:`kgnb.graph.project.contradictions`).
    """

    people: dict[NodeKey, PersonHistory]
    ties: dict[EdgeKey, list[TieChapter]]
    described: dict[NodeKey, int]
    turns: dict[EdgeKey, list[int]]


def book_history(
    graph: Graph,
    rows: Iterable[ChapterRow] = (),
    known_since: KnownSince = MappingProxyType({}),
    types: Collection[str] = (),
) -> BookHistory:
    """Return the history of the characters and ties of a whole book's ``graph``.

    ``rows``: (chapter number, extraction) in order of the chapters, iterated once. A name that two characters
    share is ignored in the rows. ``known_since``: name → chapter from which its person is known.
    ``types``: of ties that may hold in a part of the book although the graph doesn't have them.
    """
    people = {node.ref: PersonHistory(node) for node in graph.nodes.values() if node.label == "Character"}
    edges = {edge.ref: edge for edge in graph.edges.values() if is_tie(edge)}
    found = _RowReader(people, edges, types)
    for chapter, extraction in rows:
        found.read(chapter, extraction)
        found.standing.end_chapter(chapter)
    order = {name: place for place, name in enumerate(known_since)}
    for person in people.values():
        unexplained = set(person.node.numbers("chapters")).difference(*person.chapters.values())
        if unexplained:  # by any row
            person.chapters[""] |= unexplained
        person.since = _known_since(person, found.joined, known_since, order)
    turns = found.standing.turns_of(edges)
    ties = {key: _all_chapters(key, edge, found.ties[key].values(), people) for key, edge in edges.items()}
    for key in turns.keys() - edges.keys():
        told = found.ties[key].values() or (found.standing.inferred[key],)
        ties[key] = _all_chapters(key, None, told, people)
    return BookHistory(people, ties, found.described, turns)


class _RowReader:
    """Collects the facts of the rows about the graph's characters and ties."""

    def __init__(
        self,
        people: dict[NodeKey, PersonHistory],
        edges: Mapping[EdgeKey, GraphEdge],
        types: Collection[str],
    ) -> None:
        self._people, self._enabled = people, types
        self._bearers = _bearers(people)
        self._types: defaultdict[frozenset[NodeKey], set[str]] = defaultdict(set)
        self._labels: defaultdict[frozenset[NodeKey], set[str]] = defaultdict(set)
        for (source, type_, target), edge in edges.items():
            pair = frozenset((source, target))
            self._types[pair].add(type_)
            self._labels[pair].update(edge.texts("labels"), [edge.text("label")])
        self._edges = edges
        self.joined: dict[str, int] = {}  # name → first chapter that gives it to somebody with another name
        self.ties: defaultdict[EdgeKey, dict[tuple[int, str, str], TieChapter]] = defaultdict(dict)
        self.standing = _Standing()
        self.described: dict[NodeKey, int] = {}

    def read(self, chapter: int, extraction: Extraction) -> None:
        """Read the next chapter's extraction."""
        for character in extraction.characters:
            names = [name for name in (character.name, *character.aliases) if name in self._bearers]
            own = {self._bearers[name] for name in names}
            if len(own) != 1:
                continue
            person = self._people[own.pop()]
            self._describe(chapter, person.node.ref, character.description)
            if character.title:
                person.title.setdefault(character.title, chapter)
            for trait in character.traits:
                person.traits.setdefault(trait, chapter)
            for name in names:
                person.chapters[name].add(chapter)
                if len(names) > 1:
                    self.joined.setdefault(name, chapter)
        for place in extraction.locations:
            self._describe(chapter, ("Location", place.name), place.description)
        for group in extraction.organizations:
            self._describe(chapter, ("Organization", group.name), group.description)
        for thing in extraction.things:
            self._describe(chapter, ("Thing", thing.name), thing.description)
        for relation in extraction.relations:
            self._read_relation(chapter, relation)

    def _describe(self, chapter: int, ref: NodeKey, text: str) -> None:
        if text:
            self.described.setdefault(ref, chapter)

    def _read_relation(self, chapter: int, relation: Relation) -> None:
        source, target = self._bearers.get(relation.source), self._bearers.get(relation.target)
        if source is None or target is None or relation.source == relation.target:
            return
        pair = frozenset((source, target))
        type_ = type_in_pair(relation.type, self._types[pair], self._labels[pair])
        names = relation.source, relation.target
        if type_ in SYMMETRIC_RELATIONS and (target, names[1]) < (source, names[0]):
            source, target, names = target, source, (names[1], names[0])
        key = source, type_, target
        edge = self._edges.get(key)
        if edge is not None or ((source == target or is_contested(key)) and type_ in self._enabled):
            quote = "" if relation.unverified else relation.evidence
            here = TieChapter(chapter, relation.strength, quote, *names)
            before = self.ties[key].get((chapter, *names))
            if before is None or (here.strength, here.quote) > (before.strength, before.quote):
                self.ties[key][chapter, *names] = here
            if edge is None or edge.text("extracted_by") != "ai":
                self.standing.add(key, chapter, relation)


class _Standing:
    """Which ties that rules read hold after each chapter, as the projection decides it for the whole book."""

    def __init__(self) -> None:
        self._facts: dict[EdgeKey, TieFacts] = {}  # of those that others can contradict
        self._odds: defaultdict[EdgeKey, float] = defaultdict(float)  # of the others
        self.inferred: dict[EdgeKey, TieChapter] = {}
        """Ties that no chapter states → where they follow from what is stated."""
        self._holds: set[EdgeKey] = set()
        self._is_stale = False
        self._turns: defaultdict[EdgeKey, list[int]] = defaultdict(list)

    def add(self, key: EdgeKey, chapter: int, relation: Relation) -> None:
        """Count a statement of the tie."""
        if key[0] == key[2] or not is_contested(key):
            before = self._odds[key]
            self._odds[key] = before + odds(relation.confidence)
            if before < MIN_ODDS <= self._odds[key]:
                self._turns[key].append(chapter)
            return
        facts = self._facts.setdefault(key, TieFacts())
        facts.odds += odds(relation.confidence)
        facts.confidence = max(facts.confidence, relation.confidence)
        facts.chapters[chapter] = chapter
        facts.strengths[chapter] = max(facts.strengths.get(chapter, 0), relation.strength)
        self._is_stale = True

    def end_chapter(self, chapter: int) -> None:
        """Note which ties the chapter has brought or refuted."""
        if self._is_stale:
            holds = settled(self._facts, RELATION_GROUPS["family"])
            for key in holds.keys() ^ self._holds:
                self._turns[key].append(chapter)
            for key in holds.keys() - self._facts.keys():
                [(number, strength)] = holds[key].strengths.items()
                self.inferred.setdefault(key, TieChapter(number, strength))
            self._holds, self._is_stale = set(holds), False

    def turns_of(self, edges: Mapping[EdgeKey, GraphEdge]) -> dict[EdgeKey, list[int]]:
        """Return tie → its turns; none for a tie that at the end isn't what the graph says of it."""
        return {
            key: turns
            for key, turns in self._turns.items()
            if key[0] == key[2] or len(turns) % 2 == (key in edges)
        }


def _bearers(people: Mapping[NodeKey, PersonHistory]) -> dict[str, NodeKey]:
    """Return name → the only character that bears it; a character's own name goes before aliases of
    others.
    """
    owners: defaultdict[str, set[NodeKey]] = defaultdict(set)
    for ref, person in people.items():
        for alias in person.node.texts("aliases"):
            owners[alias].add(ref)
    found = {name: next(iter(refs)) for name, refs in owners.items() if len(refs) == 1}
    return found | {person.node.text("name") or ref[1]: ref for ref, person in people.items()}


def _known_since(
    person: PersonHistory, joined: Mapping[str, int], known: KnownSince, order: Mapping[str, int]
) -> dict[str, int]:
    """Return name → number of the chapter from which it is known to be this person's.

    First chapter for the name that the book uses first, of several the one that is known first. For other
    names: the chapter in which the text, or a reply, links the name to another name of the person; the
    person's last chapter where nothing links the two.
    """
    own = person.node.text("name") or person.node.key
    first = {name: min(chapters) for name, chapters in person.chapters.items() if name}
    start = min(first, key=lambda name: (first[name], known.get(name, 0), name != own), default=own)
    everywhere = sorted(set[int]().union(*person.chapters.values())) or [0]
    since = {}
    aliases = sorted(person.node.texts("aliases"), key=lambda name: order.get(name, len(order)))
    for name in (own, *aliases):
        told = known.get(name) or max(first.get(name, 0), joined.get(name) or everywhere[-1])
        since[name] = everywhere[0] if name == start else max(everywhere[0], told)
    return since


def _all_chapters(
    ends: EdgeKey, edge: GraphEdge | None, told: Iterable[TieChapter], people: Mapping[NodeKey, PersonHistory]
) -> list[TieChapter]:
    """Return the chapters of the edge, in order; a chapter without a row has the edge's strength and no
    quote. ``edge``: None for a tie that only a part of the book has.

    A chapter occurs twice where it names an end both by a known name and by a name not known yet to be the
    person's.
    """
    kept: dict[tuple[int, str, str], TieChapter] = {}
    own = set(edge.numbers("chapters")) if edge else set[int]()
    source, target = people[ends[0]], people[ends[2]]
    for here in (one for one in told if not own or one.chapter in own):
        number = here.chapter
        key = number, source.unknown(here.source, number), target.unknown(here.target, number)
        if key not in kept or (here.strength, here.quote) > (kept[key].strength, kept[key].quote):
            kept[key] = here
    chapters = {number for number, *_ in kept}
    strength = int(edge.number("strength", 5)) if edge else 0
    missing = (own or {0}) - chapters if edge else ()
    quote = edge.text("evidence") if edge and len(own) == 1 else ""  # of what the tie follows from
    rest = [TieChapter(number, strength, quote) for number in missing]
    return sorted([*kept.values(), *rest], key=lambda here: here.chapter)
