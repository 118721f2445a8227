"""`kgnb status` from outside: of workers at work, again and again on a terminal, through outages."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from rich.cells import cell_len

from kgnb import __version__
from kgnb.core.model import ChapterStatus, Usage, beijing_now
from kgnb.stores.embedded.connect import open_queue
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.queue.presence import Presence, WorkerState
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import ClaimRequest, QueueName
from kgnb.worker.budget import Budget
from tests.support.commands import KEY, Place, Running, environment, llm, novel
from tests.support.engines import processes, send_signal
from tests.support.ledgers import finish_chapter, new_task, open_with, set_chapter
from tests.support.patience import SLOWEST
from tests.support.queues import NEW

SLOTS = 3
NAMES = ["机器甲", "machine-b"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Place(tmp_path) as one:
        yield one


# --- two workers at work ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("running_engines")
class TestAtWork:
    def test_two_workers_and_a_book(self, place: Place) -> None:
        with llm(latency=2.0) as server:
            place.env |= server.env() | {"KG_WORKERS_PER_PROVIDER": str(SLOTS), "KGNB_PRICES": "dryrun=2/8"}
            book = novel(place.path / "book.txt", 60, lines=4)
            assert place.run("submit", book, "--provider", "dryrun").out.strip() == "1"
            workers = [place.start("worker", "--fail-fast", env={"KG_WORKER_NODE_NAME": n}) for n in NAMES]
            done = "SELECT count(*) FROM knowledge_graph_chapter_status WHERE status = 'completed'"
            workers[1].until(lambda: sum(n for (n,) in place.sql(done)) >= 8)
            server.server.latency = 4.0  # so that it isn't done before status is told, however slow that is
            both = place.start("status", "--json"), place.start("status")
            found, plain = both[0].ended().json, both[1].ended()
            for worker in workers:
                worker.send(signal.SIGTERM)
            assert [worker.ended().code for worker in workers] == [0, 0]
            left = place.run("status", "--json").json
        self.nodes(found)
        self.queues(found)
        self.task(found)
        assert KEY not in json.dumps(found) + plain.out
        for word in [*NAMES, "kg:task:queue:dryrun", "进行中", "章/分"]:
            assert word in plain.out, plain
        assert left["nodes"] == []
        (task,) = left["tasks"]
        assert (task["requests"], task["prompt_tokens"]) == place.sql(
            "SELECT sum(requests), sum(prompt_tokens) FROM kgnb_extractions"
        )[0]

    def nodes(self, found: dict[str, Any]) -> None:
        nodes = {node["name"]: node for node in found["nodes"]}
        assert set(nodes) == set(NAMES)
        for node in nodes.values():
            assert node["kgnb"]
            assert node["version"] == __version__
            assert 0 <= node["age"] < 30
            assert node["slots"] == SLOTS
            assert node["tasks"] == [1]
            datetime.fromisoformat(node["started_at"])
            shares = {p["provider"]: p for p in node["providers"]}
            assert shares["dryrun"]["slots"] == SLOTS
            assert 0 < shares["dryrun"]["busy"] <= SLOTS
            assert shares["rules"]["busy"] == 0

    def queues(self, found: dict[str, Any]) -> None:
        (queue,) = found["queues"]
        flying = sum(p["in_flight"] for node in found["nodes"] for p in node["providers"])
        assert queue["queue"] == "kg:task:queue:dryrun"
        assert queue["chapters"] > 0
        assert queue["open_tasks"] == 1
        assert abs(queue["leased"] - 1 - flying) <= 2  # counted in two looks; 1: the task's own item

    def task(self, found: dict[str, Any]) -> None:
        (task,) = found["tasks"]
        assert task["status"] == "running"
        assert 8 <= task["completed"] < task["chapters"] == 60
        assert task["percent"] == round(100 * task["completed"] / 60, 1)
        assert 10 < task["rate"] < 200  # six slots and two seconds for each reply: at most 180 a minute
        assert task["seconds_left"] == pytest.approx(60 * (60 - task["completed"]) / task["rate"], rel=0.05)
        assert task["completed"] <= task["requests"] <= task["completed"] + 4 * SLOTS
        spent = (2 * task["prompt_tokens"] + 8 * task["completion_tokens"]) / 1e6
        assert task["cost"] == pytest.approx(spent, abs=1e-3)

    def test_a_paused_provider_says_why(self, place: Place) -> None:
        with llm(key="another") as server:
            place.env |= server.env()
            book = novel(place.path / "book.txt", 2, lines=4)
            assert place.run("submit", book, "--provider", "dryrun").code == 0
            worker = place.start("worker", "--fail-fast")
            worker.until(lambda: server.stats.outcomes["401"] > 0)
            deadline = time.monotonic() + 30 * SLOWEST
            while True:
                (state,) = (
                    p for p in place.run("status", "--json").json["providers"] if p["name"] == "dryrun"
                )
                if state["state"] == "paused" or time.monotonic() > deadline:
                    break
            plain = place.run("status", "--lang", "en").out
            worker.send(signal.SIGTERM)
            worker.ended()
        assert state["state"] == "paused"
        assert state["paused_until"] > time.time() + 60
        assert state["reason"]
        assert KEY not in state["reason"] + plain
        assert re.search(
            r"dryrun +paused until (?:[\d-]+ )?\d\d:\d\d UTC\S*, \d+ min", plain
        )  # a date past midnight
        assert state["reason"][:20] in plain or "└" in plain


# --- watching -----------------------------------------------------------------------------------------------


class Terminal:
    """A command on a pseudo-terminal of 100 columns."""

    def __init__(self, place: Place, *args: str, rows: int = 30, columns: int = 100) -> None:
        self._at, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        command = [sys.executable, "-m", "kgnb", *args, "--data", str(place.data)]
        env = environment(**{place.mark: "1", **place.env})
        del env["COLUMNS"]
        self.running = Running.new(command, env, place.path, stdout=inner, stdin=inner)
        os.close(inner)
        self.seen = ""

    def until(self, pattern: str, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds * SLOWEST
        while not re.search(pattern, self.seen, re.S):
            assert time.monotonic() < deadline, (pattern, self.seen[-3000:])
            assert self.running.process.poll() is None, (self.seen, self.running.process.communicate())
            if select.select([self._at], [], [], 0.2)[0]:
                self.seen += os.read(self._at, 65536).decode("utf-8", "replace")

    def rest(self) -> str:
        code = self.running.process.wait(30 * SLOWEST)
        try:
            while select.select([self._at], [], [], 0.5)[0]:
                self.seen += os.read(self._at, 65536).decode("utf-8", "replace")
        except OSError:  # the other end is closed
            pass
        os.close(self._at)
        assert code == 0, (code, self.seen[-500:])
        return self.seen


class TestWatch:
    def test_on_a_terminal(self, place: Place) -> None:
        watcher = Terminal(place, "status", "--watch", "--lang", "en")
        watcher.until(r"Tasks.*\x1b\[H.*Tasks.*\x1b\[H")  # drawn twice
        watcher.running.send(signal.SIGINT)
        drawn, last = watcher.rest().split("\x1b[?1049l")
        assert drawn.count("\x1b[?1049h") == 1
        assert not re.search(r"\x1b\[\d*[JK]", drawn)  # no flicker: nothing is cleared, only drawn over
        assert drawn.rfind("\x1b[?25h") > drawn.rfind("\x1b[?25l")  # the cursor is back
        assert "Tasks" in last  # the last status stays on the terminal
        assert "Traceback" not in drawn + last

    def test_a_terminal_that_is_closed_ends_it_without_a_traceback(self, place: Place) -> None:
        watcher = Terminal(place, "status", "--watch")
        watcher.until(r"\x1b\[\?1049h")
        os.close(watcher._at)
        ran = watcher.running.ended()
        assert (ran.code, ran.err) == (130, "")

    def test_a_small_terminal_is_not_overrun(self, place: Place) -> None:
        with llm(latency=0.01) as server:
            book = novel(place.path / "book.txt", 2, lines=4)
            args = ("--title", "长" * 40, "--provider", "dryrun")
            assert place.run("submit", book, *args, env=server.env()).code == 0
        watcher = Terminal(place, "status", "--watch", rows=12, columns=50)
        watcher.until(r"还有.*\x1b\[H.*还有.*\x1b\[H")
        watcher.running.send(signal.SIGTERM)
        drawn = watcher.rest().split("\x1b[?1049l")[0].split("\x1b[H")[-1]
        lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip("\r") for line in drawn.split("\n")]
        assert len(lines) == 12
        assert all(cell_len(line) <= 50 for line in lines)
        assert "还有" in lines[-1]

    def test_json_lines_survive_the_loss_of_the_engines(self, place: Place) -> None:
        watcher = place.start("status", "--watch", "--json")
        told: list[dict[str, Any]] = []

        def next_line() -> dict[str, Any]:
            told.append(json.loads(watcher.process.stdout.readline()))
            return told[-1]

        assert "nodes" in next_line()
        for engine in processes(place.data):
            send_signal(engine, signal.SIGKILL)
        deadline = time.monotonic() + 40 * SLOWEST
        assert "error" in next_line() or "nodes" in told[-1]
        while "nodes" not in next_line() or len(told) < 5:
            assert time.monotonic() < deadline, told
        watcher.send(signal.SIGINT)
        ran = watcher.ended()
        assert ran.code == 0, ran
        assert "Traceback" not in ran.err

    def test_an_outage_in_mid_watch_is_shown(self, place: Place, redis_server: str) -> None:
        """Redis goes away and comes back: the last picture stays, with the reason above it."""
        port = redis_server
        watcher = place.start(
            "status", "--watch", "--lang", "en", env={"REDIS_HOST": "127.0.0.1", "REDIS_PORT": port}
        )
        read_until(watcher, "Tasks")
        stop_answering(port)
        read_until(watcher, "⚠")
        read_until(watcher, "Below is the state of")
        start_answering(port)
        read_until(watcher, "⚠", absent=True)
        watcher.send(signal.SIGINT)
        assert watcher.ended().code == 0

    def test_without_a_terminal_no_escapes(self, place: Place) -> None:
        watcher = place.start("status", "--watch", "--lang", "en")
        read_until(watcher, "Tasks")
        read_until(watcher, "Tasks")
        watcher.send(signal.SIGINT)
        ran = watcher.ended()
        assert (ran.code, ran.err) == (0, "")
        assert "\x1b" not in ran.out

    def test_a_reader_that_leaves_ends_it(self, place: Place) -> None:
        watcher = place.start("status", "--watch", "--json")
        watcher.process.stdout.readline()
        watcher.process.stdout.close()
        assert watcher.process.wait(30 * SLOWEST) == 0
        assert watcher.process.stderr.read() == ""

    def test_nothing_there_at_the_start_is_refused(self, place: Place) -> None:
        env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "9"}
        place.run("status", "--watch", env=env).refused("127.0.0.1:9")


_proxies: dict[str, Any] = {}


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[str]:
    """The port of a way to a Redis of its own that can be shut and opened again."""
    with open_queue(tmp_path / "redis") as engines:
        at = redis.connection.parse_url(engines.redis_url.get_secret_value())
        proxy = Proxy(at)
        _proxies[proxy.port] = proxy
        yield proxy.port
        proxy.close()


class Proxy:
    """Passes a port on to a Redis at a unix socket or a port, with its password said already."""

    def __init__(self, at: dict[str, Any]) -> None:
        import threading

        self._at = at
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._open: set[asyncio.StreamWriter] = set()
        self.port = "0"
        self.start()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10 * SLOWEST)

    def start(self) -> None:
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", int(self.port)))
        self.port = str(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        async def stop() -> None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()

        self._do(stop())

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        if "path" in self._at:
            there, back = await asyncio.open_unix_connection(self._at["path"])
        else:
            there, back = await asyncio.open_connection(self._at["host"], self._at["port"])
        if password := self._at.get("password"):
            user = self._at.get("username") or "default"
            back.write(f"AUTH {user} {password}\r\n".encode())
            assert (await there.readline()).startswith(b"+OK")
        self._open.add(back)
        await asyncio.gather(_pump(reader, back), _pump(there, writer), return_exceptions=True)
        self._open -= {writer, back}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


def stop_answering(port: str) -> None:
    _proxies[port].stop()


def start_answering(port: str) -> None:
    _proxies[port].start()


def read_until(running: Running, word: str, *, absent: bool = False, seconds: float = 40) -> None:
    """Reads on to the end of a block that has ``word``, or that hasn't."""
    deadline = time.monotonic() + seconds * SLOWEST
    block = ""
    while time.monotonic() < deadline:
        line = running.process.stdout.readline()
        assert line, running.process.stderr.read()
        block += line
        if not absent and word in block:
            return
        if line.startswith(("Tasks", "  No task")):
            if absent and word not in block and "kgnb status" in block:
                return
            block = ""
    raise AssertionError(f"never saw {word}")


