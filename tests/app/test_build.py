"""A book becomes a graph: what `kgnb build` prints, writes and finds again."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from kgnb.llm.fake import model as fake_model
from tests.conftest import lent_folder
from tests.support.commands import STORY, Llm, Place, llm, novel

KEYS = [
    *("task_id", "novel_id", "status", "chapters", "completed", "failed", "skipped"),
    *("characters", "locations", "organizations", "events", "relations"),
    *(
        "chars",
        "book_chapters",
        "requests",
        "prompt_tokens",
        "completion_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "seconds",
    ),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Llm]:
    with llm() as one:
        yield one


@pytest.fixture(scope="module")
def place(embedded: Any, tmp_path_factory: pytest.TempPathFactory, server: Llm) -> Iterator[Place]:
    """One data folder for this file: the story is built there by the LLM (task 1) and by rules (task 2)."""
    one = Place(tmp_path_factory.mktemp("builds"), server.env())
    with lent_folder(embedded, one.data):
        yield one


@pytest.fixture(scope="module")
def by_llm(place: Place) -> dict[str, object]:
    return place.build(STORY, "--provider", "dryrun", "-o", "graph.html")


@pytest.fixture(scope="module")
def by_rules(place: Place, by_llm: dict[str, object]) -> dict[str, object]:
    return place.build(STORY, "--provider", "rules")


class TestOneBook:
    def test_prints_one_object_with_exactly_the_promised_keys(self, by_llm: dict[str, object]) -> None:
        assert list(by_llm) == KEYS
        assert by_llm["status"] == "completed"
        assert (by_llm["chapters"], by_llm["completed"], by_llm["failed"], by_llm["skipped"]) == (6, 6, 0, 0)
        assert by_llm["requests"] == 6
        assert min(by_llm[k] for k in ("characters", "relations", "prompt_tokens", "completion_tokens")) > 0

    def test_the_rules_need_no_key_and_ask_nobody(self, by_rules: dict[str, object]) -> None:
        assert list(by_rules) == KEYS
        assert by_rules["completed"] == 6
        assert by_rules["characters"] > 5
        assert by_rules["requests"] == by_rules["prompt_tokens"] == by_rules["completion_tokens"] == 0

    def test_draws_the_picture(self, place: Place, by_llm: dict[str, object]) -> None:
        page = (place.path / "graph.html").read_text("utf-8")
        assert "cytoscape" in page
        assert "沈青禾" in page or "青石渡" in page

    def test_another_provider_is_another_task_on_the_same_novel(
        self, by_llm: dict[str, object], by_rules: dict[str, object]
    ) -> None:
        assert by_rules["task_id"] != by_llm["task_id"]
        assert by_rules["novel_id"] == by_llm["novel_id"]

    def test_a_model_that_is_not_there_leaves_no_task_for_later_nodes(
        self, place: Place, by_rules: dict[str, object], tmp_path: Path
    ) -> None:
        """With the model's right name the same command makes another task."""
        other = novel(tmp_path / "other.txt", 2, lines=8)
        ran = place.run("build", other, "--provider", "dryrun", env={"OPENAI_MODEL": "none"})
        assert ran.code == 3, ran
        rows = place.sql("SELECT status FROM knowledge_graph_tasks ORDER BY id DESC LIMIT 1")
        assert rows == [("cancelled",)]


