"""All Cypher that kgnb runs on Neo4j.

No statement is made from data. Labels and properties come from the tables below; a relationship type becomes
part of a statement only through :func:`_checked`, which matches it against ``RELATION_TYPE``.

Rows are lists in the order of the tables, not maps, each of which would carry its keys. They are sent inside
a map, ``$p``: Neo4j plans a statement anew for each order of magnitude of a list parameter's length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from kgnb.core.labels import CHARACTER_RELATIONS, STRUCTURAL_RELATIONS
from kgnb.graph.model import KEYS, LABELS, RELATION_TYPE, GraphEdge, GraphNode, Value, key_value

NUMBER = "kgnb_settle"
DONE = "kgnb_settled"
STATE = "kgnb_settled_state"
LEASE = "kgnb_settle_lease"
HOLDER = "kgnb_settle_task"
LOCK = "kgnb_lock"
"""The fences on the Novel node (design: fences): numbers of the last refresh that began and of the last that
was completed, the record's state that this one read, end of the refresh lease in ms by the engine's clock and
the task it is for, lock. Never part of what is read."""


_ORIGIN = ("extracted_by", "confidence", "task_id")
_OCCURRENCE = ("chapters", "count")

NODE_PROPERTIES: dict[str, tuple[str, ...]] = {
    "Novel": ("title", "author", "task_id"),
    "Chapter": ("title", "novel_id", "chapter_number", "word_count", "task_id"),
    "Character": (
        *("description", "traits", "title", "aliases", "note", "is_protagonist", "protagonist_score"),
        "base_name",
        *(*_OCCURRENCE, *_ORIGIN),
    ),
    "Location": ("description", "type", *_OCCURRENCE, *_ORIGIN),
    "Organization": ("description", "type", *_OCCURRENCE, *_ORIGIN),
    "Event": (
        *("name", "novel_id", "chapter_id", "chapter_number", "description", "importance", "participants"),
        *("sequence", "evidence", "unverified", *_ORIGIN),
    ),
    "Thing": ("description", "kind", "aliases", *_OCCURRENCE, *_ORIGIN),
}
"""Properties besides the key, ``task_id`` last. Others of a node are neither read nor changed."""

_EDGE_BASE = ("evidence", "chapter_id", "unverified", *_OCCURRENCE, *_ORIGIN)
_TIE = ("description", "strength", "label", "labels", "label_chapters", *_EDGE_BASE)
_STRUCTURE: dict[str, tuple[str, ...]] = {
    "APPEARS_IN": (*_OCCURRENCE, *_ORIGIN),
    "PARTICIPATES_IN": ("role", *_EDGE_BASE),
    "OCCURS_IN": _EDGE_BASE,
    "CONTAINS": _EDGE_BASE,
    "BELONGS_TO": ("position", "description", *_EDGE_BASE),
}
EDGE_COLUMNS = ("role", "position", *_TIE)
"""Every property that an edge of any type may have besides ``novel_id``; ``task_id`` last."""

ENDS = {
    "APPEARS_IN": ("Character", "Chapter"),
    "PARTICIPATES_IN": ("Character", "Event"),
    "OCCURS_IN": ("Event", "Location"),
    "CONTAINS": ("Location", "Location"),
    "BELONGS_TO": ("Character", "Organization"),
}
_CHARACTERS = ("Character", "Character")

SOURCES = ("Character", "Event", "Location")
"""Labels that edges start from."""
TYPES = (*STRUCTURAL_RELATIONS, *CHARACTER_RELATIONS)


def edge_properties(type_: str) -> tuple[str, ...]:
    """Return the names of an edge's properties without ``novel_id``, ``task_id`` last; for a type without
    structure those of ties between characters.
    """
    return _STRUCTURE.get(type_, _TIE)


# --- rows ---------------------------------------------------------------------------------------------------

Row = list[Value | None]


class Statement(NamedTuple):
    """A statement, and the rows for each of which it does its work."""

    text: str
    rows: list[Row]


def node_row(node: GraphNode) -> Row:
    """Return the node as a statement's parameter: its key, then the values of :data:`NODE_PROPERTIES` of its
    label, None for a missing property.
    """
    return [key_value(node.label, node.key), *map(node.properties.get, NODE_PROPERTIES[node.label])]


def edge_row(edge: GraphEdge) -> Row:
    """Return the edge as a statement's parameter, a list: keys of source and target, then the values of
    :func:`edge_properties`, None for a missing property.
    """
    ends = key_value(*edge.source), key_value(*edge.target)
    return [*ends, *map(edge.properties.get, edge_properties(edge.type))]


# --- schema -------------------------------------------------------------------------------------------------


SCHEMA_NAMES = ("SHOW CONSTRAINTS YIELD name", "SHOW INDEXES YIELD name")


def schema() -> dict[str, str]:
    """Return name → Cypher statement of all constraints and indexes: a unique key for each label, and an
    index by novel for all but Novel.
    """
    statements = {}
    for label, keys in KEYS.items():
        columns = ", ".join(f"n.{key}" for key in keys)
        name = f"kgnb_{label.lower()}"
        unique = f"FOR (n:{label}) REQUIRE ({columns}) IS UNIQUE"
        statements[name] = f"CREATE CONSTRAINT {name} IF NOT EXISTS {unique}"
        if label != "Novel":
            by_novel = f"{name}_novel"
            statements[by_novel] = f"CREATE INDEX {by_novel} IF NOT EXISTS FOR (n:{label}) ON (n.novel_id)"
    return statements


RELATIONSHIP_TYPES = "CALL db.relationshipTypes() YIELD relationshipType RETURN relationshipType"


def make_types(types: Iterable[str]) -> str:
    """Return the statement that creates the relationship types, so that no later transaction changes the
    schema. It leaves no node behind.
    """
    loops = " ".join(f"CREATE (n)-[:{_checked(t)}]->(n)" for t in types)
    return f"CREATE (n:Novel {{id: $id}}) {loops} WITH n DETACH DELETE n"


# --- fences -------------------------------------------------------------------------------------------------

_REFRESH_STATE = f"""coalesce(n.{NUMBER}, 0) AS number, coalesce(n.{DONE}, 0) AS done,
  coalesce(n.{LEASE}, 0) > timestamp() AND ($task = 0 OR coalesce(n.{HOLDER}, 0) <> $task) AS held
