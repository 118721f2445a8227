"""A finished book opened again: what is found, who is near, ways, chapters, and how two changed."""

from __future__ import annotations

import asyncio
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import kgnb
from kgnb.app import library
from kgnb.app.api import BookGraph, run
from kgnb.core.errors import InputError
from kgnb.extract.model import Extraction, Relation
from kgnb.extract.strength import combined_strength
from kgnb.graph import relationship_history
from kgnb.graph.model import ExtractionRow, Graph, GraphEdge, GraphNode, NodeKey, RecordRow
from kgnb.graph.query import GraphQuery
from kgnb.render import query_results
from kgnb.render.query_results import QueryRows
from kgnb.stores.embedded import restore
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.ledger import Ledger
from tests.support.commands import STORY
from tests.support.ledgers import (
    execute,
    finish_chapter,
    finish_task,
    new_task,
    open_with,
    set_chapter,
    set_task,
)

EVIL = "</svg><script>window.pwned=1</script>\u2028\x00"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which a book was read by rules."""
    folder = tmp_path_factory.mktemp("shelf") / "data"
    kgnb.build(STORY, "rules", data=folder, progress=False).close()
    return folder


@pytest.fixture(scope="module")
def book(data: Path) -> Iterator[BookGraph]:
    with closing(kgnb.open(data=data)) as one:
        yield one


@pytest.fixture(scope="module")
def people(book: BookGraph) -> list[str]:
    rows = book.ask("MATCH (c:Character {novel_id: $novel}) RETURN c.name AS name ORDER BY name")
    return [row["name"] for row in rows]


@pytest.fixture(scope="module")
def ties(book: BookGraph) -> dict[str, set[str]]:
    """Who is tied to whom, as the engine says it."""
    found: dict[str, set[str]] = defaultdict(set)
    question = (
        "MATCH (a:Character {novel_id: $novel})-[r]->(b:Character) RETURN DISTINCT a.name AS a, b.name AS b"
    )
    for row in book.ask(question):
        found[row["a"]].add(row["b"])
        found[row["b"]].add(row["a"])
    return found


def steps(ties: dict[str, set[str]], start: str, end: str) -> int:
    """The length of the shortest way, 0 for none."""
    reached, level, length = {start}, {start}, 0
    while level:
        if end in level:
            return length
        level = {b for a in level for b in ties[a]} - reached
        reached |= level
        length += 1
    return 0


def well_formed(answer: QueryRows) -> ElementTree.Element:
    """The answer's page, which must be XML as it stands."""
    return ElementTree.fromstring(f"<div>{answer._repr_html_()}</div>")


