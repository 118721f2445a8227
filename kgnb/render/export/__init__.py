"""Writes a novel's graph to a file: JSON, CSV, GraphML, Cypher, the interactive page or a still image of it,
or as the author's kit: Markdown, Word, an Obsidian vault, character cards. Blocks: use a thread.

Nodes and edges are in the order of their keys, so the same graph gives the same bytes. A file or a folder is
written under a temporary name and renamed when it is complete.
"""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from kgnb.core.errors import InputError
from kgnb.core.files import replacing
from kgnb.core.labels import language_of
from kgnb.core.messages import in_language
from kgnb.graph.book_history import BookHistory, book_history
from kgnb.graph.continuity import contradictions
from kgnb.graph.model import Graph
from kgnb.render.explorer import page
from kgnb.render.export.cards_format import to_card_files, to_cards
from kgnb.render.export.csv_format import to_csv, to_relations_csv
from kgnb.render.export.cypher_format import to_cypher
from kgnb.render.export.docx_format import python_docx, to_docx
from kgnb.render.export.graphml_format import to_graphml
from kgnb.render.export.json_format import Record, to_json
from kgnb.render.export.markdown_format import to_markdown
from kgnb.render.export.obsidian_format import to_vault
from kgnb.render.formats import FORMAT_OF_ENDING, FORMATS, format_of, is_folder
from kgnb.render.kit.document import Kit
from kgnb.render.kit.sections import build_kit
from kgnb.render.picture import static

__all__ = ["check_place", "to_csv", "to_cypher", "to_graphml", "to_json", "write", "write_whole"]


def write(
    graph: Graph,
    record: Record,
    path: str | Path,
    format: str,
    *,
    title: str = "",
    history: BookHistory | None = None,
    texts: Iterable[tuple[int, str]] = (),
    until: int | None = None,
) -> Path:
    """Write ``graph`` to ``path`` and return the path; an old file stays until the new one is complete, a
    folder must be new.

    ``format``: one of :data:`~kgnb.render.formats.FORMATS`, or an ending without its dot. ``history``, with
    its quotes, goes into the page and the kit, ``record`` into JSON; in ``texts``, (chapter number, text),
    the kit looks for contradictions. ``until``: the chapter where ``graph`` ends. Raises InputError for an
    unknown format or a path that can't be written.
    """
    target = Path(path).expanduser()
    one_table = target.suffix.lower() == ".csv"
    told = [(number, text) for number, text in texts if until is None or number <= until]

    def kit() -> Kit:
        found = contradictions(graph, told)
        return build_kit(graph, history or book_history(graph), found, title=title, until=until or 0)

    writers: dict[str, Callable[[IO[bytes]], object]] = {
        "json": lambda out: _as_text(out, lambda text: to_json(graph, record, text)),
        "csv": lambda out: (to_relations_csv if one_table else to_csv)(graph, out),
        "graphml": lambda out: _as_text(out, lambda text: to_graphml(graph, text)),
        "cypher": lambda out: _as_text(out, lambda text: to_cypher(graph, text)),
        "html": lambda out: _as_text(
            out, lambda text: text.write(page.html(graph, history or book_history(graph), title=title))
        ),
        "svg": lambda out: _as_text(out, lambda text: text.write(static.svg(graph, title=title))),
        "md": lambda out: _as_text(out, lambda text: to_markdown(kit(), text)),
        "docx": lambda out: to_docx(kit(), out),
        "cards": lambda out: out.write(json.dumps(to_cards(kit()), ensure_ascii=False, indent=1).encode()),
    }
    folders = {"obsidian": to_vault, "cards": to_card_files}
    if (known := FORMAT_OF_ENDING.get(f".{format}")) is None:
        raise InputError("exchange.unknown_format", format=format, known=", ".join((*FORMATS, "zip")))
    sample = told[0][1] if told else " ".join(key for _, key in graph.nodes)
    with in_language(
        language_of(sample) if known == "cards" else None
    ):  # a model that plays the book reads them
        if is_folder(target, known):
            return _write_folder(target, folders[known](kit()))
        return write_whole(target, writers[known])


def check_place(path: str | Path, format: str | None = None) -> None:
    """Raise InputError when :func:`write` could not write to ``path``; changes nothing."""
    place = Path(path).expanduser()
    known = format or format_of(place) or ""
    if known == "docx":
        python_docx()
    above = place.absolute().parent
    if folder := is_folder(place, known):
        _check_folder(place)
    if place.is_dir() and not folder:
        problem = errno.EISDIR
    elif not above.is_dir():  # a name with a slip makes no folder
        problem = errno.ENOTDIR if above.exists() else errno.ENOENT
    elif not os.access(above, os.W_OK | os.X_OK) and (folder or not os.access(place, os.W_OK)):
        problem = errno.EACCES
    else:
        return
    raise InputError("exchange.unwritable", path=place, reason=os.strerror(problem))


def write_whole(path: Path, fill: Callable[[IO[bytes]], object]) -> Path:
    """Write a file with what ``fill`` writes and return its path; the old file stays until then. Raises
    InputError.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():  # /dev/stdout and the like can't be replaced
            with path.open("wb") as out:
                fill(out)
            return path
        with replacing(path) as out:
            fill(out)
    except OSError as error:
        raise InputError("exchange.unwritable", path=path, reason=error.strerror or error) from None
    return path


def _check_folder(place: Path) -> None:
    """Raise InputError where something is already: it may have notes of the reader's own."""
    if place.exists() and not (place.is_dir() and not any(place.iterdir())):
        raise InputError("exchange.folder_taken", path=place)


def _write_folder(place: Path, files: Mapping[str, str]) -> Path:
    """Write a new folder with ``files`` (path within it → text) and return its path. Raises InputError for an
    existing one.
    """
    _check_folder(place)
    try:
        with TemporaryDirectory(dir=place.parent, prefix=".kgnb-") as draft:
            for name, text in files.items():
                path = Path(draft, "made", name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", errors="replace", newline="\n")
            Path(draft, "made").replace(place)
    except OSError as error:
        raise InputError("exchange.unwritable", path=place, reason=error.strerror or error) from None
    return place


def _as_text(out: IO[bytes], fill: Callable[[IO[str]], object]) -> None:
    text = io.TextIOWrapper(out, encoding="utf-8", errors="replace", newline="\n")
    fill(text)
    text.flush()
    text.detach()