"""

REFRESH_STATE = f"MATCH (n:Novel {{id: $novel}}) RETURN {_REFRESH_STATE}, 0 AS next"

# A number by the clock: in a graph that was emptied none comes back that a writer still knows.
BEGIN_REFRESH = f"""
MERGE (n:Novel {{id: $novel}})
ON CREATE SET n.created_at = datetime(), n.updated_at = datetime()
SET n.{LOCK} = $lock
WITH n, {_REFRESH_STATE}
WITH n, number, done, held,
  CASE WHEN number < timestamp() * 1000 THEN timestamp() * 1000 ELSE number + 1 END AS next
FOREACH (once IN CASE WHEN held OR done > $after THEN [] ELSE [1] END |
  SET n.{NUMBER} = next, n.{LEASE} = timestamp() + $ms, n.{HOLDER} = $task)
RETURN number, done, held, next
"""

EXTEND_REFRESH = f"""
MATCH (n:Novel {{id: $novel}}) WHERE n.{NUMBER} = $number
SET n.{LEASE} = timestamp() + $ms
"""

END_REFRESH = f"""
MATCH (n:Novel {{id: $novel}}) WHERE n.{NUMBER} = $number
SET n.{LEASE} = 0, n.{DONE} = $number, n.{STATE} = $state
"""

REFRESHED_STATE = f"""
MATCH (n:Novel {{id: $novel}}) WHERE n.{NUMBER} = n.{DONE} RETURN n.{STATE}
"""

# --- writing ------------------------------------------------------------------------------------------------

# The write on the Novel node comes first: it waits for the writer before, so that the number read then is
# the last one. Where that isn't the caller's there is no row, and nothing is written.
_EACH = f"""
MATCH (novel:Novel {{id: $novel}}) SET novel.{LOCK} = $lock
WITH novel.{NUMBER} AS number WHERE number = $number
UNWIND $p.rows AS r"""


def put_nodes(label: str, rows: list[Row]) -> Statement:
    """Return the statement that creates the nodes of ``rows`` (:func:`node_row`) or overwrites them, except
    ``created_at``; its result is a number of nodes.
    """
    values = _values(NODE_PROPERTIES[label], 1)
    text = (
        f"{_EACH} MERGE {_node(label)} ON CREATE SET n.created_at = datetime() "
        f"SET {_set('n', values)}, n.updated_at = datetime() RETURN count(n) AS done"
    )
    return Statement(text, rows)


def put_edges(type_: str, rows: list[Row]) -> Statement:
    """Return the statement that creates the edges of ``rows`` (:func:`edge_row`) or overwrites them, except
    ``created_at``; its result is a number of edges.

    Not safe against another writer of the same novel, whom the fence keeps out.
    """
    values = {"novel_id": "$novel"} | _values(edge_properties(type_), 2)
    made = ", ".join(f"{column}: {value}" for column, value in values.items())
    created = f"{made}, created_at: datetime(), updated_at: datetime()"
    text = (
        f"{_match_ends(*ENDS.get(type_, _CHARACTERS))} OPTIONAL MATCH {_between(type_)} "
        f"FOREACH (once IN CASE WHEN e IS NULL THEN [1] ELSE [] END | "
        f"CREATE (a)-[:{_checked(type_)} {{{created}}}]->(b)) "
        f"FOREACH (once IN CASE WHEN e IS NULL THEN [] ELSE [1] END | "
        f"SET {_set('e', values)}, e.updated_at = datetime()) RETURN count(*) AS done"
    )
    return Statement(text, rows)


def remove_nodes(label: str, rows: list[Row]) -> Statement:
    """Return the statement that deletes the nodes whose keys are in ``rows``, with their edges."""
    return Statement(f"{_EACH} {_match('n', label, 0)} DETACH DELETE n RETURN count(*) AS done", rows)


def remove_edges(kind: tuple[str, str, str], rows: list[Row]) -> Statement:
    """Return the statement that deletes the edges between the keys in ``rows``.

    ``kind``: (type, label of the source, label of the target); the labels may differ from :data:`ENDS`.
    """
    type_, *labels = kind
    ends = _match_ends(*labels)
    return Statement(f"{ends} MATCH {_between(type_)} DELETE e RETURN count(*) AS done", rows)


def keep_nodes(label: str, rows: list[Row]) -> Statement:
    """Return the statement that leaves nodes to other tasks. ``rows``: [key, new ``task_id``]; ``updated_at``
    becomes now.
    """
    kept = "SET n.task_id = r[1], n.updated_at = datetime() RETURN count(*) AS done"
    return Statement(f"{_EACH} {_match('n', label, 0)} {kept}", rows)


def keep_edges(kind: tuple[str, str, str], rows: list[Row]) -> Statement:
    """Return the statement that leaves edges to other tasks. ``rows``: [source key, target key, new
    ``task_id``]; ``kind`` as in :func:`remove_edges`.
    """
    type_, *labels = kind
    kept = "SET e.task_id = r[2], e.updated_at = datetime() RETURN count(*) AS done"
    return Statement(f"{_match_ends(*labels)} MATCH {_between(type_)} {kept}", rows)


# --- reading ------------------------------------------------------------------------------------------------


def read_nodes() -> str:
    """Return the statement that reads a novel's nodes: label, then a list of key and properties."""
    return _of_each(LABELS, _node_row)


