"""The embedded engines live and die with their clients: real processes, real signals."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import neo4j
import pytest
import redis
from neo4j.exceptions import DriverError, Neo4jError

from kgnb.core.errors import EngineError
from kgnb.core.process_id import is_alive, send_signal
from kgnb.stores.embedded import arcadedb
from kgnb.stores.embedded.connect import open_embedded
from kgnb.stores.embedded.data_folder import DataFolder, read_note
from tests.support.engines import (
    GRACE,
    all_ended,
    client,
    command_lines,
    data_folder,
    endpoint_values,
    engine_of,
    files_containing,
    graph_driver,
    happens_within,
    processes,
    redis_client,
    start_client,
)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield from data_folder(tmp_path)


# --- living and dying with the clients


def test_engines_are_shared_and_stop_with_the_last_client(data: Path) -> None:
    first = open_embedded(data, grace=GRACE)
    running = processes(data)
    assert len(running) == 3
    with client(data, graph=True) as (_, other):
        assert other == endpoint_values(first)
        first.close()
        time.sleep(GRACE + 0.5)
        assert all(map(is_alive, running)), "the second client still needs them"
    assert all_ended(running)
    assert not read_note(DataFolder(data))


def test_data_outlives_the_engines_and_no_secret_is_left(data: Path) -> None:
    with (
        open_embedded(data, grace=GRACE) as embedded,
        redis_client(embedded) as q,
        graph_driver(embedded) as g,
    ):
        secrets = [
            embedded.graph.password.get_secret_value(),
            q.connection_pool.connection_kwargs["password"],
        ]
        q.lpush("kg:task:queue:openai", "书")
        g.execute_query("CREATE (:Novel {id: 1, title: $title})", title="三国演义", database_="kgnb")
        assert not files_containing(data, secrets)
        lines = command_lines()
        assert not any(secret.encode() in lines for secret in secrets)
        assert not any(secret in repr((embedded.graph, embedded.redis_url)) for secret in secrets)
        running = processes(data)
    assert all_ended(running)
    assert not files_containing(data, [*secrets, "PBKDF2", "server-users"])
    schema = data / "graph" / "kgnb" / "schema.json"
    schema.replace(schema.with_name("schema.prev.json"))
    schema.touch()  # as a power failure leaves it: the engine takes the other one
    with (
        open_embedded(data, grace=GRACE) as embedded,
        redis_client(embedded) as q,
        graph_driver(embedded) as g,
    ):
        assert embedded.graph.password.get_secret_value() not in secrets
        assert q.lrange("kg:task:queue:openai", 0, -1) == ["书"]
        assert g.execute_query("MATCH (n:Novel) RETURN n.title AS t").records[0]["t"] == "三国演义"


def test_engines_stop_when_the_client_is_killed(data: Path) -> None:
    with client(data) as (process, _):
        running = processes(data)
        process.kill()
        assert all_ended(running)


def test_a_killed_process_group_can_be_followed_within_the_grace(data: Path) -> None:
    with client(data, grace=6.0) as (process, before):
        running = processes(data)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with open_embedded(data, graph=False) as embedded:
            assert endpoint_values(embedded) == before
            time.sleep(6.3)
            assert all(map(is_alive, running)), "joining ends the grace period"
    assert all_ended(running)


def test_a_forked_child_does_not_keep_its_parents_engines(data: Path) -> None:
    fork = "import os, time\nif os.fork() == 0: time.sleep(15); os._exit(0)"
    with client(data, then=fork) as (process, _):
        running = processes(data)
        process.kill()
        assert all_ended(running)
        os.killpg(process.pid, signal.SIGKILL)


def test_openers_at_the_same_moment_share_one_supervisor(data: Path) -> None:
    openers = [start_client(data) for _ in range(4)]
    try:
        answers = [json.loads(opener.stdout.readline()) for opener in openers]
        assert all(answer == answers[0] for answer in answers)
        assert len(processes(data)) == 2
    finally:
        for opener in openers:
            opener.communicate("")


def test_engines_that_start_at_the_same_moment_have_ports_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = secrets.randbelow(3_000)
    drawn = itertools.chain([first, first], itertools.count(first))
    monkeypatch.setattr(secrets, "randbelow", lambda _: next(drawn))
    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(2):
            held, *two = arcadedb._free_ports()
            stack.enter_context(held)
            ports += two
        assert len(set(ports)) == 4


@pytest.mark.parametrize("which", ["bolt", "http"])
async def test_a_port_that_another_program_takes_before_the_engine_is_left_to_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    chosen: list[tuple[int, int]] = []
    free_ports = arcadedb._free_ports

    def choose() -> tuple[socket.socket, int, int]:
        held, *ports = free_ports()
        chosen.append((ports[0], ports[1]))
        if len(chosen) == 1:
            taker.bind(("127.0.0.1", ports[which == "http"]))
            taker.listen()
        return held, *chosen[-1]

    monkeypatch.setattr(arcadedb, "_free_ports", choose)
    folder = DataFolder(data)
    for part in (folder.logs, folder.graph, run_dir := tmp_path / "run"):
        part.mkdir(parents=True)
    with socket.socket() as taker:
        java = files("arcadedb_embedded").joinpath("jre/bin/java")
        engine = arcadedb.ArcadeDb(folder, run_dir, str(java))
        first = engine.endpoint()
        await engine.adopt_folder(None)
        try:
            await engine.start(300)
            assert engine.endpoint()["bolt_uri"] == f"bolt://127.0.0.1:{chosen[1][0]}"
            assert engine.endpoint()["bolt_password"] != first["bolt_password"]
        finally:
            await engine.stop()
            engine.release_lock()
    assert len(chosen) == 2


def test_a_later_client_can_ask_for_one_more_engine(data: Path) -> None:
    with open_embedded(data, graph=False, grace=GRACE) as first:
        assert first.graph is None
        with open_embedded(data, redis=False) as second, graph_driver(second) as g:
            assert second.redis_url is None
            assert g.execute_query("RETURN 1 AS one").records[0]["one"] == 1
        assert len(processes(data)) == 3


def test_without_engines_nothing_runs(data: Path) -> None:
    with open_embedded(data, redis=False, graph=False) as embedded:
        assert embedded.folder.sqlite == data / "kgnb.db"
        assert processes(data) == []
        assert embedded.alive
    assert not embedded.alive


# --- kill -9 of the parts


def test_after_the_supervisor_was_killed_a_new_one_takes_over(data: Path) -> None:
    with open_embedded(data, grace=GRACE) as lost, redis_client(lost) as q, graph_driver(lost) as g:
        q.set("kept", "yes")
        g.execute_query("CREATE (:Novel {id: 7})")
        running = processes(data)
        assert lost.alive
        send_signal(running[0], signal.SIGKILL)
        assert happens_within(5, lambda: not lost.alive)
        with open_embedded(data, grace=GRACE) as again, redis_client(again) as q2, graph_driver(again) as g2:
            assert not any(map(is_alive, running))
            assert again.alive
            assert q2.get("kept") == "yes"
            assert g2.execute_query("MATCH (n:Novel) RETURN n.id AS id").records[0]["id"] == 7


def test_killed_engines_come_back_at_the_same_place_with_what_was_committed(data: Path) -> None:
    with (
        open_embedded(data, grace=GRACE) as embedded,
        redis_client(embedded) as q,
        graph_driver(embedded) as g,
    ):
        q.set("kept", "yes")
        committed = write_until_killed(g, lambda: send_signal(engine_of(data, "graph"), signal.SIGKILL))
        send_signal(engine_of(data, "redis"), signal.SIGKILL)
        assert happens_within(20, lambda: answers(lambda: g.execute_query("RETURN 1")))
        assert happens_within(5, lambda: answers(lambda: q.ping()))
        assert q.get("kept") == "yes"
        batches = g.execute_query("MATCH (n:Character) RETURN n.batch AS b, count(*) AS n ORDER BY b").records
        assert all(batch["n"] == 200 for batch in batches), "half a transaction"
        assert [batch["b"] for batch in batches][:committed] == list(range(committed))
        assert len(batches) <= committed + 1
        assert embedded.alive


def write_until_killed(g: neo4j.Driver, kill: Callable[[], object]) -> int:
    """Writes batches until the engine is killed in the midst of them; the number of committed ones."""
    timer = threading.Timer(0.3, kill)
    committed = 0
    with contextlib.suppress(DriverError, Neo4jError), g.session(database="kgnb") as session:
        while True:
            rows = [{"name": f"{committed}-{i}", "batch": committed} for i in range(200)]
            # Explicit, because ArcadeDB commits an auto-commit statement piece by piece.
            with session.begin_transaction() as transaction:
                transaction.run("UNWIND $rows AS r CREATE (c:Character) SET c += r", rows=rows)
                transaction.commit()
            committed += 1
            if committed == 3:
                timer.start()
    timer.join()
    return committed


def answers(call: Callable[[], object]) -> bool:
    try:
        call()
    except (DriverError, Neo4jError, redis.RedisError):
        return False
    return True


def test_a_terminated_supervisor_stops_its_engines_in_order(data: Path) -> None:
    with open_embedded(data, graph=False) as embedded:
        running = processes(data)
        send_signal(running[0], signal.SIGHUP)
        assert not happens_within(0.3, lambda: not embedded.alive), (
            "a terminal that closes is no reason to end"
        )
        send_signal(running[0], signal.SIGTERM)
        assert all_ended(running)
        assert not embedded.alive
        assert "bye bye" in (data / "logs" / "redis.log").read_text()


# --- files that somebody else made


@pytest.mark.parametrize(
    "command",
    [
        "CONFIG SET unixsocketperm 777",
        "ACL SETUSER anyone on nopass ~* &* +@all",
        "REPLICAOF 127.0.0.1 1",
    ],
)
def test_an_append_only_file_with_other_commands_than_data_is_not_run(data: Path, command: str) -> None:
    folder = data / "valkey" / "appendonlydir"
    folder.mkdir(parents=True)
    words = command.split()
    text = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    (folder / "appendonly.aof.1.incr.aof").write_bytes(text.encode())
    manifest = "file appendonly.aof.1.incr.aof seq 1 type i\n"
    (folder / "appendonly.aof.manifest").write_text(manifest, "utf-8")
    with pytest.raises(EngineError):
        open_embedded(data, graph=False, grace=GRACE)
    assert "unknown command" in (data / "logs" / "redis.log").read_text("utf-8")
    assert all_ended(processes(data))


@pytest.mark.parametrize(
    "schema",
    [
        '{"triggers": {"t": {"actionCode": "INSERT INTO Chapter SET x = 1"}}}',
        '{"triggers": {"t": {}}, "triggers": {}}',
        '{"functions": {"f": {}}}',
        "{triggers: {}}",
    ],
)
@pytest.mark.parametrize("name", ["schema.json", "schema.prev.json"])
def test_a_graph_whose_schema_holds_commands_is_not_opened(data: Path, name: str, schema: str) -> None:
    (data / "graph" / "kgnb").mkdir(parents=True)
    (data / "graph" / "kgnb" / name).write_text(schema, "utf-8")
    with pytest.raises(EngineError) as caught:
        open_embedded(data, redis=False, grace=GRACE)
    assert (caught.value.key, str(data / "graph") in str(caught.value)) == ("engine.graph_foreign", True)


def test_an_engine_that_keeps_dying_is_given_up(data: Path) -> None:
    with open_embedded(data, graph=False, grace=GRACE) as embedded:
        running = processes(data)
        for _ in range(6):
            victim = engine_of(data, "redis")
            if victim is None:  # given up already: the note is gone
                break
            send_signal(victim, signal.SIGKILL)
            assert happens_within(5, lambda v=victim: not embedded.alive or engine_of(data, "redis") != v)
        assert happens_within(5, lambda: not embedded.alive)
        assert all_ended(running)
