"""Killed in the middle, the same command goes on: nothing is paid twice, the graph is the undisturbed one."""

from __future__ import annotations

import fcntl
import os
import signal
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import STORY, Llm, Place, Ran, Running, llm, novel

CHAPTERS = 60
SLOTS = "6"
LEFT = "SELECT count(*) FROM knowledge_graph_chapter_status WHERE status <> 'completed'"
RUNNING = "SELECT count(*) FROM knowledge_graph_tasks WHERE status = 'running'"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return novel(tmp_path_factory.mktemp("book") / "book.txt", CHAPTERS)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, book: Path) -> dict[str, Any]:
    """The graph of a build that nothing disturbed."""
    with llm() as server:
        place = Place(tmp_path_factory.mktemp("undisturbed"), server.env())
        result = place.build(book, "--provider", "dryrun", "--slots", SLOTS)
        assert (result["completed"], result["requests"]) == (CHAPTERS, CHAPTERS)
        graph = place.graph()
        assert place.left_over(15) == []
        return graph


@pytest.fixture
def server() -> Iterator[Llm]:
    with llm(latency=0.15) as one:
        yield one


@pytest.fixture
def place(tmp_path: Path, server: Llm) -> Iterator[Place]:
    # With leases that outlive the test: whoever waited for one of a dead process would never end.
    with Place(tmp_path, {**server.env(), "KGNB_LEASE_SECONDS": "300"}) as one:
        yield one


def start(place: Place, book: Path) -> Running:
    return place.start("build", book, "--provider", "dryrun", "--slots", SLOTS, "--json")


def stopped_while_it_refreshes(place: Place, build: Running) -> None:
    """All chapters are on record and the task isn't closed: its graph is being refreshed, or about to be.

    Looked at while the build stands still, and it stays so, for a refresh may be over before a test acts."""

    def refreshes() -> bool:
        if place.sql("SELECT count(*) FROM kgnb_extractions") != [(CHAPTERS,)] or place.sql(LEFT) != [(0,)]:
            return False
        os.killpg(build.process.pid, signal.SIGSTOP)
        if place.sql(RUNNING) == [(1,)]:
            return True
        os.killpg(build.process.pid, signal.SIGCONT)
        return False

    build.until(refreshes)


def kill(place: Place, build: Running, *, power_cut: bool) -> int:
    """-9 to the build's group, or to the engines as well; returns how many replies are stored then."""
    build.kill()
    build.process.communicate()
    if power_cut:
        place.kill_everything()
    assert place.sql(RUNNING) == [(1,)]
    return stored(place)


def stored(place: Place) -> int:
    return int(place.sql("SELECT count(*) FROM kgnb_replies")[0][0])


def check_end(place: Place, build: Running, undisturbed: dict[str, Any]) -> Ran:
    """It ends what was left over; every chapter is there once, the graph is right, nothing keeps running."""
    ran = build.ended(60)
    assert ran.code == 0, ran
    assert ran.json["task_id"] == 1
    assert (ran.json["status"], ran.json["completed"], ran.json["failed"]) == ("completed", CHAPTERS, 0)
    assert place.sql(LEFT) == [(0,)]
    once = "SELECT count(*), count(DISTINCT chapter_id) FROM kgnb_extractions"
    assert place.sql(once) == [(CHAPTERS, CHAPTERS)]
    assert place.graph() == undisturbed
    assert place.left_over(15) == []
    return ran


class TestKilled:
    @pytest.mark.parametrize(
        ("first", "power_cut"), [(8, False), (40, True)], ids=["early", "late, engines too"]
    )
    def test_goes_on(
        self,
        place: Place,
        book: Path,
        server: Llm,
        undisturbed: dict[str, Any],
        first: int,
        power_cut: bool,
    ) -> None:
        build = start(place, book)
        build.until(lambda: server.stats.requests >= first)
        kept = kill(place, build, power_cut=power_cut)
        before = server.stats.requests
        build = start(place, book)
        stopped_while_it_refreshes(place, build)
        assert kill(place, build, power_cut=power_cut) == CHAPTERS
        assert server.stats.requests == before + CHAPTERS - kept  # what was stored was not asked for again
        assert len(server.stats.answered_twice) <= before - kept  # but what was in flight
        ran = check_end(place, start(place, book), undisturbed)
        assert ran.json["requests"] == 0


