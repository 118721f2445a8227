"""Which names of an English book are one person's, and why.

A first name belongs to the full name that begins with it, a bare surname to the title it mostly bears, a
nickname to its long form; titles and kinship alone join nobody, and two names that keep company in one
sentence are two.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kgnb.extract import words_en as words
from kgnb.extract.names_en import Span, key
from kgnb.extract.people import People, Stands

_SENTENCE_END = re.compile(r"[.!?](?=[\s\"])|\n")
_ABBREVIATED = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Rev)\.$")
_PRONOUN = re.compile(r"\b(he|him|his|himself|she|her|hers|herself)\b", re.IGNORECASE)
_WITH_FIRST = (words.FEMALE - {"mrs", "mistress"}) | frozenset(
    ("master", "sir", "uncle", "cousin", "king", "st")
)
_MILITARY = words.RANKS & words.NEUTRAL
WINDOW = 1500


@dataclass(frozen=True, slots=True)
class Parts:
    """A name taken apart."""

    titles: tuple[str, ...]
    rest: tuple[str, ...]

    @property
    def first(self) -> str:
        """The first word after the titles."""
        return self.rest[0] if self.rest else ""

    @property
    def last(self) -> str:
        """The last word."""
        return self.rest[-1] if self.rest else ""


def split(name: str) -> Parts:
    """Titles and the words after them."""
    parts = name.split(" ")
    n = 0
    while n < len(parts) - 1 and key(parts[n]) in words.HONORIFICS:
        n += 1
    if len(parts) == 1 and key(parts[0]) in words.RANKS:
        return Parts((key(parts[0]),), ())
    return Parts(tuple(key(p) for p in parts[:n]), tuple(parts[n:]))


class Resolver:
    """Resolves the aliases of one book. ``spans`` are the accepted persons."""

    def __init__(self, text: str, spans: Mapping[str, Span]) -> None:
        self.text = text
        self.spans = {n: s for n, s in spans.items() if not _family(n, s, spans)}
        self.parts = {n: split(n) for n in self.spans}
        self.people = People(self.spans)
        ends = [
            m.start()
            for m in _SENTENCE_END.finditer(text)
            if not _ABBREVIATED.search(text, max(0, m.start() - 5), m.start() + 1)
        ]
        self.stands = Stands(self.people, {n: s.at for n, s in self.spans.items()}, ends, WINDOW)
        self.order = sorted(self.spans, key=lambda n: (-self.spans[n].count, n))
        self._gender: dict[str, str] = {}
        self.dropped: set[str] = set()
        self._begin: dict[str, list[str]] = defaultdict(list)  # first word after the titles → names
        self._end: dict[str, list[str]] = defaultdict(list)  # last word → names
        for name in self.order:
            if self.parts[name].rest:
                self._begin[self.parts[name].first].append(name)
                self._end[self.parts[name].last].append(name)

    def resolve(self) -> dict[str, list[str]]:
        """Canonical name → all names of that person."""
        self._same_words()
        self._titled_first()
        self._bare_first()
        self._titled_surname()
        self._bare_last()
        self._nicknames()
        self._ranks()
        self._eldest()
        found = {}
        for members in self.people.members.values():
            names = [n for n in members if n not in self.dropped]
            if not names:
                continue
            found[max(names, key=self._canonical)] = sorted(names, key=lambda n: (-self.spans[n].count, n))
        return found

    # --- the steps ---

    def _same_words(self) -> None:
        """Miss Elizabeth Bennet and Elizabeth Bennet; Lady Catherine de Bourgh and Catherine de Bourgh."""
        by_words: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for name in self.order:
            rest = self.parts[name].rest
            if len(rest) >= 2:
                by_words[tuple(w.lower() for w in rest)].append(name)
        for names in by_words.values():
            for other in names[1:]:
                if self._agree(names[0], other) and not self._wife(names[0], other):
                    self.people.join(names[0], other, "same words")

    def _titled_first(self) -> None:
        """Sir Walter and Sir Walter Elliot; Miss Anne and Anne."""
        for name in self.order:
            parts = self.parts[name]
            if not parts.titles or len(parts.rest) != 1:
                continue
            longer = [
                n
                for n in self.order
                if n != name
                and self.parts[n].titles == parts.titles
                and len(self.parts[n].rest) > 1
                and self.parts[n].first == parts.first
            ]
            if longer and not self._is_surname(parts.first, name):
                self.people.join(longer[0], name, "title and first name")
            elif parts.first in self.spans and parts.titles[-1] in (
                "miss",
                "master",
                "sir",
                "lady",
                "aunt",
                "uncle",
                "cousin",
            ):
                bare = self.spans[parts.first]
                if (
                    bare.count >= 3
                    and not self._is_surname(parts.first, name)
                    and self.stands.ratio(name, bare.name, 0.0) < 0.6
                ):
                    self.people.join(bare.name, name, "title and first name")

    def _bare_first(self) -> None:
        """Anne and Anne Elliot: the full name that begins so; of several the one that keeps apart from it."""
        for name in self.order:
            if len(self.parts[name].rest) != 1 or self.parts[name].titles:
                continue
            least = 0.015 * self.spans[name].count  # Lady Mary Somebody, once, is not the Mary of every page
            fulls = [
                n
                for n in self._begin.get(name, ())
                if len(self.parts[n].rest) > 1
                and "mrs" not in self.parts[n].titles
                and (not self.parts[n].titles or self._size(n) >= least)
            ]
            titled = sum(
                self.spans[n].count
                for n in self._end.get(name, ())
                if set(self.parts[n].titles) - _WITH_FIRST
            )
            if titled > sum(self.spans[n].count for n in fulls):
                continue  # rather a surname: Fitzwilliam is Colonel Fitzwilliam
            best = self._apart(name, self._roots(fulls, name))
            if best:
                self.people.join(best, name, "first name")

    def _titled_surname(self) -> None:
        """Mr. Bingley and Charles Bingley, Captain Wentworth and Frederick Wentworth."""
        for name in self.order:
            parts = self.parts[name]
            if not parts.titles or len(parts.rest) != 1 or len(self.people.names_of(name)) > 1:
                continue
            fulls = [
                n
                for n in self._end.get(parts.last, ())
                if len(self.parts[n].rest) > 1
                and not _clash(parts.titles, self._titles(n))
                and "mrs" not in self.parts[n].titles
            ]
            # A lady's first name is seldom said where her title is: without evidence she stays alone.
            roots = self._roots(fulls, name)
            doubt = len(roots) > 1 or bool(set(parts.titles) & {"mrs", "lady"})
            best = self._apart(name, roots, strict=True, unsure=9.0 if doubt else 0.0)
            if best:
                self.people.join(best, name, "title and surname")

    def _bare_last(self) -> None:
        """Darcy is whoever mostly bears it with a title; the Rabbit is the White Rabbit."""
        for name in self.order:
            if (
                self.parts[name].titles
                or len(self.parts[name].rest) != 1
                or len(self.people.names_of(name)) > 1
            ):
                continue
            bearers: Counter[str] = Counter()
            for other in self._end.get(name, ()):
                if self.parts[other].titles or len(self.parts[other].rest) > 1:
                    bearers[self.people.root(other)] += self.spans[other].count
            for other in self._begin.get(name, ()):
                if other.startswith(name + " of "):
                    bearers[self.people.root(other)] += self.spans[other].count
            ranked = [r for r, _ in bearers.most_common(2)]
            if not ranked:
                continue
            clear = len(ranked) == 1 or bearers[ranked[0]] >= 1.2 * bearers[ranked[1]]
            if clear and self._titles(ranked[0]) & {"mrs", "miss"} and len(ranked) > 1:
                clear = False  # a lady is not called by her surname alone while others bear it
            if clear and self.stands.ratio(name, ranked[0], 0.0, least=3.0) < 1.5:
                self.people.join(ranked[0], name, "surname")
            elif self.spans[name].count < bearers[ranked[0]]:
                self.dropped.add(name)  # the family's name, nobody's in particular

    def _nicknames(self) -> None:
        """Lizzy and Elizabeth: the table's long forms, where one bearer keeps apart from the short one."""
        for name in self.order:
            longs = words.NICKNAMES.get(self.parts[name].first.lower())
            if not longs or len(self.people.names_of(name)) > 6:
                continue
            bearers = [
                n
                for long in sorted(longs)
                for n in self._begin.get(long.capitalize(), ())
                if not self.parts[n].titles
            ]
            near = [r for r in self._roots(bearers, name) if self.stands.reach(name, r) >= 0.4]
            rare = self.spans[name].count < 5  # too few places to measure: the table's word has to do
            best = self._apart(name, near, strict=True, unsure=0.0 if rare else 9.0)
            if not best and len(near) == 1 and self._same_surname(name, near[0]):
                best = near[0]
            if best:
                self.people.join(best, name, "nickname")

    def _eldest(self) -> None:
        """Miss Bennet is Jane Bennet: of the daughters the one who is never called Miss Jane."""
        for name in self.order:
            parts = self.parts[name]
            if parts.titles != ("miss",) or len(parts.rest) != 1 or len(self.people.names_of(name)) > 1:
                continue
            family = [
                n
                for n in self._end.get(parts.last, ())
                if len(self.parts[n].rest) == 2
                and set(self.parts[n].titles) <= {"miss"}
                and self.gender(n) == "f"
            ]
            sisters = self._roots(family, name)
            eldest = [r for r in sisters if "miss" not in self._titles(r)]
            if len(eldest) == 1 and len(sisters) > 2 and self.stands.ratio(name, eldest[0], 0.0) < 1.5:
                self.people.join(eldest[0], name, "the eldest")

    def _ranks(self) -> None:
        """The Admiral is the one Admiral of the book."""
        for name in [n for n in self.order if not self.parts[n].rest]:
            bearers: Counter[str] = Counter()
            for other in self.order:
                if (
                    other != name
                    and self.parts[name].titles[0] in self.parts[other].titles
                    and self.parts[other].rest
                ):
                    bearers[self.people.root(other)] += self.spans[other].count
            top = bearers.most_common(2)
            if top and (len(top) == 1 or top[0][1] >= 2.5 * top[1][1]):
                self.people.join(top[0][0], name, "rank")

    # --- tests ---

    def _roots(self, names: Iterable[str], name: str) -> list[str]:
        """The persons of ``names`` who are not ``name``'s already and may be by their sex."""
        roots = dict.fromkeys(self.people.root(n) for n in names)
        return [r for r in roots if r != self.people.root(name) and self._agree(name, r)]

    def _apart(self, name: str, roots: list[str], *, strict: bool = False, unsure: float = 0.0) -> str:
        """The root whose person may be ``name``'s: never beside it in a sentence; empty if unclear."""
        if not roots:
            return ""
        if len(roots) == 1:
            limit = 0.35 if strict else 0.6
            return roots[0] if self.stands.ratio(name, roots[0], unsure) < limit else ""
        judged = sorted((self.stands.ratio(name, r, max(0.2, unsure)), i, r) for i, r in enumerate(roots))
        if judged[0][0] < 0.3 and (not strict or judged[1][0] > 0.3):
            return judged[0][2]
        return ""

    def _same_surname(self, one: str, other: str) -> bool:
        lasts = [
            {self.parts[n].last for n in self.people.names_of(w) if len(self.parts[n].rest) > 1}
            for w in (one, other)
        ]
        return bool(lasts[0] & lasts[1])

    def _is_surname(self, word: str, name: str) -> bool:
        """Whether others bear ``word`` as their last name."""
        mine = self.people.root(name)
        return any(
            p.last == word
            and (len(p.rest) > 1 or {"mr", "mrs"} & set(p.titles))
            and self.people.root(n) != mine
            for n, p in self.parts.items()
        )

    def _size(self, name: str) -> int:
        return sum(self.spans[n].count for n in self.people.names_of(name))

    def _titles(self, name: str) -> set[str]:
        return {t for n in self.people.names_of(name) for t in self.parts[n].titles}

    def _wife(self, one: str, other: str) -> bool:
        return ("mrs" in self.parts[one].titles) != ("mrs" in self.parts[other].titles)

    def _agree(self, one: str, other: str) -> bool:
        """Whether what is known of both persons' sex is no contradiction."""
        a, b = self.gender(one), self.gender(other)
        return not a or not b or a == b

    def gender(self, name: str) -> str:
        """ "m", "f" or "": by title, else by the pronouns that follow the person's names."""
        titles = self._titles(name)
        if titles & words.FEMALE:
            return "f"
        if titles & words.MALE:
            return "m"
        if titles & _MILITARY:
            return ""  # the pronouns around them are often those of whom they look at
        firsts = {self.parts[n].first.lower() for n in self.people.names_of(name)}
        if firsts & words.FEMALE_NAMES and not firsts & words.MALE_NAMES:
            return "f"
        if firsts & words.MALE_NAMES and not firsts & words.FEMALE_NAMES:
            return "m"
        root = "\x00".join(self.people.names_of(name))
        if root not in self._gender:
            self._gender[root] = self._by_pronouns(self.people.names_of(name))
        return self._gender[root]

    def _by_pronouns(self, names: Iterable[str]) -> str:
        seen: Counter[str] = Counter()
        for name in names:
            for at in self.spans[name].at[:200]:
                match = _PRONOUN.search(self.text, at + len(name), at + len(name) + 60)
                if match:
                    seen["f" if match[1].lower().startswith(("she", "her")) else "m"] += 1
        if seen.total() < 4:
            return ""
        best, n = seen.most_common(1)[0]
        return best if n >= 0.7 * seen.total() else ""

    def _canonical(self, name: str) -> tuple[int, int, int, str]:
        """A full name without title, if it is said more than once; then the more frequent."""
        parts, count = self.parts[name], self.spans[name].count
        full = len(parts.rest) > 1 and not parts.titles and len(parts.rest) <= 3
        return (int(full and count >= 2), int(bool(parts.rest)), count, name)


def _clash(one: Iterable[str], other: Iterable[str]) -> bool:
    """Titles that one person does not bear together: Captain and Mr, Mrs and Miss."""
    a, b = set(one), set(other)
    return bool(a and b and not a & b)


def _family(name: str, span: Span, spans: Mapping[str, Span]) -> bool:
    """The Bennets, the Lucases: a family, not a person."""
    last = name.split(" ")[-1]
    if not last.endswith("s") or span.the < 0.4 * span.count:
        return False
    singular = {last[:-1], last[:-2]}
    return any(n.split(" ")[-1] in singular for n in spans)
