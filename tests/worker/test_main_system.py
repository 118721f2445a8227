"""The test plays main: tables of its own with more columns than the contract's, producers of both prefixes,
commands by way of the tables, a guard that resets tasks, and a tab that reads the hashes."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from kgnb.stores.ledger import tables as t
from tests.support.cluster import Cluster, cluster
from tests.support.commands import KEY, Llm
from tests.support.patience import SLOWEST

NEW, OLD = "kg:task:queue:deepseek", "kg:ai_queue:deepseek"
MORE = {
    "novels": "cover_url VARCHAR(255) NOT NULL, owner_id INT NOT NULL, rating DECIMAL(3,1) DEFAULT 0",
    "chapters": "vip TINYINT(1) NOT NULL, source_url VARCHAR(500)",
    "ai_providers": "priority INT NOT NULL, balance DECIMAL(10,4)",
    "knowledge_graph_tasks": "created_by INT NOT NULL, priority ENUM('low','high') NOT NULL",
    "knowledge_graph_chapter_status": "attempts INT NOT NULL, worker VARCHAR(64) NOT NULL",
    "knowledge_graph_configs": "prompt_template TEXT, version INT NOT NULL",
}
"""Columns that the contract doesn't name; those that are NOT NULL have no default."""


@dataclass
class Main:
    """The book system, as far as a node meets it."""

    nodes: Cluster
    ids: dict[str, int] = field(default_factory=dict)

    def make_tables(self) -> None:
        for table in t.MAIN:
            with self.nodes.engine.begin() as connection:
                table.create(connection)
                for column in MORE[table.name].split(", "):
                    connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column}")

    def columns(self) -> dict[str, list[tuple[Any, ...]]]:
        return {
            table.name: self.nodes.sql(
                "SELECT column_name, column_type, is_nullable, column_default "
                "FROM information_schema.columns "
                "WHERE table_schema = database() AND table_name = :name ORDER BY ordinal_position",
                name=table.name,
            )
            for table in t.MAIN
        }

    def insert(self, table: str, **values: Any) -> int:
        fields = {k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in values.items()}
        names = ", ".join(fields)
        marks = ", ".join(f":{name}" for name in fields)
        with self.nodes.engine.begin() as connection:
            result = connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), fields)
            return int(result.lastrowid)

    def provider(self, url: str) -> None:
        self.insert(
            "ai_providers", name="DeepSeek", display_name="深度求索", api_key=KEY, base_url=url,
            models=["dryrun"], is_active=1, priority=1,
        )  # fmt: skip
        types = [{"type": "PERSON", "name": "人物", "enabled": True}]
        self.insert(
            "knowledge_graph_configs", name="默认", ai_provider="DeepSeek", ai_model="dryrun", use_ai=1,
            max_content_length=4000, enable_entity_extraction=1, enable_relation_extraction=1,
            entity_types=types, relation_types=[], is_default=1, is_system=1, version=1,
        )  # fmt: skip

    def novel(self, chapters: int, title: str = "演义") -> int:
        novel = self.insert(
            "novels", title=title, author="佚名", total_chapters=chapters, chapters_parsed=1, is_deleting=0,
            cover_url="", owner_id=7,
        )  # fmt: skip
        for number in range(1, chapters + 1):
            text = f"赵明远与钱志清同行，来到青州城。赵明远道：“此乃{title}第{number}回。”孙云山也到。" * 3
            self.insert(
                "chapters", novel_id=novel, title=f"第{number}回", content=text, chapter_number=number,
                word_count=len(text), vip=0,
            )  # fmt: skip
        return novel

    def task(self, novel: int, chapters: int, *, rows: bool = False, **more: Any) -> int:
        task = self.insert(
            "knowledge_graph_tasks", task_name="图谱", novel_id=novel, use_ai=1, status="created",
            total_chapters=chapters, completed_chapters=0, failed_chapters=0, created_by=7, priority="low",
            **more,
        )  # fmt: skip
        if rows:
            for (chapter,) in self.nodes.sql("SELECT id FROM chapters WHERE novel_id = :id", id=novel):
                self.insert(
                    "knowledge_graph_chapter_status", kg_task_id=task, chapter_id=chapter, status="pending",
                    attempts=0, worker="",
                )  # fmt: skip
        return task

    def push(self, queue: str, task: int, **more: Any) -> None:
        item = json.dumps({"task_id": task, "provider": "deepseek", **more}, ensure_ascii=False)
        (self.nodes.redis.lpush if queue == NEW else self.nodes.redis.rpush)(queue, item)

    def write(self, task: int, **values: Any) -> None:
        """What main writes into a task's row."""
        sets = ", ".join(f"{name} = :{name}" for name in values)
        self.nodes.sql(f"UPDATE knowledge_graph_tasks SET {sets} WHERE id = :id", id=task, **values)

    def retry(self, task: int, queue: str) -> None:
        """As main retries: failed chapters pending, the task paused, a new item."""
        self.nodes.sql(
            "UPDATE knowledge_graph_chapter_status SET status = 'pending', error_message = NULL "
            "WHERE kg_task_id = :id AND status = 'failed'",
            id=task,
        )
        self.write(task, status="paused")
        self.push(queue, task)

    def row(self, task: int) -> dict[str, Any]:
        with self.nodes.engine.connect() as connection:
            query = sa.text("SELECT * FROM knowledge_graph_tasks WHERE id = :id")
            return dict(connection.execute(query, {"id": task}).mappings().one())

    def busy(self, task: int) -> list[int]:
        """Chapters of the task that a node holds, in either queue."""
        held = {**self.nodes.held(NEW), **self.nodes.held(OLD)}
        return [int(m.split(":")[2]) for m in held if m.startswith(f"c:{task}:")]


