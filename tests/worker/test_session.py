"""The end of a session: a node leaves before it."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from kgnb.worker.session import UNLIMITED, Session
from tests.support.commands import Place, llm, novel
from tests.support.patience import stretch


def test_without_a_length_it_never_ends() -> None:
    assert (UNLIMITED.ends_at, UNLIMITED.leaves_at, UNLIMITED.left, UNLIMITED.is_ending) == (None,) * 3 + (
        False,
    )
    assert UNLIMITED.drain_seconds(10) == 10


def test_a_node_leaves_the_margin_before_the_end_or_a_tenth() -> None:
    now = time.time()
    assert Session(now, 43_200, 900).leaves_at == now + 43_200 - 900
    assert Session(now, 60, 900).leaves_at == now + 54
    assert Session(now - 55, 60, 900).is_ending
    assert not Session(now - 500, 600, 900).is_ending


def test_leaving_takes_at_most_half_of_what_is_left() -> None:
    assert Session(time.time() - 52, 60, 900).drain_seconds(10) <= 4
    assert Session(time.time() - 100, 60, 900).drain_seconds(10) == 0
    assert Session(time.time(), 3_600, 900).drain_seconds(10) == 10


@pytest.mark.usefixtures("running_engines")
def test_a_worker_ends_with_its_session_and_leaves_the_rest_to_others(tmp_path: Path) -> None:
    with llm(latency=0.3 * stretch()) as server, Place(tmp_path, server.env()) as place:
        assert place.run("submit", novel(tmp_path / "b.txt", 150), "--provider", "dryrun").code == 0
        ran = place.run("worker", "--slots", "2", env={"KGNB_SESSION_SECONDS": f"{20 * stretch()}"})
        assert ran.code == 0
        assert "会话还剩" in ran.out
        rows = len(place.sql("SELECT chapter_id FROM kgnb_extractions"))
        assert 0 < rows < 150
        assert place.sql("SELECT status FROM knowledge_graph_tasks") == [("running",)]
        server.server.latency = 0
        assert place.run("worker", "--drain", "--slots", "8").code == 0
        assert place.sql("SELECT status FROM knowledge_graph_tasks") == [("completed",)]
        assert server.stats.answered_twice == []


@pytest.mark.usefixtures("running_engines")
def test_a_worker_that_is_told_to_leave_begins_nothing_that_it_read_ahead(tmp_path: Path) -> None:
    with llm(latency=1.5) as server, Place(tmp_path, server.env()) as place:
        assert place.run("submit", novel(tmp_path / "b.txt", 60), "--provider", "dryrun").code == 0
        worker = place.start("worker", "--slots", "8")
        worker.until(lambda: server.stats.requests >= 16 and server.stats.in_flight == 8)
        read = "SELECT count(*) FROM kgnb_claims"
        worker.until(lambda: place.sql(read)[0][0] > server.stats.requests)  # more than is asked about
        worker.send(signal.SIGTERM)
        assert worker.ended().code == 0
        rows = len(place.sql("SELECT chapter_id FROM kgnb_extractions"))
        assert rows == server.stats.requests < place.sql(read)[0][0]  # it waited for what was out alone
