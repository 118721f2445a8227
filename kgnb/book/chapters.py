"""Divide a text into chapters by its headings: tables of contents, volumes, front matter, sizes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from kgnb.book import boilerplate, chunking, headings
from kgnb.book.headings import Heading
from kgnb.book.model import BookChapter
from kgnb.core.labels import Lang

CHAPTER_BYTES = 60_000
"""Longest chapter, in UTF-8 bytes: main keeps chapters in MySQL's TEXT, 65,535 bytes."""

PART_CHARS = 5_000
"""Longest part, in characters, of a book without headings."""

FRONT_CHARS = 200
"""Longest front matter, in characters, that is dropped; longer text before the first heading is a chapter."""


def divide(text: str, found: list[Heading], lang: Lang) -> Iterator[BookChapter]:
    """Yield the chapters of a text, numbered from 1: by its headings, or in parts of about 5,000 characters
    where it has none.

    A chapter that is too long is cut; its parts are chapters of their own, "Title" and "Title (2)".
    """
    number = 0
    for index, section in enumerate(_sections(text, found, lang), 1):
        title = section.title or (f"第{index}部分" if lang == "zh" else f"Part {index}")
        for part, body in enumerate(cut(section.text, lang), 1):
            number += 1
            suffix = "" if part == 1 else (f"（{part}）" if lang == "zh" else f" ({part})")
            yield BookChapter(number, title + suffix, body)


def cut(text: str, lang: Lang) -> list[str]:
    """Return the text in parts of at most 60,000 bytes of UTF-8."""
    size = len(text.encode("utf-8"))
    if size <= CHAPTER_BYTES:
        return [text]
    # So long where characters take as many bytes as in the whole text; where they take more, it is cut again.
    found = in_parts(text, len(text) * CHAPTER_BYTES // size, lang)
    return [piece for part in found for piece in cut(part, lang)]


def in_parts(text: str, limit: int, lang: Lang) -> list[str]:
    """Return the text in parts of at most ``limit`` characters, without blank ones; a short text is
    one part.
    """
    parts = chunking.split(text, limit, lang)
    return [body for body in map(_body, parts) if body] if len(parts) > 1 else [text]


@dataclass(slots=True)
class _Section:
    """A heading, its level and mark (see :class:`Heading`), and the text below it."""

    title: str
    text: str
    level: int = headings.CHAPTER
    marked: bool = False


def _sections(text: str, found: list[Heading], lang: Lang) -> list[_Section]:
    """Return the text's sections by its headings; without usable headings in parts of PART_CHARS."""
    ends = [*(h.start for h in found[1:]), len(text)][: len(found)]
    sections = [
        _Section(h.title, _own_text(h.title, text[h.end : end]), h.level, h.marked)
        for h, end in zip(found, ends, strict=True)
    ]
    front = _body(boilerplate.without(text[: found[0].start])) if found else ""
    sections, preface = _without_contents(sections)
    front = "\n".join(t for t in (front, *preface) if t)
    sections = _with_joined_headings(sections)
    if sum(len(s.text) for s in sections) * 2 < len(text.strip()) - len(front):
        sections = []  # under the lines that look like headings is hardly any text: a list, not a book
    if not sections:
        return [_Section("", part) for part in in_parts(_body(boilerplate.without(text)), PART_CHARS, lang)]
    if len(front) > FRONT_CHARS:
        sections.insert(0, _Section("卷首" if lang == "zh" else "Front matter", front))
    return sections


def _own_text(title: str, text: str) -> str:
    """Return the text below a heading without boilerplate and without the heading's repetition."""
    body = _body(boilerplate.without(text))
    first, _, rest = body.partition("\n")
    return _body(rest) if rest.strip() and first.split() == title.split() else body


def _body(text: str) -> str:
    """Return the text without blank lines at both ends; the first line keeps its indent."""
    blank = len(text) - len(text.lstrip(" \t\u3000\xa0\n"))
    return text[text.rfind("\n", 0, blank) + 1 :].rstrip()


def _without_contents(sections: list[_Section]) -> tuple[list[_Section], list[str]]:
    """Drop a table of contents: consecutive headings without text, at least half of which occur again later.

    Return the chapters, and the text between the table and the first chapter.
    """
    run = 0
    while run < len(sections) and not sections[run].text:
        run += 1
    if run < 2 or run == len(sections):
        return sections, []
    keys = [_key(s) for s in sections]
    times = Counter(keys)
    later = {*keys[run:], *(k for k in keys[:run] if times[k] > 1)}
    if sum(k in later for k in keys[:run]) * 2 < run:
        return sections, []
    last = sections[run]
    if keys[run] in keys[run + 1 :]:  # the table's last line: the text below it is a preface
        return _with_volume_headings(sections[: run + 1], sections[run + 1 :]), [last.text]
    return _with_volume_headings(sections[:run], sections[run:]), []


def _with_volume_headings(table: list[_Section], rest: list[_Section]) -> list[_Section]:
    """Return the chapters, preceded by the headings at the table's end that are of a higher level than the
    first chapter: those of its volume, not the table's.
    """
    at = len(table)
    while at and not table[at - 1].text and table[at - 1].level < rest[0].level:
        at -= 1
    return table[at:] + rest


def _key(section: _Section) -> str:
    """Return the title in lower case without spaces and punctuation, and without the dots and page number of
    a table of contents.
    """
    bare = re.sub(r"(?:[.．…·\s]{2,}|\t)\d+\s*$", "", section.title)
    return re.sub(r"[\s.．…·:：、\-—_]+", "", bare).lower()


def _with_joined_headings(sections: list[_Section]) -> list[_Section]:
    """Return the sections, with headings of volumes and repeated ones put before the title of the section
    they belong to.
    """
    kept: list[_Section] = []
    for section in sections:
        if kept and _belongs_to_next(kept[-1], section):
            above = kept.pop()
            section.title = _joint_title(above, section)
            section.text = f"{above.text}\n{section.text}" if above.text else section.text
        kept.append(section)
    if kept and not kept[-1].text and kept[-1].level == headings.VOLUME:
        kept.pop()
    return [s for s in kept if not (s.marked and _key(s) in _FRONT_MATTER)]


def _joint_title(above: _Section, section: _Section) -> str:
    """Return the title for two headings in a row: the longer one if it contains the other, else both."""
    if _key(above) in _key(section):
        return section.title
    return above.title if _key(section) in _key(above) else f"{above.title} {section.title}"[:200]


def _belongs_to_next(above: _Section, section: _Section) -> bool:
    """Return whether a section is only a heading above the next section."""
    if above.level == headings.VOLUME < section.level and len(above.text) <= FRONT_CHARS:
        return True
    return not above.text and (above.level < section.level or above.marked or _key(above) == _key(section))


_FRONT_MATTER = frozenset(
    # Entries of an EPUB's table of contents that are no part of the story.
    ["目录", "目錄", "封面", "扉页", "书名页", "版权", "版权页", "版权信息", "版权声明",
     "cover", "contents", "tableofcontents", "copyright", "titlepage", "halftitlepage"]
)  # fmt: skip
