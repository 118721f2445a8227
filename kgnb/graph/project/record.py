"""All that a novel's graph is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from kgnb.core.model import Chapter, Novel, TaskConfig
from kgnb.extract.evidence import names_in_texts
from kgnb.extract.model import NameEntry
from kgnb.extract.names_at import names_at
from kgnb.graph.model import RecordRow
from kgnb.graph.resolve.decisions import Decision

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """A novel's record.

    ``rows`` are the ones that count, at most one a chapter; ``texts`` are (chapter number, text). Both may be
    iterated several times, and read page by page: then iterating blocks and raises ServiceDown.
    ``state`` differs once anything of it has changed; ``number`` is above that of any graph made of the novel
    before it was read.
    """

    novel: Novel
    config: TaskConfig
    chapters: Sequence[Chapter]
    rows: Iterable[RecordRow]
    names: Sequence[NameEntry] = ()
    decisions: Sequence[Decision] = ()
    texts: Iterable[tuple[int, str]] = ()
    number: int = 0
    state: str = ""

    def until(self, number: int) -> Record:
        """Return the record as it would be if the book ended with chapter ``number``."""
        chapters = [chapter for chapter in self.chapters if chapter.number <= number]
        ids = {chapter.id for chapter in chapters}
        return replace(
            self,
            chapters=chapters,
            rows=_Filtered(self.rows, lambda row: row.row.chapter_id in ids),
            names=[entry for entry in names_at(self.names, number) if entry.first_chapter <= number],
            texts=_Filtered(self.texts, lambda text: text[0] <= number),
            decisions=self._decisions_until(number),
        )

    def _decisions_until(self, number: int) -> list[Decision]:
        """Return the decisions, merges without names that only later chapters have."""
        merged = {name for one in self.decisions if one.kind == "merge" for name in one.names}
        if not merged:
            return list(self.decisions)
        unread = merged - names_in_texts(merged, (text for at, text in self.texts if at <= number))
        later = names_in_texts(unread, (text for at, text in self.texts if at > number))
        known = (
            replace(one, names=tuple(name for name in one.names if name not in later))
            if one.kind == "merge"
            else one
            for one in self.decisions
        )
        return [one for one in known if len(one.names) > 1 or one.kind != "merge"]


@dataclass(frozen=True, slots=True)
class _Filtered(Generic[T]):
    """The items that fulfil ``wanted``; can be iterated several times if ``items`` can."""

    items: Iterable[T]
    wanted: Callable[[T], bool]

    def __iter__(self) -> Iterator[T]:
        return filter(self.wanted, self.items)
