"""Ranks within a Chinese house, and whose they are: 二小姐, 老太太, 珍大奶奶.

Every house has a 二小姐 and a 老太太. A rank is of whom the text gives it to, if she is near where it is said
and no other house has one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.script import HAN
from kgnb.extract.zh.sole_bearers import SoleBearers
from kgnb.extract.zh.surname_aliases import DOMINANT, EVER, family_of
from kgnb.extract.zh.surnames import given_of, surname_of, titled_surname
from kgnb.extract.zh.title_aliases import APART, NEARBY, title_of

TOLD_NEAR = 0.5
"""Least share of a rank's passages that its only bearer is near."""
_RANKS = f"[{''.join(sorted(words.NUMERALS))}大小少姑舅姨]"
_TITLES = "(?:少爷|小姐|姑娘|公子|少奶奶|奶奶|姨太太|姨太|姨娘|太太|老爷|爷|师[兄姐弟妹]|当家|东家)"
_RANKED = re.compile(f"{_RANKS}(?:(?<![{HAN}].)|(?<=[是乃].)){_TITLES}")
_IS_NAMED = re.compile(f"[{HAN}]{{0,12}}，(?:闺名|芳名|名唤|名叫|名|叫)")
_IS_RANKED = re.compile(f"是(?:[我他她你咱]们?的?)?({_RANKS}{_TITLES})(?![{HAN}])")
_OF_HOUSE = re.compile(f"[家府]的?({_RANKS}{_TITLES})")
_BORN = re.compile("(?P<order>[长次大二三四五六七八九])(?P<sex>[子女]|儿子|女儿)(?:名叫|叫|是|名)?")
_ORDERS = {"长": "大", "次": "二"}
_CHILDREN = {"子": ("少爷", "公子"), "女": ("小姐", "姑娘", "丫头")}
_SAME = {title: titles for titles in _CHILDREN.values() for title in titles}
_MAIDS = {"大丫头", "小丫头"}
_RANK = re.compile(f"{_RANKS}{_TITLES}")
_WIFE = re.compile("之妻|的(?:妻子|媳妇|夫人|太太|老婆)")
_OF_WIVES = ("奶奶", "少奶奶", "太太", "嫂子", "嫂")
_ELDERS = (
    (("老太太", "老祖宗", "老夫人", "太夫人", "老太君"), ("老太太", "老夫人", "太夫人", "太君", "母")),
    (("姨太太",), ("姨妈", "姨母", "姨太太")),
    (("老太爷", "老爷子", "老太公"), ("老太爷", "老爷子", "老太公")),
)
"""What all call the eldest of a house, and what ends the name by which the text tells of that one: 顾母."""
ELDERS = frozenset(title for titles, _ in _ELDERS for title in titles)


class FamilyRanks(SoleBearers):
    """The joins by ranks. Base of :class:`~.aliases.AliasResolver`, which locates them first."""

    def _family_ranks(self) -> dict[str, set[str]]:
        """Return ranks within a family (二小姐明珠, or 次女明珠 alone) → whose they may be."""
        bearers: dict[str, set[str]] = defaultdict(set)
        for match in _RANKED.finditer(self.text):
            named = _IS_NAMED.match(self.text, match.end())
            bearers[match[0]].add(self._name_at(named.end() if named else match.end()))
        for match in _IS_RANKED.finditer(self.text):
            bearers[match[1]].add(self._bearer_before(match.start()))
        for match in _BORN.finditer(self.text):
            order = _ORDERS.get(match["order"], match["order"])
            for title in _CHILDREN["女" if "女" in match["sex"] else "子"]:
                bearers[order + title].add(self._name_at(match.end()))
        found: dict[str, set[str]] = defaultdict(set)
        for rank, names in bearers.items():
            for title in _SAME.get(rank[1:], (rank[1:],)):  # 二小姐 is 二姑娘, too
                found[rank[0] + title] |= {self.clusters.root(name) for name in names - {""}}
        free = found.keys() - self.counts.keys() - _MAIDS - words.GENERIC
        return {rank: found[rank] for rank in sorted(free) if len(found[rank]) == 1}

    def _join_family_ranks(self, bearers: Mapping[str, Iterable[str]]) -> None:
        """二小姐 is the only one of whom it is told, if near wherever it is said and hardly beside it, and
        no other house has one: 林家的二小姐."""
        for rank, (who,) in bearers.items():
            company, n = self.co_occurrence, len(self.offsets[rank])
            near = n >= 2 and company.coverage((rank,), who) >= TOLD_NEAR
            alone = near and company.ratio((rank,), who, 0.0) < APART
            if alone and self._houses[rank] <= set(map(family_of, self.clusters.names_of(who))):
                self._join_located(who, rank, "称")

    @cached_property
    def _houses(self) -> dict[str, set[str]]:
        """A rank → the surnames of the houses that the text says have one."""
        houses: dict[str, set[str]] = defaultdict(set)
        for match in _OF_HOUSE.finditer(self.text):
            before = self.text[max(0, match.start() - 2) : match.start()]
            houses[match[1]].update(name for name in (before, before[-1:]) if name in words.SURE_SURNAMES)
        return houses

    def _join_ranks_of_surnames(self) -> None:
        """三奶奶 is 刘三奶奶, if no other surname has one."""
        bearers: dict[str, set[str]] = defaultdict(set)
        for name in self.counts:
            if _RANK.fullmatch(rank := title_of(name)):
                bearers[rank].add(self.clusters.root(name))
        free = bearers.keys() - self.counts.keys() - words.OF_PARENTS_AGE - words.GENERIC
        self._join_family_ranks({rank: bearers[rank] for rank in sorted(free) if len(bearers[rank]) == 1})

    def _join_elders(self) -> None:
        """老太太 and 老祖宗 are 顾母 or 何老太太, if the book has one, who is near and never says it."""
        for titles, ends in _ELDERS:
            mentions = Counter[str]()
            for name, n in self.counts.items():
                if name.removeprefix(surname_of(name) or titled_surname(name)) in ends:
                    mentions[self.clusters.root(name)] += n
            best, n = mentions.most_common(1)[0] if mentions else ("", 0)
            for title in titles if best and n >= DOMINANT * mentions.total() else ():
                if self.offsets[title] and self._may_be(title, best, NEARBY):
                    self._join_located(best, title, "称")

    def _forms_of_wives(self) -> dict[str, set[str]]:
        """Return 珍大奶奶 → whom the text calls the wife of somebody whose given name ends so: 何珍之妻."""
        wives: dict[str, set[str]] = defaultdict(set)
        for match in _WIFE.finditer(self.text):
            husband, wife = self._bearer_before(match.start()), self._name_at(match.end())
            if husband and wife:
                wives[given_of(husband)[-1:]].add(wife)
        return {
            char + rank + title: who
            for char, who in wives.items()
            for rank in ("", *words.RANKED)
            for title in _OF_WIVES
            if self._max_count(char + rank + title)
        }

    def _join_wives_forms(self, forms: Mapping[str, Iterable[str]]) -> None:
        """珍大奶奶 is 尤氏, the only wife told of, if ever near."""
        for form, names in forms.items():
            roots = {self.clusters.root(name) for name in names}
            if len(roots) == 1 and self.offsets[form] and self.clusters.names_of(form) == [form]:
                (wife,) = roots
                if self._may_be(form, wife, EVER):
                    self._join_located(wife, form, "名与称")
