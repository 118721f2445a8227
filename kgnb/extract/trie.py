"""Many words as one expression."""

from __future__ import annotations

import re
from collections.abc import Iterable

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
