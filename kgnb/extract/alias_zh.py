"""Which names of a Chinese book are one person's, and why.

Joined are: a name and what a 字/号 pattern says of it; a bare given name and surname plus that name; a title that
always stands before one name; surname plus title and the one bearer it can mean; and two names that share
stretches of the book but never a sentence. Kinship and title words alone join nobody.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping

from kgnb.extract import trie
from kgnb.extract import words_zh as words
from kgnb.extract.names_zh import HAN, has_surname
from kgnb.extract.people import People, Stands

_INTRODUCED = re.compile(
    rf"姓([{HAN}]{{1,2}})[，,]?(?:单)?名(?:叫|唤|唤作|叫做)?([{HAN}]{{1,2}}?)(?:[，,；;]?(?:表)?字([{HAN}]{{2}})|(?![{HAN}]))"
)
_COURTESY = re.compile(
    rf"([{HAN}]{{1,5}})[，,]?(?:表)?字([{HAN}]{{2}})(?![{HAN}])(?:[，,]?后?改(?:字|为)?([{HAN}]{{2}})(?![{HAN}]))?"
)
_CALLED = re.compile(
    rf"([{HAN}]{{2,6}})[，,]?(?:人称|人称之为|别号|道号|绰号|外号|诨名|诨号|浑名|小名|乳名|小字|法号|法名|人送外号|江湖人称)"
    rf"(?:唤做|唤作|叫做|叫作|叫|为|曰|作)?[“「『]?([{HAN}]{{2,5}})(?![{HAN}])"
)
_SENTENCE_END = re.compile(r"[。！？!?；;\n]")
WINDOW = 800


def surname_of(name: str) -> str:
    """The surname a full name begins with; empty if it has none."""
    if name[:2] in words.COMPOUND_SURNAMES and 3 <= len(name) <= 4:
        return name[:2]
    return name[0] if has_surname(name) else ""


def given_of(name: str) -> str:
    """The name without its surname."""
    return name[len(surname_of(name)) :]


class Resolver:
    """Resolves the aliases of one book. ``counts`` are the accepted names with their occurrences."""

    def __init__(self, text: str, counts: Mapping[str, int]) -> None:
        self.text = text
        self.counts = dict(counts)
        self.people = People(counts)
        self.courtesy: set[str] = set()
        self.dropped: set[str] = set()
        self.at: dict[str, list[int]] = {}

    def resolve(self) -> dict[str, list[str]]:
        """Canonical name → all names of that person."""
        self._patterns()
        self._surname_forms()
        self.stands = self._locate()
        self._titles()
        self._surname_titles()
        self._exclusion()
        return self._named()

    # --- what the text says ---

    def _patterns(self) -> None:
        for match in _INTRODUCED.finditer(self.text):
            surname, given, courtesy = match.groups()
            if surname in words.SURNAMES or surname in words.COMPOUND_SURNAMES:
                self._introduce(surname + given, courtesy)
        for match in _COURTESY.finditer(self.text):
            full = self._full_before(match[1], match.start())
            if full:
                for courtesy in (match[2], match[3]):
                    self._introduce(full, courtesy)
        for match in _CALLED.finditer(self.text):
            full = self._full_before(match[1], match.start())
            if full and match[2] not in words.TITLES and self.text.count(match[2]) >= 2:
                self._add(full, match[2], "号")

    def _introduce(self, full: str, courtesy: str | None) -> None:
        if not courtesy or self._count(full) < 2:
            return
        surname = surname_of(full)
        if courtesy in self.courtesy and self.people.root(courtesy) != self.people.root(full):
            if self._size(courtesy) >= self._size(full):
                return  # a second bearer of the same courtesy name: the greater one keeps it
        self.courtesy.add(courtesy)
        self._add(full, courtesy, "字")
        if surname and self.text.count(surname + courtesy) >= 1:
            self._add(full, surname + courtesy, "字")

    def _size(self, name: str) -> int:
        return max(self.counts.get(n, 0) for n in self.people.names_of(name))

    def _count(self, name: str) -> int:
        if name not in self.counts:
            self.counts[name] = self.text.count(name)
        return self.counts[name]

    def _add(self, full: str, alias: str, reason: str) -> None:
        self._count(full), self._count(alias)
        self.people.join(full, alias, reason)

    def _full_before(self, clause: str, at: int) -> str:
        """The accepted full name that the clause ends with; of 名X the nearest one whose given name is X."""
        for size in (4, 3, 2):
            if clause[-size:] in self.counts and len(clause) >= size:
                return clause[-size:]
        head, _, given = clause.rpartition("名")
        if not given or not (head or clause.startswith("名")):
            return ""
        near = self.text[max(0, at - 200) : at + 400]
        fitting = [n for n in self.counts if surname_of(n) and given_of(n) == given]
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
        before: dict[str, Counter[str]] = defaultdict(Counter)
        for match in re.finditer(trie.pattern(n for n in self.counts if len(n) == 2), self.text):
            before[match[0]][self.text[max(0, match.start() - 2) : match.start()]] += 1
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
            if enough and surname != surname_of(name) and (name in self.courtesy or not surname_of(name)):
                self._add(name, surname + name, "姓")

    # --- where they stand ---

    def _locate(self) -> Stands:
        ends = [m.start() for m in _SENTENCE_END.finditer(self.text)]
        at: dict[str, list[int]] = {n: [] for n in self.counts}
        for match in re.finditer(trie.pattern(self.counts), self.text):
            at[match[0]].append(match.start())
        self.at = at
        return Stands(self.people, at, ends, WINDOW)

    def _titles(self) -> None:
        """A name without surname that stands right before full names: of one person, or a mere title."""
        fulls = [n for n in self.counts if surname_of(n) and n not in self.courtesy]
        titles = [n for n in self.counts if not surname_of(n) or n[-1] in words.RANKS]
        if not titles or not fulls:
            return
        seen: dict[str, Counter[str]] = defaultdict(Counter)
        for match in re.finditer(rf"({trie.pattern(titles)})({trie.pattern(fulls)})", self.text):
            seen[match[1]][self.people.root(match[2])] += 1
        for title, after in seen.items():
            (best, n), total = after.most_common(1)[0], after.total()
            if len(self.people.names_of(title)) > 1 or self.people.root(title) == best:
                continue
            if n >= 2 and n >= 0.8 * total and self.stands.ratio(title, best) < 0.6:
                self.people.join(best, title, "称")
            elif total >= 3 and len(after) >= 3:
                self.dropped.add(title)

    def _surname_titles(self) -> None:
        """关公, 曹公, 林姑娘: surname and title, joined with the one bearer that is never beside it."""
        by_surname: dict[str, set[str]] = defaultdict(set)
        for root, names in self.people.members.items():
            for name in names:
                if surname_of(name) and not self._surname_title(name):
                    by_surname[surname_of(name)].add(root)
        for name in [n for n in self.counts if self._surname_title(n)]:
            roots = {self.people.root(r) for r in by_surname.get(self._surname_title(name), ())}
            roots.discard(self.people.root(name))
            judged = sorted(
                (self.stands.ratio(name, r), r) for r in roots if self.stands.reach(name, r) >= 0.2
            )
            if judged and judged[0][0] < 0.35:
                self.people.join(judged[0][1], name, "姓与称")

    @staticmethod
    def _surname_title(name: str) -> str:
        """The surname if the name is surname plus title."""
        for size in (2, 1):
            head, tail = name[:size], name[size:]
            if tail in words.NAME_TITLES_SET and (head in words.COMPOUND_SURNAMES or head in words.SURNAMES):
                return head
        return ""

    def _exclusion(self) -> None:
        """A bare name and a full one that share windows again and again, but never a sentence."""
        groups = dict(self.people.members)
        bare = [r for r, names in groups.items() if not any(surname_of(n) for n in names)]
        full = [r for r, names in groups.items() if any(surname_of(n) for n in names)]
        for root in bare:
            if sum(self.counts[n] for n in groups[root]) < 20:
                continue
            judged = sorted(
                (self.stands.ratio(root, f), f) for f in full if self.stands.reach(root, f) >= 0.5
            )
            if judged and judged[0][0] < 0.1 and (len(judged) == 1 or judged[1][0] > 3 * judged[0][0]):
                self.people.join(judged[0][1], root, "互斥")

    # --- the result ---

    def _named(self) -> dict[str, list[str]]:
        found = {}
        for names in self.people.members.values():
            names = [n for n in names if n not in self.dropped]
            if names:
                best = max(names, key=self._canonical)
                found[best] = sorted(names, key=lambda n: (-self.counts[n], n))
        return found

    def _canonical(self, name: str) -> tuple[bool, bool, int, str]:
        """Full names first, those that are no surname plus courtesy or title; then the more frequent."""
        proper = bool(surname_of(name)) and not self._surname_title(name)
        return (
            proper,
            given_of(name) not in self.courtesy and name not in self.courtesy,
            self.counts[name],
            name,
        )
