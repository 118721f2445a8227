"""Order, ids and names of a graph's rows, the same in all formats."""

from __future__ import annotations

from kgnb.graph.model import Graph, GraphEdge, GraphNode, NodeKey


def node_id(ref: NodeKey) -> str:
    """A node's id in every format: ``label:key``."""
    return f"{ref[0]}:{ref[1]}"


def nodes(graph: Graph) -> list[GraphNode]:
    """A graph's nodes in the order of every format."""
    return [graph.nodes[ref] for ref in sorted(graph.nodes)]


def edges(graph: Graph) -> list[GraphEdge]:
    """A graph's edges in the order of every format."""
    return [graph.edges[ref] for ref in sorted(graph.edges)]


def shown_name(node: GraphNode) -> str:
    """The node's name or title."""
    return str(node.properties.get("name") or node.properties.get("title") or node.key)
