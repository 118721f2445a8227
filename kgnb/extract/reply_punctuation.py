"""Turns near-JSON into JSON: full-width brackets, curly quotes, ``=>``, doubled braces, markdown tables."""

from __future__ import annotations

import html
import json
import re

MAX_TEXT = 200_000
"""Longest text that is changed, in characters; a longer one is returned as it is."""
MAX_HEADING = 40
"""Most characters of a table's heading that become a key, as each row repeats it."""

_FULL_WIDTH = str.maketrans("｛｝［］：，；＂\u3000\u00a0", '{}[]:,;"  ')
_KEY = re.compile(r"(?:\"(\w+)[“”」』＂]|[“”「『＂](\w+)\")(?=\s*[:：=])")
"""A key with unlike quotes. Two curly quotes may stand in a string: ``"人称“玄德”：仁厚"``."""
_LISTED = re.compile(r'(?<=")、\s*(?=")')
_ASSIGNS = re.compile("=>?")
_AND_SO_ON = re.compile(r"(?<![.…])(?:…+|\.{3,})(?=\s*[\]}])")
_QUOTED_LINE = re.compile(r"^(?:[>+|]|[ \t]*\d+[:.|]?(?=[\s{}\[\]\"]))[ \t]?", re.MULTILINE)
"""A prefix that some models put before each line: a quotation mark of markdown, a line number."""
_TABLE = re.compile(r"^\|.*\|[ \t]*\n\|[ :|-]+\n(?:\|.*\|[ \t]*(?:\n|\Z))+", re.MULTILINE)
_OPENS = re.compile(r'["“”「『＂]')
_BEFORE_END = r"(?=(?:\s|\\n)*(?:[,:;=}\]，：；｝］]|\Z))"
_CLOSES_STRAIGHT = re.compile(rf'(?<!\\)"{_BEFORE_END}')
_CLOSES = re.compile(rf"[”“」』＂]{_BEFORE_END}")


def with_ascii_punctuation(text: str) -> str:
    """Return ``text`` with ASCII for the punctuation between its strings, from the first bracket to the last.

    ``｛“characters”：［｝`` → ``{"characters":[}``. The inside of a string stays: ``"他说：“走”"``.
    """
    if len(text) > MAX_TEXT or "{'" in text:  # a Python dict, which has JSON's punctuation
        return text
    if len(_QUOTED_LINE.findall(text)) == text.count("\n") + 1:
        text = _QUOTED_LINE.sub("", text)
    if "&quot;" in text and '"' not in text:
        text = html.unescape(text)
    if 0 < 2 * text.count("{{") == text.count("{"):  # copied from a template
        text = text.replace("{{", "{").replace("}}", "}")
    text = _LISTED.sub(", ", _KEY.sub(r'"\1\2"', text))
    start = next((at for at, c in enumerate(text) if c in "{[｛［"), len(text))
    end = max(map(text.rfind, "}]｝］")) + 1
    return text[:start] + _translated(text[start:end]) + text[max(start, end) :]


def with_tables_as_json(text: str) -> str:
    """Return ``text`` with a JSON list of objects in place of each markdown table; unchanged if a table is
    cut off.

    A table of the heading ``name`` and the row ``Tom`` → ``[{"name": "Tom"}]``.
    """
    if len(text) > MAX_TEXT:
        return text
    found = _TABLE.sub(lambda table: json.dumps(_rows(table[0]), ensure_ascii=False) + "\n", text)
    return text if re.search(r"^\|", found, re.MULTILINE) else found


def _rows(table: str) -> list[dict[str, str]]:
    cells = (line.strip()[1:-1].split("|") for line in table.splitlines())
    headings, _, *rows = ([one.strip(" \t*`") for one in line] for line in cells)
    keys = [one[:MAX_HEADING] for one in headings]
    return [dict(zip(keys, row, strict=False)) for row in rows]


def _translated(text: str) -> str:
    pieces: list[str] = []
    at = 0
    while opens := _OPENS.search(text, at):
        straight = opens[0] == '"'
        closes = (_CLOSES_STRAIGHT if straight else _CLOSES).search(text, opens.end())
        if closes is None:
            break
        inside = text[opens.end() : closes.start()]
        pieces.append(_plain(text[at : opens.start()]))
        pieces.append(f'"{inside if straight else inside.replace(chr(34), chr(92) + chr(34))}"')
        at = closes.end()
    return "".join((*pieces, _plain(text[at:])))


def _plain(between: str) -> str:
    """Return the characters between strings as JSON has them."""
    between = between.translate(_FULL_WIDTH).replace("\\n", "\n")
    return _AND_SO_ON.sub("", _ASSIGNS.sub(":", between))
