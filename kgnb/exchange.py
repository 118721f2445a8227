"""A novel's graph → a file: JSON, CSV, GraphML or the interactive page. Blocking: call it in a thread.

The order of nodes and edges is by key, so the same graph gives the same bytes. A file is written beside its
place and moved there when it is whole.
"""

from __future__ import annotations

import csv
import dataclasses
import errno
import io
import json
import os
import secrets
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

from pydantic import BaseModel, SecretStr

from kgnb import picture
from kgnb.errors import InputError
from kgnb.figure import printable
from kgnb.model import Graph, GraphEdge, GraphNode, NodeKey, Value
from kgnb.texts import Language

__all__ = ["FORMATS", "check_place", "to_csv", "to_graphml", "to_html", "to_json", "write"]

FORMATS = ("json", "csv", "graphml", "html")
"""What :func:`write` knows. ``csv`` is a .zip that holds nodes.csv and edges.csv."""

Record = Mapping[str, Any]
"""``{"novel", "chapters", "tasks", "extractions", "names"}``: rows as dicts, dataclasses or models."""


def write(
    graph: Graph,
    record: Record,
    path: str | Path,
    format: str,
    *,
    title: str = "",
    lang: Language = "zh",
) -> Path:
    """Writes ``graph`` to ``path`` in one of :data:`FORMATS`; what was there stays until the file is whole.

    ``record`` goes into JSON only. Raises InputError for an unknown format or a place that can't be written.
    """
    writers: dict[str, Callable[[IO[bytes]], None]] = {
        "json": lambda out: _as_text(out, lambda text: to_json(graph, record, text)),
        "csv": lambda out: to_csv(graph, out),
        "graphml": lambda out: _as_text(out, lambda text: to_graphml(graph, text)),
        "html": lambda out: _as_text(out, lambda text: to_html(graph, text, title=title, lang=lang)),
    }
    if format not in writers:
        raise InputError("exchange.unknown_format", format=format, known=", ".join(FORMATS))
    return _whole(Path(path).expanduser(), writers[format])


def check_place(path: str | Path) -> None:
    """Raises InputError when :func:`write` could never write to ``path``; leaves everything as it is."""
    place = Path(path).expanduser()
    above = next(p for p in place.absolute().parents if p.exists())
    problem = 0
    if place.is_dir():
        problem = errno.EISDIR
    elif not above.is_dir():
        problem = errno.ENOTDIR
    elif not os.access(above, os.W_OK | os.X_OK) and not os.access(place, os.W_OK):
        problem = errno.EACCES
    if problem:
        raise InputError("exchange.unwritable", path=place, reason=os.strerror(problem))


def _whole(path: Path, fill: Callable[[IO[bytes]], None]) -> Path:
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():  # /dev/stdout and the like can't be replaced
            with path.open("wb") as out:
                fill(out)
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, fill)
    except OSError as error:
        raise InputError("exchange.unwritable", path=path, reason=error.strerror or error) from None
    return path


def _replace(path: Path, fill: Callable[[IO[bytes]], None]) -> None:
    beside = path.with_name(f".{path.name[:40]}-{secrets.token_hex(6)}.part")
    try:
        with beside.open("xb") as out:
            fill(out)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _as_text(out: IO[bytes], fill: Callable[[IO[str]], None]) -> None:
    text = io.TextIOWrapper(out, encoding="utf-8", errors="replace", newline="\n", write_through=False)
    fill(text)
    text.flush()
    text.detach()


def node_id(ref: NodeKey) -> str:
    """A node's id in every format: ``label:key``."""
    return f"{ref[0]}:{ref[1]}"


def _nodes(graph: Graph) -> list[GraphNode]:
    return [graph.nodes[ref] for ref in sorted(graph.nodes)]


def _edges(graph: Graph) -> list[GraphEdge]:
    return [graph.edges[ref] for ref in sorted(graph.edges)]


def _name(node: GraphNode) -> str:
    return str(node.properties.get("name") or node.properties.get("title") or node.key)


# --- JSON ---------------------------------------------------------------------------------------------------


def to_json(graph: Graph, record: Record, out: IO[str]) -> None:
    """``{"nodes": […], "edges": […], "record": {…}}``, written row by row."""
    out.write('{"nodes": [')
    _rows(out, (_json_node(node) for node in _nodes(graph)))
    out.write('],\n"edges": [')
    _rows(out, (_json_edge(edge) for edge in _edges(graph)))
    out.write('],\n"record": {')
    for index, (part, value) in enumerate(record.items()):
        out.write(",\n" if index else "\n")
        out.write(f"{json.dumps(part, ensure_ascii=False)}: ")
        if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping, BaseModel)):
            out.write("[")
            _rows(out, value)
            out.write("]")
        else:
            out.write(_dump(value))
    out.write("}}\n")


def _rows(out: IO[str], rows: Iterable[Any]) -> None:
    for index, row in enumerate(rows):
        out.write(",\n" if index else "\n")
        out.write(_dump(row))


def _dump(value: object) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, default=_plain, allow_nan=False)


def _plain(value: Any) -> Any:
    """Rows and nouns as JSON values; a secret never leaves, whatever row it sits in."""
    if isinstance(value, SecretStr):
        return ""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(v) for v in value)
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return None
    return value


def _json_node(node: GraphNode) -> dict[str, object]:
    return {"id": node_id(node.ref), "label": node.label, "name": _name(node), "properties": node.properties}