# --- what it is made of -------------------------------------------------------------------------------------


class TestRedis:
    async def test_a_node_tells_version_and_slots(self, queue: Queue) -> None:
        presence = Presence(queue)
        await presence.claim_name("节点")
        states = [WorkerState(i, "OpenAI") for i in range(3)]
        states += [WorkerState(3, "rules"), WorkerState(4, "OpenAI", 7, 1.0, kept=True)]
        started = datetime.now().astimezone()
        await presence.heartbeat(workers=states, started_at=started, slots=2)
        (node,) = await queue.nodes()
        assert (node.name, node.version, node.shares) == ("节点", __version__, {"OpenAI": 2, "rules": 1})
        assert node.age is not None
        assert 0 <= node.age < 5
        await queue.connection.client.expire("kg:nodes:节点", 100)
        assert (await queue.nodes())[0].age == pytest.approx(80, abs=2)
        await presence.leave()
        assert await queue.nodes() == []
        assert await queue.connection.client.keys("kgnb:about:*") == []

    async def test_old_workers_and_what_they_do(self, queue: Queue) -> None:
        presence = Presence(queue)
        await presence.claim_name("new")
        await presence.heartbeat(workers=[], started_at=datetime.now().astimezone(), slots=2)
        fields = {"node_id": '"old"', "node_type": '"worker"', "pid": "7", "workers_per_provider": "2"}
        await queue.connection.client.hset("kg:nodes:old", mapping=fields)
        for number, more in enumerate(({"task_id": "9", "start_time": "1.5"}, {})):
            slot = {"provider": '"openai"', "pid": "7", "node_name": '"old"', **more}
            await queue.connection.client.hset(f"kg:worker:{number}", mapping=slot)
        await queue.connection.client.hset("kg:worker:99", mapping={"node_name": '"gone"', "task_id": "3"})
        await queue.connection.client.hset(
            "kg:worker:98", mapping={"node_name": "{not json", "task_id": "[]"}
        )
        await queue.connection.client.set("kg:nodes:text", "not a hash")
        for number in range(500):
            await queue.connection.client.set(f"other:{number}", "x")
        (node,) = await queue.foreign_nodes()
        assert (node.name, node.kgnb, node.pid, node.slots, node.age) == ("old", False, 7, 2, None)
        assert (node.shares, node.busy, node.tasks) == ({"openai": 2}, {"openai": 1}, {9})

    async def test_leases_name_their_holder(self, queue: Queue) -> None:
        queue.node = "甲"
        await queue.push(NEW, 7)
        (claim,) = (await queue.poll([ClaimRequest(NEW, tasks=1)])).claims
        await queue.open_task(claim, [1, 2, 3])
        await queue.poll([ClaimRequest(NEW, chapters=2)])
        leases = await queue.leases([NEW, QueueName("kg:task:queue:none")])
        assert {(one.queue, one.node, one.task_id) for one in leases} == {(NEW, "甲", 7)}
        assert sorted(one.chapter_id for one in leases) == [0, 1, 2]
        assert NEW in await queue.polled_queues()


