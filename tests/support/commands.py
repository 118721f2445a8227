"""kgnb as a user runs it: commands in processes of their own, a dry-run LLM, and what is left over."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from kgnb.llm.fake.server import FakeServer, ServerStats
from tests.support.canaries import spilled
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST, happens_within
from tests.support.stored_graphs import TIMES
from tests.support.warm_commands import Warm

STORY = ROOT / "kgnb" / "book" / "data" / "story.txt"
KEY = "sk-canary-4f1d9c7ab2e8"
READING = ("正在读 ", "Reading ")
"""How a build's first line begins."""

OURS = (
    "PYTHONUNBUFFERED",  # hides what a failed write leaves in a buffer
    "KG_",
    "KGNB_",
    "REDIS_",
    "DB_",
    "NEO4J_",
    "OPENAI_",
    "ANTHROPIC_",
    "LOG_LEVEL",
    "MARK_",
    "PYTHONSAFEPATH",
)


# --- the LLM ------------------------------------------------------------------------------------------------


class Llm:
    """A dry-run server (``kind``) on a thread of its own; ``server`` may be turned while it runs."""

    def __init__(self, kind: type[FakeServer] = FakeServer, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.server = kind(**options)
        self._do(self.server.start())

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10 * SLOWEST)

    @property
    def stats(self) -> ServerStats:
        return self.server.stats

    def env(self, *, key: str = KEY, model: str = "dryrun", name: str = "dryrun") -> dict[str, str]:
        return {
            "OPENAI_BASE_URL": self.server.base_url,
            "OPENAI_API_KEY": key,
            "OPENAI_MODEL": model,
            "KGNB_PROVIDER_NAME": name,
        }

    def close(self) -> None:
        self._do(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5 * SLOWEST)
        self._loop.close()


@contextlib.contextmanager
def llm(**options: Any) -> Iterator[Llm]:
    one = Llm(**options)
    try:
        yield one
    finally:
        one.close()


# --- commands -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        printed = (self.out or "") + (self.err or "")  # None: it went elsewhere
        assert not (secret := spilled(printed)), f"a command printed a secret: {secret}"

    @property
    def json(self) -> Any:
        """What it printed: exactly one JSON value, on one line."""
        assert self.out.endswith("\n"), self
        assert self.out.count("\n") == 1, self
        return json.loads(self.out)

    def refused(self, *words: str) -> str:
        """The one line of a refusal: exit 2, nothing on stdout, no traceback; each of ``words`` is in it. A
        build has told before what it reads."""
        assert self.code == 2, self
        assert self.out == "", self
        (line,) = [one for one in self.err.splitlines() if not one.startswith(READING)] or [""]
        assert line.startswith("kgnb: "), self
        for word in words:
            assert word in line, self
        return line


def environment(**more: str) -> dict[str, str]:
    """This process's environment without any setting of kgnb but one, nor what a command sets for those that
    it starts, and ``more``: what only calculates does so in threads, for a process takes half a second."""
    bare = {k: v for k, v in os.environ.items() if not k.upper().startswith(OURS)}
    return {**bare, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "KGNB_CPU_WORKERS": "threads"} | more


@functools.cache
def warm() -> Warm:
    return Warm(environment())


@dataclass
class Place:
    """A folder to run commands in: data and whatever they write lie below it."""

    path: Path
    env: dict[str, str] = field(default_factory=dict)
    data: Path = field(init=False)
    mark: str = field(default_factory=lambda: f"MARK_{uuid.uuid4().hex}")
    _started: list[Running] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = self.path / "data"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill_everything()

    def start(
        self,
        *args: str | Path,
        env: dict[str, str] | None = None,
        running: type[Running] | None = None,
        **options: Any,
    ) -> Running:
        """A command; forked, unless what it is given asks for an interpreter anew."""
        given = self._environment(env)
        kind = running or Running
        if warm().takes(given) and "prepare" not in options:
            one = kind(warm().start(self._words(args), given, self.path, **options))
        else:
            command = [sys.executable, "-m", "kgnb", *self._words(args)]
            one = kind.new(command, given, self.path, **options)
        self._started.append(one)
        return one

    def run(self, *args: str | Path, env: dict[str, str] | None = None, timeout: float = 120) -> Ran:
        """A command from beginning to end; ``timeout`` as in :meth:`Running.ended`."""
        return self.start(*args, env=env).ended(timeout)

    def _words(self, args: Sequence[str | Path]) -> list[str]:
        return [*map(str, args), "--data", str(self.data)]

    def _environment(self, env: dict[str, str] | None) -> dict[str, str]:
        return environment(**{self.mark: "1", **self.env, **(env or {})})

    def build(self, book: Path, *args: str | Path, env: dict[str, str] | None = None) -> dict[str, Any]:
        """The figures of a build that succeeded."""
        ran = self.run("build", book, "--json", *args, env=env)
        assert ran.code == 0, ran
        return ran.json

    def graph(self, task: int = 1) -> dict[str, Any]:
        """The exported graph, its times left out."""
        target = self.path / f"graph-{task}.json"
        ran = self.run("export", str(task), "--format", "json", "-o", target)
        assert ran.code == 0, ran
        return timeless(json.loads(target.read_text("utf-8")))

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the embedded database, read beside whoever works on it; none while it isn't there yet."""
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.data}/kgnb.db?mode=ro", uri=True)) as db:
                return db.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []

    def left_over(self, seconds: float) -> list[str]:
        """What processes of this place's commands still run after ``seconds`` (:data:`SLOWEST` times)."""
        happens_within(seconds, lambda: not self._left(), every=0.1)
        return list(self._left().values())

    def _left(self) -> dict[int, str]:
        """Living processes of this place: those with its mark, and forked commands, which show none."""
        forked = {one.process.pid: "kgnb" for one in self._started if one.process.poll() is None}
        return forked | _marked(self.mark)

    def kill_everything(self) -> None:
        """As if the machine lost its power: engines and their supervisor too."""
        while found := self._left():
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