def _json_edge(edge: GraphEdge) -> dict[str, object]:
    ends = {"source": node_id(edge.source), "target": node_id(edge.target)}
    return {**ends, "type": edge.type, "properties": edge.properties}


# --- CSV ----------------------------------------------------------------------------------------------------


def to_csv(graph: Graph, out: IO[bytes]) -> None:
    """A .zip with nodes.csv and edges.csv: UTF-8 with a mark, so that Excel reads Chinese right.

    A text cell that a spreadsheet would take for a formula gets a ``'`` before it.
    """
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        nodes = ((node_id(n.ref), n.label, _name(n), n.properties) for n in _nodes(graph))
        _csv_file(
            archive, "nodes.csv", ("id", "label", "name"), nodes, _columns(graph.nodes.values(), {"name"})
        )
        edges = ((node_id(e.source), node_id(e.target), e.type, e.properties) for e in _edges(graph))
        _csv_file(archive, "edges.csv", ("source", "target", "type"), edges, _columns(graph.edges.values()))


def _columns(items: Iterable[GraphNode | GraphEdge], without: Iterable[str] = ()) -> list[str]:
    return sorted({key for item in items for key in item.properties} - set(without))


def _csv_file(
    archive: zipfile.ZipFile,
    name: str,
    fixed: tuple[str, ...],
    rows: Iterator[tuple[str, str, str, dict[str, Value]]],
    columns: list[str],
) -> None:
    # A property named like a fixed column gets a heading of its own.
    heads = [f"{column}_" if column in fixed else column for column in columns]
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # no clock in it: the same graph, the same bytes
    info.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(info, "w", force_zip64=True) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")
        table = csv.writer(text)
        table.writerow([*fixed, *map(_cell, heads)])
        for *ends, properties in rows:
            table.writerow([*map(_cell, ends), *(_cell(properties.get(c, "")) for c in columns)])
        text.flush()
        text.detach()


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def _cell(value: object) -> object:
    if isinstance(value, (list, tuple)):
        value = "|".join(str(v) for v in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


# --- GraphML ------------------------------------------------------------------------------------------------

_XML_TYPES = {bool: "boolean", int: "long", float: "double"}


def to_graphml(graph: Graph, out: IO[str]) -> None:
    """GraphML with typed keys, as networkx and Gephi read it; lists are joined with ``|``."""
    nodes, edges = _nodes(graph), _edges(graph)
    node_keys, edge_keys = _types(nodes), _types(edges)
    out.write(
        '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    )
    heads = [("node", "label", "string"), ("node", "kind", "string"), ("edge", "type", "string")]
    heads += [("node", f"p.{k}", t) for k, t in node_keys.items()]
    heads += [("edge", f"p.{k}", t) for k, t in edge_keys.items()]
    ids = {(owner, name): f"d{i}" for i, (owner, name, _) in enumerate(heads)}
    for owner, name, kind in heads:
        attribute = quoteattr(_head(name, owner))
        out.write(f'<key id="{ids[owner, name]}" for="{owner}" attr.name={attribute} attr.type="{kind}"/>\n')
    out.write('<graph edgedefault="directed">\n')
    for node in nodes:
        out.write(f"<node id={_attribute(node_id(node.ref))}>")
        out.write(_data(ids["node", "label"], _name(node)) + _data(ids["node", "kind"], node.label))
        out.write("".join(_data(ids["node", f"p.{k}"], v) for k, v in sorted(node.properties.items())))
        out.write("</node>\n")
    for number, edge in enumerate(edges):
        ends = f"source={_attribute(node_id(edge.source))} target={_attribute(node_id(edge.target))}"
        out.write(f'<edge id="e{number}" {ends}>')
        out.write(_data(ids["edge", "type"], edge.type))
        out.write("".join(_data(ids["edge", f"p.{k}"], v) for k, v in sorted(edge.properties.items())))
        out.write("</edge>\n")
    out.write("</graph>\n</graphml>\n")


def _head(name: str, owner: str) -> str:
    """The attribute's name: the property's own, unless one of the fixed columns has it."""
    own = printable(name.removeprefix("p."))
    taken = ("label", "kind", "id") if owner == "node" else ("type", "id")
    return f"{own}_" if name.startswith("p.") and own in taken else own


def _types(items: Iterable[GraphNode | GraphEdge]) -> dict[str, str]:
    """The GraphML type of each property: the one that all its values have, else string."""
    found: dict[str, set[str]] = {}
    for item in items:
        for key, value in item.properties.items():
            found.setdefault(key, set()).add(_XML_TYPES.get(type(value), "string"))
    joint = {k: "double" if t == {"long", "double"} else "string" for k, t in found.items()}
    return {k: next(iter(t)) if len(t) == 1 else joint[k] for k, t in sorted(found.items())}


def _attribute(text: str) -> str:
    return quoteattr(printable(text))


def _data(key: str, value: object) -> str:
    if isinstance(value, (list, tuple)):
        value = "|".join(str(v) for v in value)
    if isinstance(value, bool):
        value = "true" if value else "false"
    return f'<data key="{key}">{escape(printable("" if value is None else value))}</data>'


# --- the page -----------------------------------------------------------------------------------------------


def to_html(graph: Graph, out: IO[str], *, title: str, lang: Language = "zh") -> None:
    """The interactive picture, one file that needs no network."""
    out.write(picture.html(graph, title=title, lang=lang))
