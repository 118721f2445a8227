"""Facts of one node or edge, accumulated from the chapters in their order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from kgnb.core.model import Chapter
from kgnb.extract.evidence_quote import CUT
from kgnb.extract.model import Event, Relation
from kgnb.extract.strength import combined_strength
from kgnb.graph.model import EdgeKey, NodeKey, Value
from kgnb.graph.resolve.chapter_identity import ChapterPersons

_NO_TEXTS: Mapping[str, str] = {}  # shared: most edges have none

MOST_NAMED = 2
"""Ends of a relation that its quote can name."""
PER_CUT = 0.1
"""Confidence that a quote is worth less for each cut: who reads it wants one sentence."""


@dataclass(slots=True)
class Facts:
    """Facts of one node or edge."""

    texts: Mapping[str, str] = field(default_factory=lambda: _NO_TEXTS)  # property → first that isn't empty
    quoted: int = 0  # id of the chapter that texts["evidence"] quotes
    named: float = -1  # how good that quote is, see add_claim
    unverified: bool = True  # until a chapter verifies it
    confidence: float = 0.0
    by_ai: bool = False
    tasks: frozenset[int] = frozenset()
    chapters: dict[int, int] = field(default_factory=dict)  # chapter id → number

    def add_chapter(self, here: ResolvedChapter, confidence: float, *, unverified: bool = False) -> None:
        """Count an occurrence in chapter ``here``; the highest confidence of all occurrences is kept."""
        if not unverified:
            self.unverified = False
        if confidence > self.confidence:
            self.confidence = confidence
        if here.by_ai:
            self.by_ai = True
        if self.tasks is not here.tasks:  # most nodes and edges share their chapter's set
            self.tasks = self.tasks | here.tasks if self.tasks else here.tasks
        if not self.chapters:
            self.chapters = here.alone
        elif here.chapter.id not in self.chapters:
            self.chapters = dict(self.chapters) if len(self.chapters) == 1 else self.chapters
            self.chapters[here.chapter.id] = here.chapter.number

    def add_texts(self, **texts: str) -> None:
        """Set each property to its text, unless the text is empty or the property has a text already."""
        for key, text in texts.items():
            if text and key not in self.texts:
                self.texts = {**self.texts, key: text}

    def add_claim(
        self, here: ResolvedChapter, item: Event | Relation, count_named: Callable[[], int] = lambda: 0
    ) -> None:
        """Count an event or a relation of chapter ``here``, and keep its quote if it is the best so far.

        Only verified quotes are kept. Of a reply's quotes one is better that names more ends of the relation
        (``count_named()``), of two alike the first; then those of rules, which all name both ends: the one of
        higher confidence, less for each cut.
        """
        self.add_chapter(here, item.confidence, unverified=item.unverified)
        if not item.evidence or item.unverified or self.named >= MOST_NAMED:
            return
        named = count_named() if here.by_ai else item.confidence - PER_CUT * item.evidence.count(CUT)
        if named > self.named:
            self.texts = {**self.texts, "evidence": item.evidence}
            self.quoted, self.named = here.chapter.id, named

    def given(self, *keys: str) -> dict[str, Value]:
        """Return property → text for the given keys; "" where no chapter gave a text."""
        return {key: self.texts.get(key, "") for key in keys}

    def proof(self) -> dict[str, Value]:
        """Return the properties ``evidence`` (the quote) and ``chapter_id``; ``unverified`` True where
        no chapter verified.
        """
        found: dict[str, Value] = {"unverified": True} if self.unverified else {}
        if self.quoted:
            found |= {"evidence": self.texts["evidence"], "chapter_id": self.quoted}
        return found

    def numbers(self) -> list[int]:
        """Return the numbers of the chapters, sorted."""
        numbers = list(self.chapters.values())
        return numbers if len(numbers) == 1 else sorted(set(numbers))

    @property
    def extracted_by(self) -> str:
        """``ai`` if the reply of an LLM states the fact in any chapter, else ``rule``."""
        return "ai" if self.by_ai else "rule"


@dataclass(slots=True)
class NodeFacts(Facts):
    """Facts of a node."""

    lists: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    score: int = 0
    mentions: int = 0  # that rules found

    def add_words(self, key: str, words: Collection[str]) -> None:
        """Add words to the list property ``key``, such as ``traits``."""
        if words:
            self.lists[key].update(words)

    def words(self, key: str) -> list[str]:
        """Return the words of the list property ``key``, sorted; empty without any."""
        return sorted(self.lists[key]) if key in self.lists else []


@dataclass(slots=True)
class TieFacts(Facts):
    """Facts of a tie: an edge between two characters."""

    labels: dict[str, set[int]] = field(default_factory=dict)  # word, earliest first → chapter numbers
    strengths: dict[int, int] = field(default_factory=dict)  # chapter id → the chapter's maximum
    odds: float = 0.0  # of what rules read, added up over the chapters

    def label_properties(self) -> dict[str, Value]:
        """Return ``label`` (first word) and, for several words, ``labels`` (sorted) and ``label_chapters``
        ("1,5,7").

        Only for a tie with a label; without any, StopIteration is raised.
        """
        found: dict[str, Value] = {"label": next(iter(self.labels))}
        if len(self.labels) > 1:
            words = sorted(self.labels)
            found["labels"] = list(words)
            found["label_chapters"] = [",".join(map(str, sorted(self.labels[w]))) for w in words]
        return found

    def strength(self) -> int:
        """Return the strength, 1-10: the mean over chapters of each chapter's maximum, halves rounded up.

        Of a tie that only rules read: :func:`combined_strength` of the chapters' maxima.
        """
        values = self.strengths.values()
        if len(values) == 1:  # both say so
            return next(iter(values))
        if not self.by_ai:
            return combined_strength(values)
        return (2 * sum(values) + len(values)) // (2 * len(values))


@dataclass(frozen=True, slots=True)
class ResolvedChapter:
    """One chapter being projected, with its reply's names resolved to nodes."""

    chapter: Chapter
    key: NodeKey
    tasks: frozenset[int]
    known: dict[str, NodeKey]  # names in the reply's lists, see known_names
    persons: ChapterPersons
    by_ai: bool
    alone: dict[int, int]  # chapter id → number: shared by all that is in no other chapter
    people: dict[NodeKey, float] = field(default_factory=dict)
    """Characters of the chapter → the highest confidence of their occurrences."""
    events: dict[NodeKey, NodeFacts] = field(default_factory=lambda: defaultdict(NodeFacts))
    ends: dict[tuple[str, str], tuple[NodeKey | None, str]] = field(default_factory=dict)
    """(name, default label) → the node that it means as an end of an edge, and its name in the chapter."""
    edges: dict[EdgeKey, Facts] = field(
        default_factory=lambda: defaultdict(Facts)
    )  # an end is of the chapter
