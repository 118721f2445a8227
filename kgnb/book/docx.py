"""Read a Word document (.docx) as lines of text, with the standard library only.

The file is hostile input: what it unpacks to is bounded, and its markup is read by :mod:`kgnb.book.markup`.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from kgnb.book.archive import BROKEN_ARCHIVE, open_archive, open_member
from kgnb.book.markup import Attributes, TooMuchMarkup, elements, plain_tags, tokens
from kgnb.book.model import Line
from kgnb.core.errors import InputError

MAX_PART = 64 * 1024 * 1024
"""Bytes that a part of the document may unpack to: three million characters of text take some 40 MB."""
_OLE = b"\xd0\xcf\x11\xe0"
"""The start of a .doc, and of a .docx that is encrypted as a whole."""
_DEFINITIONS = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.I)
"""Word's format forbids them: they are there to be multiplied."""
_HEADING = re.compile(r"heading ([1-3])", re.I)
_CONTENTS = re.compile(r"toc [1-9]", re.I)
_IN_CONTENTS = -1
_OUTLINE = re.compile(r"[0-2]")
_OTHER_TAGS = re.compile(r"</?w:(?!(?:p|t|br|cr|tabs?|rt|pStyle|outlineLvl|moveFrom)[\s/>])[^<>]*>")
"""Tags of the document that say how it looks: nine of ten in one that Word wrote."""
_BREAKS = {"br": "\n", "cr": "\n", "tab": "\t"}
_SKIPPED = ("fallback", "movefrom", "rt", "tabs")
"""A text box once more for old programs, text that was moved away, ruby, and tab stops."""


def read(path: Path, data: bytes) -> list[Line]:
    """Return the paragraphs of a Word document in memory, each with the level of its heading.

    Raises InputError when it is broken, locked, an old .doc, beyond the bounds, or defines entities.
    """
    try:
        with open_archive(io.BytesIO(data)) as archive:
            body = _body_name(archive)
            return list(_lines(_part(archive, body), _heading_levels(archive, body)))
    except TooMuchMarkup:
        raise InputError("book.docx_bomb", path=path) from None
    except (*BROKEN_ARCHIVE, KeyError, OSError) as error:
        if data.startswith(_OLE) or type(error) is RuntimeError:  # what zipfile raises for want of a password
            raise InputError("book.docx_locked", path=path) from None
        raise InputError("book.docx_broken", path=path, reason=type(error).__name__) from None


def _part(archive: zipfile.ZipFile, name: str) -> str:
    """Return a part of the document as tags and text. Raises ValueError beyond MAX_PART."""
    with open_member(archive, archive.getinfo(name)) as file:
        data = file.read(MAX_PART + 1)
    if len(data) > MAX_PART:
        raise TooMuchMarkup
    text = data.decode("utf-8-sig")
    if _DEFINITIONS.search(text):
        raise TooMuchMarkup
    return plain_tags(text)


def _body_name(archive: zipfile.ZipFile) -> str:
    """Return the name of the part with the text. Raises KeyError for none."""
    for _, values, _ in elements(_part(archive, "_rels/.rels"), "relationship"):
        if values.get("type", "").endswith("/officeDocument"):
            return values.get("target", "").lstrip("/")
    raise KeyError("officeDocument")


def _heading_levels(archive: zipfile.ZipFile, body: str) -> dict[str, int]:
    """Return id of a style of headings → level 1 to 3; → :data:`_IN_CONTENTS` for styles of the table of
    contents.
    """
    name = posixpath.join(posixpath.dirname(body), "styles.xml")
    levels: dict[str, int] = {}
    style = ""
    for kind, word, values in tokens(_part(archive, name) if name in archive.namelist() else ""):
        if kind == "start" and word == "style":
            style = values.get("w:styleid", "")
        elif kind == "start" and word == "name":
            if named := _HEADING.fullmatch(values.get("w:val", "")):
                levels[style] = int(named[1])
            elif _CONTENTS.fullmatch(values.get("w:val", "")):
                levels[style] = _IN_CONTENTS
        elif kind == "start" and word == "outlinelvl" and (level := _outline_level(values)):
            levels[style] = level
    return levels


def _outline_level(values: Attributes) -> int:
    """Return the outline level, from 1; 0 for none."""
    value = values.get("w:val", "")
    return int(value) + 1 if _OUTLINE.fullmatch(value) else 0


def _lines(markup: str, heading_levels: dict[str, int]) -> Iterator[Line]:
    """Yield the paragraphs that have text, as they read when all changes to the document are accepted."""
    pieces: list[str] = []
    level = skipped = 0
    in_text = False
    for kind, word, values in tokens(_OTHER_TAGS.sub("", markup)):
        if kind != "text" and word in _SKIPPED:
            skipped += 1 if kind == "start" else -1
        elif skipped > 0:
            continue
        elif kind == "text":
            pieces += [word] if in_text else []
        elif word == "t":
            in_text = kind == "start"
        elif word == "p":
            text = "".join(pieces).strip("\n")
            if text and level != _IN_CONTENTS:
                yield Line(text, level)
            pieces, level = [], 0
        elif kind == "start" and word == "pstyle":
            level = heading_levels.get(values.get("w:val", ""), 0)
        elif kind == "start" and word == "outlinelvl":
            level = _outline_level(values)
        elif kind == "start" and word in _BREAKS:
            pieces.append(_BREAKS[word])
