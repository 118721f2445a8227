"""Full names that a Chinese book may tell once only, behind a word for a person: 女儿何晓棠, 军医何晓棠.

Where the phrase goes on, its next word may begin within the name (女儿何棠|负责): the dictionary and the
other mentions say whether it does.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterator, Mapping

from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.bigram_index import BigramIndex
from kgnb.extract.zh.candidates import Candidate, can_be_name
from kgnb.extract.zh.name_evidence import has_unlikely_end
from kgnb.extract.zh.script import HAN, is_han
from kgnb.extract.zh.surnames import given_of, is_role, titled_surname

LONG = 0.25
"""Least share of speakers' full names that have three characters, in a book in which they are common: in
books before 1900 hardly one in eight has."""
WORD = 2.6
"""Weight of a word from which on it is no part of a name that is told once."""
RARE = 1.0
"""The same of a given name where the phrase goes on."""

_SURNAME, _COMPOUND = trie_pattern(words.COMMON_SURNAMES), trie_pattern(words.COMPOUND_SURNAMES)
_ENDS = rf"(?=[^{HAN}]|[和是])"
_NAME = f"{_SURNAME}(?:氏|[{HAN}]{{2}})|{_COMPOUND}[{HAN}]{{1,2}}"
_IS = "(?:是|叫|名叫)?"
_KIN = words.KIN_BEFORE_NAMES | {a + b for a in "我你他她您咱俺" for b in "爸妈爹娘哥姐弟妹"}
_KINSMAN = re.compile(
    rf"{trie_pattern(_KIN)}(?<![“「『，]..){_IS}({_NAME}|{_SURNAME}[{HAN}](?=[^{HAN}]))(?=(.))"
)
_CALLS = frozenset("叫唤名")
_CALLED_SO = re.compile(f"(?:叫|唤|(?<![书片剧曲])名为|名字是|叫[作做]|唤[作做])({_NAME})(?=[^{HAN}])")
_TRADE_ENDS = frozenset("长员师官医兵匠妃")
"""What ends hardly any word but a trade's or rank's."""
_NO_ROLE = frozenset("姓们己")  # 本姓何氏, 他们白煮鸡
_ROLE_ENDS = _TRADE_ENDS.union(*(w[-1] for w in words.TITLES if len(w) > 1)) - _NO_ROLE
_BEGINS_FULL = "".join(sorted(words.COMMON_SURNAMES.union("是叫名", (w[0] for w in words.COMPOUND_SURNAMES))))
_ROLE = re.compile(f"[{''.join(sorted(_ROLE_ENDS))}](?=[{_BEGINS_FULL}]){_IS}({_NAME}){_ENDS}")

_VERBS = frozenset("管许任施费计查盖包连顾应尽")
"""Surnames that are verbs, too, with an object behind them."""

_QUOTES = tuple("“「『")

Sides = tuple[str, str]
"""The role before a name, empty for a kin noun; and what stands behind it where its phrase goes on."""


def introduced(text: str, *, long_names: bool) -> dict[str, set[Sides]]:
    """Return possible full name → what stands around its introductions by a word for a person: 女儿何棠负责 →
    {"何棠负": {("", "责")}}.

    Each pair is (role before the name, or "" for a kin noun, which surely ends before the name; Chinese
    character behind, "" for none). The name is the longest possible one. ``long_names``: whether names of
    three characters are common in the book; without them only kin nouns introduce a name.
    """
    found = defaultdict[str, set[Sides]](set)
    for match in _KINSMAN.finditer(text):
        name, behind = match.groups()
        if not (name[-1] in "和与跟同" and is_han(behind)):  # 妻子何慧和女儿
            found[name].add(("", behind if is_han(behind) and behind not in "和是" else ""))
    for match in _CALLED_SO.finditer(text) if long_names else ():
        found[match[1]].add((match[0][0], ""))
    for match in _ROLE.finditer(text):
        if not (long_names or match[1].endswith("氏")):
            continue
        at = match.start()
        role = next(
            (word for n in (3, 2) if is_role(word := text[max(0, at - n + 1) : at + 1])),
            text[at - 1 : at + 1],
        )
        if not text.endswith(_QUOTES, 0, at + 1 - len(role)):
            found[match[1]].add((role, ""))
    return {w: sides for w, sides in found.items() if can_be_name(w) and w[0] not in w[2:]}  # 毛手毛脚


def words_across(shown: Mapping[str, Collection[Sides]]) -> Iterator[str]:
    """Yield the words to look up in a dictionary before :func:`is_full_name`, with repetitions: roles, last
    characters, and pairs across the ends of each name.

    ``shown``: the result of :func:`introduced`.
    """
    for name, sides in shown.items():
        yield name[-1]
        for role, behind in sides:
            yield from (role, role[-1:] + name[0], name[-1] + behind)


def has_long_names(speakers: Collection[str]) -> bool:
    """Return whether most names with a surname among ``speakers`` have three characters; a prefix of another
    speaker's name does not count.
    """
    full = [w for w in speakers if w[0] in words.COMMON_SURNAMES and w[:-1] not in speakers]
    lengths = Counter(map(len, full))
    return lengths[3] >= LONG * (lengths[2] + lengths[3])


def is_full_name(
    found: Candidate,
    sides: Collection[Sides],
    known: Mapping[str, float],
    bigrams: BigramIndex,
    *,
    long_names: bool,
) -> bool:
    """Return whether an introduced string is a whole name: not a word, nor cut from a longer word on either
    side (女儿何棠|负责).

    ``sides``: of its introductions, see :func:`introduced`; ``known``: word → weight against a name;
    ``long_names``: whether names of three characters are common in the book.
    """
    name = found.name
    if name.endswith("氏"):
        return True
    given = given_of(name)
    if name in known or (len(name) > 2 and name[:-1] in known) or is_role(given) or titled_surname(name):
        return False
    once = found.count < 2
    if once and (has_unlikely_end(name) or len(name) == 2):
        return False
    word = known.get(given, 0.0) if len(given) > 1 else 0.0
    if once and word and name[0] in _VERBS:
        return False  # 主任管文书
    if ("", "") in sides and word < (WORD if long_names else 0.01):
        return True
    if not long_names or (len(given) > 1 and bigrams.count(name[:-1][-2:]) > found.count):
        return False
    end = known.get(name[-1], 0.0) if once else 0.0
    alone = bigrams.count(given) > found.count  # 张彩霞 who is 彩霞 elsewhere
    whole = word < (WORD if alone else RARE) and end < WORD
    ends = whole and any(behind and name[-1] + behind not in known for _, behind in sides)
    return ends or (word < WORD and any(_tells(role, name[0], known) for role, _ in sides if role))


def _tells(role: str, first: str, known: Container[str]) -> bool:
    """Return whether a word is a role, and no word crosses its end and the name's first character (叫屈)."""
    trade = role in known and role[-1] in _TRADE_ENDS
    return (trade or is_role(role) or role in _CALLS) and role[-1] + first not in known
