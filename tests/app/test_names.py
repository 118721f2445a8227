"""Merges and splits by hand: what they come to, that they are kept, undone and obeyed, and the commands."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import kgnb
from kgnb.app import corrections
from kgnb.app import names as names_use_case
from kgnb.app.context import App, open_app
from kgnb.app.graphs import graph_of
from kgnb.cli import main as cli_main
from kgnb.core.errors import InputError
from kgnb.core.model import TaskConfig
from kgnb.core.settings import Settings
from kgnb.extract.model import NameEntry
from kgnb.graph.model import Graph, RecordRow
from kgnb.graph.project.projection import builder_of, novel_builder, project
from kgnb.graph.project.record import Record
from kgnb.graph.resolve.decisions import Applied, Decision, Kind, combine_decisions
from kgnb.graph.resolve.name_listing import list_names
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.ledger.transfer import read_novel
from tests.support.built_graphs import NOVEL, chapter, characters, edge, node, people, row, tie
from tests.support.commands import STORY
from tests.support.ledgers import learn_names, make_book, numbered
from tests.support.panels import close_panel
from tests.support.patience import happens_within

LIU = NameEntry("刘备", ("玄德", "皇叔"), mentions=90)
CAO = NameEntry("曹操", ("孟德",), mentions=50)


def by_hand(*decisions: tuple[str, str], undone: tuple[int, ...] = ()) -> list[Decision]:
    """("merge", "甲 乙 丙") …, numbered from 1."""
    when = chapter  # any value: only None means that it stands
    return [
        Decision(n, kind, tuple(names.split()), undone_at=when if n in undone else None)  # type: ignore[arg-type]
        for n, (kind, names) in enumerate(decisions, 1)
    ]


def settled(decisions: list[Decision], *contents: dict[str, Any], provider: str = "deepseek") -> Graph:
    rows = [RecordRow(row(n, c, provider=provider)) for n, c in enumerate(contents, 1)]
    chapters = [chapter(n) for n in range(1, len(contents) + 1)]
    return novel_builder(
        NOVEL, chapters, rows, [LIU, CAO], TaskConfig(), decisions=combine_decisions(decisions)
    ).graph()


class TestDecided:
    def test_later_ones_win(self) -> None:
        merged = combine_decisions(by_hand(("split", "甲 乙"), ("merge", "甲 乙")))
        assert (list(merged.merged), merged.separated) == ([("乙", "甲")], {})
        split = combine_decisions(by_hand(("merge", "甲 乙"), ("split", "甲 乙")))
        assert (split.merged, list(split.separated)) == ({}, [("乙", "甲")])

    def test_a_split_leaves_the_rest_together(self) -> None:
        found = combine_decisions(by_hand(("merge", "甲 乙 丙 丁"), ("split", "甲 丙 丁")))
        assert set(found.merged) == {("乙", "甲"), ("丁", "丙")}
        assert set(found.separated) == {("丙", "甲"), ("丁", "甲")}
        assert found.split_off == {"甲": ["丁", "丙"]}

    def test_a_split_of_one_who_came_by_another(self) -> None:
        found = combine_decisions(by_hand(("merge", "甲 乙"), ("merge", "乙 丙"), ("split", "甲 丙")))
        assert set(found.merged) == {("乙", "甲")}

    def test_what_is_undone_counts_for_nothing(self) -> None:
        found = combine_decisions(by_hand(("merge", "甲 乙"), ("split", "甲 乙"), undone=(2,)))
        assert set(found.merged) == {("乙", "甲")}
        assert combine_decisions(by_hand(("merge", "甲 乙"), undone=(1,))).names == frozenset()


class TestSettled:
    CONTENTS = (
        {"characters": people("刘备", "孙权"), "relations": [tie("刘备", "孙权")]},
        {"characters": people("玄德", "曹操"), "relations": [tie("玄德", "曹操", "ENEMY")]},
        {"characters": [{"name": "曹操", "aliases": ["丞相"]}], "relations": [tie("丞相", "孙权", "ENEMY")]},
    )

    def test_a_merge_joins_whom_everything_holds_apart(self) -> None:
        graph = settled(by_hand(("merge", "曹操 刘备")), *self.CONTENTS)
        assert characters(graph) == {"曹操", "孙权"}
        assert {"刘备", "玄德", "丞相"} <= set(node(graph, "Character", "曹操").properties["aliases"])
        assert edge(graph, "孙权", "FRIEND", "曹操").properties["chapters"] == [1]

    def test_a_split_takes_its_chapters_along(self) -> None:
        graph = settled(by_hand(("split", "刘备 玄德")), *self.CONTENTS)
        assert characters(graph) == {"刘备", "玄德", "曹操", "孙权"}
        assert edge(graph, "曹操", "ENEMY", "玄德")
        assert node(graph, "Character", "刘备").properties["chapters"] == [1]
        assert "玄德" not in node(graph, "Character", "刘备").properties["aliases"]

    def test_several_aliases_are_one_person(self) -> None:
        more = {"characters": people("皇叔")}
        graph = settled(by_hand(("split", "刘备 玄德 皇叔")), *self.CONTENTS, more)
        assert node(graph, "Character", "玄德").properties["aliases"] == ["皇叔"]

    def test_rules_name_a_person_in_one_way_only_so_quotes_tell(self) -> None:
        content = {
            "characters": [{"name": "刘备", "aliases": ["玄德"]}, {"name": "曹操"}, {"name": "孙权"}],
            "relations": [
                tie("刘备", "曹操", "ENEMY", evidence="玄德大骂曹操"),
                tie("刘备", "孙权", evidence="刘备见孙权"),
            ],
        }
        graph = settled(by_hand(("split", "刘备 玄德")), content, provider="rules")
        assert edge(graph, "曹操", "ENEMY", "玄德")
        assert edge(graph, "刘备", "FRIEND", "孙权")
        assert node(graph, "Character", "玄德").properties["chapters"] == [1]

    @pytest.mark.parametrize("provider", ["rules", "deepseek"])
    @pytest.mark.parametrize("split", ["刘备 玄德", "玄德 刘备"])  # the name of the chapters, or an alias
    def test_a_split_counts_a_chapter_for_whose_names_stand_in_it(self, provider: str, split: str) -> None:
        texts = {1: "刘备见了玄德，刘备笑。", 2: "玄德大骂曹操。玄德走了。", 3: "刘备来了。曹操走了。"}
        liu = {"name": "刘备", "aliases": ["玄德"], "mentions": 3}
        contents = [{"characters": [liu]}, {"characters": [liu], "relations": [tie("刘备", "曹操", "ENEMY")]}]
        rows = [RecordRow(row(n, c, provider=provider)) for n, c in enumerate((*contents, contents[1]), 1)]
        record = Record(
            NOVEL,
            TaskConfig(),
            [chapter(n) for n in texts],
            rows,
            [LIU, CAO],
            by_hand(("split", split)),
            list(texts.items()),
        )
        graph = project(record)
        assert node(graph, "Character", "刘备").properties["chapters"] == [1, 3]
        assert node(graph, "Character", "玄德").properties["chapters"] == [1, 2, 3]
        assert edge(graph, "曹操", "ENEMY", "玄德").properties["chapters"] == [2]
        assert edge(graph, "刘备", "ENEMY", "曹操").properties["chapters"] == [3]
        builder = builder_of(record)
        listed = {one.name: one.mentions for one in list_names(builder.graph(), builder.names, [LIU])}
        assert (listed["刘备"], listed["玄德"]) == (3, 3)

    def test_a_namesake_of_some_chapters(self) -> None:
        decision = Decision(1, "split", ("曹操", "曹操（渡口船夫）"), chapters=(3, 9))
        graph = settled([decision], *self.CONTENTS)
        assert characters(graph) == {"刘备", "曹操", "曹操（渡口船夫）", "孙权"}
        assert edge(graph, "孙权", "ENEMY", "曹操（渡口船夫）")
        assert node(graph, "Character", "曹操").properties["chapters"] == [2]
        assert node(graph, "Character", "曹操（渡口船夫）").properties["base_name"] == "曹操"
        assert node(graph, "Character", "曹操（渡口船夫）").properties["aliases"] == ["丞相"]

    def test_undoing_all_gives_the_first_graph(self) -> None:
        decisions = by_hand(("merge", "曹操 刘备"), ("split", "曹操 刘备"), undone=(1, 2))
        assert settled(decisions, *self.CONTENTS) == settled([], *self.CONTENTS)

    @pytest.mark.parametrize("seed", range(8))
    def test_the_order_of_chapters_makes_no_difference(self, seed: int) -> None:
        pick = random.Random(seed)
        decisions = by_hand(("merge", "曹操 孙权"), ("split", "刘备 玄德 皇叔"))
        rows = [RecordRow(row(n, c)) for n, c in enumerate(self.CONTENTS, 1)]
        chapters = [chapter(n) for n in (1, 2, 3)]
        expected = settled(decisions, *self.CONTENTS)
        pick.shuffle(rows)
        again = novel_builder(
            NOVEL, chapters, rows, [CAO, LIU], TaskConfig(), decisions=combine_decisions(decisions)
        ).graph()
        assert again == expected


# --- with stores


async def test_decisions_on_every_sql_engine(ledger: Ledger) -> None:
    book = make_book(numbered(2), title="书", author="人")
    novel = (await ledger.books.import_book(book)).novel_id
    new = [
        Decision(0, "merge", ("刘备", "玄德\U00020bb7"), made_by="cli"),
        Decision(0, "split", ("a", "á", "A"), chapters=(2, 9)),
    ]
    first, second = [one for one, _ in await ledger.name_decisions.add(novel, new)]
    assert (await ledger.name_decisions.add(novel, new[:1]))[0][1] is False
    at_once = await asyncio.gather(
        *(ledger.name_decisions.add(novel, [Decision(0, "merge", ("x", "y"))]) for _ in range(4))
    )
    assert sorted(is_new for [(_, is_new)] in at_once) == [False, False, False, True]
    assert (await ledger.name_decisions.read(novel))[:2] == [first, second]
    assert await ledger.name_decisions.undo(novel, first.id) == (first, True)
    assert (await ledger.name_decisions.read(novel))[0].undone_at is not None
    assert (await ledger.name_decisions.undo(novel + 1, first.id)) is None
    entry = NameEntry("刘备", ("玄德",), reasons=(("玄德", "刘备", "字", 0.99),))
    await learn_names(ledger, novel, [entry])
    assert await ledger.names.read(novel) == [entry]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with one book, built by the rules; its engines kept up."""
    from kgnb.stores.embedded.connect import open_queue

    folder = tmp_path_factory.mktemp("names")
    with open_queue(folder):
        assert cli_main.main(["build", str(STORY), "--provider", "rules", "--data", str(folder)]) == 0
        yield folder


