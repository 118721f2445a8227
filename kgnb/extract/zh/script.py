"""Chinese script: traditional characters folded to simplified ones, character for character.

A simplified form beyond the basic plane (𬘭) is folded to the traditional one (綝) instead: in a text with
one such character each would take four bytes, and sixteen bits would not tell it from others.

The table comes with the package, so every node folds alike. Folding keeps a text's length: an offset in the
folded text is one in the text itself. Folded forms are compared, never shown.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).parent / "data" / "traditional.txt"
HAN = "\u3400-\u9fff"
"""Chinese characters, as a range within a regular expression's set."""
_HAN_RUN = re.compile(f"[{HAN}]+")
_ALL_HAN = re.compile(f"[{HAN}]*")

SAMPLE = 2_000
"""Characters at a text's beginning by which its script is detected."""
TRADITIONAL_SHARE = 0.1
"""Least share of traditional characters in a traditional text: chapters of 三国演义 have at most 0.02 in a
simplified edition, 0.22 to 0.37 in a traditional one."""


@cache
def _tables() -> tuple[dict[int, str], dict[int, str]]:
    """Return two tables, code of a traditional character → simplified one: of characters that only
    traditional texts have, and of all.
    """
    _, only_traditional, both = _TABLE.read_text("utf-8").splitlines()
    certain = {ord(pair[0]): pair[1] for pair in only_traditional.split()}
    return certain, certain | {ord(pair[0]): pair[1] for pair in both.split()}


@cache
def _foldable() -> re.Pattern[str]:
    """Return the pattern of the characters that folding changes; cached."""
    basic = "".join(chr(code) for code in _tables()[0] if code < 0x10000)
    # The rare characters beyond the basic plane are one range: listed singly they slow every match down.
    return re.compile(f"[{basic}\U00010000-\U0010ffff]+")


def is_han(word: str) -> bool:
    """Return whether all characters of the word are Chinese; True for ""."""
    return _ALL_HAN.fullmatch(word) is not None


def fold(name: str) -> str:
    """Return the simplified form by which names are compared: 張國棟 and 张国栋 give 张国栋.

    A character that simplified texts have too (乾) stays: 李乾 and 李干 are two people.
    """
    return _foldable().sub(lambda match: match[0].translate(_tables()[0]), name)


def traditional_of(names: Iterable[str]) -> dict[str, str]:
    """Return traditional character → simplified, for each traditional form of a character in ``names``.

    >>> traditional_of(["刘备"])["劉"]
    '刘'
    """
    simple = set(fold("".join(names)))
    return {chr(code): char for code, char in _tables()[0].items() if char in simple}


def is_traditional(text: str) -> bool:
    """Return whether a text is written in traditional characters, by its first :data:`SAMPLE` (2,000)
    characters; False for a text without Chinese.
    """
    if not _foldable().search(text, 0, SAMPLE):
        return False
    han = "".join(_HAN_RUN.findall(text[:SAMPLE]))
    folded: int = sum(map(operator.ne, han, fold(han)))
    return folded > TRADITIONAL_SHARE * len(han)


def simplified(text: str, *, traditional: bool) -> str:
    """Return the text in simplified characters, of the same length.

    Characters that both scripts have (乾) are folded only in a ``traditional`` text.
    """
    return text.translate(_tables()[1]) if traditional else fold(text)


def folded_to(text: str, *, traditional: bool) -> set[str]:
    """Return the simplified characters that :func:`simplified` would write for other characters of the text:
    劉備来 → {"刘", "备"}.
    """
    table = _tables()[traditional]
    return {table[code] for code in map(ord, set(text)) if code in table}
