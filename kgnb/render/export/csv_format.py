"""CSV: all tables in a .zip, for Neo4j's bulk import; or one of the relations, for a spreadsheet."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import IO

from kgnb.graph.model import Graph, Value
from kgnb.render.export.ordering import edges, node_id, nodes, property_types
from kgnb.render.picture.scene import printable

SEPARATOR = "|"
"""Separates the items of a list (``--array-delimiter``); within an item it becomes ``¦``."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_Row = tuple[tuple[str, ...], dict[str, Value]]


def to_csv(graph: Graph, out: IO[bytes]) -> None:
    """Write a .zip with ``nodes_<label>.csv`` for each label, edges.csv, and the command that imports them.

    Headings are those of ``neo4j-admin database import``: ``:ID``, ``:LABEL``, ``:START_ID``, ``:END_ID``,
    ``:TYPE``, and ``name:type`` for a property. UTF-8 with a byte order mark, which Excel needs for Chinese;
    a text that a spreadsheet would take for a formula is prefixed with ``'``.
    """
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        names = []
        for label, group in groupby(nodes(graph), key=lambda n: n.label):
            names.append(f"nodes_{label}.csv")
            rows = [((node_id(n.ref), n.label), n.properties) for n in group]
            _table(archive, names[-1], (":ID", ":LABEL"), rows)
        ties = [((node_id(e.source), node_id(e.target), e.type), e.properties) for e in edges(graph)]
        _table(archive, "edges.csv", (":START_ID", ":END_ID", ":TYPE"), ties)
        archive.writestr(file_info("import.txt"), _command(names))


def to_relations_csv(graph: Graph, out: IO[bytes]) -> None:
    """Write the relations between characters as one table, with their names; cells as in :func:`to_csv`."""
    people = {n.ref: n.text("name") for n in nodes(graph) if n.label == "Character"}
    ties = [e for e in edges(graph) if e.source in people and e.target in people]
    rows = [((people[e.source], e.type, people[e.target]), e.properties) for e in ties]
    _fill(out, ("source", "type", "target"), rows)


def _command(tables: Iterable[str]) -> str:
    """Return the shell command that imports the tables into Neo4j."""
    lines = [f"--nodes={name}" for name in tables]
    lines += ["--relationships=edges.csv", f"--array-delimiter='{SEPARATOR}'", "--multiline-fields=true"]
    return " \\\n  ".join(["neo4j-admin database import full neo4j", *lines]) + "\n"


def file_info(name: str) -> zipfile.ZipInfo:
    """Return the entry of a file in a zip archive, compressed and with a fixed time (1980-01-01), so that
    equal graphs give equal archives.
    """
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # a fixed time: the same graph gives the same bytes
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _table(archive: zipfile.ZipFile, name: str, fixed: tuple[str, ...], rows: Sequence[_Row]) -> None:
    with archive.open(file_info(name), "w", force_zip64=True) as raw:
        _fill(raw, fixed, rows)


def _fill(raw: IO[bytes], fixed: tuple[str, ...], rows: Sequence[_Row]) -> None:
    types = property_types(properties for _, properties in rows)
    columns = {key: types[key] for key in sorted(types, key=lambda k: (k != "name", k))}
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")
    table = csv.writer(text)
    table.writerow([*fixed, *(_cell(f"{key.replace(':', '_')}:{kind}") for key, kind in columns.items())])
    for own, properties in rows:
        table.writerow([*map(_cell, own), *(_cell(properties.get(c, "")) for c in columns)])
    text.flush()
    text.detach()


def _cell(value: object) -> object:
    """Return a value as a CSV cell: lists joined, and a quote before a text that a spreadsheet
    would compute.
    """
    if isinstance(value, (list, tuple)):
        value = SEPARATOR.join(str(v).replace(SEPARATOR, "¦") for v in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
