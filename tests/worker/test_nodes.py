"""Nodes share one book, short books never wait for long ones, and an idle node costs next to nothing."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.cluster import Cluster, Node
from tests.support.commands import Llm, novel
from tests.support.patience import happens_within
from tests.support.proxy import Proxy

DONE = re.compile(r"Task (\d+) chapter (\d+): completed")
REDIS_TRIPS, REDIS_CONNECTIONS, SQL_CONNECTIONS = 2.0, 3, 5
"""What an idle node may cost: round trips a second and connections (many free Redis servers allow 30)."""
LOOK_SECONDS = 6.0


def chapters_of(node: Node, task: int) -> list[str]:
    return [chapter for of, chapter in DONE.findall(node.log()) if of == str(task)]


# --- one book, many nodes -----------------------------------------------------------------------------------


def test_two_nodes_share_a_book_to_its_end(nodes: Cluster, tmp_path: Path) -> None:
    pair = [nodes.start_node(name, 4) for name in ("a", "b")]
    nodes.joined(*pair)
    task = nodes.submit(novel(tmp_path / "book.txt", 200, lines=3))
    nodes.wait_until(lambda: nodes.finished(task), 240, "the book is done")
    assert nodes.chapters(task) == {"completed": 200}
    each = [chapters_of(node, task) for node in pair]
    assert len(set(each[0]) | set(each[1])) == len(each[0]) + len(each[1]) == 200  # each chapter once
    # The share on a quiet machine, 40 to 60 %, is what bench/fanout.py measures.
    assert all(60 <= len(mine) <= 140 for mine in each), [len(mine) for mine in each]
    closed = [node for node in pair if f"Task {task}: completed" in node.log()]
    assert len(closed) == 1  # whoever finished the last chapter, once


def test_a_short_book_never_waits_for_a_long_one(nodes: Cluster, model: Llm, tmp_path: Path) -> None:
    node = nodes.start_node("a", 2)
    nodes.joined(node)
    long = nodes.submit(novel(tmp_path / "long.txt", 120, lines=3))
    nodes.wait_until(lambda: nodes.chapters(long).get("completed"), 30, "the long one is under way")
    model.server.latency = 1.0  # so that it isn't done before the short one is there, however slow submit is
    short = nodes.submit(novel(tmp_path / "short.txt", 3, seed=2, lines=3))
    nodes.wait_until(lambda: nodes.finished(short), 60, "the short one is done")
    assert nodes.status(short) == "completed"
    assert nodes.chapters(long)["completed"] < 100
    assert nodes.status(long) == "running"


# --- what a node costs --------------------------------------------------------------------------------------


@contextlib.contextmanager
def metered(nodes: Cluster) -> Iterator[tuple[dict[str, str], Proxy, Proxy]]:
    """Settings of a node whose ways to Redis and SQL are counted."""
    env = nodes.env
    with (
        Proxy(env["REDIS_HOST"], int(env["REDIS_PORT"])) as redis_way,
        Proxy(env["DB_HOST"], int(env["DB_PORT"])) as sql_way,
    ):
        ways = {"REDIS_PORT": str(redis_way.port), "DB_PORT": str(sql_way.port)}
        yield {**ways, "REDIS_HOST": "127.0.0.1", "DB_HOST": "127.0.0.1"}, redis_way, sql_way


def add_providers(nodes: Cluster, count: int, url: str) -> None:
    for number in range(count):
        nodes.sql(
            "INSERT INTO ai_providers (name, display_name, api_key, base_url, models, is_active) "
            "VALUES (:name, :name, 'sk-x', :url, :models, 1)",
            name=f"Provider-{number}",
            url=url,
            models=json.dumps(["dryrun"]),
        )


def frugal_rates(*ways: Proxy) -> list[float]:
    """The round trips a second of idle nodes, which wait longer and longer, once they are few."""
    rates: list[float] = []

    def frugal() -> bool:
        before, began = [way.trips for way in ways], time.monotonic()
        time.sleep(LOOK_SECONDS)
        seconds = time.monotonic() - began
        rates[:] = [(way.trips - trips) / seconds for way, trips in zip(ways, before, strict=True)]
        return all(0 < rate <= REDIS_TRIPS for rate in rates)

    assert happens_within(60, frugal), rates
    return rates


def test_an_idle_and_a_busy_node_are_frugal(nodes: Cluster, model: Llm, tmp_path: Path) -> None:
    assert nodes.place.run("status").code == 0  # makes the tables
    add_providers(nodes, 20, model.server.base_url)
    defaults: dict[str, Any] = {"KG_WORKER_GUARD_INTERVAL": "30", "KGNB_LEASE_SECONDS": "30"}
    with metered(nodes) as (few, few_redis, few_sql), metered(nodes) as (many, many_redis, many_sql):
        one = nodes.start_node("one", 2, "--providers", "dryrun", **few, **defaults)
        twenty = nodes.start_node("twenty", 2, **many, **defaults)
        nodes.joined(one, twenty)
        shown = list(nodes.redis.scan_iter("kg:worker:*"))
        assert len(shown) >= 20 * 2
        idle = frugal_rates(few_redis, many_redis)
        assert twenty.leave()[0] == 0
        # The other one gets busy: slots for a while, then a refresh in a process of its own.
        task = nodes.submit(novel(tmp_path / "book.txt", 40, lines=3))
        nodes.wait_until(lambda: nodes.finished(task), 90, "the book is done")
        assert len(chapters_of(one, task)) == 40
        most = {
            "redis": max(few_redis.most_open, many_redis.most_open),
            "sql": max(few_sql.most_open, many_sql.most_open),
        }
        print("round trips a second, idle:", [round(rate, 2) for rate in idle], "connections:", most)
        assert most["redis"] <= REDIS_CONNECTIONS, most
        assert most["sql"] <= SQL_CONNECTIONS, most
