"""An LLM that stumbles, and one that says no: what a build makes of it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kgnb.core.secret_mask import MASK
from kgnb.llm.fake import model as fake_model
from kgnb.llm.fake.server import Faults
from tests.conftest import lent_folder
from tests.support.commands import KEY, Place, Ran, Running, llm, novel
from tests.support.scripted_llm import Answer, Scripted, completion, error

CHAPTERS = 8
_seeds = itertools.count(500)


@pytest.fixture(scope="module")
def place(embedded: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One data folder for this file, its engines kept up; every test has a book and a provider of its own."""
    one = Place(tmp_path_factory.mktemp("faults"))
    with lent_folder(embedded, one.data):
        yield one


@pytest.fixture(scope="module", autouse=True)
def prude(place: Place) -> Iterator[tuple[Running, dict[str, str]]]:
    """A build whose every chapter is refused; it tries again for half a minute, beside the other tests."""
    with llm() as server:
        env = server.env(name="prude", model="dryrun-refuse-all")
        book = novel(place.path / "prude.txt", 3, seed=499)
        build = place.start("build", book, "--provider", "prude", "--json", "--slots", "3", env=env)
        yield build, env
        if build.process.poll() is None:
            build.kill()


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return novel(tmp_path / "book.txt", CHAPTERS, seed=next(_seeds), lines=12)


