"""Strings of a Chinese book that may be persons' names, by their place in a clause or by their form.

Speakers stand before a verb of speech; full names begin with a surname; others end with a word that heads
names (黑山大王, 王太太, 胖妞) or begin with a prefix of familiar names (小顺子, 老周, 阿朱).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.bigram_index import BigramIndex, lengths_by_start
from kgnb.extract.zh.script import HAN, is_han
from kgnb.extract.zh.surnames import head_of, is_role, surname_of, titled_surname

_BEFORE_QUOTE = re.compile(rf"(?<![{HAN}])([{HAN}]{{2,10}}+)[：:，,]?\s*[“「『\"]")
_AFTER_QUOTE = re.compile(rf"[”」』\"]\s*([{HAN}]{{2,14}})(?![{HAN}])")
_SENTENCE_TO_QUOTE = re.compile(
    rf"[。！？!?”」\n]([{HAN}]{{3,14}}+)[，,][^。！？!?：:“”「」\n]{{0,40}}+[：:]\s*[“「『\"]"
)
_SPEECH_VERB = re.compile(f"[{''.join(sorted(words.SPEECH_VERBS))}]")

# Branches begin with a character, not with a set: the search then skips what begins none of them.
_CALLED_SO = (
    *("名叫", "名唤", "唤做", "唤作", "叫做", "叫作", "名为", "名曰", "名字叫", "小名", "自称", "人称"),
    *(f"{char}号[为叫曰唤]?" for char in "道别绰外诨浑名自"),
    *(f"{char}叫(?![做作])" for char in "我他她"),
    *("唤名", "号[为曰]"),
)
_NAMING = re.compile(f"(?:{'|'.join(_CALLED_SO)})[“「『]?([{HAN}]{{2,4}})(?![{HAN}])")

_KIN = "父亲|母亲|爸爸|妈妈|妻子|丈夫|老婆|老公|老伴|爱人|媳妇|闺女|女儿|儿子|女婿|外甥"
_RELATED = re.compile(rf"(?:{_KIN}|之[子女弟妻父兄妹]|长[子女]|次[子女]|侄[儿子女])(?=([{HAN}]{{2,3}}))")
_RELATING = re.compile(f"[的之](?:{_KIN})")
_INTRODUCED = re.compile(
    rf"(?:{_KIN}|外孙|孙子|孙女|侄女|哥哥|弟弟|姐姐|妹妹|舅舅|叔叔|姑姑|师[兄弟姐妹])(?<![“「『，]..)"
    rf"(?:是|叫|名叫)?({trie_pattern(words.COMMON_SURNAMES)}[{HAN}]{{2}})(?=[^{HAN}]|[和是])"
)
_LISTED_AFTER = re.compile(rf"、([{HAN}]{{2,4}}+)(?![{HAN}])")
_LISTED_BEFORE = re.compile(f"、(?:{'|'.join(rf'(?<=(?<![{HAN}])([{HAN}]{{{n}}})、)' for n in (2, 3, 4))})")

_TITLED_ANIMAL = re.compile(f"{trie_pattern(words.ANIMALS)}{trie_pattern(words.ANIMALS_TITLES)}")

_HOME = "人国老回娘婆皇东亲管当专作画商离到在出住搬归公官世农"
"""What makes a word of 家: 许多人家的, 李当家的."""
_WIFE = re.compile(
    f"{trie_pattern(words.COMMON_SURNAMES)}[{HAN}]{{1,2}}(?<![{_HOME}])家的"
    f"(?=[{''.join(sorted(words.BEHIND_NAMES | words.SPEECH_VERBS))}来去便也忙等])"
)

COHESION = 0.6
"""Least share of a character's occurrences that are in one bigram, of a cohesive bigram."""

_AFTER_HOME = frozenset(("", *"坡口湾渡桥岭河湖沟堡坝洼塘父母兄弟姐妹"))
"""What follows a family's name: kin (李家母女), ends of a hamlet's (not those of given names, 林, 山, 峰)."""
_LOUD = "怒喜惊笑叫骂呼哭喝"
_SHORT_HEADS = {h for h in words.NAME_HEADS if len(h) == 1}
_LONG_HEADS = {h for h in words.NAME_HEADS if len(h) == 2}
NEVER_BEFORE_HEAD = (
    words.NEVER_IN_NAMES | words.UNLIKELY_NAME_ENDS | words.DETERMINERS | words.SPEECH_VERBS | words.MODIFIERS
) - words.NUMERALS
"""Characters that are no part of a name before its head, and no surname: grammar, verbs, adjectives."""
_NUMERALS = "".join(words.NUMERALS)
_COUNTED = words.COUNTED | words.DETERMINERS | {"", "大"}
"""First characters of what is counted, behind a numeral."""