class Tab:
    """Main's "Worker nodes" tab and progress bars: reads all the time, notes what is wrong."""

    def __init__(self, nodes: Cluster) -> None:
        self.samples = 0
        self.unnamed: dict[int, float] = {}
        """Running tasks that no hash of a live node named → for how many seconds at the longest."""
        self.wrong: list[Any] = []
        self.messages: list[dict[str, Any]] = []
        self.seen: dict[int, set[str]] = {}
        """Worker id → nodes that it was read of."""
        self._nodes = nodes
        self._since: dict[int, float] = {}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._look), threading.Thread(target=self._listen)]

    def __enter__(self) -> Tab:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10 * SLOWEST)

    def _look(self) -> None:
        while not self._over.wait(0.05):
            unnamed = self._running() - self.read()
            if unnamed:  # again: the hashes aren't read at one moment, and a task may just have ended
                unnamed &= self._running() - self.read()
            now = time.monotonic()
            self._since = {task: self._since.get(task, now) for task in unnamed}
            for task, since in self._since.items():
                self.unnamed[task] = max(self.unnamed.get(task, 0.0), now - since)
            self.samples += 1

    def _running(self) -> set[int]:
        return {
            i for (i,) in self._nodes.sql("SELECT id FROM knowledge_graph_tasks WHERE status = 'running'")
        }

    def read(self) -> set[int]:
        """The tasks that slots of live nodes name; each field is one JSON document."""
        live, named = set(), set()
        for key in self._nodes.redis.scan_iter("kg:nodes:*"):
            fields = self._hash(key)
            if fields:
                assert fields["node_type"] == "worker"
                assert f"kg:nodes:{fields['node_id']}" == key
                live.add(fields["node_id"])
        for key in self._nodes.redis.scan_iter("kg:worker:*"):
            fields = self._hash(key)
            if not fields:
                continue
            self.seen.setdefault(int(key.removeprefix("kg:worker:")), set()).add(fields["node_name"])
            if not {"provider", "pid", "node_name", "last_heartbeat"} <= set(fields):
                self.wrong.append((key, fields))
            if fields["node_name"] in live and "task_id" in fields:
                named.add(int(fields["task_id"]))
                assert isinstance(fields["start_time"], float | int)
        return named

    def _hash(self, key: str) -> dict[str, Any]:
        raw = self._nodes.redis.hgetall(key)
        try:
            return {name: json.loads(value) for name, value in raw.items()}
        except ValueError:
            self.wrong.append((key, raw))
            return {}

    def _listen(self) -> None:
        with self._nodes.redis.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe("kg:progress")
            while not self._over.is_set():
                message = channel.get_message(timeout=0.2)
                if message is not None:
                    self.messages.append(json.loads(message["data"]))

    def told(self, task: int) -> list[dict[str, Any]]:
        return [m for m in self.messages if m["task_id"] == task]


