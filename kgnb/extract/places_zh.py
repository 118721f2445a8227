"""Places and organizations of a Chinese book, by their ends and by what stands beside them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise

from kgnb.extract import trie
from kgnb.extract import words_zh as words
from kgnb.extract.names_zh import HAN, weights

_ENDS = "|".join(sorted(words.PLACE_ENDS | words.ORG_ENDS, key=lambda w: (-len(w), w)))
_ENDED = re.compile(rf"(?=([{HAN}]{{1,3}}(?:{_ENDS})))")
_ORG_ENDS = tuple(words.ORG_ENDS)


def find(text: str, persons: set[str]) -> dict[str, tuple[str, list[int]]]:
    """Name → (kind, offsets) of what is named like a place or a group; ``persons``: names that are taken."""
    least = 2 if len(text) < 100_000 else 4
    ended = Counter(m[1] for m in _ENDED.finditer(text))
    formed = {w for w, n in ended.items() if n >= least and _possible(w, persons)}
    pairs = Counter(map("".join, pairwise(text)))
    common, known = weights({g for g, n in pairs.items() if n >= least} | formed)
    known -= persons
    formed -= common.keys() - known
    at: dict[str, list[int]] = defaultdict(list)
    left: dict[str, Counter[str]] = defaultdict(Counter)
    for match in re.finditer(trie.pattern(formed | known), text):
        at[match[0]].append(match.start())
        left[match[0]][text[match.start() - 1 : match.start()]] += 1
    return {
        word: (kind_of(word), places)
        for word, places in at.items()
        if len(places) >= least and _placed(left[word], len(places), 0.15 if word in known else 0.25)
    }


def _possible(word: str, persons: set[str]) -> bool:
    """Whether no part of the word speaks against a name: grammar, a verb of motion in front, a person."""
    if word in persons or word[0] in words.DETERMINERS or word[0] in words.PLACE_LEFT:
        return False
    if word[:2] in persons or word[:3] in persons:
        return False
    return not set(word) & words.NEVER_IN_NAMES and not set(word[:-1]) & words.ENDS_NO_NAME


def _placed(left: Mapping[str, int], count: int, share: float) -> bool:
    return sum(n for c, n in left.items() if c in words.PLACE_LEFT) >= share * count and len(left) >= 2


def kind_of(word: str) -> str:
    """Location or Organization, by the word's end."""
    return "Organization" if word.endswith(_ORG_ENDS) else "Location"
