"""EPUB → lines of text in reading order. Standard library only; the file is hostile input.

Everything is read with ``html.parser``, which knows no entities, includes or network; archives are bounded.
"""

from __future__ import annotations

import io
import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from kgnb.book import encoding
from kgnb.book.html_cleaner import plain_tags
from kgnb.core.errors import InputError

MAX_DOCUMENT = 32 * 1024 * 1024
MAX_TOTAL = 256 * 1024 * 1024
MAX_DOCUMENTS = 20_000
MAX_LINES = 2_000_000
"""Bounds on what an archive may unfold to: bytes a document, bytes in all, documents, paragraphs."""

# Fonts may be scrambled in a free book; anything else encrypted is a locked one.
_FONT_SCRAMBLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph; ``level`` 1-3 for headings, 0 for text."""

    text: str
    level: int = 0


@dataclass(frozen=True, slots=True)
class Epub:
    """A book's metadata and its lines."""

    title: str
    author: str
    lines: list[Line]


# ValueError and struct.error: the archive's own table of names and places.
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError),
    *(ValueError, struct.error),
)


class _Endless(Exception):
    """More paragraphs than any book has."""


def read(path: Path, data: bytes) -> Epub:
    """Reads an EPUB from memory. Raises InputError when it is broken, locked or unfolds without end."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _Reader(path, archive).read()
    except _Endless:
        raise InputError("book.epub_bomb", path=path) from None
    except _BROKEN as error:
        raise InputError("book.epub_broken", path=path, reason=type(error).__name__) from None


class _Reader:
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self.archive = archive
        self.budget = MAX_TOTAL
        self.names = {i.filename: i for i in archive.infolist()}

    def read(self) -> Epub:
        package_name = self._package()
        package = _Package()
        package.feed(self._text(package_name))
        base = posixpath.dirname(package_name)
        spine = self._spine(package, base)
        if not spine:
            raise InputError("book.epub_broken", path=self.path, reason="spine")
        self._refuse_locked(spine)
        labels = self._labels(package, base)
        lines: list[Line] = []
        for name in spine:
            lines += _document(self._text(name), labels.get(name, ""), MAX_LINES - len(lines))
        return Epub(package.title.strip(), "、".join(package.authors), lines)

    def _package(self) -> str:
        container = _Tags("rootfile")
        container.feed(self._text("META-INF/container.xml"))
        for attributes in container.found:
            if attributes.get("full-path"):
                return attributes["full-path"]
        raise InputError("book.epub_broken", path=self.path, reason="META-INF/container.xml")

    def _spine(self, package: _Package, base: str) -> list[str]:
        names = [
            _inside(base, package.items[i].href)
            for i in package.spine
            if i in package.items and not package.items[i].nav
        ]
        known = [name for name in dict.fromkeys(names) if name in self.names]
        return known[:MAX_DOCUMENTS]

    def _labels(self, package: _Package, base: str) -> dict[str, str]:
        """What the table of contents calls each document (its first entry)."""
        for item in package.items.values():
            if item.nav or item.ncx:
                name = _inside(base, item.href)
                if name in self.names:
                    contents = _Contents()
                    contents.feed(self._text(name))
                    folder = posixpath.dirname(name)
                    return {_inside(folder, href): label for href, label in reversed(contents.entries)}
        return {}

    def _refuse_locked(self, spine: list[str]) -> None:
        if any(self.names[name].flag_bits & 1 for name in spine):
            raise InputError("book.epub_locked", path=self.path)
        if "META-INF/encryption.xml" not in self.names:
            return
        locked = _Encryption()
        locked.feed(self._text("META-INF/encryption.xml"))
        if locked.names & set(spine):
            raise InputError("book.epub_locked", path=self.path)

    def _text(self, name: str) -> str:
        info = self.names.get(name)
        if info is None:
            raise InputError("book.epub_broken", path=self.path, reason=name)
        if info.flag_bits & 1:
            raise InputError("book.epub_locked", path=self.path)
        limit = min(MAX_DOCUMENT, self.budget)
        with self.archive.open(info) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise InputError("book.epub_bomb", path=self.path)
        self.budget -= len(data)
        return plain_tags(_decoded(data))


def _decoded(data: bytes) -> str:
    """UTF-8 before any other, as the format has it: a page with © and little else would pass for GB 18030."""
    try:
        return data.decode("utf-8-sig") if b"\0" not in data else encoding.decode(data) or ""
    except UnicodeDecodeError:
        return encoding.decode(data) or ""


def _inside(base: str, href: str) -> str:
    """An archive name from a link: no fragment, no percent signs, ``..`` resolved."""
    name = unquote(href.partition("#")[0])
    return posixpath.normpath(posixpath.join(base, name)).lstrip("/")


Attributes = list[tuple[str, str | None]]


def _dict(attributes: Attributes) -> dict[str, str]:
    return {name: value or "" for name, value in attributes}


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]


class _Tags(HTMLParser):
    """The attributes of every tag of one name."""

    def __init__(self, tag: str) -> None:
        super().__init__()
        self.tag = tag
        self.found: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if _local(tag) == self.tag:
            self.found.append(_dict(attrs))


@dataclass(frozen=True, slots=True)
class _Item:
    href: str
    nav: bool
    ncx: bool


class _Package(HTMLParser):
    """The .opf file: metadata, manifest, spine."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.authors: list[str] = []
        self.items: dict[str, _Item] = {}
        self.spine: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        values, name = _dict(attrs), _local(tag)
        if name == "item" and values.get("id"):
            nav = "nav" in values.get("properties", "").split()
            ncx = values.get("media-type") == "application/x-dtbncx+xml"
            self.items[values["id"]] = _Item(values.get("href", ""), nav, ncx)
        elif name == "itemref" and values.get("linear", "yes") != "no":
            self.spine.append(values.get("idref", ""))
        self._inside = name if name in ("title", "creator") and (name == "creator" or not self.title) else ""

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            self.title += data
        elif self._inside == "creator" and data.strip() and len(self.authors) < 10:
            self.authors.append(data.strip())


