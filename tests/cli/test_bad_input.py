"""What can't work says so in one clear line, exit 2, and leaves nothing half-written."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.connection import parse_url
from sqlalchemy import make_url

from tests.conftest import lent_folder, outside
from tests.support.commands import STORY, Place, Ran, environment, llm
from tests.support.patience import SLOWEST

PR_CAPBSET_DROP = 24
CLOSED = "127.0.0.1"  # with port 9, where nothing listens


@pytest.fixture(scope="module")
def place(embedded: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One data folder for this file, its engines kept up."""
    one = Place(tmp_path_factory.mktemp("bad"), {"KGNB_LANG": "en"})
    with lent_folder(embedded, one.data):
        yield one


def untouched(place: Place) -> bool:
    """No book, no task."""
    return not place.sql("SELECT id FROM novels") and not place.sql("SELECT id FROM knowledge_graph_tasks")


class TestBooks:
    @pytest.mark.parametrize(
        ("name", "content", "word"),
        [
            ("missing.txt", None, "No such file"),
            ("empty.txt", b"", "no text"),
            ("blank.txt", "　\n \n".encode(), "no text"),
            ("picture.txt", bytes(range(256)) * 40, "no text file"),
            ("book.pdf", b"%PDF-1.7\n" + os.urandom(2000), ".pdf"),
            ("broken.epub", b"PK\x03\x04" + b"\0" * 400, "EPUB"),
        ],
    )
    def test_a_file_that_is_no_book(
        self, tmp_path: Path, name: str, content: bytes | None, word: str
    ) -> None:
        place = Place(tmp_path, {"KGNB_LANG": "en"})
        book = tmp_path / name
        if content is not None:
            book.write_bytes(content)
        place.run("build", book, "--json").refused(name, word)
        assert not place.data.exists()  # a book that can't be read starts no engine

    def test_a_folder(self, tmp_path: Path) -> None:
        place = Place(tmp_path)
        line = place.run("submit", tmp_path, "--provider", "rules").refused("文件夹")
        assert "请" in line
        assert not place.data.exists()

    def test_titles(self, place: Place) -> None:
        place.run("build", STORY, "--title", "t" * 256).refused("--title")
        place.run("build", STORY, "--title", " ").refused("--title")
        assert untouched(place)

    def test_a_task_that_is_not_there(self, place: Place, tmp_path: Path) -> None:
        target = tmp_path / "x.json"
        place.run("export", "77", "--format", "json", "-o", target).refused(
            "77", "kgnb status", "--data", str(place.data)
        )
        assert not target.exists()


class TestProviders:
    def test_an_unknown_name(self, place: Place) -> None:
        place.run("build", STORY, "--provider", "nobody").refused("nobody", "rules", "OPENAI_BASE_URL")
        place.run("submit", STORY, "--provider", "nobody").refused("nobody")
        assert untouched(place)

    def test_a_misspelt_name_is_refused_before_its_key_is_sent(self, place: Place) -> None:
        env = {"KGNB_PROVIDER_NAME": "deepsek", "OPENAI_API_KEY": "k"}
        for asked in ((), ("--provider", "deepsek")):
            place.run("build", STORY, *asked, env=env).refused("deepsek ", "deepseek", "OPENAI_BASE_URL")
        place.run("build", STORY, "--provider", "deepseek", env=env).refused("KGNB_PROVIDER_NAME=deepseek")
        assert untouched(place)

    def test_no_key(self, place: Place) -> None:
        env = {"OPENAI_BASE_URL": "https://llm.example/v1", "OPENAI_MODEL": "m"}
        place.run("build", STORY, "--provider", "openai", env=env).refused("OPENAI_API_KEY")
        assert untouched(place)

    def test_no_model(self, place: Place) -> None:
        env = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "k"}
        place.run("build", STORY, env=env).refused("OPENAI_MODEL")
        assert untouched(place)

    def test_nothing_listens_at_its_address(self, place: Place) -> None:
        env = {"OPENAI_BASE_URL": f"http://{CLOSED}:9/v1", "OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}
        ran = place.run("build", STORY, env=env)
        ran.refused("openai", f"{CLOSED}:9: Connection refused", "OPENAI_BASE_URL")
        assert untouched(place)

    @pytest.mark.parametrize("key", ["sk-with space", "sk-中文"])
    def test_a_key_that_was_copied_wrong(self, place: Place, key: str) -> None:
        with llm() as server:
            line = place.run("build", STORY, env=server.env(key=key)).refused("dryrun")
        assert key not in line
        assert untouched(place)


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("REDIS_PORT", "many"),
            ("KG_WORKERS_PER_PROVIDER", "0"),
            ("NEO4J_URI", "ftp://x"),
            ("OPENAI_BASE_URL", "api.example.com"),
            ("KGNB_LANG", "fr"),
            ("LOG_LEVEL", "LOUD"),
            ("DB_TYPE", "oracle"),
        ],
    )
    def test_a_malformed_one_is_named(self, place: Place, name: str, value: str) -> None:
        line = place.run("status", env={name: value}).refused(name)
        assert value not in line

    def test_the_same_in_a_dotenv_file(self, tmp_path: Path) -> None:
        place = Place(tmp_path)
        (tmp_path / ".env").write_text("REDIS_PORT=many\n")
        place.run("status").refused("REDIS_PORT", ".env")
        assert not place.data.exists()


