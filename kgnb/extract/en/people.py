"""The persons' names of an English book, and facts about any set of them that may be one person's."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property, partial

from kgnb.extract.clustering import Names
from kgnb.extract.en.candidates import Candidate, is_titled, place_share
from kgnb.extract.en.conversations import Conversations
from kgnb.extract.en.names import NameClassifier
from kgnb.extract.en.paragraphs import Paragraphs
from kgnb.extract.en.persons import (
    PRONOUN_MENTIONS,
    NameParts,
    likely_sex,
    name_facts,
    pronoun_votes,
    split_name,
    titles_clash,
    with_surnames,
)
from kgnb.extract.en.sentences import sentence_ends
from kgnb.extract.name_index import NameIndex
from kgnb.extract.pairs import Kinds


class Person:
    """A set of names of a book, taken for one person's, and the facts that follow from it; built by
    :attr:`People.person`."""

    def __init__(self, names: Names, people: People) -> None:
        self.names = names
        self.people = people
        self.parts = [people.parts[name] for name in names]
        self.count = people.index.count(names)

    @property
    def is_full(self) -> bool:
        """Whether one of the names has a first name and a surname."""
        return bool(self.lasts)

    @cached_property
    def titles(self) -> frozenset[str]:
        """All titles of the names, as the word lists hold them: "mr", "captain"."""
        return frozenset(title for parts in self.parts for title in parts.titles)

    @cached_property
    def titles_of(self) -> Mapping[str, set[str]]:
        """Last word of a name → titles before it: {"Dale": {"mr"}} of Mr. Dale."""
        found: dict[str, set[str]] = defaultdict(set)
        for parts in self.parts:
            found[parts.last].update(parts.titles)
        return found

    @cached_property
    def firsts(self) -> frozenset[str]:
        """First words of full names (Tom of Tom Dale), but for names of wives after their husbands (Mrs. John
        Dale)."""
        return frozenset(p.first for p in self.parts if p.is_full and not p.is_after_husband)

    @cached_property
    def lasts(self) -> frozenset[str]:
        """Last words of full names: Dale of Tom Dale, nothing of Mr. Dale."""
        return frozenset(p.last for p in self.parts if p.is_full and p.last)

    @cached_property
    def surnames(self) -> frozenset[str]:
        """Surnames, the person's own and those by marriage: {"Dale"} of Tom Dale, of Mr. Dale and of Mrs.
        Dale; empty for Tom alone.
        """
        facts = name_facts(self.names)
        return facts.surnames | facts.married

    @cached_property
    def places(self) -> frozenset[str]:
        """Places in the names: Brayton of the Duke of Brayton."""
        return frozenset(p.place for p in self.parts if p.place)

    @cached_property
    def sex(self) -> str:
        """Gender, "m", "f", or "" for unknown: by titles, else by at least four following pronouns, else by
        first names.
        """
        names = {*self.names, *(first for first in self.firsts if first in self.people.candidates)}
        votes = sum((self.people.pronouns(name) for name in sorted(names)), Counter[str]())
        return likely_sex(self.names, votes, least=4)

    @cached_property
    def by_first_name(self) -> float:
        """Share of the person's occurrences, 0 to 1, that are the first name alone: 0.5 of Tom Dale if "Tom"
        is one of the names and stands as often as "Tom Dale".
        """
        alone = sum(self.people.index.counts[n] for n in self.firsts if n in self.names)
        return alone / self.count

    @cached_property
    def begin(self) -> int:
        """Offset of the first occurrence of any of the names."""
        return min(self.people.index.offsets[name][0] for name in self.names)

    @cached_property
    def end(self) -> int:
        """Offset at which the last occurrence of any of the names begins."""
        return max(self.people.index.offsets[name][-1] for name in self.names)


class People:
    """The persons' names of one book and their places: the data that all evidence is read from.

    ``candidates``: name → candidate; ``parts``: name → its titles and words; ``index``: places of the names;
    ``lower``: word without a capital → occurrences; ``links``: see links.py.
    """

    def __init__(
        self,
        text: str,
        candidates: Mapping[str, Candidate],
        paragraphs: Paragraphs,
        lower: Mapping[str, int],
    ) -> None:
        self.text = text
        self.candidates = candidates
        self.paragraphs = paragraphs
        self.lower = lower
        """Word without a capital → occurrences."""
        self.parts = with_surnames({name: split_name(name) for name in self.candidates})
        offsets = {name: c.offsets for name, c in self.candidates.items()}
        self.index = NameIndex(offsets, sentence_ends(text))
        self.conversations = Conversations(self.paragraphs, offsets)
        self.links: Mapping[tuple[str, str], Kinds] = {}
        """Sorted pair of names → how their words, or those of the text, link them: see links.py."""
        self.person = cache(partial(Person, people=self))
        self.pronouns = cache(self._pronouns)
        self.bearers = cache(self._bearers_of)

    def _pronouns(self, name: str) -> Counter[str]:
        """Return "m" and "f" → how many pronouns of that gender follow the name, of its first 200
        occurrences."""
        ends = (at + len(name) for at in self.index.offsets[name][:PRONOUN_MENTIONS])
        return pronoun_votes(self.text, ends)

    def linked(self, name: str, kind: str) -> list[str]:
        """Return the names linked with ``name`` by a link of this kind, sorted."""
        return [other for other, kinds in self.linked_names.get(name, ()) if kind in kinds]

    @cached_property
    def linked_names(self) -> Mapping[str, list[tuple[str, Kinds]]]:
        """Name → (other name, kinds of links) of each name linked with it."""
        found: dict[str, list[tuple[str, Kinds]]] = defaultdict(list)
        for (one, other), kinds in sorted(self.links.items()):
            found[one].append((other, kinds))
            found[other].append((one, kinds))
        return found

    @cached_property
    def families(self) -> Mapping[str, Counter[str]]:
        """Surname → first name → occurrences of the full names that contain both."""
        return self._counted(lambda parts: (parts.last, parts.first))

    @cached_property
    def namesakes(self) -> Mapping[str, Counter[str]]:
        """First name → surname → occurrences of the full names that contain both."""
        return self._counted(lambda parts: (parts.first, parts.last))

    def _counted(self, words_of: Callable[[NameParts], tuple[str, str]]) -> Mapping[str, Counter[str]]:
        """Return word → other word → occurrences of the full names that contain both. ``words_of``: function
        from a name's parts to these two words.
        """
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for name, parts in self.parts.items():
            if parts.is_full and not parts.is_after_husband:
                word, other = words_of(parts)
                if word and other:
                    found[word][other] += self.index.counts[name]
        return found

    def _bearers_of(self, name: str, kind: str) -> Mapping[str, int]:
        """Return first name → occurrences of the persons whom ``name`` may mean, by full names linked with it
        by ``kind``.

        For kinds that contain "first_name": surname → occurrences. Left out are persons of another sex or of
        incompatible titles, and those often in one sentence with ``name``. If some bear its title (other than
        Mr., Mrs., Miss) before their full names, only these are in the result. Mr. Dale with
        "titled_surname", in a book of Tom Dale (9 times) and Ann Dale → {"Tom": 9}.
        """
        found: Counter[str] = Counter()
        called: Counter[str] = Counter()  # persons with the title before their full names
        me = self.person((name,))
        distinctive = me.titles - {"mr", "mrs", "miss"}
        for other in self.linked(name, kind):
            parts, who = self.parts[other], self.person((other,))
            if not parts.is_full or (me.sex and who.sex and me.sex != who.sex):
                continue
            first = parts.first
            alone = self.index.counts.get(first, 0) if len(self.namesakes.get(first, ())) == 1 else 0
            names = (other, first) if alone and first != name else (other,)
            if titles_clash(me.titles, who.titles) or self.keep_company((name,), names):
                continue
            word = parts.last if "first_name" in kind else first
            found[word] = max(found[word], alone) + self.index.counts[other]
            called[word] += self.index.counts[other] if distinctive & who.titles else 0
        return +called or found

    def keep_company(self, one: Names, other: Names, ratio: float = 2.0) -> bool:
        """Return whether two persons share at least ``ratio`` times as many sentences as expected by chance.

        False where less than one shared sentence is expected.
        """
        expected = self.index.expected(one, other)
        return expected >= 1 and self.index.together(one, other) >= ratio * expected

    @cached_property
    def titled(self) -> Mapping[str, Counter[str]]:
        """Surname → title → occurrences of the name made of both alone: {"Dale": {"mr": 12}} of Mr. Dale."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for name, parts in self.parts.items():
            if len(parts.rest) == 1 and parts.titles:
                found[parts.rest[0]][parts.titles[-1]] += self.index.counts[name]
        return found

    @cached_property
    def ranks(self) -> Mapping[str, Counter[str]]:
        """Title → name that begins with it → occurrences: {"captain": {"Captain Dale": 12}}; without titles
        alone (Captain).
        """
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for name, parts in self.parts.items():
            for title in parts.titles if parts.rest else ():
                found[title][name] += self.index.counts[name]
        return found

    def fitting(self, surname: str, sex: str) -> list[str]:
        """Return the first names that the book has with ``surname`` and that a person of ``sex`` ("m", "f",
        "") may bear."""
        return [first for first in self.families.get(surname, ()) if self.may_be(first, sex)]

    def may_be(self, first: str, sex: str) -> bool:
        """Return whether a person of ``sex`` ("m", "f", "") may bear the first name; True if either is
        unknown."""
        known = name_facts((first,)).gender
        return not (sex and known and sex != known)

    def named_between(self, start: int, end: int) -> Iterator[str]:
        """Yield the names that begin at offset ``start`` or later and before ``end``, in order, with
        repetitions."""
        mentions = self.index.mentions
        for k in range(bisect_left(mentions, (start, "")), bisect_left(mentions, (end, ""))):
            yield mentions[k][1]


