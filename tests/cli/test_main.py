"""The command line on real services, its languages, and what it never shows."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa
from redis.connection import parse_url

import kgnb
from tests.conftest import outside
from tests.support.commands import KEY, STORY, Place, Running, environment, llm, novel
from tests.support.engines import files_containing
from tests.support.services import database_url, emptied_services

REDIS_DB = 9


@pytest.fixture
def services() -> Iterator[dict[str, str]]:
    """Real Redis, MariaDB and Neo4j, emptied, as a user sets them."""
    with emptied_services(REDIS_DB) as env:
        yield env


def stored(services: dict[str, str]) -> int:
    """How many replies are kept."""
    engine = sa.create_engine(database_url(services))
    with engine.connect() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM kgnb_replies").scalar_one()
    engine.dispose()
    return int(count)


class TestRealServices:
    def test_the_same_graph_as_on_the_embedded_engines(
        self, tmp_path: Path, services: dict[str, str]
    ) -> None:
        book = novel(tmp_path / "book.txt", 24, seed=24)
        results, graphs = [], []
        with llm(latency=0.02) as server:
            for name, env in (("embedded", {}), ("real", services)):
                (tmp_path / name).mkdir()
                place = Place(tmp_path / name, server.env() | env | {"KGNB_CPU_WORKERS": "2"})
                result = place.build(book, "--provider", "dryrun", "--slots", "8", "-o", "graph.html")
                results.append({k: v for k, v in result.items() if k != "seconds"})
                graphs.append(place.graph())
        assert graphs[0] == graphs[1]
        assert results[0] == results[1]
        assert len(graphs[0]["edges"]) > 100
        assert not (tmp_path / "real" / "data" / "graph").exists()  # no embedded engine was started beside
        assert not (tmp_path / "real" / "data" / "kgnb.db").exists()

    def test_killed_and_continued_there(self, tmp_path: Path, services: dict[str, str]) -> None:
        book = novel(tmp_path / "book.txt", 30, seed=30)
        with llm(latency=0.1) as server:
            # No lease of a dead process is waited for: this one outlives the test.
            place = Place(tmp_path, {**server.env(), **services, "KGNB_LEASE_SECONDS": "300"})
            command = ("build", book, "--provider", "dryrun", "--slots", "5", "--json")
            build = place.start(*command)
            build.until(lambda: server.stats.requests >= 12)
            os.kill(build.process.pid, signal.SIGKILL)  # and not its helpers, which must end by themselves
            assert place.left_over(15) == []
            build.process.communicate()
            asked, kept = server.stats.requests, stored(services)
            assert asked - kept <= 2 * 5  # each slot asks for one while it stores another
            ran = place.run(*command)
            assert ran.code == 0, ran
            assert ran.json["completed"] == 30
            assert server.stats.requests == asked + 30 - kept  # what was stored was not asked for again


class TestLanguages:
    def test_help_in_both(self, tmp_path: Path) -> None:
        place = Place(tmp_path)
        zh, en = (place.run("build", "--help", env={"KGNB_LANG": lang}) for lang in ("zh", "en"))
        assert (zh.code, en.code) == (0, 0)
        assert "知识图谱" in zh.out
        assert "knowledge graph" in en.out
        assert not re.search("[一-鿿]", en.out)
        for option in ("--provider", "--slots", "--title", "--author", "--data", "--json", "-o", "--again"):
            assert option in en.out

    def test_errors_and_results_in_both(self, tmp_path: Path) -> None:
        place = Place(tmp_path)
        assert not re.search("[一-鿿]", place.run("build", "missing.txt", "--lang", "en").err)
        assert re.search("[一-鿿]", place.run("build", "missing.txt", "--lang", "zh").err)

    def test_version(self, tmp_path: Path) -> None:
        ran = Running.new([sys.executable, "-m", "kgnb", "--version"], environment(), tmp_path).ended()
        assert ran.out == f"kgnb {kgnb.__version__}\n"


class TestWithoutADataFolder:
    """A newcomer's first commands, or anybody's in the wrong folder."""

    @pytest.mark.parametrize("words", ["cost 1", "task pause 1", "names 1", "dead retry 1"])
    def test_what_needs_a_task_says_where_it_looked(self, tmp_path: Path, words: str) -> None:
        place = Place(tmp_path, {"KGNB_LANG": "en"})
        before = sorted(tmp_path.iterdir())
        place.run(*words.split()).refused("no task 1", str(place.data), "--data")
        assert sorted(tmp_path.iterdir()) == before

    @pytest.mark.usefixtures("running_engines")
    def test_a_task_of_a_record_elsewhere_is_there(self, tmp_path: Path) -> None:
        for name in ("here", "there"):
            (tmp_path / name).mkdir()
        here = Place(tmp_path / "here")
        assert here.run("build", STORY, "--provider", "rules").code == 0
        there = Place(tmp_path / "there", {"DB_PATH": str(here.data / "kgnb.db")})
        assert "No book" not in there.run("status", "--lang", "en").err
        assert there.run("cost", "1").code == 0

    @pytest.mark.parametrize("sql_url", ["mariadb"], indirect=True)
    def test_a_task_of_a_database_of_ones_own_is_queued_where_the_folder_will_be(
        self, tmp_path: Path, sql_url: str
    ) -> None:
        at = sa.make_url(sql_url)
        sql = {"DB_HOST": at.host, "DB_PORT": str(at.port), "DB_NAME": at.database}
        sql |= {"DB_USER": at.username, "DB_PASSWORD": at.password}
        for name in ("here", "there"):
            (tmp_path / name).mkdir()
        here, there = (Place(tmp_path / name, sql) for name in ("here", "there"))
        assert here.run("submit", STORY, "--provider", "rules").code == 0
        assert here.run("task", "cancel", "1").code == 0
        assert there.run("task", "retry", "1").code == 0
        (queue,) = there.run("status", "--json").json["queues"]
        assert queue["waiting"] == 1
        for place in (here, there):
            assert place.left_over(20) == []

    def test_a_watched_status_sees_the_first_book(self, tmp_path: Path) -> None:
        place = Place(tmp_path, {"KGNB_LANG": "en"})
        watching = place.start("status", "--watch", "--json")
        assert watching.process.stdout is not None
        assert json.loads(watching.process.stdout.readline())["tasks"] == []
        assert not place.data.exists()
        assert place.run("build", STORY, "--provider", "rules").code == 0
        lines = map(json.loads, watching.process.stdout)
        assert next(found for found in lines if found["tasks"])["tasks"][0]["task_id"] == 1
        watching.send(signal.SIGTERM)
        assert watching.ended().code == 0
        assert [path.name for path in tmp_path.glob(".kgnb-*")] == []

    def test_what_only_tests_leaves_nothing(self, tmp_path: Path) -> None:
        place = Place(tmp_path, {"KGNB_LANG": "en"})
        before = sorted(tmp_path.iterdir())
        status = place.run("status")
        assert status.code == 0
        assert f"No book was ever built in {place.data}" in status.err
        doctor = place.run("doctor", "--json")
        assert {one["name"]: one["ok"] for one in doctor.json["checks"]}.items() >= {
            ("sql", True), ("redis", True), ("queues", True),
        }  # fmt: skip
        assert str(place.data) in doctor.out
        assert place.run("providers", "list").code == 0
        assert place.run("health").code == 1
        assert place.run("dead", "list").code == 0
        assert place.run("providers", "resume", "rules").code == 0
        place.run("providers", "remove", "nobody").refused("nobody")
        place.run("dead", "retry", "--all").refused("No task has an entry on the dead list")
        assert place.left_over(10) == []
        assert sorted(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("running_engines")
class TestProgress:
    def test_goes_to_stderr(self, tmp_path: Path) -> None:
        ran = Place(tmp_path).run("build", STORY, "--provider", "rules", "--lang", "en")
        assert ran.code == 0
        assert "6/6" in ran.err
        assert "6/6" not in ran.out
        assert "Reading" not in ran.out
        assert "6 completed" in ran.out
        assert "No people" not in ran.out

    def test_says_who_reads_and_why_it_is_not_who_was_meant(self, tmp_path: Path) -> None:
        place = Place(tmp_path, {"KGNB_LANG": "en"})
        meant = {"KGNB_PROVIDER_NAME": "deepseek"}
        plain = place.run("build", STORY)
        assert "Read by the built-in rules" in plain.err
        assert "KGNB_PROVIDER_NAME" not in plain.err
        for words in (("--again",), ("--json",)):
            ran = place.run("build", STORY, *words, env=meant)
            assert ran.code == 0
            assert "the built-in rules read in its stead" in ran.err
            assert "export OPENAI_API_KEY=…" in ran.err
        assert "in its stead" not in place.run("build", STORY, "--provider", "rules", env=meant).err

    def test_the_provider_that_the_environment_names_may_be_the_tables(self, tmp_path: Path) -> None:
        with llm() as server:
            place = Place(tmp_path, {"KGNB_LANG": "en"})
            given = ("--url", server.server.base_url, "--model", "dryrun", "--key-env", "MINE")
            kept = {"MINE": KEY, "KGNB_KEYS": str(tmp_path / "keys.json")}
            assert place.run("providers", "add", "mine", *given, "--save-key", env=kept).code == 0
            ran = place.run("build", STORY, env=kept | {"KGNB_PROVIDER_NAME": "Mine"})
            assert ran.code == 0, ran
            assert "Read by mine dryrun" in ran.err
            assert server.stats.requests >= 6

    def test_a_book_without_people_ends_in_what_to_try(self, tmp_path: Path) -> None:
        place = Place(tmp_path)
        (tmp_path / "book.txt").write_text("Il pleut.\n", encoding="utf-8")
        for lang, said in (("en", "No people were found."), ("zh", "没有找到人物。")):
            ran = place.run("build", tmp_path / "book.txt", "--provider", "rules", "--lang", lang)
            assert ran.code == 0
            assert said in ran.out.splitlines()[-1]
            assert "--provider" in ran.out.splitlines()[-1]
        graph = tmp_path / "graph.html"
        ran = place.run("build", tmp_path / "book.txt", "--provider", "rules", "--lang", "en", "-o", graph)
        assert ran.out.splitlines()[-1] == f"The graph is in {graph}"  # and not: open it in a browser

    def test_chapters_without_a_heading_are_told(self, tmp_path: Path) -> None:
        body = "林远来到山下，他遇见了苏晴。苏晴说：“你来了。”林远点点头。\n" * 10
        text = "".join(f"第{n}章\n{body}" for n in (1, 2, 4, 5))
        (tmp_path / "book.txt").write_text(text, encoding="utf-8")
        ran = Place(tmp_path).run("build", tmp_path / "book.txt", "--provider", "rules", "--lang", "en")
        assert ran.code == 0
        assert "chapters without a heading: 3." in ran.err


class TestSecrets:
    """A canary key and every password, looked for in everything that a run writes or says."""

    def test_never_leave(self, tmp_path: Path, services: dict[str, str]) -> None:
        secrets = [KEY, services["REDIS_PASSWORD"], services["DB_PASSWORD"], services["NEO4J_PASSWORD"]]
        for name, env in (("embedded", {}), ("real", services)):
            (tmp_path / name).mkdir()
            with llm(key=KEY) as server:
                place = Place(tmp_path / name, server.env() | env | {"LOG_LEVEL": "DEBUG"})
                runs = [
                    place.run("build", STORY, "--provider", "dryrun", "-o", "graph.html"),
                    place.run("submit", STORY, "--provider", "dryrun", "--again"),
                    place.run("worker", "--drain"),
                    place.run("status", "--json"),
                    place.run("doctor"),
                    place.run("export", "1", "--format", "json", "-o", "out.json"),
                    place.run("export", "1", "--format", "csv", "-o", "out.csv"),
                    place.run(
                        "build", STORY, "--provider", "dryrun", "--again", env={"OPENAI_MODEL": "none"}
                    ),
                ]
                assert [ran.code for ran in runs] == [0] * 7 + [3], runs
                said = "".join(ran.out + ran.err for ran in runs)
            assert [s for s in secrets if s in said] == []
            assert files_containing(place.path, secrets) == []
        self.check_redis(services, secrets)
        self.check_sql(services, secrets)

    def check_redis(self, services: dict[str, str], secrets: list[str]) -> None:
        url = {**parse_url(outside("KGNB_TEST_REDIS_URL")), "db": REDIS_DB}
        with redis.Redis(**url) as client:
            keys = list(client.scan_iter())
            dumps = b"".join(key + (client.dump(key) or b"") for key in keys)
        assert keys
        assert [s for s in secrets if s.encode() in dumps] == []

    def check_sql(self, services: dict[str, str], secrets: list[str]) -> None:
        engine = sa.create_engine(database_url(services))
        with engine.connect() as connection:
            tables = sa.inspect(connection).get_table_names()
            rows = [repr(connection.exec_driver_sql(f"SELECT * FROM {t}").fetchall()) for t in tables]
        engine.dispose()
        assert len(tables) > 6
        assert [s for s in secrets if s in "".join(rows)] == []


def test_who_reads_no_further_is_no_failure(tmp_path: Path) -> None:
    """`kgnb … | head`: the pipe is closed before anything is written."""
    place = Place(tmp_path)
    read, write = os.pipe()
    os.close(read)
    running = place.start("doctor", "--json", stdout=write)
    os.close(write)
    ran = running.ended()
    assert (ran.code, ran.err) == (0, "")
