"""Guesses from surnames in a Chinese text: two of one surname who are named together are of one family.

That holds where a book has so few persons that chance hardly gives two of them this surname: of n persons n·s
have by chance a surname that the share s of all people has, while about two are kin of one surname. 顾 beside
顾 is a family in most books, 张 beside 张 only in one of few persons. In translated books a patronymic
(伊万诺维奇, 伊万诺夫娜) counts as a surname does, though a first name is less rare.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import Mention, PatternMatch
from kgnb.extract.surname_pairs import OF_ONE_SURNAME, named_together
from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.narrator import is_narrators
from kgnb.extract.zh.surnames import head_of, sure_surname, titled_surname

NAMED_TOGETHER = 100
"""Most characters from one name to the end of the other."""
BY_CHANCE = 1.0
"""Most persons of a book to whom chance gives a surname that tells a family: half as many as are kin."""

# Percent of China's people who have a surname, in classes: what is generally known, taken from no table. The
# guess needs no more, as a class decides only between books of half as many or twice as many persons.
_SHARES = {
    7.0: "王李张",
    5.0: "刘陈",
    3.0: "杨",
    2.0: "黄赵吴周",
    1.2: "徐孙马朱胡郭何林高罗",
    0.8: "郑梁谢宋唐许邓",
    0.6: "冯韩曹曾彭萧肖蔡潘田董袁于余叶蒋杜苏",
    0.4: "魏程吕丁沈任姚卢傅钟姜崔谭廖范汪陆金",
}
_PERCENT = {surname: percent for percent, surnames in _SHARES.items() for surname in surnames}
_OTHER, _COMPOUND, _FOREIGN, _PATRONYMIC = 0.2, 0.02, 0.02, 4.0
OF_HOUSE = 4.0
"""How many times as many where one is 太太 or 小姐 of the house: the book has somebody whose she is."""
_KINSHIP = frozenset(("FAMILY", "SPOUSE", "PARENT_OF", "SIBLING"))
_PATRONYMIC_END = re.compile("(?:维奇|夫娜)$")
_HOUSES = re.compile(
    f"(?P<surname>{trie_pattern(words.SURE_SURNAMES)})家的?[大二三四五小老]?"
    "(?:小姐|姑娘|少爷|公子|女儿|儿子|闺女|千金|孩子|小子)[，,]?$"
)
LONGEST_HOUSE = 10
"""Most characters before a name that tell the bearer's house."""
_OF_HOUSE = ("太太", "小姐", "少爷")


def families(entry: NameEntry) -> dict[str, float]:
    """Return by what a person's name tells the family, and how many percent of all people have that."""
    name = entry.name
    if "·" in name:
        return _of_foreign(name.split("·"))
    titled = titled_surname(name)
    surname = titled if name.endswith(_OF_HOUSE) else "" if titled or head_of(name) else sure_surname(name)
    if surname not in words.SURE_SURNAMES or name == surname + "家":
        return {}
    return {surname: _share(surname)}


def _is_of_house(mention: Mention) -> bool:
    """Whether a name tells that the person is of somebody's house: 刘太太, 刘小姐."""
    return mention.entry.name.endswith(_OF_HOUSE)


def _share(surname: str) -> float:
    return _COMPOUND if len(surname) > 1 else _PERCENT.get(surname, _OTHER)


def _of_foreign(parts: Sequence[str]) -> dict[str, float]:
    """Surname and patronymic of a name in its parts: 伊万·彼得罗维奇·列文, 伊万·彼得罗维奇, 查尔斯·包法利."""
    patronymics = [part for part in parts[1:] if _PATRONYMIC_END.search(part)]
    found = {_PATRONYMIC_END.sub("·", part): _PATRONYMIC for part in patronymics}
    return found if parts[-1] in patronymics else {**found, parts[-1]: _FOREIGN}


def _of_house(text: str, mention: Mention) -> dict[str, float]:
    """The family of which the text says beside a name that the person is: 顾家的大小姐甲, 顾家的女儿，甲."""
    house = _HOUSES.search(text, max(0, mention.start - LONGEST_HOUSE), mention.start)
    return {house["surname"]: _share(house["surname"])} if house else {}


def of_one_surname(
    text: str, people: Sequence[Mention], persons: int, stated: Iterable[PatternMatch]
) -> Iterator[PatternMatch]:
    """Yield the ties of a chapter's people who have no kinship among those ``stated``.

    ``persons``: how many the book has.
    """
    related = {frozenset((m.source, m.target)) for m in stated if m.type in _KINSHIP}
    people = [m for m in people if not is_narrators(m)]  # 我 stands beside everybody
    most = 100 * BY_CHANCE / max(1, persons)
    bearers = _families_of(text, people, most)
    for one, other in named_together(people, bearers, NAMED_TOGETHER):
        names = one.entry.name, "FAMILY", other.entry.name
        of_house = OF_HOUSE if any(map(_is_of_house, (one, other))) else 1.0
        shares = bearers[one.entry.name].items() & bearers[other.entry.name].items()
        common = [family for family, percent in shares if percent <= most * of_house]
        if common and frozenset((one.entry.name, other.entry.name)) not in related:
            label = f"同姓{min(common).strip('·')}"
            yield PatternMatch(*names, label, one.start, other.end, OF_ONE_SURNAME)


def _families_of(text: str, people: Iterable[Mention], most: float) -> dict[str, dict[str, float]]:
    """By what the persons' names, or else the words beside them in this chapter, tell the family, of those
    that are rare enough; ``most``: percent of all people who have a family's name."""
    told: dict[str, dict[str, float]] = {}
    for mention in people:
        name = mention.entry.name
        if name not in told:
            told[name] = families(mention.entry)
        told[name] = told[name] or _of_house(text, mention)
    return {name: found for name, found in told.items() if any(p <= most * OF_HOUSE for p in found.values())}