# --- the names of single persons ----------------------------------------------------------------------------


def persons_names(classifier: NameClassifier) -> dict[str, Candidate]:
    """Return name → candidate of the names that one person bears, of those that the classifier takes for
    persons'.

    Left out: families (the Marlows), and a person's name run together with a place's (Anne Stone House).
    """
    persons = classifier.persons()
    beside = _beside_places(persons, classifier.candidates)
    beside |= {n.partition(" ")[2] for n in beside}
    lasts = {n.split(" ")[-1] for n in persons}
    return {n: c for n, c in persons.items() if not (n in beside or _is_family(c, lasts, persons))}


def _is_family(candidate: Candidate, lasts: set[str], persons: Mapping[str, Candidate]) -> bool:
    """Return whether a name is a family's: the Marlows, the two Miss Marlows."""
    last = candidate.name.split(" ")[-1]
    if not last.endswith("s"):
        return False
    one = persons.get(candidate.name[:-1])
    if one and is_titled(one.name) and one.count > candidate.count:
        return True
    of_one = last[:-1] in lasts or last[:-2] in lasts
    return of_one and candidate.articles >= 0.4 * candidate.count


def _beside_places(persons: Iterable[str], found: Mapping[str, Candidate]) -> set[str]:
    """Return the names made of a person's name and a place named ten times as often: "He showed Anne Stone
    House"."""
    surnames = {name.rpartition(" ")[2] for name in found if is_titled(name)}
    beside = ((name, name.partition(" ")[2]) for name in persons if not is_titled(name))
    return {
        name
        for name, rest in beside
        if rest in found
        and rest not in surnames
        and _is_place(found[rest])
        and found[rest].count > 10 * found[name].count
    }


def _is_place(candidate: Candidate) -> bool:
    """Return whether a candidate follows prepositions of place in 20 % of its occurrences and speaks in 5 %
    at most."""
    return candidate.speaks * 20 <= candidate.count and place_share(candidate) >= 0.2
