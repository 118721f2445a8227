"""Relations that an English text states in words, and mentions of couples."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter

from kgnb.extract.en.couples import couple_mentions
from kgnb.extract.patterns import Mention, PatternMatch, PatternMatcher, RelationPattern

MAX_GAP = 44
"""Most characters between two names of a stated relation."""


def with_implied_mentions(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Return the mentions and those that "Mr. and Mrs. Gardiner" or "the Gardiners" imply."""
    forms = {m.form: m.entry for m in mentions if m.entry.kind == "Character"}
    taken = {m.start for m in mentions}
    added = [
        Mention(forms[name], name, start, end)
        for start, end, name in couple_mentions(text, forms.__contains__)
        if start not in taken
    ]
    return sorted([*mentions, *added], key=attrgetter("start")) if added else list(mentions)


# Words of relations, and what joins them to names.
_ADJECTIVE = (
    r"(?:(?:own|eldest|elder|older|younger|youngest|only|little|late|first|second|old|dear|poor|half|twin|adopted"
    r"|beloved) )*"
)
_KIN = (
    "(?:nephew|niece|uncle|aunt|cousin|grandfather|grandmother|grandson|granddaughter"
    "|(?:mother|father|sister|brother|son|daughter)-in-law)"
)
# (noun, type, inverted): "B is A's noun" gives A type B, inverted B type A.
_NOUNS = (
    ("(?:son|daughter|child|boy|girl)", "PARENT_OF", False),
    ("(?:father|mother|parent|stepfather|stepmother)", "PARENT_OF", True),
    ("(?:brother|sister|twin)", "SIBLING", False),
    (_KIN, "FAMILY", False),
    ("(?:wife|husband|bride|fiancée|fiancé|fiancee|fiance|spouse)", "SPOUSE", False),
    ("(?:master|mistress|teacher|tutor|mentor)", "MASTER_OF", True),
    ("(?:pupil|apprentice|student|disciple)", "MASTER_OF", False),
    ("(?:servant|maid|valet|butler|footman|squire|steward|lieutenant|housekeeper)", "LEADS", False),
    ("(?:friend|companion)", "FRIEND", False),
    ("(?:enemy|foe|nemesis)", "ENEMY", False),
    ("(?:rival)", "RIVAL", False),
)

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

_PATTERNS = (
    *(
        pattern
        for noun, kind, inverted in _NOUNS
        for pattern in (
            RelationPattern(rf"'s? {_ADJECTIVE}{noun},? ", kind, inverted=inverted),
            RelationPattern(
                rf",? (?:was |is |were |and )?(?:the |a |an )?{_ADJECTIVE}{noun} (?:of|to) ",
                kind,
                inverted=not inverted,
            ),
            RelationPattern(
                r",? (?:was|is|were|became|had been) ",
                kind,
                after=rf"'s? {_ADJECTIVE}{noun}\b",
                inverted=not inverted,
            ),
        )
    ),
    *(RelationPattern(rf" (?:{auxiliary})?(?:{verb}) ", kind) for auxiliary, verb, kind in _VERBS),
    RelationPattern(r" (?:and|with) ", "SPOUSE", after=r" (?:were|are|had been|got) (?:married|engaged)"),
)

_MATCHER = PatternMatcher(_PATTERNS)


def stated_relations(text: str, people: Sequence[Mention]) -> list[PatternMatch]:
    """Return the relations between persons that the text states in words."""
    return _MATCHER.match(text, people, MAX_GAP) + _married_couples(text, people)


def _married_couples(text: str, people: Sequence[Mention]) -> list[PatternMatch]:
    """Mr. and Mrs. Gardiner are married."""
    return [
        PatternMatch(a.entry.name, "SPOUSE", b.entry.name, text[a.start : b.end], a.start, b.end)
        for a, b in pairwise(people)
        if text[a.end : b.start] == " and "
        and b.form.startswith("Mrs")
        and a.end - a.start < len(a.form)
        and a.form.split(" ")[-1] == b.form.split(" ")[-1]
    ]
