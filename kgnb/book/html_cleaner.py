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
MAX_TAG = 20_000
"""Characters of a tag that keeps its attributes: millions of them would take gigabytes. Longer ones in real
books are images inside of their tags."""
_LONG = re.compile(rf"(?:^|>)[^>]{{{MAX_TAG},}}(?=>)")  # from the end of a tag to that of the next one
_NAME = re.compile(r"</?[A-Za-z][^\s/>]{0,50}")


def _without_attributes(found: re.Match[str]) -> str:
    text, opened, tag = found[0].partition("<")
    name = _NAME.match(opened + tag)
    if len(tag) < MAX_TAG or name is None:
        return found[0]
    return text + name[0] + ("/" if tag.endswith("/") else "")


def plain_tags(markup: str) -> str:
    """Return ``markup`` as tags and text only.

    Comments, declarations and instructions go, CDATA becomes text, a ``<`` that opens no tag is escaped.
    Tags of more than :data:`MAX_TAG` characters lose their attributes.
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
    closed = _LONG.sub(_without_attributes, closed + last)
    return _LONG_REFERENCE.sub("\ufffd", closed + tail.replace("<", "&lt;"))