class _Encryption(HTMLParser):
    """The names that META-INF/encryption.xml says are locked."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self._font = False

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        values = _dict(attrs)
        if _local(tag) == "encrypteddata":
            self._font = False
        elif _local(tag) == "encryptionmethod":
            self._font = values.get("algorithm", "") in _FONT_SCRAMBLING
        elif _local(tag) == "cipherreference" and not self._font:
            self.names.add(_inside("", values.get("uri", "")))


_LABEL = 200  # characters of a name in the table of contents


class _Contents(HTMLParser):
    """Entries of a table of contents, .ncx (navPoint, text, content) or nav document (a href)."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[tuple[str, str]] = []
        self._label: list[str] = []
        self._href = ""
        self._reading = False

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        values, name = _dict(attrs), _local(tag)
        if name in ("a", "text"):
            self._reading, self._label, self._href = True, [], values.get("href", "")
        elif name == "content" and values.get("src") and self._label:
            self._enter(values["src"])

    def handle_endtag(self, tag: str) -> None:
        name = _local(tag)
        if name == "a" and self._href:
            self._enter(self._href)
        if name in ("a", "text"):
            self._reading = False

    def handle_data(self, data: str) -> None:
        if self._reading:
            self._label.append(data)

    def _enter(self, href: str) -> None:
        self.entries.append((href, "".join(self._label).strip()[:_LABEL]))
        self._label, self._href = [], ""


_SKIPPED = frozenset(["head", "script", "style", "svg", "math", "nav", "rt", "rp", "template"])
_BLOCK = re.compile(
    r"p|div|section|article|aside|header|footer|main|center|blockquote|li|[uod]l|d[td]|table|tr|figure|figcaption"
    r"|pre|hr|body|h[1-6]"
)


class _Document(HTMLParser):
    """One XHTML document as lines."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.lines: list[Line] = []
        self._room = room
        self._held: list[str] = []
        self._skip: list[str] = []
        self._open: Counter[str] = Counter()  # what is in _skip
        self._level = 0

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:  # noqa: ARG002
        if tag in _SKIPPED:
            self._skip.append(tag)
            self._open[tag] += 1
        elif tag == "br":
            self._held.append(" " if self._level else "\n")
        elif _BLOCK.fullmatch(tag):
            self.flush()
            self._level = int(tag[1]) if tag in ("h1", "h2", "h3") else 0

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        if tag not in _SKIPPED:  # "<script/>" opens nothing
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._open[tag]:
            while (closed := self._skip.pop()) != tag:
                self._open[closed] -= 1
            self._open[tag] -= 1
        elif _BLOCK.fullmatch(tag):
            self.flush()
            self._level = 0

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self._held.append(re.sub(r"[ \t\r\n]+", " ", data))

    def flush(self) -> None:
        """Ends the line being read."""
        for text in "".join(self._held).split("\n"):
            if text.strip():
                if len(self.lines) >= self._room:
                    raise _Endless
                self.lines.append(Line(text.strip(" "), self._level))
        self._held = []


def _document(text: str, label: str, room: int) -> Iterator[Line]:
    """A document's lines, at most ``room``; ``label`` (its name in the table of contents) stands in where it
    has no heading."""
    reader = _Document(room)
    reader.feed(text)
    reader.close()
    reader.flush()
    lines = reader.lines
    if label and lines and not any(line.level for line in lines[:5]):
        same = next((i for i, line in enumerate(lines[:5]) if _bare(line.text) == _bare(label)), None)
        lines = [*lines[: same or 0], Line(label, 2), *lines[0 if same is None else same + 1 :]]
    yield from lines
    yield Line("")


def _bare(text: str) -> str:
    return re.sub(r"\s+", "", text)
