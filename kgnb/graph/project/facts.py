"""What is gathered of one node or edge, chapter by chapter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from kgnb.core.model import Chapter
from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import Event, Extraction, Relation
from kgnb.extract.strength import combined_strength
from kgnb.graph.model import NodeKey, Value
from kgnb.graph.resolve.chapter_identity import ChapterPersons as Here


@dataclass(frozen=True, slots=True)
class ResolvedChapter:
    """A chapter under way, and who its reply's names are."""

    chapter: Chapter
    ref: NodeKey
    tasks: frozenset[int]
    known: dict[str, NodeKey]
    who: Here
    by_ai: bool


@dataclass(slots=True)
class Facts:
    """What the chapters, taken in order, say of one node or edge."""

    texts: dict[str, str] = field(default_factory=dict)  # the first that isn't empty
    quoted: int = 0  # id of the chapter that the text "evidence" is from
    unverified: bool = True  # until something speaks for it
    confidence: float = 0.0
    by_ai: bool = False
    tasks: frozenset[int] = frozenset()
    chapters: dict[int, int] = field(default_factory=dict)  # chapter id → number

    def see(self, place: ResolvedChapter, confidence: float, *, unverified: bool = False) -> None:
        """Notes one mention in a chapter."""
        if not unverified:
            self.unverified = False
        if confidence > self.confidence:
            self.confidence = confidence
        if place.by_ai:
            self.by_ai = True
        if self.tasks is not place.tasks:  # most nodes and edges share their chapter's set
            self.tasks = self.tasks | place.tasks if self.tasks else place.tasks
        self.chapters[place.chapter.id] = place.chapter.number

    def say(self, **texts: str) -> None:
        """Keeps each text that isn't empty, unless an earlier one is there."""
        for key, text in texts.items():
            if text and key not in self.texts:
                self.texts[key] = text

    def claim(self, place: ResolvedChapter, item: Event | Relation) -> None:
        """Notes what an event or a relation says, with its quote if the chapter has it."""
        self.see(place, item.confidence, unverified=item.unverified)
        if item.evidence and not item.unverified and "evidence" not in self.texts:
            self.texts["evidence"], self.quoted = item.evidence, place.chapter.id

    def proof(self) -> dict[str, Value]:
        """Properties that tell what in the text speaks for it, or that nothing does."""
        found: dict[str, Value] = {"unverified": True} if self.unverified else {}
        if self.quoted:
            found |= {"evidence": self.texts["evidence"], "chapter_id": self.quoted}
        return found

    def numbers(self) -> list[int]:
        """Numbers of the chapters."""
        numbers = list(self.chapters.values())
        return numbers if len(numbers) == 1 else sorted(set(numbers))

    @property
    def extracted_by(self) -> str:
        """Who said it: ``ai`` if any reply did, else ``rule``."""
        return "ai" if self.by_ai else "rule"


@dataclass(slots=True)
class NodeFacts(Facts):
    """What is said of a node alone."""

    lists: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    score: int = 0

    def also(self, kind: str, words: Collection[str]) -> None:
        """Adds words to a list."""
        if words:
            self.lists[kind].update(words)

    def words(self, kind: str) -> list[str]:
        """A list's words, sorted."""
        return sorted(self.lists[kind]) if kind in self.lists else []


@dataclass(slots=True)
class TieFacts(Facts):
    """What is said of a relation between two characters alone."""

    labels: dict[str, set[int]] = field(default_factory=dict)  # in order of coming → numbers of chapters
    strengths: dict[int, int] = field(default_factory=dict)  # chapter id → the chapter's maximum

    def label(self, word: str, place: ResolvedChapter) -> None:
        """Notes the word that a reply had for the relation."""
        self.labels.setdefault(word, set()).add(place.chapter.number)

    def labelled(self) -> dict[str, Value]:
        """Properties for the words, of which there are some: the first, and where there are several, all and
        each one's chapters."""
        found: dict[str, Value] = {"label": next(iter(self.labels))}
        if len(self.labels) > 1:
            words = sorted(self.labels)
            found["labels"] = list(words)
            found["label_chapters"] = [",".join(map(str, sorted(self.labels[w]))) for w in words]
        return found

    def strength(self) -> int:
        """The mean of the chapters' maxima, halves rounded up; what only rules counted is added up."""
        values = self.strengths.values()
        if not self.by_ai:
            return combined_strength(values)
        return (2 * sum(values) + len(values)) // (2 * len(values))


FindInText = Callable[[Collection[str]], Collection[str]]
"""Which of these names stand in the book's text."""


class AbsentCharacters:
    """People whose names don't stand in the chapter whose reply told of them: known from another chapter,
    or from another book."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._forms: dict[str, set[str]] = defaultdict(set)

    def hear(self, extraction: Extraction) -> None:
        """Notes one chapter's people."""
        absent = set(extraction.absent)
        named = {character.name for character in extraction.characters}
        named.update(name for relation in extraction.relations for name in (relation.source, relation.target))
        named.update(name for event in extraction.events for name in event.participants)
        self._seen |= named - absent
        for name in absent:
            self._forms[name].add(name)
        for character in extraction.characters if absent else ():
            if character.name in absent:
                self._forms[character.name].update(a for a in character.aliases if not is_generic(a))

    def __bool__(self) -> bool:
        """Whether anybody's name is doubted."""
        return bool(self._forms)

    def nowhere(
        self, key: Callable[[str], NodeKey], known: Iterable[str], find_in_text: FindInText
    ) -> set[NodeKey]:
        """The keys of those who are in no chapter, not ``known`` in the book, and of whom no form stands."""
        present = {key(name) for name in self._seen.union(known)}
        doubted: dict[NodeKey, set[str]] = defaultdict(set)
        for name, forms in self._forms.items():
            if (found := key(name)) not in present:
                doubted[found] |= forms
        standing = set(find_in_text(sorted(set().union(*doubted.values())))) if doubted else set()
        return {found for found, forms in doubted.items() if not forms & standing}
