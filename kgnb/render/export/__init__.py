"""Writes a novel's graph to a file: JSON, CSV, GraphML, Cypher, the interactive page or a still image of it.
Blocks: use a thread.

Nodes and edges are in the order of their keys, so the same graph gives the same bytes. A file is written
under a temporary name and renamed when it is complete.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from kgnb.core.errors import InputError
from kgnb.core.files import replacing
from kgnb.graph.book_history import BookHistory, book_history
from kgnb.graph.model import Graph
from kgnb.render.explorer import page
from kgnb.render.export.csv_format import to_csv, to_relations_csv
from kgnb.render.export.cypher_format import to_cypher
from kgnb.render.export.graphml_format import to_graphml
from kgnb.render.export.json_format import Record, to_json
from kgnb.render.formats import FORMAT_OF_ENDING, FORMATS, format_of
from kgnb.render.picture import static

__all__ = ["check_place", "to_csv", "to_cypher", "to_graphml", "to_json", "write"]


def write(
    graph: Graph,
    record: Record,
    path: str | Path,
    format: str,
    *,
    title: str = "",
    history: BookHistory | None = None,
) -> Path:
    """Write ``graph`` to ``path``; an old file stays until the new one is complete.

    ``format``: one of :data:`~kgnb.render.formats.FORMATS`, or an ending without its dot. ``history``, with
    its quotes, goes into the page only, ``record`` into JSON. Raises InputError for an unknown format or a
    path that can't be written.
    """
    one_table = Path(path).suffix.lower() == ".csv"
    writers: dict[str, Callable[[IO[bytes]], object]] = {
        "json": lambda out: _as_text(out, lambda text: to_json(graph, record, text)),
        "csv": lambda out: (to_relations_csv if one_table else to_csv)(graph, out),
        "graphml": lambda out: _as_text(out, lambda text: to_graphml(graph, text)),
        "cypher": lambda out: _as_text(out, lambda text: to_cypher(graph, text)),
        "html": lambda out: _as_text(
            out, lambda text: text.write(page.html(graph, history or book_history(graph), title=title))
        ),
        "svg": lambda out: _as_text(out, lambda text: text.write(static.svg(graph, title=title))),
        "png": lambda out: out.write(static.png(graph, title=title)),
    }
    if (known := FORMAT_OF_ENDING.get(f".{format}")) is None:
        raise InputError("exchange.unknown_format", format=format, known=", ".join((*FORMATS, "zip")))
    return _write_whole(Path(path).expanduser(), writers[known])


def check_place(path: str | Path) -> None:
    """Raise InputError when :func:`write` could not write to ``path``; changes nothing."""
    place = Path(path).expanduser()
    if format_of(place) == "png":
        static.pillow()
    above = next(p for p in place.absolute().parents if p.exists())
    if place.is_dir():
        problem = errno.EISDIR
    elif not above.is_dir():
        problem = errno.ENOTDIR
    elif not os.access(above, os.W_OK | os.X_OK) and not os.access(place, os.W_OK):
        problem = errno.EACCES
    else:
        return
    raise InputError("exchange.unwritable", path=place, reason=os.strerror(problem))


def _write_whole(path: Path, fill: Callable[[IO[bytes]], object]) -> Path:
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():  # /dev/stdout and the like can't be replaced
            with path.open("wb") as out:
                fill(out)
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as out:
            fill(out)
    except OSError as error:
        raise InputError("exchange.unwritable", path=path, reason=error.strerror or error) from None
    return path


def _as_text(out: IO[bytes], fill: Callable[[IO[str]], object]) -> None:
    text = io.TextIOWrapper(out, encoding="utf-8", errors="replace", newline="\n")
    fill(text)
    text.flush()
    text.detach()
