"""A question in Cypher only reads: writing statements are refused before they are sent."""

from __future__ import annotations

import contextlib

import pytest

from kgnb.core.errors import InputError, ServiceError
from kgnb.stores.graph.read_only import check_reads_only
from kgnb.stores.graph.store import GraphStore
from tests.support.cypher_texts import READS, WRITES


@pytest.mark.parametrize("text", WRITES)
def test_what_writes_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        check_reads_only(text)
    assert caught.value.key == "graph.writes"


@pytest.mark.parametrize("text", READS)
def test_what_reads_is_not(text: str) -> None:
    check_reads_only(text)


async def test_nothing_is_written_even_past_the_check(store: GraphStore) -> None:
    await store.bolt.execute("CREATE (:Novel {id: 1, title: '书'})")
    with pytest.raises(InputError):
        await store.query("MATCH (n) DETACH DELETE n")
    for text in ("MATCH (n) DETACH DELETE n", "MATCH (n) CALL { WITH n SET n.title = 'x' } RETURN n"):
        with contextlib.suppress(InputError, ServiceError):
            await store.bolt.ask(text, {})  # the access mode, and the rollback of engines without one
    assert await store.query("MATCH (n:Novel) RETURN n.id AS id, n.title AS title") == [
        {"id": 1, "title": "书"}
    ]
    assert await store.query("MATCH (n:Novel) RETURN count(n) AS created") == [{"created": 1}]
