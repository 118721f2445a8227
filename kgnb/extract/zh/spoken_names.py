"""The names that speakers say, in a whole book: none is their own, and a call is for who speaks beside it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product

from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import Mention
from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.conversation import ADJACENT, Conversation

ANSWER = 20
"""Most characters between a call and the words of who answers it at once."""
CLOSE = 12
"""Most characters between speaker and words: who begins a long sentence may not speak at its end."""

_CALL = re.compile(
    f"[“「『，。！？…](?:谢谢|多谢|好)?([小老]{trie_pattern(words.COMMON_SURNAMES)}"
    f"|{trie_pattern(words.SURE_SURNAMES)}{trie_pattern(words.TITLES_AFTER_SURNAME | {'兄'})})"
    "(?=[啊呀]?[，。！？…][^”」』\n]{0,300}[”」』])"
)
_OWN = tuple("我俺姓叫是名")
"""What ends before a name that a speaker gives himself: 我何恭, 我姓何名恭."""


class SpokenNames:
    """The quotations of one book: who says them, and which names are said."""

    def __init__(self, text: str, offsets: Mapping[str, Sequence[int]], bearers: Mapping[str, str]) -> None:
        """``offsets``: name → where it occurs, ascending; ``bearers``: name → a key that is one person's."""
        self._text = text
        entries = {who: NameEntry(who) for who in bearers.values()}
        mentions = [
            Mention(entries[who], name, at, at + len(name))
            for name, who in bearers.items()
            for at in offsets.get(name, ())
        ]
        mentions.sort(key=lambda mention: mention.start)
        self._said = Conversation(text, mentions)

    @cached_property
    def _named(self) -> Counter[tuple[str, str]]:
        """(name of a speaker, name that he says) → times."""
        found = Counter[tuple[str, str]]()
        for turn in self._said.turns:
            if turn.speaker and turn.start - turn.speaker.end <= CLOSE:
                for said in self._said.within(turn.start, turn.end):
                    if not self._text.endswith(_OWN, 0, said.start):
                        found[turn.speaker.form, said.form] += 1
        return found

    def naming(self, one: Iterable[str], other: Iterable[str]) -> int:
        """Return how often a bearer of some names says one of the others, or the reverse: they are two."""
        return sum(self._named[a, b] + self._named[b, a] for a, b in product(one, other))

    @cached_property
    def calls(self) -> dict[str, list[int]]:
        """Surname and title, or 老 and surname → where a speaker calls somebody so: “何先生，…”."""
        found: dict[str, list[int]] = defaultdict(list)
        for match in _CALL.finditer(self._text):
            found[match[1]].append(match.start(1))
        return found

    def called(self, form: str) -> Iterator[Counter[str]]:
        """Yield for each call by a form the names of who may be meant.

        The words beside it name the hearer, who counts twice, like whoever answers at once; else who speaks
        before it and who speaks or moves behind it count once each. Nothing where nobody else is named.
        """
        for at in self.calls.get(form, ()):
            k = self._said.at(at)
            if k >= 0 and (names := Counter(mention.form for mention in self._beside(k))):
                yield names

    def _beside(self, k: int) -> Iterator[Mention]:
        turns, turn = self._said.turns, self._said.turns[k]
        if turn.hearer:
            yield from (turn.hearer, turn.hearer)
            return
        before = turns[k - 1].speaker if k and turn.start - turns[k - 1].end <= ADJACENT else None
        gap = turns[k + 1].start - turn.end if k + 1 < len(turns) else ADJACENT + 1
        answers = turns[k + 1].speaker if gap <= ADJACENT else None
        at_once = answers if turn.speaker and gap <= ANSWER else None
        for who in (before, self._said.reacts(k) or answers, at_once):
            if who and not (turn.speaker and turn.speaker.entry.name == who.entry.name):
                yield who
