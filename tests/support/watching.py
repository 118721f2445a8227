"""Watching nodes from outside: what the LLM was asked and when, connections tried, processor time, log."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kgnb.llm.fake.http import Request, Response
from kgnb.llm.fake.server import Faults
from tests.support.commands import Llm
from tests.support.paths import ROOT

_COUNT = """
import os, socket, sys, time

sys.modules["uvloop"] = None  # it connects without Python; kgnb works without it

_connect = socket.socket.connect


def connect(self, address):
    if isinstance(address, tuple):
        with open(os.environ["CONNECTS"], "a") as diary:
            diary.write(f"{time.time()} {address[1]}\\n")
    return _connect(self, address)


socket.socket.connect = connect
"""


# --- the LLM's side -----------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """One request: when it came (time.monotonic), for what (the prompt's hash), by which node (its API key
    without "sk-"), and what was answered."""

    at: float
    prompt: str
    life: str
    outcome: str


class Watch:
    """Notes every request for a completion that a dry-run server gets, oldest first."""

    def __init__(self, llm: Llm) -> None:
        self.asked: list[Asked] = []
        self._server = llm.server
        self._respond = llm.server.respond
        llm.server.respond = self._watched  # type: ignore[method-assign]

    def _watched(self, request: Request) -> Response:
        if request.method != "POST":
            return self._respond(request)
        prompt, life = _prompt(request.body), request.headers.get("authorization", "")[len("Bearer sk-") :]
        self.before(prompt, life)
        counted = self._server.stats.outcomes.copy()
        response = self._respond(request)
        (outcome,) = self._server.stats.outcomes - counted
        self.asked.append(Asked(time.monotonic(), prompt, life, outcome))
        self.after(self.asked[-1])
        return response

    def before(self, prompt: str, life: str) -> None:
        """For subclasses: a request came and isn't decided yet."""

    def after(self, one: Asked) -> None:
        """For subclasses: this is what came of it."""

    def between(self, begin: float, end: float = float("inf"), life: str = "") -> list[Asked]:
        """What came from ``begin`` until before ``end`` (time.monotonic), of one node or of all."""
        return [one for one in self.asked if begin <= one.at < end and life in ("", one.life)]


class OneLimit(Watch):
    """Answers the next request of node ``whom`` with 429; nobody else's, and no other."""

    def __init__(self, llm: Llm) -> None:
        super().__init__(llm)
        self.whom = ""
        self.limited: Asked | None = None

    def before(self, prompt: str, life: str) -> None:
        self._server.faults = Faults(rate_429=1.0) if life == self.whom else Faults()

    def after(self, one: Asked) -> None:
        if one.outcome == "rate_429":
            self.limited, self.whom = one, ""


class InFlight:
    """How many requests several servers have in flight together."""

    def __init__(self, llms: Sequence[Llm]) -> None:
        self.most = 0
        self._llms = llms
        for one in llms:
            self._follow(one)

    @property
    def now(self) -> int:
        return sum(one.server.stats.in_flight for one in self._llms)

    def _follow(self, one: Llm) -> None:
        respond = one.server.respond

        def counted(request: Request) -> Response:
            self.most = max(self.most, self.now)  # this request among them
            return respond(request)

        one.server.respond = counted  # type: ignore[method-assign]

    def restart(self) -> None:
        """Counts the most from now on."""
        self.most = self.now


def _prompt(body: bytes) -> str:
    """The prompt's hash, as kgnb and the server's stats have it."""
    said = {m["role"]: m["content"] for m in json.loads(body)["messages"]}
    return hashlib.sha256(f"{said.get('system', '')}\0{said['user']}".encode()).hexdigest()


# --- a process's side ---------------------------------------------------------------------------------------


class Connects:
    """Every connection that processes with :meth:`env` try to make, whether it is refused or not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._diary = folder / "connects"
        folder.mkdir()
        self._diary.touch()
        (folder / "sitecustomize.py").write_text(_COUNT, "utf-8")

    def env(self) -> dict[str, str]:
        return {"PYTHONPATH": f"{self._folder}:{ROOT}", "CONNECTS": str(self._diary)}

    def to(self, port: int | str, begin: float = 0.0, end: float = float("inf")) -> int:
        """Connections to ``port`` tried from ``begin`` until before ``end`` (epoch seconds)."""
        lines = [line.split() for line in self._diary.read_text().splitlines()]
        return sum(begin <= float(at) < end for at, where in lines if where == str(port))


def processor_seconds(pid: int) -> float:
    """Processor time that a process and its ended children took so far."""
    # Behind the command's name, which may hold anything: fields 14 to 17 of proc(5).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, fields)) / os.sysconf("SC_CLK_TCK")


def lines_with(log: str, *words: str) -> list[str]:
    """Lines of a log that hold every one of ``words``."""
    return [line for line in log.splitlines() if all(word in line for word in words)]
