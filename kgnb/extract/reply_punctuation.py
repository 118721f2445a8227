"""Broken JSON whose own punctuation is Chinese: full-width brackets, colons, commas and quotes."""

from __future__ import annotations

import html
import re

MAX_TEXT = 200_000
"""Longest text that is looked through, in characters."""

_FULL_WIDTH = str.maketrans("｛｝［］：，；＂\u3000\u00a0", '{}[]:,;"  ')
_OPENS = re.compile(r'["“”「『＂]')
_BEFORE_END = r"(?=\s*(?:[,:;}\]，：；｝］]|\Z))"
_CLOSES_STRAIGHT = re.compile(rf'(?<!\\)"{_BEFORE_END}')
_CLOSES = re.compile(rf"[”“」』＂]{_BEFORE_END}")


def with_ascii_punctuation(text: str) -> str:
    """``text`` with ASCII for the punctuation between its strings, from the first bracket to the last.

    What stands inside a string stays: ``"他说：“走”"`` is the book's own.
    """
    if len(text) > MAX_TEXT:
        return text
    if "&quot;" in text and '"' not in text:
        text = html.unescape(text)
    start = next((at for at, c in enumerate(text) if c in "{[｛［"), len(text))
    end = max(map(text.rfind, "}]｝］")) + 1
    return text[:start] + _translated(text[start:end]) + text[max(start, end) :]


def _translated(text: str) -> str:
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
