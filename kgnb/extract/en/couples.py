"""Couples in an English text: "Mr. and Mrs. Dale", "the Dales" mean husband and wife."""

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
"""Characters between a woman's name and "her husband" that may mean hers."""
LONGEST_TITLE = 12
"""Characters before "and Mrs." in which a title is looked for."""
_SENTENCE_ENDS = frozenset('.!?"\n')
_FAMILY = re.compile(r"he (?<=\b[Tt]he )([A-Z][a-zà-ÿ]+s)\b(?! [A-Z])")
_COUPLES = [
    ([form for t in sorted(his) for form in (t.capitalize(), t.capitalize() + ".")], hers)
    for his, hers in ((_TITLES - _PEERS, ["Mrs", "Mrs."]), (_PEERS, ["Lady"]))
]


def couple_mentions(text: str, is_known: Callable[[str], bool]) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, name) of each person whom a couple's words mean without the name itself, unordered.

    ``is_known``: whether the book has this name. "The Dales" counts only where it has husband and wife.
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
    """Yield (offset, name) of each woman named before "her husband" in a sentence, or whose it is.

    ``mentions``: offset and name, in order.
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
    """The names of husband and wife; empty unless the book has both."""
    for surname in (plural[:-1], plural.removesuffix("es")):
        for his, hers in _COUPLES:
            couple = [_first_known(titles, surname, is_known) for titles in (his, hers)]
            if all(couple):
                return couple
    return []


def _first_known(titles: Iterable[str], surname: str, is_known: Callable[[str], bool]) -> str:
    return next((n for t in titles if is_known(n := f"{t} {surname}")), "")


def husbands(wife: str) -> list[str]:
    """Return the names that a wife's gives her husband (Mrs. Edwin, Mrs. Edwin Dale, Lady Edwin)."""
    title, _, rest = wife.partition(" ")
    titled = [f"{his} {rest}" for of, hers in _COUPLES if title in hers for his in of]
    if title == "Lady":
        return titled
    named = " " in rest or rest.lower() in words.MALE_NAMES
    return [rest, *titled] if titled and named else []
