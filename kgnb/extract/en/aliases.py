"""Alias resolution for an English book: which names are one person's, and why.

A first name belongs to the full name that begins with it, a surname to the title it mostly bears, a nickname
to its long form. Titles and kinship words alone join nobody, and two names that share sentences are two
people. The Chinese twin has the same steps for given names, surnames, titles and courtesy names.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.bare_ranks import dominant_bearer, rank_mentions
from kgnb.extract.en.cited import is_only_cited, is_only_compared
from kgnb.extract.en.couples import couple_mentions
from kgnb.extract.en.names import FIRST_NAMES, key
from kgnb.extract.en.patronymics import Patronymic, patronymic
from kgnb.extract.en.persons import KIN_TITLES, PASSING, WINDOW, BookPersons, NameParts, titles_clash
from kgnb.extract.en.stated_names import stated_names
from kgnb.extract.en.vocatives import answering

# Titles that go with a first name: Miss Anne, Sir Robert.
_BEFORE_FIRST_NAME = (words.FEMALE - {"mrs", "mistress", "widow"}) | frozenset(
    ("master", "sir", "uncle", "cousin", "king", "brother", "father")
)
_JOIN_FIRST_NAME = ("miss", "master", "sir", "lady", "aunt", "uncle", "cousin", "brother", "sister", "don")

_LADDER = (
    *("private", "corporal", "sergeant", "midshipman", "ensign", "lieutenant", "commander", "captain"),
    *("major", "commodore", "colonel", "brigadier", "general", "admiral"),
)
"""Military titles, each above those before it in an army or a navy."""
_NOBLE = frozenset(("prince", "princess", "king", "queen", "sir", "lord"))
_MR_AND_MRS = re.compile(r"Mr\.? and Mrs\.? ([\w'-]+)")
LITTLE = 0.1
"""Least share of a child's mentions that have "little" before them."""
SURE_EXPECTED = 3.0
"""Expected shared sentences of which a doubtful pair of names must have hardly any: none has p = 0.05."""
ON_PAGES = 0.4
"""Share of a name's passages from which on it is mostly on its bearer's pages."""
NEARBY = 0.2
"""Share of a first name's passages from which on a prince called so too may be its bearer."""
ONLY_CALLED = 0.8
"""Least share in speech of the mentions of a short form that nobody but who calls its bearer uses."""
MIN_BEGINNING = 3
"""Letters of a short form that a longer first name begins with."""


