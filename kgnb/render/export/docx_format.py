"""A Word document (.docx) of the author's kit, by python-docx (extra ``docx``)."""

from __future__ import annotations

import importlib
import io
import zipfile
from collections.abc import Mapping
from typing import IO, Any

from kgnb.core.errors import InputError
from kgnb.core.messages import language, say
from kgnb.graph.model import NodeKey
from kgnb.render.export.csv_format import file_info
from kgnb.render.kit.document import Cell, Kit, Line, Link, Section, Table

_EAST_ASIAN = {"zh": ("宋体", "zh-CN"), "en": ("SimSun", "zh-CN")}
"""Font and language of Chinese characters; the template's own are Japanese."""
_LEVELS = 2
"""Levels of headings in the table of contents."""
_INDENT = 228_600
"""A quarter of an inch, in English metric units."""
_WIDTH = 9_026
"""Of a table: that of the template's lines, in twentieths of a point."""


def python_docx() -> Any:
    """Return python-docx's module ``docx``. Raises InputError that names the install command when it is
    missing.
    """
    try:
        return importlib.import_module("docx")
    except ImportError:
        raise InputError("exchange.no_docx") from None


def to_docx(kit: Kit, out: IO[bytes]) -> None:
    """Write the kit with a table of contents; the main characters' names lead to their pages."""
    made = _Document(kit)
    draft = io.BytesIO()
    made.document.save(draft)
    with zipfile.ZipFile(draft) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():  # with a fixed time: the same kit gives the same bytes
            target.writestr(file_info(name), source.read(name))


class _Document:
    """The document, the element factory, and the bookmark of each section."""

    def __init__(self, kit: Kit) -> None:
        self.document: Any = python_docx().Document()
        self._oxml = importlib.import_module("docx.oxml")
        self._qn = importlib.import_module("docx.oxml.ns").qn
        self._set_up(kit)
        parts = [part.main_only() for part in kit.parts]
        sections = [one for part in parts for one in part.walk()]
        self._bookmarks = {id(one): f"_Toc{number:08}" for number, one in enumerate(sections, 1)}
        self._of_entity: Mapping[NodeKey, str] = {
            one.ref: self._bookmarks[id(one)] for one in sections if one.ref
        }
        self.document.add_heading(kit.title, 0)
        for told in kit.about:
            self._fill(self.document.add_paragraph()._p, told.parts)
        self._contents(parts)
        for part in parts:
            self._section(part, 1)

    def _set_up(self, kit: Kit) -> None:
        properties = self.document.core_properties
        properties.title, properties.author, properties.comments = kit.title, "kgnb", ""
        font, spoken = _EAST_ASIAN[language()]
        for style in self.document.styles:
            if (run := getattr(style.element, "rPr", None)) is not None or style.name == "Normal":
                run = style.element.get_or_add_rPr() if run is None else run
                fonts = run.get_or_add_rFonts()
                fonts.attrib.pop(self._qn("w:eastAsiaTheme"), None)
                fonts.set(self._qn("w:eastAsia"), font)
        for found in self.document.styles.element.iter(self._qn("w:lang")):
            found.set(self._qn("w:eastAsia"), spoken)

    # --- text

    def _section(self, section: Section, level: int, *, own_page: bool = True) -> None:
        if own_page:
            self.document.add_page_break()
        heading = self.document.add_heading(level=min(level, 9))
        bookmark = self._bookmarks[id(section)]
        number = bookmark.removeprefix("_Toc")
        self._add(heading._p, "w:bookmarkStart", id=number, name=bookmark)
        self._fill(heading._p, (section.title,))
        self._add(heading._p, "w:bookmarkEnd", id=number)
        for told in section.lines:
            self._line(told)
        if section.table:
            self._table(section.table)
        for index, one in enumerate(section.sections):
            self._section(one, level + 1, own_page=bool(index and one.ref))

    def _line(self, told: Line) -> None:
        self._fill(self.document.add_paragraph(style="List Bullet")._p, told.parts)
        for quote in told.quotes:
            where = f" {say('kit.cited', chapter=quote.chapter)}" if quote.chapter else ""
            paragraph = self.document.add_paragraph(f"“{quote.text}”{where}", style="Quote")
            paragraph.paragraph_format.left_indent = _INDENT

    def _table(self, table: Table) -> None:
        rows, columns = [[(head,) for head in table.heads], *table.rows], len(table.heads)
        made = self.document.add_table(len(rows), columns, style="Light Grid Accent 1")
        self._add(made._tbl.tr_lst[0].get_or_add_trPr(), "w:tblHeader")  # again on each page
        widths = [_WIDTH * part // sum(table.widths) for part in table.widths]
        for column, width in zip(made._tbl.tblGrid.gridCol_lst, widths, strict=True):
            column.set(self._qn("w:w"), str(width))
        for row, cells in zip(made._tbl.tr_lst, rows, strict=True):
            for cell, parts, share in zip(row.tc_lst, cells, widths, strict=True):
                cell.get_or_add_tcPr().get_or_add_tcW().set(self._qn("w:w"), str(share))
                self._fill(cell.p_lst[0], parts)

    def _fill(self, paragraph: Any, parts: Cell) -> None:
        for part in parts:
            bookmark = self._of_entity.get(part.ref) if isinstance(part, Link) else None
            holder = self._add(paragraph, "w:hyperlink", anchor=bookmark) if bookmark else paragraph
            holder.append(self._run(part.text if isinstance(part, Link) else part))

    def _run(self, text: str) -> Any:
        """Return a run of text."""
        run = self._oxml.OxmlElement("w:r")
        run.text = text
        return run

    def _add(self, parent: Any, tag: str, **attributes: str) -> Any:
        """Append an element with attributes to ``parent`` and return it."""
        element = self._oxml.OxmlElement(tag)
        for name, value in attributes.items():
            element.set(self._qn(f"w:{name}"), value)
        parent.append(element)
        return element

    # --- contents

    def _contents(self, parts: list[Section]) -> None:
        """The table of contents: a field whose entries lead to their sections. It has page numbers once Word
        has updated it (F9): only a layout knows them."""
        self.document.add_paragraph(say("kit.contents"), style="TOC Heading")
        entries = [
            (one, level) for part in parts for one, level in [(part, 0), *((s, 1) for s in part.sections)]
        ]
        added = [(self.document.add_paragraph(), one, level) for one, level in entries]
        if added:
            self._field_part(added[0][0]._p, "begin")
            self._add(self._add(added[0][0]._p, "w:r"), "w:instrText").text = f'TOC \\o "1-{_LEVELS}" \\h \\z'
            self._field_part(added[0][0]._p, "separate")
        for paragraph, section, level in added:
            paragraph.paragraph_format.left_indent, paragraph.paragraph_format.space_after = (
                _INDENT * level,
                0,
            )
            entry = self._add(paragraph._p, "w:hyperlink", anchor=self._bookmarks[id(section)])
            entry.append(self._run(section.title))
        if added:
            self._field_part(added[-1][0]._p, "end")

    def _field_part(self, paragraph: Any, kind: str) -> None:
        self._add(self._add(paragraph, "w:r"), "w:fldChar", fldCharType=kind)
