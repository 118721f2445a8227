"""All Cypher that kgnb runs: the same text on Neo4j and on the embedded engine.

No statement is made from data. Labels and properties come from the tables below; a relationship type becomes
part of a statement only after it matched ``RELATION_TYPE`` in whole, in :func:`_edge` and nowhere else.

Rows are lists in the order of the tables, not maps, and what many rows share (a chapter's origin) is sent
once for the group: the driver packs in pure Python, value by value. They come inside a map, ``$p``, because
Neo4j would plan a statement anew for each order of magnitude of a list's length.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from kgnb.core.model import CHARACTER_RELATIONS, STRUCTURAL_RELATIONS
from kgnb.graph.model import KEYS, RELATION_TYPE, GraphEdge, GraphNode, Value, key_value

SETTLE = "kgnb_settle"
LOCK = "kgnb_lock"
"""The fences on the Novel node (design: fences); never part of what is read."""

TIMES = ("created_at", "updated_at")

_ORIGIN = ("extracted_by", "confidence", "task_id")
_OCCURRENCE = ("chapters", "count")

NODE_PROPERTIES: dict[str, tuple[str, ...]] = {
    "Novel": ("title", "author", "task_id"),
    "Chapter": ("title", "novel_id", "chapter_number", "word_count", "task_id"),
    "Character": (
        *("description", "traits", "title", "aliases", "is_protagonist", "protagonist_score"),
        "base_name",
        *(*_OCCURRENCE, *_ORIGIN),
    ),
    "Location": ("description", "type", *_OCCURRENCE, *_ORIGIN),
    "Organization": ("description", "type", *_OCCURRENCE, *_ORIGIN),
    "Event": (
        *("name", "novel_id", "chapter_id", "chapter_number", "description", "importance", "participants"),
        *("evidence", "unverified", *_ORIGIN),
    ),
    "Thing": ("description", "kind", "aliases", *_OCCURRENCE, *_ORIGIN),
}
"""Properties beside the key, ``task_id`` last. Others on a node are not kgnb's: neither read nor changed."""

_EDGE_BASE = ("evidence", "chapter_id", "unverified", *_OCCURRENCE, *_ORIGIN)
_TIE = ("description", "strength", "label", "labels", "label_chapters", *_EDGE_BASE)
_STRUCTURE: dict[str, tuple[str, ...]] = {
    "APPEARS_IN": (*_OCCURRENCE, *_ORIGIN),
    "PARTICIPATES_IN": ("role", *_EDGE_BASE),
    "OCCURS_IN": _EDGE_BASE,
    "BELONGS_TO": ("position", "description", *_EDGE_BASE),
}
EDGE_COLUMNS = ("role", "position", *_TIE)
"""Every property that an edge of any type may have, beside ``novel_id``; ``task_id`` last."""

ENDS = {
    "APPEARS_IN": ("Character", "Chapter"),
    "PARTICIPATES_IN": ("Character", "Event"),
    "OCCURS_IN": ("Event", "Location"),
    "BELONGS_TO": ("Character", "Organization"),
}
_CHARACTERS = ("Character", "Character")

SOURCES = ("Character", "Event")
"""Labels that edges start from."""

_SHARED = {"Novel": 1, "Chapter": 1, "Event": len(_ORIGIN)}
_SHARED_BY_MOST = len(_OCCURRENCE) + len(_ORIGIN)

TYPES = (*STRUCTURAL_RELATIONS, *CHARACTER_RELATIONS)


def edge_properties(type_: str) -> tuple[str, ...]:
    """An edge's properties beside ``novel_id``, ``task_id`` last."""
    return _STRUCTURE.get(type_, _TIE)


def ends_of(type_: str) -> tuple[str, str]:
    """The labels that the type joins."""
    return ENDS.get(type_, _CHARACTERS)


# --- rows ---------------------------------------------------------------------------------------------------

Row = list[Value | None]