@dataclass(slots=True)
class Candidate:
    """A string that may be a name, with the evidence; ``speaks``: clauses in which it is the speaker."""

    name: str
    speaks: int = 0
    named: int = 0  # times that the text says that somebody is called so
    count: int = 0  # occurrences in the book
    left: dict[str, int] = field(default_factory=dict)  # character before it → times
    right: dict[str, int] = field(default_factory=dict)  # character after it → times
    score: float = 0.0


def speech_clauses(text: str) -> Iterable[str]:
    """Yield clauses that introduce or follow a quotation and hold a verb of speech or an action."""
    for match in _BEFORE_QUOTE.finditer(text):
        if match[1][-1] in words.SPEECH_VERBS:
            yield match[1]
    for match in _AFTER_QUOTE.finditer(text):
        if _SPEECH_VERB.search(match[1], 2) or not words.ACTION_VERBS.isdisjoint(match[1][2:5]):
            yield match[1]
    for match in _SENTENCE_TO_QUOTE.finditer(f"\n{text}"):
        yield match[1]


def speakers(text: str) -> dict[str, int]:
    """Return clause beginnings of 2 to 4 characters → times that they look like a speaker by what follows."""
    total, good = defaultdict[str, int](int), defaultdict[str, int](int)
    for clause, times in Counter(clause[:5] for clause in speech_clauses(text)).items():
        for n in range(2, len(clause)):
            if clause[n - 1] != "大" or clause[n] not in _LOUD:  # 甲大怒: it is 甲 who speaks
                word, after = clause[:n], clause[n]
                total[word] += times * (after != "儿")  # 莲姐儿道 says nothing against 莲姐
                good[word] += times * (after in words.AFTER_SPEAKER or after in words.ACTION_VERBS)
    return {word: n for word, n in good.items() if n >= 2 and n >= 0.5 * total[word]}


def named(text: str) -> Counter[str]:
    """Return words of 2 to 4 characters → times that the text says somebody is called so (名叫, 唤做)."""
    return Counter(_NAMING.findall(text))


def related(text: str) -> Counter[str]:
    """Return what may be a full name → times that a kin noun is beside it (父亲X, X的父亲)."""
    found = Counter(_RELATED.findall(text))
    for at in (match.start() for match in _RELATING.finditer(text)):
        found.update(text[max(0, at - n) : at] for n in (2, 3))
    surnames = words.COMMON_SURNAMES, words.SURNAMES  # of names of two characters, and of three
    fulls = (word for word in found if len(word) > 1)
    return Counter({word: found[word] for word in fulls if word[0] in surnames[len(word) - 2]})


def introduced(text: str) -> set[str]:
    """Return what a kin noun before it shows for a full name at the end of its phrase: 女儿何晓棠，.

    Elsewhere its third character may be the next word's: 女儿何棠|负责.
    """
    return {m[1] for m in _INTRODUCED.finditer(text) if can_be_name(m[1])}


def listed(text: str, names: Container[str]) -> set[str]:
    """Return words of 2 to 4 characters that two lists have beside one of ``names`` (子安、X、伯远).

    What is coordinated with persons is a person (Roark & Charniak 1998), whatever its form.
    """
    found = Counter[str]()
    matches = chain(_LISTED_AFTER.finditer(text), _LISTED_BEFORE.finditer(text))
    for start, end in {match.span(match.lastindex or 0) for match in matches}:
        sizes = range(2, 5)
        beside = [text[max(0, start - 1 - n) : start - 1] for n in sizes if text.endswith("、", 0, start)]
        beside += [text[end + 1 : end + 1 + n] for n in sizes if text.startswith("、", end)]
        found[text[start:end]] += any(word in names for word in beside)
    return {word for word, n in found.items() if n >= 2 and word[0] not in words.DETERMINERS}


