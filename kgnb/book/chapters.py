"""A text and its headings → chapters: tables of contents, volumes, front matter, sizes. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kgnb.book import headings
from kgnb.book.headings import Heading
from kgnb.book.model import BookChapter
from kgnb.core.model import Lang

CHAPTER_BYTES = 60_000
"""UTF-8 bytes that no chapter exceeds: main keeps chapters in MySQL's TEXT, 65,535 bytes."""

PART_CHARS = 5_000
"""Length of the parts that a book without headings is cut into."""

FRONT_CHARS = 200
"""Text before the first heading becomes a chapter of its own only when it is longer than this."""


def divide(text: str, found: list[Heading], lang: Lang) -> Iterator[BookChapter]:
    """The chapters of a text: by its headings, or in parts where it has none."""
    return _numbered(_pieces(text, found, lang), lang)


@dataclass(slots=True)
class _Piece:
    title: str
    text: str
    heading: Heading | None = None


def _pieces(text: str, found: list[Heading], lang: Lang) -> list[_Piece]:
    ends = [*(h.start for h in found[1:]), len(text)][: len(found)]
    pieces = [_Piece(h.title, _body(text[h.end : e]), h) for h, e in zip(found, ends, strict=True)]
    front = _body(text[: found[0].start]) if found else ""
    pieces, preface = _without_contents(pieces)
    front = "\n".join(t for t in (front, *preface) if t)
    pieces = _joined(pieces)
    if sum(len(p.text) for p in pieces) * 2 < _length(text) - len(front):
        pieces = []  # lines that look like headings but hold next to nothing: a list, not a book
    if not pieces:
        return [_Piece("", part) for part in _cut(_body(text), PART_CHARS, len)]
    if len(front) > FRONT_CHARS:
        pieces.insert(0, _Piece("卷首" if lang == "zh" else "Front matter", front))
    return pieces


def _length(text: str) -> int:
    """``len(text.strip())`` without a copy of a whole book."""
    start = next((i for i, c in enumerate(text) if not c.isspace()), len(text))
    end = next((i for i in range(len(text), start, -1) if not text[i - 1].isspace()), start)
    return end - start


def _body(text: str) -> str:
    """Without blank lines at both ends; the first line keeps its indent."""
    return re.sub(r"\A(?:[ \t\u3000\xa0]*\n)+", "", text).rstrip()


def _without_contents(pieces: list[_Piece]) -> tuple[list[_Piece], list[str]]:
    """Leaves out a table of contents: headings in a row without text whose like comes again later.

    Returns the chapters, and text that stood between the table and the first chapter.
    """
    run = 0
    while run < len(pieces) and not pieces[run].text:
        run += 1
    if run < 2 or run == len(pieces):
        return pieces, []
    keys = [_key(p) for p in pieces]
    times = Counter(keys)
    later = {*keys[run:], *(k for k in keys[:run] if times[k] > 1)}
    if sum(k in later for k in keys[:run]) * 2 < run:
        return pieces, []
    last = pieces[run]
    if keys[run] in keys[run + 1 :]:  # the table's last line: what follows it is a preface
        return _from_first(pieces[: run + 1], pieces[run + 1 :]), [last.text]
    return _from_first(pieces[:run], pieces[run:]), []


def _from_first(table: list[_Piece], rest: list[_Piece]) -> list[_Piece]:
    """The headings right before the first chapter may be its volume's, not the table's."""
    keep: list[_Piece] = []
    while table and not table[-1].text and _level(table[-1]) < _level(rest[0]):
        keep.insert(0, table.pop())
    return keep + rest


def _level(piece: _Piece) -> int:
    return piece.heading.level if piece.heading else headings.CHAPTER


def _key(piece: _Piece) -> str:
    """A heading without spaces, dots and page numbers, as a table of contents may add them."""
    bare = re.sub(r"(?:[.．…·\s]{2,}|\t)\d+\s*$", "", piece.title)
    return re.sub(r"[\s.．…·:：、\-—_]+", "", bare).lower()


def _joined(pieces: list[_Piece]) -> list[_Piece]:
    """Volume headings go before the title of their first chapter; a heading said twice counts once."""
    kept: list[_Piece] = []
    for piece in pieces:
        above = kept[-1] if kept else None
        if above is not None and above.heading and piece.heading and _leads(above, piece):
            kept.pop()
            piece.title = _joint(above, piece)
            piece.text = f"{above.text}\n{piece.text}" if above.text else piece.text
        kept.append(piece)
    if kept and not kept[-1].text and kept[-1].heading and kept[-1].heading.level == headings.VOLUME:
        kept.pop()
    return [p for p in kept if not _is_furniture(p)]


def _joint(above: _Piece, piece: _Piece) -> str:
    if _key(above) in _key(piece):
        return piece.title
    return above.title if _key(piece) in _key(above) else f"{above.title} {piece.title}"[:200]


def _leads(above: _Piece, piece: _Piece) -> bool:
    if _level(above) == headings.VOLUME < _level(piece) and len(above.text) <= FRONT_CHARS:
        return True
    marked = above.heading is not None and above.heading.marked
    return not above.text and (_level(above) < _level(piece) or marked or _key(above) == _key(piece))


_FURNITURE = frozenset(
    # Marked by an EPUB's own table of contents, and no part of the story.
    ["目录", "目錄", "封面", "扉页", "书名页", "版权", "版权页", "版权信息", "版权声明",
     "cover", "contents", "tableofcontents", "copyright", "titlepage", "halftitlepage"]
)  # fmt: skip


def _is_furniture(piece: _Piece) -> bool:
    return piece.heading is not None and piece.heading.marked and _key(piece) in _FURNITURE


def _numbered(pieces: list[_Piece], lang: Lang) -> Iterator[BookChapter]:
    number = 0
    for index, piece in enumerate(pieces, 1):
        title = piece.title or (f"第{index}部分" if lang == "zh" else f"Part {index}")
        for part, text in enumerate(_cut(piece.text, CHAPTER_BYTES, _utf8_bytes), 1):
            number += 1
            suffix = "" if part == 1 else (f"（{part}）" if lang == "zh" else f" ({part})")
            yield BookChapter(number, title + suffix, text)


def _utf8_bytes(text: str) -> int:
    return len(text.encode("utf-8"))


def _cut(text: str, limit: int, size: Callable[[str], int]) -> list[str]:
    """``text`` in parts of at most ``limit``, at paragraph ends; a longer paragraph at sentence ends."""
    if size(text) <= limit:
        return [text]
    parts: list[str] = []
    held: list[str] = []
    room = limit
    for unit in _units(text, limit, size):
        need = size(unit)
        if need > room and held:
            parts.append("".join(held))
            held, room = [], limit
        held.append(unit)
        room -= need
    parts.append("".join(held))
    return [body for body in map(_body, parts) if body]


def _units(text: str, limit: int, size: Callable[[str], int]) -> Iterator[str]:
    """Paragraphs; sentences of those over the limit; slices of those still over it."""
    for paragraph in text.splitlines(keepends=True):
        if size(paragraph) <= limit:
            yield paragraph
            continue
        for sentence in re.findall(r"[^。！？!?.…]*[。！？!?.…]*[”’」』\"']*", paragraph):
            step = len(sentence) if size(sentence) <= limit else limit // 4
            for start in range(0, len(sentence), max(1, step)):
                yield sentence[start : start + step]
