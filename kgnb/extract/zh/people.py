"""The persons' names of a Chinese book: what is known of some of them that may be one person's."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache, cached_property, partial

from kgnb.extract.clustering import Names
from kgnb.extract.name_index import NameIndex
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.address_links import (
    NEAR,
    Votes,
    by_place,
    characters_with_titles,
    shared_titles,
    titles_of,
)
from kgnb.extract.zh.candidates import Candidate
from kgnb.extract.zh.given_places import telling
from kgnb.extract.zh.links import Link, by_form
from kgnb.extract.zh.names import NameClassifier
from kgnb.extract.zh.sentences import sentence_ends
from kgnb.extract.zh.sexes import SAMPLE, Sexes
from kgnb.extract.zh.surnames import called_by, family_of, head_of, is_full, is_rank, is_role, surname_of

SURE = ("字", "姓", "号")
"""Links that say by themselves that two names are one person's."""
_OTHERS = words.SURE_SURNAMES - words.BEFORE_NAMES - set("和与向于从许管成连常江王龙马")
"""Surnames that end hardly any other word: 不管建国, 也许建国, 宋江大喜."""
_STRANGE = _OTHERS | (words.MEASURES - {"名"})


class Person:
    """Some names of a book, taken for one person's."""

    def __init__(self, names: Names, people: People) -> None:
        self.names, self.people = names, people
        self.count = people.index.count(names)

    @cached_property
    def known(self) -> frozenset[str]:
        """The person's names, and those that the text's own words join with them (字, 号)."""
        return frozenset(n for name in self.names for n in (name, *self.people.groups[name]))

    @cached_property
    def fulls(self) -> frozenset[str]:
        """Full names (何恭): with a sure surname, or accepted with two characters behind the surname; no
        forms of address.
        """
        people = self.people
        full = (
            n for n in self.known if is_full(n) and n not in people.given and not (head_of(n) or is_rank(n))
        )
        return frozenset(
            n for n in full if surname_of(n) in words.SURE_SURNAMES or (len(n) > 2 and n in people.accepted)
        )

    @property
    def is_full(self) -> bool:
        """Whether one of the names is a full name."""
        return bool(self.fulls)

    @cached_property
    def own(self) -> frozenset[str]:
        """Accepted names that are no form of address: 何恭 and 子安, not 何公 or 老爷."""
        people = self.people
        named = (n for n in self.names if n in people.accepted and n not in people.votes)
        return frozenset(n for n in named if not (called_by(n) or head_of(n) or is_role(n) or is_rank(n)))

    @cached_property
    def surnames(self) -> frozenset[str]:
        """Surnames of the names, of those that are sure (何, not 方): {"何"} of 何恭 and of 何公."""
        surnames = (family_of(n) for n in self.known if n not in self.people.given)
        return words.SURE_SURNAMES.intersection(surnames)


class People:
    """The names of one book that may be a person's, and the index of where they stand."""

    def __init__(self, text: str, classifier: NameClassifier) -> None:
        self.text, self.classifier = text, classifier
        persons = classifier.persons()
        self.accepted = {name: found.count for name, found in persons.items()}
        """Names that are persons' whatever they are joined with → occurrences."""
        self.links: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        """Two names that may be one person's, in order → kinds of link → how good a one it is."""
        self.given: set[str] = set()
        """Given and courtesy names, which may look like full ones."""
        self.votes: dict[str, Votes] = {}
        """Form of address → who may be meant by it, and where they are the nearest."""
        found = by_form(text, classifier, persons)
        self._add(found.links)
        self.given |= found.given
        self.courtesy = {link.other for link in found.links if link.kind == "字"}
        """Courtesy names, and the same behind surnames."""
        characters = characters_with_titles(classifier, filter(self._is_own, self._named()))
        self.offsets = self._locate((*characters, *titles_of(classifier, persons)))
        self.index = NameIndex(self.offsets, sentence_ends(text, speech=True), NEAR)
        self.sexes = Sexes(text, self.offsets)
        self.groups = self._groups()
        self.titles_of_many = found.of_many | shared_titles(self)
        self.candidates = [name for name in self._named() if self.offsets[name]]
        """The names that occur."""
        self._add(by_place(self, found, characters))
        self.candidates = [name for name in self._named() if self.offsets[name]]
        self.person = cache(partial(Person, people=self))
        self.likeness = cache(self._likeness)
        self.strangeness = cache(self._strangeness)
        self.telling = cache(self._telling)
        self.fitting = cache(self._fitting)

    def _named(self) -> dict[str, None]:
        """All accepted names and names of links, each once, in order."""
        return dict.fromkeys((*self.accepted, *(name for pair in self.links for name in pair)))

    def _is_own(self, name: str) -> bool:
        """Return whether a name is accepted or given: no nickname that only a link shows."""
        return name in self.accepted or name in self.given

    def _add(self, links: Iterable[Link]) -> None:
        for one, other, kind, value in links:
            if one != other:
                kinds = self.links[min(one, other), max(one, other)]
                kinds[kind] = max(value, kinds.get(kind, 0.0))

    def _locate(self, more: Iterable[str]) -> dict[str, array[int]]:
        """Return name → its offsets, where it isn't a part of a longer name."""
        offsets = {name: array("I") for name in (*self._named(), *more)}
        for start, name in self.classifier.bigrams.find_all(offsets):
            offsets[name].append(start)
        return offsets

    def _groups(self) -> dict[str, list[str]]:
        """Return name → the names that surely belong to the same person, itself included."""
        found = {name: [name] for name in self.offsets}
        for (one, other), kinds in sorted(self.links.items()):
            group = found[one]
            if group is not found[other] and any(kinds.get(kind) == 1.0 for kind in SURE):
                group += found[other]
                found |= dict.fromkeys(found[other], group)
        return found

    # --- facts about one name ---

    def neighbours(self, name: str) -> Candidate:
        """Return a candidate with the characters on both sides of a name, at most :data:`SAMPLE` places."""
        at, text, end = self.offsets[name][:SAMPLE], self.text, len(name)
        left = Counter(text[a - 1 : a] for a in at)
        return Candidate(name, left=left, right=Counter(text[a + end : a + end + 1] for a in at))

    def _likeness(self, name: str) -> float:
        """Return how much the name's neighbours are those of names: sum of the mean log odds of
        both sides.
        """
        found = self.neighbours(name)
        return self.classifier.left_score(found) + self.classifier.right_score(found)

    def _strangeness(self, name: str) -> float:
        """Return the share, 0 to 1, of the name's places behind another surname or a measure word."""
        at = self.offsets[name]
        return sum(self.text[a - 1 : a] in _STRANGE for a in at) / max(1, len(at))

    def _telling(self, name: str) -> float:
        """Return the share, 0 to 1, of the name's places at which it stands as a person does (对建国说)."""
        at = self.offsets[name][:SAMPLE]
        return len(telling(self.text, at, len(name))) / max(1, len(at))

    def _fitting(self, form: str) -> frozenset[str]:
        """Return the names that a form of address may mean: near it, and not in the same sentences."""
        bearers = self.votes[form].bearers if form in self.votes else ()
        return frozenset(name for name in bearers if self._fits(form, name))

    def _fits(self, form: str, name: str) -> bool:
        """Return whether a name occurs around a form of address, fits its sex, and keeps out of its
        sentences: they may be one person's.
        """
        one, other = (form,), (name,)
        if self.index.coverage(one, other) < 0.5 or not self.sexes.fits(form, self.groups[name]):
            return False
        expected = self.index.expected(one, other)
        return expected < 1 or self.index.together(one, other) < 0.7 * expected
