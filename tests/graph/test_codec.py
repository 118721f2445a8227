"""The stored form of a graph."""

from __future__ import annotations

import random
import zlib

import pytest

from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.graph.project import codec


def test_a_graph_comes_back_equal() -> None:
    graph = Graph(dropped={"子虚": frozenset({7, 8})})
    for label, key in (("Novel", "1"), ("Character", "a\u2028“b”\\"), ("Character", ""), ("Chapter", "7")):
        graph.nodes[label, key] = GraphNode(label, key, {"confidence": 1.0, "count": 1, "task_id": [7]})
    graph.nodes["Chapter", "7"].properties = {}
    shared = {"chapters": [1, 2], "unverified": True, "evidence": "“𠮷” 🙂\n\0", "confidence": 0.1 + 0.2}
    keys = list(graph.nodes)
    for kind in ("KNOWS", "OWES_9"):
        for source in keys:
            for target in keys:
                graph.edges[source, kind, target] = GraphEdge(source, kind, target, shared)
    back = codec.decode(codec.encode(graph))
    assert back == graph
    assert back.dropped == graph.dropped
    assert list(back.nodes) == list(graph.nodes)
    assert list(back.edges) == list(graph.edges)
    assert {type(v) for n in back.nodes.values() for v in n.properties.values()} == {float, int, list}
    assert codec.decode(codec.encode(Graph())) == Graph()


def test_other_bytes_are_no_graph() -> None:
    good = codec.encode(Graph({("Novel", "1"): GraphNode("Novel", "1", {"id": 1})}))
    texts = "", "[]", "{}", "[1,2,3,4,5]", "[[],[],[],[],[]", '[[],[],["a"],[],{}]', "[[],[[3]],[],[],{}]"
    draw = random.Random(1)
    bad = {b"", b"x", good[:-1], *(zlib.compress(text.encode()) for text in texts)}
    for _ in range(200):
        bad.add(bytes(draw.randrange(256) if draw.random() < 0.1 else byte for byte in good))
    for data in bad - {good}:
        with pytest.raises(ValueError):  # noqa: PT011 - of any kind
            codec.decode(data)
