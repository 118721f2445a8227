"""A node that froze past its lease and comes back changes nothing: no row, no node, no edge.

It is frozen with chapters at every stage, in the worst places: within transactions that hold the locks which
all others need. Each place is reached by holding a lock of the store in the test, not by luck.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import neo4j
import pytest
import sqlalchemy as sa

from kgnb.llm.fake import server as fake_server
from kgnb.stores.ledger import tables as t
from tests.support.cluster import Cluster, Node, cluster
from tests.support.commands import Llm, llm, novel
from tests.support.patience import SLOWEST
from tests.support.services import graph_driver

LEASE = 10.0
"""Seconds; also how long a chapter waits for the graph, which on a busy machine is slow to take its first."""
OVERDUE = 12.0
"""Seconds in which every lock that a frozen node holds is gone: SQL's and Bolt's limits of a transaction, and
a little."""
GIVEN_UP = r"another node holds the lease"
"""What a node's log says of a chapter that it goes on with no more."""


@pytest.fixture
def model() -> Iterator[Llm]:
    with llm(latency=0.2) as one:
        yield one


@pytest.fixture
def nodes(tmp_path: Path, model: Llm) -> Iterator[Cluster]:
    with cluster(tmp_path, model, KGNB_LEASE_SECONDS=str(LEASE)) as one:
        yield one


@contextlib.contextmanager
def graph(nodes: Cluster) -> Iterator[neo4j.Driver]:
    with graph_driver(nodes.env) as driver:
        yield driver


@contextlib.contextmanager
def locked(driver: neo4j.Driver, label: str, **key: Any) -> Iterator[None]:
    """The node with this key can't be written meanwhile."""
    where = ", ".join(f"{name}: ${name}" for name in key)
    with driver.session() as session, session.begin_transaction() as tx:
        lock = f"MATCH (n:{label} {{{where}}}) SET n.locked_by_test = 1 RETURN count(n)"
        assert [r[0] for r in tx.run(lock, key)] == [1]
        yield
        tx.rollback()


def blocked(driver: neo4j.Driver) -> int:
    """Transactions that wait for a lock."""
    query = "SHOW TRANSACTIONS YIELD status WHERE status STARTS WITH 'Blocked' RETURN count(*)"
    return count(driver, query)


def count(driver: neo4j.Driver, query: str, **params: Any) -> int:
    return int(driver.execute_query(query, params).records[0][0])


@contextlib.contextmanager
def locked_task(nodes: Cluster, task: int) -> Iterator[None]:
    """The task's row can't be locked by anybody else meanwhile."""
    with nodes.engine.connect() as connection, connection.begin() as transaction:
        connection.execute(sa.select(t.tasks.c.id).where(t.tasks.c.id == task).with_for_update())
        yield
        transaction.rollback()


def waiting_for_sql(nodes: Cluster) -> int:
    """Statements that lock rows and aren't answered."""
    query = (
        "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND time_ms > 100 "
        "AND info LIKE '% FOR UPDATE' AND id <> connection_id()"
    )
    return nodes.number(query)


def cached(nodes: Cluster) -> int:
    return nodes.number("SELECT count(*) FROM kgnb_replies")


def rows_by_status(nodes: Cluster, task: int) -> dict[str, list[int]]:
    """Chapters that have a row, by the status they are in."""
    query = (
        "SELECT s.status, s.chapter_id FROM knowledge_graph_chapter_status s JOIN kgnb_extractions e "
        "ON e.task_id = s.kg_task_id AND e.chapter_id = s.chapter_id WHERE s.kg_task_id = :id"
    )
    found: dict[str, list[int]] = {}
    for status, chapter in nodes.sql(query, id=task):
        found.setdefault(str(status), []).append(chapter)
    return found


def everything(nodes: Cluster) -> dict[str, list[str]]:
    """Every row of SQL and every node and edge of the graph, times and fences included; not what was spent,
    because a reply that came during the freeze was paid for."""
    photo = {}
    with nodes.engine.connect() as connection:
        for table in (*t.MAIN, *(own for own in t.OWN if "spending" not in own.name)):
            photo[table.name] = sorted(repr(tuple(row)) for row in connection.execute(sa.select(table)))
    with graph(nodes) as driver:
        found = driver.execute_query("MATCH (n) RETURN labels(n), properties(n)")
        photo["nodes"] = sorted(repr((r[0], sorted(r[1].items()))) for r in found.records)
        query = "MATCH (a)-[r]->(b) RETURN elementId(a), type(r), elementId(b), properties(r)"
        found = driver.execute_query(query)
        photo["edges"] = sorted(repr((*r[:3], sorted(r[3].items()))) for r in found.records)
    return photo


def unchanged(before: dict[str, list[str]], after: dict[str, list[str]]) -> None:
    for what in before:
        assert after[what] == before[what], what


