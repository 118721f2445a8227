"""The graph as a networkx object, for what networkx and its relatives can compute."""

from __future__ import annotations

from typing import Any

from kgnb.core.errors import optional_package
from kgnb.graph.model import Graph
from kgnb.render.export.ordering import edges, node_id, nodes, shown_name


def to_networkx(graph: Graph) -> Any:
    """Return a ``networkx.MultiDiGraph``: nodes ``label:key`` with ``label``, ``kind`` and the properties,
    edges keyed by their type.

    Raises ImportError that names the install command when networkx is missing.
    """
    made = optional_package("networkx").MultiDiGraph()
    for node in nodes(graph):
        made.add_node(node_id(node.ref), **{**node.properties, "label": shown_name(node), "kind": node.label})
    for edge in edges(graph):
        made.add_edge(node_id(edge.source), node_id(edge.target), key=edge.type, **edge.properties)
    return made
