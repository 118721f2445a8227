"""Mentions of persons, statements of relations, and a text in which each mention is one character.

Frames (regular expressions in a language's data/ties.toml) are matched against the masked text, in which any
person is the same one character.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from kgnb.core.labels import SYMMETRIC_RELATIONS, Lang
from kgnb.extract.model import NameEntry
from kgnb.extract.word_search import trie_pattern

PERSON = "\ue000"
"""Character in place of a mention in a masked text; a private-use character, which no cleaned text has."""
NAMED, ALONE, LIKELY = 0.9, 0.8, 0.6
"""Confidence in a possessor of a noun of kin: beside it; the only one who may be meant; the subject of the
sentence or of the one before, one who is called by name in another's speech, or, as a factor, of unknown
gender."""

_SHAPE = re.compile(r"\{([A-Za-z]\w*)\}")


class Mention(NamedTuple):
    """An occurrence of a name of the book's name table in a chapter.

    ``entry``: the entity; ``form``: the name or alias used here; ``start`` and ``end``: offsets.
    """

    entry: NameEntry
    form: str
    start: int
    end: int


def between(mentions: Sequence[Mention], start: int, end: int) -> Sequence[Mention]:
    """Return the mentions with ``start <= mention.start < end``; ``mentions`` are in the order of
    the text."""
    starts = attrgetter("start")
    return mentions[bisect_left(mentions, start, key=starts) : bisect_left(mentions, end, key=starts)]


class Statement(NamedTuple):
    """A relation that the text states. ``label``: the words of it; ``proof``: offsets of the parts of the
    text that a quote needs, (start, end) each: the words and both persons; ``confidence``: 0 to 1, that the
    text states it of just these two."""

    source: str
    type: str
    target: str
    label: str
    proof: tuple[tuple[int, int], ...]
    confidence: float

    @property
    def reach(self) -> int:
        """Number of characters from the first part of the proof to the last."""
        return max(end for _, end in self.proof) - min(start for start, _ in self.proof)


STATED = 0.75
"""Least confidence of a statement that names both persons or means them beyond doubt; less sure ones are
implied."""
MAX_IMPLIED = 0.7
"""Greatest confidence that implied statements of the same relation reach together."""


def added_up(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Yield one statement for each relation: the surest, with its confidence raised by other statements of
    the same relation; in the order of the first statement of each.

    Two statements, of confidence 0.5 and 0.6, that a and b are SPOUSE → the second, with 0.7 (the odds added
    up, at most :data:`MAX_IMPLIED`). A single statement keeps its confidence. Symmetric relations (SPOUSE)
    come with their two in order of name. Of equally sure ones the first counts whose proof is shortest. What
    is stated of one person alone is left out.
    """
    odds = defaultdict[tuple[str, str, str], float](float)
    best: dict[tuple[str, str, str], Statement] = {}
    for one in statements:
        if one.type in SYMMETRIC_RELATIONS and one.target < one.source:
            one = one._replace(source=one.target, target=one.source)
        if one.source == one.target:
            continue
        tie = one.source, one.type, one.target
        odds[tie] += one.confidence / (1 - one.confidence)
        if tie not in best or (one.confidence, -one.reach) > (best[tie].confidence, -best[tie].reach):
            best[tie] = one
    for tie, one in best.items():
        implied = min(MAX_IMPLIED, odds[tie] / (1 + odds[tie]))
        yield one._replace(confidence=round(max(one.confidence, implied), 3))


