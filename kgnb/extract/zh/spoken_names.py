"""The names that speakers say, in a whole book: none is their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import Mention
from kgnb.extract.zh.conversation import Conversation

CLOSE = 12
"""Most characters between speaker and words: who begins a long sentence may not speak at its end."""

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