class AliasResolver(BookPersons):
    """Resolves the aliases of one book."""

    def implied_offsets(self) -> Mapping[str, list[int]]:
        """Return name → offsets where a couple's words or a rank mean its bearer without the name."""
        found: dict[str, list[int]] = defaultdict(list)
        couples = couple_mentions(self.text, self.candidates.__contains__)
        ranks = rank_mentions(self.text, self.counts, self.clusters.root)
        for start, _, name in (*couples, *ranks):
            found[name].append(start)
        return found

    def resolve(self) -> dict[str, list[str]]:
        """Return canonical name → all names of that person, the most frequent first."""
        self._join_same_words()
        self._join_patronymics()
        self._join_initials()
        self._join_of_places()
        self._join_peers()
        self._join_titled_first_names()
        self._join_first_names()
        self._join_titled_surnames()
        self._join_promoted()
        self._join_first_names(single=True)  # Frederick, who is now also Captain Thorne
        self._join_surnames()
        self._join_titles()
        self._join_servants_forms()
        self._join_nicknames()
        self._join_last_parts()
        self._join_ranks()
        self._join_stated_names()
        self._join_eldest()
        self._join_who_answer()
        counts = {n: count for n, count in self.counts.items() if n not in self.dropped}
        persons = self.clusters.persons(counts, self._canonical_rank)
        absent = {
            n
            for n, c in self.candidates.items()
            if is_only_compared(c)
            or (is_only_cited(c, self.text, self.paragraphs, self.lower) and not self._has_family(n))
        }
        return {name: names for name, names in persons.items() if not absent.issuperset(names)}

    def _has_family(self, name: str) -> bool:
        """Whether a full name ends in a surname that somebody else bears."""
        parts = self.parts[name]
        return parts.is_full and self._is_surname(parts.last, name)

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

    # --- the steps ---

    def _join_same_words(self) -> None:
        """Miss Elizabeth Marlow and Elizabeth Marlow; Monsieur Dale and Mr. Dale."""
        by_words: dict[tuple[bool | str, ...], list[str]] = defaultdict(list)
        for name in self.by_count:
            parts = self.parts[name]
            said = parts.rest if parts.is_full else (*parts.titles, "", *parts.rest)
            by_words[self._is_named_after_husband(name), *(w.lower() for w in said)].append(name)
        for one, *others in by_words.values():
            for other in others:
                if self._same_gender(one, other):
                    self.clusters.join(one, other, "same words")

    def _join_patronymics(self) -> None:
        """Ivan Petrovich, Ivan Petrovitch and Ivan Petrovich Dolin, where there is no Ivan Petrovich Moss."""
        named: dict[tuple[str, Patronymic | None], list[str]] = defaultdict(list)
        for name in self.by_count:
            parts = self.parts[name]
            if parts.has_patronymic:
                named[parts.first, patronymic(parts.rest[1])].append(name)
        by_father: dict[Patronymic | None, list[str]] = defaultdict(list)
        for one, *others in named.values():
            if len({self.parts[n].last for n in (one, *others)} - {""}) < 2:
                for other in others:
                    self._join_unless_company(one, other, "first name")
            by_father[patronymic(self.parts[one].rest[1])] += [one, *others]
        for name, _ in self._one_word_names(titled=False):
            roots = self._roots(by_father.get(patronymic(name), ()), name)
            if roots and self._first_dominates(roots) and self._is_near(name, roots[0]):
                self._join_unless_company(roots[0], name, "first name")

    def _join_initials(self) -> None:
        """T. J. Finch is Tom Finch, the only one of the surname whose first name begins so."""
        for name in [n for n in self.by_count if self.parts[n].has_initial]:
            roots = self._roots(self._by_last[self.parts[name].last], name)
            firsts = {r: {p.first for p in self._parts_of(r) if p.is_full} for r in roots}
            fitting = [
                r for r, first in firsts.items() if {f[0] for f in first} == {self.parts[name].first[0]}
            ]
            if not any(firsts.values()):
                fitting = roots  # Mr. Finch
            if len(fitting) == 1:
                self._join_unless_company(fitting[0], name, "first name")

    def _join_of_places(self) -> None:
        """Mrs. Fenn of Orchard Street is Mrs. Fenn, Tom Finch the Red Tom Finch; the Duke of York is not any
        Duke, nor the Elder, or the Baker where one is the Smith, any Tom Finch."""
        longer: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name in self.by_count:
            for particle, least in ((" of ", 1), (" the ", 2)):
                plain, found, _ = name.partition(particle)
                if found and plain in self.candidates and len(self.parts[plain].rest) >= least:
                    longer[plain, particle].append(name)
        for (plain, particle), (name, *namesakes) in longer.items():
            if not namesakes and key(name.removeprefix(plain + particle)) not in words.BEFORE_KIN:
                self.clusters.join(plain, name, "of a place")

    @cached_property
    def _seats(self) -> dict[str, list[str]]:
        """Place → the peers who are called after it."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.by_count:
            titles, rest = self.parts[name].titles, self.parts[name].rest
            of_place = titles and rest and titles[-1] in words.PEERS and (len(rest) == 1 or rest[0] == "of")
            if of_place and key(rest[-1]) not in FIRST_NAMES:  # not Lord Edmund
                found[rest[-1]].append(name)
        return found

    def _join_peers(self) -> None:
        """The Duke of Brayton is Brayton, Viscount Brayton Lord Brayton."""
        for place, (peer, *others) in self._seats.items():
            bare = [place] if place in self.candidates else []
            for other in (*others, *bare):
                if best := self._exclusive_person(other, self._roots([peer], other)):
                    self.clusters.join(best, other, "rank")

    def _join_titled_first_names(self) -> None:
        """Sir Robert and Sir Robert Harland; Miss Anne and Anne."""
        for name, parts in self._one_word_names(titled=True):
            if parts.titles[-1] != "sir" and self._is_surname(parts.first, name):
                continue
            namesakes = self._by_first[parts.first]
            same_title = [n for n in namesakes if self.parts[n].titles[-1:] == parts.titles[-1:]]
            longer = [n for n in same_title if self.parts[n].is_full]
            if longer:
                self.clusters.join(longer[0], name, "title and first name")
            elif self.counts.get(parts.first, 0) >= PASSING and parts.titles[-1] in _JOIN_FIRST_NAME:
                bare = parts.first
                jest = parts.titles[-1] in ("sir", "lady") and self.counts[name] < 0.1 * self.counts[bare]
                if not jest and self.co_occurrence.ratio(name, bare, 0.0) < 0.6:
                    self.clusters.join(bare, name, "title and first name")
            elif parts.titles[-1] in KIN_TITLES and parts.first not in self.candidates:
                fulls = [n for n in self._by_first[parts.first] if self.parts[n].is_full]
                if best := self._exclusive_person(name, self._roots(fulls, name)):
                    self.clusters.join(best, name, "title and first name")

    def _join_servants_forms(self) -> None:
        """Mr. Tom and Miz Anne, as servants say, are Tom and Anne."""
        for name, parts in self._one_word_names(titled=True, single=True):
            names = {"mr": words.MALE_NAMES, "mrs": words.FEMALE_NAMES}.get(parts.titles[-1], ())
            known = self.counts.get(parts.first, 0) >= PASSING and key(parts.first) in names
            if known and not self._is_surname(parts.first, name):
                self._join_unless_company(parts.first, name, "title and first name")

    def _join_first_names(self, *, single: bool = False) -> None:
        """Anne and Anne Harland: the full name that begins so; of several the one never in its sentence.

        Lady Mary Somebody, mentioned once, is not the Mary of every page. ``single``: only names not joined
        with others so far.
        """
        for name, _ in self._one_word_names(titled=False, single=single):
            fulls = [
                n
                for n in self._by_first.get(name, ())
                if self.parts[n].is_full
                and "mrs" not in self.parts[n].titles
                and (not self.parts[n].titles or self._count(n) >= 0.015 * self.counts[name])
            ]
            if name in self._seats:
                continue
            titled = sum(
                self.counts[n]
                for n in self._by_last.get(name, ())
                if set(self.parts[n].titles) - _BEFORE_FIRST_NAME
                and not (self._is_named_after_husband(n) and key(name) in words.MALE_NAMES)  # Mrs. Joe
            )
            if titled > sum(self.counts[n] for n in fulls):
                continue  # a surname rather: Halliday is Colonel Halliday
            roots = sorted(self._roots(fulls, name), key=self._count, reverse=True)
            roots = self._without_nobles(name, roots)
            if roots and self._first_dominates(roots):
                sure = self.co_occurrence.ratio(name, roots[0], 0.0, least=3.0) < 1.2
                best = roots[0] if sure else ""
            else:
                best = self._exclusive_person(name, roots)
            if best:
                self.clusters.join(best, name, "first name")

    def _without_nobles(self, first: str, persons: list[str]) -> list[str]:
        """The persons without any Prince Nicholas who is elsewhere than Nicholas, if there are others who are
        more than named in passing."""
        nobles = {
            person
            for person in persons
            if any(p.rest == (first,) and not _NOBLE.isdisjoint(p.titles) for p in self._parts_of(person))
        }
        others = [person for person in persons if person not in nobles]
        elsewhere = all(self.co_occurrence.coverage((first,), noble) < NEARBY for noble in nobles)
        known = any(self._count(person) >= PASSING for person in others)
        return others if elsewhere and known else persons

    def _join_titled_surnames(self) -> None:
        """Mr. Ashby and Charles Ashby, Captain Thorne and Frederick Thorne."""
        for name, parts in self._one_word_names(titled=True, single=True):
            fulls = [
                n
                for n in self._by_last.get(parts.last, ())
                if self.parts[n].is_full
                and not titles_clash(parts.titles, self._titles(n))
                and not self._is_named_after_husband(n)
                and not self._is_rank_of_lady(name, n)
                and (words.FEMALE.isdisjoint(parts.titles) or self._may_be_lady(n))
                and not (parts.titles == ("mr",) and self._is_little(n))
                and not self._has_own_title(name, self.clusters.root(n))
            ]
            if introduced := self._introduced_as(name, fulls):
                fulls = [introduced]
            elif parts.titles == ("mr",) and self._has_sons(parts.last, fulls):
                fulls = []
            # A lady's first name is seldom used where her title is: without evidence she is not joined.
            roots = sorted(self._roots(fulls, name), key=self._count, reverse=True)
            of_rank = [r for r in roots if set(parts.titles) & self._titles(r) & words.NEUTRAL]
            if len(of_rank) == 1 < len(roots):  # Dr. Anne Pell rather than Tom Pell, unless she is elsewhere
                elsewhere = self._is_elsewhere(name, of_rank[0])
                roots = [r for r in roots if r not in of_rank] if elsewhere else of_rank
            if parts.titles == ("mr",) and len(roots) > 1:
                roots = [r for r in roots if not self._is_called_with_title(r, parts.titles)] or roots
            if parts.titles == ("mr",) and not self._has_wife(parts.last) and self._first_dominates(roots):
                roots = roots[:1]
            lady = bool(set(parts.titles) & {"mrs", "lady"})
            doubt = len(roots) > 1 or (lady and not any(set(parts.titles) & self._titles(r) for r in roots))
            if parts.titles == ("miss",):
                best = self._daughter_called_miss(name, roots)
            else:
                unsure, least = (9.0, SURE_EXPECTED) if doubt else (0.0, 1.0)
                best = self._exclusive_person(name, roots, strict=True, unsure=unsure, least=least)
            if not best and parts.titles == ("aunt",) and (noble := f"Lady {parts.last}") in self.counts:
                best = self._exclusive_person(name, [self.clusters.root(noble)])
            best = best or self._just_introduced(name)
            if best:
                self.clusters.join(best, name, "title and surname")

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
        married = titles & {"mrs", "lady"} and not titles & self._titles(full)
        return "" if married or self.co_occurrence.together(name, full) else full

    def _join_promoted(self) -> None:
        """Captain Dale is Lieutenant Dale, who is not called so any more."""
        for name, parts in self._one_word_names(titled=True, single=True):
            lower = _LADDER[: _LADDER.index(parts.titles[-1])] if parts.titles[-1] in _LADDER else ()
            for person in self._roots(self._by_last[parts.last], name) if lower else ():
                forms = [
                    (n, p.titles[-1]) for n in self.clusters.names_of(person) if (p := self.parts[n]).titles
                ]
                risen = forms and all(
                    title in lower and self.offsets[n][-1] < self.offsets[name][0] for n, title in forms
                )
                if risen and not self.co_occurrence.together(name, person):
                    self.clusters.join(person, name, "title and surname")
                    break

    def _is_named_after_husband(self, name: str) -> bool:
        """Mrs. John Dale, not Mrs. Clara Dale."""
        parts = self.parts[name]
        return "mrs" in parts.titles and key(parts.first) not in words.FEMALE_NAMES

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
        titled = max((self.counts.get(f"{mr} {surname}", 0) for mr in ("Mr.", "Mr")), default=0)
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

    def _join_surnames(self) -> None:
        """Vance is who mostly bears it with a title; the Badger is the Grey Badger."""
        for name, _ in self._one_word_names(titled=False, single=True):
            bearers: Counter[str] = Counter()
            for other in self._by_last.get(name, ()):
                if self.parts[other].titles or self.parts[other].is_full:
                    bearers[self.clusters.root(other)] += self.counts[other]
            shared = len(bearers) > 1
            called = Counter({r: n for r, n in bearers.items() if self._may_be_called_by_surname(r)})
            if called and max(called.values()) >= 0.2 * max(bearers.values()):
                bearers = called
            if not bearers:
                continue
            (best, n), *others = bearers.most_common(2)
            # A lady is not called by her surname alone while others bear it.
            clear = not others or (n >= 1.2 * others[0][1] and not self._titles(best) & {"mrs", "miss"})
            wife = "mrs" in self._titles(best) and self.candidates[name].speaks > 1
            if self.gender(best) == "f" and self.gender(name) in (("m", "") if wife else ("m",)):
                continue  # her husband or father
            rare = shared and self.counts[name] < 0.02 * n  # where all are Mr. and Miss Dale
            if clear and not rare and self.co_occurrence.ratio(name, best, 0.0, least=3.0) < 1.5:
                self.clusters.join(best, name, "surname")
            elif self.counts[name] < n:
                self.dropped.add(name)  # the family's name, nobody's in particular

    def _may_be_called_by_surname(self, person: str) -> bool:
        """Whether a surname alone may mean the person, as it seldom means a lady without a rank."""
        return self.gender(person) != "f" or not words.RANKS.isdisjoint(self._titles(person) & words.NEUTRAL)

    def _join_titles(self) -> None:
        """Monsieur Dale is Dale of the Hill, Mr. Fenn Dr. or Comrade Fenn, unless one has a first name."""
        for name, parts in self._one_word_names(titled=True, single=True):
            roots = self._roots(self._by_last[parts.last], name)
            if parts.titles == ("widow",) and len(roots) == 1 and "mrs" in self._titles(roots[0]):
                self._join_unless_company(roots[0], name, "title and surname")
            if parts.titles not in (("mr",), ("dr",)):
                continue
            alike = len(roots) == 1 and self._titles(roots[0]) <= {"mr", "dr", "comrade", "citizen"}
            if alike and all({p.first, p.last} == {parts.last} for p in self._parts_of(roots[0])):
                self._join_unless_company(roots[0], name, "title and surname")

    def _join_nicknames(self) -> None:
        """Lizzy and Elizabeth: a long form that is near but never in its sentence."""
        for name in self.by_count:
            near = [r for r in self._roots(self._long_forms(name), name) if self._is_near(name, r)]
            # With too few occurrences to measure, the word list decides.
            kin = self._titles(name) & KIN_TITLES
            rare = self.counts[name] < 5 and self._count(name) < 10 and not kin
            best = self._exclusive_person(name, near, strict=len(near) > 1, unsure=0.0 if rare else 9.0)
            if not best and len(near) == 1 and self._may_be_nickname(name, near[0]):
                best = near[0]
            if best:
                self.clusters.join(best, name, "nickname")

    def _long_forms(self, name: str) -> list[str]:
        """The names that begin with a long form of the first name: by the word list (Elizabeth of Lizzy), by
        its ending (Huck of Hucky, Rob of Robbie; not Emil of Emily) or by its first letters, in one family
        (Clemmons Finch of Clem Finch) or where it is only used in speech (Theodosia of Theo)."""
        short = self.parts[name]
        longs = {long.capitalize() for long in words.NICKNAMES.get(short.first.lower(), ())}
        if short.is_full and len(short.first) >= MIN_BEGINNING and key(short.first) not in FIRST_NAMES:
            firsts = {self.parts[n].first for n in self._by_last[short.last] if self.parts[n].is_full}
            longs |= {first for first in firsts if first[:-2].startswith(short.first)}
        elif not short.is_full and len(short.first) >= MIN_BEGINNING and self._is_only_called(name):
            k = bisect_right(self._firsts, short.first)
            begun = [first for first in self._firsts[k : k + 2] if first[:-2].startswith(short.first)]
            longs |= set(begun) if len(begun) == 1 else set()
        stem = short.first.removesuffix("y").removesuffix("ie")
        if stem != short.first and len(stem) >= MIN_BEGINNING:
            stems = {stem, stem[:-1]} if stem[-1] == stem[-2] else {stem}
            first = key(short.first)
            known = [sex for sex in (words.FEMALE_NAMES, words.MALE_NAMES) if first in sex]
            longs |= {s for s in stems if not known or any(key(s) in sex for sex in known)}
        forms = [(n, self.parts[n]) for long in sorted(longs) for n in self._by_first.get(long, ())]
        return [
            n
            for n, p in forms
            if not p.titles
            or (p.is_full and "sir" not in self._titles(n))
            or _NOBLE & set(p.titles) - {"sir"}
        ]

    @cached_property
    def _firsts(self) -> list[str]:
        """The first names of the book, sorted."""
        return sorted(self._by_first)

    def _is_only_called(self, name: str) -> bool:
        """Whether the name is hardly ever used but in speech."""
        offsets = self.offsets[name]
        return sum(map(self.paragraphs.in_speech, offsets)) >= ONLY_CALLED * len(offsets)

    def _is_near(self, name: str, person: str) -> bool:
        """Whether they are of one family or, where either has no surname, the rarer is mostly on the other's
        pages."""
        coverage = self.co_occurrence.coverage
        on_pages = max(coverage(name, person), coverage(person, name)) >= ON_PAGES
        return self._same_surname(name, person, unsure=on_pages)

    def _may_be_nickname(self, name: str, person: str) -> bool:
        """Whether they have one surname or, where either has none, are never in one sentence: Aunt Polly need
        not be Mary."""
        apart = not self.co_occurrence.together(name, person) and not self._titles(name) & KIN_TITLES
        return self._same_surname(name, person, unsure=apart)

    def _join_last_parts(self) -> None:
        """Smith-Dale is also called Dale; Anne-Marie is not called Marie, nor the Fish-Porter the Porter."""
        for name in self.by_count:
            first, _, last = self.parts[name].last.rpartition("-")
            bearer = self.candidates.get(last) if first and key(last) not in FIRST_NAMES else None
            if bearer and bearer.articles < 0.5 * bearer.count and not self._bears_as_surname(last):
                self._join_unless_company(last, name, "surname")

    def _bears_as_surname(self, last: str) -> bool:
        """Whether who is called ``last`` has a first name before it: Tom Dale is not Smith-Dale."""
        return any(parts.is_full and parts.last == last for parts in self._parts_of(last))

    def _join_unless_company(self, one: str, other: str, reason: str) -> None:
        """Join both names unless their genders differ or they keep company."""
        if self._same_gender(one, other) and self.co_occurrence.ratio(one, other, 0.0, least=3.0) < 1.5:
            self.clusters.join(one, other, reason)

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

    def _join_stated_names(self) -> None:
        """Mr. Dale, alias Moss; Mrs. Dale is the Miss Moss whom Mr. Dale married."""
        for one, other, married in stated_names(self.text, self.offsets):
            if married:
                one = self._wife_of(one, other)
            if one and self._same_gender(one, other):
                self.clusters.join(one, other, "stated")

    def _join_who_answer(self) -> None:
        """Aunt Cicely is Mrs. Peel if Mrs. Peel answers to "Aunt Cicely", who has no other full name."""
        for called, answerer in list(answering(self.paragraphs, self.offsets, self.clusters.root)):
            bare = not any(self.parts[n].is_full for n in self.clusters.names_of(called))
            roots = [self.clusters.root(answerer)] if bare and self._same_gender(called, answerer) else []
            if best := self._exclusive_person(called, roots):
                self.clusters.join(best, called, "answers to it")

    def _wife_of(self, husband: str, bride: str) -> str:
        """The Mrs. of the husband's surname, if she has no other name and the bride's comes first."""
        his = self.parts[husband]
        wives = [
            n
            for n in self._by_last.get(his.last, ())
            if self.parts[n].titles == ("mrs",) and self.parts[n].first in (his.first, his.last)
        ]
        if len(wives) != 1 or len(self.clusters.names_of(wives[0])) > 1 or self.gender(bride) != "f":
            return ""
        median = [sorted(self.offsets[n])[self.counts[n] // 2] for n in (bride, wives[0])]
        return wives[0] if median[0] < median[1] else ""

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

    def _canonical_rank(self, name: str) -> tuple[int, int, int, str]:
        """A full name without title first that occurs twice or introduces its bearer; then by frequency."""
        parts, count = self.parts[name], self.counts[name]
        # Not so in Old Stone, Massa Stone, nor in Bruin Bear, who is a Bear.
        kind = self.candidates.get(parts.last) if self.lower[parts.last.lower()] else None
        named = key(parts.first) in FIRST_NAMES or (
            parts.first in self.candidates and not (kind and kind.articles >= 0.1 * kind.count)
        )
        full = named and parts.is_full and not parts.titles and (count >= 2 or self._is_introduced(name))
        return (int(full), int(bool(parts.rest)), count, name)

    def _is_introduced(self, name: str) -> bool:
        """Whether a full name, mentioned once, is that of somebody mostly called by its first word: Jane."""
        parts = self.parts[name]
        usual = max(self.clusters.names_of(name), key=lambda n: (self.counts[n], n))
        return len(parts.rest) == 2 and usual == parts.first and key(usual) in FIRST_NAMES