def candidates(
    bigrams: BigramIndex, pairs: set[str], least: int, speaking: Iterable[str], cohesive: set[str]
) -> list[str]:
    """Return the strings that may be names, sorted: those that begin with one of ``pairs`` occur ``least``
    times; ``speaking``, ``cohesive``: likely ones."""
    found = cohesive.union(speaking)
    bigrams.find(pairs.union(_LONG_HEADS, (w[:2] for w in found)))  # in one pass
    found |= (
        _surnamed(bigrams, least, pairs)
        | _headed(bigrams, least, pairs, cohesive)
        | _familiar(bigrams, least, pairs)
    )
    found |= {w[: -len(head)] for w in found if len(head := head_of(w)) == 2 and len(w) > 3}
    return sorted(w for w in found if can_be_name(w, cohesive))


def starting_bigrams(bigrams: Iterable[str]) -> set[str]:
    """Return the bigrams that may begin a surnamed, headed or familiar name."""
    first = words.SURNAMES | words.FAMILIAR_PREFIXES
    return {
        pair
        for pair in bigrams
        if (pair[0] in first or pair in words.COMPOUND_SURNAMES or pair[1] in _SHORT_HEADS)
        and (is_han(pair) or (pair[0] in words.FAMILIAR_PREFIXES and pair[1].isupper()))  # 阿K
    }


def _surnamed(bigrams: BigramIndex, least: int, pairs: set[str]) -> set[str]:
    """Return strings of a surname and one or two characters that occur ``least`` times."""
    one = {p for p in pairs if p[0] in words.SURNAMES}
    text, counts = bigrams.text, Counter[str]()
    counts.update(text[a : a + 3] for a in bigrams.offsets(one))
    at = list(bigrams.offsets(pairs & words.COMPOUND_SURNAMES))
    for size in (3, 4):
        counts.update(text[a : a + size] for a in at if text[a : a + 2] not in one or size > 3)
    ranked = bigrams.offsets(p for p in one if p[1] in words.RANKED)
    counts.update([text[a : a + 4] for a in ranked if text[a + 2 : a + 4] in words.TITLES_AFTER_SURNAME])
    return one | {w for w, n in counts.items() if n >= least and len(w) > 2 and is_han(w[2:])}


def _headed(bigrams: BigramIndex, least: int, pairs: set[str], cohesive: set[str]) -> set[str]:
    """Return strings of one to three characters and a head that occur ``least`` times (黑山大王, 胖妞)."""
    text, counts = bigrams.text, Counter[str]()
    for at in bigrams.offsets(_LONG_HEADS):
        size = max(_room(text, at, 3), 2 if text[at - 2 : at] in cohesive else 0)
        counts.update([text[at - n : at + 2] for n in range(1, size + 1)])
    for at in bigrams.offsets(p for p in pairs if p[1] in _SHORT_HEADS):
        size = _room(text, at + 1, 2)
        counts.update([text[at + 1 - n : at + 2] for n in range(1, size + 1)])
    return {w for w, n in counts.items() if n >= least}


def cohesive_bigrams(bigrams: Mapping[str, int], chars: Mapping[str, int], least: int) -> set[str]:
    """Return bigrams whose rarer character hardly occurs elsewhere (琉璃, 婵娟): no chance neighbours.

    ``bigrams``, ``chars``: bigram, and character, → occurrences in the text; ``least``: of such a bigram.
    """
    return {
        pair
        for pair, n in bigrams.items()
        if n >= least
        and n >= COHESION * min(chars[pair[0]], chars[pair[1]]) / (2 if pair[0] == pair[1] else 1)
        and is_han(pair)
    }


def pet_names(bigrams: Mapping[str, int]) -> set[str]:
    """Return the bigrams that may be a given name of one character and 儿: 莲儿."""
    return {pair for pair in bigrams if pair[1] == "儿" and can_be_name(pair)}


def wives(text: str, least: int) -> set[str]:
    """Return 何二旺家的 and its like, which occur ``least`` times as somebody who does or says something.

    So servants' wives are called; elsewhere it is what belongs to a family (何二旺家的狗).
    """
    found = Counter(match[0] for match in _WIFE.finditer(text))
    return {word for word, n in found.items() if n >= least and surname_of(word[:-2])}


def titled_animals(text: str) -> Counter[str]:
    """Return an animal with a title (兔妈妈, 猫头鹰爷爷) → times: somebody in a children's book."""
    return Counter(match[0] for match in _TITLED_ANIMAL.finditer(text))


