"""A book grows: only what is new or changed is asked for, and the graph is the one of the whole text."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kgnb.core.errors import InputError
from kgnb.core.model import ChapterStatus, TaskStatus
from kgnb.extract.model import NameEntry
from kgnb.graph.resolve.decisions import GONE, Decision
from kgnb.render.names_text import decision_line
from kgnb.stores.ledger.chapters import ChapterEnd
from kgnb.stores.ledger.ledger import Ledger
from tests.conftest import lent_folder
from tests.support.cluster import cluster
from tests.support.commands import Llm, Place, llm, novel
from tests.support.ledgers import execute, finish_chapter, make_book, numbered, open_with, set_task

MINE = ("DeepSeek", "chat")


async def grown(ledger: Ledger, texts: list[str]) -> tuple[int, list[int]]:
    imported = await ledger.books.import_book(make_book(texts))
    return imported.novel_id, [chapter.id for chapter in imported.chapters]


async def new(ledger: Ledger, novel_id: int, chapter_ids: list[int] | None = None) -> int:
    facts: dict[str, Any] = {"provider": MINE[0], "model": MINE[1], "use_ai": True, "name": "三国"}
    return await ledger.tasks.create(novel_id, chapter_ids=chapter_ids, **facts)


async def unplanned(ledger: Ledger, novel_id: int) -> list[int]:
    tasks = await ledger.tasks.with_model(novel_id, *MINE)
    return await ledger.tasks.unplanned_chapters(novel_id, [task.id for task in tasks])


class TestTasksOfAGrowingBook:
    async def test_a_task_that_nobody_opened_takes_the_new_chapters_along(self, ledger: Ledger) -> None:
        novel_id, _ = await grown(ledger, numbered(3))
        task_id = await new(ledger, novel_id)
        _, ids = await grown(ledger, numbered(5))
        assert await unplanned(ledger, novel_id) == []
        assert (await open_with(ledger, task_id, 5)).chapters == ids

    async def test_an_open_task_keeps_to_its_chapters_and_the_others_are_for_a_new_one(
        self, ledger: Ledger
    ) -> None:
        novel_id, old = await grown(ledger, numbered(3))
        task_id = await new(ledger, novel_id)
        await open_with(ledger, task_id, 5)
        assert await finish_chapter(ledger, task_id, old[0], 6)
        _, ids = await grown(ledger, numbered(5))
        assert await unplanned(ledger, novel_id) == ids[3:]
        assert (await open_with(ledger, task_id, 7)).chapters == old[1:]
        assert await ledger.tasks.unplanned_chapters(novel_id, []) == ids
        second = await new(ledger, novel_id, ids[3:])
        assert await unplanned(ledger, novel_id) == []
        assert (await open_with(ledger, second, 8)).chapters == ids[3:]

    async def test_a_chapter_that_changed_after_it_was_done_is_planned_again(self, ledger: Ledger) -> None:
        novel_id, ids = await grown(ledger, numbered(3))
        task_id = await new(ledger, novel_id)
        await open_with(ledger, task_id, 5)
        assert await finish_chapter(ledger, task_id, ids[0], 6)
        await grown(ledger, [f"{text}改。" for text in numbered(3)])
        assert await unplanned(ledger, novel_id) == ids[:1]  # the others are read as they are now

    async def test_each_chapter_is_shown_of_the_task_that_read_its_present_text(self, ledger: Ledger) -> None:
        novel_id, ids = await grown(ledger, numbered(2))
        first = await new(ledger, novel_id)
        await open_with(ledger, first, 5)
        for chapter_id in ids:
            assert await finish_chapter(ledger, first, chapter_id, 6)
        await grown(ledger, [f"{numbered(2)[0]}改。", numbered(2)[1]])
        second = await new(ledger, novel_id, ids[:1])
        await open_with(ledger, second, 7)
        assert await finish_chapter(ledger, second, ids[0], 8)
        assert await ledger.graphs.tasks_by_chapter(novel_id) == {1: second, 2: first}
        await grown(ledger, numbered(2))
        assert await ledger.graphs.tasks_by_chapter(novel_id) == {1: first, 2: first}

    @pytest.mark.parametrize(("text", "status"), [("改" * 99, "failed"), ("短", "skipped")])
    async def test_a_changed_chapter_that_ended_without_a_result_is_not_planned_for_ever(
        self, ledger: Ledger, text: str, status: str
    ) -> None:
        novel_id, ids = await grown(ledger, numbered(3))
        first = await new(ledger, novel_id)
        await open_with(ledger, first, 5)
        for chapter_id in ids:
            assert await finish_chapter(ledger, first, chapter_id, 6)
        await grown(ledger, [text, *numbered(3)[1:]])
        assert await unplanned(ledger, novel_id) == ids[:1]
        second = await new(ledger, novel_id, ids[:1])
        await open_with(ledger, second, 7)
        await ledger.chapters.claim([(second, ids[0], 8)])
        await ledger.chapters.end([ChapterEnd(second, ids[0], 8, ChapterStatus(status))])
        assert await unplanned(ledger, novel_id) == []

    async def test_chapters_of_a_cancelled_task_are_for_a_new_one(self, ledger: Ledger) -> None:
        novel_id, ids = await grown(ledger, numbered(2))
        task_id = await new(ledger, novel_id)
        await open_with(ledger, task_id, 5)
        assert await finish_chapter(ledger, task_id, ids[0], 6)
        await execute(ledger, set_task(task_id, status=TaskStatus.CANCELLED))
        assert await unplanned(ledger, novel_id) == ids[1:]


FIRST = [
    f"却说第{i}日，{'赵钱孙李周'[i % 5]}将军引兵{i}千，出{'东西南北'[i % 4]}门而去。" * 4 for i in range(1, 9)
]
SECOND = [f"那年冬天，第{i}封信寄到{'青白云石'[i % 4]}州，她读了{i}遍，一夜没有睡。" * 4 for i in range(1, 9)]


class TestNumbers:
    async def test_a_chapter_removed_and_another_added_leave_every_number_once(self, ledger: Ledger) -> None:
        one = await ledger.books.import_book(make_book(FIRST[:4]))
        b = one.chapters[1].id
        decision = Decision(0, "split", ("刘备", "玄德"), chapters=(3, 4))
        await ledger.name_decisions.add(one.novel_id, [decision])
        now = await ledger.books.import_book(make_book([FIRST[0], *FIRST[2:4], SECOND[0]]))
        assert now.novel_id == one.novel_id
        assert [c.number for c in now.chapters] == [1, 2, 3, 4]
        assert [one.id for one in now.plan.removed] == [b]
        texts = await ledger.books.texts(ids := [c.id for c in now.chapters])
        assert [texts[i] for i in ids] == [FIRST[0], *FIRST[2:4], SECOND[0]]
        (moved,) = await ledger.name_decisions.read(one.novel_id)
        assert moved.chapters == (2, 3), "those that a person meant"

    async def test_a_chapter_that_is_edited_and_moved_is_in_the_book_once(self, ledger: Ledger) -> None:
        one = await ledger.books.import_book(make_book(FIRST[:5]))
        edited = FIRST[3].replace("而去", "而来")
        order = [FIRST[0], edited, FIRST[1], FIRST[2], FIRST[4]]
        now = await ledger.books.import_book(make_book(order))
        assert now.novel_id == one.novel_id
        texts = await ledger.books.texts(ids := [c.id for c in now.chapters])
        assert [texts[i] for i in ids] == order
        assert [c.number for c in now.chapters] == [1, 2, 3, 4, 5]

    async def test_the_decision_for_a_chapter_that_left_holds_for_no_other(self, ledger: Ledger) -> None:
        one = await ledger.books.import_book(make_book(FIRST[:5]))
        spans = [(2, 2), (2, 3), (4, 99)]
        decisions = [Decision(0, "split", ("刘备", "玄德"), chapters=span) for span in spans]
        await ledger.name_decisions.add(one.novel_id, decisions)
        await ledger.books.import_book(make_book([FIRST[0], *FIRST[2:5], SECOND[0]]))
        stored = await ledger.name_decisions.read(one.novel_id)
        assert [d.chapters for d in stored if d.in_force] == [(2, 2), (3, 99)]
        assert not any(d.undone_at for d in stored)
        for texts in ([FIRST[0], *FIRST[3:5]], [FIRST[0], FIRST[4]]):  # more chapters leave, one import each
            await ledger.books.import_book(make_book(texts))
        stored = await ledger.name_decisions.read(one.novel_id)
        assert [d.chapters for d in stored] == [GONE, GONE, (2, 99)]
        assert await ledger.name_decisions.add(one.novel_id, [replace(stored[0], chapters=(2, 2))])
        await ledger.books.import_book(make_book(FIRST[:5]))
        back = await ledger.name_decisions.read(one.novel_id)
        assert [d.chapters for d in back[:3]] == spans, "they came back with their chapters"

    async def test_a_decision_waits_for_its_chapters_and_can_be_undone_meanwhile(
        self, ledger: Ledger
    ) -> None:
        one = await ledger.books.import_book(make_book(FIRST[:4]))
        decision = Decision(0, "split", ("刘备", "玄德"), chapters=(2, 3))
        [(stored, _)] = await ledger.name_decisions.add(one.novel_id, [decision])
        await ledger.books.import_book(make_book([FIRST[0], FIRST[3]]))
        (waiting,) = await ledger.name_decisions.read(one.novel_id)
        assert not waiting.in_force
        assert "不在书里" in decision_line(waiting)
        await ledger.books.import_book(make_book([FIRST[0], FIRST[2], FIRST[3]]))  # one of them is back
        (moved,) = await ledger.name_decisions.read(one.novel_id)
        assert (moved.chapters, moved.in_force) == ((2, 2), True)
        await ledger.books.import_book(make_book([FIRST[0], FIRST[3]]))
        assert (await ledger.name_decisions.undo(one.novel_id, stored.id) or ())[1] is True
        await ledger.books.import_book(make_book(FIRST[:4]))
        (undone,) = await ledger.name_decisions.read(one.novel_id)
        assert not undone.in_force

    async def test_what_was_read_of_a_chapter_counts_again_when_its_text_is_back(
        self, ledger: Ledger
    ) -> None:
        one = await ledger.books.import_book(make_book(FIRST[:4]))
        task_id = await new(ledger, one.novel_id)
        await open_with(ledger, task_id, 5)
        for chapter in one.chapters:
            assert await finish_chapter(ledger, task_id, chapter.id, 6)
        changed = [
            FIRST[0],
            FIRST[1] + "改。",
            FIRST[2],
            FIRST[3],
        ]  # then it leaves, and is back as it was
        for texts in (changed, [FIRST[0], *FIRST[2:4]]):
            await ledger.books.import_book(make_book(texts))
        back = await ledger.books.import_book(make_book(FIRST[:4]))
        assert back.chapters == one.chapters
        assert await unplanned(ledger, one.novel_id) == []

    async def test_a_new_title_alone_is_stored(self, ledger: Ledger) -> None:
        book = make_book(FIRST[:4])
        await ledger.books.import_book(book)
        titled = replace(book, chapters=tuple(replace(c, title=f"新{c.number}") for c in book.chapters))
        now = await ledger.books.import_book(titled)
        assert [c.title for c in now.chapters] == ["新1", "新2", "新3", "新4"]
        assert now.plan.changes_anything
        assert not (await ledger.books.import_book(titled)).plan.changes_anything


FOREWORD = "本丛书收录武侠小说若干种，由编者校订，版权所有，翻印必究。读者如有意见，请来信。" * 6


class TestEditions:
    """Texts of one title and author."""

    async def test_a_second_volume_writes_over_nothing(self, ledger: Ledger) -> None:
        one = await ledger.books.import_book(make_book(FIRST))
        other = await ledger.books.import_book(make_book(SECOND))
        assert other.novel_id != one.novel_id
        texts = await ledger.books.texts([c.id for c in one.chapters])
        assert list(texts.values()) == FIRST
        both = await ledger.books.import_book(make_book([*SECOND, "又是一年。" * 9]))
        assert both.novel_id == other.novel_id
        assert both.chapters[:-1] == other.chapters

    async def test_new_punctuation_the_other_script_and_an_inserted_chapter_are_an_edition(
        self, ledger: Ledger
    ) -> None:
        one = await ledger.books.import_book(make_book(FIRST))
        revised = [t.replace("，", ",  ").replace("将军", "將軍").replace("东", "東") for t in FIRST]
        other = await ledger.books.import_book(make_book(["楔子。" * 20, *revised]))
        assert other.novel_id == one.novel_id

    async def test_texts_too_short_to_tell_are_two_books(self, ledger: Ledger) -> None:
        one = await ledger.books.import_book(make_book(["甲。", "乙。"]))
        other = await ledger.books.import_book(make_book(["丙。", "丁。"]))
        assert (other.novel_id != one.novel_id, other.similar) == (True, (one.novel_id, "三国"))

    @pytest.mark.parametrize("common", [FOREWORD, ""])
    @pytest.mark.parametrize("names", [("雪山", "金庸", "江湖", "古龙"), ("雪山", "", "江湖", "")])
    async def test_a_short_book_with_another_books_foreword_writes_over_nothing(
        self, ledger: Ledger, common: str, names: tuple[str, str, str, str]
    ) -> None:
        title, author, other_title, other_author = names
        one = await ledger.books.import_book(make_book([common, *FIRST[:6]], title=title, author=author))
        short = make_book([common, SECOND[0]], title=other_title, author=other_author)
        other = await ledger.books.import_book(short)
        assert other.novel_id != one.novel_id
        assert other.similar == ((one.novel_id, title) if common else None)
        texts = await ledger.books.texts([c.id for c in one.chapters])
        assert list(texts.values()) == [common, *FIRST[:6]]
        assert (await ledger.books.novel(other.novel_id)).title == other_title
        assert (await ledger.books.import_book(short)).novel_id == other.novel_id

    async def test_a_volume_with_the_foreword_of_the_one_before_writes_over_nothing(
        self, ledger: Ledger
    ) -> None:
        one = await ledger.books.import_book(make_book([FOREWORD, FIRST[0]]))
        other = await ledger.books.import_book(make_book([FOREWORD, SECOND[0]]))
        assert (other.novel_id != one.novel_id, other.similar) == (True, (one.novel_id, "三国"))

    async def test_the_same_text_under_another_stated_author_is_a_book_of_its_own(
        self, ledger: Ledger
    ) -> None:
        one = await ledger.books.import_book(make_book(FIRST))
        other = await ledger.books.import_book(make_book([*FIRST[:7], SECOND[0]], author="别人"))
        assert (other.novel_id != one.novel_id, other.similar) == (True, (one.novel_id, "三国"))

    async def test_the_user_says_of_what_it_is_an_edition(self, ledger: Ledger) -> None:
        one = await ledger.books.import_book(make_book([FOREWORD, *FIRST[:2]]))
        text = make_book([FOREWORD, SECOND[0]], title="江湖", author="古龙")
        other = await ledger.books.import_book(text)
        joined = await ledger.books.import_book(replace(text, edition_of=one.novel_id))
        assert (joined.novel_id, joined.similar) == (one.novel_id, None)
        assert (await ledger.books.import_book(text)).novel_id == one.novel_id, "it stays so"
        with pytest.raises(InputError, match="99"):
            await ledger.books.import_book(replace(text, edition_of=99))
        assert other.novel_id != one.novel_id

    async def test_a_text_by_nobody_that_grew_under_its_title_is_an_edition(self, ledger: Ledger) -> None:
        one = await ledger.books.import_book(make_book(FIRST[:2], title="连载", author=""))
        grown = await ledger.books.import_book(make_book([*FIRST, *SECOND], title="连载", author=""))
        assert (grown.novel_id, grown.plan.changed) == (one.novel_id, [])


class TestNameTable:
    OLD = NameEntry("玄德", (), "Character", 5, 1, 3, 3)
    NEW = NameEntry("刘备", ("玄德",), "Character", 9, 1, 5, 5)

    async def test_the_table_is_that_of_the_last_scan_however_the_book_came(self, ledger: Ledger) -> None:
        novel_id, _ = await grown(ledger, numbered(3))
        first = await new(ledger, novel_id)
        await open_with(ledger, first, 5)
        await ledger.names.freeze(first, novel_id, [self.OLD], await ledger.books.text_digest(novel_id))
        await grown(ledger, numbered(5))
        second = await new(ledger, novel_id)
        await ledger.names.freeze(second, novel_id, [self.NEW], await ledger.books.text_digest(novel_id))
        assert await ledger.names.read(novel_id) == [self.NEW]
        assert await ledger.names.frozen(first) == [self.OLD]  # its prompts stay as they are

    async def test_a_scan_that_the_book_outgrew_changes_no_table(self, ledger: Ledger) -> None:
        novel_id, _ = await grown(ledger, numbered(3))
        before = await ledger.books.text_digest(novel_id)
        slow = await new(ledger, novel_id)
        _, ids = await grown(ledger, numbered(5))
        assert await ledger.books.text_digest(novel_id) != before
        quick = await new(ledger, novel_id, ids[3:])
        await ledger.names.freeze(quick, novel_id, [self.NEW], await ledger.books.text_digest(novel_id))
        assert await ledger.names.freeze(slow, novel_id, [self.OLD], before) == [self.OLD]
        assert await ledger.names.read(novel_id) == [self.NEW]

    async def test_a_task_that_nobody_opened_is_scanned_again_with_what_came_meanwhile(
        self, ledger: Ledger
    ) -> None:
        novel_id, _ = await grown(ledger, numbered(3))
        task_id = await new(ledger, novel_id)
        before = await ledger.books.text_digest(novel_id)
        await ledger.names.freeze(task_id, novel_id, [self.OLD], before)  # as `build` does
        await grown(ledger, numbered(3))
        assert await ledger.names.frozen(task_id) == [self.OLD]
        await grown(ledger, numbered(5))
        assert await ledger.names.frozen(task_id) is None
        await ledger.names.freeze(task_id, novel_id, [self.OLD], before)  # a scan that began before
        assert await ledger.names.frozen(task_id) is None
        await open_with(ledger, task_id, 5)
        await ledger.names.freeze(task_id, novel_id, [self.NEW], await ledger.books.text_digest(novel_id))
        await grown(ledger, numbered(6))
        assert await ledger.names.frozen(task_id) == [self.NEW]


# --- as a user runs it --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Llm]:
    with llm() as one:
        yield one


@pytest.fixture(scope="module")
def place(embedded: Any, tmp_path_factory: pytest.TempPathFactory, server: Llm) -> Iterator[Place]:
    one = Place(tmp_path_factory.mktemp("growing"), server.env())
    with lent_folder(embedded, one.data):
        yield one


def parts(book: Path) -> list[str]:
    """Head and chapters of a :func:`novel`."""
    head, *chapters = book.read_text("utf-8").split("\n第")
    return [head, *(f"第{chapter}" for chapter in chapters)]


def written(path: Path, head: str, chapters: list[str]) -> Path:
    """A book of these chapters, numbered anew."""
    bodies = (c.split("\n", 1)[1] for c in chapters)
    text = "".join(f"\n第{i}章 东行\n{body}" for i, body in enumerate(bodies, 1))
    path.write_text(head + text, "utf-8")
    return path


def essence(exported: dict[str, Any]) -> tuple[object, object]:
    """Nodes and edges by name, without ids: what two imports of one text must agree on."""
    names: dict[str, str] = {}
    nodes = {}
    for node_id, node in exported["nodes"].items():
        kept = dict(node["properties"])
        for private in ("id", "task_id", "novel_id", "chapter_id"):
            kept.pop(private, None)
        at = kept.get("chapter_number", "")
        names[node_id] = f"{node['label']} {node['name'] if node['label'] != 'Chapter' else ''} {at}"
        nodes[names[node_id]] = kept
    edges = {}
    for (source, kind, target), properties in exported["edges"].items():
        kept = {k: v for k, v in properties.items() if k not in ("task_id", "novel_id", "chapter_id")}
        edges[names[source], kind, names[target]] = kept
    return nodes, edges


def table(place: Place, novel_id: object) -> list[tuple[Any, ...]]:
    columns = "kind, name, mentions, first_chapter, last_chapter, chapters, aliases"
    return sorted(place.sql(f"SELECT {columns} FROM kgnb_names WHERE novel_id = {novel_id}"))


class TestBuild:
    def test_what_an_edition_replaces_and_what_may_be_one_is_said(self, place: Place, tmp_path: Path) -> None:
        head, *first = parts(novel(tmp_path / "a.txt", 6, seed=68))
        *_, other = parts(novel(tmp_path / "b.txt", 2, seed=69))
        build = ("build", "--provider", "rules", "--json", "--lang", "en")
        old = place.run(*build, written(tmp_path / "old.txt", head, first))
        changed = written(tmp_path / "new.txt", head, [*first[:5], other])
        new = place.run(*build, changed)
        assert new.json["novel_id"] == old.json["novel_id"]
        assert "replaced by that of this file: 6." in new.err
        short = written(tmp_path / "short.txt", "书名：他书\n作者：他人\n", [first[0], other])
        apart = place.run(*build, short)
        assert apart.json["novel_id"] != old.json["novel_id"]
        said = f"--edition-of {old.json['novel_id']} "
        assert said in apart.err
        assert said not in place.run(*build, short).err
        joined = place.run(*build, short, *said.split())
        assert joined.json["novel_id"] == old.json["novel_id"]

    def test_changed_inserted_and_appended_chapters_only_and_the_graph_of_the_whole_text(
        self, place: Place, server: Llm, tmp_path: Path
    ) -> None:
        head, *first = parts(novel(tmp_path / "a.txt", 6, seed=61))
        *_, more, last, inserted = parts(novel(tmp_path / "b.txt", 9, seed=61))
        old = place.build(written(tmp_path / "old.txt", head, first), "--provider", "dryrun")
        before = server.stats.requests
        changed = first[2].replace("。", "。赵明远大怒。", 3)
        chapters = [*first[:2], changed, first[3], inserted, *first[4:], more, last]
        longer = written(tmp_path / "longer.txt", head, chapters)
        grown = place.build(longer, "--provider", "dryrun")
        assert grown["novel_id"] == old["novel_id"]
        assert server.stats.requests - before == grown["requests"] == 4
        assert (grown["chapters"], grown["book_chapters"]) == (4, 9)

        short = written(tmp_path / "short.txt", head, chapters[:4])
        shorter = place.run("build", short, "--provider", "dryrun", "--json")
        assert (shorter.json["novel_id"], shorter.json["requests"]) == (old["novel_id"], 0)
        assert "5–9" in shorter.err
        nodes = place.graph(shorter.json["task_id"])["nodes"].values()
        assert sum(node["label"] == "Chapter" for node in nodes) == 4
        again = place.build(longer, "--provider", "dryrun")
        assert (again["task_id"], server.stats.requests - before) == (grown["task_id"], 4)

        other = Place(tmp_path / "afresh", place.env)
        other.path.mkdir()
        fresh = other.build(longer, "--provider", "dryrun")
        assert table(place, grown["novel_id"]) == table(other, fresh["novel_id"])
        assert essence(place.graph(grown["task_id"])) == essence(other.graph(fresh["task_id"]))

    @pytest.mark.parametrize("provider", ["rules", "dryrun"])
    def test_going_back_and_another_order_give_the_graph_of_that_text(
        self, place: Place, tmp_path: Path, provider: str
    ) -> None:
        head, *first = parts(novel(tmp_path / "a.txt", 5, seed=70))
        *_, more = parts(novel(tmp_path / "b.txt", 6, seed=70))
        changed = [*first[:2], first[2].replace("同行", "结为夫妻"), *first[3:]]
        options = ("--provider", provider)
        old = written(tmp_path / "old.txt", head, first)
        earlier = place.build(old, *options)
        before = essence(place.graph(earlier["task_id"]))
        place.build(written(tmp_path / "new.txt", head, changed), *options)
        assert essence(place.graph(earlier["task_id"])) != before
        back = place.build(old, *options)
        assert (back["novel_id"], back["requests"]) == (earlier["novel_id"], 0)
        assert essence(place.graph(back["task_id"])) == before

        other_order = written(tmp_path / "order.txt", head, [first[4], *first[:4]])
        turned = place.build(other_order, *options)
        assert (turned["novel_id"], turned["requests"]) == (earlier["novel_id"], 0)
        nodes, _ = essence(place.graph(turned["task_id"]))
        counts = {n: nodes[f"Chapter  {n}"]["word_count"] for n in range(1, 6)}
        was = {n: before[0][f"Chapter  {n}"]["word_count"] for n in range(1, 6)}
        assert counts == {1: was[5], 2: was[1], 3: was[2], 4: was[3], 5: was[4]}

        removed = written(tmp_path / "removed.txt", head, [*first[:1], *first[2:], more])
        place.build(removed, *options)
        exported = place.graph(back["task_id"])
        numbers = [
            n["properties"]["chapter_number"] for n in exported["nodes"].values() if n["label"] == "Chapter"
        ]
        assert sorted(numbers) == [1, 2, 3, 4, 5]
        ties = [e for e in exported["edges"].values() if "count" in e]
        assert ties
        assert all(len(e["chapters"]) == e["count"] for e in ties)

    def test_a_book_that_grows_while_it_is_built_is_built_to_its_end_and_paid_once(
        self, place: Place, tmp_path: Path
    ) -> None:
        head, *old = parts(novel(tmp_path / "s.txt", 5, seed=62))
        short = written(tmp_path / "short.txt", head, old)
        *_, one, two, three = parts(novel(tmp_path / "l.txt", 8, seed=62))
        changed = old[0].replace("。", "。赵明远大怒。", 2)  # when the first one has dealt with it
        long = written(tmp_path / "long.txt", head, [changed, *old[1:], one, two, three])
        with llm(latency=0.6) as slow:
            env = slow.env(name="slow")
            first = place.start("build", short, "--provider", "slow", "--slots", "2", "--json", env=env)
            done = "SELECT 1 FROM kgnb_extractions WHERE chapter_number = 1 AND provider = 'slow'"
            first.until(lambda: place.sql(done))
            second = place.run("build", long, "--provider", "slow", "--json", env=env)
            ended = first.ended()
            assert (ended.code, second.code) == (0, 0), (ended, second)
            assert slow.stats.requests == 9
            assert second.json["chapters"] == 4, "of the last task, whichever process has ended it"
            assert json.loads(ended.out)["novel_id"] == second.json["novel_id"]
            texts = place.sql(f"SELECT content FROM chapters WHERE novel_id = {second.json['novel_id']}")
            assert sum("赵明远大怒" in text for (text,) in texts) == 1  # the later edition stands

    def test_a_title_given_later_is_told_and_can_be_taken_back(self, place: Place, tmp_path: Path) -> None:
        book = novel(tmp_path / "a.txt", 3, seed=67)
        first = place.run("build", book, "--provider", "rules")
        assert "第67部演义" in first.out
        command = ("build", book, "--provider", "rules", "--title")
        renamed = place.run(*command, "渡口")
        assert "第67部演义" in renamed.err
        assert "渡口" in renamed.out
        back = place.run(*command, "第67部演义")
        assert "渡口" in back.err
        assert "第67部演义" in back.out
        assert "渡口" not in place.run("build", book, "--provider", "rules").err

    def test_a_build_that_was_stopped_goes_on_and_takes_what_came_meanwhile(
        self, place: Place, tmp_path: Path
    ) -> None:
        short, long = novel(tmp_path / "s.txt", 5, seed=63), novel(tmp_path / "l.txt", 7, seed=63)
        with llm(latency=0.4) as slow:
            env = slow.env(name="stopped")
            first = place.start("build", short, "--provider", "stopped", "--slots", "1", env=env)
            first.until(lambda: slow.stats.requests >= 3)
            first.send(signal.SIGINT)
            assert first.ended().code == 130
            asked = slow.stats.requests
            grown = place.build(long, "--provider", "stopped", env=env)
            assert slow.stats.requests - asked == grown["requests"] <= 7 - asked + 1  # one was in flight
            assert grown["chapters"] == 2
            (novel_id,) = {grown["novel_id"]}
            chapters = [n for n in place.graph(grown["task_id"])["nodes"].values() if n["label"] == "Chapter"]
            assert len(chapters) == 7, novel_id

    def test_the_rules_know_who_is_new(self, place: Place, tmp_path: Path) -> None:
        head, *first = parts(novel(tmp_path / "a.txt", 4, seed=64))
        place.build(written(tmp_path / "old.txt", head, first), "--provider", "rules")
        fifth = parts(novel(tmp_path / "b.txt", 5, seed=65))[5]
        for name in ("赵明远", "钱志清", "孙云山"):
            fifth = fifth.replace(name, "韩子墨")
        longer = written(tmp_path / "new.txt", head, [*first, fifth])
        grown = place.build(longer, "--provider", "rules")
        assert grown["chapters"] == 1
        people = {n["name"] for n in place.graph(grown["task_id"])["nodes"].values()}
        assert "韩子墨" in people


def test_submitted_editions_on_real_servers_are_paid_once_on_two_nodes(tmp_path: Path) -> None:
    """The second edition comes while the first one is worked on: changed, inserted and appended chapters."""
    head, *first = parts(novel(tmp_path / "a.txt", 6, seed=66))
    *_, more, inserted = parts(novel(tmp_path / "b.txt", 8, seed=66))
    chapters = [*first[:4], inserted, *first[4:], more]
    leases = {"KGNB_LEASE_SECONDS": "60"}  # nobody dies here; a lost one would be paid twice
    with llm(latency=2.0) as server, cluster(tmp_path / "nodes", server, **leases) as nodes:
        nodes.joined(nodes.start_node("a", 1), nodes.start_node("b", 1))
        old = nodes.submit(written(tmp_path / "old.txt", head, first))
        nodes.wait_until(lambda: nodes.chapters(old).get("completed", 0) >= 1, seconds=60)
        grown = nodes.submit(written(tmp_path / "new.txt", head, chapters))
        # It goes on, and what is new waits behind it; on a slow machine it may have ended by then.
        assert grown in (old, old + 1)
        server.server.latency = 0.1
        nodes.wait_until(lambda: nodes.finished(old, old + 1), seconds=60)
        assert server.stats.requests == 8
        assert nodes.submit(written(tmp_path / "again.txt", head, chapters)) == old + 1
        graph = nodes.graph(old + 1)["nodes"].values()
        numbers = sorted(n["properties"]["chapter_number"] for n in graph if n["label"] == "Chapter")
        assert numbers == list(range(1, 9))
        assert server.stats.requests == 8
