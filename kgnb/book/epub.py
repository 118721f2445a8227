"""Read an EPUB as lines of text in reading order, with the standard library only.

The file is hostile input: what it unpacks to is bounded, and all markup is read with ``html.parser``, which
resolves no entities or includes and opens no connection.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from kgnb.book import encoding
from kgnb.book.html_cleaner import plain_tags
from kgnb.core.archive import BROKEN_ARCHIVE, open_archive, open_member
from kgnb.core.errors import InputError

MAX_DOCUMENT = 32 * 1024 * 1024
MAX_TOTAL = 256 * 1024 * 1024
MAX_DOCUMENTS = 20_000
MAX_LINES = 2_000_000
"""Bounds on what an archive unpacks to: bytes per document, bytes in total, documents, paragraphs."""

# Obfuscated fonts occur in free books; any other encryption is DRM.
_FONT_OBFUSCATION = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


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


class _TooManyLines(Exception):
    """The book has more paragraphs than :data:`MAX_LINES`."""


def read(path: Path, data: bytes) -> Epub:
    """Read an EPUB from memory. Raises InputError when it is broken, has DRM or unpacks beyond the bounds."""
    try:
        with open_archive(io.BytesIO(data)) as archive:
            return _Reader(path, archive).read()
    except _TooManyLines:
        raise InputError("book.epub_bomb", path=path) from None
    except (*BROKEN_ARCHIVE, OSError) as error:
        raise InputError("book.epub_broken", path=path, reason=type(error).__name__) from None


class _Reader:
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self.archive = archive
        self.bytes_left = MAX_TOTAL
        self.names = {i.filename: i for i in archive.infolist()}

    def read(self) -> Epub:
        package_name = self._package_name()
        package = _Package()
        package.feed(self._text(package_name))
        base = posixpath.dirname(package_name)
        spine = self._spine(package, base)
        if not spine:
            raise InputError("book.epub_broken", path=self.path, reason="spine")
        self._refuse_drm(spine)
        labels = self._labels(package, base)
        lines: list[Line] = []
        for name in spine:
            lines += _document(self._text(name), labels.get(name, ""), MAX_LINES - len(lines))
        return Epub(package.title.strip(), "、".join(package.authors), lines)

    def _package_name(self) -> str:
        container = _Container()
        container.feed(self._text("META-INF/container.xml"))
        if not container.package:
            raise InputError("book.epub_broken", path=self.path, reason="META-INF/container.xml")
        return container.package

    def _spine(self, package: _Package, base: str) -> list[str]:
        """Archive names of the documents in reading order."""
        names = [
            _archive_name(base, package.items[i].href)
            for i in package.spine
            if i in package.items and not package.items[i].nav
        ]
        known = [name for name in dict.fromkeys(names) if name in self.names]
        return known[:MAX_DOCUMENTS]

    def _labels(self, package: _Package, base: str) -> dict[str, str]:
        """Document → the label of its first entry in the table of contents."""
        for item in package.items.values():
            if item.nav or item.ncx:
                name = _archive_name(base, item.href)
                if name in self.names:
                    contents = _Contents()
                    contents.feed(self._text(name))
                    folder = posixpath.dirname(name)
                    return {_archive_name(folder, href): label for href, label in reversed(contents.entries)}
        return {}

    def _refuse_drm(self, spine: list[str]) -> None:
        if any(self.names[name].flag_bits & 1 for name in spine):
            raise InputError("book.epub_locked", path=self.path)
        if "META-INF/encryption.xml" not in self.names:
            return
        encryption = _Encryption()
        encryption.feed(self._text("META-INF/encryption.xml"))
        if encryption.names & set(spine):
            raise InputError("book.epub_locked", path=self.path)

    def _text(self, name: str) -> str:
        info = self.names.get(name)
        if info is None:
            raise InputError("book.epub_broken", path=self.path, reason=name)
        if info.flag_bits & 1:
            raise InputError("book.epub_locked", path=self.path)
        limit = min(MAX_DOCUMENT, self.bytes_left)
        with open_member(self.archive, info) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise InputError("book.epub_bomb", path=self.path)
        self.bytes_left -= len(data)
        return plain_tags(_decoded(data))


def _decoded(data: bytes) -> str:
    """UTF-8, the format's own encoding, is tried first: a page with © and little else looks like GB 18030."""
    try:
        return data.decode("utf-8-sig") if b"\0" not in data else encoding.decode(data) or ""
    except UnicodeDecodeError:
        return encoding.decode(data) or ""


