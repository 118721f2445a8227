"""Couples in an English text: "Mr. and Mrs. Dale" and "the Dales" mention husband and wife."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence

from kgnb.extract.en import vocabulary as words

_PEERS = frozenset(("sir", "lord"))
_TITLES = _PEERS | {"mr", "dr", "rev"} | (words.RANKS & words.NEUTRAL)
_HIS = "|".join(sorted(_TITLES))
_AND_MRS = re.compile(r" and (?:Mrs|Lady)\.? (?=([A-Z][a-zà-ÿ'-]+))")
_TITLE = re.compile(rf"\b(?i:{_HIS})\.?$")
_HUSBAND = re.compile(r"husband(?<=\bher husband)\b|husband(?<='s husband)\b")
WITHIN_CLAUSE = 90
"""Most characters between a woman's name and "her husband" or "'s husband"."""
LONGEST_TITLE = 12
"""Characters before "and Mrs." in which a man's title is looked for."""
_SENTENCE_ENDS = frozenset('.!?"\n')
_FAMILY = re.compile(r"he (?<=\b[Tt]he )([A-Z][a-zà-ÿ]+s)\b(?! [A-Z])")
_COUPLES = [
    ([form for t in sorted(his) for form in (t.capitalize(), t.capitalize() + ".")], hers)
    for his, hers in ((_TITLES - _PEERS, ["Mrs", "Mrs."]), (_PEERS, ["Lady"]))
]


def couple_mentions(text: str, is_known: Callable[[str], bool]) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, name) for each person that words for a couple mention without the full name; in no
    order.

    "Mr. and Mrs. Dale came; the Dales sat." → (0, 3, "Mr. Dale"), (28, 33, "Mr. Dale"), (28, 33, "Mrs.
    Dale"). "The Dales" yields nothing unless both names are known.

    ``is_known``: function from a name to whether the book has this name.
    """
    for match in _AND_MRS.finditer(text):
        end = match.start()
        title = _TITLE.search(text, max(0, end - LONGEST_TITLE), end)
        if title and is_known(name := f"{title[0]} {match[1]}"):
            yield title.start(), end, name
    for match in _FAMILY.finditer(text):
        couple = _couple(match[1], is_known)
        yield from ((match.start(1), match.end(1), name) for name in couple)


def told_wives(
    text: str, mentions: Sequence[tuple[int, str]], is_woman: Callable[[str], bool]
) -> Iterator[tuple[int, str]]:
    """Yield (offset, name) of the nearest woman named before each "her husband" or "'s husband" in the same
    sentence.

    "Anne met her husband." and "Anne's husband sat." → (0, "Anne"); "Anne sat. Her husband rose." → nothing,
    because the sentence ends between the two.

    ``mentions``: (offset, name) in the order of the text; ``is_woman``: function from a name to whether it is
    a woman's.
    """
    for match in _HUSBAND.finditer(text):
        at = match.start()
        for start, name in reversed(mentions[max(0, (k := bisect_left(mentions, (at, ""))) - 4) : k]):
            between = text[start + len(name) : at]
            if len(between) > WITHIN_CLAUSE or not _SENTENCE_ENDS.isdisjoint(between):
                break
            if is_woman(name):
                yield start, name
                break


def _couple(plural: str, is_known: Callable[[str], bool]) -> list[str]:
    """Return the husband's and the wife's name for a family's plural ("Dales"); [] unless ``is_known`` knows
    both."""
    for surname in (plural[:-1], plural.removesuffix("es")):
        for his, hers in _COUPLES:
            couple = [_first_known(titles, surname, is_known) for titles in (his, hers)]
            if all(couple):
                return couple
    return []


def _first_known(titles: Iterable[str], surname: str, is_known: Callable[[str], bool]) -> str:
    """Return "TITLE SURNAME" for the first title that gives a known name; "" for none."""
    return next((n for t in titles if is_known(n := f"{t} {surname}")), "")


def husbands(wife: str) -> list[str]:
    """Return all names that a husband may have if his wife bears the name ``wife``; [] if the name is not
    his.

    "Mrs. Edwin Dale" → "Edwin Dale" and the same behind each man's title ("Mr. Edwin Dale", "Captain Edwin
    Dale", …); "Lady Edwin" → "Lord Edwin", "Sir Edwin" (each also with a full stop behind the title); "Mrs.
    Dale" → [].
    """
    title, _, rest = wife.partition(" ")
    titled = [f"{his} {rest}" for of, hers in _COUPLES if title in hers for his in of]
    if title == "Lady":
        return titled
    named = " " in rest or rest.lower() in words.MALE_NAMES
    return [rest, *titled] if titled and named else []
