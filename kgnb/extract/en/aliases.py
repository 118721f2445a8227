"""Which names of an English book are one person's, and why.

A first name belongs to the full name that begins with it, a bare surname to the title it mostly bears, a
nickname to its long form; titles and kinship alone join nobody, and two names that keep company in one
sentence are two.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from kgnb.extract.en import couples
from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.persons import Bearers, clash

_WITH_FIRST = (words.FEMALE - {"mrs", "mistress"}) | frozenset(
    ("master", "sir", "uncle", "cousin", "king", "st")
)


class Resolver(Bearers):
    """Resolves the aliases of one book."""

    def meant(self) -> Mapping[str, list[int]]:
        """Name → offsets where a couple's words mean its bearer without the name itself."""
        found: dict[str, list[int]] = defaultdict(list)
        for start, _, name in couples.joint(self.text, self.spans.__contains__):
            found[name].append(start)
        return found

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
        self._of_places()
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

    def _of_places(self) -> None:
        """Mrs. Wallis of Marlborough Buildings is Mrs. Wallis; the Duke of York is not any Duke."""
        for name in self.order:
            plain, of, _ = name.partition(" of ")
            if of and plain in self.spans and self.parts[plain].rest:
                self.people.join(plain, name, "of a place")

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
                once = parts.titles[-1] in ("sir", "lady") and self.spans[name].count < 2
                if (
                    bare.count >= 3
                    and not once
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
            roots = self._roots(fulls, name)
            if len(roots) == 1:
                sure = self.stands.ratio(name, roots[0], 0.0, least=3.0) < 1.2
                best = roots[0] if sure else ""
            else:
                best = self._apart(name, roots)
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
                and not clash(parts.titles, self._titles(n))
                and "mrs" not in self.parts[n].titles
                and not self._unlikely(parts.titles, n)
                and not self._told_apart(name, self.people.root(n))
            ]
            # A lady's first name is seldom said where her title is: without evidence she stays alone.
            roots = sorted(self._roots(fulls, name), key=self._size, reverse=True)
            doubt = len(roots) > 1 or bool(set(parts.titles) & {"mrs", "lady"})
            if parts.titles == ("miss",):
                best = self._the_miss(name, roots)
            elif roots and not set(parts.titles) & {"mrs", "lady"} and self._by_far(roots):
                unsure = 9.0 if len(roots) > 1 else 0.0
                best = roots[0] if self.stands.ratio(name, roots[0], unsure) < 0.8 else ""
            else:
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
            men = Counter({r: n for r, n in bearers.items() if self.gender(r) != "f"})
            if men and max(men.values()) >= 0.2 * max(bearers.values()):
                bearers = men  # a lady is seldom called by her surname alone
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

    def _canonical(self, name: str) -> tuple[int, int, int, str]:
        """A full name without title, if it is said more than once; then the more frequent."""
        parts, count = self.parts[name], self.spans[name].count
        full = len(parts.rest) > 1 and not parts.titles and len(parts.rest) <= 3
        return (int(full and count >= 2), int(bool(parts.rest)), count, name)
