"""Automatic retries of failed tasks: running nodes start them by themselves, three times, ever later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kgnb.llm.fake.server import Faults
from tests.support.cluster import QUEUE, Cluster, cluster
from tests.support.commands import Llm, llm, novel

MINUTES = 7
TURN = 1.0
"""Seconds between two looks of the reconciler."""


@pytest.fixture
def model() -> Iterator[Llm]:
    with llm(faults=Faults(refused=1.0)) as one:
        yield one


@pytest.fixture
def nodes(tmp_path: Path, model: Llm) -> Iterator[Cluster]:
    with cluster(tmp_path / "cluster", model, KG_WORKER_GUARD_INTERVAL=f"{TURN:g}") as one:
        yield one


def row(nodes: Cluster, task: int) -> dict[str, Any]:
    columns = ("status", "failed_at", "retry_scheduled_at", "retry_count", "failed_chapters", "error_message")
    query = f"SELECT {', '.join(columns)} FROM knowledge_graph_tasks WHERE id = :id"
    return dict(zip(columns, nodes.sql(query, id=task)[0], strict=True))


def set_task(nodes: Cluster, task: int, change: str) -> None:
    nodes.sql(f"UPDATE knowledge_graph_tasks SET {change} WHERE id = :id", id=task)


def failed(nodes: Cluster, task: int, retries: int) -> dict[str, Any]:
    """The task's row once all its chapters have failed; what they wait for in between is cut short."""

    def over() -> bool:
        later = f"kgnb:later:{{{QUEUE}}}"
        for member in nodes.redis.zrange(later, 0, -1):
            nodes.redis.zadd(later, {member: 0}, xx=True)
        found = row(nodes, task)
        return found["status"] == "failed" and (found["retry_count"] or 0) == retries

    nodes.wait_until(over, 30, f"the task failed after {retries} retries", every=0.1)
    return row(nodes, task)


def test_a_due_retry_starts_by_itself_three_times_and_ever_later(
    nodes: Cluster, model: Llm, tmp_path: Path
) -> None:
    enabled = f"auto_retry_enabled = 1, retry_interval_minutes = {MINUTES}"
    due = "retry_scheduled_at = failed_at - INTERVAL 1 MINUTE"
    task, unwanted, other = (
        nodes.submit(novel(tmp_path / f"{n}.txt", n, seed=n, lines=3)) for n in (2, 1, 3)
    )
    set_task(nodes, task, enabled)
    set_task(nodes, other, enabled)
    node = nodes.start_node("a")
    for retries in range(3):
        found = failed(nodes, task, retries)
        assert found["failed_chapters"] == 2
        assert found["error_message"]
        wait = found["retry_scheduled_at"] - found["failed_at"]
        assert wait == timedelta(minutes=MINUTES * 2**retries)
        if retries == 0:
            assert failed(nodes, unwanted, 0)["retry_scheduled_at"] is None
            failed(nodes, other, 0)
            set_task(nodes, unwanted, due)  # but not enabled
            asked = model.stats.requests
            time.sleep(3 * TURN)
            assert model.stats.requests == asked  # nothing else is due yet
        set_task(nodes, task, due)
    assert failed(nodes, task, 3)["retry_scheduled_at"] is None

    # Due by somebody's word, but no more of them is left; a task that has one starts at the same turn.
    set_task(nodes, task, due)
    model.server.faults = Faults()
    set_task(nodes, other, due)
    nodes.wait_until(lambda: nodes.status(other) == "completed", 20, "the other one comes through")
    time.sleep(2 * TURN)
    found = row(nodes, other)
    assert (found["retry_count"], found["failed_chapters"], found["error_message"]) == (1, 0, None)
    assert nodes.chapters(other) == {"completed": 3}
    over = {f"c:{t}:{chapter}" for t in (task, unwanted) for (chapter,) in chapters_of(nodes, t)}
    assert nodes.dead().keys() == over
    assert (row(nodes, task)["status"], row(nodes, task)["retry_count"]) == ("failed", 3)
    assert (row(nodes, unwanted)["status"], row(nodes, unwanted)["retry_count"] or 0) == ("failed", 0)
    assert node.log().count("automatic retry") == 4


def chapters_of(nodes: Cluster, task: int) -> list[tuple[Any, ...]]:
    return nodes.sql("SELECT chapter_id FROM knowledge_graph_chapter_status WHERE kg_task_id = :id", id=task)