class TestStopped:
    def test_signals_end_with_130_and_keep_the_state(
        self, place: Place, book: Path, server: Llm, undisturbed: dict[str, Any]
    ) -> None:
        for after, number in ((8, signal.SIGINT), (24, signal.SIGTERM)):
            build = start(place, book)
            build.until(lambda after=after: server.stats.requests >= after)
            os.killpg(build.process.pid, number)  # as a terminal does
            ran = build.ended()
            assert ran.code == 130, ran
            assert ran.out == ""
            assert len(ran.err.splitlines()) == 1, ran
            assert ran.err.startswith("kgnb: ")
            done = stored(place)
            assert done == server.stats.requests < CHAPTERS  # what was in flight was waited for
            states = "SELECT status, count(*) FROM knowledge_graph_chapter_status GROUP BY status"
            assert dict(place.sql(states)) == {"completed": done, "pending": CHAPTERS - done}
        check_end(place, start(place, book), undisturbed)
        assert server.stats.requests == CHAPTERS

    def test_a_terminal_that_is_closed_ends_it(self, place: Place, book: Path, server: Llm) -> None:
        terminal, its_side = os.openpty()
        os.set_blocking(terminal, False)
        own = {"prepare": lambda: fcntl.ioctl(1, termios.TIOCSCTTY, 0)}
        words = ("build", book, "--provider", "dryrun", "--slots", SLOTS)
        build = place.start(*words, stdout=its_side, stderr=its_side, **own)
        os.close(its_side)

        def at_work() -> bool:
            with suppress(BlockingIOError, OSError):
                os.read(terminal, 100_000)
            return server.stats.requests >= 8

        build.until(at_work)
        os.close(terminal)
        assert build.ended().code == 130
        assert stored(place) == server.stats.requests < CHAPTERS
        states = place.sql("SELECT DISTINCT status FROM knowledge_graph_chapter_status")
        assert set(states) == {("completed",), ("pending",)}

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_while_it_refreshes(
        self, place: Place, book: Path, server: Llm, undisturbed: dict[str, Any], number: signal.Signals
    ) -> None:
        server.server.latency = 0.0
        build = start(place, book)
        stopped_while_it_refreshes(place, build)
        os.killpg(build.process.pid, number)
        os.killpg(build.process.pid, signal.SIGCONT)
        ran = build.ended()
        assert ran.code == 130, ran
        assert "Traceback" not in ran.err
        check_end(place, start(place, book), undisturbed)

    def test_under_nohup_the_end_of_the_terminal_is_nothing(self, place: Place, server: Llm) -> None:
        nohup = {"prepare": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
        build = place.start("build", STORY, "--provider", "dryrun", "--json", **nohup)
        build.until(lambda: server.stats.requests >= 1)
        build.send(signal.SIGHUP)
        assert build.ended().json["completed"] == 6

    def test_more_signals_cut_the_wait_for_replies_short(self, place: Place, book: Path, server: Llm) -> None:
        server.server.latency = 60.0
        build = start(place, book)
        build.until(lambda: server.stats.requests >= 4)
        for _ in range(3):
            build.send(signal.SIGTERM)
            time.sleep(0.5)
        ran = build.ended()
        assert ran.code in (130, -signal.SIGTERM), ran  # the third may find Python leaving
        assert len(ran.err.splitlines()) == 1, ran
        assert place.sql("SELECT DISTINCT status FROM knowledge_graph_chapter_status") == [("pending",)]

    def test_a_signal_while_it_starts(self, place: Place, book: Path) -> None:
        build = start(place, book)
        build.until(lambda: (place.data / ".clients").exists())
        build.send(signal.SIGTERM)
        ran = build.ended()
        assert ran.code in (130, -signal.SIGTERM), ran
        assert "Traceback" not in ran.err
        assert place.left_over(15) == []


class TestWorker:
    def test_drains_what_was_submitted(self, place: Place, server: Llm) -> None:
        server.server.latency = 0.0
        submitted = place.run("submit", STORY, "--provider", "dryrun")
        assert (submitted.code, submitted.out) == (0, "1\n")
        assert "kgnb worker" in submitted.err  # what comes next, to whoever looks
        assert place.sql("SELECT status FROM knowledge_graph_tasks") == [("created",)]
        ran = place.run("worker", "--drain", "--slots", "4")
        assert ran.code == 0, ran
        assert place.sql("SELECT status FROM knowledge_graph_tasks") == [("completed",)]
        found = place.run("build", STORY, "--provider", "dryrun", "--json").json
        assert (found["task_id"], found["completed"], found["requests"]) == (1, 6, 0)
        assert server.stats.requests == 6
        assert place.left_over(15) == []

    def test_leaves_at_sigterm_and_its_chapters_go_on_elsewhere(
        self, place: Place, book: Path, server: Llm
    ) -> None:
        assert place.run("submit", book, "--provider", "dryrun").code == 0
        worker = place.start("worker", "--slots", SLOTS)
        worker.until(lambda: server.stats.requests >= 12)
        worker.send(signal.SIGTERM)
        ran = worker.ended()
        assert ran.code == 0, ran
        assert "Traceback" not in ran.out + ran.err
        open_ = "SELECT count(*) FROM knowledge_graph_chapter_status WHERE status = 'running'"
        assert place.sql(open_) == [(0,)]
        server.server.latency = 0.0
        second = place.run("worker", "--drain", "--slots", SLOTS)
        assert second.code == 0, second
        assert place.sql(LEFT) == [(0,)]
        assert server.stats.requests == CHAPTERS
        assert server.stats.answered_twice == []

    def test_a_second_signal_leaves_at_once(self, place: Place, book: Path, server: Llm) -> None:
        server.server.latency = 30.0
        assert place.run("submit", book, "--provider", "dryrun").code == 0
        worker = place.start("worker", "--slots", "2", env={"KGNB_DRAIN_SECONDS": "300"})
        worker.until(lambda: server.stats.requests >= 2)
        worker.send(signal.SIGTERM)
        with pytest.raises(AssertionError, match="never"):
            worker.until(lambda: False, 1.0)  # it waits for its chapters
        worker.send(signal.SIGTERM)
        assert worker.ended().code == 0
        assert place.left_over(15) == []
