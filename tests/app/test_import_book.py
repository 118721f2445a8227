"""`kgnb import`: a book carried to another engine is the same book, the same record and the same graph."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import cluster
from tests.support.commands import STORY, Place, llm, novel

IDS = ("id", "novel_id", "chapter_id", "task_id")


def comparable(exported: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Nodes and edges by what they say: ids are each engine's own, times aside."""
    names = {node["id"]: f"{node['label']}:{node['name']}" for node in exported["nodes"]}

    def told(properties: dict[str, Any]) -> dict[str, Any]:
        own = {k: v for k, v in properties.items() if k not in (*IDS, "created_at", "updated_at")}
        return own | {"tasks": len(properties.get("task_id", []))}

    nodes = [f"{names[n['id']]} {sorted(told(n['properties']).items())}" for n in exported["nodes"]]
    edges = [
        f"{names[e['source']]} {e['type']} {names[e['target']]} {sorted(told(e['properties']).items())}"
        for e in exported["edges"]
    ]
    return sorted(nodes), sorted(edges)


def exported(place: Place, task: int) -> Path:
    target = place.path / f"task-{task}.json"
    ran = place.run("export", str(task), "--format", "json", "-o", target)
    assert ran.code == 0, ran
    return target


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Path]]:
    """A place where the story was built by an LLM and by rules, and its export."""
    with llm() as server:
        place = Place(tmp_path_factory.mktemp("from"), server.env())
        place.build(STORY, "--provider", "dryrun")
        place.build(STORY, "--provider", "rules")
        yield place, exported(place, 1)


@pytest.mark.usefixtures("running_engines")
def test_another_folder_gets_the_same_graph_and_the_book_is_known(
    source: tuple[Place, Path], tmp_path: Path
) -> None:
    _, file = source
    place = Place(tmp_path)
    place.build(novel(tmp_path / "other.txt", 2), "--provider", "rules")  # so that no id is the same
    first = place.run("import", file, "--json").json
    assert (first["known"], first["tasks"], first["chapters"]) == (False, [2, 3], 12)
    again = exported(place, 2)
    assert comparable(json.loads(again.read_text())) == comparable(json.loads(file.read_text()))

    second = place.run("import", file, "--json").json
    assert (second["known"], second["tasks"], second["chapters"]) == (True, [2, 3], 0)
    back = json.loads(exported(place, 2).read_text())
    assert comparable(back) == comparable(json.loads(file.read_text()))
    assert [t["status"] for t in back["record"]["tasks"]] == ["completed", "completed"]
    shown = place.build(STORY, "--provider", "rules")
    assert (shown["task_id"], shown["requests"]) == (3, 0)  # found, not done again


def test_from_embedded_engines_to_servers(source: tuple[Place, Path], tmp_path: Path) -> None:
    _, file = source
    with cluster(tmp_path) as servers:
        place = Place(tmp_path, servers.env)
        ran = place.run("import", file, "--json")
        assert ran.code == 0, ran
        task = ran.json["tasks"][0]
        there = json.loads(exported(place, task).read_text())
        assert comparable(there) == comparable(json.loads(file.read_text()))


@pytest.mark.usefixtures("running_engines")
def test_a_task_under_way_is_paused_here_and_goes_on_when_told(
    source: tuple[Place, Path], tmp_path: Path
) -> None:
    whole = json.loads(source[1].read_text())
    record = whole["record"]
    late = record["chapters"][-1]["id"]
    rules = next(t for t in record["tasks"] if t["provider"] == "rules")
    rules["status"] = "running"
    record["tasks"], other = [rules], [t for t in record["tasks"] if t is not rules]
    mine = [s for s in record["states"] if s["task_id"] == rules["id"]]
    for state in mine:
        state["status"] = "running" if state["chapter_id"] == late else "completed"
    record["extractions"] = [
        row for row in record["extractions"] if row["task_id"] == rules["id"] and row["chapter_id"] != late
    ]
    file = tmp_path / "half.json"
    file.write_text(json.dumps(whole))
    place = Place(tmp_path)
    ran = place.run("import", file, "--json")
    assert (ran.json["tasks"], ran.json["chapters"]) == ([1], 5), other
    assert place.sql("SELECT status, completed_chapters, total_chapters FROM knowledge_graph_tasks") == [
        ("paused", 5, 6)
    ]
    assert place.run("task", "resume", "1").code == 0
    assert place.run("worker", "--drain", timeout=90).code == 0
    assert place.sql("SELECT status, completed_chapters FROM knowledge_graph_tasks") == [("completed", 6)]


def broken(record: dict[str, Any]) -> Iterator[tuple[str, object]]:
    chapters = record["chapters"]
    yield "not json", "{"
    yield "a list", []
    yield "no record", {"nodes": [], "edges": []}
    yield "newer", {"record": {**record, "version": 99}}
    yield "no texts", {"record": {**record, "chapters": [{**chapters[0], "text": None}]}}
    yield (
        "a wrong extraction",
        {"record": {**record, "extractions": [{**record["extractions"][0], "extraction": [1]}]}},
    )
    yield "deep", '{"record":' + "[" * 100_000


@pytest.mark.usefixtures("running_engines")
def test_a_file_that_is_no_export_changes_nothing(source: tuple[Place, Path], tmp_path: Path) -> None:
    place = Place(tmp_path)
    record = json.loads(source[1].read_text())["record"]
    file = tmp_path / "wrong.json"
    for what, content in broken(record):
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        ran = place.run("import", file)
        assert ran.refused("kgnb"), what
    place.run("import", tmp_path / "none.json").refused("none.json")
    assert place.sql("SELECT id FROM novels") == []


@pytest.mark.usefixtures("running_engines")
def test_a_record_never_changes_a_book_that_is_here(source: tuple[Place, Path], tmp_path: Path) -> None:
    """A file that claims to be a known book but holds another text."""
    whole = json.loads(source[1].read_text())
    place = Place(tmp_path)
    assert place.run("import", source[1]).code == 0
    before = place.sql("SELECT id, content FROM chapters")
    whole["record"]["chapters"][0]["text"] = "'; DROP TABLE novels; -- " * 3
    file = tmp_path / "claims.json"
    file.write_text(json.dumps(whole))
    ran = place.run("import", file, "--json").json
    assert (ran["known"], ran["novel_id"]) == (False, 2)
    assert place.sql("SELECT id, content FROM chapters WHERE novel_id = 1") == before
    ran = place.run("import", file, "--json").json
    assert (ran["known"], ran["novel_id"], ran["chapters"]) == (True, 2, 0)
