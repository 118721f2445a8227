"""Whether a Chinese text speaks of a person as 他 or as 她."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from kgnb.extract.zh import vocabulary as words

_PRONOUN = re.compile(r"(?<=[，,。！？!?；;：:\n“”「」])[他她]")
AHEAD = 40
"""Characters after a name in which the first pronoun that begins a clause is taken for the person's: subjects
stay, while 他 in 林晓不敢看他 is somebody else."""
SAMPLE = 200
"""Occurrences of a person that are looked at."""


class Pronouns:
    """The pronouns of one book's persons."""

    def __init__(self, text: str, offsets: Mapping[str, Sequence[int]]) -> None:
        self._text, self._offsets = text, offsets
        self._tells = text.count("她") >= 0.05 * text.count("他")  # older texts write 他 for both

    def fits(self, title: str, names: Iterable[str]) -> bool:
        """Return whether the person of ``names`` may have the title: 小姐 is no man's, 先生 no woman's."""
        names = list(names)
        if any(name.endswith("氏") for name in names) and title.endswith(tuple(words.MENS_TITLES)):
            return False
        against, favour = self._votes(title, names)
        return against <= favour

    def _votes(self, title: str, names: Sequence[str]) -> tuple[int, int]:
        """How many pronouns speak against the title's sex, and for it."""
        woman = title.endswith(tuple(words.WOMENS_TITLES))
        if not self._tells or not (woman or title.endswith(tuple(words.MENS_TITLES))):
            return 0, 0
        he, she = self._counts(names)
        return (he, she) if woman else (she, he)

    def _counts(self, names: Iterable[str]) -> tuple[int, int]:
        """How often 他 and 她 come first after the names."""
        found = []
        for name in names:
            for at in self._offsets.get(name, ())[:SAMPLE]:
                end = at + len(name)
                if match := _PRONOUN.search(self._text, end, end + AHEAD):
                    found.append(match[0])
        return found.count("他"), found.count("她")