def _archive_name(base: str, href: str) -> str:
    """The archive name of a link: without fragment, percent-decoded, ``..`` resolved."""
    name = unquote(href.partition("#")[0])
    return posixpath.normpath(posixpath.join(base, name)).lstrip("/")


Attributes = list[tuple[str, str | None]]


def _dict(attributes: Attributes) -> dict[str, str]:
    return {name: value or "" for name, value in attributes}


def _local_name(tag: str) -> str:
    return tag.rpartition(":")[2]


class _Container(HTMLParser):
    """META-INF/container.xml: the archive name of the first .opf file."""

    package = ""

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if _local_name(tag) == "rootfile":
            self.package = self.package or _dict(attrs).get("full-path", "")


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
        values, name = _dict(attrs), _local_name(tag)
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
    """Archive names that META-INF/encryption.xml lists as encrypted, other than fonts."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self._font = False

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        values = _dict(attrs)
        if _local_name(tag) == "encrypteddata":
            self._font = False
        elif _local_name(tag) == "encryptionmethod":
            self._font = values.get("algorithm", "") in _FONT_OBFUSCATION
        elif _local_name(tag) == "cipherreference" and not self._font:
            self.names.add(_archive_name("", values.get("uri", "")))


_MAX_LABEL = 200  # characters


class _Contents(HTMLParser):
    """(link, label) entries of a table of contents: .ncx (navPoint, text, content) or nav document (a)."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[tuple[str, str]] = []
        self._label: list[str] = []
        self._href = ""
        self._reading = False

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        values, name = _dict(attrs), _local_name(tag)
        if name in ("a", "text"):
            self._reading, self._label, self._href = True, [], values.get("href", "")
        elif name == "content" and values.get("src") and self._label:
            self._add_entry(values["src"])

    def handle_endtag(self, tag: str) -> None:
        name = _local_name(tag)
        if name == "a" and self._href:
            self._add_entry(self._href)
        if name in ("a", "text"):
            self._reading = False

    def handle_data(self, data: str) -> None:
        if self._reading:
            self._label.append(data)

    def _add_entry(self, href: str) -> None:
        self.entries.append((href, "".join(self._label).strip()[:_MAX_LABEL]))
        self._label, self._href = [], ""


_SKIPPED = frozenset(["head", "script", "style", "svg", "math", "nav", "rt", "rp", "template"])
_BLOCK = re.compile(
    r"p|div|section|article|aside|header|footer|main|center|blockquote|li|[uod]l|d[td]|table|tr|figure|figcaption"
    r"|pre|hr|body|h[1-6]"
)


class _Document(HTMLParser):
    """One XHTML document as at most ``max_lines`` lines."""

    def __init__(self, max_lines: int) -> None:
        super().__init__()
        self.lines: list[Line] = []
        self._max_lines = max_lines
        self._text: list[str] = []  # pieces of the line being read
        self._skipped: list[str] = []  # open elements without text
        self._open: Counter[str] = Counter()  # the same, counted by tag
        self._level = 0

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:  # noqa: ARG002
        if tag in _SKIPPED:
            self._skipped.append(tag)
            self._open[tag] += 1
        elif tag == "br":
            self._text.append(" " if self._level else "\n")
        elif _BLOCK.fullmatch(tag):
            self.flush()
            self._level = int(tag[1]) if tag in ("h1", "h2", "h3") else 0

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        if tag not in _SKIPPED:  # "<script/>" opens nothing
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._open[tag]:
            while (closed := self._skipped.pop()) != tag:
                self._open[closed] -= 1
            self._open[tag] -= 1
        elif _BLOCK.fullmatch(tag):
            self.flush()
            self._level = 0

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._text.append(re.sub(r"[ \t\r\n]+", " ", data))

    def flush(self) -> None:
        """End the line being read."""
        for text in "".join(self._text).split("\n"):
            if text.strip():
                if len(self.lines) >= self._max_lines:
                    raise _TooManyLines
                self.lines.append(Line(text.strip(" "), self._level))
        self._text = []


def _document(text: str, label: str, max_lines: int) -> Iterator[Line]:
    """A document's lines; ``label``, from the table of contents, is its heading if it has none of its own."""
    reader = _Document(max_lines)
    reader.feed(text)
    reader.close()
    reader.flush()
    lines = reader.lines
    if label and lines and not any(line.level for line in lines[:5]):
        wanted = _without_spaces(label)
        same = next((i for i, line in enumerate(lines[:5]) if _without_spaces(line.text) == wanted), None)
        lines = [*lines[: same or 0], Line(label, 2), *lines[0 if same is None else same + 1 :]]
    yield from lines
    yield Line("")


def _without_spaces(text: str) -> str:
    return re.sub(r"\s+", "", text)
