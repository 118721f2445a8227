"""Search for many words at once: as one regular expression (a trie), or as a set indexed for many texts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_Trie = dict[str, "_Trie"]


def trie_pattern(words: Iterable[str]) -> str:
    """Return a regular expression for the longest of ``words`` at a place; it never matches for no words."""
    root: _Trie = {}
    for word in words:
        node = root
        for char in word:
            node = node.setdefault(char, {})
        node[""] = {}
    return _render(root) or r"(?!)"


def _render(node: _Trie) -> str:
    """Branches share their first character, so that a miss costs one set lookup."""
    is_word = "" in node
    single: list[str] = []
    branches: list[str] = []
    for char, below in sorted(node.items()):
        if char == "":
            continue
        rest = _render(below)
        if rest:
            branches.append(re.escape(char) + rest)
        else:
            single.append(re.escape(char))
    if single:
        branches.append(single[0] if len(single) == 1 else f"[{''.join(single)}]")
    if not branches:
        return ""
    joined = branches[0] if len(branches) == 1 and not is_word else f"(?:{'|'.join(branches)})"
    return joined + "?" if is_word else joined


def start_pattern(starts: Collection[str]) -> re.Pattern[str]:
    """Return an expression for two characters that may be one of ``starts``, at its first one.

    It fits any first character of theirs before any second one: two lookups in a set, however many they are.
    """
    first, second = (trie_pattern(start[i] for start in starts) for i in (0, 1))
    return re.compile(f"{first}(?={second})")


class WordSearch:
    """A fixed set of words, indexed by their first two characters; each text is read once."""

    def __init__(self, words: Iterable[str]) -> None:
        self._by_start: dict[str, list[str]] = {}  # first two characters → words
        self._single: list[str] = []
        for word in dict.fromkeys(words):
            if len(word) > 1:
                self._by_start.setdefault(word[:2], []).append(word)
            elif word:
                self._single.append(word)
        self._starts = start_pattern(self._by_start)

    def find_in(self, text: str) -> set[str]:
        """Return the words that occur in ``text``, character for character; they may overlap."""
        found = {word for word in self._single if word in text}
        for match in self._starts.finditer(text):
            at = match.start()
            for word in self._by_start.get(text[at : at + 2], ()):
                if word not in found and text.startswith(word, at):
                    found.add(word)
        return found
