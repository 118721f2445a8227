"""Markup that Python's own parser reads in time proportional to its length, whatever it holds. Pure.

``html.parser`` of Python up to 3.13.5 takes the square of the time on comments, tags and declarations that
never end, and fails on unknown sections and on references with thousands of digits.
"""

from __future__ import annotations

import re
from html import escape

_ODD = re.compile(r"<(?:!--|!\[CDATA\[|!(?:[A-Z\[]|doctype)|\?|(?!/?[A-Za-z]))")
_ENDS = {"<!--": "-->", "<![CDATA[": "]]>"}
_REFERENCE = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9A-Fa-f]{8,});?")


def plain_tags(markup: str) -> str:
    """``markup`` with nothing but tags and text: without comments, declarations and instructions, what CDATA
    holds as text, and each ``<`` that opens no tag escaped."""
    parts: list[str] = []
    endless: set[str] = set()
    at = 0
    while found := _ODD.search(markup, at):
        parts.append(markup[at : found.start()])
        kind = found[0]
        end = _ENDS.get(kind, ">" if len(kind) > 1 else "")
        close = markup.find(end, found.end()) if end and end not in endless else -1
        if close < 0:
            endless.add(end)
            parts.append("&lt;")
            at = found.start() + 1
            continue
        if kind == "<![CDATA[":
            parts.append(escape(markup[found.end() : close]))
        at = close + len(end)
    parts.append(markup[at:])
    whole, last, tail = "".join(parts).rpartition(">")
    return _REFERENCE.sub("\ufffd", whole + last + tail.replace("<", "&lt;"))
