"""Which of many words, the same for many texts, stand in a text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable


class WordSearch:
    """Words made ready to be looked for together: a text is read once, whatever their number."""

    def __init__(self, words: Iterable[str]) -> None:
        self._by_start: dict[str, list[str]] = {}  # first two letters → words
        self._single: list[str] = []
        for word in dict.fromkeys(words):
            if len(word) > 1:
                self._by_start.setdefault(word[:2], []).append(word)
            elif word:
                self._single.append(word)
        first, second = (_one_of(start[i] for start in self._by_start) for i in (0, 1))
        self._starts = re.compile(f"{first}(?={second})")

    def within(self, text: str) -> set[str]:
        """Those of the words that stand in ``text``, letter for letter; they may overlap."""
        found = {word for word in self._single if word in text}
        for match in self._starts.finditer(text):
            at = match.start()
            for word in self._by_start.get(text[at : at + 2], ()):
                if word not in found and text.startswith(word, at):
                    found.add(word)
        return found


def _one_of(letters: Iterable[str]) -> str:
    """An expression for one of ``letters``; never matches if there are none."""
    each = "".join(map(re.escape, sorted(set(letters))))
    return f"[{each}]" if each else r"(?!)"
