"""Clusters the names of an English book into persons, by the evidence about pairs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from kgnb.extract.clustering import Clusters, Names
from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.bare_ranks import rank_mentions
from kgnb.extract.en.candidates import FIRST_NAMES
from kgnb.extract.en.cited import is_only_cited
from kgnb.extract.en.couples import couple_mentions
from kgnb.extract.en.links import with_links
from kgnb.extract.en.names import NameClassifier
from kgnb.extract.en.pair_evidence import PAIR_EVIDENCE, Pair
from kgnb.extract.en.people import People, persons_names
from kgnb.extract.en.vetoes import are_apart
from kgnb.extract.en.vocabulary import key
from kgnb.extract.pairs import Resolver

USUAL = 0.1
"""Least share of a person's occurrences of a name that may be the canonical one without sharing a word with
the most frequent name."""


_REASONS = {
    "stated": "stated",
    "married": "stated",
    "answers": "answers to it",
    "same_full": "same words",
    "titled_first_name": "title and first name",
    "first_name": "first name",
    "patronymic": "first name",
    "initial": "first name",
    "titled_surname": "title and surname",
    "same_word": "title and surname",
    "bare_word": "title and surname",
    "wife": "title and surname",
    "surname": "surname",
    "nickname": "nickname",
    "rank": "rank",
    "of_place": "rank",
}
"""Kind of link → reason that a user is shown."""


def people_of(text: str, classifier: NameClassifier | None = None) -> People:
    """Return the persons' names of a book with their links. ``text``: in the normal form of
    sentences.normalise; ``classifier``: that of ``text``, None to build it."""
    known = classifier or NameClassifier(text)
    return with_links(People(text, persons_names(known), known.paragraphs, known.lower))


def implied_offsets(people: People, clusters: Clusters) -> Mapping[str, list[int]]:
    """Return name → offsets at which words for a couple or a rank alone mention its bearer without the name.

    Of "Mr. and Mrs. Dale": {"Mr. Dale": [0]} at the start of a text that has the name Mr. Dale too.
    """
    root = {name: members[0] for members in clusters.members for name in members}
    found: dict[str, list[int]] = defaultdict(list)
    couples = couple_mentions(people.text, people.candidates.__contains__)
    ranks = rank_mentions(people.text, people.index.counts, root.__getitem__)
    for start, _, name in (*couples, *ranks):
        found[name].append(start)
    return found


def _own_names(people: People, members: Names) -> Names:
    """Return the names of a cluster; none of surnames or ranks alone that more frequent persons bear, and of
    persons whom the book only cites (cited.py)."""
    nobody = _is_anybody(people, members) or all(_is_only_cited(people, name) for name in members)
    return () if nobody else members


def _is_anybody(people: People, members: Names) -> bool:
    """Return whether a cluster is one surname or rank alone, linked with names that occur more often."""
    if len(members) > 1:
        return False
    (name,) = members
    parts, bearers = people.parts[name], Counter[str]()
    for kind in ("surname", "rank") if not (parts.titles and parts.rest) else ():
        for other in people.linked(name, kind):
            bearers[other] += people.index.counts[other]
    return bool(bearers) and (not parts.rest or people.index.counts[name] < max(bearers.values()))


def _is_only_cited(people: People, name: str) -> bool:
    """Return :func:`is_only_cited` of a name; False for a full name whose surname several persons have."""
    candidate, parts = people.candidates[name], people.parts[name]
    family = parts.is_full and len(people.families.get(parts.last, ())) > 1
    return not family and is_only_cited(candidate, people.text, people.paragraphs, people.lower)


def _canonical_rank(people: People, name: str, members: Names) -> tuple[int, int, int, str]:
    """Return a key for choosing the canonical name of a person: the name with the greatest key is it.

    Best is a full name without title (Tom Dale) that occurs twice; then a name that is no rank alone, rather
    a usual one without article; then the most frequent.
    """
    person, parts, count = people.person(members), people.parts[name], people.index.counts[name]
    usual = max(person.names, key=lambda n: (people.index.counts[n], n))
    # Not in Old Stone, Massa Stone, nor in Bruin Bear, where Bear is a kind.
    kind = people.candidates.get(parts.last) if people.lower[parts.last.lower()] else None
    named = key(parts.first) in FIRST_NAMES or (
        parts.first in people.candidates and not (kind and kind.articles >= 0.1 * kind.count)
    )
    introduced = len(parts.rest) == 2 and usual == parts.first and key(usual) in FIRST_NAMES
    full = named and parts.is_full and not parts.titles and (count >= 2 or introduced)
    bare = 2 * people.candidates[name].articles < count  # Finch, not the Badger
    is_usual = count >= USUAL * person.count
    alike = is_usual or not _long_words(usual).isdisjoint(map(key, name.split(" ")))
    return (int(full and alike), bool(parts.rest) + (bool(parts.rest) and bare and is_usual), count, name)


def _long_words(name: str) -> set[str]:
    """Return the words of a name in lower case, and the first names that they are short for."""
    usual = {key(word) for word in name.split(" ")}
    return usual.union(*(words.NICKNAMES.get(word, ()) for word in usual))


RESOLVER = Resolver(
    "en",
    Pair,
    PAIR_EVIDENCE,
    are_apart,
    _own_names,
    _canonical_rank,
    surety=lambda people, name: people.candidates[name].score,
    least=0.6,
    reasons=_REASONS,
)
