"""Mentions that a Chinese text implies: by a bare given name (操曰), and by 我 of who tells the chapter."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter

from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import Mention
from kgnb.extract.word_search import occurrences
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.narrator import own_mentions
from kgnb.extract.zh.script import HAN
from kgnb.extract.zh.surnames import given_of, surname_of

_KIN = "子女弟兄妻父母妹"
_ACTS = f"{''.join(sorted(words.AFTER_SPEAKER))}遣令命教唤使引之{_KIN}"
# Tried behind each bare given name; what excludes most comes first.
_ACTING = re.compile(
    rf"[{_ACTS}长次幼少三四](?:(?<![{HAN}]..)|(?<=乃..)|(?<=(?:却说|且说|原来)..))"
    rf"(?<=[{HAN}].)(?:(?<=[{_ACTS}])|(?=[{_KIN}]))"
)


def with_implied_mentions(
    text: str, mentions: Sequence[Mention], tellers: Sequence[NameEntry] = ()
) -> list[Mention]:
    """Return ``mentions`` and the implied ones of a chapter, in the order of the text.

    Added are mentions by a given name of one character that acts (操曰, 布大怒), of the bearer mentioned
    last, and by the narrator's 我. ``tellers``: persons who may tell the chapter, the likeliest first; none →
    no 我 is added, unless the text itself names its narrator.
    """
    people = [m for m in mentions if m.entry.kind == "Character"]
    own = own_mentions(text, people, tellers)
    found = [*mentions, *own, *_by_given_name(text, mentions)]
    return sorted(found, key=attrgetter("start")) if len(found) > len(mentions) else found


def _by_given_name(text: str, mentions: Sequence[Mention]) -> Iterator[Mention]:
    """Yield a mention for each acting given name of one character (操曰), of the bearer mentioned last."""
    given_names: dict[str, str] = {}  # an entry's name → its given name, if that is one character
    bearers: dict[str, list[Mention]] = {}
    for mention in mentions:
        name = mention.entry.name
        if name not in given_names:
            given = given_of(name) if mention.entry.kind == "Character" and surname_of(name) else ""
            given_names[name] = given if len(given) == 1 else ""
        if given_names[name]:
            bearers.setdefault(given_names[name], []).append(mention)
    starts = [m.start for m in mentions] if bearers else []
    for char, named in bearers.items():
        for at in occurrences(text, (char,)):
            if not _ACTING.match(text, at + 1):
                continue
            near, before = bisect_right(starts, at) - 1, bisect_right(named, at, key=attrgetter("start"))
            if before and (near < 0 or mentions[near].end <= at):
                yield Mention(named[before - 1].entry, char, at, at + 1)
