"""Commands about one book take its title or a task's number, and without either mean the only book."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgnb.book.reader import story_path
from tests.support.commands import Place
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One book, 青石渡, in two tasks: the newer one is number 2."""
    with Place(tmp_path_factory.mktemp("which"), {"KGNB_LANG": "en"}) as one:
        assert one.build(story_path("zh"), "--title", "青石渡", "--provider", "rules")["task_id"] == 1
        again = one.build(story_path("zh"), "--title", "青石渡", "--provider", "rules", "--again")
        assert again["task_id"] == 2
        yield one


@pytest.fixture(scope="module")
def two(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """青石渡 and an English book."""
    with Place(tmp_path_factory.mktemp("two"), {"KGNB_LANG": "en"}) as one:
        for title, lang in (("青石渡", "zh"), ("The Ford", "en")):
            one.build(story_path(lang), "--title", title, "--provider", "rules")
        yield one


NAMED = [[], ["青石渡"], ["《青石渡》"], ["青石"], ["2"]]


@pytest.mark.parametrize("book", NAMED, ids=str)
def test_one_book_is_meant_by_each_command(place: Place, book: list[str], tmp_path: Path) -> None:
    assert place.run("cost", *book, "--json").json["task_id"] == 2
    assert place.run("chapter", *book, "1", "--json").json["task_id"] == 2
    assert len(place.run("names", *book, "--json").json) > 3
    assert place.run("export", *book, "-o", str(tmp_path / "a.json")).code == 0
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))["nodes"]


def test_the_number_of_an_older_task_still_counts(place: Place) -> None:
    assert place.run("cost", "1", "--json").json["task_id"] == 1


@pytest.mark.parametrize("book", NAMED, ids=str)
def test_names_are_merged_and_split_in_it(place: Place, book: list[str]) -> None:
    listed = [one["name"] for one in place.run("names", "--json").json]
    first, second, third = listed[:3]
    merged = place.run("merge", *book, first, second, third, "--json").json
    assert (merged["kind"], merged["names"]) == ("merge", [first, second, third])
    assert f"--undo {merged['id']}" in place.run("names", *book).out or merged["changed"]
    split = place.run("split", *book, first, second, "--json").json
    assert (split["kind"], split["names"]) == ("split", [first, second])
    for done in (split, merged):
        assert place.run("names", *book, "--undo", str(done["id"]), "--json").json["undone"]


def test_of_several_books_a_name_decides(two: Place) -> None:
    for command in (["names"], ["cost"], ["merge", "a", "b"], ["export", "-o", "x.json"]):
        ran = two.run(*command)
        assert ran.code == 2
        assert "青石渡 (1)" in ran.err
        assert "The Ford (2)" in ran.err
    assert two.run("cost", "the ford", "--json").json["task_id"] == 2
    ran = two.run("cost", "No Such Book")
    assert (ran.code, "No Such Book" in ran.err, "The Ford (2)" in ran.err) == (2, True, True)


def test_a_number_that_is_a_books_title_means_that_book(two: Place, tmp_path: Path) -> None:
    book = tmp_path / "1984.txt"
    book.write_text("Winston met Julia. " * 30, "utf-8")
    task = two.build(book, "--provider", "rules")["task_id"]
    assert two.run("cost", "1984", "--json").json["task_id"] == task
    assert two.run("cost", "1", "--json").json["task_id"] == 1  # not the title that has a 1 in it


def test_where_there_is_no_book_nothing_is_made(tmp_path: Path) -> None:
    with Place(tmp_path, {"KGNB_LANG": "en"}) as empty:
        ran = empty.run("names")
        assert (ran.code, "kgnb build" in ran.err) == (2, True)
        assert not empty.data.exists()


def test_the_demos_record_is_where_commands_look_for_it() -> None:
    demo = (ROOT / "scripts" / "demo.sh").read_text("utf-8")
    assert "kgnb build" in demo
    assert "--data" not in demo
