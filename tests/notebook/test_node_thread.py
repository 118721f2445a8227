"""kgnb.Node in this process: calls beside a node that comes and goes, outages, and what it says meanwhile."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import json
import logging
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kgnb.app.context import App
from kgnb.app.graphs import graph_counts
from kgnb.book.reader import story_path
from kgnb.core.errors import InputError
from kgnb.core.host import Host, detect_host
from kgnb.core.settings import Settings
from kgnb.notebook.log_buffer import MAX_LINES, LogBuffer
from kgnb.notebook.node import SLOTS_A_THREAD, Node, current, shared_out
from kgnb.worker.counters import MINUTES, Counters, summed
from tests.conftest import outside
from tests.support.commands import llm
from tests.support.engines import files_containing
from tests.support.patience import SLOWEST, until


@pytest.fixture
def data(tmp_path: Path, running_engines: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr("kgnb.notebook.node_thread.CALLS_SECONDS", 0.5)
    yield tmp_path / "data"
    if (node := current()) is not None:
        node.stop(now=True)


def here(**more: Any) -> Host:
    return dataclasses.replace(detect_host(), started_at=time.time(), **more)


def node(data: Path, place: Host | None = None, **given: Any) -> Node:
    return Node(Settings.load(data=data, **given), place or here())


async def tasks(app: App) -> tuple[str, int]:
    return threading.current_thread().name, len(await app.ledger.tasks.newest(5))


class TestCalls:
    def test_run_beside_the_node_or_with_stores_of_their_own(self, data: Path) -> None:
        one = node(data)
        assert one.call(tasks).result(30 * SLOWEST) == ("kgnb-loop", 0)
        one.start()
        until(lambda: one.state == "running")
        assert one.call(tasks).result(30 * SLOWEST) == ("kgnb-node", 0)

        began = threading.Event()

        async def long(_: App) -> None:
            began.set()
            await asyncio.sleep(600)

        waiting = one.call(long)
        assert began.wait(5 * SLOWEST)
        one.stop()
        with pytest.raises(concurrent.futures.CancelledError):  # nobody waits for ever
            waiting.result(5 * SLOWEST)
        assert one.call(tasks).result(30 * SLOWEST) == ("kgnb-loop", 0)
        assert (one.state, one.error) == ("stopped", "")

    def test_one_that_fails_hurts_only_itself(self, data: Path) -> None:
        one = node(data).start()
        until(lambda: one.state == "running")

        async def broken(_: App) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            one.call(broken).result(10 * SLOWEST)
        assert one.state == "running"
        assert one.status()["cluster_error"] == ""


class TestEnds:
    def test_starting_another_one_stops_the_one_before(self, data: Path) -> None:
        first = node(data).start()
        second = node(data, slots=3)
        second.start()
        until(lambda: second.state == "running")
        assert first.state == "stopped"
        assert current() is second
        assert "kgnb-node" in [t.name for t in threading.enumerate()]
        third = node(data)
        third.start()
        first.start()  # before the third has even begun
        until(lambda: first.state == "running")
        until(lambda: (second.state, third.state) == ("stopped", "stopped"))
        first.stop()
        assert [t.name for t in threading.enumerate() if t.name == "kgnb-node"] == []

    @pytest.mark.parametrize("limits", [(0, 300), (0, math.inf), (300, 0), (math.inf, 0, 300)])
    def test_of_several_limits_the_shortest_counts(
        self, data: Path, monkeypatch: pytest.MonkeyPatch, limits: tuple[float, ...]
    ) -> None:
        with llm(latency=300) as server:
            for variable, value in server.env(name="openai").items():
                monkeypatch.setenv(variable, value)
            one = node(data, drain_seconds=300, slots=1).start()
            one.submit(story_path(), "openai")
            until(lambda: server.stats.in_flight == 1)
            run = one._run
            assert run is not None
            for limit in limits:
                run.ask_to_stop(limit)
            run.join(60 * SLOWEST)
            assert (one.state, run._departure.drain_limit) == ("stopped", 0)

    def test_what_may_be_an_edition_is_told_and_joined_on_the_users_word(
        self, data: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        one, foreword = node(data, lang="en"), "本丛书收录武侠小说若干种，由编者校订。" * 9
        for title, count in (("雪山", 4), ("江湖", 2)):
            chapters = "".join(
                f"第{i}章 行\n{title}的第{i}章，李小红去找王大明。\n" * 9 for i in range(2, count + 1)
            )
            data.with_name(f"{title}.txt").write_text(f"第1章 序\n{foreword}\n{chapters}", "utf-8")
        snow, lake = (data.with_name(f"{title}.txt") for title in ("雪山", "江湖"))
        first = one.submit(snow, "rules", author="金庸")
        second = one.submit(lake, "rules", author="古龙")
        assert "edition_of=1" in caplog.text
        third = one.submit(lake, "rules", author="古龙", edition_of=1)
        tasks = [one.call(lambda app, i=i: app.ledger.tasks.get(i)).result() for i in (first, second, third)]
        assert [task.novel_id for task in tasks] == [1, 2, 1]

    def test_services_that_never_come_end_with_the_session_and_a_report(self, data: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # nobody listens
            one = node(
                data, redis_host="127.0.0.1", redis_port=taken.getsockname()[1], session_seconds=5, slots=1
            )
            status = one.run_until()
        assert status["state"] == "stopped"
        report = json.loads((data / "kgnb-report.json").read_text("utf-8"))
        assert (report["why"], report["known"]) == ("session", False)
        assert report["unknown"]

    def test_what_waiting_cannot_mend_is_raised_by_run_until(
        self, data: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        data = data.with_name("file")
        data.write_text("a file", "utf-8")
        one = node(data)
        with pytest.raises(InputError):
            one.run_until()
        assert (one.state, str(data) in one.error) == ("failed", True)
        assert f"ERROR 节点停了：{one.error}" in capsys.readouterr().out

    def test_a_shared_queue_from_colab_needs_a_word(self, data: Path) -> None:
        place = here(kind="colab")
        with pytest.raises(InputError, match="KGNB_COLAB_PAID"):
            node(data, place, redis_host="queue.example").start()
        one = node(data, place).start()  # one's own book is fine
        assert one.is_alive
        one.stop(now=True)
        node(data, place, redis_host="127.0.0.1", redis_port=1, colab_paid=True).start().stop()


class TestProcesses:
    def test_many_slots_are_shared_out_where_cores_are_free(self) -> None:
        settings = Settings.load(**Settings.for_slots(1_200))
        count, each = shared_out(settings, cpus=4)
        assert (count, each.slots_for()) == (3, 400)
        assert shared_out(settings, cpus=2) == (0, settings)
        few = Settings.load(**Settings.for_slots(SLOTS_A_THREAD))
        assert shared_out(few, cpus=64) == (0, few)

    def test_a_provider_with_slots_of_its_own_gets_no_more(self) -> None:
        settings = Settings.load(**Settings.for_slots(1_200), slots_each="mine=90,fast=600")
        count, each = shared_out(settings, cpus=4)
        assert (count, [each.slots_for(key) for key in ("", "mine", "fast")]) == (3, [400, 30, 200])
        alone = Settings.load(**Settings.for_slots(1_200), slots_each="local=1")
        assert shared_out(alone, cpus=4) == (0, alone)

    def test_what_waits_for_others_keeps_no_run_from_ending(self, data: Path) -> None:
        one = node(data, providers="Mine", redis_host="127.0.0.1", redis_port=1).start(processes=1)
        run = one._run
        assert run is not None
        empty = dict.fromkeys(("chapters", "leased", "delayed"), 0)
        for provider, ends in (("other", True), ("mine", False)):
            run.cluster = {"queues": [empty | {"queue": f"kg:task:queue:{provider}", "waiting": 3}]}
            assert run.nothing_left is ends
        one.stop(now=True)

    def test_what_waiting_cannot_mend_is_told_by_the_node(self, data: Path) -> None:
        one = node(data, neo4j_uri=outside("KGNB_TEST_NEO4J_URI"), neo4j_password="canary-wrong")
        one.start(processes=2)
        until(lambda: one.state == "failed", 60)
        until(lambda: not one.is_alive)
        assert "NEO4J_PASSWORD" in one.error
        assert "canary" not in one.error + " ".join(line.text for line in one.recent.lines())

    def test_one_that_is_killed_is_started_anew(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kgnb.notebook.processes.RESTART_SECONDS", 0.2)
        one = node(data).start(processes=1)
        until(lambda: len(one.process_states) == 1, 60)
        (first,) = one.process_states
        task = one.submit(story_path(), "rules")
        os.kill(first, signal.SIGKILL)
        status = one.run_until(time.time() + 60 * SLOWEST)
        assert status["local"]["closed"] == {"completed": 1}
        assert [t["task_id"] for t in status["cluster"]["tasks"] if t["status"] == "completed"] == [task]
        assert len(one.process_states) == 2
        assert any(f"{first}" in line.text for line in one.recent.lines(logging.WARNING))


class TestOutput:
    def test_a_batch_runs_data_is_in_the_output_and_the_next_one_goes_on(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MY_API_KEY", "canary-environment-71")
        data = data.with_name("own")  # which is copied and looked through
        output = tmp_path / "working"
        output.mkdir()
        place = here(kind="kaggle", batch=True, output_dir=output)
        secrets = {name: f"canary-{name}" for name in ("db_password", "neo4j_password", "redis_password")}
        one = node(data, place, **secrets).start()
        task = one.submit(story_path(), "rules")
        status = one.run_until()
        assert status["local"]["outcomes"] == {"completed": 6}
        assert status["report"] == str(output / "kgnb-report.html")
        assert sorted(p.name for p in output.iterdir()) == [
            "kgnb-data",
            "kgnb-report.html",
            "kgnb-report.json",
        ]
        for folder in (data, output):
            assert files_containing(folder, ["canary"]) == []

        async def count(app: App) -> int:
            return (await graph_counts(app, 1))["Character"]

        nodes = one.call(count, queue=False).result(60 * SLOWEST)
        following = node(tmp_path / "next", resume_from=str(output))
        assert following.submit(story_path(), "rules") == task  # found, not made anew
        assert following.run_until()["local"]["outcomes"] == {}
        assert following.call(count, queue=False).result(60 * SLOWEST) == nodes > 5


class TestTelling:
    def test_states_of_several_processes_add_up(self) -> None:
        first = Counters().snapshot() | {
            "in_flight": {"a": 2}, "outcomes": {"completed": 3}, "minutes": [[100, 2], [99, 1]],
            "requests": 5, "open_tasks": [1, 2], "down": {"sql": "gone"},
        }  # fmt: skip
        second = Counters().snapshot() | {
            "in_flight": {"a": 1, "b": 4}, "outcomes": {"failed": 1}, "minutes": [[100, 4], [20, 9]],
            "requests": 2, "open_tasks": [2],
        }  # fmt: skip
        seen = summed([first, json.loads(json.dumps(second))], now=100 * 60 + 30)
        assert seen["in_flight"] == {"a": 3, "b": 4}
        assert seen["outcomes"] == {"completed": 3, "failed": 1}
        assert (seen["requests"], seen["open_tasks"], seen["down"]) == (7, [1, 2], {"sql": "gone"})
        assert len(seen["per_minute"]) == MINUTES
        assert (seen["per_minute"][-2:], sum(seen["per_minute"])) == ([1, 6], 7)  # minute 20 is long ago

    def test_recent_lines_keep_warnings_apart_and_give_the_level_back(self) -> None:
        logger, recent = logging.getLogger("kgnb"), LogBuffer()
        before = logger.level
        recent.listen("INFO")
        logger.warning("once")
        for number in range(3 * MAX_LINES):
            logging.getLogger("kgnb.worker.node").info("line %s\n", number)
        recent.mute()
        logger.warning("unheard")
        assert logger.level == before
        assert [line.text for line in recent.lines(logging.WARNING)] == ["once"]
        lines = recent.lines()
        assert (len(lines), lines[-1].text) == (MAX_LINES, f"line {3 * MAX_LINES - 1}\\n")
        assert recent.lines(after=lines[-1].number) == []


def test_what_a_panel_changed_outlives_another_run_of_the_cell(tmp_path: Path) -> None:
    node = Node.from_env(data=tmp_path / "data", slots=2)
    try:
        node.start()
        node.settings = node.settings.model_copy(update={"slots": 3})
        assert Node.from_env(data=tmp_path / "data", slots=2) is node
        assert Node.from_env(data=tmp_path / "data", slots=4) is not node
    finally:
        node.stop(now=True)