class TestFigures:
    async def test_counts_speed_and_cost(self, ledger: Ledger) -> None:
        _, task = await new_task(ledger, 6)
        _, other = await new_task(ledger, 2, salt="乙")
        chapters = (await open_with(ledger, task, 10)).chapters
        for chapter in chapters[:3]:
            assert await finish_chapter(ledger, task, chapter, 11)
        now = beijing_now()
        for chapter, ago in zip(chapters, (60, 30, 400), strict=False):
            times = {
                "started_at": now - timedelta(seconds=ago + 60),
                "completed_at": now - timedelta(seconds=ago),
            }
            await ledger.database.run(lambda c, ch=chapter, t=times: c.execute(set_chapter(task, ch, **t)))
        found = await ledger.task_stats.figures([task, other])
        one = found[task]
        assert one.count(ChapterStatus.COMPLETED) == 3
        assert one.count(ChapterStatus.PENDING) == 3
        assert one.flags == {"repaired": 3, "split": 3}
        assert one.spent == {("DeepSeek", "chat"): Usage(6, 90, 120, 60)}
        # Two in the last five minutes, the first of them begun two minutes ago.
        assert one.rate == pytest.approx(1.0, rel=0.1)
        assert (found[other].rate, found[other].spent) == (None, {})
        assert (await ledger.task_stats.progress(task)).rate == pytest.approx(1.0, rel=0.1)
        assert (await ledger.task_stats.progress(other)).rate is None
        assert await ledger.task_stats.figures([]) == {}

    def test_cost_needs_every_price(self) -> None:
        budget = Budget(prices={"a": (2.0, 8.0), "b/x": (1.0, 0.0)})
        million = Usage(1, 1_000_000, 1_000_000)
        assert budget.total_cost({("A", "m"): million, ("b", "X"): million}) == 11.0
        assert budget.total_cost({("A", "m"): million, ("b", "y"): million}) is None
        assert budget.total_cost({("A", "m"): million, ("rules", ""): Usage()}) == 10.0
        assert budget.total_cost({("rules", ""): Usage()}) is None


def test_the_rules_cost_nothing_and_have_no_budget(place: Place) -> None:
    found = place.run("status", "--json", env={"KGNB_BUDGET": "20", "KGNB_BUDGET_TOKENS": "9000"}).json
    (rules,) = (one for one in found["providers"] if one["name"] == "rules")
    assert (rules["budget"], rules["budget_tokens"]) == (None, None)
