"""Alias resolution for an English book: which names are one person's, and why.

A first name belongs to the full name that begins with it, a surname to the title it mostly bears, a nickname
to its long form. Titles and kinship words alone join nobody, and two names that share sentences are two
people. The Chinese twin has the same steps for given names, surnames, titles and courtesy names.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from functools import cached_property

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.bare_ranks import rank_mentions
from kgnb.extract.en.cited import is_only_cited, is_only_compared
from kgnb.extract.en.couples import couple_mentions
from kgnb.extract.en.names import FIRST_NAMES
from kgnb.extract.en.patronymics import Patronymic, patronymic
from kgnb.extract.en.persons import APART, KIN_TITLES, MILITARY, PASSING, NameParts, titles_clash
from kgnb.extract.en.stated_names import stated_names
from kgnb.extract.en.title_aliases import BY_FIRST_NAME, NEARBY, ON_PAGES, TitleAliases
from kgnb.extract.en.vocabulary import key
from kgnb.extract.en.vocatives import answering

# Titles that go with a first name: Miss Anne, Sir Robert.
_BEFORE_FIRST_NAME = (words.FEMALE - {"mrs", "mistress", "widow"}) | frozenset(
    ("master", "sir", "uncle", "cousin", "king", "brother", "father")
)

_NOBLE = frozenset(("prince", "princess", "king", "queen", "sir", "lord"))
RARELY = 0.1
"""Most mentions of others of a surname, for each of the only man's who is known by it."""
USUAL = 0.1
"""Share of a person's mentions from which on a name, unlike the others, may head them."""
MIN_BEGINNING = 3
"""Letters of a short form that a longer first name begins with."""


