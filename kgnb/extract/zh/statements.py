"""What a Chinese text itself says of its people's other names: 字玄德, 人称, 大名, 次女明珠."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import NamedTuple

from kgnb.extract.generic_words import is_generic
from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.script import HAN
from kgnb.extract.zh.surnames import given_of, is_role, surname_of, titled_surname

_INTRODUCTION = re.compile(
    rf"姓([{HAN}]{{1,2}})[，,]?(?:单)?名(?:叫|唤|唤作|叫做)?([{HAN}]{{1,2}}?)[，,；;]?表?字([{HAN}]{{2}})"
)
_COURTESY = re.compile(rf"字([{HAN}]{{2}})(?![{HAN}])(?:[，,]?后?改(?:字|为)?([{HAN}]{{2}})(?![{HAN}]))?")
_EPITHET = re.compile(
    rf"(?:，[{HAN}]{{0,8}}都[叫称喊唤][他她]|,[{HAN}]{{0,8}}都[叫称喊唤][他她]|江湖人称|人称之为|人称|别号|道号|绰号|外号|诨名|诨号|浑名|小名"
    rf"|乳名|小字|法号|法名|人送外号)(?:唤做|唤作|叫做|叫作|叫|为|曰|作)?[“「『]?"
    rf"(?P<alias>[{HAN}]{{2,5}})(?![{HAN}])"
)
_QUOTED = re.compile(rf"[“「『](?<=[{HAN}].)([{HAN}]{{2,6}})[”」』](?=[{HAN}])")
_PROPER = re.compile(
    rf"(?:大名|学名|官名|真名|本名|全名|原名|俗名|闺名|芳名|名叫|名唤|名字|叫)(?:叫做|叫作|叫|是|为)?[“「『]?([{HAN}]{{2,4}})(?![{HAN}])"
)
_TOPIC = re.compile(
    rf"(?<=[。！？\n”」])([{HAN}]{{2,4}}?)是((?:[他她]们?的)?[^。！？“”「」\n他她其有姓]*[，；,;])$"
)
_NAMED = re.compile(rf"姓([{HAN}]{{1,2}})[，,]?[双单]?名(?:叫|唤)?([{HAN}]{{1,2}})[，,][^。！？“”「」\n]*$")
# The clause before 字 or 人称, searched in the few characters before it: over the whole text it is slow.
_BEARER = re.compile(rf"([{HAN}]{{1,6}}?)(?:[本原]姓[{HAN}]{{1,2}})?[，,：:；;]?表?$")
BEFORE = 0.2
"""Most of a rank's mentions before it is conferred, where it is a new one."""
PASSAGE = 150
"""Most characters between a full name and what everybody calls its bearer."""

_RANKS = f"[{''.join(sorted(words.NUMERALS))}大小少姑舅姨]"
_TITLES = "(?:少爷|小姐|姑娘|公子|少奶奶|奶奶|姨太太|姨太|姨娘|太太|老爷|爷|师[兄姐弟妹]|当家|东家)"
_RANKED = re.compile(f"{_RANKS}(?:(?<![{HAN}].)|(?<=[是乃].)){_TITLES}")
_IS_NAMED = re.compile(f"[{HAN}]{{0,12}}，(?:闺名|芳名|名唤|名叫|名|叫)")
_IS_RANKED = re.compile(f"是(?:[我他她你咱]们?的?)?({_RANKS}{_TITLES})(?![{HAN}])")
_BORN = re.compile("(?P<order>[长次大二三四五六七八九])(?P<sex>[子女]|儿子|女儿)(?:名叫|叫|是|名)?")
_ORDERS = {"长": "大", "次": "二"}
_CHILDREN = {"子": ("少爷", "公子"), "女": ("小姐", "姑娘", "丫头")}
_SAME = {title: titles for titles in _CHILDREN.values() for title in titles}