class Running:
    """A command under way, the leader of its own process group."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    @classmethod
    def new(
        cls,
        command: Sequence[str],
        env: dict[str, str],
        cwd: Path,
        *,
        nice: int = 0,
        prepare: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> Self:
        """Any command, in a process that isn't forked from a warm one; ``prepare`` is called in it first."""

        def begin() -> None:
            # A shell starts background jobs deaf to SIGINT, and what they start too; a terminal doesn't.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.nice(nice)
            prepare()

        pipe = subprocess.PIPE
        options = {"stdout": pipe, "stderr": pipe, **options}
        given: Any = {"env": env, "cwd": cwd, "text": True, "encoding": "utf-8", "preexec_fn": begin}
        return cls(subprocess.Popen(command, start_new_session=True, **given, **options))

    def ended(self, timeout: float = 120) -> Ran:
        """Waits for its end; a slow machine has :data:`SLOWEST` times as long."""
        limit = timeout * SLOWEST
        try:
            out, err = self.process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            self.kill()
            out, err = self.process.communicate()
            raise AssertionError(f"still running after {limit} s\n{out}\n{err}") from None
        return Ran(self.process.returncode, out, err)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """-9 to the whole group."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def until(self, condition: Callable[[], object], seconds: float = 90) -> None:
        """Waits for ``condition``; fails when the command ends before, or after :data:`SLOWEST` times
        ``seconds``."""

        def holds() -> bool:
            if condition():
                return True
            assert self.process.poll() is None, self.process.communicate()
            return False

        assert happens_within(seconds, holds, every=0.005), "it never came to that"


def _marked(mark: str) -> dict[int, str]:
    """Processes whose environment holds ``mark``: pid → command line."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{mark}=".encode() in (entry / "environ").read_bytes():
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                if line:  # a zombie has none
                    found[int(entry.name)] = line
    return found


# --- graphs and books ---------------------------------------------------------------------------------------


def timeless(exported: dict[str, Any]) -> dict[str, Any]:
    """Nodes by id and edges by ends and type, their times left out: what two runs must agree on."""
    nodes = {n["id"]: {**n, "properties": _bare(n["properties"])} for n in exported["nodes"]}
    edges = {(e["source"], e["type"], e["target"]): _bare(e["properties"]) for e in exported["edges"]}
    assert len(nodes) == len(exported["nodes"])
    assert len(edges) == len(exported["edges"])
    return {"nodes": nodes, "edges": edges}


def _bare(properties: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in properties.items() if k not in TIMES}


def novel(path: Path, chapters: int, *, seed: int = 1, lines: int = 20) -> Path:
    """A book of plain sentences about forty people; with one seed, longer ones begin like shorter ones."""
    cast = [s + g for s in "赵钱孙李周吴郑王冯陈" for g in ("明远", "志清", "云山", "海天")]
    parts = [f"书名：第{seed}部演义\n作者：{seed}号说书人\n"]
    for number in range(1, chapters + 1):
        rng = random.Random(seed * 10_000 + number)
        parts.append(f"第{number}章 {rng.choice('东西南北')}行\n")
        for _ in range(lines):
            a, b = rng.sample(cast, 2)
            parts.append(f"{a}与{b}同行，来到{rng.choice('青白云石')}州城。{a}道：“{b}，你且听我一言。”\n")
    path.write_text("\n".join(parts), "utf-8")
    return path
