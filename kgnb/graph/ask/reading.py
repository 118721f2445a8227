"""Reads an answer out of a book's passages: who or what place stands nearest to the act that is asked about,
and to those whom the question names."""

from __future__ import annotations

import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kgnb.extract.evidence_quote import quote
from kgnb.graph.ask.passages import Search, Window, sentence_ends
from kgnb.graph.ask.question import HAN, Names, Question, kin_says, mentions, names_of, place_before
from kgnb.graph.query import Entity, GraphQuery

READ = 40
"""Number of best passages in which an answer is looked for."""
LEAST_SHARE, LEAST_LEAD = 0.7, 2.5
"""Least share of the question (0-1) that two neighbouring sentences must have, and least ratio of the best
answer's votes to the second's; else no answer is given."""
NEAR_CHARS = {"zh": 30, "en": 120}
"""Characters from the act to the names at which an answer counts half as much as right beside: a clause or
two."""
MOST_NEAR = 3
"""Most of these lengths between act and names: answers farther away are ignored."""


@dataclass(frozen=True, slots=True)
class Found:
    """An answer found in the text: an entity (None where the chapter is the answer), the chapter's number,
    and the quote.
    """

    entity: Entity | None
    chapter: int
    quote: str


def read_out(question: Question, search: Search, query: GraphQuery) -> Found | None:
    """Return the answer that passages of the book state; None where the text gives no clear answer.

    Only for questions with an entity, further words, and a wanted kind ("Character", "Location", "chapter"),
    and without a kinship word for a man or a woman. The answer is the entity of the wanted kind that stands
    nearest to act and names in the windows that fit, or the best window's chapter.
    """
    says = kin_says(question.lang)
    if any(re.search(says[key], question.kin_word, re.IGNORECASE) for key in ("man", "woman", "both")):
        return None  # a person near a kinship word often isn't the relative
    if not (question.wanted and question.entities and question.asked.strip()):
        return None
    windows = [w for w in search.windows(search.best(READ)) if w.names_all and w.share >= LEAST_SHARE]
    if not windows:
        return None
    if question.wanted == "chapter":
        one = windows[0]
        return Found(None, one.passage.chapter, _quote(one, 0, len(one.text)))
    return _nearest(question, search, windows, names_of(query))


def _nearest(question: Question, search: Search, windows: Sequence[Window], names: Names) -> Found | None:
    """Return the entity of the wanted kind with most votes over all windows; None where the lead is too
    small.
    """
    votes: defaultdict[Entity, float] = defaultdict(float)
    best: dict[Entity, tuple[float, Found]] = {}
    given = {p: with_given(names, p.text) for p in {w.passage for w in windows}}
    for window in windows:
        own: dict[Entity, float] = {}
        for entity, start, end in _told(question, search, window, given[window.passage]):
            if end - start > MOST_NEAR * NEAR_CHARS[question.lang]:
                continue
            near = window.share**2 / (1 + (end - start) / NEAR_CHARS[question.lang])
            own[entity] = max(own.get(entity, 0.0), near)
            if near > best.get(entity, (0.0, None))[0]:
                best[entity] = near, Found(entity, window.passage.chapter, _quote(window, start, end))
        for entity, near in own.items():
            votes[entity] += near
    ranked = sorted(votes, key=lambda entity: (-votes[entity], entity.name))
    if len(ranked) < 2 or votes[ranked[0]] < LEAST_LEAD * votes[ranked[1]]:
        return None  # with nobody else near, one sentence says little
    return best[ranked[0]][1]


def _told(
    question: Question, search: Search, window: Window, names: Names
) -> Iterator[tuple[Entity, int, int]]:
    """Yield (entity, start, end) for each entity of the wanted kind in a window.

    Start and end bound the shortest part of the window's text with the entity, an act of the question in the
    same sentence, and all entities of the question.
    """
    text = window.text.lower()
    acts = [m.span() for t in search.acts for m in t.pattern.finditer(text)]
    asked = [
        [m.span() for t in search.terms if place in t.places for m in t.pattern.finditer(text)]
        for place in {p for t in search.terms for p in t.places if p < 0}
    ]
    told = list(mentions(window.text, names))
    ends = sentence_ends(window.text)
    for start, end, entity in told:
        if entity.kind != question.wanted or entity in question.entities:
            continue
        if question.wanted == "Location" and not place_before(window.text[:start], question.lang):
            continue
        strangers = [
            (a, b)
            for a, b, one in told
            if one.kind == "Character" != question.wanted and one not in question.entities
        ]
        for at in acts:
            if bisect(ends, at[0]) != bisect(ends, start):
                continue  # of another sentence
            spans = [min(of, key=lambda s: _away(s, at)) for of in asked if of]
            own = min((_away(s, at) for s in spans), default=0)
            if any(_away(s, at) < own for s in strangers):
                continue  # whoever stands nearest to an act has part in it
            spans += [(start, end), at]
            yield entity, min(a for a, _ in spans), max(b for _, b in spans)


def _away(one: tuple[int, int], other: tuple[int, int]) -> int:
    """Return the number of characters between two (start, end) parts of a text; 0 where they overlap."""
    return max(one[0] - other[1], other[0] - one[1], 0)


def with_given(names: Names, text: str) -> Names:
    """Return ``names`` plus one-character given names of the characters that ``text`` names in full: 布 for
    吕布.

    Added where the character occurs more often than the full name, and only one such person has that name.
    """
    found: defaultdict[str, set[Entity]] = defaultdict(set)
    for entity in {one for _, _, one in mentions(text, names) if one.kind == "Character"}:
        given = entity.name[1:]
        if len(given) == 1 and HAN.match(given) and text.count(given) > text.count(entity.name):
            found[given].add(entity)
    given_names = {given: own.pop() for given, own in found.items() if len(own) == 1}
    return {**names, **{form: {form: one, **names.get(form, {})} for form, one in given_names.items()}}


def _quote(window: Window, start: int, end: int) -> str:
    """Return the sentences around a part of a window, as a quote of evidence length."""
    return quote(window.text, sentence_ends(window.text), [(start, max(end, start + 1))])
