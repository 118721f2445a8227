"""Commands on running work as a person types them, beside real workers: embedded, and on real services."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kgnb.app.context import App, open_app
from kgnb.app.graphs import graph_counts
from kgnb.cli.main import main
from kgnb.core.settings import Settings
from kgnb.stores.ledger import tables as t
from kgnb.stores.queue.types import ClaimRequest, QueueName
from tests.support.commands import KEY, Llm, Place, Ran, environment, llm, novel, timeless
from tests.support.held_tasks import failed_task, new_task
from tests.support.ledgers import execute, set_task
from tests.support.patience import SLOWEST
from tests.support.services import database_url, emptied_services

REDIS_DB = 7
CHAPTERS = 12


@pytest.fixture
def server() -> Iterator[Llm]:
    with llm() as one:
        yield one


@pytest.fixture
def place(tmp_path: Path, running_engines: None, server: Llm) -> Iterator[Place]:
    with Place(tmp_path, server.env() | {"KGNB_LANG": "en"}) as one:
        yield one


class Typed:
    """Commands in this process: each a loop and connections of its own, like a user's."""

    def __init__(self, place: Place, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.place = place
        self._capsys = capsys
        for name in os.environ:
            if name.startswith(("KG_", "KGNB_", "REDIS_", "DB_", "NEO4J_", "OPENAI_")):
                patch.delenv(name)
        for name, value in place.env.items():
            patch.setenv(name, value)

    def __call__(self, *args: str | int | Path) -> Ran:
        self._capsys.readouterr()
        code = main([*map(str, args), "--data", str(self.place.data)])
        out, err = self._capsys.readouterr()
        return Ran(code, out, err)

    def said(self, *args: str | int) -> str:
        """What a command that succeeded printed: one line."""
        ran = self(*args)
        assert (ran.code, ran.err) == (0, ""), ran
        assert ran.out.count("\n") == 1, ran
        return ran.out.rstrip("\n")

    def build(self, book: Path, *args: str) -> dict[str, Any]:
        ran = self("build", book, "--json", *args)
        assert ran.code == 0, ran
        return ran.json

    def graph(self, task_id: int = 1) -> dict[str, Any]:
        """The exported graph, its times left out."""
        target = self.place.path / "exported.json"
        ran = self("export", task_id, "--format", "json", "-o", target)
        assert ran.code == 0, ran
        return timeless(json.loads(target.read_text("utf-8")))

    def prepared(self, prepare: Callable[[App], Any], *, graph: bool = False) -> Any:
        """What ``prepare`` gives on the place's stores."""

        async def inside() -> Any:
            async with open_app(Settings.load(data=self.place.data), graph=graph) as app:
                return await prepare(app)

        return asyncio.run(inside())


@pytest.fixture
def kgnb(place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    return Typed(place, capsys, monkeypatch)


class TestWords:
    def test_a_tasks_way_without_a_node(self, kgnb: Typed, tmp_path: Path) -> None:
        book = novel(tmp_path / "book.txt", 2)
        assert kgnb("submit", book, "--provider", "dryrun").out == "1\n"
        assert kgnb.said("task", "pause", "1") == "Task 1 is paused"
        assert kgnb.said("task", "pause", "1") == "Task 1 was paused already"
        goes_on, who = kgnb.said("task", "resume", "1").split(": ")
        assert goes_on == "Task 1 goes on, queued in kg:task:queue:dryrun"
        assert "kgnb worker" in who
        kgnb("task", "resume", "1").refused("isn't paused but waiting", "kgnb status")
        assert kgnb.said("task", "cancel", "1") == "Task 1 is cancelled; kgnb task retry 1 starts it again"
        assert kgnb.said("task", "cancel", "1", "--lang", "zh") == "任务 1 本来就取消了"
        kgnb("task", "resume", "1").refused("kgnb task retry 1")
        assert kgnb.said("task", "retry", "1") == "Task 1 starts again, queued in kg:task:queue:dryrun"
        assert kgnb.place.run("worker", "--drain").code == 0
        assert kgnb.place.sql("SELECT status FROM knowledge_graph_tasks") == [("completed",)]
        kgnb("task", "retry", "1").refused("every chapter is done", "--again")
        kgnb("task", "pause", "9").refused("no task 9", "kgnb status")

    def test_the_dead_list(self, kgnb: Typed) -> None:
        assert kgnb.said("dead", "list") == "The dead list is empty"
        assert kgnb("dead", "list", "--json").json == {"dead": []}
        task_id = kgnb.prepared(lambda app: failed_task(app, 3, dead=2))
        ran = kgnb("dead", "list")
        assert (ran.code, len(ran.out.splitlines())) == (0, 2), ran
        line = ran.out.splitlines()[0]
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", line)
        for word in (
            f"task {task_id}",
            "chapter 1 第1回",
            "no JSON in the reply",
            "3 failures, 0 nodes lost",
        ):
            assert word in line
        (first, _) = kgnb("dead", "list", "--json").json["dead"]
        assert (first["task_id"], first["chapter"], first["title"]) == (task_id, 1, "第1回")
        assert {"chapter_id", "reason", "deliveries", "failures", "at", "queue"} <= set(first)
        kgnb("dead", "retry").refused("--all", "kgnb dead list")
        kgnb("dead", "drop", "1", "--garbage").refused("--garbage")
        kgnb("dead", "retry", "1", "3").refused("Chapter 3", "kgnb dead list")
        assert kgnb.said("dead", "drop", "1", "1") == "1 dead entries dropped"
        assert kgnb.said("dead", "retry", "--all") == "1 dead entries queued again (task 1)"
        kgnb("dead", "retry", "--all").refused("kgnb task retry TASK")
        left = "SELECT status, count(*) FROM knowledge_graph_chapter_status GROUP BY status"
        assert dict(kgnb.place.sql(left)) == {"completed": 1, "failed": 1, "pending": 1}
        assert kgnb.said("task", "retry", "1").startswith(
            "Task 1: failed chapters queued again in kg:task:queue:"
        )

    def test_garbage_is_shown_harmless(self, kgnb: Typed) -> None:
        async def litter(app: App) -> None:
            await app.queue.connection.client.lpush(
                "kg:task:queue:dryrun", "\x1b]0;owned\x07\u202e" + "x" * 500
            )
            await app.queue.poll([ClaimRequest(QueueName("kg:task:queue:dryrun"), tasks=1)])

        kgnb.prepared(litter)
        line = kgnb.said("dead", "list")
        assert "kg:task:queue:dryrun" in line
        assert line.isprintable()
        assert len(line) < 300
        assert kgnb.said("dead", "drop", "--garbage") == "1 dead entries dropped"

    def test_no_name_is_taken_for_a_command_by_the_terminal(
        self, kgnb: Typed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        evil = "\x1b]0;owned\x07\u202e\x9b2J"

        async def litter(app: App) -> None:
            task_id = await new_task(app)
            await execute(app.ledger, set_task(task_id, task_name=evil))
            row = {"base_url": f"http://127.0.0.1:9/v1?key={KEY}#{evil}", "models": [evil], "is_active": 1}
            row |= {"name": f"a{evil}", "display_name": evil, "api_key": "k"}
            await execute(app.ledger, sa.insert(t.ai_providers).values(**row))

        kgnb.prepared(litter)
        listed = kgnb("providers", "list").out
        assert "owned" in listed
        assert all(line.isprintable() for line in listed.splitlines()), listed
        assert KEY not in listed
        status = kgnb("status", "--json").out
        assert status.removesuffix("\n").isprintable()
        assert json.loads(status)["tasks"][0]["name"] == evil
        told = kgnb("providers", "set", "dryrun", f"extra_body.note={evil}", "--show").out
        assert all(line.isprintable() for line in told.splitlines()), told
        assert json.loads(told.partition("\n")[2])["body"]["note"] == evil
        asked: list[str] = []
        monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or "")
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        kgnb("task", "delete", "1")
        assert "owned" in asked[0]
        assert asked[0].isprintable()
        line = kgnb("providers", "pause", evil).refused("owned")
        assert line.isprintable()

    @pytest.mark.parametrize(
        "words",
        [
            "task cancel 99999999999999999999",
            "providers pause dryrun --for 99999999999999999999",
            "dead retry 1 99999999999999999999",
            "export 99999999999999999999 --format json -o x.json",
            "worker --drain --slots 99999999999",
            "task cancel " + "9" * 5_000,
            "task cancel 0",
            "kaggle push x --timeout 99999999999999999999",
        ],
    )
    def test_numbers_that_nothing_holds(
        self, kgnb: Typed, capsys: pytest.CaptureFixture[str], words: str
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            kgnb(*words.split())
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("kgnb: ")
        assert re.search("a whole number from |a number that kgnb status lists", line)

    def test_providers(self, kgnb: Typed) -> None:
        line = kgnb.said("providers", "pause", "DryRun", "--for", "90")
        assert line.startswith("dryrun is paused for 90 s, until ")
        paused = kgnb.prepared(lambda app: app.breaker.state("dryrun"))
        assert 60 < paused.until - time.time() < 91
        assert kgnb.said("providers", "resume", "dryrun") == "dryrun goes on"
        assert kgnb.said("providers", "resume", "dryrun", "--lang", "zh").startswith("dryrun 没有暂停")
        line = kgnb("providers", "pause", "dryrum").refused("dryrum", "dryrun", "kgnb status")
        assert KEY not in line
        with pytest.raises(SystemExit) as ended:
            kgnb("providers", "pause", "dryrun", "--for", "0")
        assert ended.value.code == 2


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, place: Place, *args: str) -> None:
        self._near, far = pty.openpty()
        command = [sys.executable, "-m", "kgnb", *args, "--data", str(place.data)]
        options: dict[str, Any] = {"env": environment(**place.env), "cwd": place.path}
        self.process = subprocess.Popen(
            command, stdin=far, stdout=far, stderr=far, start_new_session=True, preexec_fn=_own_it, **options
        )
        os.close(far)
        self.text = ""

    def type(self, keys: bytes) -> None:
        """Once the command reads: a Ctrl-C between its question and that, quicker than anybody's, would wait
        for the next key."""
        while Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            time.sleep(0.01)
        os.write(self._near, keys)

    def until(self, words: str, seconds: float = 40) -> None:
        """Reads until ``words`` were shown, or to the end."""
        deadline = time.monotonic() + seconds * SLOWEST
        while words not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self._near], [], [], 1.0)[0]:
                try:
                    self.text += os.read(self._near, 4_096).decode("utf-8", "replace")
                except OSError:  # nobody has the terminal open any more
                    assert words == END, self.text
                    break

    def ended(self) -> int:
        self.until(END)
        os.close(self._near)
        return self.process.wait(20 * SLOWEST)