@pytest.fixture
async def app(data: Path) -> AsyncIterator[App]:
    async with open_app(Settings.load(data=data, lang="zh"), queue=False) as one:
        yield one


async def decide(app: App, kind: Kind, *names: str, chapters: tuple[int, int] | None = None) -> Applied:
    """Store a decision about the only book as `kgnb merge` and `kgnb split` do."""
    wanted = Decision(0, kind, names, chapters=chapters)
    return await corrections.apply_one(app, 1, wanted, by="test", new_aliases=False)


async def people_of(app: App) -> dict[str, list[str]]:
    graph = await graph_of(app, 1)
    return {n.key: n.properties["aliases"] for n in graph.nodes.values() if n.label == "Character"}  # type: ignore[misc]


async def test_merge_split_and_undo_change_the_stored_graph_and_back(app: App) -> None:
    before, first = await graph_of(app, 1), await people_of(app)
    names = [one.name for one in (await names_use_case.names_of(app, 1, ("Character",))).listed]
    assert set(names) == set(first)
    hero, other = names[:2]
    merged = await decide(app, "merge", hero, other)
    assert merged.new
    assert other not in await people_of(app)
    assert other in (await people_of(app))[hero]
    again = await decide(app, "merge", hero, other)  # known already: nothing is stored twice
    assert (again.new, len(await app.ledger.name_decisions.read(1))) == (False, 1)
    parted = await decide(app, "split", hero, other)
    assert set(await people_of(app)) == set(first)
    assert not (await decide(app, "split", hero, other)).new
    for done in (parted, merged):
        assert (await corrections.undo(app, 1, done.decision.id)).new
        assert not (await corrections.undo(app, 1, done.decision.id)).new
    after = await graph_of(app, 1)
    for graph in (before, after):
        for one in (*graph.nodes.values(), *graph.edges.values()):
            one.properties.pop("updated_at", None)
            one.properties.pop("created_at", None)
    assert after == before