AWAY = {
    "redis": {"REDIS_HOST": CLOSED, "REDIS_PORT": "9"},
    "sql": {"DB_HOST": CLOSED, "DB_PORT": "9"},
    "bolt": {"NEO4J_URI": f"bolt://{CLOSED}:9"},
}
NAMES = {"redis": "REDIS_HOST", "sql": "DB_HOST", "bolt": "NEO4J_URI"}


class TestServicesAway:
    @pytest.mark.parametrize("service", AWAY)
    def test_build_fails_fast(self, place: Place, service: str) -> None:
        ran = place.run("build", STORY, "--provider", "rules", env=AWAY[service])
        ran.refused(NAMES[service])
        assert untouched(place)

    @pytest.mark.parametrize("service", AWAY)
    def test_worker_may_fail_fast_too(self, place: Place, service: str) -> None:
        ran = place.run("worker", "--fail-fast", env=AWAY[service])
        ran.refused(NAMES[service])

    def test_submit_needs_no_graph(self, tmp_path: Path) -> None:
        place = Place(tmp_path)
        assert place.run("submit", STORY, "--provider", "rules", env=AWAY["bolt"]).code == 0

    def test_a_silent_service_is_no_hang(self, place: Place) -> None:
        with socket.socket() as silent:
            silent.bind((CLOSED, 0))
            silent.listen()
            port = str(silent.getsockname()[1])
            ran = place.run("status", env={"REDIS_HOST": CLOSED, "REDIS_PORT": port}, timeout=40)
        ran.refused("REDIS_HOST")


class TestWorkerWaits:
    def test_until_the_service_is_there(self, tmp_path: Path) -> None:
        """Redis comes up late: its door is opened after a while. Then the work is done."""
        at = parse_url(outside("KGNB_TEST_REDIS_URL"))
        place = Place(tmp_path, {"KGNB_LANG": "en", "REDIS_HOST": at["host"], "REDIS_PORT": str(at["port"])})
        place.env |= {"REDIS_PASSWORD": at["password"], "REDIS_DB": "8"}
        with redis.Redis(**{**at, "db": 8}) as client, closed_door() as door:
            client.flushdb()
            assert place.run("submit", STORY, "--provider", "rules").code == 0
            worker = place.start("worker", "--drain", env={"REDIS_PORT": str(door.port)})
            assert "Waiting for services" in worker.process.stdout.readline()
            door.open(at["port"])
            rest = worker.process.stdout.read()
            assert worker.process.wait(10 * SLOWEST) == 0
            assert client.lrange("kg:task:queue:rules", 0, -1) == []
        assert "Waiting" not in rest  # said once
        assert place.sql("SELECT status FROM knowledge_graph_tasks") == [("completed",)]

    def test_a_signal_ends_the_waiting(self, place: Place) -> None:
        worker = place.start("worker", env=AWAY["redis"])
        assert "Waiting for services" in worker.process.stdout.readline()
        worker.process.terminate()
        assert worker.process.wait(5 * SLOWEST) == 0


