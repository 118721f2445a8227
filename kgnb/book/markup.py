"""The tags and text of hostile markup: read with ``html.parser``, which resolves no entities or includes and
opens no connection.

Up to Python 3.13.5 it takes quadratic time on comments, tags and declarations that never end, and fails on
unknown sections and on references with thousands of digits: :func:`plain_tags` leaves none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser
from typing import Literal

_NO_TAG = re.compile(r"<(?:!--|!\[CDATA\[|!(?:[A-Z\[]|doctype)|\?|(?!/?[A-Za-z]))")
_ENDS = {"<!--": "-->", "<![CDATA[": "]]>"}
_LONG_REFERENCE = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9A-Fa-f]{8,});?")
MAX_TAG = 20_000
"""Characters of a tag that keeps its attributes: millions of them would take gigabytes. Longer ones in real
books are images inside of their tags."""
_LONG = re.compile(rf"(?:^|>)[^>]{{{MAX_TAG},}}(?=>)")  # from the end of a tag to that of the next one
_NAME = re.compile(r"</?[A-Za-z][^\s/>]{0,50}")


class TooMuchMarkup(ValueError):
    """More than any book has: a file that is made to fill the memory."""


def _without_attributes(found: re.Match[str]) -> str:
    """Return a tag that is too long without its attributes; any other as it is."""
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


MAX_TAGS = 2_000_000
"""Tags of a book: three times what five million characters take in a Word document. Each takes microseconds,
and compressed hardly a byte."""

Attributes = dict[str, str]
Token = tuple[Literal["start", "end", "text"], str, Attributes]
"""A tag's kind, name without namespace, attributes; or a piece of text."""

_PIECE = 1 << 20
"""Characters that are parsed at a time: their tokens take up to a hundred times the memory."""


class _Parser(HTMLParser):
    """Collects the tokens of what it is fed. An empty element is a start and an end."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[Token] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tokens.append(("start", tag.rpartition(":")[2], values))

    def handle_endtag(self, tag: str) -> None:
        self.tokens.append(("end", tag.rpartition(":")[2], {}))

    def handle_data(self, data: str) -> None:
        self.tokens.append(("text", data, {}))


def tokens(markup: str) -> Iterator[Token]:
    """Yield (kind, word, attributes) of markup that :func:`plain_tags` has cleaned: "start" and "end" of
    tags, and "text". Raises TooMuchMarkup for more than :data:`MAX_TAGS` tags.
    """
    if markup.count("<") > MAX_TAGS:
        raise TooMuchMarkup
    parser = _Parser()
    for at in range(0, len(markup), _PIECE):
        parser.feed(markup[at : at + _PIECE])
        yield from parser.tokens
        parser.tokens.clear()
    parser.close()
    yield from parser.tokens


def elements(markup: str, *names: str) -> Iterator[tuple[str, Attributes, str]]:
    """Yield (name, attributes, text without tags) of each element with one of these names, in the order of
    their ends; unclosed elements last.
    """
    unclosed: list[tuple[str, Attributes, list[str]]] = []
    for kind, word, values in tokens(markup):
        if kind == "text" and unclosed:
            unclosed[-1][2].append(word)
        elif kind == "start" and word in names:
            unclosed.append((word, values, []))
        elif kind == "end" and unclosed and unclosed[-1][0] == word:
            _, values, texts = unclosed.pop()
            yield word, values, "".join(texts).strip()
    for word, values, texts in unclosed:
        yield word, values, "".join(texts).strip()
