"""Read an EPUB as lines of text in reading order, with the standard library only.

The file is hostile input: what it unpacks to is bounded, and its markup is read by :mod:`kgnb.book.markup`.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from kgnb.book import encoding
from kgnb.book.archive import BROKEN_ARCHIVE, open_archive, open_member
from kgnb.book.markup import MAX_TAGS, elements, plain_tags, tokens
from kgnb.book.model import Line
from kgnb.core.errors import InputError

MAX_DOCUMENT = 32 * 1024 * 1024
MAX_TOTAL = 256 * 1024 * 1024
"""Bounds on what an archive unpacks to: bytes per document, bytes in total."""


@dataclass(frozen=True, slots=True)
class Epub:
    """A book's metadata and its lines."""

    title: str
    author: str
    lines: list[Line]


def read(path: Path, data: bytes) -> Epub:
    """Return title, author and lines (paragraphs with their heading levels) of an EPUB in memory. Raises
    InputError when it is broken, has DRM or unpacks beyond the bounds.
    """
    try:
        with open_archive(io.BytesIO(data)) as archive:
            return _Reader(path, archive).read()
    except (*BROKEN_ARCHIVE, OSError) as error:
        raise InputError("book.epub_broken", path=path, reason=type(error).__name__) from None


class _Reader:
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self.archive = archive
        self.bytes_left, self.tags_left = MAX_TOTAL, MAX_TAGS
        self.names = {i.filename: i for i in archive.infolist()}

    def read(self) -> Epub:
        """Return the book: title, authors, lines of its documents in reading order. Raises InputError."""
        package_name = self._package_name()
        package = _package(self._text(package_name), posixpath.dirname(package_name))
        spine = [name for name in dict.fromkeys(package.spine) if name in self.names]
        if not spine:
            raise InputError("book.epub_broken", path=self.path, reason="spine")
        self._refuse_drm(spine)
        labels = self._labels(package)
        lines: list[Line] = []
        for name in spine:
            lines += _document(self._text(name), labels.get(name, ""))
        return Epub(package.title, "、".join(package.authors), lines)

    def _package_name(self) -> str:
        """Return the name of the package document. Raises InputError for none."""
        for _, values, _ in elements(self._text("META-INF/container.xml"), "rootfile"):
            if path := values.get("full-path"):
                return path
        raise InputError("book.epub_broken", path=self.path, reason="META-INF/container.xml")

    def _labels(self, package: _Package) -> dict[str, str]:
        """Return document → the label of its first entry in the table of contents; {} without a table."""
        name = next((name for name in package.contents if name in self.names), None)
        if name is None:
            return {}
        folder = posixpath.dirname(name)
        entries = list(contents_entries(self._text(name)))
        return {_archive_name(folder, href): label for href, label in reversed(entries)}

    def _refuse_drm(self, spine: list[str]) -> None:
        locked = any(self.names[name].flag_bits & 1 for name in spine)
        if not locked and "META-INF/encryption.xml" in self.names:
            # Fonts may be obfuscated in free books; an encrypted document is DRM.
            listed = elements(self._text("META-INF/encryption.xml"), "cipherreference")
            hidden = {values.get("uri", "") for _, values, _ in listed}
            locked = not {_archive_name("", uri) for uri in hidden}.isdisjoint(spine)
        if locked:
            raise InputError("book.epub_locked", path=self.path)

    def _text(self, name: str) -> str:
        """Return a document as tags and text. Raises InputError for a missing or locked one, and beyond the
        bounds.
        """
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
        text = plain_tags(_decoded(data))
        self.bytes_left -= len(data)
        self.tags_left -= text.count("<")
        if self.tags_left < 0:
            raise InputError("book.epub_bomb", path=self.path)
        return text


def _decoded(data: bytes) -> str:
    """Return the text; UTF-8, the format's own encoding, is tried first: a page with © and little else looks
    like GB 18030. "" for no text.
    """
    try:
        return data.decode("utf-8-sig") if b"\0" not in data else encoding.decode(data) or ""
    except UnicodeDecodeError:
        return encoding.decode(data) or ""


def _archive_name(base: str, href: str) -> str:
    """Return the archive name of a link in the folder ``base``: without fragment, percent-decoded, ``..``
    resolved.
    """
    name = unquote(href.partition("#")[0])
    return posixpath.normpath(posixpath.join(base, name)).lstrip("/")


