"""`kgnb import`: a book carried to another engine is the same book, the same record and the same graph."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import cluster
from tests.support.commands import STORY, Place, llm, novel
from tests.support.data_folders import zipped

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
    """A place where the story was built by an LLM and by rules, and a copy of its record."""
    with llm() as server:
        place = Place(tmp_path_factory.mktemp("from"), server.env())
        place.build(STORY, "--provider", "dryrun")
        place.build(STORY, "--provider", "rules")
        ran = place.run("copy", place.path / "books.db")
        assert ran.code == 0, ran
        yield place, place.path / "books.db"


@pytest.mark.usefixtures("running_engines")
def test_another_folder_gets_the_same_graph_and_the_book_is_known(
    source: tuple[Place, Path], tmp_path: Path
) -> None:
    there, file = source
    wanted = comparable(json.loads(exported(there, 1).read_text()))
    place = Place(tmp_path)
    place.build(novel(tmp_path / "other.txt", 2), "--provider", "rules")  # so that no id is the same
    (first,) = place.run("import", file, "--json").json
    assert (first["known"], first["tasks"], first["chapters"]) == (False, [2, 3], 12)
    assert comparable(json.loads(exported(place, 2).read_text())) == wanted

    (second,) = place.run("import", file, "--json").json
    assert (second["known"], second["tasks"], second["chapters"]) == (True, [2, 3], 0)
    back = json.loads(exported(place, 2).read_text())
    assert comparable(back) == wanted
    assert [t["status"] for t in back["record"]["tasks"]] == ["completed", "completed"]
    shown = place.build(STORY, "--provider", "rules")
    assert (shown["task_id"], shown["requests"]) == (3, 0)  # found, not done again


def test_from_a_data_folder_to_servers(source: tuple[Place, Path], tmp_path: Path) -> None:
    there, _ = source
    zipped(tmp_path / "run.zip", there.data, "kgnb-data/")
    with cluster(tmp_path) as servers:
        place = Place(tmp_path, servers.env)
        ran = place.run("import", tmp_path / "run.zip", "--json")
        assert ran.code == 0, ran
        (book,) = ran.json
        here = comparable(json.loads(exported(place, book["tasks"][0]).read_text()))
        assert here == comparable(json.loads(exported(there, 1).read_text()))


@pytest.mark.usefixtures("running_engines")
def test_a_task_under_way_is_paused_here_and_goes_on_when_told(
    source: tuple[Place, Path], tmp_path: Path
) -> None:
    file = changed(
        *(source[1], tmp_path),
        "UPDATE knowledge_graph_tasks SET status = 'running' WHERE id = 2",
        "UPDATE knowledge_graph_chapter_status SET status = 'running' WHERE kg_task_id = 2 AND chapter_id=6",
        "DELETE FROM kgnb_extractions WHERE task_id = 2 AND chapter_id = 6",
        "DELETE FROM knowledge_graph_tasks WHERE id = 1",
        "DELETE FROM kgnb_extractions WHERE task_id = 1",
    )
    place = Place(tmp_path)
    (book,) = place.run("import", file, "--json").json
    assert (book["tasks"], book["chapters"]) == ([1], 5)
    assert place.sql("SELECT status, completed_chapters, total_chapters FROM knowledge_graph_tasks") == [
        ("paused", 5, 6)
    ]
    assert place.run("task", "resume", "1").code == 0
    assert place.run("worker", "--drain", timeout=90).code == 0
    assert place.sql("SELECT status, completed_chapters FROM knowledge_graph_tasks") == [("completed", 6)]


def changed(source: Path, folder: Path, *statements: str) -> Path:
    """A copy of the record that says something else."""
    copy = shutil.copyfile(source, folder / "changed.db")
    with closing(sqlite3.connect(copy)) as db, db:
        for statement in statements:
            db.execute(statement)
    return copy


@pytest.mark.usefixtures("running_engines")
def test_what_is_no_record_changes_nothing(source: tuple[Place, Path], tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "graph.json").write_text("{}")
    changed(source[1], tmp_path, "UPDATE kgnb_extractions SET extraction = '[1]'")
    for name in ("graph.json", "changed.db", "none.db"):
        place.run("import", tmp_path / name).refused(name)
    assert place.sql("SELECT id FROM novels") == []


@pytest.mark.usefixtures("running_engines")
def test_a_record_never_changes_a_book_that_is_here(source: tuple[Place, Path], tmp_path: Path) -> None:
    """A file that claims to be a known book but holds another text."""
    place = Place(tmp_path)
    assert place.run("import", source[1]).code == 0
    before = place.sql("SELECT id, content FROM chapters")
    text = "''; DROP TABLE novels; -- " * 3
    file = changed(source[1], tmp_path, f"UPDATE chapters SET content = '{text}' WHERE chapter_number = 1")
    (book,) = place.run("import", file, "--json").json
    assert (book["known"], book["novel_id"]) == (False, 2)
    assert place.sql("SELECT id, content FROM chapters WHERE novel_id = 1") == before
    (book,) = place.run("import", file, "--json").json
    assert (book["known"], book["novel_id"], book["chapters"]) == (True, 2, 0)


def test_another_file_is_never_written_over(source: tuple[Place, Path], tmp_path: Path) -> None:
    """The novel itself, named by a slip; the same file of kgnb's may be written again."""
    place, _ = source
    for command, own in (("copy",), "books.db"), (("fix", "1", "--save"), "mine.json"):
        text = novel(tmp_path / "book.txt", 1)
        before = Path(text).read_bytes()
        place.run(*command, text).refused("book.txt")
        assert Path(text).read_bytes() == before
        for _ in range(2):
            ran = place.run(*command, tmp_path / own)
            assert ran.code == 0, ran


