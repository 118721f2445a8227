"""Which names of a Chinese book are one person's, and why.

Joined are: a name and what a 字/号 pattern says of it; a bare given name and surname plus that name; a title
that mostly stands before one name; surname plus title and the one bearer it can mean; and two names that
share stretches of the book but never a sentence. Kinship and title words alone join nobody.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from kgnb.extract import trie
from kgnb.extract.alias_evidence import Stands
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.courtesy_names import Sayings, given_of, surname_of

_SENTENCE_END = re.compile(r"[。！？!?；;\n]")
WINDOW = 800


def _sure_surname(name: str) -> bool:
    return surname_of(name) in words.COMMON_SURNAMES or surname_of(name) in words.COMPOUND_SURNAMES


class Resolver(Sayings):
    """Resolves the aliases of one book."""

    def resolve(self) -> dict[str, list[str]]:
        """Canonical name → all names of that person."""
        self._patterns()
        self._called()
        self._collocations()
        self._surname_forms()
        self.stands = self._locate()
        self._given_alone()
        self._addressed()
        self._titles()
        self._surname_titles()
        self._exclusion()
        return self._named()

    # --- what the forms say ---

    def _surname_forms(self) -> None:
        """关云长 is 云长, 萧薰儿 is 薰儿: a bare name and the one full name that ends with it."""
        longer: dict[str, list[str]] = defaultdict(list)
        for name in self.counts:
            if surname_of(name) and len(given_of(name)) >= 2:
                longer[given_of(name)].append(name)
        for given, fulls in longer.items():
            if given in self.counts and len({self.people.root(f) for f in fulls}) == 1:
                self.people.join(fulls[0], given, "姓")
        for name in [n for n in self.counts if n[-1] == "儿" and n[:-1] in self.counts]:
            self.people.join(name[:-1], name, "儿")
        before: dict[str, Counter[str]] = defaultdict(Counter)
        for start, name in self._grams.find_all(n for n in self.counts if len(n) == 2):
            before[name][self.text[max(0, start - 2) : start]] += 1
        for name, chars in before.items():
            self._attach_surname(name, chars)

    def _attach_surname(self, name: str, before: Counter[str]) -> None:
        """Finds surname + name in the text where no accepted name has it yet."""
        surnames: Counter[str] = Counter()
        for chars, n in before.items():
            if chars in words.COMPOUND_SURNAMES:
                surnames[chars] += n
            elif chars[-1:] in words.COMMON_SURNAMES:
                surnames[chars[-1]] += n
        for surname, n in surnames.most_common(1):
            enough = n >= 3 and n >= 0.02 * before.total() and n >= 0.7 * surnames.total()
            if enough and surname != surname_of(name) and surname_of(name) not in words.COMMON_SURNAMES:
                self.attached[surname + name] = name

    # --- where they stand ---

    def _locate(self) -> Stands:
        ends = [m.start() for m in _SENTENCE_END.finditer(self.text)]
        forms = [
            f
            for pairs in (self.addresses, self.attached, self.givens)
            for pair in pairs.items()
            for f in pair
        ]
        self.at = {n: [] for n in (*self.counts, *forms, *self.doubtful)}
        for start, name in self._grams.find_all(self.at):
            self.at[name].append(start)
        return Stands(self.people, self.at, ends, WINDOW)

    def _given_alone(self) -> None:
        """晓雯 is 周晓雯 if nobody else of the book is called so and she is about."""
        bearers = Counter(self.givens.values())
        for full, given in self.givens.items():
            if (
                bearers[given] > 1
                or given in self.courtesy
                or given in self.people.members
                or len(self.at[given]) < 2
            ):
                continue
            if self.stands.reach((given,), full) >= 0.6:
                self.counts[given] = len(self.at[given])
                self.people.join(full, given, "名")

    def _addressed(self) -> None:
        """袁公路 and 公路: the one of the same surname who is never beside them."""
        bearers = self._bearers()
        known = set(self.counts)
        forms = {**self.addresses, **self.attached}
        surnames: dict[str, Counter[str]] = defaultdict(Counter)
        for form, bare in forms.items():
            surnames[bare][form] += len(self.at[form])
        for form, bare in forms.items():
            title = bare in words.TITLES
            others = bearers.get(surname_of(form), set()) - {form, bare}
            if title:
                best = "" if bare in words.WIVES else self._bearer_near((form,), others, 0.5, 0.4)
                if best:
                    self._take(best, form)
            elif self._two_forms(form, bare, surnames[bare].total()):
                # A courtesy name goes with a given name of one character; 林黛玉 and 林如海 are kin.
                others = {o for o in others if len(given_of(o)) == 1}
                best = self._bearer_near((form, bare), others, 0.5, 0.4)
                if best and bare not in self.courtesy:
                    self.courtesy.add(bare)
                    self._take(best, form)
                    self._take(best, bare)
                elif bare in known:
                    self._take(bare, form)

    def _take(self, person: str, form: str) -> None:
        self.counts[form] = len(self.at[form])
        self.people.join(person, form, "姓与互斥")

    def _two_forms(self, form: str, bare: str, total: int) -> bool:
        """Whether the pair may be a name with and without its surname: no word that stands after many."""
        n, alone = len(self.at[form]), len(self.at[bare])
        free = all(len(self.people.names_of(w)) == 1 for w in (form, bare) if w in self.people.members)
        taken = any(w in self.counts and w not in self.people.members for w in (form, bare))
        return n >= 0.7 * total and alone >= 2 and n >= 0.02 * (n + alone) and free and not taken

    def _bearers(self) -> dict[str, set[str]]:
        """Surname → names that begin with it."""
        found: dict[str, set[str]] = defaultdict(set)
        for name in self.counts:
            if surname_of(name) and not self._surname_title(name):
                found[surname_of(name)].add(name)
        return found

    def _bearer_near(self, names: tuple[str, ...], others: Iterable[str], limit: float, least: float) -> str:
        """Of a surname's bearers the one who is meant: mostly the nearest, and no company of ``names``."""
        roots = sorted({self.people.root(o) for o in others})
        best, share = self.stands.nearest(names, roots, WINDOW)
        if share < 0.6 or self.stands.expected(names, best) < least:
            return ""
        return best if self.stands.ratio(names, best, 0.0) < limit else ""

    def _apart(self, name: str, others: Iterable[str], limit: float, reach: float) -> str:
        """The one person who is often near ``name`` but never beside it; empty if none or unclear."""
        roots = {self.people.root(o) for o in others} - {self.people.root(name)}
        near = [
            r for r in roots if self.stands.reach(name, r) >= reach and self.stands.expected(name, r) >= 3
        ]
        judged = sorted((self.stands.ratio(name, r), r) for r in near)
        if (
            not judged
            or judged[0][0] >= limit
            or (len(judged) > 1 and judged[1][0] < 2 * judged[0][0] + 0.05)
        ):
            return ""
        return judged[0][1]

    def _titles(self) -> None:
        """A name without surname that stands right before full names: of one person, or a mere title."""
        titles = {n for n in self.counts if not surname_of(n) or n[-1] in words.RANKS}
        fulls = {n for n in self.counts if _sure_surname(n) and n not in self.courtesy and n not in titles}
        fulls |= self.doubtful
        if not titles or not fulls:
            return
        seen: dict[str, Counter[str]] = defaultdict(Counter)
        for match in re.finditer(rf"({trie.pattern(titles)})({trie.pattern(fulls)})", self.text):
            seen[match[1]][self.people.root(match[2])] += 1
        for title, after in seen.items():
            (best, n), total = after.most_common(1)[0], after.total()
            if self.people.root(title) == best or any(n in fulls for n in self.people.names_of(title)):
                continue
            if n >= 2 and n >= 0.6 * total and self.stands.ratio(title, best, 0.0) < 0.6:
                self._count(best)
                self.people.join(best, title, "称")
            elif total >= max(3, 0.08 * self.counts[title]) and len(after) >= 2:
                self.dropped.add(title)

    def _surname_titles(self) -> None:
        """关公, 曹公, 林姑娘: surname and title, joined with the one bearer that is never beside it."""
        bearers = self._bearers()
        wives = tuple(words.WIVES)
        for name in [n for n in self.counts if self._surname_title(n) and not n.endswith(wives)]:
            # Whoever says 关某 names himself: there his own name in the sentence speaks for him.
            limit = 9.0 if name[-1] == "某" else 0.5
            names = tuple(self.people.names_of(name))
            others = bearers.get(self._surname_title(name), set()) - set(names)
            best = self._bearer_near(names, others, limit, 0.0)
            if best:
                self.people.join(best, name, "姓与称")

    @staticmethod
    def _surname_title(name: str) -> str:
        """The surname if the name is surname plus title."""
        for size in (2, 1):
            head, tail = name[:size], name[size:]
            if tail in words.NAME_TITLES and (head in words.COMPOUND_SURNAMES or head in words.SURNAMES):
                return head
        return ""

    def _exclusion(self) -> None:
        """A bare name and a full one that share windows again and again, but never a sentence."""
        groups = {r: list(names) for r, names in self.people.members.items()}
        full = [r for r, names in groups.items() if any(surname_of(n) for n in names)]
        for root, names in groups.items():
            bare = not any(surname_of(n) for n in names)
            if bare and sum(self.counts.get(n, 0) for n in names) >= 20:
                best = self._apart(root, full, 0.1, 0.5)
                if best:
                    self.people.join(best, root, "互斥")

    # --- the result ---

    def _named(self) -> dict[str, list[str]]:
        found = {}
        for members in self.people.members.values():
            names = [n for n in members if n not in self.dropped and n in self.counts]
            if names:
                best = max(names, key=self._canonical)
                found[best] = sorted(names, key=lambda n: (-self.counts[n], n))
        return found

    def _canonical(self, name: str) -> tuple[bool, bool, int, str]:
        """Full names first, those that are no surname plus courtesy or title; then the more frequent."""
        proper = bool(surname_of(name)) and not self._surname_title(name)
        given = given_of(name) not in self.courtesy and name not in self.courtesy
        return proper, given, self.counts[name], name