@dataclass(slots=True)
class _Package:
    """The .opf file: metadata, and archive names of the documents in reading order and of the tables of
    contents."""

    title: str = ""
    authors: list[str] = field(default_factory=list)
    spine: list[str] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)


def _package(markup: str, base: str) -> _Package:
    """Return title, authors, contents and reading order of a package document."""
    package = _Package()
    files: dict[str, str] = {}
    documents: list[str] = []
    for word, values, text in elements(markup, "title", "creator", "item", "itemref"):
        if word == "title":
            package.title = package.title or text  # the first is the book's; others may name its series
        elif word == "creator" and text and len(package.authors) < 10:
            package.authors.append(text)
        elif word == "item":
            name = _archive_name(base, values.get("href", ""))
            nav = "nav" in values.get("properties", "").split()
            if nav or values.get("media-type") == "application/x-dtbncx+xml":
                package.contents.append(name)
            if not nav:
                files[values.get("id", "")] = name
        elif word == "itemref" and values.get("linear", "yes") != "no":
            documents.append(values.get("idref", ""))
    package.spine = [files[one] for one in documents if one in files]
    return package


_MAX_LABEL = 200
"""Characters of a label that are kept."""


def contents_entries(markup: str) -> Iterator[tuple[str, str]]:
    """Yield the (link, label) entries of a table of contents: .ncx (navPoint, text, content) or nav document
    (a).
    """
    label = ""
    for word, values, text in elements(markup, "a", "text", "content"):
        if word == "text":
            label = text[:_MAX_LABEL]
        elif word == "a" and values.get("href"):
            yield values["href"], text[:_MAX_LABEL]
        elif word == "content" and label and values.get("src"):
            yield values["src"], label
            label = ""


_SKIPPED = frozenset(["head", "script", "style", "svg", "math", "nav", "rt", "rp", "template"])
_BLOCK = re.compile(
    r"p|div|section|article|aside|header|footer|main|center|blockquote|li|[uod]l|d[td]|table|tr|figure|figcaption"
    r"|pre|hr|body|h[1-6]"
)


class _Lines:
    """Collects the lines of one XHTML document."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._text: list[str] = []  # pieces of the line being read
        self._skipped: list[str] = []  # open elements without text
        self._open: Counter[str] = Counter()  # the same, counted by tag
        self._level = 0

    def add(self, kind: str, word: str) -> None:
        """Read the next token."""
        if kind == "text":
            if not self._skipped:
                self._text.append(re.sub(r"[ \t\r\n]+", " ", word))
        elif kind == "start" and word in _SKIPPED:
            self._skipped.append(word)
            self._open[word] += 1
        elif kind == "start" and word == "br":
            self._text.append(" " if self._level else "\n")
        elif kind == "end" and self._open[word]:
            self._close(word)
        elif _BLOCK.fullmatch(word):
            self.flush()
            self._level = int(word[1]) if kind == "start" and word in ("h1", "h2", "h3") else 0

    def _close(self, tag: str) -> None:
        while (closed := self._skipped.pop()) != tag:
            self._open[closed] -= 1
        self._open[tag] -= 1

    def flush(self) -> None:
        """End the line being read."""
        for text in "".join(self._text).split("\n"):
            if text.strip():
                self.lines.append(Line(text.strip(" "), self._level))
        self._text = []


def _document(text: str, label: str) -> Iterator[Line]:
    """Return a document's lines; ``label``, from the table of contents, is its heading if none of the first
    five lines is one.
    """
    reader = _Lines()
    for kind, word, _ in tokens(text):
        reader.add(kind, word)
    reader.flush()
    lines = reader.lines
    if label and lines and not any(line.level for line in lines[:5]):
        wanted = _without_spaces(label)
        same = next((i for i, line in enumerate(lines[:5]) if _without_spaces(line.text) == wanted), None)
        lines = [*lines[: same or 0], Line(label, 2), *lines[0 if same is None else same + 1 :]]
    yield from lines
    yield Line("")


def _without_spaces(text: str) -> str:
    """Return the text without white space."""
    return re.sub(r"\s+", "", text)