class Door:
    """A port that refuses connections until it is opened; then it leads to another one."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind((CLOSED, 0))
        self.port: int = self._socket.getsockname()[1]

    def open(self, target: int) -> None:
        self._socket.listen()
        threading.Thread(target=self._serve, args=(target,), daemon=True).start()

    def _serve(self, target: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                there = socket.create_connection((CLOSED, target))
                for a, b in ((client, there), (there, client)):
                    threading.Thread(target=_pump, args=(a, b), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _pump(a: socket.socket, b: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := a.recv(65536):
            b.sendall(data)
    with contextlib.suppress(OSError):
        b.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def closed_door() -> Iterator[Door]:
    door = Door()
    try:
        yield door
    finally:
        door.close()


class TestWrongPasswords:
    WRONG = "wrong-password-5521"

    def check(self, place: Place, env: dict[str, str], name: str) -> None:
        for command in (["build", STORY, "--provider", "rules"], ["worker"]):  # waiting would not help either
            line = place.run(*command, env=env).refused(name)
            assert self.WRONG not in line
        assert untouched(place)

    def test_redis(self, place: Place) -> None:
        at = parse_url(outside("KGNB_TEST_REDIS_URL"))
        env = {"REDIS_HOST": at["host"], "REDIS_PORT": str(at["port"]), "REDIS_PASSWORD": self.WRONG}
        self.check(place, env, "REDIS_PASSWORD")

    def test_sql(self, place: Place) -> None:
        at = make_url(outside("KGNB_TEST_SQL_URL"))
        env = {"DB_HOST": at.host, "DB_PORT": str(at.port), "DB_USER": at.username, "DB_PASSWORD": self.WRONG}
        self.check(place, env, "DB_PASSWORD")

    def test_sql_without_the_database(self, place: Place) -> None:
        at = make_url(outside("KGNB_TEST_SQL_URL"))
        env = {"DB_HOST": at.host, "DB_PORT": str(at.port), "DB_USER": at.username}
        env |= {"DB_PASSWORD": at.password, "DB_NAME": "kgnb_never_made"}
        place.run("build", STORY, "--provider", "rules", env=env).refused(
            "kgnb_never_made", "CREATE DATABASE"
        )

    def test_neo4j(self, place: Place) -> None:
        env = {"NEO4J_URI": outside("KGNB_TEST_NEO4J_URI"), "NEO4J_USER": outside("KGNB_TEST_NEO4J_USER")}
        self.check(place, env | {"NEO4J_PASSWORD": self.WRONG}, "NEO4J_PASSWORD")


class TestPlaces:
    def plainly(self, place: Place, *args: str | Path) -> Ran:
        """The command with a plain user's rights: root without its power over every file."""
        return place.start(*args, prepare=give_up_power).ended()

    def test_the_data_folder_is_not_writable(self, tmp_path: Path) -> None:
        place = Place(tmp_path, {"KGNB_LANG": "en"})
        place.data.mkdir(mode=0o555)
        book = tmp_path / "story.txt"
        book.write_bytes(STORY.read_bytes())
        self.plainly(place, "build", book, "--provider", "rules").refused("--data")
        assert list(place.data.iterdir()) == []

    def test_the_data_folder_is_a_file(self, tmp_path: Path) -> None:
        place = Place(tmp_path)
        place.data.write_text("mine")
        place.run("build", STORY, "--provider", "rules").refused("--data")
        assert place.data.read_text() == "mine"

    def test_a_book_that_may_not_be_read(self, tmp_path: Path) -> None:
        place = Place(tmp_path, {"KGNB_LANG": "en"})
        book = tmp_path / "secret.txt"
        book.write_bytes(STORY.read_bytes())
        book.chmod(0)
        self.plainly(place, "build", book).refused("permission")

    @pytest.mark.parametrize("words", [["export", "1", "-o"], ["kaggle", "init"], ["kaggle", "push"]])
    def test_a_name_that_no_file_can_have(self, place: Place, words: list[str]) -> None:
        place.run(*words, "n" * 300 + ".html").refused("nnn.html")

    def test_a_copy_of_the_record_where_one_may_not_look(self, place: Place, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0)
        setting = {"KGNB_COPY_TO": str(closed / "copy")}
        started = place.start("build", STORY, prepare=give_up_power, env=setting)
        started.ended().refused(str(closed))

    def test_an_output_that_cannot_be_written_is_said_before_the_work(self, place: Place) -> None:
        for target in (place.path, place.path / "mistyped" / "graph.html"):
            place.run("build", STORY, "--provider", "rules", "-o", target).refused(str(target))
        assert untouched(place)


def give_up_power() -> None:
    """Whatever this process becomes may no longer pass over permissions (Linux capabilities 1 and 2)."""
    for capability in (1, 2) if os.geteuid() == 0 else ():
        if ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            os._exit(99)


class TestCommandLine:
    @pytest.mark.parametrize("args", [["buidl"], ["build"], ["build", "x", "--slots", "0"], ["export", "x"]])
    def test_wrong_usage(self, tmp_path: Path, args: list[str]) -> None:
        command = [sys.executable, "-m", "kgnb", *args]
        ran = subprocess.run(command, env=environment(), cwd=tmp_path, capture_output=True, text=True)
        assert ran.returncode == 2
        assert ran.stdout == ""
        (line,) = ran.stderr.splitlines()
        assert line.startswith("kgnb: ")
        assert list(tmp_path.iterdir()) == []

    def test_a_working_folder_that_was_deleted(self, tmp_path: Path) -> None:
        command = f"rmdir {tmp_path}; exec {sys.executable} -m kgnb status"
        env = environment(KGNB_LANG="en")
        ran = subprocess.run(["sh", "-c", command], env=env, cwd=tmp_path, capture_output=True, text=True)
        assert (ran.returncode, ran.stdout) == (2, "")
        (line,) = ran.stderr.splitlines()
        assert "deleted" in line

    def test_modules_of_the_working_folder_are_not_imported(self, place: Place, tmp_path: Path) -> None:
        for name in ("select", "signal", "threading", "pickle", "argparse", "loky", "redis", "json"):
            (tmp_path / f"{name}.py").write_text("import os\nos.write(2, b'INTRUDER')\nos._exit(7)\n")
        command = "import sys; from kgnb.cli.main import main; sys.exit(main())"
        words = ["build", str(STORY), "--provider", "rules", "--again", "--json", "--data", str(place.data)]
        ran = subprocess.run(
            [sys.executable, "-P", "-c", command, *words],
            env=environment(**place.env, KGNB_CPU_WORKERS="1"), cwd=tmp_path, capture_output=True, text=True,
        )  # fmt: skip
        assert (ran.returncode, "INTRUDER" in ran.stderr) == (0, False), ran.stderr