@pytest.fixture
def main(tmp_path: Path, model: Llm) -> Iterator[Main]:
    with cluster(tmp_path) as nodes:
        one = Main(nodes)
        one.make_tables()
        one.provider(model.server.base_url)
        yield one


def test_tasks_that_main_made(main: Main, model: Llm) -> None:
    nodes = main.nodes
    before = main.columns()
    with_rows = main.task(main.novel(6, "有行"), 6, rows=True)
    without = main.task(main.novel(6, "无行"), 6)
    some = main.novel(6, "几回")
    ids = [i for (i,) in nodes.sql("SELECT id FROM chapters WHERE novel_id = :id ORDER BY id", id=some)]
    part = main.task(some, 2, chapter_ids=ids[1:3])
    twice = main.task(main.novel(6, "两处"), 6)
    main.push(NEW, with_rows, note={"from": "main", "tags": []}, big=12345678901234567890)
    main.push(OLD, without)
    for _ in range(3):
        main.push(NEW, twice)
        main.push(OLD, twice)
    main.push(OLD, part)
    tasks = (with_rows, without, part, twice)
    with Tab(nodes) as tab:
        both = [nodes.start_node(name, 2) for name in ("a", "b")]
        nodes.joined(*both)
        for _ in range(5):
            time.sleep(0.3)
            main.push(NEW, twice)
            main.push(OLD, twice)
        nodes.wait_until(lambda: nodes.finished(*tasks), 60, "all tasks are done")
        nodes.wait_until(lambda: not nodes.redis.llen(NEW) + nodes.redis.llen(OLD), 20, "no item is left")
        nodes.wait_until(lambda: not nodes.held(NEW, chapters=False), 30, "nothing is leased any more")
        nodes.wait_until(lambda: not nodes.held(OLD, chapters=False), 30, "nothing is leased any more")
        time.sleep(1.5)
    for task in tasks:
        row, last = main.row(task), tab.told(task)[-1]
        total = 2 if task == part else 6
        assert (row["status"], row["completed_chapters"], row["total_chapters"]) == (
            "completed",
            total,
            total,
        )
        assert (row["created_by"], row["priority"]) == (7, "low")
        assert row["total_entities"] > 0
        assert row["started_at"] <= row["completed_at"]
        assert (last["type"], last["status"], last["progress"]) == ("kg_task_progress", "completed", 100.0)
        assert (last["completed_chapters"], last["failed_chapters"], last["total_chapters"]) == (
            total,
            0,
            total,
        )
        assert nodes.chapters(task) == {"completed": total}
    assert model.stats.requests == 6 + 6 + 2 + 6
    assert model.stats.answered_twice == []
    assert main.columns() == before
    assert tab.samples > 20
    assert tab.wrong == []
    assert all(len(names) == 1 for names in tab.seen.values())
    assert tab.unnamed == {}
    assert [node.leave()[0] for node in both] == [0, 0]
    assert [*nodes.redis.scan_iter("kg:nodes:*"), *nodes.redis.scan_iter("kg:worker:*")] == []


def test_commands_by_way_of_the_tables(main: Main, model: Llm) -> None:
    nodes = main.nodes
    model.server.latency = 8
    stopped, cancelled = (main.task(main.novel(5, title), 5, rows=True) for title in ("停", "消"))
    node = nodes.start_node("a", 8)
    main.push(OLD, stopped)
    main.push(OLD, cancelled)
    nodes.wait_until(lambda: main.busy(stopped) and main.busy(cancelled), 60, "both are at work")
    with Tab(nodes) as tab:
        main.write(stopped, status="paused")
        main.write(cancelled, status="cancelled")
        nodes.wait_until(lambda: not main.busy(stopped) and not main.busy(cancelled), 30, "handed back")
        # Once the replies, which are paid, have come.
        nodes.wait_until(lambda: nodes.chapters(stopped) == {"pending": 5}, 30, "chapters are pending again")
        nodes.wait_until(lambda: not nodes.held(OLD, chapters=False), 30, "the tasks are let go")
        nodes.wait_until(lambda: not tab.read(), 30, "and no slot names them")
        model.server.latency = 0.1
        asked = model.stats.requests
        time.sleep(4)  # the reconciler looks too
        assert model.stats.requests == asked
        assert (nodes.status(stopped), nodes.status(cancelled)) == ("paused", "cancelled")

        main.retry(stopped, OLD)
        nodes.wait_until(lambda: nodes.finished(stopped), 30, "the retried task is done")
        assert nodes.chapters(stopped) == {"completed": 5}

        # A chapter that failed, retried as main does it.
        chapter = nodes.number("SELECT max(id) FROM chapters WHERE content LIKE '%停%'")
        nodes.sql("DELETE FROM kgnb_extractions WHERE chapter_id = :c", c=chapter)
        nodes.sql("DELETE FROM kgnb_replies")
        nodes.sql(
            "UPDATE knowledge_graph_chapter_status SET status = 'failed' WHERE chapter_id = :c", c=chapter
        )
        main.write(stopped, status="failed")
        asked = model.stats.requests
        main.retry(stopped, NEW)
        nodes.wait_until(
            lambda: nodes.chapters(stopped) == {"completed": 5}, 30, "the failed one is done again"
        )
        nodes.wait_until(lambda: nodes.finished(stopped), 30, "and the task closed")
        assert model.stats.requests == asked + 1
        assert nodes.status(cancelled) == "cancelled"
    assert tab.wrong == []
    assert "Traceback" not in node.log(), node.log()


