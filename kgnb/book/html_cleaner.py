"""Reduce markup to what ``html.parser`` reads in linear time.

Up to Python 3.13.5 it takes quadratic time on comments, tags and declarations that never end, and fails on
unknown sections and on references with thousands of digits.
"""

from __future__ import annotations

import re
from html import escape

_NO_TAG = re.compile(r"<(?:!--|!\[CDATA\[|!(?:[A-Z\[]|doctype)|\?|(?!/?[A-Za-z]))")
_ENDS = {"<!--": "-->", "<![CDATA[": "]]>"}
_LONG_REFERENCE = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9A-Fa-f]{8,});?")


def plain_tags(markup: str) -> str:
    """Return ``markup`` as tags and text only.

    Comments, declarations and instructions go, CDATA becomes text, a ``<`` that opens no tag is escaped.
    """
    parts: list[str] = []
    never_closed: set[str] = set()  # ends not in the rest of the markup: not searched again
    at = 0
    while found := _NO_TAG.search(markup, at):
        parts.append(markup[at : found.start()])
        kind = found[0]
        end = _ENDS.get(kind, ">" if len(kind) > 1 else "")
        close = markup.find(end, found.end()) if end and end not in never_closed else -1
        if close < 0:
            never_closed.add(end)
            parts.append("&lt;")
            at = found.start() + 1
            continue
        if kind == "<![CDATA[":
            parts.append(escape(markup[found.end() : close]))
        at = close + len(end)
    parts.append(markup[at:])
    closed, last, tail = "".join(parts).rpartition(">")
    return _LONG_REFERENCE.sub("\ufffd", closed + last + tail.replace("<", "&lt;"))
