"""Places and organizations of an English book, found by the last words of names and by the words
before them."""

from __future__ import annotations

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.candidates import Candidate, is_titled, place_share
from kgnb.extract.en.names import NameClassifier
from kgnb.extract.en.vocabulary import key


def places(classifier: NameClassifier) -> dict[str, tuple[str, list[int]]]:
    """Return name → (kind, offsets) of the candidates that are places or organizations.

    ``kind``: "Organization" if the last word is an organization's ("Bank"), else "Location". A candidate has
    no title, hardly ever speaks, occurs at least twice, often follows a preposition of place, and has a low
    score as a person.
    """
    return {
        name: ("Organization" if key(name.split(" ")[-1]) in words.ORG_ENDS else "Location", c.offsets)
        for name, c in classifier.candidates.items()
        if c.count >= 2
        and c.speaks * 20 <= c.count
        and not is_titled(name)
        and _follows_prepositions(c)
        and c.score < 1.5
        and not _is_common(c, classifier.lower[name.lower()])
    }


def _follows_prepositions(candidate: Candidate) -> bool:
    """Return whether a candidate is often behind a preposition of place: 35 % of its occurrences, 10 % if its
    last word is a place's (Street).
    """
    share = place_share(candidate)
    return share >= 0.35 or (share >= 0.1 and key(candidate.name.split(" ")[-1]) in words.PLACE_ENDS)


def _is_common(candidate: Candidate, lower_count: int) -> bool:
    """Return whether a name is one word that is a common noun with a capital: the Park, the
    Captain, North."""
    word = candidate.name.lower()
    general = words.PLACE_ENDS | words.RANKS | words.COMPASS
    return " " not in word and (word in general or lower_count >= candidate.count)