END = "\0"


def _own_it() -> None:
    """In the child: keys such as Ctrl-C reach it as signals."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class TestConfirming:
    def test_asks_at_a_terminal_and_nowhere_else(self, kgnb: Typed) -> None:
        task_id = kgnb.prepared(new_task)
        kgnb("task", "delete", task_id).refused("--yes")
        tasks = "SELECT count(*) FROM knowledge_graph_tasks"
        for keys, code, words in (
            (b"\n", 0, "Nothing was deleted"),
            (b"\x03", 130, "kgnb: "),
            (b"y\n", 0, "Task 1 is deleted"),
        ):
            assert kgnb.place.sql(tasks) == [(1,)]
            terminal = Terminal(kgnb.place, "task", "delete", "1")
            terminal.until("[y/N]")
            terminal.type(keys)
            assert terminal.ended() == code, terminal.text
            assert words in terminal.text
            assert "Traceback" not in terminal.text
        assert kgnb.place.sql(tasks) == [(0,)]
        kgnb("task", "delete", "1", "--yes").refused("no task 1")


# --- beside workers -----------------------------------------------------------------------------------------


@pytest.fixture(params=["embedded", "services"])
def anywhere(
    request: pytest.FixtureRequest,
    place: Place,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Typed:
    """On the embedded engines, and on real Redis, MariaDB and Neo4j, emptied."""
    if request.param == "services":
        place.env |= request.getfixturevalue("services")
    return Typed(place, capsys, monkeypatch)


@pytest.fixture
def services() -> Iterator[dict[str, str]]:
    with emptied_services(REDIS_DB) as env:
        yield env


def rows(place: Place, query: str) -> list[tuple[Any, ...]]:
    """Rows of the place's database, whichever it is."""
    if "DB_HOST" not in place.env:
        return place.sql(query)
    engine = sa.create_engine(database_url(place.env))
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.exec_driver_sql(query)]
    engine.dispose()
    return found