async def test_two_at_once_are_both_obeyed(app: App) -> None:
    names = [one.name for one in (await names_use_case.names_of(app, 1, ("Character",))).listed]
    done = await asyncio.gather(
        decide(app, "merge", names[0], names[2]), decide(app, "merge", names[1], names[3])
    )
    assert not {names[2], names[3]} & set(await people_of(app))
    for one in done:
        await corrections.undo(app, 1, one.decision.id)
    assert set(await people_of(app)) == set(names)


async def test_what_is_wrong_is_said(app: App) -> None:
    before = await app.ledger.name_decisions.read(1)
    name = (await names_use_case.names_of(app, 1)).listed[0].name
    for word, work in (
        (name, decide(app, "merge", name[:2] + "某", name)),
        ("Zzyzx", decide(app, "merge", "Zzyzx", name)),
        ("Zzyzx", decide(app, "merge", name, "Zzyzx")),
        ("Zzyzx", decide(app, "split", name, "Zzyzx")),
        ("同一个", decide(app, "split", name, name)),
        ("同一个", decide(app, "split", name, name, chapters=(2, 3))),
        ("999", corrections.undo(app, 1, 999)),
        ("100", decide(app, "merge", name, *[name] * 100)),
        ("99", names_use_case.names_of(app, 99)),
    ):
        with pytest.raises(InputError, match=word):
            await work
    assert await app.ledger.name_decisions.read(1) == before