class AliasResolver(TitleAliases):
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
        self._join_without_middle()
        self._join_patronymics()
        self._join_initials()
        self._join_of_places()
        self._join_peers()
        self._join_titled_first_names()
        self._join_first_names()
        self._join_nicknames(full=True)
        self._join_titled_surnames()
        self._join_promoted()
        self._join_first_names(single=True)  # Frederick, who is now also Captain Thorne
        self._join_surnames()
        self._join_titles()
        self._join_initials(single=True)
        self._join_servants_forms()
        self._join_nicknames()
        self._join_last_parts()
        self._join_sole_bearers()
        self._join_ranks()
        self._join_stated_names()
        self._join_wives()
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

    # --- the steps ---

    def _join_same_words(self) -> None:
        """Miss Elizabeth Marlow and Elizabeth Marlow; Monsieur Dale and Mr. Dale."""
        by_words: dict[tuple[bool | str, ...], list[str]] = defaultdict(list)
        for name in self.by_count:
            parts = self.parts[name]
            first, *middle, last = parts.rest if parts.is_full else ("", *parts.titles, "", *parts.rest)
            said = (first, *(w for w in middle if w[1:] != "."), last)  # George B. Dale
            by_words[self._is_named_after_husband(name), *(w.lower() for w in said)].append(name)
        for one, *others in by_words.values():
            for other in others:
                if self._same_gender(one, other):
                    self.clusters.join(one, other, "same words")

    def _join_without_middle(self) -> None:
        """Tom Dale and Tom Hugh Dale, where there is no Tom Giles Dale."""
        longer: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name in self.by_count:
            rest = self.parts[name].rest
            if len(rest) > 2 and not ({"of", "the"} & {*rest} or self._is_named_after_husband(name)):
                longer[rest[0], rest[-1]].append(name)
        for (first, last), (name, *others) in longer.items():
            if len({self.clusters.root(n) for n in (name, *others)}) > 1:
                continue
            for short in self._by_last.get(last, ()):
                if self.parts[short].rest == (first, last) and not self._is_named_after_husband(short):
                    self._join_unless_company(short, name, "same words")

    def _join_patronymics(self) -> None:
        """Ivan Petrovich, Ivan Petrovitch and Ivan Petrovich Dolin, where there is no Ivan Petrovich Moss."""
        named: dict[tuple[str, Patronymic | None], list[str]] = defaultdict(list)
        for name in self.by_count:
            parts = self.parts[name]
            if parts.has_patronymic:
                named[parts.first, patronymic(parts.rest[1])].append(name)
        by_father: dict[Patronymic | None, list[str]] = defaultdict(list)
        for (_, father), names in named.items():
            by_father[father] += names
            lasts = Counter[str]()
            for name in names:
                if last := self.parts[name].last:
                    lasts[last] += self.counts[name]
            (best, n), *more = lasts.most_common(2) or [("", 0)]
            if not more or n >= 4 * more[0][1]:  # Anna Pavlovna Helene looked at
                one, *others = (n for n in names if self.parts[n].last in ("", best))
                for other in others:
                    self._join_unless_company(one, other, "first name")
        for name, _ in self._one_word_names(titled=False):
            roots = self._roots(by_father.get(patronymic(name), ()), name)
            if roots and self._first_dominates(roots) and self._is_near(name, roots[0]):
                self._join_unless_company(roots[0], name, "first name")

    def _join_initials(self, *, single: bool = False) -> None:
        """T. J. Finch is Tom Finch, the only one of the surname whose first name begins so.

        ``single``: only names not joined with others so far.
        """
        for name in self.by_count:
            if not self.parts[name].has_initial or (single and self._has_other_name(name)):
                continue
            roots = self._roots(self._by_last[self.parts[name].last], name)
            firsts = {r: self._first_names(r) for r in roots}
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

    def _join_first_names(self, *, single: bool = False) -> None:
        """Anne and Anne Harland: the full name that begins so; of several the one never in its sentence.

        Lady Mary Somebody, mentioned once, is not the Mary of every page. ``single``: only names not joined
        with others so far.
        """
        for name, _ in self._one_word_names(titled=False, single=single):
            if name in self._seats:
                continue
            fulls = [
                n
                for n in self._by_first.get(name, ())
                if self.parts[n].is_full
                and "mrs" not in self.parts[n].titles
                and (not self.parts[n].titles or self._count(n) >= 0.015 * self.counts[name])
            ]
            titled = sum(
                self.counts[n]
                for n in self._by_last.get(name, ())
                if set(self.parts[n].titles) - _BEFORE_FIRST_NAME
                and not (self._is_named_after_husband(n) and key(name) in words.MALE_NAMES)  # Mrs. Joe
            )
            if titled > sum(self.counts[n] for n in fulls):
                continue  # a surname rather: Halliday is Colonel Halliday
            roots = sorted(self._roots(fulls, name), key=self._count, reverse=True)
            roots = [r for r in self._without_nobles(name, roots) if not self._are_two(name, r)]
            if not self._first_dominates(roots):  # James of one story is not James Dale of another
                roots = [r for r in roots if self.co_occurrence.coverage((name,), r)] or roots
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

    def _join_surnames(self) -> None:
        """Vance is who mostly bears it with a title; the Badger is the Grey Badger."""
        for name, _ in self._one_word_names(titled=False, single=True):
            bearers: Counter[str] = Counter()
            for other in self._by_last.get(name, ()):
                if self.parts[other].titles or self.parts[other].is_full:
                    bearers[self.clusters.root(other)] += self.counts[other]
            shared = len(bearers) > 1
            excluded = {r for r in bearers if self._are_two(name, r)}
            if shared and self._is_narrated((name,)):
                apart = (r for r in bearers if self.co_occurrence.ratio(name, r) >= APART)
                excluded |= set(filter(self._is_first_name_narrated, apart))
            bearers = Counter({r: n for r, n in bearers.items() if r not in excluded})
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
            elif self.counts[name] < n and not excluded:
                self.dropped.add(name)  # the family's name, nobody's in particular

    def _is_narrated(self, names: Collection[str]) -> bool:
        """Whether the names are used outside speech, and not only now and then."""
        at = [offset for name in names for offset in self.offsets[name]]
        narrated = sum(not self.paragraphs.in_speech(offset) for offset in at)
        return narrated >= PASSING and 2 * narrated >= len(at)

    def _is_first_name_narrated(self, person: str) -> bool:
        """Whether the person is mostly called by the first name alone, in what is told as well."""
        firsts = self._first_names(person) & {*self.clusters.names_of(person)}
        return self._share_of_first_name(person) >= BY_FIRST_NAME and self._is_narrated(firsts)

    def _may_be_called_by_surname(self, person: str) -> bool:
        """Whether a surname alone may mean the person, as it seldom means a lady without a rank."""
        return self.gender(person) != "f" or not MILITARY.isdisjoint(self._titles(person))

    def _join_nicknames(self, *, full: bool = False) -> None:
        """Lizzy and Elizabeth: a long form that is near but never in its sentence.

        ``full``: only Lizzy Dale and Elizabeth Dale.
        """
        for name in [n for n in self.by_count if self.parts[n].is_full or not full]:
            near = [
                r
                for r in self._roots(self._long_forms(name), name)
                if self._is_near(name, r) and not self._are_two(name, r)
                if "mr" not in self._titles(r)
                or not self._is_little(name)  # little Harry is not Mr. Henry Dale
                if not full or self._same_surname(name, r, unsure=False)
            ]
            # With too few occurrences to measure, the word list decides.
            rare = self.counts[name] < 5 and self._count(name) < 10 and not self._is_never_bare(name)
            doubtful = not rare or any(self._is_rather_of_kin(name, person) for person in near)
            best = self._exclusive_person(name, near, strict=len(near) > 1, unsure=9.0 if doubtful else 0.0)
            if not best and len(near) == 1 and self._may_be_nickname(name, near[0]):
                best = near[0]
            if best:
                self.clusters.join(best, name, "nickname")

    def _long_forms(self, name: str) -> list[str]:
        """The names that begin with a long form of the first name: by the word list (Elizabeth of Lizzy), by
        its ending (Huck of Hucky, Rob of Robbie; not Emil of Emily) or by its first letters, where nobody
        else's begins so (Zenobiana of Zen or Zenny)."""
        short = self.parts[name]
        longs = {long.capitalize() for long in words.NICKNAMES.get(short.first.lower(), ())}
        stem = short.first.removesuffix("y").removesuffix("ie")
        stems = {stem, stem[:-1]} if stem[-1:] == stem[-2:-1] else {stem}
        if not short.is_full and key(short.first) not in FIRST_NAMES:  # Clara is not Clarabel
            longs |= set().union(*(self._only_longer(short.first, begin) for begin in stems))
        if stem != short.first and len(stem) >= MIN_BEGINNING:
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

    def _only_longer(self, short: str, begin: str) -> set[str]:
        """The first name that begins so, if there is only one besides ``short``, and they are not two of the
        word lists, which then say whether Kit is short for Kitty."""
        first, last = (bisect_right(self._firsts, begin + end) for end in ("", "\uffff"))
        longer = {name for name in self._firsts[first:last] if name[:-2].startswith(begin)} - {short}
        listed = short.lower() in words.NICKNAMES and any(key(name) in FIRST_NAMES for name in longer)
        return longer if len(begin) >= MIN_BEGINNING and len(longer) == 1 and not listed else set()

    @cached_property
    def _firsts(self) -> list[str]:
        """The first names of the book, sorted."""
        return sorted(self._by_first)

    def _is_near(self, name: str, person: str) -> bool:
        """Whether they are of one family or, where either has no surname, the rarer is mostly on the other's
        pages."""
        coverage = self.co_occurrence.coverage
        on_pages = max(coverage(name, person), coverage(person, name)) >= ON_PAGES
        return self._same_surname(name, person, unsure=on_pages)

    def _may_be_nickname(self, name: str, person: str) -> bool:
        """Whether they have one surname or, where either has none, are never in one sentence: Aunt Polly need
        not be Mary."""
        apart = not self.co_occurrence.together(name, person) and not self._is_rather_of_kin(name, person)
        return self._same_surname(name, person, unsure=apart and not self._is_never_bare(name))

    def _is_rather_of_kin(self, name: str, person: str) -> bool:
        """Whether who bears ``name`` is rather called Aunt Polly than Polly, and the person no aunt."""
        kin = (self._titles(name) & KIN_TITLES) - self._titles(person)
        titled = [n for n in self.clusters.names_of(name) if kin & set(self.parts[n].titles)]
        return sum(self.counts[n] for n in titled) > 0.5 * self._count(name)

    def _is_never_bare(self, name: str) -> bool:
        """Whether nobody is called by the first name of a full name alone: Edward need not be Ned Dale, where
        there is no Ned."""
        return self.parts[name].is_full and self.parts[name].first not in self.candidates

    def _join_last_parts(self) -> None:
        """Smith-Dale is also called Dale; Anne-Marie is not called Marie, nor the Fish-Porter the Porter."""
        for name in self.by_count:
            first, _, last = self.parts[name].last.rpartition("-")
            bearer = self.candidates.get(last) if first and key(last) not in FIRST_NAMES else None
            known = bearer and bearer.articles < 0.5 * bearer.count
            if known and not any(self.parts[n].is_full for n in self._by_last[last]):
                self._join_unless_company(last, name, "surname")

    def _join_sole_bearers(self) -> None:
        """Oak, Mr. Oak and Farmer Oak are Gabriel Oak, the only man whom the book knows by that surname."""
        for surname, names in self._by_last.items():
            roots = dict.fromkeys(map(self.clusters.root, names))
            full = [r for r in roots if any(self._has_first_name(p) for p in self._parts_of(r))]
            counts = Counter({r: self._count(r) for r in full if self.gender(r) != "f"})
            (best, n), *others = counts.most_common(2) or [("", 0)]
            if not best or (others and others[0][1] > RARELY * n):
                continue
            for other in roots:
                if other not in full and self._is_sole_bearer(best, other, surname):
                    self.clusters.join(best, other, "surname")

    def _has_first_name(self, parts: NameParts) -> bool:
        """Whether more than titles and trades stands before the surname: not in Shepherd Oak."""
        return parts.is_full and key(parts.first) not in words.TRADES

    def _is_sole_bearer(self, person: str, other: str, surname: str) -> bool:
        """Whether who is called by a surname alone, with titles or without, is the man who has it.

        They keep no company and, where there is mostly a title, are met on the same pages; Mr. Dale alone may
        be the father.
        """
        titles = self._titles(other)
        if (
            any(p.last != surname for p in self._parts_of(other))
            or other in self.dropped
            or self.gender(other) == "f"
            or titles_clash(titles, self._titles(person))
            or self.co_occurrence.ratio(other, person, 0.0) >= APART
            or self._are_two(other, person)
            or self._is_far(other, person)
        ):
            return False
        if surname in self.clusters.names_of(other) and 2 * self.counts[surname] >= self._count(other):
            misses = [n for n in self._by_last[surname] if self.parts[n].titles == ("miss",)]
            children = any(self.counts[n] >= PASSING for n in misses) or surname in self._seats
            family = self._has_wife(surname) and children
            return not ("mr" in titles and family and self._is_first_name_narrated(person))  # his father
        return titles != {"mr"} and self.co_occurrence.coverage(other, person) >= NEARBY

    def _join_stated_names(self) -> None:
        """Mr. Dale, alias Moss; Mrs. Dale is the Miss Moss whom Mr. Dale married."""
        stated = list(stated_names(self.text, self.mentions))
        bearers: dict[str, set[str]] = defaultdict(set)
        for one, other, married in stated:
            if not married:
                bearers[other].add(self.clusters.root(one))
        for one, other, married in stated:
            if married:
                one = self._wife_of(one, other)
            elif len(bearers[other]) > 1:
                continue  # Ann and Jane, her daughter, are Princess of Arden each
            if one and self._same_gender(one, other) and not self._have_first_names(one, other):
                self.clusters.join(one, other, "stated")

    def _have_first_names(self, one: str, other: str) -> bool:
        """Whether who is called ``other``, a title and surname, is known by another first name than who is
        called ``one``: Tom Dale, now Lord Moss, is not the Hugh Moss who was Lord Moss before."""
        firsts = [self._first_names(name) for name in (one, other)]
        called = any(not self.parts[n].is_full and set(self.parts[n].titles) - {"mr"} for n in (one, other))
        return called and all(firsts) and firsts[0].isdisjoint(firsts[1])

    def _join_who_answer(self) -> None:
        """Aunt Cicely is Mrs. Peel if Mrs. Peel answers to "Aunt Cicely", who has no other full name."""
        for called, answerer, sure in list(answering(self.paragraphs, self.offsets, self.clusters.root)):
            bare = not any(self.parts[n].is_full for n in self.clusters.names_of(called))
            roots = [self.clusters.root(answerer)] if bare and self._same_gender(called, answerer) else []
            best = self._exclusive_person(called, roots)
            if best or (roots and sure and self.co_occurrence.ratio(called, answerer) < 1.0):
                self.clusters.join(answerer, called, "answers to it")

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

    def _canonical_rank(self, name: str) -> tuple[int, int, int, str]:
        """A full name without title first that occurs twice or introduces its bearer; then what is no
        rank, the rather if it is usual and has no article; then by frequency."""
        parts, count = self.parts[name], self.counts[name]
        # Not so in Old Stone, Massa Stone, nor in Bruin Bear, who is a Bear.
        kind = self.candidates.get(parts.last) if self.lower[parts.last.lower()] else None
        named = key(parts.first) in FIRST_NAMES or (
            parts.first in self.candidates and not (kind and kind.articles >= 0.1 * kind.count)
        )
        full = named and parts.is_full and not parts.titles and (count >= 2 or self._is_introduced(name))
        bare = 2 * self.candidates[name].articles < count  # Finch, not the Badger
        proper = bool(parts.rest) + (bool(parts.rest) and bare and count >= USUAL * self._count(name))
        return (int(full and self._is_like_usual(name)), proper, count, name)

    def _usual_name(self, name: str) -> str:
        """The person's most frequent name."""
        return max(self.clusters.names_of(name), key=lambda n: (self.counts[n], n))

    def _is_like_usual(self, name: str) -> bool:
        """Whether a name has a word, or its long form, of the person's usual one, or is a usual one too."""
        usual = {key(word) for word in self._usual_name(name).split(" ")}
        longs = usual.union(*(words.NICKNAMES.get(word, ()) for word in usual))
        alike = not longs.isdisjoint(map(key, name.split(" ")))
        return alike or self.counts[name] >= USUAL * self._count(name)

    def _is_introduced(self, name: str) -> bool:
        """Whether a full name, mentioned once, is that of somebody mostly called by its first word: Jane."""
        parts, usual = self.parts[name], self._usual_name(name)
        return len(parts.rest) == 2 and usual == parts.first and key(usual) in FIRST_NAMES
