"""A book as read from a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from kgnb.core.labels import Lang


def text_hash(text: str) -> str:
    """Return the sha256 (hex) of a text: the identity of a chapter's or a book's content."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def count_words(text: str, lang: Lang) -> int:
    """Return the number of words; of a Chinese text, of its characters without white space."""
    words = text.split()
    return len(words) if lang == "en" else sum(map(len, words))


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph of an EPUB or a Word document; ``level`` 1-3 for headings, 0 for text."""

    text: str
    level: int = 0


@dataclass(frozen=True, slots=True)
class BookChapter:
    """A chapter as read from a file; ``number`` counts from 1, ``text`` has no heading line."""

    number: int
    title: str
    text: str

    @property
    def hash(self) -> str:
        """The :func:`text_hash` of the chapter's text."""
        return text_hash(self.text)


@dataclass(frozen=True, slots=True)
class Book:
    """A book as read from a file; ``sha256``: :func:`text_hash` of the whole normalised text.

    ``left_out``: lines of download sites and appeals for votes that no chapter holds.
    ``missing``: see :func:`kgnb.book.headings.missing`.
    ``foreign``: its text is neither Chinese nor English, whatever ``lang`` is taken for the nearest.
    ``given_title``, ``given_author``: as the user gave them; they replace those of a stored book.
    ``title_stated``: by the user or the text, not taken from the file's name.
    ``edition_of``: the novel (id) of which the user says that this is an edition; 0: finds out.
    """

    title: str
    author: str
    lang: Lang
    chapters: tuple[BookChapter, ...]
    sha256: str
    left_out: int = 0
    missing: tuple[int, ...] = ()
    foreign: bool = False
    given_title: str = ""
    given_author: str = ""
    title_stated: bool = True
    edition_of: int = 0

    @property
    def facts(self) -> BookFacts:
        """Title, hash, length and number of chapters, without the texts."""
        chars = sum(len(chapter.text) for chapter in self.chapters)
        return BookFacts(self.title, self.sha256, chars, len(self.chapters), self.edition_of)


@dataclass(frozen=True, slots=True)
class BookFacts:
    """A book without its texts; ``chars`` and ``chapters`` are numbers."""

    title: str
    sha256: str
    chars: int
    chapters: int
    edition_of: int = 0