class Statement(NamedTuple):
    """A statement and its rows, the last ``shared`` columns of which many rows have in common."""

    text: str
    rows: list[Row]
    shared: int = 0

    def parameter(self) -> dict[str, list[list[object]]]:
        """``$p``: groups of rows, each followed by what its rows share."""
        groups: dict[object, list[object]] = {}
        for row in self.rows:
            own, shared = row[: len(row) - self.shared], row[len(row) - self.shared :]
            key = tuple([tuple(v) if isinstance(v, list) else v for v in shared])
            group = groups.get(key)
            if group is None:
                groups[key] = group = [[], *shared]
            members: list[Row] = group[0]  # type: ignore[assignment]
            members.append(own)
        return {"groups": list(groups.values())}


def node_row(node: GraphNode) -> Row:
    """The node as a parameter: its key, then :data:`NODE_PROPERTIES`."""
    return [key_value(node.label, node.key), *map(node.properties.get, NODE_PROPERTIES[node.label])]


def edge_row(edge: GraphEdge) -> Row:
    """The edge as a parameter: both keys, then :func:`edge_properties`."""
    ends = key_value(*edge.source), key_value(*edge.target)
    return [*ends, *map(edge.properties.get, edge_properties(edge.type))]


# --- schema -------------------------------------------------------------------------------------------------


def schema() -> list[str]:
    """Constraints, and an index by novel where the unique key doesn't start with it."""
    statements = []
    for label, keys in KEYS.items():
        columns = ", ".join(f"n.{key}" for key in keys)
        name = f"kgnb_{label.lower()}"
        statements.append(
            f"CREATE CONSTRAINT {name} IF NOT EXISTS FOR (n:{label}) REQUIRE ({columns}) IS UNIQUE"
        )
        if label != "Novel":
            statements.append(f"CREATE INDEX {name}_novel IF NOT EXISTS FOR (n:{label}) ON (n.novel_id)")
    return statements


RELATIONSHIP_TYPES = "CALL db.relationshipTypes() YIELD relationshipType RETURN relationshipType"


def make_types(types: Iterable[str]) -> str:
    """Makes relationship types known, so that no later transaction changes the schema on the way."""
    loops = " ".join(f"CREATE (n)-[:{_type(t)}]->(n)" for t in types)
    return f"CREATE (n:Novel {{id: $id}}) {loops} WITH n DETACH DELETE n"


# --- fences -------------------------------------------------------------------------------------------------

# The value must change each time: the embedded engine takes an equal one for no write, and so for no lock.
LOCK_NOVEL = f"""
MERGE (n:Novel {{id: $novel}})
ON CREATE SET n.created_at = datetime(), n.updated_at = datetime()
SET n.{LOCK} = $lock
"""

SETTLE_NUMBER = f"MATCH (n:Novel {{id: $novel}}) RETURN coalesce(n.{SETTLE}, 0) AS number"

SET_NUMBER = f"MATCH (n:Novel {{id: $novel}}) SET n.{SETTLE} = $number"

# --- writing ------------------------------------------------------------------------------------------------

_FEWER_AT_TARGET = frozenset({"APPEARS_IN", "PARTICIPATES_IN"})
"""Edges of which a hero has thousands, and a chapter or an event a few."""

_EACH = "UNWIND $p.groups AS g UNWIND g[0] AS r"


def add_nodes(label: str, rows: list[Row]) -> Statement:
    """Creates nodes that are missing; of those that are there only ``task_id`` grows."""
    return Statement(_add_nodes(label), rows, _shared(label))


def add_edges(type_: str, rows: list[Row]) -> Statement:
    """The same for edges."""
    return Statement(_add_edges(type_), rows, _SHARED_BY_MOST)


def put_nodes(label: str, rows: list[Row]) -> Statement:
    """Creates nodes or makes them what the rows say, ``created_at`` apart."""
    return Statement(_put_nodes(label), rows, _shared(label))


def put_edges(type_: str, rows: list[Row]) -> Statement:
    """The same for edges."""
    return Statement(_put_edges(type_), rows, _SHARED_BY_MOST)


def remove_nodes(label: str, rows: list[Row]) -> Statement:
    """Deletes nodes by key, with their edges."""
    return Statement(f"{_EACH} {_match('n', label, 0)} DETACH DELETE n RETURN count(*) AS done", rows)


def remove_edges(type_: str, source: str, target: str, rows: list[Row]) -> Statement:
    """Deletes edges by their ends, whose labels may be others than :func:`ends_of` the type."""
    ends = f"{_EACH} {_match('a', source, 0)} {_match('b', target, 1)}"
    return Statement(f"{ends} MATCH {_between(type_)} DELETE e RETURN count(*) AS done", rows)


