"""Ranks without a name: "the general" is the only General of an English book or chapter."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.candidates import usual_title
from kgnb.extract.en.persons import split_name

DOMINANT = 2.5
"""Least ratio of a person's occurrences to those of all other bearers of the rank together, if the rank alone
means this person."""

_ADJECTIVES = frozenset(("general", "major"))
_NOUNS = "|".join(sorted(words.RANKS - _ADJECTIVES))
_AUXILIARY = "was|is|had|has|did|does|would|could|should|must|might|may|will|can|and|in|to|at|with|on|for"
_RANK = re.compile(
    rf"he (?<=\b[Tt]he )(?:({_NOUNS})\b(?! (?:[A-Z]|of\b|who\b|that\b))"
    rf"|({'|'.join(sorted(_ADJECTIVES))})(?=[^\w -]| (?:{_AUXILIARY}|{words.SPEECH_VERB})\b))"
)


def dominant_bearer(counts: Mapping[str, int]) -> str:
    """Return the name in ``counts`` (name → occurrences) with at least :data:`DOMINANT` (2.5) times the
    occurrences of all other names together; "" if no name has.

    ``{"Dale": 5, "Moss": 2}`` → "Dale"; ``{"Dale": 4, "Moss": 2}`` → ""; ``{}`` → "".
    """
    best = max(counts, key=lambda who: counts[who], default="")
    others = sum(counts.values()) - counts.get(best, 0)
    return best if best and counts[best] >= DOMINANT * others else ""


def rank_mentions(
    text: str, counts: Mapping[str, int], person: Callable[[str], str] = str
) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, name) for each rank behind "the" or "The" in ``text`` that means one person of the
    book.

    ``start`` and ``end`` are the offsets of the rank alone; ``name`` is a name of the person that contains
    the rank. "Admiral Dale came. The admiral sat." → (23, 30, "Admiral Dale"). Nothing is yielded for a rank
    without a dominant bearer (see :func:`dominant_bearer`).

    ``counts``: name → occurrences; ``person``: function from a name to a key of the person who bears the
    name.
    """
    bearers: dict[str, Counter[str]] = {}
    named: dict[tuple[str, str], str] = {}
    for name, count in counts.items():
        parts = split_name(name)
        for title in parts.titles if parts.rest else ():
            who = person(name)
            bearers.setdefault(title, Counter())[who] += count
            named.setdefault((title, who), name)
    for match in _RANK.finditer(text) if bearers else ():
        rank = match[1] or match[2]
        title = usual_title(rank)
        if who := dominant_bearer(bearers.get(title, {})):
            yield match.end() - len(rank), match.end(), named[title, who]