LEFT_OF = (
    "knowledge_graph_tasks WHERE id = {0}",
    "knowledge_graph_chapter_status WHERE kg_task_id = {0}",
    "kgnb_tasks WHERE task_id = {0}",
    "kgnb_claims WHERE task_id = {0}",
    "kgnb_extractions WHERE task_id = {0}",
    "kgnb_raw WHERE task_id = {0}",
)


def left_of(place: Place, task_id: int) -> int:
    return sum(rows(place, f"SELECT count(*) FROM {one.format(task_id)}")[0][0] for one in LEFT_OF)


class TestDeleting:
    def test_the_graph_is_as_if_the_task_had_never_run(self, anywhere: Typed, tmp_path: Path) -> None:
        kgnb, book = anywhere, novel(tmp_path / "book.txt", CHAPTERS)
        kgnb.build(book, "--provider", "rules")
        by_rules = kgnb.graph()
        kgnb.build(book, "--provider", "dryrun", "--slots", "6")
        both = kgnb.graph()
        assert both != by_rules
        assert (1, 2) in {tuple(n["properties"]["task_id"]) for n in both["nodes"].values()}
        assert kgnb.said("task", "delete", 2, "--yes") == "Task 2 is deleted"
        assert kgnb.graph() == by_rules
        assert left_of(kgnb.place, 2) == 0
        third = kgnb.build(book, "--provider", "dryrun", "--slots", "6")
        assert (third["status"], third["requests"]) == ("completed", 0)  # the replies were kept
        assert kgnb.said("task", "delete", 1, "--yes") == "Task 1 is deleted"
        after = kgnb.graph(third["task_id"])
        assert {tuple(x["properties"]["task_id"]) for x in after["nodes"].values()} == {(third["task_id"],)}
        assert after["nodes"].keys() == both["nodes"].keys()
        kgnb.said("task", "delete", third["task_id"], "--yes")
        if "NEO4J_URI" in kgnb.place.env:
            assert kgnb.prepared(counts) == {"Novel": 1}

    def test_what_is_not_there_leaves_no_folder(self, tmp_path: Path, services: dict[str, str]) -> None:
        place = Place(tmp_path, {name: value for name, value in services.items() if name.startswith("DB_")})
        for words in (("pause", "77"), ("delete", "77", "--yes")):
            place.run("task", *words).refused("77", place.env["DB_NAME"])
            assert not place.data.exists()

    def test_a_pause_that_nobody_would_hear_is_refused(self, tmp_path: Path) -> None:
        place = Place(tmp_path, {"KGNB_LANG": "en"})
        place.run("providers", "pause", "rules").refused("Nothing is running in", str(place.data.absolute()))
        assert not place.data.exists()

    def test_while_a_worker_runs_it(self, anywhere: Typed, server: Llm, tmp_path: Path) -> None:
        kgnb, book = anywhere, novel(tmp_path / "book.txt", 120)
        kgnb.build(book, "--provider", "rules")
        by_rules = kgnb.graph()
        server.server.latency = 0.8
        assert kgnb("submit", book, "--provider", "dryrun").out == "2\n"
        kgnb.place.env["KGNB_LEASE_SECONDS"] = "300"  # no lease of a live node is waited for
        worker = kgnb.place.start("worker", "--slots", "4", stdout=subprocess.DEVNULL)
        worker.until(lambda: server.stats.requests >= 12)
        server.server.latency = 2.0  # so that it isn't done before the command is, however slow that is
        assert kgnb.said("task", "delete", 2, "--yes") == "Task 2 is deleted"
        asked = server.stats.requests
        assert asked < 100
        time.sleep(3)
        assert server.stats.requests == asked
        assert left_of(kgnb.place, 2) == 0
        assert kgnb.graph() == by_rules
        worker.send(signal.SIGTERM)
        ended = worker.ended()
        assert (ended.code, "Traceback" in ended.err) == (0, False), ended
        assert left_of(kgnb.place, 2) == 0


