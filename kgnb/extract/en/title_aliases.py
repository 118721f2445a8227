"""Titles in an English book's names: who is Mr. Dale, the Captain, Lord Brayton, Miss Anne.

A title and a surname are whose full name goes with both, by company, gender and introduction; a rank alone is
its only bearer's.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cached_property

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.bare_ranks import dominant_bearer
from kgnb.extract.en.couples import told_wives
from kgnb.extract.en.names import FIRST_NAMES
from kgnb.extract.en.persons import (
    APART,
    KIN_TITLES,
    MILITARY,
    PASSING,
    SURE_EXPECTED,
    WINDOW,
    BookPersons,
    NameParts,
    titles_agree,
    titles_clash,
)
from kgnb.extract.en.vocabulary import key

_JOIN_FIRST_NAME = frozenset(
    ("miss", "master", "sir", "lady", "madam", "aunt", "uncle", "cousin", "brother", "sister", "don")
)
_LADDER = (
    *("private", "corporal", "sergeant", "midshipman", "ensign", "lieutenant", "commander", "captain"),
    *("major", "commodore", "colonel", "brigadier", "general", "admiral"),
)
"""Military titles, each above those before it in an army or a navy."""
_MR_AND_MRS = re.compile(r"Mr\.? and Mrs\.? ([\w'-]+)")
LITTLE = 0.1
"""Least share of a child's mentions that have "little" before them."""
ON_PAGES = 0.4
"""Share of a name's passages from which on it is mostly on its bearer's pages."""
BY_FIRST_NAME = 0.5
"""Share of a person's mentions that are the first name alone, from which on the surname is seldom used."""
NEARBY = 0.2
"""Share of a name's passages from which on a person is on its pages, and so may be its bearer."""
SLIPS = 0.02
"""Share of a lady's mentions that may be in one sentence with her first name: with who is called so."""
BESIDE_LADY = 0.3
"""Least share of the passages of Mrs. Dale in which her first name is used too."""
BESIDE_WIFE = 0.1
"""Least share of Charlotte's passages on whose pages Mrs. Dale is, if her husband is only once told of."""
INTRODUCED_WITHIN = 300
"""Characters between a full name and the title and surname by which its bearer is called from then on."""


