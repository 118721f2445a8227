"""Which names of a Chinese book are one person's, and why.

Joined are: a name and what a 字/号 pattern says of it; a bare given name and surname plus that name; a title
that mostly stands before one name; surname plus title and the one bearer it can mean; and two names that
share stretches of the book but never a sentence. Kinship and title words alone join nobody.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

from kgnb.extract import trie
from kgnb.extract import words_zh as words
from kgnb.extract.names_zh import HAN, Judge, has_surname
from kgnb.extract.people import People, Stands

_INTRODUCED = re.compile(
    rf"姓([{HAN}]{{1,2}})[，,]?(?:单)?名(?:叫|唤|唤作|叫做)?([{HAN}]{{1,2}}?)(?:[，,；;]?(?:表)?字([{HAN}]{{2}})|(?![{HAN}]))"
)
_COURTESY = re.compile(rf"字([{HAN}]{{2}})(?![{HAN}])(?:[，,]?后?改(?:字|为)?([{HAN}]{{2}})(?![{HAN}]))?")
_CALLED = re.compile(
    r"(?:江湖人称|人称之为|人称|别号|道号|绰号|外号|诨名|诨号|浑名|小名|乳名|小字|法号|法名|人送外号)"
    rf"(?:唤做|唤作|叫做|叫作|叫|为|曰|作)?[“「『]?([{HAN}]{{2,5}})(?![{HAN}])"
)
_WHOSE = re.compile(rf"([{HAN}]{{1,6}}?)[，,：:；;]?表?$")
"""What stands before 字 or 人称: beginning there finds the few places at once, from the left is slow."""
_SENTENCE_END = re.compile(r"[。！？!?；;\n]")
_CLAUSE_END = re.compile(rf"(?<![{HAN}])[{HAN}]{{2,4}}$")
WINDOW = 800


def surname_of(name: str) -> str:
    """The surname a full name begins with; empty if it has none."""
    if name[:2] in words.COMPOUND_SURNAMES and 3 <= len(name) <= 4:
        return name[:2]
    return name[0] if has_surname(name) else ""


def given_of(name: str) -> str:
    """The name without its surname."""
    return name[len(surname_of(name)) :]


def _sure_surname(name: str) -> bool:
    return surname_of(name) in words.COMMON_SURNAMES or surname_of(name) in words.COMPOUND_SURNAMES


class Resolver:
    """Resolves the aliases of one book."""

    def __init__(self, text: str, judge: Judge) -> None:
        accepted = judge.names()
        self.text = text
        self._grams = judge.grams
        self._pairs = judge.pairs
        self._common = judge.known.keys() | judge.places
        self.counts = {w: c.count for w, c in accepted.items()}
        self.addresses = judge.addresses(accepted)
        self.givens = judge.givens(accepted)
        self.doubtful = judge.doubtful(accepted)
        self.people = People(self.counts)
        self.courtesy: set[str] = set()
        self.attached: dict[str, str] = {}
        self.dropped: set[str] = set()
        self.at: dict[str, list[int]] = {}

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

    # --- what the text says ---

    def _patterns(self) -> None:
        """Collects 姓刘名备字玄德 and 关羽，字云长, and decides whose each courtesy name is."""
        claims: dict[str, Counter[str]] = defaultdict(Counter)
        said: dict[int, str] = {}
        for match in _INTRODUCED.finditer(self.text):
            surname, given, courtesy = match.groups()
            if courtesy and (surname in words.SURNAMES or surname in words.COMPOUND_SURNAMES):
                claims[courtesy][surname + given] += 1
                said[match.end(3)] = surname + given
        for match in _COURTESY.finditer(self.text):
            full = said.get(match.end(1)) or self._full_before(match.start())
            for courtesy in (match[1], match[2]):
                if full and courtesy:
                    claims[courtesy][full] += 1
        for courtesy, fulls in claims.items():
            self._introduce(courtesy, fulls)

    def _introduce(self, courtesy: str, fulls: Counter[str]) -> None:
        """Of several bearers it is the one's whom surname plus courtesy name, else the greatest's."""

        def weight(full: str) -> tuple[int, int]:
            surname = surname_of(full)
            return self._count(surname + courtesy) if surname else 0, self._count(full)

        full = max(fulls, key=weight)
        if self._count(full) < 2 or courtesy == full:
            return
        self.courtesy.add(courtesy)
        self._add(full, courtesy, "字")
        if surname_of(full):
            self._add(full, surname_of(full) + courtesy, "字")

    def _called(self) -> None:
        """人称, 号, 小名: what else the text says someone is called."""
        for match in _CALLED.finditer(self.text):
            full = self._full_before(match.start())
            alias = match[1]
            if full and alias not in words.TITLES and self._count(alias) >= 2:
                self._add(full, alias, "号")
                if alias.endswith("先生") and len(alias) > 3:
                    self._add(full, alias.removesuffix("先生"), "号")

    def _collocations(self) -> None:
        """黑旋风李逵: what stands, of any length, right before one full name only, and elsewhere alone."""
        fulls = [n for n in self.counts if surname_of(n) and n not in self.courtesy]
        before: dict[str, Counter[str]] = defaultdict(Counter)
        for start, full in self._grams.find_all(fulls):
            clause = _CLAUSE_END.search(self.text[max(0, start - 5) : start])
            nickname = clause[0].lstrip("那这") if clause else ""
            if 2 <= len(nickname) <= 4 and nickname not in self.counts:
                before[nickname][full] += 1
        for nickname, bearers in before.items():
            (full, n), total = bearers.most_common(1)[0], bearers.total()
            if n < 3 or n < 0.9 * total or not self._may_name(nickname):
                continue
            alone = self._occurrences(nickname) - total
            if 2 <= alone <= 20 * n:
                self._add(full, nickname, "绰号")

    def _may_name(self, nickname: str) -> bool:
        """Whether nothing but its place speaks against a nickname."""
        if nickname in words.TITLES or nickname in self._common:
            return False
        if len(nickname) == 2 and nickname[-1] not in words.RANKS:
            return False  # of two characters it may be any word
        parts = set(nickname)
        return not (
            parts & words.NEVER_IN_NAMES or parts & words.ENDS_NO_NAME or nickname[0] in words.DETERMINERS
        )

    def _count(self, name: str) -> int:
        if name not in self.counts:
            n = self._occurrences(name)
            if not n:
                return 0
            self.counts[name] = n
        return self.counts[name]

    def _occurrences(self, name: str) -> int:
        """How often the name stands in the text; the counted pairs spare most searches."""
        if len(name) == 2:
            return self._pairs[name]
        seldom = min((self._pairs[a + b] for a, b in pairwise(name)), default=1)
        return self.text.count(name) if seldom else 0

    def _add(self, full: str, alias: str, reason: str) -> None:
        if self._count(full) and self._count(alias):
            self.people.join(full, alias, reason)

    def _full_before(self, at: int) -> str:
        """The accepted full name that ends before ``at``; of 名X the near one whose given name is X."""
        whose = _WHOSE.search(self.text[max(0, at - 8) : at])
        clause = whose[1] if whose else ""
        for size in (4, 3, 2):
            if clause[-size:] in self.counts and len(clause) >= size:
                return clause[-size:]
        _, said, given = clause.rpartition("名")
        if not said or not given:
            return ""
        near = self.text[max(0, at - 200) : at + 400]
        fitting = [
            n
            for n in self.counts
            if n.endswith(given) and given_of(n) == given and surname_of(n) and n in near
        ]
        return max(fitting, key=lambda n: (near.count(n), self.counts[n]), default="")

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