async def counts(app: App) -> dict[str, int]:
    return await graph_counts(app, 1)


class TestStopping:
    def test_a_worker_hears_every_command(self, kgnb: Typed, server: Llm, tmp_path: Path) -> None:
        server.server.latency = 0.5
        kgnb("submit", novel(tmp_path / "book.txt", 150), "--provider", "dryrun")
        worker = kgnb.place.start("worker", "--slots", "4", stdout=subprocess.DEVNULL)
        commands = ("task", "pause", "resume", 1), ("task", "cancel", "retry", 1), (
            "providers", "pause", "resume", "dryrun"
        )  # fmt: skip
        for family, stop, go, what in commands:
            asked = server.stats.requests
            worker.until(lambda asked=asked: server.stats.requests >= asked + 8)  # type: ignore[misc]
            server.server.latency = 1.5  # so that it isn't done before the command is, however slow that is
            assert kgnb(family, stop, what).code == 0
            worker.until(lambda: kgnb.place.sql(RUNNING) == [(0,)], 10)
            asked = server.stats.requests
            time.sleep(2.5)
            assert server.stats.requests == asked < 140, stop
            server.server.latency = 0.5
            assert kgnb(family, go, what).code == 0
        server.server.latency = 0.0
        worker.until(lambda: kgnb.place.sql(OPEN_TASKS) == [(0,)], 60)
        assert kgnb.place.sql(UNDONE) == [(0,)]
        worker.send(signal.SIGTERM)
        ended = worker.ended()
        assert (ended.code, "Traceback" in ended.err) == (0, False), ended


RUNNING = "SELECT count(*) FROM knowledge_graph_chapter_status WHERE status = 'running'"
UNDONE = "SELECT count(*) FROM knowledge_graph_chapter_status WHERE status <> 'completed'"
OPEN_TASKS = "SELECT count(*) FROM knowledge_graph_tasks WHERE status <> 'completed'"
