"""Markdown (CommonMark with tables): the author's kit as one text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from kgnb.core.messages import say
from kgnb.render.kit.document import Cell, Kit, Line, Link, Section, Table

_SPECIAL = re.compile(r"[\\`*_\[\]<>&|~$#^=%!{}@]|:(?=[:/])|(?i:(?<=\bwww)\.)|^[-+](?=\s|$)")
_NUMBERED = re.compile(r"^(\d{1,9})([.)])")
"""What CommonMark, tables, autolinks, formulas, and Obsidian's tags, comments and fields take for markup."""

_NO_SLUG = re.compile(r"[^\w\- ]")

ToLink = Callable[[Link], str]
"""A link as this document writes it."""


def to_markdown(kit: Kit, out: IO[str]) -> None:
    """Write the kit with a table of contents; the main characters' names lead to their sections."""
    parts = [part.main_only() for part in kit.parts]
    headed = [one for part in parts for one in part.walk()]
    slugs = _slugs([kit.title, say("kit.contents"), *(one.title for one in headed)])[2:]
    anchors = {id(one): slug for one, slug in zip(headed, slugs, strict=True)}
    of_entity = {one.ref: anchors[id(one)] for part in parts for one in part.walk() if one.ref}

    def link(to: Link) -> str:
        anchor = of_entity.get(to.ref)
        return f"[{escape(to.text)}](#{anchor})" if anchor else escape(to.text)

    out.write(f"# {escape(kit.title)}\n\n")
    out.writelines(f"{inline(one.parts, link)}\n\n" for one in kit.about)
    out.write(f"## {say('kit.contents')}\n\n")
    for part in parts:
        out.write(f"- [{escape(part.title)}](#{anchors[id(part)]})\n")
        out.writelines(f"  - [{escape(one.title)}](#{anchors[id(one)]})\n" for one in part.sections)
    for part in parts:
        out.writelines(section_text(part, link))


def section_text(section: Section, link: ToLink, depth: int = 2) -> Iterator[str]:
    """Yield a section's Markdown: heading of level ``depth`` (at most 6), lines and table, then the sections
    in it one level deeper.
    """
    yield f"\n{'#' * min(depth, 6)} {escape(section.title)}\n\n"
    yield from body(section, link)
    for one in section.sections:
        yield from section_text(one, link, depth + 1)


def _slugs(titles: Iterable[str]) -> list[str]:
    """The anchors that readers of Markdown give headings (GitHub, VS Code): letters and digits in lower case,
    hyphens for blanks, a number after what was there before."""
    taken: dict[str, int] = {}
    found = []
    for title in titles:
        plain = slug = _NO_SLUG.sub("", title.strip().lower()).replace(" ", "-")
        while slug in taken:
            taken[plain] += 1
            slug = f"{plain}-{taken[plain]}"
        taken[slug] = 0
        found.append(slug)
    return found


def body(section: Section, link: ToLink) -> Iterator[str]:
    """Yield the Markdown of a section's own lines and table, without its heading and the sections in it."""
    for one in section.lines:
        yield from _item(one, link)
    if section.table:
        yield from _table(section.table, link)


def _item(one: Line, link: ToLink) -> Iterator[str]:
    """Yield a line as a list item, then its quotes."""
    yield f"- {inline(one.parts, link)}\n"
    for quote in one.quotes:
        where = say("kit.cited", chapter=quote.chapter) if quote.chapter else ""
        yield f"  > {escape(quote.text)} {where}\n\n"


def _table(table: Table, link: ToLink) -> Iterator[str]:
    """Yield the rows of a table in Markdown, head first."""
    yield f"\n| {' | '.join(map(escape, table.heads))} |\n|{' --- |' * len(table.heads)}\n"
    for row in table.rows:
        yield f"| {' | '.join(inline(cell, link) for cell in row)} |\n"


def inline(parts: Cell, link: ToLink) -> str:
    """Return words and links as Markdown on one line: texts escaped, each link as ``link`` returns it."""
    return "".join(link(part) if isinstance(part, Link) else escape(part) for part in parts)


def escape(text: str) -> str:
    r"""Return the text with a backslash before each character that Markdown would read as markup.

    >>> escape("[[x]] http://a *b* =1+1")
    '\\[\\[x\\]\\] http\\://a \\*b\\* \\=1+1'
    """
    return _NUMBERED.sub(r"\1\\\2", _SPECIAL.sub(lambda found: "\\" + found[0], text))