class TestWhole:
    """A book's graph as tables, as a networkx graph and as files."""

    def test_tables(self, book: BookGraph, people: list[str]) -> None:
        rows = book.characters
        assert isinstance(rows, QueryRows)
        assert sorted(row["name"] for row in rows) == people
        ties = book.relations
        assert {row["source"] for row in ties} <= set(people)
        stated = [row["kind"] != "KNOWS" for row in ties]
        assert stated == sorted(stated, reverse=True)  # what is mere acquaintance comes last
        well_formed(ties)

    def test_data_frames(self, book: BookGraph, people: list[str]) -> None:
        frame = pytest.importorskip("pandas").DataFrame
        found = [book.characters, book.relations, book.events]
        assert [type(one) for one in found] == [QueryRows] * 3
        assert [type(one.frame()) for one in found] == [frame] * 3
        assert sorted(found[0].frame()["name"]) == people

    def test_a_frame_needs_pandas(self, book: BookGraph, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(ImportError, match=r".{5,}pip install pandas") as caught:
            book.relations.frame()
        assert caught.value.__suppress_context__

    def test_networkx(self, book: BookGraph, people: list[str]) -> None:
        pytest.importorskip("networkx")
        made = book.to_networkx()
        assert sorted(d["label"] for _, d in made.nodes(data=True) if d["kind"] == "Character") == people
        assert made.number_of_edges() == len(book.graph().edges)

    def test_files_and_short_reprs(self, book: BookGraph, tmp_path: Path) -> None:
        assert book.save(tmp_path / "x.svg").read_text("utf-8").startswith("<svg")
        graph = book.graph()
        assert repr(graph) == f"Graph({len(graph.nodes)} nodes, {len(graph.edges)} edges)"
        asked = book.ask("MATCH (c:Character {novel_id: $novel}) RETURN c.name AS who LIMIT 2")
        assert "who" in repr(asked)
        nobody = book.ask("MATCH (c:Character {novel_id: -1}) RETURN count(c) AS found")
        assert "found 0" in repr(nobody)

    def test_a_missing_book_is_a_missing_file(self, data: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"none\.txt"):
            kgnb.build("none.txt", data=data)


class TestShelf:
    def test_books_lists_what_is_finished(self, data: Path, book: BookGraph, people: list[str]) -> None:
        (row,) = kgnb.books(data)
        assert (row["title"], row["task"], row["chapters"], row["provider"]) == ("青石渡", 1, 6, "rules")
        assert row["entities"] == len(people) + book.result.locations + book.result.organizations
        assert "青石渡" in repr(kgnb.books(data))
        finished = datetime.fromisoformat(row["finished"])  # with this machine's offset
        assert abs(datetime.now(UTC) - finished) < timedelta(hours=1)

    @pytest.mark.parametrize("wanted", [None, 1, "1", "青石渡", "《青石渡》", "青石", {"task": 1}])
    def test_it_opens_by_title_number_or_row(self, data: Path, wanted: library.Wanted) -> None:
        with closing(kgnb.open(wanted, data=data)) as one:
            assert (one.title, one.result.task_id, one.result.completed) == ("青石渡", 1, 6)
            assert (one.result.requests, len(one.top(3))) == (0, 3)

    @pytest.mark.parametrize("wanted", ["红楼梦", 2, "", EVIL])
    def test_an_unknown_one_is_refused_with_what_there_is(self, data: Path, wanted: str | int) -> None:
        with pytest.raises(InputError, match=r"青石渡 \(1\)"):
            kgnb.open(wanted, data=data)

    def test_nothing_is_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KGNB_DATA", str(tmp_path / "none"))
        assert kgnb.books() == []
        with pytest.raises(InputError, match=r"kgnb\.build"):
            kgnb.open()
        assert not (tmp_path / "none").exists()  # looking makes nothing
        with pytest.raises(InputError, match="none"):
            kgnb.books(tmp_path / "none")

    def test_a_run_attached_as_an_input_is_only_read(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (attached := tmp_path / "input" / "notebooks" / "me" / "a-run").mkdir(parents=True)
        shutil.copytree(data, attached / "kgnb-data", ignore=shutil.ignore_patterns(".*", "*.sock"))
        before = {path: path.stat().st_mtime_ns for path in attached.rglob("*")}
        monkeypatch.setattr("kgnb.core.host.KAGGLE_INPUT", tmp_path / "input")
        monkeypatch.setattr(restore, "private_dir", lambda: tmp_path / "mine")
        monkeypatch.setattr(restore, "writable", lambda folder: attached not in folder.parents)
        monkeypatch.setenv("KGNB_DATA", str(tmp_path / "none"))
        assert kgnb.books() == []  # it may be a stranger's
        with pytest.raises(InputError, match="me/a-run"):
            kgnb.open()
        assert [row["title"] for row in kgnb.books("me/a-run")] == ["青石渡"]
        with closing(kgnb.open(data="me/a-run")) as one:
            assert len(one.find("沈砚")) >= 1
        assert {path: path.stat().st_mtime_ns for path in attached.rglob("*")} == before
        assert len(list((tmp_path / "mine").iterdir())) == 1  # copied once
        assert not (tmp_path / "none").exists()


class TestQuestions:
    def test_everybody_is_found_by_name_and_alias(self, book: BookGraph, people: list[str]) -> None:
        for name in people:
            assert book.find(name)[0]["name"] == name
        for row in book.top(40):
            for alias in row["aliases"]:
                assert row["name"] in [found["name"] for found in book.find(alias)]
                assert book.timeline(alias).title == book.timeline(row["name"]).title

    def test_a_part_finds_the_more_present_first(self, book: BookGraph, people: list[str]) -> None:
        found = [row["name"] for row in book.find("陆") if row["name"].startswith("陆")]
        assert sorted(found) == [name for name in people if name.startswith("陆")]
        counts = [row["chapters"] for row in book.find("陆")][: len(found)]
        assert counts == sorted(counts, reverse=True)
        assert book.find("没有这个人") == []

    def test_a_wrong_name_is_answered_with_those_like_it(self, book: BookGraph) -> None:
        with pytest.raises(InputError, match="陆青禾"):
            book.neighbours("陆青荷")
        with pytest.raises(InputError, match="find"):
            book.timeline("zzz")
        with pytest.raises(InputError, match="Location"):
            book.top(3, "Planet")

    def test_neighbours_are_the_engines(
        self, book: BookGraph, people: list[str], ties: dict[str, set[str]]
    ) -> None:
        for name in people:
            assert {row["name"] for row in book.neighbours(name)} == ties[name]
        well_formed(book.neighbours(people[0]))

    def test_paths_are_the_shortest(
        self, book: BookGraph, people: list[str], ties: dict[str, set[str]]
    ) -> None:
        assert max(steps(ties, a, b) for a, b in combinations(people, 2)) >= 2
        for a, b in combinations(people, 2):
            way = book.path(a, b)
            assert len(way) == steps(ties, a, b), (a, b)
            if way:
                assert (way[0]["source"], way[-1]["target"]) == (a, b)
                assert all(row["target"] in ties[row["source"]] for row in way)
        assert book.path(people[0], people[0]) == []

    def test_timelines_are_the_engines(self, book: BookGraph, people: list[str]) -> None:
        question = (
            "MATCH (c:Character {novel_id: $novel, name: $name})-[:APPEARS_IN]->(ch:Chapter) "
            "RETURN ch.chapter_number AS chapter, ch.title AS title ORDER BY chapter"
        )
        for name in people:
            rows = book.timeline(name)
            told = [{"chapter": row["chapter"], "title": row["title"]} for row in rows]
            assert told == book.ask(question, name=name)

    def test_top_agrees_with_the_timelines(self, book: BookGraph) -> None:
        top = book.top(5)
        assert len(top) == 5
        assert [row["chapters"] for row in top] == [len(book.timeline(row["name"])) for row in top]
        well_formed(top)
        assert book.top(5, "Event") == []

    def test_the_chapters_of_a_pair_give_the_edges_strength(
        self, book: BookGraph, ties: dict[str, set[str]]
    ) -> None:
        question = (
            "MATCH (a:Character {novel_id: $novel})-[r:KNOWS]->(b:Character) RETURN a.name AS a, "
            "b.name AS b, r.strength AS strength, r.chapters AS chapters"
        )
        edges = book.ask(question)
        assert any(len(edge["chapters"]) > 1 for edge in edges)
        explorer = book._query()
        for edge in edges:
            one, other = explorer.entity(edge["a"]), explorer.entity(edge["b"])
            turns = run(book._on(lambda app, a=one, b=other: book._turns(app, explorer, a, b)))
            said = {at.chapter: e.properties for at in turns for e in at.edges if e.type == "KNOWS"}
            assert sorted(said) == edge["chapters"]
            assert (
                combined_strength(int(str(facts["strength"])) for facts in said.values()) == edge["strength"]
            ), edge
            assert all(facts["evidence"] for facts in said.values())

    def test_between_tells_where_they_meet(self, book: BookGraph) -> None:
        a, b = (row["name"] for row in book.top(2))
        rows = book.between(a, b)
        meet = {r["chapter"] for r in book.timeline(a)} & {r["chapter"] for r in book.timeline(b)}
        assert 0 < len(rows) < len(meet)  # without those in which nothing is said of the two
        assert {row["chapter"] for row in rows} < meet
        assert str(len(meet)) in rows.note
        assert all(row["relations"] and row["strength"] for row in rows)
        well_formed(rows)
        assert book.between(a, a) == []


class TestEveryEngine:
    async def test_only_what_is_done_is_on_the_shelf(self, ledger: Ledger) -> None:
        _, done = await new_task(ledger, 2, salt="甲")
        await finish_task(ledger, done, 10)
        _, broken = await new_task(ledger, 2, salt="乙")
        await open_with(ledger, broken, 20)
        _, failed = await new_task(ledger, 2, salt="丙")
        first, second = (await open_with(ledger, failed, 30)).chapters
        assert await finish_chapter(ledger, failed, first, 31)
        await execute(ledger, set_chapter(failed, second, status="failed"))
        await execute(ledger, set_task(failed, status="failed", completed_chapters=1))
        assert [one.task_id for one in await ledger.task_stats.finished()] == [done]  # its graph isn't whole
        await execute(ledger, sa.update(t.task_facts).values(settled=True))
        assert [one.task_id for one in await ledger.task_stats.finished()] == [failed, done]
        await execute(ledger, set_task(broken, status="completed", completed_chapters=2))
        _, newer, oldest = await ledger.task_stats.finished()  # another program's word is enough
        assert (newer.task_id, newer.title) == (broken, "书乙")
        assert (oldest.title, oldest.author, oldest.chapters) == ("书甲", "人甲", 2)
        await execute(ledger, sa.update(t.novels).values(is_deleting=True))
        assert await ledger.task_stats.finished() == []

    async def test_rows_of_single_chapters(self, ledger: Ledger) -> None:
        novel_id, task = await new_task(ledger, 3)
        await finish_task(ledger, task, 10)
        rows = await ledger.graphs.rows(novel_id)
        chapters = [one.row.chapter_id for one in await asyncio.to_thread(list, rows)]
        only = await asyncio.to_thread(list, rows.only({chapters[1], 999}))
        assert (len(chapters), [one.row.chapter_id for one in only]) == (3, [chapters[1]])


# --- without engines ----------------------------------------------------------------------------------------


def node(graph: Graph, label: str, name: str, **facts: Any) -> NodeKey:
    one = GraphNode(label, name, {"name": name, **facts})
    graph.nodes[one.ref] = one
    return one.ref


def tie(graph: Graph, source: NodeKey, kind: str, target: NodeKey, **facts: Any) -> None:
    edge = GraphEdge(source, kind, target, facts)
    graph.edges[edge.ref] = edge


def feud() -> tuple[Graph, list[RecordRow]]:
    """Two who know each other, become friends, then enemies; what their chapters said."""
    graph = Graph()
    for n in range(1, 6):
        node(graph, "Chapter", str(10 + n), chapter_number=n, title=f"第{n}章")
    a, b = node(graph, "Character", "甲", aliases=["甲哥"]), node(graph, "Character", "乙", aliases=["小乙"])
    for n in (1, 2, 3, 4):
        tie(graph, a, "APPEARS_IN", ("Chapter", str(10 + n)))
        tie(graph, b, "APPEARS_IN", ("Chapter", str(10 + n)))
    tie(graph, b, "KNOWS", a, chapters=[1], strength=2, label="同窗")
    tie(graph, b, "FRIEND", a, chapters=[2], strength=6)
    tie(graph, b, "HATES", a, chapters=[3, 5], strength=8)
    duel = node(graph, "Event", "1_13_x", chapter_number=3)
    graph.nodes[duel].properties["name"] = "决斗"
    tie(graph, a, "PARTICIPATES_IN", duel)
    tie(graph, b, "PARTICIPATES_IN", duel)
    said = {
        11: [
            Relation(source="小乙", target="甲", type="同窗", strength=2, evidence="同在一处读书"),
            Relation(source="乙", target="丙", type="KNOWS", strength=9),
            Relation(source="甲", target="乙", type="SIBLING", strength=7),  # what the book doesn't bear out
        ],
        12: [
            Relation(source="甲", target="乙", type="friend", strength=4),
            Relation(source="甲哥", target="小乙", type="FRIEND", strength=6, evidence="结为好友"),
        ],
        13: [
            Relation(source="乙", target="甲", type="HATES", strength=9, evidence="恨之入骨"),
            Relation(
                source="甲", target="乙", type="HATES", strength=10
            ),  # the other direction is another edge
        ],
    }
    rows = [
        RecordRow(ExtractionRow(1, 1, key, 0, "", "", Extraction(relations=found), "p", "m", 1))
        for key, found in said.items()
    ]
    return graph, rows


class TestPair:
    def test_ties_turn_from_chapter_to_chapter(self) -> None:
        graph, rows = feud()
        explorer = GraphQuery(graph)
        a, b = explorer.entity("甲"), explorer.entity("小乙")
        numbers = relationship_history.tied_chapters(explorer, a, b)
        assert numbers == {11: 1, 12: 2, 13: 3, 15: 5}
        turns = relationship_history.history(explorer, a, b, rows)
        answer = query_results.between(a, b, turns)
        told = [(r["chapter"], r["relations"], r["strength"], r["evidence"], r["events"]) for r in answer]
        assert told == [
            (1, ["同窗"], 2, "同在一处读书", []),
            (2, ["朋友"], 6, "结为好友", []),
            (3, ["← 憎恨"], 9, "恨之入骨", ["决斗"]),
            (5, ["← 憎恨"], None, "", []),  # its row is gone: the graph's word alone
        ]
        assert "HATES" not in repr(answer)
        well_formed(answer)

    def test_strangers_have_nothing(self) -> None:
        graph, _ = feud()
        node(graph, "Character", "丁")
        explorer = GraphQuery(graph)
        one, other = explorer.entity("甲"), explorer.entity("丁")
        assert query_results.between(one, other, relationship_history.history(explorer, one, other, [])) == []


class TestNames:
    def test_namesakes_are_asked_about(self) -> None:
        graph = Graph()
        node(graph, "Character", "张虎")
        node(graph, "Character", "张虎（张辽之子）", base_name="张虎", aliases=["虎子"])
        node(graph, "Character", "李虎", aliases=["虎子"])
        explorer = GraphQuery(graph)
        assert explorer.entity("张虎").name == "张虎"
        with pytest.raises(InputError, match=r"张虎（张辽之子）.*李虎|李虎.*张虎（张辽之子）"):
            explorer.entity("虎子")
        assert [e.name for e in explorer.find("张虎")] == ["张虎", "张虎（张辽之子）"]

    def test_a_person_comes_before_a_place_and_width_and_case_are_nothing(self) -> None:
        graph = Graph()
        node(graph, "Location", "Rivendell")
        node(graph, "Character", "Rivendell")
        node(graph, "Character", "乔治·华盛顿")
        explorer = GraphQuery(graph)
        assert explorer.entity("ｒｉｖｅｎｄｅｌｌ").kind == "Character"
        assert explorer.entity("乔治华盛顿").name == "乔治·华盛顿"
        assert explorer.entity("喬治·華盛頓").name == "乔治·华盛顿"

    def test_hostile_names_stay_text(self) -> None:
        graph = Graph()
        node(graph, "Chapter", "1", chapter_number=1, title=EVIL)
        a, b = node(graph, "Character", EVIL, description=EVIL), node(graph, "Character", "乙" * 5_000)
        node(graph, "Character", "__proto__", aliases=[{"no": "list"}], chapters="none")
        tie(graph, a, "APPEARS_IN", ("Chapter", "1"))
        tie(graph, a, "KNOWS", b, label=EVIL, evidence=EVIL, chapters=[1, "x", None], strength="9")
        tie(graph, b, "SWORN_TO", a, chapters=7)
        explorer = GraphQuery(graph)
        one, other = explorer.entities[a], explorer.entities[b]
        every = [
            query_results.matches(explorer, "script"),
            query_results.matches(explorer, EVIL + "y"),
            query_results.neighbours(explorer, EVIL),
            query_results.path(explorer, one.name, other.name),
            query_results.timeline(explorer, EVIL),
            query_results.top(explorer, 9, "Character"),
            query_results.between(one, other, relationship_history.history(explorer, one, other, [])),
        ]
        for answer in every:
            page = well_formed(answer)
            assert page.find(".//script") is None
            assert answer._repr_html_().count("<script") == 0
            assert len(answer._repr_html_()) < 20_000
            assert "\x00" not in repr(answer)
            assert "\u2028" not in repr(answer)
            assert max(map(len, repr(answer).splitlines()[1:]), default=0) < 320


def test_an_empty_answer_is_shown() -> None:
    well_formed(QueryRows("空", [], note="没有"))