@cache
def _add_nodes(label: str) -> str:
    values = _values(NODE_PROPERTIES[label], 1, _shared(label))
    if label == "Novel":  # the lock has created it, bare
        filled = ", ".join(f"n.{c} = coalesce(n.{c}, {v})" for c, v in values.items() if c != "task_id")
        return f"{_EACH} {_match('n', label, 0)} SET {filled}, {_unite('n', values['task_id'])}"
    return f"{_EACH} MERGE {_node(label)} {_add(values)}"


@cache
def _add_edges(type_: str) -> str:
    values = {"novel_id": "$novel"} | _values(edge_properties(type_), 2, _SHARED_BY_MOST)
    return _upsert(type_, values, _unite("e", values["task_id"]))


@cache
def _put_nodes(label: str) -> str:
    body = _set("n", _values(NODE_PROPERTIES[label], 1, _shared(label)))
    return (
        f"{_EACH} MERGE {_node(label)} ON CREATE SET n.created_at = datetime() "
        f"SET {body}, n.updated_at = datetime() RETURN count(n) AS done"
    )


@cache
def _put_edges(type_: str) -> str:
    values = {"novel_id": "$novel"} | _values(edge_properties(type_), 2, _SHARED_BY_MOST)
    body = f"{_set('e', values)}, e.updated_at = datetime()"
    return f"{_upsert(type_, values, body)} RETURN count(*) AS done"


def _upsert(type_: str, values: dict[str, str], change: str) -> str:
    """Creates the edges that are missing; of the others does ``change``.

    No MERGE: the embedded engine's goes through all edges of the source, 4 ms for a hero of 2,750 chapters,
    and SETs on top of it cost as much again. Nobody creates the edge in between: the fence lets one writer
    at a time at a novel.
    """
    made = ", ".join(f"{column}: {value}" for column, value in values.items())
    created = f"{made}, created_at: datetime(), updated_at: datetime()"
    return (
        f"{_match_ends(type_)} OPTIONAL MATCH {_between(type_)} "
        f"FOREACH (once IN CASE WHEN e IS NULL THEN [1] ELSE [] END | "
        f"CREATE (a)-[:{_type(type_)} {{{created}}}]->(b)) "
        f"FOREACH (once IN CASE WHEN e IS NULL THEN [] ELSE [1] END | SET {change})"
    )


# --- reading ------------------------------------------------------------------------------------------------


@cache
def read_nodes(label: str, *, times: bool) -> str:
    """Keys and properties of a novel's nodes, and ``times`` if wanted."""
    columns = ", ".join(f"n.{c}" for c in (KEYS[label][0], *NODE_PROPERTIES[label]))
    return f"MATCH {_of_novel(label)} RETURN {columns}{_times('n') if times else ''}"


@cache
def read_edges(source: str, *, times: bool) -> str:
    """A novel's edges that start at ``source``: one row for each node that has any, its key and its edges'
    types, ends and properties.

    A row for each edge would take the driver eight times as long. The node's are listed in place, not by
    ``collect``, for which an engine holds the edges of the whole book.
    """
    columns = ", ".join(f"e.{c}" for c in EDGE_COLUMNS)
    edge = f"type(e), labels(m), m.id, m.name, {columns}{_times('e') if times else ''}"
    return (
        f"MATCH {_of_novel(source)} WITH n, [(n)-[e]->(m) WHERE e.novel_id = $novel | [{edge}]] AS edges "
        f"WHERE size(edges) > 0 RETURN n.{KEYS[source][0]}, edges"
    )


@cache
def count_nodes(label: str) -> str:
    """How many nodes a novel has of a label."""
    return f"MATCH {_of_novel(label)} RETURN count(n) AS done"


@cache
def count_by_novel(label: str) -> str:
    """How many nodes of a label each novel has."""
    return f"MATCH (n:{label}) RETURN n.novel_id, count(n)"


@cache
def count_edges(source: str) -> str:
    """How many edges of each type start at a label's nodes."""
    return f"MATCH {_of_novel(source)}-[e]->() WHERE e.novel_id = $novel RETURN type(e), count(e)"


