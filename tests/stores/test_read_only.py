"""A question in Cypher only reads: writing statements are refused before they are sent."""

from __future__ import annotations

import contextlib

import pytest

from kgnb.core.errors import InputError, ServiceError
from kgnb.stores.graph.read_only import check_reads_only
from kgnb.stores.graph.store import GraphStore

WRITES = [
    "MATCH (n) DETACH DELETE n",
    "match (n) delete n",
    "CREATE (:Novel {id: 2})",
    "MERGE (n:Novel {id: 2}) RETURN n",
    "MATCH (n) SET n.title = 'x' RETURN n",
    "MATCH (n) REMOVE n.title",
    "MATCH (n) CALL { WITH n DELETE n } RETURN count(*)",
    "MATCH (n) CALL (n) { SET n.x = 1 } RETURN n",
    "MATCH (n) CALL { WITH n DETACH DELETE n } IN TRANSACTIONS OF 1 ROWS",
    "MATCH (n) FOREACH (x IN [1] | SET n.x = x)",
    "CALL apoc.cypher.doIt('CREATE (:X)', {})",
    "CALL `apoc`.`create`.node(['X'], {})",
    "CALL db.createLabel('X')",
    "CALL dbms.setConfigValue('a', 'b')",
    "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
    "CREATE INDEX x FOR (n:Novel) ON (n.x)",
    "DROP CONSTRAINT x",
    "PROFILE DROP INDEX x",
    "CREATE USER x SET PASSWORD 'y'",
    "// a comment\n/* another */ CREATE (:X)",
    "RETURN 'a\\'b' /* ' */ CREATE (:X) //'",
    "\\u0043REATE (:X)",
    "RETURN '\\u0027 CREATE (:X) //'",
    "MATCH (n)\rSET n.x = 1",
    "INSERT (:X)",
]
READS = [
    "MATCH (n:Novel) RETURN n.title AS title",
    "MATCH (n) WHERE n.set = 'DELETE' RETURN n.create, n.`delete`",
    "RETURN 'CREATE (n)' AS text, \"SET\" AS other // MERGE",
    "MATCH (start)-[:SET|CREATE*..3]-(stop:Delete) RETURN start.name, stop",
    "WITH {set: 1, delete: 2} AS m RETURN m.set, $create",
    "MATCH (n) CALL { WITH n MATCH (n)--(m) RETURN m } RETURN n, m",
    "MATCH (n) WHERE EXISTS { (n)--() } RETURN count(n) AS created",
    "CALL db.labels() YIELD label RETURN label",
    "CALL db.index.fulltext.queryNodes('x', 'y') YIELD node RETURN node",
]


@pytest.mark.parametrize("text", WRITES)
def test_what_writes_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        check_reads_only(text)
    assert caught.value.key == "graph.writes"


@pytest.mark.parametrize("text", READS)
def test_what_reads_is_not(text: str) -> None:
    check_reads_only(text)


async def test_nothing_is_written_even_past_the_check(store: GraphStore) -> None:
    await store._bolt.execute("CREATE (:Novel {id: 1, title: '书'})")
    with pytest.raises(InputError):
        await store.query("MATCH (n) DETACH DELETE n")
    for text in ("MATCH (n) DETACH DELETE n", "MATCH (n) CALL { WITH n SET n.title = 'x' } RETURN n"):
        with contextlib.suppress(InputError, ServiceError):
            await store._bolt.ask(text, {})  # the access mode, and the rollback of engines without one
    assert await store.query("MATCH (n:Novel) RETURN n.id AS id, n.title AS title") == [
        {"id": 1, "title": "书"}
    ]
    assert await store.query("MATCH (n:Novel) RETURN count(n) AS created") == [{"created": 1}]
