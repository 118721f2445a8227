"""Mends near-JSON: full-width and curly punctuation, doubled braces, common faults; never a truncated object.

The repair of faults is json_repair's, whose work is bounded here.
"""

from __future__ import annotations

import re
from typing import Any, SupportsIndex

MAX_REPAIR = 200_000
"""Longest broken JSON that is mended, in characters: the repair is slow, pure Python."""
READS_A_CHARACTER = 60
"""Most reads of the text per character in a repair: common faults take 2, hostile texts thousands."""
MAX_READS = 2_000_000
"""Most reads in a repair: about a second."""
MAX_DEPTH = 24
"""Deepest nesting of JSON that is repaired; the object asked for has four levels."""

_FULL_WIDTH = str.maketrans("｛｝［］：，；＂\u3000\u00a0", '{}[]:,;"  ')
_LISTED = re.compile(r'(?<=")、\s*(?=")')
_OPENS = re.compile(r'["“”「『＂]')
_BEFORE_END = r"(?=\s*(?:[,:;}\]，：；｝］]|\Z))"
_CLOSES_STRAIGHT = re.compile(rf'(?<!\\)"{_BEFORE_END}|[”“](?=\s*(?:[}}\]]|[,:]\s*["{{\[\d]))')
_CLOSES = re.compile(rf"[”“」』＂]{_BEFORE_END}")
"""Some models write either curly quote at either end of a string."""


def with_ascii_punctuation(text: str) -> str:
    """Return ``text`` with ASCII for the punctuation between its strings, from the first bracket to the last.

    ``｛“characters”：［｝`` → ``{"characters":[}``. The inside of a string stays: ``"他说：“走”"``.
    """
    if len(text) > MAX_REPAIR or "{'" in text:  # a Python dict, which has JSON's punctuation
        return text
    if 0 < 2 * text.count("{{") == text.count("{"):  # copied from a template
        text = text.replace("{{", "{").replace("}}", "}")
    text = _LISTED.sub(", ", text)
    start = next((at for at, c in enumerate(text) if c in "{[｛［"), len(text))
    end = max(map(text.rfind, "}]｝］")) + 1
    return text[:start] + _translated(text[start:end]) + text[max(start, end) :]


def _translated(text: str) -> str:
    """Return the text with ASCII for full-width punctuation outside of its strings, which end in straight
    quotes.
    """
    pieces: list[str] = []
    at = 0
    while opens := _OPENS.search(text, at):
        straight = opens[0] == '"'
        closes = (_CLOSES_STRAIGHT if straight else _CLOSES).search(text, opens.end())
        if closes is None:
            break
        inside = text[opens.end() : closes.start()]
        pieces.append(text[at : opens.start()].translate(_FULL_WIDTH))
        pieces.append(f'"{inside if straight else inside.replace(chr(34), chr(92) + chr(34))}"')
        at = closes.end()
    return "".join((*pieces, text[at:].translate(_FULL_WIDTH)))


# --- repairing ----------------------------------------------------------------------------------------------


def repaired(body: str) -> tuple[Any, int] | None:
    """Return the value of broken but closed JSON, and the number of objects that the repair lost; None if it
    can't be repaired. Text around the JSON is skipped.

    ``[{"a": 1} {"b": 2},]`` in an object → both objects, 0.
    """
    source = _closed_object(body)
    if source is None:
        return None
    import json_repair  # needed by few replies, so not loaded with the package

    try:
        reads = min(MAX_READS, READS_A_CHARACTER * (len(source) + 1_000))
        bounded = BoundedText(source, [reads])
        decoded = json_repair.repair_json(bounded, return_objects=True, skip_json_loads=True)
    except (RecursionError, OverflowError, ValueError):  # ValueError: nested too deeply, in newer versions
        return None
    kept = _count_objects(decoded)
    lost = max(0, source.count("{") - kept)
    return (decoded, lost) if lost < kept else None


def _count_objects(value: Any) -> int:
    """Return the number of JSON objects in a value, nested ones included: [{"a": {}}] → 2."""
    if isinstance(value, list):
        return sum(map(_count_objects, value))
    return 1 + sum(map(_count_objects, value.values())) if isinstance(value, dict) else 0


def _closed_object(body: str) -> str | None:
    """Return the source of the outermost object if the text closes it; None for a truncated object.

    Quotes are unreliable in broken JSON (an unescaped quote is its commonest fault), so braces are counted
    everywhere; a novel has none.
    """
    start, end = body.find("{"), body.rfind("}") + 1
    if start < 0 or end <= start or end - start > MAX_REPAIR:
        return None
    source, depth, brackets = body[start:end], 0, 0
    for match in _BRACES.finditer(source):
        depth += (match[0] == "{") - (match[0] == "}")
        brackets += (match[0] == "[") - (match[0] == "]")
        if depth < 0 or depth > MAX_DEPTH or brackets > MAX_DEPTH:
            return None
    if depth or ("[" in body[:start] and "]" not in body[end:]):
        return None
    # A comma, quote or bracket after the last brace: the reply went on and was truncated.
    return None if _CONTINUES.match(body, end) else source


def closed_after_whole_items(body: str) -> str:
    """Return a truncated object up to the last whole item of its outermost list, closed; "" if there is no
    whole item."""
    start, end, closing = max(0, body.find("{")), 0, ""
    closers, level = "", 0  # closing brackets of the open ones, innermost last; depth of the outermost list
    for token in _TOKENS.finditer(body, start):
        mark = token[0]
        if mark in _CLOSERS:
            closers += _CLOSERS[mark]
            level = level or (len(closers) if mark == "[" else 0)
        elif mark in ("}", "]"):
            closers = closers.removesuffix(mark)
        if len(closers) > MAX_DEPTH:
            break
        if mark in ("}", ",") and 0 < level == len(closers) and closers.endswith("]"):
            end, closing = token.end() - (mark == ","), closers[::-1]
    return body[start:end] + closing if end else ""


class BoundedText(str):
    """A string that bounds json_repair's work: raises OverflowError after ``reads_left[0]`` index or slice
    operations.

    ``reads_left`` is shared with every string cut from it or joined with it.
    """

    reads_left: list[int]

    def __new__(cls, text: str, reads_left: list[int]) -> BoundedText:
        """``reads_left``: a list of one number, so that strings can share it."""
        new = super().__new__(cls, text)
        new.reads_left = reads_left
        return new

    def __getitem__(self, at: SupportsIndex | slice) -> str:
        self.reads_left[0] -= 1
        if self.reads_left[0] < 0:
            raise OverflowError
        found = super().__getitem__(at)
        return BoundedText(found, self.reads_left) if isinstance(at, slice) else found

    def __add__(self, other: str) -> str:
        return BoundedText(super().__add__(other), self.reads_left)

    def __radd__(self, other: str) -> str:
        return BoundedText(other.__add__(self), self.reads_left)


_CLOSERS = {"{": "}", "[": "]"}
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],]', re.DOTALL)  # a string may end with the text
_BRACES = re.compile(r"[{}\[\]]")
_CONTINUES = re.compile(r"\s*,|\s*[\"\[]")
