"""A Cypher script that ``cypher-shell`` or Neo4j's browser runs to copy the graph into another database.

Values are literals without invisible characters. Labels come from the wire contract; a relationship type or
property name that is no plain word is left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import IO, TypeVar

from kgnb.graph import model
from kgnb.graph.model import Graph, GraphEdge, GraphNode, NodeKey, Value
from kgnb.render.export.ordering import edges, nodes

BATCH = 200
"""Rows per statement: a parser keeps a whole statement in memory."""

T = TypeVar("T")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")


def to_cypher(graph: Graph, out: IO[str]) -> None:
    """Write constraints, nodes, edges; running the script twice changes nothing more."""
    present = dict.fromkeys(node.label for node in nodes(graph))
    for label in present:
        keys = ", ".join(f"n.{key}" for key in model.KEYS[label])
        out.write(
            f"CREATE CONSTRAINT kgnb_{label.lower()} IF NOT EXISTS FOR (n:{label}) "
            f"REQUIRE ({keys}) IS UNIQUE;\n"
        )
    for label, group in groupby(nodes(graph), key=lambda n: n.label):
        for page in _batches(group):
            out.write(_merge_nodes(label, page))
    ordered = sorted(edges(graph), key=lambda e: (e.type, e.source[0], e.target[0]))
    novel = next((n.properties["novel_id"] for n in graph.nodes.values() if "novel_id" in n.properties), 0)
    for (type_, source, target), ties in groupby(ordered, key=lambda e: (e.type, e.source[0], e.target[0])):
        if model.RELATION_TYPE.fullmatch(type_):
            for some in _batches(ties):
                out.write(_merge_edges(type_, source, target, some, novel))


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield the items in lists of at most BATCH."""
    source = iter(items)
    while page := list(islice(source, BATCH)):
        yield page


def _merge_nodes(label: str, page: Sequence[GraphNode]) -> str:
    """Return the statement that writes a page of nodes of one label."""
    rows = ",\n".join(f"  [{_key(n.ref)}, {_map(n.properties)}]" for n in page)
    return f"UNWIND [\n{rows}\n] AS row\nMERGE (n:{label} {_match(label, 'row[0]')}) SET n += row[1];\n"


def _merge_edges(type_: str, source: str, target: str, page: Sequence[GraphEdge], novel: Value) -> str:
    """Return the statement that writes a page of edges of one type between two labels."""
    rows = ",\n".join(f"  [{_key(e.source)}, {_key(e.target)}, {_map(e.properties)}]" for e in page)
    a = f"(a:{source} {_match(source, 'row[0]', novel)})"
    b = f"(b:{target} {_match(target, 'row[1]', novel)})"
    merge = f"MERGE (a)-[r:{type_}]->(b) SET r += row[2];\n"
    return f"UNWIND [\n{rows}\n] AS row\nMATCH {a}, {b}\n{merge}"


def _match(label: str, key: str, novel: Value | None = None) -> str:
    """The key as a property pattern; named labels also match the novel, the row's own or ``novel``."""
    if label not in model.NAMED_LABELS:
        return f"{{id: {key}}}"
    return f"{{name: {key}, novel_id: {'row[1].novel_id' if novel is None else literal(novel)}}}"


def _key(ref: NodeKey) -> str:
    """Return a node's key as a Cypher literal."""
    return literal(model.key_value(*ref))


def _map(properties: dict[str, Value]) -> str:
    """Return the properties as a Cypher map, sorted by name."""
    pairs = (f"{k}: {literal(v)}" for k, v in sorted(properties.items()) if _WORD.fullmatch(k))
    return "{" + ", ".join(pairs) + "}"


def literal(value: Value | None) -> str:
    """Return a value as a Cypher literal: None → null, True → true, "a'b" → 'a\\'b', ["a", 1] → ['a', 1]; a
    float that isn't finite → null.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else "null"
    if isinstance(value, str):
        escaped = (_ESCAPES.get(c, c if c.isprintable() else "") for c in value)
        return f"'{''.join(escaped)}'"
    return f"[{', '.join(map(literal, value))}]"


_ESCAPES = {"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
