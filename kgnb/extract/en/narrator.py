"""Who tells an English chapter in the first person: the one who is called by name but never named in what is
told, or says so ("my name is Tom", "I, Tom Dale")."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

from kgnb.extract.en.paragraphs import Paragraphs
from kgnb.extract.patterns import Mention

MIN_I = 5
"""Least number of "I" outside speech in a chapter told in the first person."""
MIN_CALLED = 2
"""Least number of times that its narrator is called by name, unless he says who he is."""
MAX_TOLD = 0.2
"""Greatest share of a narrator's names that stand outside speech."""

_I = re.compile(r"I(?<!\w.)(?!\w)")
_SELF = re.compile(r"\b(?:[Mm]y name(?: is|'s| was)|I, |(?:call|called|named|christened) me|[Cc]all me) ?$")


def narrator(
    text: str, paragraphs: Paragraphs, mentions_of: Mapping[str, Sequence[Mention]]
) -> Mention | None:
    """Return a mention of who tells the chapter; None if it isn't told in the first person, or is unclear.

    ``mentions_of``: person → mentions.
    """
    told = (match for match in _I.finditer(text) if not paragraphs.in_speech(match.start()))
    if len(list(islice(told, MIN_I))) < MIN_I:
        return None
    called: Counter[str] = Counter()
    for name, mentions in mentions_of.items():
        outside = [m for m in mentions if not paragraphs.in_speech(m.start)]
        said = [m for m in outside if _SELF.search(text, max(0, m.start - 24), m.start)]
        if said:
            return said[0]
        if len(outside) <= MAX_TOLD * len(mentions):
            called[name] = sum(paragraphs.is_called(m.start, m.end) for m in mentions)
    (best, n), (_, other) = [*called.most_common(2), ("", 0), ("", 0)][:2]
    return mentions_of[best][0] if n >= max(MIN_CALLED, 2 * other) else None