class MaskedText:
    """A text with :data:`PERSON` in place of each mention of a person.

    ``text``: the masked text; ``people``: the mentions with offsets in it. "Tom Dale met Ann." → two such
    characters with " met " between. Overlapping mentions are dropped; two names of one person side by side
    become one character.
    """

    def __init__(self, text: str, people: Sequence[Mention]) -> None:
        parts, self.people, self._shifts, free, size = list[str](), list[Mention](), list[int](), 0, 0
        for mention in people:
            if mention.start < free:
                continue  # within another: both of "the Dales"
            if mention.start == free and self.people and self.people[-1].entry is mention.entry:
                free = mention.end  # by two names at once: 豹子头林冲
                self._shifts[-1] = free - size
                continue
            gap = text[free : mention.start].replace(PERSON, " ")
            size += len(gap)
            parts += gap, PERSON
            self.people.append(mention._replace(start=size, end=size + 1))
            free, size = mention.end, size + 1
            self._shifts.append(free - size)
        self.text = "".join((*parts, text[free:].replace(PERSON, " ")))
        self._starts = [m.start for m in self.people]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return (start, end) in the original text for two offsets in the masked text.

        The text "Tom met Ann." with both masked is "P met P.": 0, 7 → (0, 11).
        """
        return self._shifted(start), self._shifted(end)

    def stated(self, statements: Iterable[Statement]) -> Iterator[Statement]:
        """Yield :func:`added_up` of statements about the masked text, with offsets in the original text."""
        for one in added_up(statements):
            yield one._replace(proof=tuple(self.original(*part) for part in one.proof))

    def _shifted(self, offset: int) -> int:
        """Return the offset in the original text for an offset in the masked text."""
        k = bisect_left(self._starts, offset)
        return offset + (self._shifts[k - 1] if k else 0)

    def within(self, start: int, end: int) -> Sequence[Mention]:
        """Return the mentions that start at ``start`` or later and before ``end``, offsets of the masked
        text."""
        return self.people[bisect_left(self._starts, start) : bisect_left(self._starts, end)]

    def at(self, offset: int) -> Mention:
        """Return the mention that stands at an offset of the masked text, where the text has :data:`PERSON`.

        At any other offset: the last mention before it.
        """
        return self.people[bisect_right(self._starts, offset) - 1]


class Frame(NamedTuple):
    """A frame of a language's data/ties.toml: its fields, the regular expressions compiled."""

    type: str
    inverted: bool
    asserted: bool
    words: tuple[str, ...]
    frame: re.Pattern[str]
    after: re.Pattern[str]
    before: re.Pattern[str] | None


@cache
def tie_tables(lang: Lang) -> dict[str, Any]:
    """Return the tables of a language's data/ties.toml; the shape "p" is :data:`PERSON`."""
    path = Path(__file__).parent / lang / "data" / "ties.toml"
    tables = tomllib.loads(path.read_text("utf-8"))
    tables["shapes"]["p"] = PERSON
    return tables


def shaped(expression: str, shapes: Mapping[str, str]) -> str:
    """Return a regular expression with the shape of that name in place of each {name}.

    "{A}x" with {"A": "(?P<a>{p})", "p": "."} → "(?P<a>.)x".
    """
    return _SHAPE.sub(lambda name: shaped(shapes[name[1]], shapes), expression)


class Frames:
    """The frames of a language. ``tables``: table of data/ties.toml → its frames."""

    def __init__(self, lang: Lang, tables: Sequence[str], shapes: Mapping[str, str]) -> None:
        """``tables``: names of the tables with frames; ``shapes``: those that data/ties.toml doesn't have.

        A frame's ``before`` must match at the end of the text before a place, its other expressions from a
        place on.
        """
        found = tie_tables(lang)
        shapes = found["shapes"] | shapes

        def frame(row: Mapping[str, Any]) -> Frame:
            before = re.compile(f"(?:{shaped(row['before'], shapes)})$") if "before" in row else None
            own, after = (re.compile(shaped(row.get(key, ""), shapes)) for key in ("frame", "after"))
            words = tuple(shaped(row.get("words", ""), shapes).split())
            marks = row.get("type", ""), row.get("inverted", False), row.get("asserted", False)
            return Frame(*marks, words, own, after, before)

        self.tables = {table: [frame(row) for row in found[table]] for table in tables}
        self._by_word = defaultdict[str, list[tuple[str, Frame]]](list)
        for table, frames in self.tables.items():
            for one in frames:
                for word in one.words:
                    self._by_word[word].append((table, one))
        self._words = re.compile(trie_pattern(self._by_word))

    def matches(self, text: str, reach: int) -> Iterator[tuple[str, Frame, re.Match[str]]]:
        """Yield (table, frame, match) for each word of a frame in ``text`` around which the frame matches;
        words from left to right, then frames in the order of their file.

        ``reach``: characters before and behind the word that the match may contain. A match holds the word,
        or begins before it and ends behind its first character.
        """
        for word in self._words.finditer(text):
            start, low, high = word.start(), max(0, word.start() - reach), word.end() + reach
            for table, frame in self._by_word[word[0]]:
                found = frame.frame.search(text, low, high)
                while found and found.end() <= start:
                    found = frame.frame.search(text, found.end(), high)
                if found and found.start() <= start:
                    yield table, frame, found
