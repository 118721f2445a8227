"""What a machine lacks is named as what it is, before the engines' own words."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kgnb.app import doctor
from kgnb.core import shortages
from kgnb.core.errors import EngineError
from kgnb.core.host import detect_host
from kgnb.core.settings import Settings
from kgnb.stores.embedded import connect
from kgnb.stores.embedded.connect import open_queue

BOTH = """
import resource, sys
from pathlib import Path
from kgnb.core.shortages import shortages
resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
print(*(key for key, _ in shortages(Path("/"))))
"""


def test_limits_of_the_process() -> None:
    ran = subprocess.run([sys.executable, "-c", BOTH], capture_output=True, text=True, check=True)
    assert {"engine.few_files", "engine.small_files"} <= set(ran.stdout.split())


def test_a_command_that_ended_on_a_full_disk_promises_nothing(tmp_path: Path) -> None:
    """It says what to do: nothing goes on by itself once the process has ended."""
    book = tmp_path / "book.txt"
    book.write_text("".join(f"第{i}章 行\n" + "王大明去找李小红。" * 90 for i in range(1, 4_000)), "utf-8")
    build = [
        sys.executable,
        "-m",
        "kgnb",
        "--lang",
        "en",
        "build",
        str(book),
        "--data",
        str(tmp_path / "d/data"),
    ]
    build += ["--provider", "rules"]
    small = 'mount -t tmpfs -o size=16m tmpfs "$0" && exec "$@"'
    (tmp_path / "d").mkdir()
    ran = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", small, str(tmp_path / "d"), *build], capture_output=True, text=True
    )
    if "unshare" in ran.stderr or "mount" in ran.stderr:
        pytest.skip("no file system of one's own here")
    assert ran.returncode == 2, ran
    assert "is full" in ran.stderr
    assert "by itself" not in ran.stderr
    assert "run a command that has ended again" in ran.stderr


def fill_disk(monkeypatch: pytest.MonkeyPatch, free: int = 0) -> None:
    usage = shortages.shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(shortages.shutil, "disk_usage", lambda _: usage)


def test_an_engine_that_cannot_start_for_want_of_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "queue_program", lambda: "/bin/false")
    with pytest.raises(EngineError) as caught:
        connect.open_queue(tmp_path)
    assert caught.value.key == "engine.start_failed"
    fill_disk(monkeypatch)
    with pytest.raises(EngineError) as caught:
        connect.open_queue(tmp_path)
    assert caught.value.key == "engine.disk_full"
    assert str(tmp_path) in str(caught.value)


def test_files_that_may_not_grow_are_named_before_anything_is_written(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(EngineError) as caught:
            open_queue(tmp_path / "data")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.key == "engine.small_files"
    assert not (tmp_path / "data").exists()


async def test_doctor_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(KGNB_DATA=tmp_path / "not made yet", KGNB_CPU_WORKERS=2, _env_file=None)
    monkeypatch.setattr(doctor, "has_shared_memory", lambda: False)
    fill_disk(monkeypatch)
    found = {one.name: one for one in doctor.check_limits(settings)}
    assert str(tmp_path) in found["limits"].detail
    assert [one.mark for one in found.values()] == ["✗", "!"]
    machine = {one.name: one for one in doctor.check_machine(detect_host(), settings)}
    assert machine["disk"].mark == "!"  # nothing free is little


def test_no_lock_without_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing

    class Without:
        def Lock(self) -> Any:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    assert shortages.has_shared_memory()
    shortages.has_shared_memory.cache_clear()
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: Without())
    try:
        assert not shortages.has_shared_memory()
    finally:
        shortages.has_shared_memory.cache_clear()
