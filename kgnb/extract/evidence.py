"""Verify a reply's quotes and names against the text it was asked about.

Only letters and digits are compared: white space, punctuation, case, accents, full or half width and the two
Chinese scripts make no difference. A quote that is found is replaced by the text's own wording.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from functools import cached_property
from itertools import compress, takewhile
from typing import TypeVar

from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import Event, Extraction, Relation, clean
from kgnb.extract.quotation import shortened
from kgnb.extract.zh.script import fold

UNVERIFIED_FACTOR = 0.5
"""Factor on the confidence of an event or relation whose quote is not in the text: an unsupported claim
counts as much as a name that a reply only mentions (the projection's ``IMPLIED``)."""
QUOTED_CHARS = 2_000
"""Most characters of a quote that are looked at before it is shortened; the prompt asks for 30 (zh) or for 15
words (en)."""
MIN_WEIGHT = 4
"""Shortest meaningful quote: letters, those beyond ASCII counted twice (so two Chinese characters)."""
MAX_PIECES = 4
"""Most pieces of a quote with ellipses ("何恭……大喜")."""
GAP_LETTERS = 400
"""Most letters of text between two pieces of one quote."""

_GAP = re.compile(r"…+|\.{3,}|。{3,}|·{3,}|\[[^\]]*\]")
_BRACKETS = re.compile(r"[（(][^（）()]*[）)]")
_PARTS = re.compile(r"[\s·•・‧.=＝\-–]+")
_WORD = re.compile(r"[\w'’]+")


class _LetterTable(dict[int, str]):
    """Code point → its letters and digits, folded; computed once per character and process."""

    def __missing__(self, code: int) -> str:
        decomposed = unicodedata.normalize("NFKD", chr(code)).casefold()
        self[code] = found = "".join(fold(c) for c in decomposed if c.isalnum())
        return found


_LETTERS = _LetterTable()


def letters(text: str) -> str:
    """Return the letters and digits of ``text`` in the form in which they are compared."""
    return text.translate(_LETTERS)


class ChapterText:
    """A text indexed for look-ups."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _letters(self) -> str:  # a reply that only copies from the text needs none of them
        return letters(self._text)

    @cached_property
    def _offsets(self) -> list[int]:
        """Of each letter, its offset in the text."""
        found = [_LETTERS[code] for code in map(ord, self._text)]
        offsets = list(compress(range(len(found)), found))
        if len(offsets) == len(self._letters):  # no character has several letters
            return offsets
        return [at for at, folded in enumerate(found) for _ in folded]

    def find_quote(self, quote: str) -> str:
        """Return the text's own wording of ``quote``, one line, shortened to quotation.EVIDENCE_CHARS.

        Empty if it does not occur. A quote with ellipses occurs if its pieces follow each other.
        """
        wanted = letters(quote)
        if _is_too_short(wanted):
            return ""
        if quote in self._text:
            return shortened(clean(quote, QUOTED_CHARS))
        at = self._letters.find(wanted)
        return self._wording(at, wanted, quote) if at >= 0 else self._find_pieces(quote)

    def _find_pieces(self, quote: str) -> str:
        pieces = [piece for piece in _GAP.split(quote) if letters(piece)]
        if not 2 <= len(pieces) <= MAX_PIECES or any(_is_too_short(letters(p)) for p in pieces):
            return ""
        first, *rest = wanted = [letters(piece) for piece in pieces]
        start = self._letters.find(first)
        while start >= 0:
            places, end = [start], start + len(first)
            for piece in rest:
                at = self._letters.find(piece, end, end + GAP_LETTERS + len(piece))
                if at < 0:
                    break
                places.append(at)
                end = at + len(piece)
            else:
                return shortened("……".join(map(self._wording, places, wanted, pieces)))
            start = self._letters.find(first, start + len(first))
        return ""

    def _wording(self, at: int, wanted: str, quote: str) -> str:
        """The text's wording of the letters from index ``at``, with as many marks around as in ``quote``."""
        before, after = _leading_marks(quote), _leading_marks(quote[::-1])
        start, end = self._offsets[at], self._offsets[at + len(wanted) - 1] + 1
        while before and start and _is_mark(self._text[start - 1]):
            start, before = start - 1, before - 1
        while after and end < len(self._text) and _is_mark(self._text[end]):
            end, after = end + 1, after - 1
        return shortened(clean(self._text[start:end], QUOTED_CHARS))

    def has_name(self, name: str) -> bool:
        """Return whether a name occurs: as it is, without a bracketed addition, or word by word
        (a full name whose first and last name occur separately)."""
        if self._has_letters(name):
            return True
        bare = _BRACKETS.sub("", name)
        if bare != name and self._has_letters(bare):
            return True
        words = [word for part in _PARTS.split(bare) if (word := letters(part))]
        return len(words) > 1 and all(w in (self._words if w.isascii() else self._letters) for w in words)

    def _has_letters(self, form: str) -> bool:
        wanted = letters(form)
        return wanted != "" and (form in self._text or wanted in self._letters)

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(map(letters, _WORD.findall(self._text)))


def _is_too_short(wanted: str) -> bool:
    if len(wanted) >= MIN_WEIGHT:
        return False
    return 2 * len(wanted) - len(wanted.encode("ascii", "ignore")) < MIN_WEIGHT


def _leading_marks(text: str) -> int:
    """Number of characters before the first letter, without spaces."""
    before = takewhile(lambda character: not _LETTERS[ord(character)], text)
    return sum(not character.isspace() for character in before)


def _is_mark(character: str) -> bool:
    return not _LETTERS[ord(character)] and not character.isspace()


# --- a reply ------------------------------------------------------------------------------------------------

_Claim = TypeVar("_Claim", Event, Relation)


def verify(extraction: Extraction, chapter: ChapterText) -> Extraction:
    """Return the extraction with each event's and relation's ``evidence`` in the text's own wording.

    One whose quote is missing or does not occur becomes ``unverified``, of lower confidence; the quote stays
    in the record.
    """
    return extraction.model_copy(
        update={
            "events": [_verified(event, chapter) for event in extraction.events],
            "relations": [_verified(relation, chapter) for relation in extraction.relations],
        }
    )


def _verified(item: _Claim, chapter: ChapterText) -> _Claim:
    if found := chapter.find_quote(item.evidence):
        return item if found == item.evidence else item.model_copy(update={"evidence": found})
    lowered = round(item.confidence * UNVERIFIED_FACTOR, 4)
    return item.model_copy(update={"confidence": lowered, "unverified": True})


def mark_absent(extraction: Extraction, chapter: ChapterText, narrator: str = "") -> Extraction:
    """Return the extraction with ``absent``: people of whom neither the name nor an alias occurs in the text.

    People are also those whom only a relation or event names. Generic aliases (老爷) do not count.
    ``narrator``: the name of who tells the chapter, so that he is there.
    """
    occurs: dict[str, bool] = {}
    aliases: dict[str, bool] = {}  # alias → whether one of its bearers occurs
    for character in extraction.characters:
        forms = [character.name, *(alias for alias in character.aliases if not is_generic(alias))]
        here = occurs[character.name] = occurs.get(character.name, False) or any(map(chapter.has_name, forms))
        for alias in character.aliases:
            aliases[alias] = aliases.get(alias, False) or here
    lists = (extraction.locations, extraction.organizations, extraction.things, extraction.events)
    others = {item.name for items in lists for item in items}
    for name in dict.fromkeys(extraction.referenced_names()):
        if name not in others and name not in occurs:
            occurs[name] = aliases[name] if name in aliases else chapter.has_name(name)
    absent = [name for name, here in occurs.items() if not here and name != narrator]
    return extraction.model_copy(update={"absent": absent}) if absent else extraction


def count_unverified(extraction: Extraction) -> int:
    """Return how many events and relations are ``unverified``."""
    claims: list[Event | Relation] = [*extraction.events, *extraction.relations]
    return sum(claim.unverified for claim in claims)


def names_in_texts(names: Collection[str], texts: Iterable[str]) -> set[str]:
    """Return the names that occur in one of ``texts``; stop reading once all are found."""
    missing, found = set(names), set[str]()
    for text in texts if missing else ():
        chapter = ChapterText(text)
        here = {name for name in missing if chapter.has_name(name)}
        found |= here
        missing -= here
        if not missing:
            break
    return found
