"""The ends of a process: listeners hear of them once, and everything is as before when nobody listens."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from kgnb.app.shutdown import End, ShutdownHooks
from tests.support.commands import environment
from tests.support.patience import SLOWEST


class Listener:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def __call__(self, end: End) -> None:
        self.heard.append(end.value)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def previous() -> list[int]:
    """Numbers of signals that the handler of before has seen."""
    seen: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    return seen


def test_a_signal_is_told_once_and_handed_on(previous: list[int]) -> None:
    hooks, one = ShutdownHooks(), Listener()
    hooks.add(one)
    hooks.add(one)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    assert one.heard == ["exit"]
    assert previous == [signal.SIGTERM] * 2


def test_the_handler_of_before_is_back_when_the_last_has_left(previous: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    hooks, one, two = ShutdownHooks(), Listener(), Listener()
    hooks.add(one)
    hooks.add(two)
    hooks.remove(one)
    assert signal.getsignal(signal.SIGTERM) != before
    hooks.remove(two)
    assert signal.getsignal(signal.SIGTERM) is before
    signal.raise_signal(signal.SIGTERM)
    assert (one.heard, two.heard, previous) == ([], [], [signal.SIGTERM])


def test_who_comes_after_the_last_has_left_is_told_as_well(previous: list[int]) -> None:
    hooks, one, two = ShutdownHooks(), Listener(), Listener()
    hooks.add(one)
    hooks.remove(one)
    hooks.add(two)
    signal.raise_signal(signal.SIGTERM)
    assert (one.heard, two.heard, previous) == ([], ["exit"], [signal.SIGTERM])


def test_one_that_left_in_another_thread_is_tidied_up_on_the_main_thread(previous: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    hooks, one = ShutdownHooks(), Listener()
    hooks.add(one)
    thread = threading.Thread(target=hooks.remove, args=(one,))
    thread.start()
    thread.join()
    signal.raise_signal(signal.SIGTERM)  # it only hands on
    assert (one.heard, previous) == ([], [signal.SIGTERM])
    hooks.tidy()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_later_handler_that_chains_stays_and_nothing_goes_round(previous: list[int]) -> None:
    hooks, one = ShutdownHooks(), Listener()
    hooks.add(one)
    ours: Any = signal.getsignal(signal.SIGTERM)
    theirs = lambda number, frame: ours(number, frame)  # noqa: E731
    signal.signal(signal.SIGTERM, theirs)
    hooks.remove(one)
    assert signal.getsignal(signal.SIGTERM) is theirs  # it is on top: not ours to take away
    hooks.add(one)
    assert signal.getsignal(signal.SIGTERM) is theirs
    signal.raise_signal(signal.SIGTERM)
    assert (one.heard, previous) == (["exit"], [signal.SIGTERM])


def test_a_later_handler_stays_and_ours_goes_once_it_is_on_top_again(previous: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    hooks, one = ShutdownHooks(), Listener()
    hooks.add(one)
    ours, seen = signal.getsignal(signal.SIGTERM), list[int]()
    theirs = lambda number, _: seen.append(number)  # noqa: E731
    signal.signal(signal.SIGTERM, theirs)
    hooks.remove(one)
    hooks.tidy()
    assert signal.getsignal(signal.SIGTERM) is theirs
    signal.raise_signal(signal.SIGTERM)
    assert (one.heard, previous, seen) == ([], [], [signal.SIGTERM])
    signal.signal(signal.SIGTERM, ours)
    hooks.tidy()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_handler_that_was_replaced_by_none_is_put_back() -> None:
    hooks, one = ShutdownHooks(), Listener()
    hooks.add(one)
    thread = threading.Thread(target=hooks.remove, args=(one,))
    thread.start()
    thread.join()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hooks.add(one)
    signal.raise_signal(signal.SIGTERM)
    assert one.heard == ["exit"]


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hooks, one = ShutdownHooks(), Listener()
    hooks.add(one)
    signal.raise_signal(signal.SIGTERM)
    assert one.heard == ["exit"]
    hooks.remove(one)
    hooks.tidy()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_or_an_interrupt_hurries_the_end(previous: list[int], second: signal.Signals) -> None:
    hooks, heard = ShutdownHooks(), list[End]()

    def leaving(end: End) -> None:
        heard.append(end)
        if end is End.EXIT:
            signal.raise_signal(second)

    hooks.add(leaving)
    signal.raise_signal(signal.SIGTERM)
    assert (heard, previous) == ([End.EXIT, End.HURRIED], [signal.SIGTERM])


class TestKernel:
    @pytest.fixture
    def kernel(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        class Kernel:
            def do_shutdown(self, restart: bool) -> dict[str, object]:
                return {"status": "ok", "restart": restart}

        kernel = Kernel()
        shell = SimpleNamespace(kernel=kernel)
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
        return kernel

    def test_a_shutdown_is_told_before_the_kernel_does_anything(self, kernel: Any) -> None:
        hooks, one = ShutdownHooks(), Listener()
        hooks.add(one)
        assert kernel.do_shutdown(restart=True) == {"status": "ok", "restart": True}
        assert one.heard == ["shutdown"]
        hooks.remove(one)
        assert vars(kernel) == {}
        kernel.do_shutdown(False)
        assert one.heard == ["shutdown"]

    def test_what_somebody_else_put_there_stays(self, kernel: Any) -> None:
        hooks, one = ShutdownHooks(), Listener()
        hooks.add(one)
        kernel.do_shutdown = other = lambda restart: restart
        hooks.remove(one)
        assert kernel.do_shutdown is other


SCRIPT = """
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from kgnb.app.shutdown import HOOKS
pool = ThreadPoolExecutor()
stop = threading.Event()
def node(end):
    stop.set()
    worker.join(1.5)
def work():
    stop.wait()
    print("left", pool.submit(lambda: "with pools").result(), flush=True)
worker = threading.Thread(target=work, daemon=True)
HOOKS.add(node)
{then}
worker.start()
"""


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("", "left with pools\n"),
        ("HOOKS.remove(node)", ""),
        ("HOOKS.remove(node); HOOKS.add(node)", "left with pools\n"),
        ("import os, signal; worker.start(); os.kill(os.getpid(), signal.SIGTERM)", "left with pools\n"),
    ],
)
def test_an_exit_comes_while_thread_pools_still_work(then: str, said: str) -> None:
    code = SCRIPT.replace("{then}", then)
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=30 * SLOWEST
    )
    assert (ran.stdout, ran.stderr) == (said, "")
    assert ran.returncode == (-signal.SIGTERM if "os.kill" in then else 0)