# --- deleting a task ----------------------------------------------------------------------------------------

_LEFT = "[x IN {v}.task_id WHERE x <> $task]"


@cache
def drop_task_nodes(label: str, *, last: bool) -> str:
    """Up to ``$limit`` nodes of a task: deleted where it is the ``last`` id, else without its id."""
    return f"MATCH {_of_novel(label)} {_drop('n', last=last)}"


@cache
def drop_task_edges(source: str, *, last: bool) -> str:
    """The same for edges that start at ``source``."""
    return f"MATCH {_of_novel(source)}-[e]->() WHERE e.novel_id = $novel AND {_drop('e', last=last)[6:]}"


def _drop(v: str, *, last: bool) -> str:
    left = _LEFT.format(v=v)
    if last:
        delete = "DETACH DELETE" if v == "n" else "DELETE"
        return (
            f"WHERE $task IN {v}.task_id AND size({left}) = 0 "
            f"WITH {v} LIMIT $limit {delete} {v} RETURN count(*) AS done"
        )
    return (
        f"WHERE $task IN {v}.task_id AND size({left}) > 0 WITH {v} LIMIT $limit "
        f"SET {v}.task_id = {left}, {v}.updated_at = datetime() RETURN count(*) AS done"
    )


# --- pieces -------------------------------------------------------------------------------------------------


def _type(type_: str) -> str:
    if not RELATION_TYPE.fullmatch(type_):
        raise ValueError("not a relationship type")
    return type_


def _edge(type_: str) -> str:
    return f"(a)-[e:{_type(type_)}]->(b)"


def _between(type_: str) -> str:
    """:func:`_edge` from the end that has fewer of the type: the embedded engine looks at all that it has."""
    return f"(b)<-[e:{_type(type_)}]-(a)" if type_ in _FEWER_AT_TARGET else _edge(type_)


def _node(label: str) -> str:
    """A pattern to MERGE by the row's key."""
    rest = ", novel_id: $novel" if len(KEYS[label]) > 1 else ""
    return f"(n:{label} {{{KEYS[label][0]}: r[0]{rest}}})"


def _match(v: str, label: str, at: int) -> str:
    # By WHERE: in a map of MATCH the embedded engine takes a name like "$novel" for the parameter itself.
    rest = f" AND {v}.novel_id = $novel" if len(KEYS[label]) > 1 else ""
    return f"MATCH ({v}:{label}) WHERE {v}.{KEYS[label][0]} = r[{at}]{rest}"


def _of_novel(label: str) -> str:
    return f"(n:{label} {{{'id' if label == 'Novel' else 'novel_id'}: $novel}})"


def _times(v: str) -> str:
    # As texts, for the driver takes as long over one time as over all other properties of a node.
    return "".join(f", toString({v}.{time})" for time in TIMES)


def _match_ends(type_: str) -> str:
    source, target = ends_of(type_)
    return f"{_EACH} {_match('a', source, 0)} {_match('b', target, 1)}"


def _shared(label: str) -> int:
    return _SHARED.get(label, _SHARED_BY_MOST)


def _values(columns: tuple[str, ...], start: int, shared: int) -> dict[str, str]:
    """Where each column stands: in the row, after ``start`` keys, or in its group."""
    own = len(columns) - shared
    return {c: f"r[{start + i}]" if i < own else f"g[{1 + i - own}]" for i, c in enumerate(columns)}


def _set(v: str, values: dict[str, str]) -> str:
    return ", ".join(f"{v}.{column} = {value}" for column, value in values.items())


def _add(values: dict[str, str]) -> str:
    created = f"{_set('n', values)}, n.created_at = datetime(), n.updated_at = datetime()"
    return f"ON CREATE SET {created} ON MATCH SET {_unite('n', values['task_id'])}"


def _unite(v: str, tasks: str) -> str:
    """task_id = the union; updated_at only where that is news. The time first: it looks at the old list."""
    old = f"coalesce({v}.task_id, [])"
    new = f"[x IN {tasks} WHERE NOT x IN {old}]"
    return (
        f"{v}.updated_at = CASE WHEN size({new}) = 0 THEN {v}.updated_at ELSE datetime() END, "
        f"{v}.task_id = {old} + {new}"
    )
