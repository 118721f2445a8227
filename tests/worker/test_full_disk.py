"""A disk that takes no more writes, but is read: one outage from its beginning to its end."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgnb.core.messages import say
from tests.support.commands import Llm, Place, llm, novel
from tests.support.watching import lines_with

SECONDS = 8.0


@pytest.fixture
def server() -> Iterator[Llm]:
    with llm(latency=0.5) as one:
        yield one


def test_a_disk_that_is_full_in_mid_run_is_one_outage(tmp_path: Path, server: Llm) -> None:
    with Place(tmp_path, server.env()) as place:
        running = place.start(
            "build", novel(tmp_path / "book.txt", 60, lines=30), "--provider", "dryrun", "--slots", "4"
        )
        running.until(lambda: server.stats.requests > 8)
        pid = running.process.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))  # no file may grow
        time.sleep(SECONDS)
        (task,) = place.run("status", "--json").json["tasks"]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
        ran = running.ended()
    assert ran.code == 0, ran
    assert (task["condition"]["state"], task["condition"]["mend"]) == ("stuck", "connect"), task
    assert "kgnb.db" in task["condition"]["why"]
    told = lines_with(ran.err, say("node.service_up", service="sql"))
    assert len(told) == 1, ran.err
    assert len(lines_with(ran.err, "disk I/O error")) == 1, ran.err
    assert (server.stats.requests, server.stats.answered_twice) == (60, [])
