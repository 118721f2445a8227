"""The relatives of a person that a kinship word means: by a tie of the graph, or over other relatives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kgnb.core.labels import Lang
from kgnb.graph.ask.question import kin_says, kin_words
from kgnb.graph.model import GraphEdge, group_of
from kgnb.graph.query import Entity, GraphQuery

_SEXES, _AGES = ("man", "woman"), ("elder", "younger")
_OPPOSITE = {"elder": "younger", "younger": "elder", "man": "woman", "woman": "man"}

_CHAIN = re.compile("的|['’]s? ")

Steps = tuple[GraphEdge, ...]
"""The ties between a person and a relative: one, or those over the relatives between."""


@dataclass(frozen=True, slots=True)
class Relatives:
    """Relatives of one degree with the ties to them: ``sure`` fit the kinship word, ``unsure`` may fit, as
    their sex or age isn't stated.
    """

    sure: dict[Entity, Steps] = field(default_factory=dict)
    unsure: dict[Entity, Steps] = field(default_factory=dict)


def relatives(one: Entity, word: str, query: GraphQuery, lang: Lang) -> Relatives:
    """Return the relatives of ``one`` that a kinship word of the language means, closest first.

    "uncle" gives whom a quote calls so, and the brothers of the parents; "husband's brother" and 哥哥的妻子
    are followed word by word.
    """
    chain = _CHAIN.split(word.lower())
    others = kin_words(lang)[word.lower()].by.split("|") if len(chain) == 1 else []
    ways = [chain, *(way.split() for way in others if way)]
    found = Relatives()
    for way in ways:
        reached: list[tuple[Entity, Steps, bool]] = [(one, (), True)]
        for step in way:
            reached = [
                (other, (*steps, edge), sure and fits)
                for near, steps, sure in reached
                for other, edge, fits in _tied(near, step, query, lang)
            ]
        for other, steps, sure in reached:
            if other != one:
                (found.sure if sure else found.unsure).setdefault(other, steps)
    for other in found.sure:
        found.unsure.pop(other, None)
    return found


def _tied(one: Entity, word: str, query: GraphQuery, lang: Lang) -> Iterator[tuple[Entity, GraphEdge, bool]]:
    """Yield (relative, tie, whether it is sure) for ties of the word's type that don't speak against it."""
    kin = kin_words(lang)[word.lower()]
    for near in query.neighbours(one.ref):
        for edge in near.edges:
            toward = kin.from_relative is None or (edge.target == one.ref) == kin.from_relative
            if near.entity.kind == "Character" and edge.type == kin.type and toward:
                fits = _fits(word, edge, one, near.entity, query, lang)
                if fits is not False:
                    yield near.entity, edge, fits is True


def _fits(
    word: str, edge: GraphEdge, one: Entity, other: Entity, query: GraphQuery, lang: Lang
) -> bool | None:
    """Return whether ``other`` fits the kinship word about ``one``: True, False, or None for unknown.

    For "mother" a relative with a man's title is False, one of unknown sex None; a word for both sexes, or a
    spouse of unknown sex, is True. For the type FAMILY: whether the word stands in the tie's quote or means
    any relative.
    """
    says = kin_says(lang)
    if edge.type == "FAMILY":  # an uncle is no aunt, a relative may be both
        return word in says["any_kin"].split() or word in edge.text("evidence")
    wanted = _said(word, _OPPOSITE, says)
    if re.search(says["both"], word, re.IGNORECASE) or not wanted:
        return True
    known = _ages(one, other, edge.text("evidence"), lang) | sexes(other, query, lang)
    child = edge.type == "PARENT_OF" and edge.target == one.ref and lang == "zh"
    if child and not known and other.name[:1] == one.name[:1]:  # children have their father's surname
        known = {"man"}
    if known & {_OPPOSITE[k] for k in wanted}:
        return False
    return True if wanted <= known or edge.type == "SPOUSE" else None


def sexes(one: Entity, query: GraphQuery, lang: Lang, by_spouse: bool = True) -> set[str]:
    """Return {"man"} or {"woman"} where titles, or kinship words before the name in quotes, say so of a
    character, or (``by_spouse``) the opposite of its spouses; else an empty set.
    """
    says, forms = kin_says(lang), (one.name, *one.aliases)
    known = {sex for sex in _SEXES if any(re.search(says[f"titles_{sex}"], form) for form in forms)}
    family = [
        (near.entity, edge)
        for near in query.neighbours(one.ref)
        for edge in near.edges
        if group_of(edge.type) == "family"
    ]
    for near, edge in family:
        before = _word_before(forms, _without_names(near, edge.text("evidence")))
        known |= _said(before, _SEXES, says)
    if not known and by_spouse:
        spouses = (near for near, edge in family if edge.type == "SPOUSE")
        known = {_OPPOSITE[sex] for near in spouses for sex in sexes(near, query, lang, by_spouse=False)}
    return known if len(known) == 1 else set()


def _ages(one: Entity, other: Entity, quote: str, lang: Lang) -> set[str]:
    """Return which of "elder" and "younger" the quote of their tie says of ``other``."""
    says = kin_says(lang)
    own, theirs = (
        _word_before((who.name, *who.aliases), _without_names(near, quote))
        for who, near in ((other, one), (one, other))
    )
    return _said(own, _AGES, says) | {_OPPOSITE[key] for key in _said(theirs, _AGES, says)}


def _said(word: str, of: Iterable[str], says: Mapping[str, str]) -> set[str]:
    """Return which of "man", "woman", "elder", "younger" the kinship word says; none for ""."""
    return {key for key in of if word and re.search(says[key], word, re.IGNORECASE)}


def _without_names(one: Entity, quote: str) -> str:
    """Return the quote with a dash for each name, which may end with a kinship word: 顾三娘."""
    for name in sorted((one.name, *one.aliases), key=len, reverse=True):
        quote = quote.replace(name, "—")
    return quote


def _word_before(names: tuple[str, ...], quote: str) -> str:
    """Return the last two Chinese characters, or three words, before the first of the names found in the
    quote.

    权母 before 吴太夫人; *her elder sister* before *Jane*; "" where no name is in the quote.
    """
    for name in sorted(names, key=len, reverse=True):
        if (at := quote.find(name)) >= 0:
            before = quote[:at].rstrip(" ,，")
            return before[-2:] if not name.isascii() else " ".join(before.split()[-3:])
    return ""
