"""Whether a Chinese text speaks of a person as of a man or of a woman."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from kgnb.extract.zh import vocabulary as words

_PRONOUN = re.compile(r"(?<=[，,。！？!?；;：:\n“”「」])[他她]")
AHEAD = 40
"""Characters after a name in which the first pronoun that begins a clause is taken for the person's: subjects
stay, while 他 in 林晓不敢看他 is somebody else."""
CLEAR = 3
"""Fewest pronouns and titles that tell somebody's sex for sure, twice as many as of the other one."""
SAMPLE = 200
"""Occurrences of a person that are looked at."""

_WOMENS, _MENS = tuple(words.WOMENS_TITLES), tuple(words.MENS_TITLES)
_OWN_TITLES = (words.WOMENS_TITLES | words.MENS_TITLES) - words.WIFE_TITLES - words.MARRIED
# 何恭嫂 and 何恭的妹夫 say nothing of 何恭; nor do two kin (兄妹).
_TITLE_BEHIND = re.compile(
    f"(?:{'|'.join(sorted(_OWN_TITLES, key=len, reverse=True))})(?![夫妇媳嫂兄弟姐妹])"
)


class Sexes:
    """The sex of one book's persons by the titles and the pronouns that go with their names."""

    def __init__(self, text: str, offsets: Mapping[str, Sequence[int]]) -> None:
        self._text, self._offsets = text, offsets
        self._known: dict[str, tuple[int, int]] = {}
        she = text.count("她")
        self.tells = she > 0 and she >= 0.05 * text.count("他")  # older texts write 他 for both

    def fits(self, title: str, names: Iterable[str]) -> bool:
        """Return whether the person with ``names`` may bear the title, by the pronouns of the text: 小姐 is
        no man's, 先生 no woman's. True for titles of either sex and without pronouns.
        """
        woman = title.endswith(_WOMENS)
        if not woman and not title.endswith(_MENS):
            return True
        he, she = self._tally(names)
        return he <= she if woman else she <= he

    def differ(self, one: Iterable[str], other: Iterable[str]) -> bool:
        """Return whether the text clearly uses 他 for one person and 她 for the other, each given by all
        names.
        """
        return {self.sex(one), self.sex(other)} == {"他", "她"}

    def sex(self, names: Iterable[str]) -> str:
        """Return "他" or "她", the pronoun of the person with ``names``; "" with fewer than :data:`CLEAR` (3)
        pronouns or without a majority of two to one.
        """
        he, she = self._tally(names)
        clear = max(he, she) >= max(CLEAR, 2 * min(he, she))
        return ("他" if he > she else "她") if clear else ""

    def _tally(self, names: Iterable[str]) -> tuple[int, int]:
        """Return (votes for a man, votes for a woman) over all the names."""
        known = self._known
        votes = [known.get(name) or known.setdefault(name, self._votes(name)) for name in names]
        return sum(he for he, _ in votes), sum(she for _, she in votes)

    def _votes(self, name: str) -> tuple[int, int]:
        """Return (votes for a man, votes for a woman) of a name: by its own title, else by titles behind it
        and the next pronouns.
        """
        places = self._offsets.get(name, ())
        he, she = len(places) * name.endswith(_MENS), len(places) * name.endswith(_WOMENS)
        for at in places[:SAMPLE] if he == she else ():
            end = at + len(name)
            if match := _TITLE_BEHIND.match(self._text, end):
                she += match[0].endswith(_WOMENS)
                he += match[0].endswith(_MENS)
            elif self.tells and (match := _PRONOUN.search(self._text, end, end + AHEAD)):
                he += match[0] == "他"
                she += match[0] == "她"
        return he, she
