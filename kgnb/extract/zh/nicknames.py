"""Nicknames of a Chinese book by apposition (铁臂熊王虎): words that precede one person's name repeatedly.

Any word may stand before a name. A nickname does so before one name only, more often than that name's share
of all names explains (a log-likelihood ratio, Dunning 1993), has its own left boundary (successor variety,
Harris 1955), and keeps the neighbours of a name where it stands alone.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property

from kgnb.extract.bigram_index import BigramIndex
from kgnb.extract.zh.script import is_han

LONGEST = 5
"""Characters of the longest nickname."""
FEWEST = 3
"""Fewest appositions of a nickname."""
SIGNIFICANT = 2.5
"""Least log-likelihood of the appositions against names that follow at random, in nats (p < 0.1); words of
two characters, which are many, need twice that."""


class Apposition:
    """What stands right before the full names of one book."""

    def __init__(self, bigrams: BigramIndex, persons: Mapping[str, str]) -> None:
        """``persons``: full name → who bears it (any key that is equal for one person)."""
        self._bigrams = bigrams
        self._before: dict[str, Counter[str]] = defaultdict(Counter)
        self._mentions: Counter[str] = Counter()
        text = bigrams.text
        places = [(at, persons[name]) for at, name in bigrams.find_all(persons)]
        tails = Counter((text[at - 2 : at], who) for at, who in places if at > 1)
        for at, who in places:
            self._mentions[who] += 1
            if at > 1 and tails[text[at - 2 : at], who] >= FEWEST:
                for n in range(2, min(LONGEST + 1, at) + 1):
                    self._before[text[at - n : at]][who] += 1

    @cached_property
    def _chars_before(self) -> Mapping[str, set[str]]:
        """Word → characters before it where a name follows."""
        found: dict[str, set[str]] = defaultdict(set)
        for word in (w for w, after in self._before.items() if after.total() >= FEWEST):
            found[word[1:]].add(word[0])
        return found

    def nicknames(self) -> Iterator[tuple[str, str, int]]:
        """Yield (nickname, who bears it, appositions), the most frequent first."""
        total = self._mentions.total()
        for word, after in sorted(self._before.items(), key=lambda i: (-i[1].total(), i[0])):
            who, n = min(after.items(), key=lambda i: (-i[1], i[0]))
            if n < FEWEST or n < 0.8 * after.total() or len(word) > LONGEST or not is_han(word):
                continue
            surprise = n * math.log(total / self._mentions[who]) if total > self._mentions[who] else 0.0
            if (
                surprise >= SIGNIFICANT * (2 if len(word) == 2 else 1) or len(self._mentions) == 1
            ) and self._is_whole(word, who, n):
                yield word, who, n

    def _is_whole(self, word: str, who: str, n: int) -> bool:
        """Whether what precedes the word varies, and the word without its first character is none itself."""
        longer = (
            self._before[w][who] for char in self._chars_before[word] if (w := char + word) in self._before
        )
        if max(longer, default=0) >= 0.7 * n:
            return False
        return len(word) == 2 or n >= 0.7 * self._before[word[1:]][who]
