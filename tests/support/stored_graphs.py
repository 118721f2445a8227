"""A novel's graph as a graph database holds it."""

from __future__ import annotations

from kgnb.graph.model import KEYS, LABELS, RELATION_TYPE, Graph, GraphEdge, GraphNode
from kgnb.stores.graph import cypher
from kgnb.stores.graph.store import GraphStore

TIMES = ("created_at", "updated_at")


async def stored_graph(store: GraphStore, novel_id: int) -> Graph:
    """The nodes and edges that kgnb wrote, with the times of writing as ISO 8601 texts."""
    graph, asked = Graph(), {"novel": novel_id}
    for label in LABELS:
        of_novel = "id" if label == "Novel" else "novel_id"
        known = {*KEYS[label], *cypher.NODE_PROPERTIES[label], *TIMES}
        query = f"MATCH (n:{label} {{{of_novel}: $novel}}) RETURN properties(n) AS p"
        for row in await store.query(query, asked):
            properties = {name: value for name, value in row["p"].items() if name in known}
            node = GraphNode(label, str(properties[KEYS[label][0]]), properties)
            graph.nodes[node.ref] = node
    query = (
        "MATCH (a)-[e]->(b) WHERE e.novel_id = $novel "
        "RETURN labels(a) AS al, properties(a) AS a, type(e) AS t, properties(e) AS p, labels(b) AS bl, "
        "properties(b) AS b"
    )
    for row in await store.query(query, asked):
        ends = []
        for labels, properties in ((row["al"], row["a"]), (row["bl"], row["b"])):
            label = next((known for known in labels if known in KEYS), None)
            ends.append(label and (label, str(properties[KEYS[label][0]])))
        source, target = ends
        if source and target and source[0] in cypher.SOURCES and RELATION_TYPE.fullmatch(row["t"]):
            edge = GraphEdge(source, row["t"], target, row["p"])
            graph.edges[source, row["t"], target] = edge
    return graph