def read_edges() -> str:
    """Return the statement that reads a novel's edges: a row for each node with outgoing edges, with its
    label, its key and its edges' types, ends and properties.

    A row for each edge would take the driver eight times as long. A list comprehension, not ``collect``, for
    which an engine holds the edges of the whole book.
    """
    return _of_each(SOURCES, _edge_rows)


def _of_each(labels: Iterable[str], read: Callable[[str], str]) -> str:
    """Return the union of the query ``read`` over all labels."""
    return " UNION ALL ".join(f"MATCH {_of_novel(label)} {read(label)}" for label in labels)


def _node_row(label: str) -> str:
    """Return the RETURN clause for a label's nodes: key, then properties."""
    columns = ", ".join(f"n.{c}" for c in (KEYS[label][0], *NODE_PROPERTIES[label]))
    return f"RETURN '{label}' AS label, [{columns}] AS node"


def _edge_rows(source: str) -> str:
    """Return the clause that returns, for each node with edges, its key and the edges."""
    columns = ", ".join(f"e.{c}" for c in EDGE_COLUMNS)
    edge = f"type(e), labels(m), m.id, m.name, {columns}"
    return (
        f"WITH n, [(n)-[e]->(m) WHERE e.novel_id = $novel | [{edge}]] AS edges WHERE size(edges) > 0 "
        f"RETURN '{source}' AS label, n.{KEYS[source][0]} AS key, edges"
    )


# --- pieces -------------------------------------------------------------------------------------------------


def _checked(type_: str) -> str:
    """Return a relationship type. Raises ValueError for a name that isn't one."""
    if not RELATION_TYPE.fullmatch(type_):
        raise ValueError("not a relationship type")
    return type_


def _between(type_: str) -> str:
    """Return the pattern of the edge from ``a`` to ``b``."""
    return f"(a)-[e:{_checked(type_)}]->(b)"


def _node(label: str) -> str:
    """Return the pattern of a node that MERGE finds by the row's key."""
    rest = ", novel_id: $novel" if len(KEYS[label]) > 1 else ""
    return f"(n:{label} {{{KEYS[label][0]}: r[0]{rest}}})"


def _match(v: str, label: str, at: int) -> str:
    """Return the MATCH clause for the node whose key is in column ``at`` of a row."""
    rest = f" AND {v}.novel_id = $novel" if len(KEYS[label]) > 1 else ""
    return f"MATCH ({v}:{label}) WHERE {v}.{KEYS[label][0]} = r[{at}]{rest}"


def _of_novel(label: str) -> str:
    """Return the pattern of the novel's nodes of a label."""
    return f"(n:{label} {{{'id' if label == 'Novel' else 'novel_id'}: $novel}})"


def _match_ends(source: str, target: str) -> str:
    """Return the clauses that match both ends of each row."""
    return f"{_EACH} {_match('a', source, 0)} {_match('b', target, 1)}"


def _values(columns: tuple[str, ...], start: int) -> dict[str, str]:
    """Return the expression of each column in the row, after ``start`` keys."""
    return {column: f"r[{start + i}]" for i, column in enumerate(columns)}


def _set(v: str, values: dict[str, str]) -> str:
    """Return the assignments of a SET clause: "n.a = 1, n.b = 2"."""
    return ", ".join(f"{v}.{column} = {value}" for column, value in values.items())