class TestExports:
    @pytest.fixture(autouse=True)
    def _built(self, by_llm: dict[str, object]) -> None:
        pass

    def export(self, place: Place, kind: str) -> Path:
        target = place.path / f"out.{kind.replace('csv', 'zip')}"
        ran = place.run("export", "1", "--format", kind, "-o", target)
        assert (ran.code, ran.err) == (0, "")
        assert str(target) in ran.out
        return target

    def test_json_holds_graph_and_record(self, place: Place) -> None:
        found = json.loads(self.export(place, "json").read_text("utf-8"))
        assert list(found) == ["nodes", "edges", "record"]
        assert list(found["nodes"][0]) == ["id", "label", "name", "properties"]
        assert list(found["edges"][0]) == ["source", "target", "type", "properties"]
        parts = ["version", "novel", "chapters", "tasks", "states", "extractions", "names"]
        assert [part for part in found["record"] if part in parts] == parts
        ids = {node["id"] for node in found["nodes"]}
        assert all(edge["source"] in ids and edge["target"] in ids for edge in found["edges"])
        assert {e["type"] for e in found["edges"]} >= {"APPEARS_IN", "PARTICIPATES_IN"}
        assert len([e for e in found["record"]["extractions"] if e["task_id"] == 1]) == 6
        assert len(found["record"]["chapters"]) == 6

    def test_csv(self, place: Place) -> None:
        with zipfile.ZipFile(self.export(place, "csv")) as archive:
            names = set(archive.namelist())
            table = archive.read("nodes_Character.csv").decode("utf-8-sig")
        assert names >= {"nodes_Novel.csv", "nodes_Chapter.csv", "edges.csv", "import.txt"}
        assert {row[":LABEL"] for row in csv.DictReader(io.StringIO(table))} == {"Character"}

    def test_graphml(self, place: Place) -> None:
        root = ElementTree.parse(self.export(place, "graphml")).getroot()
        space = {"g": "http://graphml.graphdrawing.org/xmlns"}
        assert len(root.findall(".//g:node", space)) > 10
        assert len(root.findall(".//g:edge", space)) > 10

    def test_html(self, place: Place) -> None:
        page = self.export(place, "html").read_text("utf-8")
        assert page.startswith("<!")
        assert not re.search(
            r"""(?:src|href)\s*=\s*["']?https?:|url\(["']?https?:|@import""", page
        )  # offline


