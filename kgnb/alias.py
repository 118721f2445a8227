"""Which names of a novel mean the same person: the first, careful version.

One function, :func:`canonical_names`, is the seam: whatever it answers, settle uses. It joins two names only
on a clear word for it, because a wrong join mixes two people up and a missed one only leaves two nodes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from kgnb.fold import fold
from kgnb.model import NameEntry

ENTITY_LABELS = ("Character", "Organization", "Location", "Thing")
"""Where several kinds claim a name, the first of these has it."""

_GENERIC_ZH = """
父亲 母亲 爸爸 妈妈 爹 爹爹 娘 爷爷 奶奶 祖父 祖母 外公 外婆 公公 婆婆 岳父 岳母 伯父 伯母 叔父
叔叔 婶婶 舅舅 舅父 姑姑 姑妈 姨妈 姨娘 兄长 兄弟 大哥 二哥 三哥 四哥 哥哥 弟弟 二弟 三弟 贤弟 姐姐
妹妹 大姐 二姐 嫂子 嫂嫂 儿子 女儿 孩子 丈夫 妻子 夫君 娘子 相公 官人 老爷 太爷 太太 老太太 奶妈
夫人 老夫人 少爷 公子 小姐 姑娘 少年 少女 丫鬟 丫头 仆人 小厮 管家 书童 师父 师傅 师尊 师兄 师弟
师姐 师妹 师叔 师伯 徒弟 弟子 掌门 长老 前辈 晚辈 道长 和尚 老和尚 道士 大师 主公 主人 主子 陛下
皇上 皇帝 天子 太子 皇后 太后 公主 王爷 大王 国王 王后 殿下 丞相 宰相 将军 大将军 元帅 都督 军师
太守 刺史 大人 老板 掌柜 店主 店小二 先生 老师 医生 大夫 警察 司机 老人 老头 老者 老太婆 男人 女人
男子 女子 汉子 大汉 众人 大家 百姓 士兵 军士 敌人 敌军 客人 路人 贼人 强盗 刺客 使者 太监 宫女 他
她 它 我 你 您 他们 她们 我们 你们 自己 某人 那人 此人 来人 对方
"""
_GENERIC_EN = """
father mother papa mamma mama mom mum dad daddy uncle aunt brother sister son daughter husband wife
cousin nephew niece grandfather grandmother grandpa grandma sir madam ma'am lady lord gentleman
gentlemen man woman men women boy girl child children friend stranger captain colonel general major
admiral lieutenant sergeant soldier officer doctor nurse teacher professor master mistress servant
maid butler housekeeper governess coachman driver landlord landlady king queen prince princess duke
duchess emperor empress count countess majesty highness lordship ladyship priest vicar parson
reverend bishop judge lawyer policeman guard people everyone everybody somebody someone nobody
crowd narrator author he she it i you we they him her them me us himself herself
"""
_GENERIC = frozenset(_GENERIC_ZH.split()) | frozenset(_GENERIC_EN.split())
_ARTICLE = re.compile(
    r"^(?:(?:the|a|an|my|our|your|his|her|their|old|young|dear|poor|good|little)\s+)+", re.IGNORECASE
)


def is_generic(name: str) -> bool:
    """Whether ``name`` is a word for many people (父亲, 老爷, the captain) and so never joins two names."""
    return fold(_ARTICLE.sub("", name)).lower() in _GENERIC


@dataclass(slots=True)
class Sighting:
    """What one chapter says of people's names."""

    chapter: int  # position of the chapter in the novel
    people: set[str] = field(default_factory=set)
    claims: set[tuple[str, str]] = field(default_factory=set)  # (name, alias that the reply gives it)
    groups: list[set[str]] = field(default_factory=list)  # names that act beside each other: different people


def canonical_names(sightings: Sequence[Sighting], table: NameTable) -> dict[str, str]:
    """The name to use for each name that isn't its own canonical one; a name left out stays as it is.

    The name table decides first. Beyond it two names are one person when replies give one as the other's
    alias, no third person is given that alias too, neither word is generic, the table doesn't hold them apart
    and no relation or event has both side by side. The answer depends on the set of sightings only.
    """
    known = table.canonical["Character"]
    joined = _Classes(table.people)
    for sighting in sightings:
        for name in sighting.people:
            joined.add(name, known.get(name, name), sighting.chapter)
    for number, group in enumerate(g for s in sightings for g in s.groups):
        joined.keep_apart(number, group)
    _join(joined, _claims(sightings, joined))
    return joined.answer()


@dataclass(frozen=True, slots=True)
class NameTable:
    """A novel's name table, looked up from all sides."""

    canonical: dict[str, dict[str, str]]  # label → alias → name, where that is clear
    kinds: dict[str, str]  # name or alias → label
    people: frozenset[str]  # the characters' own names
    aliases: dict[str, frozenset[str]]  # a character's own name → its aliases


