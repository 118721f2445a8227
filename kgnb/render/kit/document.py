"""A document of sections, lines, tables and links between them, apart from any format."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from kgnb.core.messages import language, texts
from kgnb.graph.model import NodeKey

_BIDI = (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_UNSEEN = dict.fromkeys([*range(32), *range(127, 160), *_BIDI, *range(0xD800, 0xE000), 0xFFFE, 0xFFFF])
"""Translation table: without what turns a line round, what XML forbids and what UTF-8 can't encode."""


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead to the section of ``ref``, where the document has it."""

    text: str
    ref: NodeKey


Part = str | Link
Cell = tuple[Part, ...]


class Quote(NamedTuple):
    """Words of the text and the number of their chapter; 0 where that isn't known."""

    text: str
    chapter: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of words and links, with the quotes that bear it out."""

    parts: Cell
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table; each row has a cell for each head. ``widths``: of the columns, in shares."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    widths: Sequence[int]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the document.

    ``ref``: the entity that it is about; ``aliases`` and ``traits`` are the entity's. ``main``: whether a
    document that is read from front to back has it; others have only the entity's row in a table.
    """

    title: str
    lines: Sequence[Line] = ()
    table: Table | None = None
    sections: Sequence[Section] = ()
    ref: NodeKey | None = None
    aliases: Sequence[str] = ()
    traits: Sequence[str] = ()
    main: bool = True

    def walk(self) -> Iterator[Section]:
        """Yield this section, then all sections within it, depth first."""
        yield self
        for one in self.sections:
            yield from one.walk()

    def main_only(self) -> Section:
        """Return the section, itself marked as main, without the sections within it that aren't main."""
        kept = [one.main_only() for one in self.sections if one.main]
        return replace(self, sections=kept, main=True)


@dataclass(frozen=True, slots=True)
class Kit:
    """A book's document: ``about`` stands before ``parts``. ``until``: the chapter where it ends, 0: none."""

    title: str
    about: Sequence[Line] = ()
    parts: Sequence[Section] = field(default_factory=list)
    until: int = 0


def line(key: str, *quotes: Quote, **facts: int | Part | Cell) -> Line:
    """Return the message of this key as a line with ``quotes`` (empty ones are dropped).

    ``facts`` fill the message's placeholders: numbers, texts, links, or rows of these.
    """
    parts: list[Part] = []
    for literal, name, _, _ in string.Formatter().parse(texts(language())[key]):
        if literal:
            parts.append(literal)
        if name is not None:
            fact = facts[name]
            parts += fact if isinstance(fact, tuple) else [fact if isinstance(fact, Link) else str(fact)]
    return Line(tuple(parts), tuple(quote for quote in quotes if quote.text))


def joined(parts: Sequence[Part | Cell], comma: str) -> Cell:
    """Return the parts as one row with ``comma`` between them."""
    made: list[Part] = []
    for part in parts:
        made += [comma] if made else []
        made += part if isinstance(part, tuple) else [part]
    return tuple(made)


def plain(parts: Cell) -> str:
    """Return the text of a row; a link gives its text."""
    return "".join(part.text if isinstance(part, Link) else part for part in parts)


def shown(text: str) -> str:
    """Return the text on one line, each run of white space one blank and none at its ends, without invisible
    characters that a format may not carry."""
    return " ".join(text.split()).translate(_UNSEEN)
