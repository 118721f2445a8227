"""Relations that an English text states in words, and mentions of couples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from operator import attrgetter

from kgnb.core.model import SYMMETRIC_RELATIONS
from kgnb.extract.en.chapter_persons import ChapterPersons
from kgnb.extract.en.couples import couple_mentions
from kgnb.extract.en.kinship import Statement, statements
from kgnb.extract.en.roles import ADJECTIVES, ROLES
from kgnb.extract.patterns import Mention, PatternMatch, PatternMatcher, RelationPattern

MAX_CONFIDENCE = 0.95
MAX_GAP = 44
"""Most characters between two names of a stated relation."""


def with_implied_mentions(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Return the mentions and those that "Mr. and Mrs. Dale" or "the Dales" imply."""
    forms = {m.form: m.entry for m in mentions if m.entry.kind == "Character"}
    taken = {m.start for m in mentions}
    added = [
        Mention(forms[name], name, start, end)
        for start, end, name in couple_mentions(text, forms.__contains__)
        if start not in taken
    ]
    return sorted([*mentions, *added], key=attrgetter("start")) if added else list(mentions)


# (auxiliary verbs, verbs, type)
_VERBS = (
    ("had |has ", "married|marries|wed|wedded|married to", "SPOUSE"),
    ("was |is |were |got ", "married to|engaged to|betrothed to", "SPOUSE"),
    (
        "had |has |was |is ",
        "loved|loves|adored|adores|fell in love with|falls in love with|in love with",
        "LOVES",
    ),
    ("had |has ", "hated|hates|despised|despises|detested|detests|loathed|loathes", "HATES"),
    ("had |has ", "killed|kills|slew|murdered|attacked|attacks|stabbed|shot|betrayed|struck", "ENEMY"),
    ("had |has ", "fought|fought with|fought against|fights|duelled with", "ENEMY"),
    ("had |has ", "served|serves|obeyed|swore fealty to", "SERVES"),
    ("had |has ", "followed|follows", "FOLLOWS"),
    ("had |has ", "led|leads|commanded|commands", "LEADS"),
)


def _of_patterns() -> Iterator[RelationPattern]:
    """A, the daughter of B; A was a friend to B."""
    nouns = defaultdict(list, {("PARENT_OF", False): ["child"]})  # no role: "my child" is said to anybody
    for noun, role in ROLES.items():
        nouns[role.type, role.inverted].append(noun)
    adjectives = rf"(?:(?:{'|'.join(sorted(ADJECTIVES))}) )*"
    for (kind, inverted), alternatives in nouns.items():
        noun = "|".join(sorted(alternatives, key=len, reverse=True))
        between = rf",? (?:was |is |were |and )?(?:the |a |an )?{adjectives}(?:{noun}) (?:of|to) "
        yield RelationPattern(between, kind, inverted=not inverted)


_PATTERNS = (
    *_of_patterns(),
    *(RelationPattern(rf" (?:{auxiliary})?(?:{verb}) ", kind) for auxiliary, verb, kind in _VERBS),
    RelationPattern(r" (?:and|with) ", "SPOUSE", after=r" (?:were|are|had been|got) (?:married|engaged)"),
)

_MATCHER = PatternMatcher(_PATTERNS)


def stated_relations(text: str, people: Sequence[Mention]) -> list[PatternMatch]:
    """Return the relations between persons that the text states in words."""
    stated = _MATCHER.match(text, people, MAX_GAP) + _married_couples(text, people)
    return stated + _added_up(statements(text, ChapterPersons(text, people)))


def _added_up(found: Iterable[Statement]) -> list[PatternMatch]:
    """One match for all statements of a tie: their weights add up to the odds that it holds."""
    said: dict[tuple[str, str, str], list[Statement]] = defaultdict(list)
    for one in found:
        source, target = (one.bearer, one.possessor) if one.role.inverted else (one.possessor, one.bearer)
        if one.role.type in SYMMETRIC_RELATIONS:
            source, target = sorted((source, target))
        said[source, one.role.type, target].append(one)
    return [_match(*tie, statements_) for tie, statements_ in said.items()]


def _match(source: str, kind: str, target: str, said: Sequence[Statement]) -> PatternMatch:
    best = max(said, key=lambda s: s.weight)
    odds = sum(s.weight for s in said)
    confidence = round(min(MAX_CONFIDENCE, odds / (1 + odds)), 3)
    return PatternMatch(source, kind, target, best.noun, best.start, best.end, confidence)


def _married_couples(text: str, people: Sequence[Mention]) -> list[PatternMatch]:
    """Mr. and Mrs. Dale are married."""
    return [
        PatternMatch(a.entry.name, "SPOUSE", b.entry.name, text[a.start : b.end], a.start, b.end)
        for a, b in pairwise(people)
        if text[a.end : b.start] == " and "
        and b.form.startswith("Mrs")
        and a.end - a.start < len(a.form)
        and a.form.split(" ")[-1] == b.form.split(" ")[-1]
    ]
