"""Work beside other work: in a fork of this process where there are safe ones, else here."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from kgnb.extract.fork import beside
from kgnb.worker.process_pool import CpuPool

needs_forks = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has safe forks")


@needs_forks
def test_work_runs_in_a_fork_only_if_asked_to() -> None:
    with beside(True, os.getpid) as there, beside(False, os.getpid) as here:
        assert here() == os.getpid() != there()


@needs_forks
def test_a_result_is_longer_than_a_pipe() -> None:
    with beside(True, range, 300_000) as numbers, beside(True, list, range(300_000)) as listed:
        assert listed() == list(numbers())


def refuse(what: str) -> None:
    raise ValueError(what)


@pytest.mark.parametrize("forks", [True, False])
def test_what_it_raises_is_raised_where_it_is_waited_for(forks: bool) -> None:
    with beside(forks, refuse, "no such book") as refused, pytest.raises(ValueError, match="no such book"):
        refused()


def die_in_a_fork(parent: int) -> int:
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def test_the_work_of_a_fork_that_was_killed_is_done_here() -> None:
    with beside(True, die_in_a_fork, os.getpid()) as survived:
        assert survived() == os.getpid()


def test_work_is_done_here_where_no_fork_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)
    with beside(True, os.getpid) as here:
        assert here() == os.getpid()


def hold(file: Path) -> None:
    file.with_suffix(".new").write_text(str(os.getpid()))
    file.with_suffix(".new").rename(file)
    time.sleep(3_600)


def fail_once_there(file: Path) -> None:
    while not file.exists():
        time.sleep(0.01)
    file.touch(exist_ok=False)


@needs_forks
def test_no_fork_outlives_an_error_of_its_block(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with pytest.raises(FileExistsError), beside(True, hold, file):
        fail_once_there(file)
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)


def pids_beside(forks: bool) -> tuple[int, int]:
    with beside(forks, os.getpid) as other:
        return os.getpid(), other()


@needs_forks
async def test_a_process_of_the_pool_forks_where_it_may() -> None:
    for workers in (1, 2):
        pool = CpuPool(workers)
        try:
            worker, other = await pool.run(pids_beside, pool.may_fork)
            assert (worker != other) is (workers == 2)
            assert worker != os.getpid()
        finally:
            await pool.close()
    assert not CpuPool(2, threads=True).may_fork
