"""Every command touches one slot: a book's life on a Redis Cluster of one server, which refuses others."""

from __future__ import annotations

import random
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.commands import Place, Running, environment, llm, novel

pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="apt-get install redis-server")


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    port = next(filter(is_free, random.choices(range(20_000, 50_000), k=100)))  # the bus has port + 10,000
    folder = tmp_path / "redis"
    folder.mkdir()
    words = f"redis-server --port {port} --bind 127.0.0.1 --cluster-enabled yes --dir {folder}"
    server = Running([*words.split(), "--save", ""], environment(), folder)
    try:
        with redis.Redis(port=port) as client:
            server.until(lambda: answers(client))
            client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            server.until(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
            with pytest.raises(redis.ResponseError, match="slot"):
                client.mget("a", "b")
            yield port
            errors = client.info("errorstats")
        assert not errors.keys() & {"errorstat_MOVED", "errorstat_CLUSTERDOWN"}
        assert errors["errorstat_CROSSSLOT"]["count"] == 1  # the one above
    finally:
        server.kill()


def is_free(port: int) -> bool:
    with socket.socket() as one, socket.socket() as bus:
        try:
            one.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + 10_000))
        except OSError:
            return False
    return True


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_a_book_from_submit_to_its_graph(port: int, tmp_path: Path) -> None:
    place = Place(tmp_path)
    with llm() as model:
        more = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port), **model.env()}
        book = novel(tmp_path / "book.txt", 12)
        task = place.run("submit", book, "--provider", "dryrun", env=more).out.strip()
        assert place.run("providers", "pause", "dryrun", "--for", "60", env=more).code == 0
        paused = place.run("status", "--json", env=more).json
        assert [one["state"] for one in paused["providers"] if one["name"] == "dryrun"] == ["paused"]
        assert [task["percent"] for task in paused["tasks"]] == [0.0]
        assert place.run("providers", "resume", "dryrun", env=more).code == 0
        assert place.run("worker", "--drain", env=more).code == 0
        done = place.run("status", "--json", env=more).json
        assert place.run("dead", "list", env=more).code == 0
        assert place.run("doctor", "--json", env=more, timeout=90).code == 0
    assert [(t["task_id"], t["status"], t["completed"]) for t in done["tasks"]] == [
        (int(task), "completed", 12)
    ]
    assert place.graph(int(task))["nodes"]
    place.kill_everything()