def _room(text: str, at: int, most: int) -> int:
    """How many characters before ``at`` may belong to a name."""
    for n in range(1, most + 1):
        if at < n or text[at - n] in NEVER_BEFORE_HEAD or not is_han(text[at - n]):
            return n - 1
    return most


def _familiar(bigrams: BigramIndex, least: int, pairs: set[str]) -> set[str]:
    """Return 小X, 老X, 阿X and the same with a suffix (小顺子, 二柱子) that occur ``least`` times."""
    starts = {p for p in pairs if p[0] in words.FAMILIAR_PREFIXES}
    text = bigrams.text
    longer = (a for a in bigrams.offsets(starts) if text[a + 2 : a + 3] in words.FAMILIAR_SUFFIXES)
    counts = Counter(text[a : a + 3] for a in longer)
    short = {p for p in starts if p[0] not in words.NUMERALS}
    return short | {w for w, n in counts.items() if n >= least}


def can_be_name(word: str, cohesive: Container[str] = ()) -> bool:
    """Return whether the characters alone allow a name; of ``cohesive`` bigrams (婵娟) any may be one."""
    if (
        is_role(word)
        or (word[0] in words.RANKED and is_role(word[1:]))  # 大女儿, 老和尚
        or (word[-1] in words.HOUSE_ENDS and word not in cohesive and word[1:] not in cohesive)
        or (word[1] in "家国" and word[2:] in _AFTER_HOME)
        or (word[-1] == "家" and titled_surname(word[:-1]))
    ):
        return False  # 李家, 贺家坡, 王婶家, but 李家明, 王国强
    if word[1] in words.NUMERALS and (word[0] in "地得" or word[2:] in ("人", "将")):
        return False  # 轰|地一声, 秦二人
    if word[1] in "两俩" and word[2:] in ("", *"家人口个位"):
        return False  # 李顾|两家
    if len(word) == 3 and word[1] in "和与跟同" and word[2] in words.COMMON_SURNAMES:
        return False  # 李和顾: two of them
    stem = word.removesuffix(head_of(word)) if len(word) > 3 else word
    whole = stem in cohesive and word[1] not in words.NEVER_IN_NAMES and word[0] not in "的着我你他她您咱"
    if word[:2] in words.COMPOUND_SURNAMES or (whole and not is_role(stem)):
        return True
    body = word[:-1] if word[-1] == "让" and word[0] in words.COMMON_SURNAMES else word
    if is_role(word[:2]) or word[0] in words.NEVER_FIRST or not words.NEVER_IN_NAMES.isdisjoint(body):
        return False
    if word[0] not in words.DETERMINERS:
        return True
    # 十三郎, 二柱子 may be names; 二将, 三大王, 四大天师, 十八个 are counted.
    what = word.lstrip(_NUMERALS)
    counted = is_role(what) or what[:1] in _COUNTED
    return word[0] in words.NUMERALS and not counted


def with_neighbours(
    bigrams: BigramIndex, names: Iterable[str], speaking: Mapping[str, int], called: Mapping[str, int]
) -> dict[str, Candidate]:
    """Return the candidates with the neighbours of every occurrence."""
    found = {w: Candidate(w, speaking.get(w, 0), called.get(w, 0)) for w in names}
    text, lengths = f"\n{bigrams.text}\n", lengths_by_start(found)
    behind = {size: text[size + 1 :] for size in set(chain.from_iterable(lengths.values()))}
    for start, offsets in bigrams.find(lengths).items():
        for size in lengths[start]:
            for word, places in _by_word(text, offsets, size) if size > 2 else ((start, offsets),):
                if candidate := found.get(word):
                    candidate.count = len(places)
                    candidate.left = _tally(map(text.__getitem__, places))
                    candidate.right = _tally(map(behind[size].__getitem__, places))
    return found


def _by_word(text: str, offsets: Iterable[int], size: int) -> Iterable[tuple[str, list[int]]]:
    """What stands behind each offset → its offsets."""
    found: dict[str, list[int]] = defaultdict(list)
    for at in offsets:
        found[text[at + 1 : at + 1 + size]].append(at)
    return found.items()


def _tally(chars: Iterable[str]) -> dict[str, int]:
    """Each character → times."""
    counts: dict[str, int] = {}
    for char in chars:
        counts[char] = counts.get(char, 0) + 1
    return counts
