"""What is gathered of one node or edge, chapter by chapter."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from kgnb.model import Chapter, ExtractionRow, NodeKey, Value


@dataclass(frozen=True, slots=True)
class Place:
    """A chapter under way: its row, and who its reply's names are."""

    chapter: Chapter
    row: ExtractionRow
    tasks: frozenset[int]
    known: dict[str, NodeKey]


@dataclass(slots=True)
class Facts:
    """Everything that the chapters, taken in order, say of one node or edge."""

    texts: dict[str, str] = field(default_factory=dict)  # the first that isn't empty
    lists: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    labels: dict[str, None] = field(default_factory=dict)  # an ordered set
    score: int = 0
    strengths: dict[int, int] = field(default_factory=dict)  # chapter id → the chapter's maximum
    confidence: float = 0.0
    by_ai: bool = False
    tasks: frozenset[int] = frozenset()
    chapters: dict[int, int] = field(default_factory=dict)  # chapter id → number

    def see(self, place: Place, confidence: float) -> None:
        """Notes one mention in a chapter."""
        self.confidence = max(self.confidence, confidence)
        self.by_ai |= place.row.extracted_by == "ai"
        if self.tasks is not place.tasks:  # most nodes and edges share their chapter's set
            self.tasks = self.tasks | place.tasks if self.tasks else place.tasks
        self.chapters[place.chapter.id] = place.chapter.number

    def say(self, **texts: str) -> None:
        """Keeps each text that isn't empty, unless an earlier one is there."""
        for key, text in texts.items():
            if text and key not in self.texts:
                self.texts[key] = text

    def origin(self) -> dict[str, Value]:
        """Properties that tell who said it."""
        return {
            "extracted_by": "ai" if self.by_ai else "rule",
            "confidence": self.confidence,
            "task_id": sorted(self.tasks),
        }

    def occurrence(self) -> dict[str, Value]:
        """Properties that tell where it was said."""
        return {"chapters": sorted(set(self.chapters.values())), "count": len(self.chapters)}

    def strength(self) -> int:
        """The mean of the chapters' maxima, halves rounded up."""
        values = self.strengths.values()
        return (2 * sum(values) + len(values)) // (2 * len(values))