class TitleAliases(BookPersons):
    """The joins of names with titles. Base of :class:`~.aliases.AliasResolver`."""

    def _one_word_names(self, *, titled: bool, single: bool = False) -> Iterator[tuple[str, NameParts]]:
        """Names of one word, with or without titles; ``single``: only those not joined with others so far."""
        for name in self.by_count:
            parts = self.parts[name]
            one_word = len(parts.rest) == 1 and bool(parts.titles) is titled
            if one_word and not (single and self._has_other_name(name)):
                yield name, parts

    def _has_other_name(self, name: str) -> bool:
        """Whether the person has a name besides ``name``, ``name`` of a place and the same in other words."""
        mine = self.parts[name]
        others = self._parts_of(name)
        same = mine.titles, mine.first, mine.last
        return any((p.titles, p.first, p.last) != same for p in others)

    def _join_unless_company(self, one: str, other: str, reason: str) -> None:
        """Join both names unless their genders differ or they keep company."""
        company = self.co_occurrence.ratio(one, other, 0.0, least=3.0) >= 1.5 or self._are_two(one, other)
        if self._same_gender(one, other) and not company:
            self.clusters.join(one, other, reason)

    @cached_property
    def _seats(self) -> dict[str, list[str]]:
        """Place → the peers who are called after it."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.by_count:
            titles, rest = self.parts[name].titles, self.parts[name].rest
            of_place = rest[:1] == ("of",)
            peer = titles and rest and titles[-1] in words.PEERS and (len(rest) == 1 or of_place)
            is_count = of_place and titles == ("count",)  # Count Dolin is of no place
            if (peer or is_count) and key(rest[-1]) not in FIRST_NAMES:  # not Lord Edmund
                found[rest[-1]].append(name)
        return found

    def _join_peers(self) -> None:
        """The Duke of Brayton is Brayton, Viscount Brayton Lord Brayton; the Count of Brayton is Monsieur de
        Brayton, who is no Albert de Brayton."""
        for place, (peer, *others) in self._seats.items():
            bare = [place] if place in self.candidates else []
            equal = [o for o in others if len({*self._rank(o), *self._rank(peer)} - {"lord"}) < 2]
            for other in (*equal, *bare):
                if best := self._exclusive_person(other, self._roots([peer], other)):
                    self.clusters.join(best, other, "rank")
            if place in self._lands:
                for other in (*self._lands[place], *bare):
                    self._join_unless_company(peer, other, "rank")

    def _rank(self, name: str) -> tuple[str, ...]:
        """The last title of a name."""
        return self.parts[name].titles[-1:]

    @cached_property
    def _lands(self) -> dict[str, list[str]]:
        """What stands behind the de of Monsieur de Brayton and the Comte de Brayton → such names of men."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.by_count:
            titles, rest = self.parts[name].titles, self.parts[name].rest
            if len(rest) == 1 and titles in (("mr",), ("count",)) and f" de {rest[0]}" in name:
                found[rest[0]].append(name)
        return found

    def _join_titled_first_names(self) -> None:
        """Sir Robert and Sir Robert Harland; Miss Anne and Anne."""
        for name, parts in self._one_word_names(titled=True):
            if parts.titles[-1] != "sir" and (
                self._is_surname(parts.first, name) or parts.first in self._seats
            ):
                continue
            namesakes = self._by_first[parts.first]
            same_title = [n for n in namesakes if self.parts[n].titles[-1:] == parts.titles[-1:]]
            # Not with any Princess Anna Petrovna who is named in passing.
            longer = [
                n
                for n in same_title
                if self.parts[n].is_full and (self.parts[n].last or self._count(n) >= PASSING)
            ]
            if longer:
                self.clusters.join(longer[0], name, "title and first name")
            elif self.counts.get(parts.first, 0) >= PASSING and parts.titles[-1] in _JOIN_FIRST_NAME:
                bare = parts.first
                jest = parts.titles[-1] in ("sir", "lady") and self.counts[name] < 0.1 * self.counts[bare]
                if not jest and self.co_occurrence.ratio(name, bare, 0.0) < 0.6:
                    self.clusters.join(bare, name, "title and first name")
            elif parts.titles[-1] in KIN_TITLES and parts.first not in self.candidates:
                fulls = [n for n in namesakes if self.parts[n].is_full]
                if best := self._exclusive_person(name, self._roots(fulls, name)):
                    self.clusters.join(best, name, "title and first name")

    def _join_servants_forms(self) -> None:
        """Mr. Tom and Miz Anne, as servants say, are Tom and Anne."""
        for name, parts in self._one_word_names(titled=True, single=True):
            sex = {"mr": "m", "mrs": "f"}.get(parts.titles[-1])
            bare = self.counts.get(parts.first, 0) and self._count(parts.first) >= PASSING
            if bare and self.gender(parts.first) == sex and not self._is_surname(parts.first, name):
                self._join_unless_company(parts.first, name, "title and first name")

    def _join_titled_surnames(self) -> None:
        """Mr. Ashby and Charles Ashby, Captain Thorne and Frederick Thorne."""
        by_title = self._one_word_names(titled=True, single=True)
        # Mrs. Dale after her daughters.
        for name, parts in sorted(by_title, key=lambda named: "mrs" in named[1].titles):
            roots = self._of_surname_and_title(name)
            # A lady's first name is seldom used where her title is: without evidence she is not joined.
            lady = bool(set(parts.titles) & {"mrs", "lady"})
            doubt = len(roots) > 1 or (lady and not any(set(parts.titles) & self._titles(r) for r in roots))
            if parts.titles == ("miss",):
                best = self._daughter_called_miss(name, roots)
            elif lady and len(roots) == 1 and self._is_only_lady(name, roots[0]):
                best = roots[0]
            else:
                # The Countess Bezukhova, if only one Countess Helene Bezukhova is known.
                known = len(roots) == 1 and parts.titles in self._full_titles(roots[0])
                unsure, least = (9.0 if doubt else 0.0), (SURE_EXPECTED if doubt or known else 1.0)
                best = self._exclusive_person(name, roots, strict=True, unsure=unsure, least=least)
            if not best and parts.titles == ("aunt",) and (noble := f"Lady {parts.last}") in self.counts:
                best = self._exclusive_person(name, [self.clusters.root(noble)])
            best = best or self._just_introduced(name)
            if best and not self._may_be_any_of_family(name, best):
                self.clusters.join(best, name, "title and surname")

    def _join_wives(self) -> None:
        """Charlotte, beside whose husband Mr. Dale is named, is Mrs. Dale, who is never beside her."""
        told: dict[str, list[int]] = defaultdict(list)
        for at, name in told_wives(self.text, self.mentions, lambda name: self.gender(name) == "f"):
            told[self.clusters.root(name)].append(at)
        found = [
            (wife, woman)
            for wife in dict.fromkeys(map(self.clusters.root, self.by_count))
            if "mrs" in self._titles(wife) and self._count(wife) >= PASSING
            if not any(map(self._has_own_first_name, self.clusters.names_of(wife)))
            for woman in told
            if self._is_told_wife(woman, wife, told[woman])
        ]
        for wife, woman in found:
            if sum(wife in pair or woman in pair for pair in found) == 1:
                self.clusters.join(woman, wife, "title and surname")

    def _has_own_first_name(self, name: str) -> bool:
        """Whether more than a title and the husband's name is in a lady's name."""
        parts = self.parts[name]
        return (parts.is_full or not parts.titles) and not self._is_named_after_husband(name)

    def _is_told_wife(self, woman: str, wife: str, told: list[int]) -> bool:
        """Whether ``woman``, who is called by her first name only and of whose husband the text speaks at
        ``told``, is ``wife``."""
        if any(p.is_full or set(p.titles) - KIN_TITLES for p in self._parts_of(woman)):
            return False
        husbands = self._husbands_of(wife)
        beside = sum(any(self.clusters.root(n) in husbands for n in self._named_near(at)) for at in told)
        company = self.co_occurrence
        if not beside or company.coverage(wife, woman) < ON_PAGES:
            return False
        if beside == 1 and company.coverage(woman, wife) < BESIDE_WIFE:
            return False
        apart = company.ratio(wife, woman, 9.0 * company.together(wife, woman), SURE_EXPECTED) < APART
        names = self.clusters.names_of
        return apart and not self.conversations.are_two(names(wife), names(woman))

    def _husbands_of(self, wife: str) -> set[str]:
        """The men who may be the husband of a lady called Mrs. Dale or Mrs. Tom Dale."""
        found = set[str]()
        for name in self.clusters.names_of(wife):
            mine = self.parts[name]
            for other in self._by_last[mine.last]:
                named = not mine.is_full or mine.first in self._first_names(other)
                if named and self.gender(other) == "m":
                    found.add(self.clusters.root(other))
        return found

    def _named_near(self, at: int) -> list[str]:
        """The names within a page of an offset."""
        i, j = (bisect_left(self.mentions, (at + d, "")) for d in (-WINDOW, WINDOW))
        return [name for _, name in self.mentions[i:j]]

    def _full_titles(self, person: str) -> set[tuple[str, ...]]:
        """The titles that stand before the person's full names."""
        return {p.titles for p in self._parts_of(person) if p.is_full}

    def _is_only_lady(self, name: str, person: str) -> bool:
        """Whether Anne Dale, the only one who may be Mrs. Dale, is told of by turns with her, is never in a
        sentence with her, nor named in what she says, as a daughter is."""
        near = self.co_occurrence.coverage((name,), person) >= BESIDE_LADY
        if not near or self._count(person) < PASSING or self.co_occurrence.together(name, person):
            return False
        mine = self.offsets[name]
        hers = sorted(at for n in self.clusters.names_of(person) for at in self.offsets[n])
        by_turns = mine[0] < hers[-1] and hers[0] < mine[-1]
        speeches = self.conversations.of(self.clusters.names_of(name))
        called = {self.paragraphs.number(at) for at in hers if self.paragraphs.in_speech(at)}
        return by_turns and speeches.isdisjoint(called) and not self._are_two(name, person)

    def _may_be_any_of_family(self, name: str, person: str) -> bool:
        """Whether nothing but a surname that others bear too says that ``name`` is the person, who is never
        on the same pages, nor called by that title."""
        mine = self.parts[name]
        if not self._titles(person).isdisjoint(mine.titles) or self.co_occurrence.coverage((name,), person):
            return False
        bearers = [n for n in self._by_last[mine.last] if self.parts[n].is_full or self.parts[n].titles]
        others = {self.clusters.root(n) for n in bearers if "mrs" not in self.parts[n].titles}
        return len(others - {self.clusters.root(name), self.clusters.root(person)}) > 0

    def _of_surname_and_title(self, name: str) -> list[str]:
        """The persons of the surname whose full names go with the title, the most mentioned first."""
        titles, surname = self.parts[name].titles, self.parts[name].last
        fulls = [
            n
            for n in self._by_last.get(surname, ())
            if self.parts[n].is_full
            and not titles_clash(titles, self._titles(n))
            and not self._is_named_after_husband(n)
            and not self._is_rank_of_lady(name, n)
            and (words.FEMALE.isdisjoint(titles) or self._may_be_lady(n))
            and not (titles == ("mr",) and self._is_little(n))
            and not self._has_own_title(name, self.clusters.root(n))
        ]
        if introduced := self._introduced_as(name, fulls):
            fulls = [introduced]
        elif titles == ("mr",) and self._has_sons(surname, fulls):
            fulls = []
        roots = sorted(self._roots(fulls, name), key=self._count, reverse=True)
        if others := self._who_are_not(name, roots):
            roots = [r for r in roots if r not in others and self._stand_beside(name, r)]
        of_rank = [r for r in roots if set(titles) & self._titles(r) & words.NEUTRAL]
        if len(of_rank) == 1 < len(roots):  # Dr. Anne Pell rather than Tom Pell, unless she is elsewhere
            elsewhere = self._is_elsewhere(name, of_rank[0])
            roots = [r for r in roots if r not in of_rank] if elsewhere else of_rank
        called = [r for r in roots if not self._titles(r).isdisjoint(titles)]
        passing = all(self._count(r) < PASSING for r in roots if r not in called)
        if len(called) == 1 and passing and not self._has_wife(surname):
            roots = called  # Mr. Tom Dale rather than any Dale told of in passing
        if titles == ("mr",):
            roots = [r for r in roots if not self._is_called_with_title(r, titles)] or roots
        alone = titles == ("mr",) and not self._has_wife(surname) and self._first_dominates(roots)
        return roots[:1] if alone else roots

    def _who_are_not(self, name: str, persons: list[str]) -> set[str]:
        """Those of a family who talk to who is called ``name``, or are too young for it beside others who are
        on the same pages."""
        talking = {person for person in persons if self._are_two(name, person)}
        if self.parts[name].titles != ("mr",):
            return talking
        near = [p for p in persons if self.co_occurrence.coverage((name,), p) >= NEARBY]
        return talking | {p for p in persons if any(self._is_younger(p, other) for other in near)}

    def _stand_beside(self, name: str, person: str) -> bool:
        """Whether a full name of the person and ``name`` stand in neighbouring sentences, with nobody named
        between."""
        fulls = [n for n in self.clusters.names_of(person) if self.parts[n].is_full]
        places = [(bisect_left(self.mentions, (at, n)), at) for n in fulls for at in self.offsets[n]]
        return any(
            named == name and abs(near - at) <= INTRODUCED_WITHIN
            for k, at in places
            for near, named in self.mentions[max(0, k - 1) : k + 2]
        )

    def _is_younger(self, person: str, other: str) -> bool:
        """Whether the person is mostly called by the first name alone, as a son is, and the other, as his
        father may be, is not."""
        share = self._share_of_first_name
        return share(other) < BY_FIRST_NAME <= share(person)

    def _share_of_first_name(self, person: str) -> float:
        """The share of the person's mentions that are the first name alone."""
        alone = sum(self.counts[n] for n in self._first_names(person) & {*self.clusters.names_of(person)})
        return alone / self._count(person)

    def _introduced_as(self, name: str, fulls: list[str]) -> str:
        """The full name of the same title that stands shortly before the first "Mr. Marlow": Mr. Giles
        Marlow."""
        begin = self.offsets[name][0]
        before = [
            n
            for n in fulls
            if self.parts[n].titles == self.parts[name].titles
            and self.parts[n].first != self.parts[name].last
            and 0 < begin - self.offsets[n][0] < WINDOW
        ]
        return before[0] if len(before) == 1 else ""

    def _just_introduced(self, name: str) -> str:
        """Harriet Dale, with whose full name the text has just introduced the Miss Dale of later pages."""
        full, titles = self._just_named(name), set(self.parts[name].titles)
        if not full or self.gender(full) != self.gender(name) or titles_clash(titles, self._titles(full)):
            return ""
        if self._is_named_after_husband(full):
            return ""  # Mrs. Dale may be the mother of Mr. John Dale
        married = titles & {"mrs", "lady"} and not titles & self._titles(full)
        two = self.co_occurrence.together(name, full) or self._are_two(name, full)
        return "" if married or two else full

    def _just_named(self, name: str) -> str:
        """The full name of the same surname after which, with nobody named between, ``name`` first stands."""
        first = self.offsets[name][0]
        i = bisect_left(self.mentions, (first, ""))
        if not i:
            return ""
        at, before = self.mentions[i - 1]
        parts = self.parts[before]
        near = first - at <= INTRODUCED_WITHIN and parts.last == self.parts[name].last
        return before if near and parts.is_full else ""

    def _is_named_after_husband(self, name: str) -> bool:
        """Mrs. John Dale, not Mrs. Clara Dale."""
        parts = self.parts[name]
        return "mrs" in parts.titles and key(parts.first) not in words.FEMALE_NAMES

    def _is_rank_of_lady(self, name: str, other: str) -> bool:
        """Whether a rank would go to a lady who never bears it: General Peel is not Eleanor, if never she."""
        titles = set(self.parts[name].titles)
        is_lady = self.gender(other) == "f" != self.gender(name)
        return titles <= MILITARY and is_lady and not titles & self._titles(other)

    def _daughter_called_miss(self, name: str, roots: list[str]) -> str:
        """Of a family's daughters the only one, or the one mentioned near "Miss Surname" far more often."""
        near = sorted(((self.co_occurrence.coverage(name, r), r) for r in roots), reverse=True)
        clear = len(near) == 1 or (len(near) > 1 and near[0][0] >= 3 * near[1][0])
        if not clear or self.co_occurrence.ratio(name, near[0][1], 0.0, least=3.0) >= 2.5:
            return ""
        return near[0][1]

    def _has_own_title(self, name: str, root: str) -> bool:
        """Whether the person is a younger one of the family, who has a form of her own (Miss Lucy, Mr. Frank
        Claydon, Princess Anne), so that ``name``, the bare title and surname, is another's."""
        titles, surname = self.parts[name].titles, self.parts[name].last
        if titles in (("princess",), ("countess",)):  # maybe the wife of Princess Anne's brother
            firsts = [n for n in self.clusters.names_of(root) if len(self.parts[n].rest) == 1]
            return self.counts[name] < sum(self.counts[n] for n in firsts if self.parts[n].titles == titles)
        if titles == ("mr",) and not self._has_wife(surname):
            return False  # Mr. Fenn is Mr. Tobias Fenn
        if titles not in (("miss",), ("mr",)):
            return False
        only = titles == ("miss",) and self._maidens(surname, name) == {root}
        if only and self.co_occurrence.together(name, root) <= SLIPS * self.counts[name]:
            return False  # nobody else can be Miss Fenn
        full_weight = 0.0 if titles == ("miss",) else 1.0  # Miss Augusta Quill is how she is introduced
        own = sum(
            self.counts[n] * (2.0 if len(self.parts[n].rest) == 1 else full_weight)
            for n in self.clusters.names_of(root)
            if self.parts[n].titles == titles and n != name
        )
        return own > max(1.0, 0.08 * self.counts[name])

    def _has_wife(self, surname: str) -> bool:
        """Whether a married lady is called by the surname alone, so that Mr. Fenn may be an older one."""
        return any(
            "mrs" in p.titles and not p.is_full for p in (self.parts[n] for n in self._by_last[surname])
        )

    def _maidens(self, surname: str, name: str) -> set[str]:
        """The unmarried ladies who bear the surname in other words than ``name``."""
        bearers = {self.clusters.root(n) for n in self._by_last[surname] if n != name}
        return {r for r in bearers if self.gender(r) == "f" and not {"mrs", "lady"} & self._titles(r)}

    def _sons(self, surname: str, name: str) -> set[str]:
        """The men who bear the surname in other words than ``name``, without a title or as Mr. Tom."""
        bearers = {
            self.clusters.root(n) for n in self._by_last[surname] if n != name and self.parts[n].is_full
        }
        return {r for r in bearers if self.gender(r) == "m" and self._titles(r) <= {"mr", "master"}}

    def _has_man_of_rank(self, surname: str) -> bool:
        """Whether a man of the family, as the father may be, has another title than Mr.: Sir Hugh."""
        roots = {self.clusters.root(n) for n in self._by_last[surname]}
        return any(self.gender(r) == "m" and self._titles(r) - {"mr", "master"} for r in roots)

    def _is_elsewhere(self, name: str, person: str) -> bool:
        """Whether the person is named in passing, and not on the pages of ``name``."""
        return self._count(person) < PASSING and self.co_occurrence.coverage((name,), person) < NEARBY

    def _is_called_with_title(self, person: str, titles: tuple[str, ...]) -> bool:
        """Whether the titles stand before the person's first name alone: Mr. Tom, the son of Mr. Dale."""
        firsts = {p.first for p in self._parts_of(person)}
        forms = [self.parts[n] for first in firsts for n in self._by_first[first]]
        return {p.is_full for p in forms if p.titles == titles} == {False}

    def _is_little(self, full: str) -> bool:
        """Whether the bearer is a child, called little Tom Marlow, and so not Mr. Marlow."""
        before = sum((self.candidates[n].before for n in self.clusters.names_of(full)), Counter[str]())
        return before["little"] >= LITTLE * self._count(full)

    def _has_sons(self, surname: str, fulls: list[str]) -> bool:
        """Whether Mr. Marlow may be the father of these: there are a "Mr. and Mrs. Marlow" and a Miss, and
        one of the men is called by his first name alone more often than anybody Mr. Marlow."""
        titled = max(self.counts.get(f"{mr} {surname}", 0) for mr in ("Mr.", "Mr"))
        return (
            surname in self._couples
            and not self._has_man_of_rank(surname)
            and any(self.counts.get(self.parts[n].first, 0) > titled for n in fulls)
            and bool(self._maidens(surname, ""))
        )

    @cached_property
    def _couples(self) -> frozenset[str]:
        """The surnames of those called Mr. and Mrs."""
        return frozenset(_MR_AND_MRS.findall(self.text))

    def _join_promoted(self) -> None:
        """Captain Dale is Lieutenant Dale, who is not called so any more."""
        for name, parts in self._one_word_names(titled=True, single=True):
            lower = _LADDER[: _LADDER.index(parts.titles[-1])] if parts.titles[-1] in _LADDER else ()
            for person in self._roots(self._by_last[parts.last], name) if lower else ():
                titled = [n for n in self.clusters.names_of(person) if self.parts[n].titles]
                risen = titled and all(
                    self.parts[n].titles[-1] in lower and self.offsets[n][-1] < self.offsets[name][0]
                    for n in titled
                )
                if risen and not self.co_occurrence.together(name, person):
                    self.clusters.join(person, name, "title and surname")
                    break

    def _join_titles(self) -> None:
        """Monsieur Dale is Dale of the Hill, Mr. Fenn Dr. or Comrade Fenn, Farmer or Parson Fenn, unless one
        has a first name."""
        for name, parts in self._one_word_names(titled=True, single=True):
            bearers = [
                n
                for n in self._by_last[parts.last]
                if self.parts[n].titles or (self.parts[n].is_full and self._count(n) >= PASSING)
            ]
            roots = self._roots(bearers, name)
            if not roots and words.FEMALE.isdisjoint(parts.titles):  # Dale alone is not Mrs. Dale
                roots = self._roots(self._by_last[parts.last], name)
            if len(roots) != 1 or any(p.first != p.last for p in self._parts_of(roots[0])):
                continue
            titles = self._titles(roots[0])
            doctor = parts.titles in (("mr",), ("dr",)) and titles <= {"mr", "dr", "comrade", "citizen"}
            if doctor or titles_agree(parts.titles, titles):
                self._join_unless_company(roots[0], name, "title and surname")

    def _join_ranks(self) -> None:
        """The Admiral is the book's only Admiral, or the one mentioned far more than the others."""
        for name in [n for n in self.by_count if not self.parts[n].rest]:
            bearers: Counter[str] = Counter()
            for other in self.by_count:
                if self.parts[other].rest and self.parts[name].titles[0] in self.parts[other].titles:
                    bearers[self.clusters.root(other)] += self.counts[other]
            best = dominant_bearer(bearers)
            sure = self.candidates[name].score > 0  # a person's name even if nobody bore the rank before his
            if best and (sure or self.co_occurrence.coverage((name,), best) >= ON_PAGES):
                self.clusters.join(best, name, "rank")
            elif bearers:
                self.dropped.add(name)  # any of them

    def _join_eldest(self) -> None:
        """Miss Marlow is Jane Marlow: of three daughters or more the one never called Miss Jane.

        Mr. Marlow is Tom Marlow, of two sons, where the father may be Sir Hugh, and where there is no Mrs.
        Marlow, whose husband he may be.
        """
        for name, parts in self._one_word_names(titled=True, single=True):
            family = parts.last
            if parts.titles == ("miss",):
                children, least = self._maidens(family, name), 3
            elif parts.titles == ("mr",) and self._has_man_of_rank(family) and not self._has_wife(family):
                children, least = self._sons(family, name), 2
            else:
                continue
            eldest = [child for child in children if not set(parts.titles) & self._titles(child)]
            apart = len(eldest) == 1 and self.co_occurrence.ratio(name, eldest[0], 0.0) < 1.5
            if apart and len(children) >= least:
                self.clusters.join(eldest[0], name, "the eldest")
