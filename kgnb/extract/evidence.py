"""Verifies quotes and names of a reply against the text that the request contained.

Only letters and digits are compared: white space, punctuation, case, accents, full or half width and the two
Chinese scripts make no difference. A quote that is found is replaced by the text's own wording.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cached_property
from itertools import compress, takewhile
from typing import TypeVar

from kgnb.core.safe_text import clean
from kgnb.extract.evidence_quote import shortened
from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import Event, Extraction, Relation
from kgnb.extract.word_search import WordSearch
from kgnb.extract.zh.script import fold

UNVERIFIED_FACTOR = 0.5
"""Factor on the confidence of an event or relation whose quote is not in the text: it then counts as much as
a name that a reply only mentions (the projection's ``IMPLIED``)."""
QUOTED_CHARS = 2_000
"""Most characters of a quote that are read before it is shortened; the prompt asks for 30 (zh) or for 15
words (en)."""
MIN_WEIGHT = 4
"""Least weight of a meaningful quote: ASCII letters count 1, others 2 (so two Chinese characters)."""
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
    """Return the letters and digits of ``text`` in the form in which they are compared.

    "Héllo, Wörld! 劉備" → "helloworld刘备".
    """
    return text.translate(_LETTERS)


class ChapterText:
    """A text in which quotes and names are looked up; indexed at the first look-up that needs it."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _letters(self) -> str:  # a reply that only copies from the text needs none of them
        """The text's :func:`letters`."""
        return letters(self._text)

    @cached_property
    def _offsets(self) -> list[int]:
        """Offset in the text of each letter of ``_letters``."""
        found = [_LETTERS[code] for code in map(ord, self._text)]
        offsets = list(compress(range(len(found)), found))
        if len(offsets) == len(self._letters):  # no character has several letters
            return offsets
        return [at for at, folded in enumerate(found) for _ in folded]

    def find_quote(self, quote: str, needed: Iterable[str] = ()) -> str:
        """Return the text's own wording of ``quote``, one line of at most about evidence_quote.EVIDENCE_CHARS
        (160) characters, of a longer one the clauses with the words ``needed``; "" if it does not occur.

        In "He said: “Come, Tom!” 何恭大喜。": "come tom" → "Come, Tom"; "He said … 大喜" → "He said……大喜",
        as pieces around an ellipsis must follow each other; "何", too short → "".
        """
        wanted = letters(quote)
        if _is_too_short(wanted):
            return ""
        if quote in self._text:
            return shortened(clean(quote, QUOTED_CHARS), needed)
        at = self._letters.find(wanted)
        return shortened(self._wording(at, wanted, quote) if at >= 0 else self._find_pieces(quote), needed)

    def _find_pieces(self, quote: str) -> str:
        """Return the text's wording of a quote with ellipses, pieces joined by ……; "" unless all pieces occur
        in their order, each near the last.
        """
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
                return "……".join(map(self._wording, places, wanted, pieces))
            start = self._letters.find(first, start + len(first))
        return ""

    def _wording(self, at: int, wanted: str, quote: str) -> str:
        """Return the text's wording of the letters from index ``at``, with as many punctuation marks around
        as ``quote`` has."""
        before, after = _leading_marks(quote), _leading_marks(quote[::-1])
        start, end = self._offsets[at], self._offsets[at + len(wanted) - 1] + 1
        while before and start and _is_mark(self._text[start - 1]):
            start, before = start - 1, before - 1
        while after and end < len(self._text) and _is_mark(self._text[end]):
            end, after = end + 1, after - 1
        return clean(self._text[start:end], QUOTED_CHARS)

    def has_name(self, name: str) -> bool:
        """Return whether a name occurs: as it is, without a remark in brackets, or each of its words by
        itself.

        In "Come, Tom! 何恭大喜。": "Tom", "Tom Come", "何恭（太守）" → True; "Ann" → False.
        """
        if self._has_letters(name):
            return True
        bare = _BRACKETS.sub("", name)
        if bare != name and self._has_letters(bare):
            return True
        words = [word for part in _PARTS.split(bare) if (word := letters(part))]
        return len(words) > 1 and all(w in (self._words if w.isascii() else self._letters) for w in words)

    def _has_letters(self, form: str) -> bool:
        """Return whether a form occurs, as it is or by its letters; False for a form without letters."""
        wanted = letters(form)
        return wanted != "" and (form in self._text or wanted in self._letters)

    @cached_property
    def _words(self) -> frozenset[str]:
        """The words of the text, each by its letters."""
        return frozenset(map(letters, _WORD.findall(self._text)))


def _is_too_short(wanted: str) -> bool:
    """Return whether letters are too few to prove anything: below :data:`MIN_WEIGHT`, a Chinese character
    counting twice.
    """
    if len(wanted) >= MIN_WEIGHT:
        return False
    return 2 * len(wanted) - len(wanted.encode("ascii", "ignore")) < MIN_WEIGHT


def _leading_marks(text: str) -> int:
    """Return the number of characters before the first letter or digit, without spaces."""
    before = takewhile(lambda character: not _LETTERS[ord(character)], text)
    return sum(not character.isspace() for character in before)


def _is_mark(character: str) -> bool:
    """Return whether a character is neither letter, digit nor white space."""
    return not _LETTERS[ord(character)] and not character.isspace()


# --- a reply ------------------------------------------------------------------------------------------------

_Claim = TypeVar("_Claim", Event, Relation)


def verify(extraction: Extraction, chapter: ChapterText) -> Extraction:
    """Return the extraction with the ``evidence`` of each event and relation in the text's own wording.

    An event or relation whose quote is missing or does not occur gets ``unverified`` True and half the
    confidence, and keeps the quote. In "Tom met Ann.": "tom met ann" → "Tom met Ann"; "tom hit ann" →
    unverified.
    """
    return extraction.model_copy(
        update={
            "events": [_verified(event, chapter) for event in extraction.events],
            "relations": [_verified(relation, chapter) for relation in extraction.relations],
        }
    )


def _verified(item: _Claim, chapter: ChapterText) -> _Claim:
    """Return the event or relation with its quote in the text's wording, or with ``unverified`` and less
    confidence.
    """
    ends = (item.source, item.target) if isinstance(item, Relation) else item.participants
    if found := chapter.find_quote(item.evidence, ends):
        return item if found == item.evidence else item.model_copy(update={"evidence": found})
    lowered = round(item.confidence * UNVERIFIED_FACTOR, 4)
    return item.model_copy(update={"confidence": lowered, "unverified": True})


def mark_absent(extraction: Extraction, chapter: ChapterText, narrator: str = "") -> Extraction:
    """Return the extraction with ``absent``: names of its people of whom neither name nor alias occurs in the
    text.

    Names that only relations or events have count as people. Generic aliases (老爷) do not show a person. The
    people Tom and Zed, in "Tom met Ann." → ["Zed"]. ``narrator``: name of the chapter's narrator, never
    absent; "" for none.
    """
    occurs: dict[str, bool] = {}
    aliases: dict[str, bool] = {}  # alias → whether a bearer of it occurs
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
    """Return the number of events and relations that are ``unverified``."""
    claims: list[Event | Relation] = [*extraction.events, *extraction.relations]
    return sum(claim.unverified for claim in claims)


def count_names(names: Collection[str], texts: Iterable[tuple[int, str]]) -> dict[int, Counter[str]]:
    """Return number of a text → its names → how often each stands there, not within a longer one.

    {"Tom", "Tom Dale"} in [(1, "Tom Dale and Tom sat. Tommy stood.")] → {1: {"Tom Dale": 1, "Tom": 1}}.
    """
    search = WordSearch(names)

    def is_whole(text: str, at: int, name: str) -> bool:
        around = text[at - 1 : at] + text[at + len(name) : at + len(name) + 1]
        return not (name.isascii() and any(char.isalnum() for char in around))

    return {
        number: Counter(name for at, name in search.longest_in(text) if is_whole(text, at, name))
        for number, text in texts
    }


def names_in_texts(names: Collection[str], texts: Iterable[str]) -> set[str]:
    """Return the set of ``names`` that occur in at least one of ``texts``; reading ends once all are found.

    {"Tom", "Ann"} in ["Tom sat.", "He sat."] → {"Tom"}.
    """
    missing, found = set(names), set[str]()
    for text in texts if missing else ():
        chapter = ChapterText(text)
        here = {name for name in missing if chapter.has_name(name)}
        found |= here
        missing -= here
        if not missing:
            break
    return found