COUNTS = ("requests", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


def all_costs_told(place: Place, provider: str, task_id: int) -> dict[str, Any]:
    """What `kgnb cost` says of a provider's only task: all that the provider was paid."""
    found = place.run("cost", str(task_id), "--json").json
    (paid,) = place.sql(
        f"SELECT {', '.join(f'sum({name})' for name in COUNTS)} FROM kgnb_spending"
        f" WHERE provider = '{provider}'"
    )
    told = [[found[of][name] for name in COUNTS] for of in ("useful", "wasted")]
    assert tuple(map(sum, zip(*told, strict=True))) == paid == tuple(found[name] for name in COUNTS)
    assert found["models"][0]["provider"] == provider
    return found


def status(place: Place, task_id: int) -> dict[str, Any]:
    found = place.run("status", "--json").json
    return next(task for task in found["tasks"] if task["task_id"] == task_id)


class TestStumbles:
    @pytest.mark.parametrize(
        ("fault", "flag"),
        [
            ("rate_429", ""),
            ("rate_500", ""),
            ("drop", ""),
            ("broken", "repaired"),
            ("fenced", "repaired"),
            ("cut", ""),
            ("truncated", ""),
            ("prose", ""),
            ("hang", ""),
        ],
    )
    def test_the_build_completes(self, place: Place, book: Path, fault: str, flag: str) -> None:
        share = 0.15 if fault == "hang" else 0.4
        with llm(faults=Faults(**{fault: share}), seed=3, retry_after=0.5) as server:
            env = server.env(name=f"bad-{fault}".replace("_", "-"))
            if fault == "hang":  # else a busy machine's time-out would look like a chapter paid twice
                env |= {"KGNB_LLM_TIMEOUT": "6"}
            result = place.build(book, "--provider", env["KGNB_PROVIDER_NAME"], "--slots", "8", env=env)
            assert (result["status"], result["completed"], result["failed"]) == ("completed", CHAPTERS, 0)
            assert server.stats.outcomes[fault] > 0
            assert server.stats.answered_twice == []
        found = all_costs_told(place, env["KGNB_PROVIDER_NAME"], result["task_id"])
        assert found["requests"] == result["requests"]
        if flag:
            assert status(place, result["task_id"])["flags"] == {flag: server.stats.outcomes[fault]}

    def test_no_more_requests_are_in_flight_than_an_endpoint_may_have(self, place: Place, book: Path) -> None:
        with llm(latency=0.1) as server:
            env = server.env(name="narrow")
            env["KGNB_PROVIDER_OPTIONS"] = json.dumps({"narrow": {"max_in_flight": 2}})
            result = place.build(book, "--provider", "narrow", "--slots", "6", env=env)
            assert (result["completed"], server.stats.most_in_flight) == (CHAPTERS, 2)

    def test_a_key_that_the_endpoint_repeats_in_its_replies_is_stored_nowhere(
        self, place: Place, book: Path
    ) -> None:
        def answer(text: str) -> str:
            found = json.loads(fake_model.answer(text))
            for one in found["characters"]:
                one["description"] = f"Authorization: Bearer {KEY}"
            return json.dumps(found, ensure_ascii=False)

        with llm(answer=answer) as server:
            built = place.build(book, "--provider", "echo", env=server.env(name="echo"))
        exported = str(place.graph(built["task_id"]))
        assert f"Bearer {MASK}" in exported
        assert KEY not in exported
        for table, column in (
            ("kgnb_replies", "reply"),
            ("kgnb_extractions", "extraction"),
            ("kgnb_raw", "reply"),
        ):
            texts = [text for (text,) in place.sql(f"SELECT {column} FROM {table}")]
            assert texts
            assert not any(KEY in text for text in texts), table

    def test_a_reply_that_is_always_too_long_is_split(self, place: Place, book: Path) -> None:
        with llm() as server:
            env = server.env(name="small", model="dryrun-small-context")
            long = novel(book, 2, seed=next(_seeds), lines=60)
            result = place.build(long, "--provider", "small", env=env)
            asked = server.stats.requests
            again = place.build(long, "--provider", "small", "--again", env=env)
            assert (again["requests"], server.stats.requests) == (0, asked)  # what had to be split is known
        assert result["completed"] == again["completed"] == 2
        for one in (result, again):
            assert status(place, one["task_id"])["flags"] == {"split": 2}


def refused(ran: Ran, *words: str) -> None:
    assert ran.code == 3, ran
    assert ran.out == ""
    assert "Traceback" not in ran.err
    *before, last = ran.err.splitlines()
    assert last.startswith("kgnb: ")
    for word in words:
        assert word in last
    assert not [line for line in before if "HTTP" in line]  # told once


class TestSaysNo:
    def test_a_wrong_key_stops_at_once_and_the_right_one_goes_on(self, place: Place, book: Path) -> None:
        with llm(key=KEY) as server:
            build = ("build", book, "--provider", "locked", "--json", "--slots", "4")
            ran = place.run(*build, env=server.env(name="locked", key="sk-wrong-7731"))
            refused(ran, "locked", "401")
            assert "sk-wrong-7731" not in ran.err
            assert server.stats.requests == 0
            assert status(place, place.sql("SELECT max(id) FROM knowledge_graph_tasks")[0][0])["status"] in (
                *("created", "running"),
            )
            again = place.run(*build, env=server.env(name="locked"))  # the pause ended with the wrong key
            assert again.code == 0, again
            assert again.json["completed"] == CHAPTERS

    @pytest.mark.parametrize("options", [(), ("--estimate",)])
    def test_no_quota_stops_at_once(self, place: Place, book: Path, options: tuple[str, ...]) -> None:
        with llm() as server:
            env = server.env(name="poor", model="dryrun-no-quota")
            ran = place.run("build", book, "--provider", "poor", "--json", *options, env=env)
            refused(ran, "poor", "429")
            assert server.stats.requests <= 4
            paused = {
                p["name"]: p["paused_until"] for p in place.run("status", "--json", env=env).json["providers"]
            }
            assert paused["poor"] is not None

    def test_an_unknown_model_stops_at_once_and_costs_no_chapter(self, place: Place, book: Path) -> None:
        with llm() as server:
            env = server.env(name="lost", model="no-such-model")
            ran = place.run("build", book, "--provider", "lost", "--json", "--slots", "8", env=env)
            refused(ran, "lost", "no-such-model", "404")
            task_id = place.sql("SELECT max(id) FROM knowledge_graph_tasks")[0][0]
            assert status(place, task_id)["failed"] == 0


class TestWhoseFault:
    """A refusal that every request gets is no chapter's fault; one that a chapter gets is."""

    @pytest.mark.parametrize(
        ("name", "answer", "words", "most"),
        [
            ("no400", (400, error("invalid", "Bad request."), {}), ("HTTP 400", "kgnb providers add"), 40),
            ("huge", (200, completion("x" * 5_000_000), {}), ("4 MB", "max_output_tokens"), 5),
        ],
    )
    async def test_a_provider_that_refuses_everything_ends_the_build_at_once(
        self, place: Place, tmp_path: Path, name: str, answer: Answer, words: tuple[str, ...], most: int
    ) -> None:
        book = novel(tmp_path / "book.txt", 40, seed=next(_seeds), lines=6)
        async with Scripted(answer, models={"/v1/models": ["m"]}) as server:
            env = asked_at(server, name)
            ran = await asyncio.to_thread(place.run, "build", book, "--provider", name, "--json", env=env)
        refused(ran, name, *words)
        assert len(server.seen) <= most
        task_id = place.sql("SELECT max(id) FROM knowledge_graph_tasks")[0][0]
        assert status(place, task_id)["failed"] == 0

    async def test_a_chapter_that_alone_is_refused_fails_and_the_others_are_read(
        self, place: Place, tmp_path: Path
    ) -> None:
        book = novel(tmp_path / "book.txt", 4, seed=next(_seeds), lines=6)
        book.write_text(
            book.read_text("utf-8").replace("\n第2章", "\n第2章 此章不宜\n此章不宜。", 1), "utf-8"
        )

        def answer(body: dict[str, Any]) -> Answer:
            bad = "此章不宜" in body["messages"][-1]["content"]
            return (400, error("invalid", "Bad request."), {}) if bad else (200, completion(), {})

        async with Scripted(answer, models={"/v1/models": ["m"]}) as server:
            env = asked_at(server, "choosy") | {"KGNB_RETRY_SECONDS": "0.1"}
            command = ("build", book, "--provider", "choosy", "--json", "--slots", "1")
            ran = await asyncio.to_thread(place.run, *command, env=env)
        assert ran.code == 1, ran
        assert (ran.json["completed"], ran.json["failed"]) == (3, 1)


def asked_at(server: Scripted, name: str) -> dict[str, str]:
    at = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": "m"}
    return {**at, "KGNB_PROVIDER_NAME": name}


class TestDeadLetters:
    def test_chapters_that_always_fail_end_as_dead_letters(
        self, place: Place, prude: tuple[Running, dict[str, str]], tmp_path: Path
    ) -> None:
        build, env = prude
        ran = build.ended(300)  # only a hang ends it: it tries again after 5 and 30 s, beside the other tests
        assert ran.code == 1, ran
        assert (ran.json["status"], ran.json["failed"], ran.json["completed"]) == ("failed", 3, 0)
        found = place.run("status", "--json", env=env).json
        assert [queue["dead"] for queue in found["queues"] if queue["queue"].endswith(":prude")] == [3]
        target = tmp_path / "out.json"
        assert place.run("export", str(ran.json["task_id"]), "--format", "json", "-o", target).code == 0
        assert json.loads(target.read_text("utf-8"))["record"]["extractions"] == []
        errors = place.sql(
            "SELECT error_message FROM knowledge_graph_chapter_status WHERE status = 'failed'"
            f" AND kg_task_id = {ran.json['task_id']}"
        )
        assert len(errors) == 3
        assert all("prude" in error for (error,) in errors)
        for command in (("status",), ("dead", "list"), ("chapter", str(ran.json["task_id"]), "1")):
            assert "prude" in place.run(*command, "--lang", "en", env=env).out
        cost = all_costs_told(place, "prude", ran.json["task_id"])
        assert cost["useful"]["requests"] == 0 < cost["wasted"]["requests"] == ran.json["requests"]
        assert cost["wasted"]["prompt_tokens"] > 0
        lines = place.run("cost", str(ran.json["task_id"]), "--lang", "en", env=env).out
        assert f"{cost['wasted']['requests']} requests" in lines
        assert ran.json["prompt_tokens"] == cost["prompt_tokens"]
