"""`kgnb cost`: tokens and money of a task, and of what is left of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import STORY, Place, llm, novel


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    from kgnb.stores.embedded.connect import open_queue

    with llm() as server:
        one = Place(tmp_path_factory.mktemp("cost"), server.env())
        with open_queue(one.data):
            one.build(STORY, "--provider", "dryrun")
            yield one


def test_money_is_tokens_times_their_price(place: Place) -> None:
    priced = {"KGNB_PRICES": "dryrun=2/8"}
    found = place.run("cost", "1", "--json", env=priced).json
    (one,) = found["models"]
    assert (one["provider"], one["model"], one["price"], one["requests"]) == ("dryrun", "dryrun", [2, 8], 6)
    wanted = (2 * one["prompt_tokens"] + 8 * one["completion_tokens"]) / 1e6
    assert one["cost"] == pytest.approx(wanted)
    assert found["cost"] == pytest.approx(wanted, abs=1e-4)
    assert wanted > 0
    assert found["left"] == {"chapters": 0, "prompt_tokens": 0, "completion_tokens": 0, "cost": 0}
    text = place.run("cost", "1", "--lang", "en", env=priced).out
    assert "6 of 6 chapters" in text
    assert "2/8" in text
    assert "cached" not in text


@pytest.mark.usefixtures("running_engines")
def test_cached_tokens_are_shown_and_cost_their_own_price(tmp_path: Path) -> None:
    priced = {"KGNB_PRICES": "dryrun=200/800/20"}
    book = novel(tmp_path / "book.txt", 6)
    with llm(prompt_cache=True) as server:
        one = Place(tmp_path, server.env() | priced)
        estimated = one.run("build", book, "--provider", "dryrun", "--estimate", "--json").json
        built = one.build(book, "--provider", "dryrun")
    found = one.run("cost", "1", "--json").json
    (model,) = found["models"]
    assert model["price"] == [200, 800, 20]
    assert 0 < model["cached_tokens"] < model["prompt_tokens"]
    fresh = model["prompt_tokens"] - model["cached_tokens"]
    wanted = (200 * fresh + 20 * model["cached_tokens"] + 800 * model["completion_tokens"]) / 1e6
    assert model["cost"] == pytest.approx(wanted)
    assert estimated["spent"]["cached_tokens"] == found["cached_tokens"]
    assert 0 < estimated["left"]["cached_tokens"] < estimated["left"]["prompt_tokens"]
    assert estimated["cost"] == pytest.approx(found["cost"], abs=1e-4)
    assert 0 < built["cached_tokens"] < built["prompt_tokens"]
    spent = one.sql("SELECT sum(cached_tokens) FROM kgnb_spending")
    assert spent == one.sql("SELECT sum(cached_tokens) FROM kgnb_extractions")
    text = one.run("cost", "1", "--lang", "en").out
    assert "of it cached" in text
    assert "200/800/20" in text
    seen = one.run("status", "--json").json
    (provider,) = [p for p in seen["providers"] if p["name"] == "dryrun"]
    assert provider["cost"] == pytest.approx(sum(task["cost"] for task in seen["tasks"]), abs=2e-4)
    assert found["cost"] in [task["cost"] for task in seen["tasks"]]


def test_without_a_price_there_is_no_money_and_it_says_how_to_see_it(place: Place) -> None:
    found = place.run("cost", "1", "--json").json
    assert found["cost"] is None
    assert found["prompt_tokens"] > 0
    assert "KGNB_PRICES=dryrun=2/8" in place.run("cost", "1").out


def test_what_is_left_costs_like_what_is_done(place: Place) -> None:
    whole = place.run("cost", "1", "--json", env={"KGNB_PRICES": "dryrun=100/100"}).json
    with sqlite3.connect(place.data / "kgnb.db") as db:
        db.execute("UPDATE knowledge_graph_chapter_status SET status = 'pending' WHERE id > 3")
    half = place.run("cost", "1", "--json", env={"KGNB_PRICES": "dryrun=100/100"}).json
    assert half["left"]["chapters"] == 3
    assert half["left"]["prompt_tokens"] == whole["prompt_tokens"]  # three of three are left
    assert half["left"]["cost"] == pytest.approx(whole["cost"], abs=1e-3)
    assert "3" in place.run("cost", "1").out


def test_a_task_that_is_not_there(place: Place) -> None:
    place.run("cost", "99").refused("99")


@pytest.mark.usefixtures("running_engines")
def test_an_estimate_works_a_few_chapters_that_a_build_keeps(tmp_path: Path) -> None:
    book = novel(tmp_path / "book.txt", 12)
    with llm() as server:
        one = Place(tmp_path, server.env() | {"KGNB_PRICES": "dryrun=100/100"})
        found = one.run("build", book, "--provider", "dryrun", "--estimate", "--json").json
        assert (found["sampled"], found["chapters"], found["spent"]["requests"]) == (3, 12, 3)
        assert server.stats.requests == 3
        again = one.run("build", book, "--provider", "dryrun", "--estimate", "--lang", "en")
        assert "9 will take" in again.out
        assert server.stats.requests == 3  # what is done is enough to reckon with
        built = one.build(book, "--provider", "dryrun")
        assert (built["requests"], built["completed"]) == (9, 9)
        assert server.stats.requests == 12
        whole = one.run("build", book, "--provider", "dryrun", "--estimate", "--json").json
    assert (whole["sampled"], whole["left"]["requests"], whole["left_cost"]) == (12, 0, 0)
    real = whole["cost"] - found["cost"]
    assert found["left_cost"] == pytest.approx(real, rel=0.15)  # chapters of this book are much alike


@pytest.mark.usefixtures("running_engines")
def test_an_estimate_that_was_cut_short_goes_on_and_a_waiting_book_is_left_alone(tmp_path: Path) -> None:
    book = novel(tmp_path / "book.txt", 6)
    with llm() as server:
        one = Place(tmp_path, server.env())
        assert one.run("submit", book, "--provider", "dryrun").code == 0
        one.run("build", book, "--provider", "dryrun", "--estimate").refused("1")
        assert server.stats.requests == 0
        with sqlite3.connect(one.data / "kgnb.db") as db:  # as if it were an estimate's own
            db.execute("UPDATE knowledge_graph_tasks SET chapter_ids = '[2, 4]'")
        found = one.run("build", book, "--provider", "dryrun", "--estimate", "--json").json
    assert (found["sampled"], found["spent"]["requests"]) == (2, 2)
    assert found["left"]["requests"] > 0
    assert one.sql("SELECT id FROM knowledge_graph_tasks") == [(1,)]


@pytest.mark.usefixtures("running_engines")
def test_the_rules_cost_nothing(tmp_path: Path) -> None:
    one = Place(tmp_path)
    found = one.run("build", STORY, "--estimate", "--json").json
    assert (found["provider"], found["left_cost"]) == ("rules", 0)
    assert one.sql("SELECT id FROM knowledge_graph_tasks") == []
