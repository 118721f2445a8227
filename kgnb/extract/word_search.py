"""Searches for many words at once: by one regular expression (a trie), or by an index for many texts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

_Trie = dict[str, "_Trie"]


GROUP = 32
"""Most branches that are tried one by one; more are split into groups chosen by first character."""


def trie_pattern(words: Iterable[str]) -> str:
    """Return a regular expression that matches the longest of ``words`` at a place: ["Tom", "Tim"] →
    "(?:T(?:im|om))".

    For no words it never matches.
    """
    root: _Trie = {}
    for word in words:
        node = root
        for char in word:
            node = node.setdefault(char, {})
        node[""] = {}
    chars = sorted(root)
    if all(below.keys() == {""} for below in root.values()):
        return _one_of(chars) if chars else r"(?!)"
    # Literals only: by their first characters the search skips most places.
    branches = [re.escape(char) + _render(root[char]) for char in chars]
    if len(chars) <= 4 * GROUP:
        return f"(?:{'|'.join(branches)})"
    long = not any("" in below for below in root.values())
    likely = _one_of(chars) + (_one_of(set().union(*root.values())) if long else "")
    groups = [
        f"(?={_one_of(chars[i : i + GROUP])})(?:{'|'.join(branches[i : i + GROUP])})"
        for i in range(0, len(chars), GROUP)
    ]
    return f"(?={likely})(?:{'|'.join(groups)})"


def _one_of(chars: Iterable[str]) -> str:
    """Return a regular expression for one of the characters: "a" for one, "[ab]" for several."""
    escaped = [re.escape(char) for char in sorted(chars)]
    return escaped[0] if len(escaped) == 1 else f"[{''.join(escaped)}]"


def _render(node: _Trie) -> str:
    """Return the expression for the rest of the words below a node; single characters become one set."""
    branches = [
        re.escape(char) + _render(below) for char, below in sorted(node.items()) if len(below) > ("" in below)
    ]
    if single := [char for char, below in node.items() if char and below.keys() == {""}]:
        branches.append(_one_of(single))
    if not branches:
        return ""
    is_word = "" in node
    joined = branches[0] if len(branches) == 1 and not is_word else f"(?:{'|'.join(branches)})"
    return joined + "?" if is_word else joined


def occurrences(text: str, words: Iterable[str]) -> Iterator[int]:
    """Yield the offset of each occurrence of each word, word by word: "aXbXa" with ["a", "b"] → 0, 4, 2.

    For few words without common first characters; quicker than an expression.
    """
    for word in words:
        at = text.find(word)
        while at >= 0:
            yield at
            at = text.find(word, at + 1)


def start_pattern(starts: Collection[str]) -> re.Pattern[str]:
    """Return an expression that matches one character that may begin one of ``starts``, strings of two
    characters.

    It checks both characters separately, so it also matches first and second character of different strings:
    {"ab", "cd"} → "[ac](?=[bd])".
    """
    first, second = (trie_pattern(start[i] for start in starts) for i in (0, 1))
    return re.compile(f"{first}(?={second})")


def lengths_by_start(words: Iterable[str]) -> dict[str, list[int]]:
    """Return first two characters → lengths of the words that begin with them, longest first.

    ["Tom", "Tomas", "Ann"] → {"To": [5, 3], "An": [3]}.
    """
    starts: dict[str, list[int]] = {}
    for word in sorted(words, key=len, reverse=True):
        lengths = starts.setdefault(word[:2], [])
        if len(word) not in lengths:
            lengths.append(len(word))
    return starts


class WordSearch:
    """A fixed set of words to find in texts, indexed by their first two characters."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(word for word in words if word)
        self._single = {word for word in self._words if len(word) == 1}
        self._lengths = lengths_by_start(self._words - self._single)
        self._starts = start_pattern(self._lengths)
        self._places = self._starts
        if self._single:
            self._places = re.compile(f"{trie_pattern(self._single)}|{self._starts.pattern}")

    def find_in(self, text: str) -> set[str]:
        """Return the set of the words that occur anywhere in ``text``, also within each other.

        {"Tom", "Tom Dale", "Ann"} in "Tom Dale sat" → {"Tom", "Tom Dale"}.
        """
        words, lengths = self._words, self._lengths
        found = {word for word in self._single if word in text}
        for match in self._starts.finditer(text):
            at = match.start()
            found.update(
                word for size in lengths.get(text[at : at + 2], ()) if (word := text[at : at + size]) in words
            )
        return found

    def longest_in(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield (offset, word) from left to right: the longest word at each place, without overlaps.

        {"Tom", "Tom Dale", "Ann"} in "Tom Dale met Ann" → (0, "Tom Dale"), (13, "Ann").
        """
        words, lengths = self._words, self._lengths
        free = 0
        for match in self._places.finditer(text):
            at = match.start()
            if at < free:
                continue
            for size in lengths.get(text[at : at + 2], ()):
                if (word := text[at : at + size]) in words:
                    break
            else:
                if (word := text[at]) not in self._single:
                    continue
            yield at, word
            free = at + len(word)