async def test_a_merge_after_a_rename_holds_for_the_name_that_the_reader_gave(app: App) -> None:
    hero, other, third = [one.name for one in (await names_use_case.names_of(app, 1)).listed[:3]]
    wanted = [
        Decision(0, "rename", (hero, "无名氏")),
        Decision(0, "merge", ("无名氏", other, "新号")),
        Decision(0, "split", ("无名氏", third), chapters=(2, 3)),
    ]
    done = await corrections.apply(app, 1, wanted, by="test")
    assert not any(one.problem for one in done)
    assert {other, "新号", hero} <= set((await people_of(app))["无名氏"])
    for one in reversed(done):
        await corrections.undo(app, 1, one.decision.id)
    assert hero in await people_of(app)


async def test_a_namesake_by_chapters_and_what_a_copy_carries(app: App, tmp_path: Path) -> None:
    name = (await names_use_case.names_of(app, 1)).listed[0].name
    done = await decide(app, "split", name, f"{name}（之子）", chapters=(2, 3))
    assert (await graph_of(app, 1)).nodes["Character", f"{name}（之子）"].properties["chapters"] == [2, 3]
    saved = await read_novel(app.ledger.database, 1)
    here = await app.ledger.name_decisions.read(1)
    async with open_app(Settings.load(data=tmp_path, lang="zh"), queue=False, graph=False) as other:
        for _ in range(2):  # importing again adds nothing
            taken = await other.ledger.transfer.take(saved)
            there = await other.ledger.name_decisions.read(taken.novel_id)
            assert [replace(d, id=0) for d in there] == [replace(d, id=0) for d in here]
    await corrections.undo(app, 1, done.decision.id)
    assert f"{name}（之子）" not in await people_of(app)


