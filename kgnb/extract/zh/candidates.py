"""Strings of a Chinese book that may be persons' names, by their form or as :mod:`.clauses` tell.

Full names begin with a surname; others end with a word that heads names (黑山大王, 王太太, 胖妞) or begin
with a prefix of familiar names (小顺子, 老周, 阿朱).
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from sys import intern

from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.bigram_index import BigramIndex
from kgnb.extract.zh.script import is_han
from kgnb.extract.zh.surnames import head_of, is_role, titled_surname

COHESION = 0.6
"""Least share of a character's occurrences that are in one bigram, of a cohesive bigram."""
_AFTER_HOME = frozenset(("", *"坡口湾渡桥岭河湖沟堡坝洼塘坳垭峁塬圩畈父母兄弟姐妹"))
"""What follows a family's name: kin (李家母女), ends of a hamlet's (not those of given names, 林, 山, 峰)."""
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
    introduced: bool = False  # whether the text shows it for a full name (女儿何晓棠)
    count: int = 0  # occurrences in the book
    left: dict[str, int] = field(default_factory=dict)  # character before it → times
    right: dict[str, int] = field(default_factory=dict)  # character after it → times
    score: float = 0.0


def candidates(
    bigrams: BigramIndex, pairs: set[str], least: int, speaking: Iterable[str], cohesive: set[str]
) -> list[str]:
    """Return the strings of the text that may be persons' names, sorted.

    These are strings that begin with one of ``pairs`` and occur at least ``least`` times, and those of
    ``speaking`` (words that speak) and ``cohesive`` (see :func:`cohesive_bigrams`); only strings that
    :func:`can_be_name` allows.
    """
    found = cohesive.union(speaking)
    bigrams.find(pairs.union(_LONG_HEADS, (w[:2] for w in found)))  # in one pass
    found |= cohesive | (
        _surnamed(bigrams, least, pairs)
        | _headed(bigrams, least, pairs, cohesive)
        | _familiar(bigrams, least, pairs)
    )
    found |= {w[: -len(head)] for w in found if len(head := head_of(w)) == 2 and len(w) > 3}
    return sorted(w for w in found if can_be_name(w, cohesive))


def starting_bigrams(bigrams: Iterable[str]) -> set[str]:
    """Return those of ``bigrams`` that may begin a name: with a surname (何恭), a familiar prefix (老何,
    阿Q), or a short title in second place (何公).
    """
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
    text, counts, found = bigrams.text, Counter[str](), set(one)
    behind = f"{text[2:]}\n"
    for pair, offsets in bigrams.find(one).items():
        thirds = _tally(map(behind.__getitem__, offsets))
        found |= {pair + char for char, n in thirds.items() if n >= least and is_han(char)}
    at = list(bigrams.offsets(pairs & words.COMPOUND_SURNAMES))
    for size in (3, 4):
        counts.update(text[a : a + size] for a in at if text[a : a + 2] not in one or size > 3)
    ranked = bigrams.offsets(p for p in one if p[1] in words.RANKED)
    counts.update([text[a : a + 4] for a in ranked if text[a + 2 : a + 4] in words.TITLES_AFTER_SURNAME])
    return found | {w for w, n in counts.items() if n >= least and len(w) > 2 and is_han(w[2:])}


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
    """Return the bigrams whose rarer character hardly occurs without the other (琉璃, 婵娟).

    ``bigrams``, ``chars``: bigram or character → occurrences in the text; ``least``: occurrences a bigram
    must have.
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


def _room(text: str, at: int, most: int) -> int:
    """Return how many characters right before ``at``, 0 to ``most``, may belong to a name."""
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
    """Return whether a word of two or more characters may be a name, judged by its characters alone.

    何恭 → True; 老爷 (a role), 何家 (a family) and 何恭等 → False. ``cohesive``: bigrams that may be names
    although their characters are unusual in names (婵娟).
    """
    if (
        is_role(word)
        or (word[0] in words.RANKED and is_role(word[1:]))  # 大女儿, 老和尚
        or word[-2:] in words.EVENT_ENDS
        or (word[-1] in words.HOUSE_ENDS and not _is_cohesive_name(word, cohesive))
        or (word[1] in "家国" and word[2:] in _AFTER_HOME)
        or (word[-1] == "家" and (titled_surname(word[:-1]) or word[:-1] in words.COMPOUND_SURNAMES))
    ):
        return False  # 李家, 贺家坡, 王婶家, but 李家明, 王国强
    if word[1] in words.NUMERALS and (word[0] in "地得" or word[2:] in ("人", "将")):
        return False  # 轰|地一声, 秦二人
    if word[1] in "两俩" and word[2:] in ("", *"家人口个位"):
        return False  # 李顾|两家
    if word[-1] == "等" or (word[1] == "兵" and len(word) == 3):
        return False  # 魏兵尽退
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


def _is_cohesive_name(word: str, cohesive: Container[str]) -> bool:
    """Return whether a word that ends like a family's house is a name by its cohesive characters: 霁村 →
    True; 周村 → False.
    """
    return word[1:] in cohesive or (word in cohesive and word[0] not in words.COMMON_SURNAMES)


def with_neighbours(
    bigrams: BigramIndex, names: Iterable[str], speaking: Mapping[str, int], called: Mapping[str, int]
) -> dict[str, Candidate]:
    """Return name → candidate with its occurrences and the characters on both sides of each.

    ``speaking``, ``called``: name → how often it speaks, or is said to be a name. A name that does not occur
    has count 0.
    """
    found = {w: Candidate(w, speaking.get(w, 0), called.get(w, 0)) for w in names}
    text, starts = f"\n{bigrams.text}\n", defaultdict[int, set[str]](set)
    for name in found:
        starts[len(name)].add(name[:2])
    places = bigrams.find(chain.from_iterable(starts.values()))
    for size, firsts in starts.items():
        behind = text[size + 1 :]  # a copy at a time: of a long book each is large
        for first in firsts:
            offsets = places[first]
            for name, at in _by_name(text, offsets, size, found) if size > 2 else ((first, offsets),):
                candidate = found[name]
                candidate.count = len(at)
                candidate.left = _tally(map(text.__getitem__, at))
                candidate.right = _tally(map(behind.__getitem__, at))
    return found


def _by_name(
    text: str, offsets: Iterable[int], size: int, names: Container[str]
) -> Iterable[tuple[str, array[int]]]:
    """Return (name, offsets) of those of ``names`` with ``size`` characters that stand at an offset of the
    text.
    """
    found: dict[str, array[int]] = defaultdict(lambda: array("I"))
    for at in offsets:
        if (name := text[at + 1 : at + 1 + size]) in names:
            found[name].append(at)
    return found.items()


def _tally(chars: Iterable[str]) -> dict[str, int]:
    """Return character → number of times."""
    counts: dict[str, int] = {}
    for char in chars:
        counts[char] = counts.get(char, 0) + 1
    return {intern(char): n for char, n in counts.items()}  # each character is in memory once