def test_resets_by_mains_guard(main: Main, model: Llm) -> None:
    nodes = main.nodes
    model.server.latency = 2.0  # so that it isn't done before main has written, however late that is
    task = main.task(main.novel(48, "复位"), 48)
    both = [nodes.start_node(name, 2) for name in ("a", "b")]
    nodes.joined(*both)
    main.push(NEW, task)
    wrote = []
    for status in ("completed", "failed", "created"):
        done = nodes.chapters(task).get("completed", 0)
        nodes.wait_until(lambda done=done: nodes.chapters(task).get("completed", 0) > done, 60, "it goes on")
        assert nodes.status(task) == "running"
        main.write(task, status=status, error_message="no live worker")
        wrote.append(status)
        if status == "created":
            main.push(NEW, task)
            main.push(OLD, task)
        for key in nodes.redis.scan_iter("kg:worker:*"):  # main tidies up too
            nodes.redis.delete(key)
        nodes.wait_until(lambda: nodes.status(task) == "running", 10, f"{status} is put right")
    model.server.latency = 0.1
    nodes.wait_until(lambda: nodes.finished(task), 60, "the task is done")
    assert nodes.status(task) == "completed"
    assert nodes.chapters(task) == {"completed": 48}
    assert model.stats.requests == 48
    # A finished one is put right as well, and not worked again.
    main.write(task, status="created")
    main.push(NEW, task)
    nodes.wait_until(lambda: nodes.status(task) == "completed", 20, "a finished task is finished again")
    nodes.wait_until(lambda: not nodes.redis.llen(NEW) + nodes.redis.llen(OLD), 20, "no item is left")
    assert model.stats.requests == 48
    assert "Traceback" not in "".join(n.log() for n in both)


def test_items_keep_what_main_wrote_into_them(main: Main, model: Llm) -> None:
    """Held and handed back, an item carries every field on, and numbers and lists as they were written."""
    nodes = main.nodes
    model.server.latency = 60
    task = main.task(main.novel(3, "字段"), 3)
    extra = {
        "note": {"from": "main", "tags": [], "kgnb": 1},
        "big": 12345678901234567890,
        "x": 1.0,
        "书": "名",
    }
    main.push(OLD, task, **extra)
    node = nodes.start_node("a", 2, KGNB_DRAIN_SECONDS="0.5")
    nodes.wait_until(lambda: len(main.busy(task)) == 2, 60, "it is at work")
    # Main deletes a hash of a slot at work; the node writes it again.
    named = [k for k in nodes.redis.scan_iter("kg:worker:*") if nodes.redis.hget(k, "task_id") == str(task)]
    assert named
    nodes.redis.delete(*named)
    nodes.wait_until(lambda: any(nodes.redis.exists(k) for k in named), 30, "the hash is there again")
    assert node.leave()[0] == 0
    (item,) = nodes.redis.lrange(OLD, 0, -1)
    found = json.loads(item)
    assert {k: found[k] for k in ("task_id", "provider", *extra)} == {
        "task_id": task,
        "provider": "deepseek",
        **extra,
    }
    assert '"big": 12345678901234567890' in item
    assert '"tags": []' in item
    assert main.row(task)["status"] == "running"
    with contextlib.suppress(redis.ResponseError):
        assert nodes.held(OLD, chapters=False) == {}