def test_an_export_of_the_first_chapters_has_nothing_of_the_later_ones(
    source: tuple[Place, Path], tmp_path: Path
) -> None:
    place, _ = source
    written = {}
    for name, until in (("whole", ()), ("part", ("--until", "1"))):
        ran = place.run("export", "1", *until, "-o", tmp_path / f"{name}.json")
        assert ran.code == 0, ran
        written[name] = (tmp_path / f"{name}.json").read_text("utf-8")
    last = json.loads(written["whole"])["record"]["chapters"][-1]["text"].strip()[-20:]
    assert last in written["whole"]
    assert last not in written["part"]


def test_a_device_is_not_read_to_its_end(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.build(STORY, "--provider", "rules")
    place.run("import", "/dev/zero").refused("/dev/zero")
    place.run("fix", "1", "--apply", "/dev/zero").refused("/dev/zero")


def test_a_copy_is_whole_while_a_build_writes(tmp_path: Path) -> None:
    """Each is a record at some moment: checked, it has as many results as chapters that are done."""
    with llm(latency=0.02) as server, Place(tmp_path, server.env()) as place:
        build = place.start("build", novel(tmp_path / "b.txt", 60), "--provider", "dryrun", "--slots", "6")
        build.until(lambda: server.stats.requests > 3)
        done = []
        for number in range(4):
            ran = place.run("copy", tmp_path / f"{number}.db")
            assert ran.code == 0, ran
            resumed = Place(tmp_path / f"{number}")
            resumed.path.mkdir()
            taken = {"KGNB_RESUME_FROM": str(tmp_path / f"{number}.db")}
            assert resumed.run("cost", "1", env=taken).code == 0
            rows = resumed.sql("SELECT count(*) FROM kgnb_extractions")[0][0]
            ended = resumed.sql(
                "SELECT count(*) FROM knowledge_graph_chapter_status WHERE status = 'completed'"
            )[0][0]
            assert ended <= rows
            done.append(rows)
        assert done == sorted(done)
        assert build.ended().code == 0
    place.run("copy", place.data).refused("kgnb.db")
