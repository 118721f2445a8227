"""Places and organizations of a Chinese book, by their ends and by what stands beside them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Mapping

from kgnb.extract import trie
from kgnb.extract import words_zh as words
from kgnb.extract.grams import Grams
from kgnb.extract.names_zh import HAN

_END = re.compile(trie.pattern(words.PLACE_ENDS | words.ORG_ENDS))
_AFTER = re.compile(rf"(?<=[{''.join(sorted(words.PLACE_LEFT))}])[{HAN}]{{2}}")
_ORG_ENDS = tuple(words.ORG_ENDS)
_GENERIC = re.compile(
    "[东西南北]{2}|[东西南北前后左右大小正]门|正[东西南北]|城[东西南北]|.寨"
    "|[城庙院店村寨楼宫府营庄街屋房殿门江山湖海桥园][里外中前后上下边旁间]|[城庙院店村寨楼宫府营海]内"
)
"""The east gate, inside the town, somebody's camp: where, but no name (江东, 河北, 汉中 are)."""


def candidates(text: str) -> tuple[set[str], set[str]]:
    """Words that end as places and groups do, and pairs of characters that stand where a place may."""
    least = _least(text)
    ended: Counter[str] = Counter()
    for match in _END.finditer(text):
        for start in range(match.start() - 1, max(-1, match.start() - 4), -1):
            if not text[start].isalpha():
                break
            ended[text[start : match.end()]] += 1
    after = Counter(_AFTER.findall(text))
    return {w for w, n in ended.items() if n >= least}, {
        w for w, n in after.items() if n >= max(1, least // 2)
    }


def find(
    grams: Grams, ended: set[str], persons: set[str], common: Container[str], places: set[str]
) -> dict[str, tuple[str, list[int]]]:
    """Name → (kind, offsets) of what is named like a place or a group.

    ``ended``: of :func:`candidates`; ``persons``: names that are taken; ``common``: words that are no names;
    ``places``: words that are known as places' names.
    """
    text, known = grams.text, places - persons
    formed = {w for w in ended if _possible(w, persons) and (w in known or w not in common)}
    wanted = {w for w in formed | known if not _generic(w)}
    at: dict[str, list[int]] = defaultdict(list)
    left: dict[str, Counter[str]] = defaultdict(Counter)
    for start, word in grams.find_all(wanted):
        at[word].append(start)
        left[word][text[start - 1 : start]] += 1
    return {
        word: (kind_of(word), stands)
        for word, stands in at.items()
        if len(stands) >= _least(text) and _placed(left[word], len(stands), 0.15 if word in known else 0.25)
    }


def _least(text: str) -> int:
    return 2 if len(text) < 100_000 else 4


def _possible(word: str, persons: set[str]) -> bool:
    """Whether no part of the word speaks against a name: grammar, a verb of motion in front, a person."""
    if word in persons or word[0] in words.DETERMINERS or word[0] in words.PLACE_LEFT:
        return False
    if word[:2] in persons or word[:3] in persons:
        return False
    return not set(word) & words.NEVER_IN_NAMES and not set(word[:-1]) & words.ENDS_NO_NAME


def _generic(word: str) -> bool:
    return word in words.GENERIC_PLACES or bool(_GENERIC.fullmatch(word))


def _placed(left: Mapping[str, int], count: int, share: float) -> bool:
    return sum(n for c, n in left.items() if c in words.PLACE_LEFT) >= share * count and len(left) >= 2


def kind_of(word: str) -> str:
    """Location or Organization, by the word's end; 剑阁 is a place, 天机阁 rather those who live there."""
    return "Organization" if word.endswith(_ORG_ENDS) and len(word) > 2 else "Location"
