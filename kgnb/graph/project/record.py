"""All that a novel's graph is made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kgnb.core.model import Chapter, Novel, TaskConfig
from kgnb.extract.model import NameEntry
from kgnb.graph.model import SettleRow
from kgnb.graph.resolve.decisions import Decision


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
    rows: Iterable[SettleRow]
    names: Sequence[NameEntry] = ()
    decisions: Sequence[Decision] = ()
    texts: Iterable[tuple[int, str]] = ()
    number: int = 0
    state: str = ""
