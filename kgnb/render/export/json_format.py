"""JSON: the graph and the record it is projected from, for other programs; kgnb doesn't read it back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import IO, Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.render.export.ordering import edges, node_id, nodes, shown_name

Record = Mapping[str, Any]
"""``{"novel", "chapters", "tasks", "extractions", "names", …}``: rows as dicts, dataclasses or models."""


def to_json(graph: Graph, record: Record, out: IO[str]) -> None:
    """Write ``{"nodes": […], "edges": […], "record": {…}}`` row by row."""
    out.write('{"nodes": [')
    _rows(out, map(_json_node, nodes(graph)))
    out.write('],\n"edges": [')
    _rows(out, map(_json_edge, edges(graph)))
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
    """Return a value as JSON text; numbers that aren't finite become null."""
    return json.dumps(to_jsonable_python(value, inf_nan_mode="null"), ensure_ascii=False)


def _json_node(node: GraphNode) -> dict[str, object]:
    """Return a node as a JSON object: id, label, name, properties."""
    names = {"id": node_id(node.ref), "label": node.label, "name": shown_name(node)}
    return {**names, "properties": node.properties}


def _json_edge(edge: GraphEdge) -> dict[str, object]:
    """Return an edge as a JSON object: source, target, type, properties."""
    ends = {"source": node_id(edge.source), "target": node_id(edge.target)}
    return {**ends, "type": edge.type, "properties": edge.properties}
