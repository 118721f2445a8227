"""Mentions of persons that an English chapter implies: by words for a couple, by a rank alone, by the
narrator's "I"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter

from kgnb.extract.en.bare_ranks import rank_mentions
from kgnb.extract.en.couples import couple_mentions
from kgnb.extract.en.narrator import own_mentions
from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import Mention


def with_implied_mentions(
    text: str, mentions: Sequence[Mention], tellers: Sequence[NameEntry] = ()
) -> list[Mention]:
    """Return ``mentions`` and the implied ones of a chapter, in the order of the text.

    Added are mentions by "Mr. and Mrs. Dale", "the Dales" (couples.py) and "the general" (bare_ranks.py) of
    persons whom ``mentions`` contain, and by the narrator's "I" (narrator.py). ``tellers``: persons who may
    tell the chapter, the likeliest first; none → no "I" is added.
    """
    forms = {m.form: m.entry for m in mentions if m.entry.kind == "Character"}
    taken = {m.start for m in mentions}
    counts = Counter(m.form for m in mentions if m.form in forms)
    ranks = rank_mentions(text, counts, lambda form: forms[form].name)
    added = [
        Mention(forms[name], name, start, end)
        for start, end, name in (*couple_mentions(text, forms.__contains__), *ranks)
        if start not in taken
    ]
    added += own_mentions(text, [m for m in mentions if m.entry.kind == "Character"], tellers)
    return sorted([*mentions, *added], key=attrgetter("start")) if added else list(mentions)