@lru_cache(maxsize=16)
def name_table(entries: tuple[NameEntry, ...]) -> NameTable:
    """The table of these entries; cached, since every chapter of a task has the same."""
    aliases: dict[str, frozenset[str]] = {}
    for entry in entries:
        if entry.kind == "Character":
            aliases[entry.name] = aliases.get(entry.name, frozenset()).union(entry.aliases)
    kinds: dict[str, str] = {}
    for label in reversed(ENTITY_LABELS):
        kinds |= {name: label for e in entries if e.kind == label for name in (*e.aliases, e.name)}
    canonical = {label: _clear_aliases(e for e in entries if e.kind == label) for label in ENTITY_LABELS}
    return NameTable(canonical, kinds, frozenset(aliases), aliases)


def _clear_aliases(entries: Iterable[NameEntry]) -> dict[str, str]:
    """alias → name, where exactly one entry has the alias, it isn't generic and no entry's own name."""
    owners: dict[str, set[str]] = defaultdict(set)
    names = set()
    for entry in entries:
        names.add(entry.name)
        for alias in entry.aliases:
            owners[alias].add(entry.name)
    return {
        alias: next(iter(own))
        for alias, own in owners.items()
        if len(own) == 1 and alias not in names and not is_generic(alias)
    }


class _Classes:
    """Union-find over names, each class with what speaks for and against a join."""

    def __init__(self, canonical: frozenset[str]) -> None:
        self._canonical = canonical
        self._parent: dict[str, str] = {}
        self._chapters: dict[str, set[int]] = defaultdict(set)
        self._groups: dict[str, set[int]] = defaultdict(set)

    def __contains__(self, name: str) -> bool:
        return name in self._parent

    def add(self, name: str, canonical: str, chapter: int) -> None:
        self._parent.setdefault(canonical, canonical)
        self._parent.setdefault(name, canonical)
        self._chapters[name].add(chapter)

    def find(self, name: str) -> str:
        while (parent := self._parent[name]) != name:
            self._parent[name] = name = self._parent[parent]
        return name

    def keep_apart(self, number: int, group: set[str]) -> None:
        roots = {self.find(name) for name in group if name in self._parent}
        if len(roots) > 1:
            for root in roots:
                self._groups[root].add(number)

    def join(self, one: str, other: str) -> bool:
        """Joins the two classes unless something holds them apart; whether it did."""
        a, b = sorted((self.find(one), self.find(other)))
        if a == b or self._groups[a] & self._groups[b] or (a in self._canonical and b in self._canonical):
            return False
        if b in self._canonical:  # a class with a name of the table keeps it as its root
            a, b = b, a
        self._parent[b] = a
        self._groups[a] |= self._groups.pop(b)
        return True

    def answer(self) -> dict[str, str]:
        members: dict[str, list[str]] = defaultdict(list)
        for name in self._parent:
            members[self.find(name)].append(name)
        chosen = {root: self._best(root, names) for root, names in members.items()}
        return {n: chosen[root] for root, names in members.items() for n in names if n != chosen[root]}

    def _best(self, root: str, names: list[str]) -> str:
        if root in self._canonical:
            return root
        return min(names, key=lambda n: (-len(self._chapters[n]), min(self._chapters[n], default=0), n))


def _claims(sightings: Sequence[Sighting], classes: _Classes) -> dict[tuple[str, str], int]:
    """(name, alias) → number of chapters that say so, for aliases that stand as a person somewhere."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for sighting in sightings:
        for name, alias in sighting.claims:
            if name != alias and alias in classes and not is_generic(alias) and not is_generic(name):
                counts[name, alias] += 1
    return counts


def _join(classes: _Classes, claims: dict[tuple[str, str], int]) -> None:
    """Joins until nothing more is clear: a join may make two claimants of an alias one."""
    order = sorted(claims, key=lambda claim: (-claims[claim], claim))
    owners: dict[str, set[str]] = defaultdict(set)
    for name, alias in order:
        owners[alias].add(name)
    refused: set[tuple[str, str]] = set()
    while True:
        clear = [
            (name, alias)
            for name, alias in order
            if (name, alias) not in refused and _one_owner(classes, owners[alias], alias)
        ]
        joined = [_try(classes, claim, refused) for claim in clear]
        if not any(joined):
            return


def _one_owner(classes: _Classes, owners: set[str], alias: str) -> bool:
    return len({classes.find(o) for o in owners} - {classes.find(alias)}) == 1


def _try(classes: _Classes, claim: tuple[str, str], refused: set[tuple[str, str]]) -> bool:
    if classes.find(claim[0]) == classes.find(claim[1]):
        return False
    if classes.join(*claim):
        return True
    refused.add(claim)
    return False
