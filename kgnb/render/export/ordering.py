"""Order, ids, names and types of a graph's rows, the same in all formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kgnb.graph.model import Graph, GraphEdge, GraphNode, NodeKey, Value

_TYPES = {bool: "boolean", int: "long", float: "double"}


def node_id(ref: NodeKey) -> str:
    """Return the node's id in every format, ``label:key``: ("Character", "Ann") gives "Character:Ann"."""
    return f"{ref[0]}:{ref[1]}"


def nodes(graph: Graph) -> list[GraphNode]:
    """Return the graph's nodes sorted by (label, key), as all formats list them."""
    return [graph.nodes[ref] for ref in sorted(graph.nodes)]


def edges(graph: Graph) -> list[GraphEdge]:
    """Return the graph's edges sorted by (source, type, target), as all formats list them."""
    return [graph.edges[ref] for ref in sorted(graph.edges)]


def shown_name(node: GraphNode) -> str:
    """Return the node's name, else its title, else its key."""
    return node.text("name") or node.text("title") or node.key


def property_types(items: Iterable[Mapping[str, Value]]) -> dict[str, str]:
    """Return property → type over all items: boolean, long, double or string, with "[]" for a list.

    Values of different types give string (long and double give double).
    """
    found: dict[str, set[str]] = {}
    for properties in items:
        for key, value in properties.items():
            found.setdefault(key, set()).add(_type(value))
    return {key: _common_type(found[key]) for key in sorted(found)}


def _type(value: Value) -> str:
    """Return the type of a value: boolean, long, double or string, with "[]" for a list."""
    if isinstance(value, (list, tuple)):
        return _common_type({_TYPES.get(type(v), "string") for v in value} or {""}) + "[]"
    return _TYPES.get(type(value), "string")


def _common_type(types: set[str]) -> str:
    """Return the type of a column with values of these types; "[]" (an empty list) fits any list type."""
    if len(types) > 1:
        types = types - {"[]"}
    if types == {"long", "double"}:
        return "double"
    if len(types) == 1 and types != {"[]"}:
        return next(iter(types))
    return "string[]" if all(t.endswith("[]") for t in types) else "string"
