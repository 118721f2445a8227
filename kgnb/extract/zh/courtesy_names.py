"""What a Chinese book itself says of its people's names: 字, 号, 人称, and nicknames before full names."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise

from kgnb.extract.alias_evidence import People
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.names import HAN, Judge, has_surname

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


def surname_of(name: str) -> str:
    """The surname a full name begins with; empty if it has none."""
    if name[:2] in words.COMPOUND_SURNAMES and 3 <= len(name) <= 4:
        return name[:2]
    return name[0] if has_surname(name) else ""


def given_of(name: str) -> str:
    """The name without its surname."""
    return name[len(surname_of(name)) :]


class Sayings:
    """The names of one book, and what its text says of who bears them."""

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
            nickname = self._clause_before(start).lstrip("那这")
            if len(nickname) >= 2 and nickname not in self.counts:
                before[nickname][full] += 1
        often = {
            nickname: bearers
            for nickname, bearers in before.items()
            if (n := bearers.most_common(1)[0][1]) >= 3
            and n >= 0.9 * bearers.total()
            and self._at_most(nickname) >= bearers.total() + 2
            and self._may_name(nickname)
        }
        counts = self._grams.count_all(often)
        for nickname, bearers in often.items():
            (full, n), total = bearers.most_common(1)[0], bearers.total()
            if 2 <= counts[nickname] - total <= 20 * n:
                self.counts[nickname] = counts[nickname]
                self._add(full, nickname, "绰号")

    def _clause_before(self, at: int) -> str:
        """The two to four characters from a mark to ``at``; nothing if they are fewer or more."""
        left = self.text[max(0, at - 5) : at]
        size = len(left)
        while size and "\u3400" <= left[size - 1] <= "\u9fff":
            size -= 1
        clause = left[size:]
        return clause if 2 <= len(clause) <= 4 else ""

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
        return self.text.count(name) if self._at_most(name) else 0

    def _at_most(self, name: str) -> int:
        """More often than its rarest pair of characters nothing stands in the text."""
        return min((self._pairs[a + b] for a, b in pairwise(name)), default=1)

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
