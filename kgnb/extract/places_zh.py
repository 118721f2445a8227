"""Places and organizations of a Chinese book, by their ends and by what stands beside them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from kgnb.extract import trie
from kgnb.extract import words_zh as words
from kgnb.extract.names_zh import HAN, geographic

_ENDS = tuple(words.PLACE_ENDS) + tuple(words.ORG_ENDS)
_ENDED = re.compile(rf"(?=([{HAN}]{{1,3}}(?:{'|'.join(sorted(_ENDS, key=len, reverse=True))})))")
_LEFT = words.PLACE_LEFT
_RIGHT = words.PLACE_RIGHT


def find(text: str, taken: Iterable[str]) -> dict[str, tuple[str, list[int]]]:
    """Name → (kind, offsets) of what is named like a place or a group; ``taken`` are the persons' names."""
    taken = set(taken)
    least = 2 if len(text) < 60_000 else 4
    counts = Counter(m[1] for m in _ENDED.finditer(text))
    wanted = {w for w, n in counts.items() if n >= least and _possible(w, taken)}
    grams = Counter(map("".join, zip(text, text[1:], strict=False)))
    known = geographic({g for g, n in grams.items() if n >= least} | wanted)
    at: dict[str, list[int]] = defaultdict(list)
    left: dict[str, Counter[str]] = defaultdict(Counter)
    for match in re.finditer(trie.pattern(wanted | (known - taken)), text):
        at[match[0]].append(match.start())
        left[match[0]][text[match.start() - 1 : match.start()]] += 1
    return {
        w: (kind_of(w), places)
        for w, places in at.items()
        if len(places) >= least and (w in known or _stands_as_place(left[w], len(places)))
    }


def _possible(word: str, taken: set[str]) -> bool:
    if word in taken or set(word) & words.NEVER_IN_NAMES or word[0] in words.DETERMINERS or word[0] in _LEFT:
        return False
    return not any(n in taken for n in (word[:2], word[:3])) and not set(word[:-1]) & words.ENDS_NO_NAME


def _stands_as_place(left: Mapping[str, int], count: int) -> bool:
    return sum(n for c, n in left.items() if c in _LEFT) >= 0.25 * count and len(left) >= 3


def kind_of(word: str) -> str:
    """Location or Organization, by the word's end."""
    return "Organization" if word.endswith(tuple(words.ORG_ENDS)) else "Location"
