"""Many words found in one pass over a text."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Iterator

Node = dict[str, "Node"]


def pattern(words: Iterable[str]) -> str:
    """An expression that matches the longest of ``words`` at a place; never matches if there are none."""
    root: Node = {}
    for word in words:
        node = root
        for char in word:
            node = node.setdefault(char, {})
        node[""] = {}
    return _render(root) or r"(?!)"


def _render(node: Node) -> str:
    """Branches share their first character, so that a miss costs one set lookup."""
    ends = "" in node
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
    joined = branches[0] if len(branches) == 1 and not ends else f"(?:{'|'.join(branches)})"
    return joined + "?" if ends else joined


def find_all(text: str, words: Iterable[str]) -> Iterator[tuple[int, str]]:
    """(offset, word) of the words in the text, from the left, the longest at each place, never overlapping.

    For thousands of words of two characters or more (shorter ones are left out) in a long text: an expression
    tries its branches one by one, this looks the first two characters up.
    """
    heads: dict[str, list[int]] = {}
    known = {w for w in words if len(w) >= 2}
    for word in known:
        lengths = heads.setdefault(word[:2], [])
        if len(word) not in lengths:
            lengths.append(len(word))
    for lengths in heads.values():
        lengths.sort(reverse=True)
    free = 0
    for at, head in enumerate(map(operator.add, text, text[1:])):
        if head in heads and at >= free:
            for n in heads[head]:
                word = text[at : at + n]
                if word in known:
                    yield at, word
                    free = at + n
                    break