# Branches begin with a character, not with a set: the search then skips what begins none of them.
_CONFERRED = re.compile(
    "(?:自[立称号]为?|进[位封]为?|受封为?|袭封为?|晋封为?|既为|已为|为)"
    f"(?P<rank>(?!.{{0,2}}之)[{HAN}]{{1,3}}[{''.join(sorted(words.RANK_ENDS))}])(?![{HAN}])"
)
_CONFERS = tuple("封立拜册尊奉晋")
_UNDONE = re.compile(f"[不未勿莫休若倘欲要想肯愿议请劝可拟][{HAN}]{{0,12}}$")  # 欲封何恭为越王


class Statement(NamedTuple):
    """That somebody called ``full`` has another name, and how the text says it."""

    full: str
    alias: str
    how: str


class Statements:
    """Reads one text, whose people are known by ``names``."""

    def __init__(self, text: str, names: Collection[str]) -> None:
        self._text, self._names = text, set(names)

    def read(self) -> Iterator[Statement]:
        """Yield each statement that two names are one person's: of 何恭字子安 → Statement("何恭", "子安",
        "字").

        By kind, in this order: introductions with 字, courtesy names, epithets, quoted and proper names,
        ranks, conferred titles.
        """
        introductions = list(_INTRODUCTION.finditer(self._text))
        self._names |= {match[1] + match[2] for match in introductions}
        yield from (Statement(match[1] + match[2], match[3], "字") for match in introductions)
        yield from self._courtesy_names({m.end(3): m[1] + m[2] for m in introductions})
        yield from self._epithets()
        yield from self._quoted()
        yield from self._proper_names()
        yield from self._ranks()
        yield from self._conferred()

    def _courtesy_names(self, introduced: dict[int, str]) -> Iterator[Statement]:
        """Yield the statements of courtesy names: 姓何名恭字子安; 程勇，字伯远. ``introduced``: offset → full
        name.
        """
        for match in _COURTESY.finditer(self._text):
            full = introduced.get(match.end(1)) or self.bearer_before(match.start())
            yield from (Statement(full, alias, "字") for alias in match.groups() if full and alias)

    def _epithets(self) -> Iterator[Statement]:
        """Yield the statements of other names that the text states with 人称, 号, 小名."""
        for match in _EPITHET.finditer(self._text):
            alias, order = match["alias"], match[0][0] in "，,"
            full = self.bearer_before(match.start()) or self._topic(match.start())
            known = alias in self._names or titled_surname(alias) or not order  # 大家都叫他快来
            if full and known and alias not in words.TITLES:
                yield Statement(full, alias, "号")
                if alias.endswith("先生") and len(alias) > 3:
                    yield Statement(full, alias.removesuffix("先生"), "号")

    def _quoted(self) -> Iterator[Statement]:
        """Yield the statements of nicknames quoted between a role and a name: 总镖头“铁臂金刀”何恭."""
        for match in _QUOTED.finditer(self._text):
            before = self._text[max(0, match.start() - 3) : match.start()]
            full = self.name_at(match.end())
            role = before[-1] in "是乃" or any(is_role(before[at:]) for at in range(len(before) - 1))
            if role and full and surname_of(full) and match[1] not in words.TITLES:
                yield Statement(full, match[1], "号")

    def _proper_names(self) -> Iterator[Statement]:
        """Yield the statements of full names of persons known by a nickname: 黑牛的大名何守田."""
        for match in _PROPER.finditer(self._text):
            full, at = match[1], match.start()
            if not surname_of(full):
                continue
            who = self.bearer_before(at - (self._text[at - 1 : at] == "的")) or self._topic(at)
            if not who:
                continue
            named = not (titled_surname(who) or surname_of(who) or match[0][0] == "叫")
            if titled_surname(who) == surname_of(full) or named:
                yield Statement(full, who, "号")

    def _ranks(self) -> Iterator[Statement]:
        """Yield the statements of ranks within a house: 二小姐明珠, 次女明珠."""
        for rank, name in self._ranked():
            for title in _SAME.get(rank[1:], (rank[1:],)) if name else ():  # 二小姐 is 二姑娘, too
                yield Statement(name, rank[0] + title, "排行")

    def _ranked(self) -> Iterator[tuple[str, str]]:
        """Yield (rank, whose it is)."""
        for match in _RANKED.finditer(self._text):
            named = _IS_NAMED.match(self._text, match.end())
            yield match[0], self.name_at(named.end() if named else match.end())
        for match in _IS_RANKED.finditer(self._text):
            yield match[1], self.bearer_before(match.start())
        for match in _BORN.finditer(self._text):
            order = _ORDERS.get(match["order"], match["order"])
            yield order + _CHILDREN["女" if "女" in match["sex"] else "子"][0], self.name_at(match.end())

    def _conferred(self) -> Iterator[Statement]:
        """Yield the statements of conferred ranks (封何恭为越王), unless the rank is often
        mentioned before.
        """
        told = list(self._conferred_on())
        ranks = {said.alias for _, said in told}
        places = defaultdict[str, list[int]](list)
        for match in re.finditer(trie_pattern(ranks), self._text) if ranks else ():
            places[match[0]].append(match.start())
        for start, said in told:
            before = bisect_left(places[said.alias], start)
            if before <= BEFORE * len(places[said.alias]):
                yield said

    def _conferred_on(self) -> Iterator[tuple[int, Statement]]:
        """Yield where a rank is conferred, and on whom."""
        for match in _CONFERRED.finditer(self._text):
            rank, start = match["rank"], match.start()
            before = self._text[max(0, start - 6) : start].removesuffix("遂")
            full = next((before[-n:] for n in (4, 3, 2) if before[-n:] in self._names), "")
            confers = match[0][0] != "为" or before.removesuffix(full).endswith(_CONFERS)
            done = full and not _UNDONE.search(self._text, max(0, start - 16), start - len(full))
            if done and confers and not is_role(rank) and not is_generic(rank):
                yield start, Statement(full, rank, "封")

    def _topic(self, at: int) -> str:
        """Return the name that the sentence at ``at`` is about (何恭是账房，外号铁算盘); "" for none, and
        where others are named.
        """
        before = self._text[max(0, at - 60) : at]
        if named := _NAMED.search(before):
            return named[1] + named[2]
        topic = _TOPIC.search(before)
        if not topic or not (topic[1] in self._names or titled_surname(topic[1])):
            return ""
        said = topic[2].rpartition("的")[2]  # 何恭是周武的师弟，外号铁算盘
        others = (said[i : i + n] in self._names for i in range(len(said)) for n in (2, 3, 4))
        return "" if any(others) else topic[1]

    def name_at(self, at: int) -> str:
        """Return the longest known name that begins at an offset; "" for none."""
        found = (self._text[at : at + n] for n in (4, 3, 2))
        return next((name for name in found if name in self._names), "")

    def bearer_before(self, at: int) -> str:
        """Return the known name that ends before offset ``at``; before 名X the most frequent name nearby with
        the given name X; "" for none.
        """
        bearer = _BEARER.search(self._text[max(0, at - 8) : at])
        clause = bearer[1] if bearer else ""
        for size in (4, 3, 2):
            if clause[-size:] in self._names and len(clause) >= size:
                return clause[-size:]
        _, named, given = clause.rpartition("名")
        if not named or not given:
            return ""
        near = self._text[max(0, at - 200) : at + 400]
        fitting = [n for n in self._names if given_of(n) == given and surname_of(n) and n in near]
        best = max(fitting, key=lambda n: (near.count(n), n), default="")
        return best or (full if (full := self._family_before(at) + given) in self._names else "")

    def _family_before(self, at: int) -> str:
        """Return the surname of the last full name before ``at`` (孙坚有四子：…；次子名权); "" for none."""
        found = (self.name_at(place) for place in range(at - 2, max(-1, at - PASSAGE), -1))
        return next((surname_of(name) for name in found if name and surname_of(name)), "")
