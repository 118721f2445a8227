"""Whether a reply's quotes and names stand in the text it was asked about. Pure.

Letters and digits are compared, nothing else: white space, punctuation, case, accents, full and half width
and the two Chinese scripts are no difference. What an LLM quotes is replaced by what stands in the text.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Iterable
from functools import cache
from itertools import accumulate
from typing import TypeVar

from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import Event, Extraction, Relation, clean
from kgnb.extract.zh.script import fold

UNVERIFIED_FACTOR = 0.5
"""What the confidence of an event or a relation without a quote from the text is multiplied by: a claim that
nothing speaks for counts as much as a name that a reply only mentions (settle's ``IMPLIED``)."""
EVIDENCE_CHARS = 200
"""Longest evidence kept; the prompt asks for 30 characters (zh) or 15 words (en)."""
MIN_WEIGHT = 4
"""Shortest quote that says anything: letters, those beyond ASCII counted twice (two Chinese characters)."""
MAX_PIECES = 4
"""Pieces of a quote with gaps ("刘备……大喜") that are looked for."""
GAP_LETTERS = 400
"""Letters of text that two pieces of one quote may be apart."""

_GAP = re.compile(r"…+|\.{3,}|。{3,}|·{3,}|\[[^\]]*\]")
_BRACKETS = re.compile(r"[（(][^（）()]*[）)]")
_PARTS = re.compile(r"[\s·•・‧.=＝\-–]+")
_WORD = re.compile(r"[\w'’]+")
_RUN = re.compile(r"[^\W_]+")
# ASCII, Chinese characters, and the marks that stand between them.
_USUAL = re.compile(
    "[\\x00-\\x7f\u2013-\u201d\u2026\u3000-\u3002\u3008-\u3011\u4e00-\u9fff\uff01\uff0c\uff1a\uff1b\uff1f]*"
)
_USUAL_RUN = re.compile("[0-9A-Za-z\u4e00-\u9fff]+")  # _RUN among them, found in two thirds of the time


class _Letters(dict[int, str]):
    """Code point → its letters and digits, folded; found once per character and process."""

    def __missing__(self, code: int) -> str:
        plain = unicodedata.normalize("NFKD", chr(code)).casefold()
        self[code] = found = "".join(fold(c) for c in plain if c.isalnum())
        return found


_LETTERS = _Letters()


def letters(text: str) -> str:
    """The letters and digits of ``text`` in the form in which they are compared."""
    return text.translate(_LETTERS)


class _Letterwise:
    """A text's letters, and where in the text each stands."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._places: list[int] = []
        self.plain = letters(text)

    def place(self, at: int) -> int:
        """Position in the text of the letter at position ``at`` of ``plain``."""
        if not self._places:
            self._places = [i for i, c in enumerate(self._text) for _ in _LETTERS[ord(c)]]
        return self._places[at]


class _Runwise:
    """The same for a text that is its own letters but for case and the marks between: run by run, at a third
    of the time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._run = _USUAL_RUN if _USUAL.fullmatch(text) else _RUN
        self._runs: list[str] = self._run.findall(text)
        self._starts: list[int] = []
        self._ends: list[int] = []  # in plain
        self.plain = "".join(self._runs).casefold()

    def place(self, at: int) -> int:
        """Position in the text of the letter at position ``at`` of ``plain``."""
        if not self._starts:
            self._starts = [run.start() for run in self._run.finditer(self._text)]
            self._ends = list(accumulate(map(len, self._runs)))
        run = bisect_right(self._ends, at)
        return self._starts[run] + at - (self._ends[run - 1] if run else 0)


def _is_plain(text: str) -> bool:
    """Whether each character is one letter, itself but for case, or none."""
    if _USUAL.fullmatch(text):
        return fold(text) is text
    return all(map(_is_own_letter, set(text)))


@cache
def _is_own_letter(character: str) -> bool:
    own = character.casefold() if character.isalnum() else ""
    return len(own) <= 1 and _LETTERS[ord(character)] == own


class ChapterText:
    """A text made ready for looking things up: 0.06 ms for 3,000 characters, then 4 to 10 µs a quote."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._letters = _Runwise(text) if _is_plain(text) else _Letterwise(text)
        self._plain = self._letters.plain
        self._words: frozenset[str] | None = None

    def quote(self, said: str) -> str:
        """What ``said`` is in the text, as one line of at most :data:`EVIDENCE_CHARS`; empty when it doesn't
        stand there. A quote with gaps is found when its pieces follow each other."""
        plain = letters(said)
        if _says_little(plain):
            return ""
        at = self._plain.find(plain)
        if at >= 0:
            return self._standing(at, plain, said, alone=self._plain.find(plain, at + 1) < 0)
        return self._pieces(said)

    def _pieces(self, said: str) -> str:
        pieces = [piece for piece in _GAP.split(said) if letters(piece)]
        if not 2 <= len(pieces) <= MAX_PIECES or any(_says_little(letters(p)) for p in pieces):
            return ""
        first, *rest = plains = [letters(piece) for piece in pieces]
        start = self._plain.find(first)
        while start >= 0:
            places, end = [start], start + len(first)
            for plain in rest:
                at = self._plain.find(plain, end, end + GAP_LETTERS + len(plain))
                if at < 0:
                    break
                places.append(at)
                end = at + len(plain)
            else:
                return clean("……".join(map(self._standing, places, plains, pieces)), EVIDENCE_CHARS)
            start = self._plain.find(first, start + len(first))
        return ""

    def _standing(self, at: int, plain: str, said: str, *, alone: bool = False) -> str:
        """The text's own spelling of the letters from ``at``, with the marks around it that were quoted.
        ``alone``: they stand nowhere else."""
        (lead, before), (tail, after) = _marks(said), _marks(said[::-1])
        if alone and (here := self._text.find(said)) >= 0:  # word for word
            start, end = here + lead, here + len(said) - tail
        else:
            start, end = self._letters.place(at), self._letters.place(at + len(plain) - 1) + 1
        while before and start and _is_mark(self._text[start - 1]):
            start, before = start - 1, before - 1
        while after and end < len(self._text) and _is_mark(self._text[end]):
            end, after = end + 1, after - 1
        return clean(self._text[start:end], EVIDENCE_CHARS)

    def has(self, name: str) -> bool:
        """Whether a name stands in the text: as it is, without a bracketed addition, or word by word
        (a full name of which the text has first and last name apart)."""
        if self._has_letters(name):
            return True
        bare = _BRACKETS.sub("", name)
        if bare != name and self._has_letters(bare):
            return True
        words = [letters(part) for part in _PARTS.split(bare)]
        words = [word for word in words if word]
        return len(words) > 1 and all(map(self._has_word, words))

    def _has_letters(self, form: str) -> bool:
        plain = letters(form)
        return plain != "" and plain in self._plain

    def _has_word(self, word: str) -> bool:
        if not word.isascii():
            return word in self._plain
        if self._words is None:
            self._words = frozenset(letters(found) for found in _WORD.findall(self._text))
        return word in self._words


def _says_little(plain: str) -> bool:
    if len(plain) >= MIN_WEIGHT:
        return False
    return 2 * len(plain) - len(plain.encode("ascii", "ignore")) < MIN_WEIGHT


def _marks(text: str) -> tuple[int, int]:
    """How many characters stand before the first letter, and how many of them are no space."""
    marks = 0
    for place, character in enumerate(text):
        if _LETTERS[ord(character)]:
            return place, marks
        marks += not character.isspace()
    return len(text), marks


def _is_mark(character: str) -> bool:
    return not _LETTERS[ord(character)] and not character.isspace()


# --- a reply ------------------------------------------------------------------------------------------------

_Claim = TypeVar("_Claim", Event, Relation)


def verify(extraction: Extraction, page: ChapterText) -> Extraction:
    """The extraction with each event's and relation's ``evidence`` as it stands in the text.

    One whose quote doesn't stand there, or that has none, is ``unverified`` and of less confidence; what it
    quoted stays in the record.
    """
    return extraction.model_copy(
        update={
            "events": [_verified(event, page) for event in extraction.events],
            "relations": [_verified(relation, page) for relation in extraction.relations],
        }
    )


def _verified(item: _Claim, page: ChapterText) -> _Claim:
    if found := page.quote(item.evidence):
        return item if found == item.evidence else item.model_copy(update={"evidence": found})
    lowered = round(item.confidence * UNVERIFIED_FACTOR, 4)
    return item.model_copy(update={"confidence": lowered, "unverified": True})


def mark_absent(extraction: Extraction, page: ChapterText) -> Extraction:
    """The extraction with ``absent``: people whose name stands nowhere in the text, nor any alias of theirs.

    An alias for everybody (the captain, 老爷) speaks for nobody.
    """
    absent = [name for name, stands in _people(extraction, page) if not stands]
    return extraction.model_copy(update={"absent": absent}) if absent else extraction


def _people(extraction: Extraction, page: ChapterText) -> Iterable[tuple[str, bool]]:
    """Each name of a person and whether it or what speaks for it stands in the text; also names that only a
    relation or event has."""
    stands: dict[str, bool] = {}
    aliases: dict[str, bool] = {}  # alias → whether one of those who have it stands there
    for character in extraction.characters:
        forms = [character.name, *(alias for alias in character.aliases if not is_generic(alias))]
        here = stands[character.name] = stands.get(character.name, False) or any(map(page.has, forms))
        for alias in character.aliases:
            aliases[alias] = aliases.get(alias, False) or here
    lists = (extraction.locations, extraction.organizations, extraction.things, extraction.events)
    others = {item.name for items in lists for item in items}
    ends = [name for relation in extraction.relations for name in (relation.source, relation.target)]
    ends += [name for event in extraction.events for name in event.participants]
    for name in dict.fromkeys(ends):
        if name not in others and name not in stands:
            stands[name] = aliases[name] if name in aliases else page.has(name)
    return stands.items()


def unverified(extraction: Extraction) -> int:
    """How many events and relations have no quote from the text."""
    claims: list[Event | Relation] = [*extraction.events, *extraction.relations]
    return sum(claim.unverified for claim in claims)


def standing(forms: Collection[str], texts: Iterable[str]) -> set[str]:
    """Those of ``forms`` that stand in one of ``texts``; stops reading once all are found."""
    missing, found = set(forms), set[str]()
    for text in texts if missing else ():
        page = ChapterText(text)
        here = {form for form in missing if page.has(form)}
        found |= here
        missing -= here
        if not missing:
            break
    return found