def test_the_panels_graph_tab(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    panel = kgnb.panel(kgnb.Node(Settings.load(data=data, lang="zh", node_name="me")))
    tab = panel.tabs["graph"]

    def shown(condition: Callable[[], object]) -> None:
        def refreshed() -> object:
            panel.refresh()
            return condition()

        assert happens_within(60, refreshed), tab.controller.message

    try:
        tab.controller.read_status()
        shown(lambda: tab.book.value)
        fix = tab.corrections
        assert fix.box.layout.display == "none"
        tab.draw.click()
        shown(lambda: fix.person.options)
        hero, other = fix.person.options[:2]
        fix.kind.value = "merge"
        fix.apply.click()
        assert tab.controller.message.tone == "bad", "no name is typed"
        fix.person.value, fix.fields["to"].value = hero, other
        drawn, tab.drawn = tab.drawn, None  # as if another book had been chosen since
        fix.apply.click()
        assert "先点「显示」" in tab.controller.message.text
        tab.drawn = drawn
        fix.apply.click()
        shown(lambda: fix.decision.value)
        assert "就是" in tab.controller.message.text
        before = {spot.person.node.ref: (spot.x, spot.y) for spot in tab.drawn.scene.spots}
        fix.person.value, fix.fields["to"].value = hero, fix.person.options[1]
        fix.apply.click()
        shown(lambda: len(fix.decision.options) == 2)
        assert fix.decision.value == max(number for _, number in fix.decision.options)
        after = {spot.person.node.ref: (spot.x, spot.y) for spot in tab.drawn.scene.spots}
        assert sum(before.get(ref) == point for ref, point in after.items()) > len(after) / 2
        fix.undo.click()  # the newest
        shown(lambda: len(fix.decision.options) == 1)
        fix.undo.click()
        shown(lambda: not fix.decision.value)
        assert other in fix.person.options
        fix.person.value, fix.fields["to"].value = hero, "<b>没有这人</b>"
        fix.apply.click()
        shown(lambda: tab.controller.message and tab.controller.message.tone == "bad")
        assert "没有这人" in tab.controller.message.text
    finally:
        close_panel()


def test_the_commands(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> str:
        assert cli_main.main([*arguments, "--data", str(data), "--lang", "en"]) == 0
        return capsys.readouterr().out

    listed = json.loads(run("names", "1", "--json"))
    assert {"name", "aliases", "mentions", "kind", "reasons"} <= set(listed[0])
    assert [one["mentions"] for one in listed] == sorted((one["mentions"] for one in listed), reverse=True)
    assert {one["kind"] for one in listed} == {"Character"}
    assert all({r["alias"] for r in one["reasons"]} == set(one["aliases"]) for one in listed)
    assert {one["kind"] for one in json.loads(run("names", "1", "--json", "--all"))} > {"Character"}
    first, second = listed[0]["name"], listed[1]["name"]
    done = json.loads(run("merge", "1", first, second, "--json"))
    assert (done["kind"], done["names"], done["changed"]) == ("merge", [first, second], True)
    shown = run("names", "1", "--top", "1")
    assert f"#{done['id']}" in shown
    assert f"merged by hand, #{done['id']}" in shown
    undone = run("names", "1", "--undo", str(done["id"]))
    assert "is undone" in undone
    assert "kgnb export 1 -o graph.html" in undone
    assert "kgnb export" not in run("names", "1", "--undo", str(done["id"]))  # nothing changes
    assert "undone" in run("names", "1", "--top", "1")


async def test_a_book_tells_why_each_alias_is_one_and_how_probable_that_is(data: Path) -> None:
    book = await asyncio.to_thread(kgnb.open, data=data)
    rows = await asyncio.to_thread(lambda: book.names)
    assert rows
    assert all(0.5 < row["probability"] <= 1 and row["why"] for row in rows)
    early = await asyncio.to_thread(lambda: book.at(1).names)
    known = {row["name"] for row in await asyncio.to_thread(lambda: list(book.at(1).characters))}
    assert {row["name"] for row in early} <= known
