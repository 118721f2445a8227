"""English: sentences, and the words that state a tie between two persons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter

from kgnb.extract.en import couples
from kgnb.extract.en.names import flatten
from kgnb.extract.patterns import Mention, PatternMatch, Rule, Rules

__all__ = ["flatten", "frames", "more_mentions", "sentence_ends"]

_ENDS = re.compile(r"(?<!Mr)(?<!Mrs)(?<!Ms)(?<!Dr)(?<!St)[.!?](?=[\s\"])|\n")


def sentence_ends(text: str) -> list[int]:
    """Offsets of the characters that end sentences."""
    return [m.start() for m in _ENDS.finditer(text)]


def more_mentions(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Adds those whom the text means by Mr. and Mrs. Gardiner or the Gardiners."""
    forms = {m.form: m.entry for m in mentions if m.entry.kind == "Character"}
    free = {m.start for m in mentions}
    added = [
        Mention(forms[name], name, start, end)
        for start, end, name in couples.joint(text, forms.__contains__)
        if start not in free
    ]
    return sorted([*mentions, *added], key=attrgetter("start")) if added else list(mentions)


def _rule(between: str, type: str, *, after: str = "", turned: bool = False) -> Rule:
    return Rule(between, after, type, turned)


_ADJECTIVE = (
    r"(?:(?:own|eldest|elder|older|younger|youngest|only|little|late|first|second|old|dear|poor|half|twin|adopted"
    r"|beloved) )*"
)
_KIN = (
    "(?:nephew|niece|uncle|aunt|cousin|grandfather|grandmother|grandson|granddaughter"
    "|(?:mother|father|sister|brother|son|daughter)-in-law)"
)
_WORDS = (
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

_DEEDS = (
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

_RULES = (
    *(
        rule
        for noun, kind, turned in _WORDS
        for rule in (
            _rule(rf"'s? {_ADJECTIVE}{noun},? ", kind, turned=turned),
            _rule(
                rf",? (?:was |is |were |and )?(?:the |a |an )?{_ADJECTIVE}{noun} (?:of|to) ",
                kind,
                turned=not turned,
            ),
            _rule(
                r",? (?:was|is|were|became|had been) ",
                kind,
                after=rf"'s? {_ADJECTIVE}{noun}\b",
                turned=not turned,
            ),
        )
    ),
    *(_rule(rf" (?:{before})?(?:{deed}) ", kind) for before, deed, kind in _DEEDS),
    _rule(r" (?:and|with) ", "SPOUSE", after=r" (?:were|are|had been|got) (?:married|engaged)"),
)


RULES = Rules(_RULES)


def frames(text: str, people: Sequence[Mention]) -> list[PatternMatch]:
    """The ties between persons that the text states in words."""
    return RULES.match(text, people, reach=44) + _couples(text, people)


def _couples(text: str, people: Sequence[Mention]) -> list[PatternMatch]:
    """Mr. and Mrs. Gardiner are married."""
    return [
        PatternMatch(a.entry.name, "SPOUSE", b.entry.name, text[a.start : b.end], a.start, b.end)
        for a, b in pairwise(people)
        if text[a.end : b.start] == " and "
        and b.form.startswith("Mrs")
        and a.end - a.start < len(a.form)
        and a.form.split(" ")[-1] == b.form.split(" ")[-1]
    ]
