"""Compares the stored graph with the wanted one, record by record as they are read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache, lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar, cast

from neo4j.time import Date, DateTime, Time

from kgnb.graph.model import KEYS, RELATION_TYPE, EdgeKey, Graph, GraphEdge, GraphNode, NodeKey, key_value
from kgnb.stores.graph import cypher

K = TypeVar("K", NodeKey, EdgeKey)

_EDGE_HEAD = 4  # read_edges: type, target labels, target id, target name
_TASKS = _EDGE_HEAD + cypher.EDGE_COLUMNS.index("task_id")


class GraphDiff:
    """Compares every stored node and edge once, then yields what to remove and what to write.

    An edge that is stored twice counts as wrong: both are removed and one is written again. What carries a
    task of ``foreign`` (an old worker's, for which there are no rows) stays, with that task's id alone unless
    it is wanted too.
    """

    def __init__(self, graph: Graph, foreign: Collection[int]) -> None:
        self._graph = graph
        self._foreign = frozenset(foreign)
        # Not yet found as they are wanted. Of a whole book: the graph's own keys, none that was read.
        self._wrong = set(graph.nodes)
        self._wrong_edges = set(graph.edges)
        self._stale: dict[str, list[cypher.Row]] = defaultdict(list)
        self._stale_edges: dict[EdgeKey, None] = {}
        self._kept: dict[str, list[cypher.Row]] = defaultdict(list)  # of other tasks' only; ids to be left
        self._kept_edges: dict[EdgeKey, list[int]] = {}

    def compare_node(self, label: str, record: list[Any]) -> None:
        """Compare a record of :func:`kgnb.stores.graph.cypher.read_nodes`."""
        key = (label, str(record[0]))
        wanted = self._graph.nodes.get(key)
        tasks = record[1 + cypher.NODE_PROPERTIES[label].index("task_id")]
        others = self._others(tasks)
        if wanted is None:
            if not others:
                self._stale[label].append([record[0]])
            elif others != set(tasks):
                self._kept[label].append([record[0], sorted(others)])
            return
        _keep(wanted, others)
        if cypher.node_row(wanted) == record:
            self._wrong.discard(key)

    def compare_edge(self, source: NodeKey, record: list[Any]) -> None:
        """Compare an edge of :func:`kgnb.stores.graph.cypher.read_edges`."""
        key = edge_key(source, record)
        if key is None:
            return
        wanted = self._graph.edges.get(key)
        others = self._others(record[_TASKS])
        if wanted is None:
            if not others:
                self._stale_edges[key] = None
            elif others != set(record[_TASKS]):
                self._kept_edges[key] = sorted(others)
            return
        _keep(wanted, others)
        if key not in self._wrong_edges:  # found right before
            self._wrong_edges.add(wanted.ref)
            self._stale_edges[key] = None
        elif key not in self._stale_edges and tuple(cypher.edge_row(wanted)[2:]) == _columns(key[1])(record):
            self._wrong_edges.discard(key)

    def _others(self, task_ids: Any) -> frozenset[int]:
        """Return those of the tasks that belong to other programs."""
        return self._foreign.intersection(task_ids) if self._foreign and task_ids else frozenset()

    def stages(self) -> Iterator[Iterator[cypher.Statement]]:
        """Yield the statements to execute, stage after stage; within a stage the order is free. A stage may
        be empty.

        Edges are deleted before their ends, the Novel, which has the fence, last; nodes are written before
        their edges.
        """
        yield self._edge_removals()
        yield self._node_removals(label for label in KEYS if label != "Novel")
        yield self._node_removals(["Novel"])
        yield self._node_upserts()
        yield self._edge_upserts()

    def _edge_removals(self) -> Iterator[cypher.Statement]:
        """Yield a statement for each kind of edges to remove."""
        for kind, edges in grouped(self._stale_edges, _kind):
            yield cypher.remove_edges(kind, [_ends(edge) for edge in edges])

    def _node_removals(self, labels: Iterable[str]) -> Iterator[cypher.Statement]:
        """Yield a statement for each of ``labels`` with nodes to remove."""
        for label in labels:
            if stale := self._stale.get(label):
                yield cypher.remove_nodes(label, sorted(stale, key=str))

    def _node_upserts(self) -> Iterator[cypher.Statement]:
        """Yield the statements that leave nodes to other tasks, then those that write nodes."""
        for label in sorted(self._kept):
            yield cypher.keep_nodes(label, sorted(self._kept[label], key=str))
        for label, nodes in grouped(self._wrong, itemgetter(0)):
            yield cypher.put_nodes(label, [cypher.node_row(self._graph.nodes[key]) for key in nodes])

    def _edge_upserts(self) -> Iterator[cypher.Statement]:
        """Yield the statements that leave edges to other tasks, then those that write edges."""
        for kind, kept in grouped(self._kept_edges, _kind):
            yield cypher.keep_edges(kind, [[*_ends(edge), self._kept_edges[edge]] for edge in kept])
        for type_, edges in grouped(self._wrong_edges, itemgetter(1)):
            yield cypher.put_edges(type_, [cypher.edge_row(self._graph.edges[key]) for key in edges])


def grouped(keys: Iterable[K], kind: Callable[[K], Any]) -> Iterator[tuple[Any, Iterator[K]]]:
    """Return (kind, keys of this kind) for each kind, kinds and keys sorted. ``kind``: function from a key to
    its kind.
    """
    return groupby(sorted(keys, key=lambda key: (kind(key), key)), kind)


def _kind(edge: EdgeKey) -> tuple[str, str, str]:
    """Return (type, label of the source, label of the target)."""
    return edge[1], edge[0][0], edge[2][0]


def _ends(edge: EdgeKey) -> cypher.Row:
    """Return the keys of source and target as the engines store them."""
    return [key_value(*edge[0]), key_value(*edge[2])]


def _keep(wanted: GraphNode | GraphEdge, others: frozenset[int]) -> None:
    if others:
        own = cast(list[int], wanted.properties.get("task_id", []))
        wanted.properties = {**wanted.properties, "task_id": sorted({*own, *others})}  # others may share them


def edge_key(source: NodeKey, record: list[Any]) -> EdgeKey | None:
    """Return the edge's key; None for an edge that kgnb can't have written: unknown label or malformed
    type.
    """
    type_, labels, id_, name = record[:_EDGE_HEAD]
    label = next((known for known in labels if known in KEYS), None)
    if label is None or not _is_type(type_):
        return None
    return (source, type_, (label, str(id_ if KEYS[label][0] == "id" else name)))


@lru_cache(1_000)
def _is_type(name: str) -> bool:
    """Return whether a name is a valid relationship type."""
    return RELATION_TYPE.fullmatch(name) is not None


@cache
def _columns(type_: str) -> itemgetter[tuple[Any, ...]]:
    """Return a function that takes the properties of :func:`cypher.edge_properties`, in their order, from a
    record.
    """
    return itemgetter(*(_EDGE_HEAD + cypher.EDGE_COLUMNS.index(c) for c in cypher.edge_properties(type_)))


def with_iso_times(value: Any) -> Any:
    """Return ``value`` with the driver's dates and times, also in lists and dicts, as ISO 8601 texts."""
    if isinstance(value, (DateTime, Date, Time)):
        return value.iso_format()
    if isinstance(value, dict):
        return {key: with_iso_times(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_iso_times(v) for v in value]
    return value
