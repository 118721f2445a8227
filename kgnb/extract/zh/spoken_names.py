"""The names that speakers say, in a whole book: none is their own, and a call is for who speaks beside it."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property

from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import Mention
from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.conversation import ADJACENT, Conversation

ANSWER = 20
"""Most characters between a call and the words of who answers it at once."""
CLOSE = 12
"""Most characters between speaker and words: who begins a long sentence may not speak at its end."""

_BEGINS_CALL = "".join(sorted({"谢", "多", "好", "小", "老"}.union(name[0] for name in words.SURE_SURNAMES)))
_CALL = re.compile(
    f"[“「『，。！？…](?=[{_BEGINS_CALL}])(?:谢谢|多谢|好)?([小老]{trie_pattern(words.COMMON_SURNAMES)}"
    f"|{trie_pattern(words.SURE_SURNAMES)}{trie_pattern(words.TITLES_AFTER_SURNAME | {'兄'})})"
    "(?=[啊呀]?[，。！？…][^”」』\n]{0,300}[”」』])"
)
_OWN = tuple("我俺姓叫是名")
"""What ends before a name that a speaker gives himself: 我何恭, 我姓何名恭."""


class SpokenNames:
    """The quotations of one book: who says them, and which names are said."""

    def __init__(self, text: str, offsets: Mapping[str, Sequence[int]], bearers: Mapping[str, str]) -> None:
        """``offsets``: name → where it occurs, ascending; ``bearers``: name → a key that is one person's."""
        self._text, self._offsets = text, offsets
        self._reach = CLOSE + max(map(len, bearers), default=0)
        entries = {who: NameEntry(who) for who in bearers.values()}
        mentions = [
            Mention(entries[who], name, at, at + len(name))
            for name, who in bearers.items()
            for at in offsets.get(name, ())
        ]
        mentions.sort(key=lambda mention: mention.start)
        self._said = Conversation(text, mentions)
        self._turns: dict[str, Counter[int]] = {}

    def naming(self, one: Collection[str], other: Collection[str]) -> int:
        """Return how often a bearer of some names says one of the others, or the reverse: they are two."""
        return self._times(one, other) + self._times(other, one)

    def meet(self, one: Collection[str], other: Collection[str]) -> bool:
        """Return whether a bearer of some names and one of the others speak in turn."""
        beside = ((k, k + step) for k in self._said_by(one) for step in (-1, 1))
        answers = {turn for k, turn in beside if self._gap(min(k, turn)) <= ADJACENT}
        return not answers.isdisjoint(self._said_by(other))

    def _said_by(self, names: Collection[str]) -> set[int]:
        """The turns whose speaker is named so."""
        said, last = self._said, len(self._said.quotations) - 1
        places = (at for name in names for at in self._offsets.get(name, ()))
        beside = {min(last, max(0, k + step)) for k in map(said.last_before, places) for step in (0, 1)}
        told = ((k, said.turn(k).speaker) for k in beside if last >= 0)
        return {k for k, speaker in told if speaker and speaker.form in names}

    def _times(self, speakers: Collection[str], named: Collection[str]) -> int:
        """How often a speaker of some names says one of the others."""
        turns = sum(map(self._said_in, named), Counter[int]())
        return sum(n for k, n in turns.items() if self._speaks(k, speakers))

    def _said_in(self, name: str) -> Counter[int]:
        """The turns in which a name is said of somebody else → how often; kept for the next question."""
        if name not in self._turns:
            said = (at for at in self._offsets.get(name, ()) if not self._text.endswith(_OWN, 0, at))
            self._turns[name] = Counter(k for k in map(self._said.quotation_at, said) if k >= 0)
        return self._turns[name]

    def _speaks(self, k: int, names: Collection[str]) -> bool:
        """Whether a turn's speaker has one of some names there; most turns have none of them beside it."""
        start, end = self._said.quotations[k]
        beside = (*self._said.within(start - self._reach, start), *self._said.within(end, end + 1))
        if all(mention.form not in names for mention in beside):
            return False
        speaker = self._said.turn(k).speaker
        return speaker is not None and speaker.form in names and start - speaker.end <= CLOSE

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
        said, turn = self._said, self._said.turn(k)
        if turn.hearer:
            yield from (turn.hearer, turn.hearer)
            return
        before = said.turn(k - 1).speaker if self._gap(k - 1) <= ADJACENT else None
        answers = said.turn(k + 1).speaker if self._gap(k) <= ADJACENT else None
        at_once = answers if turn.speaker and self._gap(k) <= ANSWER else None
        for who in (before, said.reacts(k) or answers, at_once):
            if who and not (turn.speaker and turn.speaker.entry.name == who.entry.name):
                yield who

    def _gap(self, k: int) -> float:
        """Characters between a turn and the next; endless where either is none."""
        turns = self._said.quotations
        return turns[k + 1][0] - turns[k][1] if 0 <= k < len(turns) - 1 else math.inf
