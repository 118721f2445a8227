"""A graph as compact bytes and back: compressed JSON in which equal values stand once."""

from __future__ import annotations

import zlib
from typing import Any

from pydantic_core import from_json, to_json

from kgnb.core.process_tuning import no_collector
from kgnb.graph.model import Graph, GraphEdge, GraphNode, NodeKey, Properties

FORMAT = 1
"""Number of the form that :func:`encode` writes; raise it with any change of it."""
MAX_BYTES = 1 << 30
"""Bound on the decompressed size: the bytes may be anybody's."""

COMPRESSION = 6
"""zlib's level."""


def encode(graph: Graph) -> bytes:
    """Return the graph as compressed bytes for :func:`decode`. Each edge must end at nodes of the graph."""
    ends = {key: number for number, key in enumerate(graph.nodes)}
    kept: dict[int, tuple[int, Properties]] = {}  # by identity: edges share their properties

    def number(properties: Properties) -> int:
        return kept.setdefault(id(properties), (len(kept), properties))[0]

    nodes = [(node.label, node.key, number(node.properties)) for node in graph.nodes.values()]
    edges = [
        (ends[edge.source], edge.type, ends[edge.target], number(edge.properties))
        for edge in graph.edges.values()
    ]
    shapes: dict[tuple[str, ...], int] = {}  # keys of properties, which most nodes of a label have in common
    rows = [(shapes.setdefault(tuple(one), len(shapes)), *one.values()) for _, one in kept.values()]
    dropped = {name: sorted(tasks) for name, tasks in graph.dropped.items()}
    return zlib.compress(to_json([list(shapes), rows, nodes, edges, dropped]), COMPRESSION)


def decode(data: bytes) -> Graph:
    """Return the graph that :func:`encode` made ``data`` from. Raises ValueError for any other bytes."""
    try:
        with no_collector():
            shapes, rows, nodes, edges, dropped = from_json(_decompressed(data), cache_strings="keys")
            properties = [dict(zip(shapes[row[0]], row[1:], strict=True)) for row in rows]
            return _graph(properties, nodes, edges, dropped)
    except (zlib.error, TypeError, LookupError, AttributeError) as error:
        raise ValueError("not a graph") from error


def _decompressed(data: bytes) -> bytes:
    """Return the decompressed bytes. Raises ValueError for more than MAX_BYTES."""
    reader = zlib.decompressobj()
    found = reader.decompress(data, MAX_BYTES)
    if not reader.eof:
        raise ValueError("not a graph")
    return found


def _graph(properties: list[Properties], nodes: Any, edges: Any, dropped: Any) -> Graph:
    """Return the graph of decoded rows; ``nodes`` and ``edges`` refer to ``properties`` by position."""
    keys: list[NodeKey] = [(label, key) for label, key, _ in nodes]
    found = {
        key: GraphNode(*key, properties[number]) for key, (_, _, number) in zip(keys, nodes, strict=True)
    }
    tied = {}
    for source, type_, target, number in edges:
        one = GraphEdge(keys[source], type_, keys[target], properties[number])
        tied[one.source, type_, one.target] = one
    return Graph(found, tied, {name: frozenset(tasks) for name, tasks in dropped.items()})