def hold_back(monkeypatch: pytest.MonkeyPatch, count: int) -> list[threading.Event]:
    """Events without which the first replies don't come, in the order of their requests."""
    events = [threading.Event() for _ in range(count)]
    turns, carry = deque(events), fake_server.carry

    async def carry_later(request: Any, *others: Any) -> Any:
        event = turns.popleft() if request.method == "POST" and turns else None
        while event is not None and not event.is_set():
            await asyncio.sleep(0.02)
        return await carry(request, *others)

    monkeypatch.setattr(fake_server, "carry", carry_later)
    return events


def lives_on(nodes: Cluster, node: Node, folder: Path) -> None:
    """The node does a new book all by itself."""
    for other in nodes.living:
        if other is not node:
            assert other.leave()[0] == 0
    task = nodes.submit(novel(folder / "next.txt", 4, seed=9))
    nodes.wait_until(lambda: nodes.finished(task), 30, "the thawed node does the next book")
    assert nodes.status(task) == "completed"


def test_chapters_frozen_at_every_stage(
    nodes: Cluster, model: Llm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = hold_back(monkeypatch, 4)  # two never come; what is asked later waits with the first
    task = nodes.submit(novel(tmp_path / "book.txt", 12))
    patient = {"KGNB_LLM_TIMEOUT": str(200 * SLOWEST), "LOG_LEVEL": "DEBUG"}
    frozen = nodes.start_node("frozen", 4, **patient)
    nodes.wait_until(lambda: model.stats.in_flight == 4, 30, "four chapters are being asked", every=0.01)
    with locked_task(nodes, task):
        first.set()
        # The first chapter: its reply is stored, its row and its end wait for the task's row.
        nodes.wait_until(lambda: waiting_for_sql(nodes), 30, "a transaction that waits in SQL")
        # The second: its reply is stored, and it waits for the first one's transaction.
        second.set()
        nodes.wait_until(lambda: cached(nodes) >= 2, 30, "both replies are stored")
        nodes.wait_until(lambda: waiting_for_sql(nodes), 30, "one still waits in SQL")
        frozen.freeze()
        froze_at = time.monotonic()
        held = nodes.held(node="frozen")
    # Now the frozen node's transaction has its lock, and doesn't go on with it.
    assert rows_by_status(nodes, task) == {}
    assert model.stats.in_flight >= 2
    assert len(held) >= 4
    other = nodes.start_node("other", 4)
    nodes.joined(other)
    nodes.wait_until(lambda: nodes.finished(task), LEASE + 2 * OVERDUE, "the other node does all of it")
    assert nodes.chapters(task) == {"completed": 12}
    # What was stored wasn't asked again; two of its four slots may have waited for replies that did come.
    assert len(model.stats.answered_twice) <= 2
    time.sleep(max(0.0, froze_at + max(2 * LEASE, 12.5) - time.monotonic()))
    before = everything(nodes)
    frozen.thaw()
    nodes.wait_until(lambda: len(re.findall(GIVEN_UP, frozen.log())) >= 2, 30, "it notices")
    time.sleep(2)
    unchanged(before, everything(nodes))
    assert "Traceback" not in frozen.log(), frozen.log()
    lives_on(nodes, frozen, tmp_path)


def test_frozen_while_refreshing(nodes: Cluster, tmp_path: Path) -> None:
    with graph(nodes) as driver:
        driver.verify_connectivity()  # first: the lock must be there before the last chapter is done
        task = nodes.submit(novel(tmp_path / "book.txt", 24))
        frozen = nodes.start_node("frozen", 4)
        nodes.wait_until(lambda: nodes.chapters(task).get("completed"), 30, "a chapter is done", every=0.01)
        novel_id = nodes.number("SELECT novel_id FROM knowledge_graph_tasks WHERE id = :id", id=task)
        stale = {"name": "路人甲", "novel_id": novel_id}
        # What no row accounts for is taken away by the refresh: it will come here, and wait.
        driver.execute_query("CREATE (n:Character) SET n = $p, n.task_id = [$task]", p=stale, task=task)
        with locked(driver, "Character", **stale):
            nodes.wait_until(lambda: nodes.chapters(task) == {"completed": 24}, 30, "all chapters are done")
            nodes.wait_until(lambda: blocked(driver), 20, "the refresh waits in the graph")
            frozen.freeze()
            froze_at = time.monotonic()
        other = nodes.start_node("other", 4)
        nodes.joined(other)
        nodes.wait_until(lambda: nodes.finished(task), LEASE + 2 * OVERDUE, "the other node refreshes")
        query = "MATCH (n:Character {name: $name, novel_id: $novel_id}) RETURN count(n)"
        assert count(driver, query, **stale) == 0
    time.sleep(max(0.0, froze_at + 2 * LEASE - time.monotonic()))
    before = everything(nodes)
    frozen.thaw()
    time.sleep(3)
    unchanged(before, everything(nodes))
    assert "Traceback" not in frozen.log(), frozen.log()
    lives_on(nodes, frozen, tmp_path)