class TestFoundAgain:
    def test_the_same_book_is_shown_without_a_request(
        self, place: Place, server: Llm, by_llm: dict[str, object]
    ) -> None:
        before = server.stats.requests
        ran = place.run("build", STORY, "--provider", "dryrun")
        assert ran.code == 0
        assert server.stats.requests == before
        assert "--again" in ran.err
        assert "青石渡" in ran.out
        assert "-o graph.html" in ran.out
        again = place.build(STORY, "--provider", "dryrun")
        figures = ("requests", "prompt_tokens", "completion_tokens", "seconds")
        assert {k: v for k, v in again.items() if k not in figures} == {
            k: v for k, v in by_llm.items() if k not in figures
        }
        assert again["requests"] == 0
        assert server.stats.requests == before

    def test_it_is_shown_though_the_provider_is_away(self, place: Place, by_llm: dict[str, object]) -> None:
        ran = place.run(
            "build", STORY, "--provider", "dryrun", "--json", env={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
        )
        assert ran.code == 0
        assert ran.json["task_id"] == by_llm["task_id"]

    def test_a_graph_that_was_lost_is_made_again(self, place: Place, by_llm: dict[str, object]) -> None:
        """The one that is kept is a copy: whoever asks for the book gets it from the record."""
        whole = place.graph()
        for loss in ("DELETE FROM kgnb_graphs", "UPDATE kgnb_graphs SET data = x'00'"):
            with closing(sqlite3.connect(place.data / "kgnb.db")) as record, record:
                record.execute(loss)
            assert place.graph() == whole
        shown = place.build(STORY, "--provider", "dryrun")
        assert (shown["requests"], shown["characters"]) == (0, by_llm["characters"])

    def test_again_makes_a_new_task_from_stored_replies(
        self, place: Place, server: Llm, by_llm: dict[str, object], by_rules: dict[str, object]
    ) -> None:
        before = server.stats.requests
        again = place.build(STORY, "--provider", "dryrun", "--again")
        assert again["task_id"] > by_rules["task_id"]
        assert again["novel_id"] == by_llm["novel_id"]
        assert again["completed"] == 6
        assert server.stats.requests == before  # what was stored is never asked for again
        assert again["characters"] == by_llm["characters"]

    def test_a_wrong_title_is_put_right_by_the_same_command(self, place: Place, tmp_path: Path) -> None:
        book = novel(tmp_path / "book(1).txt", 2, seed=43)
        made = place.build(book, "--provider", "rules")
        ran = place.run("build", book, "--provider", "rules", "--title", "渡口", "-o", "named.html")
        assert "《渡口》" in ran.out
        assert "<title>渡口</title>" in (place.path / "named.html").read_text("utf-8")
        graph = place.graph(made["task_id"])
        assert [n["properties"]["title"] for n in graph["nodes"].values() if n["label"] == "Novel"] == [
            "渡口"
        ]
        assert "《渡口》" in place.run("build", book, "--provider", "rules").out

    def test_a_failing_chapter_is_asked_for_by_one_task_whatever_the_provider_is_called(
        self, place: Place, tmp_path: Path
    ) -> None:
        name = "Сбер"

        def answer(text: str) -> str:
            return "no JSON" if "这一章读不懂" in text else fake_model.answer(text)

        with llm(answer=answer) as server:
            book, env = novel(tmp_path / "book.txt", 3, seed=43), server.env(name=name)
            book.write_text(book.read_text("utf-8") + "\n这一章读不懂。\n", "utf-8")
            ran = place.run("build", book, "--provider", name, "--json", env=env)
            assert (ran.code, ran.json["completed"], ran.json["failed"]) == (1, 2, 1)
            asked = server.stats.requests
            again = place.run("build", book, "--provider", name, "--json", env=env)
            assert again.json["task_id"] == ran.json["task_id"]
            assert server.stats.requests == asked

    def test_a_longer_edition_asks_only_for_its_new_chapters(
        self, place: Place, server: Llm, tmp_path: Path
    ) -> None:
        first = place.build(novel(tmp_path / "short.txt", 4, seed=41), "--provider", "dryrun")
        before = server.stats.requests
        longer = place.build(novel(tmp_path / "long.txt", 7, seed=41), "--provider", "dryrun")
        assert longer["novel_id"] == first["novel_id"]
        assert server.stats.requests - before == 3
        assert (longer["chapters"], longer["completed"]) == (3, 3)
        numbers = {
            node["properties"]["chapter_number"]
            for node in place.graph(longer["task_id"])["nodes"].values()
            if node["label"] == "Chapter"
        }
        assert numbers == set(range(1, 8))


class TestLooks:
    def test_status(self, place: Place, by_rules: dict[str, object]) -> None:
        found = place.run("status", "--json").json
        assert {"nodes", "queues", "providers", "tasks"} <= set(found)
        assert found["nodes"] == []  # a build that ended has left
        (task,) = (one for one in found["tasks"] if one["task_id"] == by_rules["task_id"])
        assert (task["status"], task["completed"], task["refreshed"]) == ("completed", 6, True)
        plain = place.run("status", "--lang", "en")
        assert plain.code == 0
        assert "Providers" in plain.out

    def test_doctor(self, place: Place) -> None:
        ran = place.run("doctor", "--lang", "en")
        assert ran.code == 0, ran
        lines = ran.out.splitlines()
        marked = [line.split(": ")[0] for line in lines if line.startswith(("✓", "!", "✗"))]
        wanted = ["✓ python", "✓ packages", "✓ presets", "✓ machine", "✓ disk", "✓ session"]
        wanted += ["✓ sql", "✓ redis", "✓ cypher"]
        assert [one for one in marked if "queues" not in one and "kg:" not in one] == [*wanted, "✓ dryrun"]

    def test_doctor_says_what_is_away(self, place: Place) -> None:
        ran = place.run("doctor", env={"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "9"})
        assert ran.code == 2
        assert "✗ redis" in ran.out
        assert "✓ 磁盘" in ran.out
        assert "REDIS_HOST" in ran.out


class TestWhileItRuns:
    def test_never_more_requests_than_slots_and_main_hears_of_every_step(
        self, place: Place, tmp_path: Path
    ) -> None:
        import redis

        from kgnb.stores.embedded.connect import open_queue

        with (
            llm(latency=0.3) as server,
            open_queue(place.data) as engines,
            redis.Redis.from_url(engines.redis_url.get_secret_value()) as client,
            client.pubsub(ignore_subscribe_messages=True) as heard,
        ):
            heard.subscribe("kg:progress")
            env = server.env(name="slow")
            book = novel(tmp_path / "slots.txt", 30, seed=77)
            result = place.build(book, "--provider", "slow", "--slots", "4", env=env)
            assert server.stats.most_in_flight == 4
            messages = (heard.get_message(timeout=0.02) for _ in range(80))
            told = [json.loads(m["data"]) for m in messages if m]
        assert told
        assert all(m["type"] == "kg_task_progress" and m["task_id"] == result["task_id"] for m in told)
        done = [m["completed_chapters"] for m in told]
        assert done == sorted(done)
        last = told[-1]
        assert (last["status"], last["progress"], last["completed_chapters"]) == ("completed", 100.0, 30)
        assert (last["failed_chapters"], last["total_chapters"]) == (0, 30)
