"""Places and organizations of a Chinese book, by their ends and by what stands beside them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Mapping

from kgnb.extract import trie
from kgnb.extract.bigram_index import BigramIndex
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.names import HAN

_END = re.compile(trie.pattern(words.PLACE_ENDS | words.ORG_ENDS))
_AFTER = re.compile(rf"(?<=[{''.join(sorted(words.PLACE_LEFT))}])[{HAN}]{{2}}")
_ORG_ENDS = tuple(words.ORG_ENDS)
_LONG_ENDS = {e for e in words.PLACE_ENDS | words.ORG_ENDS if len(e) > 1}
_GENERIC = re.compile(
    "[东西南北]{2}|[东西南北前后左右大小正]门|正[东西南北]|城[东西南北]|.寨"
    "|[城庙院店村寨楼宫府营庄街屋房殿门江山湖海桥园][里外中前后上下边旁间]|[城庙院店村寨楼宫府营海]内"
)
"""The east gate, inside the town, somebody's camp: where, but no name (江东, 河北, 汉中 are)."""


def candidates(text: str) -> tuple[dict[str, int], set[str]]:
    """Words that end as places and groups do → times, and pairs of characters where a place may stand."""
    least = _least(text)
    ended: Counter[str] = Counter()
    for match in _END.finditer(text):
        for start in range(match.start() - 1, max(-1, match.start() - 4), -1):
            if not text[start].isalpha():
                break
            ended[text[start : match.end()]] += 1
    after = Counter(_AFTER.findall(text))
    return {w: n for w, n in ended.items() if n >= least}, {
        w for w, n in after.items() if n >= max(1, least // 2)
    }


def find(
    grams: BigramIndex, ended: Mapping[str, int], persons: set[str], common: Container[str], places: set[str]
) -> dict[str, tuple[str, list[int]]]:
    """Name → (kind, offsets) of what is named like a place or a group.

    ``ended``: of :func:`candidates`; ``persons``: names that are taken; ``common``: words that are no names;
    ``places``: words that are known as places' names.
    """
    text, known = grams.text, places - persons
    formed = {w for w in ended if _possible(w, persons) and (w in known or w not in common)}
    wanted = {w for w in known | _whole(formed, ended) if not _generic(w)}
    at: dict[str, list[int]] = defaultdict(list)
    left: dict[str, Counter[str]] = defaultdict(Counter)
    right: dict[str, Counter[str]] = defaultdict(Counter)
    for start, word in grams.find_all(wanted):
        at[word].append(start)
        left[word][text[start - 1 : start]] += 1
        right[word][text[start + len(word) : start + len(word) + 1]] += 1
    found = {}
    for word, stands in at.items():
        kind, count = kind_of(word), len(stands)
        if count < _least(text):
            continue
        placed = _placed(left[word], count, 0.15 if word in known else 0.25)
        if placed or (kind == "Organization" and _acts(word, left[word], right[word], count)):
            found[word] = kind, stands
    return found


def _whole(formed: set[str], counts: Mapping[str, int]) -> set[str]:
    """Neither a piece of a longer name (城大学) nor a name with what stands before it (连天玄宗)."""
    dropped = set()
    for word in formed:
        for size in range(2, len(word)):
            short = word[-size:]
            if short in formed:
                dropped.add(word if counts[short] > 2.5 * counts[word] else "")
                dropped.add(short if counts[word] >= 0.7 * counts[short] else "")
    return formed - dropped


def _acts(word: str, left: Mapping[str, int], right: Mapping[str, int], count: int) -> bool:
    """Whether a group is named: what stands before it varies, and what follows is its people or deeds."""
    if word[0] in words.NO_PROPER_HEAD or len(left) < 3 or max(left.values()) >= 0.7 * count:
        return False
    share = 0.2 if word[-2:] in _LONG_ENDS or word[-3:] in _LONG_ENDS else 0.3
    return sum(n for c, n in right.items() if c in words.ORG_RIGHT) >= share * count


def _least(text: str) -> int:
    return 2 if len(text) < 100_000 else 4


def _possible(word: str, persons: set[str]) -> bool:
    """Whether no part of the word speaks against a name: grammar, a verb of motion in front, a person."""
    if word in persons or word[0] in words.DETERMINERS or word[0] in words.PLACE_LEFT:
        return False
    if word[:2] in persons or word[:3] in persons:
        return False
    end = next((n for n in (3, 2) if word[-n:] in _LONG_ENDS and len(word) > n), 1)
    return not set(word) & words.NEVER_IN_NAMES and not set(word[:-end]) & words.ENDS_NO_NAME


def _generic(word: str) -> bool:
    return word in words.GENERIC_PLACES or bool(_GENERIC.fullmatch(word))


def _placed(left: Mapping[str, int], count: int, share: float) -> bool:
    return sum(n for c, n in left.items() if c in words.PLACE_LEFT) >= share * count and len(left) >= 2


def kind_of(word: str) -> str:
    """Location or Organization, by the word's end; 剑阁 is a place, 天机阁 rather those who live there."""
    return "Organization" if word.endswith(_ORG_ENDS) and len(word) > 2 else "Location"
