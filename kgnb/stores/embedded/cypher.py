"""Cypher without a graph database: a book's graph in an engine of this process, which keeps nothing on disk.

The engine is kglite (extra ``cypher``). Of Neo4j's dialect it differs in little: every node has an ``id`` and
a ``type``, and a node without a ``name`` or a ``title`` has the other one as such.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import chain
from typing import Any

from kgnb.core.errors import InputError
from kgnb.graph.model import KEYS, Graph, key_value
from kgnb.stores.graph.read_only import check_reads_only

SECONDS = 120.0
"""Most time for one question."""


class CypherEngine:
    """Answers questions about one graph; filling it takes a tenth of a second for 10,000 edges."""

    def __init__(self, graph: Graph) -> None:
        """Raises InputError that names the install command without the package."""
        try:
            import kglite
        except ImportError:
            raise InputError("graph.no_engine") from None
        self._failures: type[Exception] = kglite.KgError
        self._properties: defaultdict[str, set[str]] = defaultdict(set)  # of each label
        for node in graph.nodes.values():
            self._properties[node.label].update(node.properties)
        filled = kglite.KnowledgeGraph()
        _fill(filled, graph)
        self._reader = filled.freeze()

    def query(self, text: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return a dict, column → value, for each row of a Cypher statement, as the neo4j driver's
        ``Record.data()``; [] for no rows. Blocks.

        Raises InputError for a statement that writes, reads files, is invalid or takes longer than
        :data:`SECONDS`.
        """
        check_reads_only(text)
        try:
            rows = self._reader.cypher(
                text, params=dict(parameters), timeout_ms=int(SECONDS * 1_000)
            ).to_list()
        except self._failures as error:
            raise InputError("graph.question", reason=error) from error
        return [{name: self._plain(value) for name, value in row.items()} for row in rows]

    def _plain(self, value: Any) -> Any:
        """Return a value in the form of the neo4j driver: nodes as their properties, relationships and paths
        as lists.
        """
        match value:
            case list():
                return [self._plain(one) for one in value]
            case {"labels": [str(label), *_], "properties": dict(properties), "id": _}:
                return {name: one for name, one in properties.items() if name in self._properties[label]}
            case {"type": str(kind), "properties": dict(), "start": _, "end": _}:
                return [{}, kind, {}]
            case {"nodes": [first, *others], "relationships": list(edges)}:
                steps = zip((edge["type"] for edge in edges), map(self._plain, others), strict=True)
                return [self._plain(first), *chain.from_iterable(steps)]
            case dict():
                return {name: self._plain(one) for name, one in value.items()}
        return value


def _fill(engine: Any, graph: Graph) -> None:
    nodes: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for node in graph.nodes.values():
        nodes[node.label].append(node.properties)
    for label, rows in nodes.items():
        engine.cypher(f"UNWIND $rows AS row CREATE (n:{label}) SET n = row", params={"rows": rows})
        engine.create_index(label, KEYS[label][0])
    edges: defaultdict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for edge in graph.edges.values():
        row = {"a": key_value(*edge.source), "b": key_value(*edge.target), "properties": edge.properties}
        edges[edge.source[0], edge.type, edge.target[0]].append(row)
    for (source, kind, target), rows in edges.items():
        engine.cypher(
            f"UNWIND $rows AS row MATCH (a:{source} {{{KEYS[source][0]}: row.a}}) "
            f"MATCH (b:{target} {{{KEYS[target][0]}: row.b}}) CREATE (a)-[e:{kind}]->(b) "
            "SET e = row.properties",
            params={"rows": rows},
        )
