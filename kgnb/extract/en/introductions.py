"""Phrases that introduce a person in an English text: "her sister Grace", "a boy called Jem", "Ann, the
maid".

A name that occurs once or twice has too few neighbouring words for statistics; one such phrase says as much
as many of them (lexico-syntactic patterns: Hearst 1992, COLING).
"""

from __future__ import annotations

import re

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.roles import ROLES
from kgnb.extract.word_search import trie_pattern

BEFORE = 60
"""Characters before a name in which the phrase that introduces it begins."""

_ONE = ROLES.keys() - {"children"}  # not "give the children Daffy"
_HUMAN = trie_pattern(_ONE | words.TRADES)
_KIN = trie_pattern(_ONE)
_OWN = r"(?:[Hh]is|[Hh]er|[Mm]y|[Oo]ur|[Yy]our|[Tt]heir|\w+'s?)"
_THEIRS = r"(?:his|her|their|\w+'s?)"  # not "Nonsense, my dear boy"
_ADJECTIVES = rf"(?:(?:{'|'.join(sorted(words.BEFORE_KIN | words.EPITHETS))}|\w+est) )*"
_INTRODUCED = re.compile(
    rf"(?:\b{_OWN} {_ADJECTIVES}{_KIN},? (?:the |old |little |young |poor )?"  # his servant, old Tom
    rf"|\b(?:[Tt]he|[Aa]n?) (?:[a-z]+ ){{0,2}}{_HUMAN},? "  # the old merchant Ahmed
    rf"|\b{_HUMAN},? (?:(?:was|is|who was|whose name was) )?(?:named|called) "  # a boy called Pip
    r"|\b(?:name|names) (?:is|was|are|were) )$"
)
# Not "Near Brayton, the driver opened the door".
_NOT_DOING = rf"(?! (?:\w+ed|{'|'.join(sorted(words.PAST_VERBS | words.PREDICATES))})\b)"
_APPOSED = re.compile(
    rf"(?:,? the |, (?:who (?:is|was) )?(?:an? |{_THEIRS} )| (?:was|is) (?:an? |the |{_OWN} |one of {_OWN} ))"
    rf"(?:[a-z'-]+ ){{0,3}}?{_HUMAN}\b{_NOT_DOING}|, who\b"
)


def is_introduced(text: str, start: int, end: int) -> bool:
    """Return whether the words right before or behind the name at ``start``-``end`` say that the name is a
    person's.

    "her sister Grace", "a boy called Jem" and "Ann, the maid" → True; "Grace sat" → False.
    """
    return bool(_APPOSED.match(text, end) or _INTRODUCED.search(text, max(0, start - BEFORE), start))
