"""What a node writes: one event one line, in a file that rotates and that nobody else rotates."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlalchemy as sa

from kgnb.core import logging as log_setup
from kgnb.core.errors import ProviderDown, RateLimited
from kgnb.core.messages import Text, say, texts, use_language
from kgnb.core.model import TaskStatus
from kgnb.stores.ledger import task_lifecycle
from kgnb.worker.chapter_worker import Outcome
from tests.support.commands import KEY, Place, environment, llm, novel

CHAPTERS = 6


@pytest.fixture
def place(running_engines: None, tmp_path: Path) -> Iterator[Place]:
    with Place(tmp_path) as one:
        yield one


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger without what earlier tests left there; as it was afterwards."""
    logger = logging.getLogger()
    before, level = list(logger.handlers), logger.level
    logger.handlers[:] = [handler for handler in before if type(handler).__module__.startswith("_pytest")]
    yield logger
    for handler in set(logger.handlers) - set(before):
        with contextlib.suppress(OSError):  # what a full disk didn't take
            handler.close()
    logger.handlers[:] = before
    logger.setLevel(level)


def worked(place: Place, *, env: dict[str, str] | None = None) -> str:
    """What a worker printed that worked a book of six chapters."""
    with llm(latency=0.01) as server:
        place.env |= server.env()
        book = novel(place.path / "book.txt", CHAPTERS, lines=6)
        assert place.run("submit", book, "--provider", "dryrun").out.strip() == "1"
        ran = place.run("worker", "--drain", "--fail-fast", env=env, timeout=90)
    assert ran.code == 0, ran
    return ran.out


def record(message: object, level: int = logging.INFO, trace: Any = None) -> logging.LogRecord:
    return logging.LogRecord("kgnb.worker.node", level, __file__, 1, message, None, trace)


class TestTexts:
    def test_a_text_is_a_string_that_knows_its_facts(self) -> None:
        text = say("node.chapter", task=7, chapter=3, outcome="completed", seconds=1.5)
        assert isinstance(text, Text)
        assert (text.key, text.facts["task"], text.facts["chapter"]) == ("node.chapter", 7, 3)
        assert text == str(text)
        assert type(str(text)) is str
        assert type(f"{text}") is str
        assert json.loads(json.dumps({"text": text})) == {"text": str(text)}

    def test_statuses_and_outcomes_are_words_of_the_language(self) -> None:
        use_language("zh")
        text = say("node.chapter", task=7, chapter=3, outcome="completed", seconds=1.5)
        assert text == "任务 7 章节 3：已完成，1.5 秒"
        assert text.facts["outcome"] == "completed"  # for machines it stays what it is
        assert "：失败" in say("node.task_closed", task=7, status=TaskStatus.FAILED, seconds=1)
        for outcome in (*Outcome, *get_args(task_lifecycle.Outcome), *TaskStatus):
            assert outcome in ("not_ours", "open") or f"word.{outcome}" in texts("zh")

    def test_it_travels_as_a_plain_string(self) -> None:
        import copy
        import pickle

        text = say("node.provider_failed", provider="p", reason=ProviderDown("provider.no_key", provider="p"))
        for travelled in (pickle.loads(pickle.dumps(text)), copy.deepcopy(text)):
            assert type(travelled) is str
            assert travelled == text

    @pytest.mark.parametrize("key", sorted(k for k in texts("zh") if k.startswith("node.chapter")))
    def test_lines_about_a_chapter_name_it_and_its_task(self, key: str) -> None:
        for text in (texts("zh")[key], texts("en")[key]):
            assert "{task}" in text
            assert "{chapter}" in text


class TestLines:
    HOSTILE = "第一回\n03:00:00 ERROR forged\r\x1b[2J\x00\u2028\u202e\x85end\ud800"

    @pytest.mark.parametrize("formatter", [log_setup.Lines("%H:%M:%S"), log_setup.JsonLines()])
    @pytest.mark.parametrize("wrapped", [False, True])
    def test_one_event_is_one_line(self, formatter: logging.Formatter, wrapped: bool) -> None:
        reason = say("node.waiting", reason=self.HOSTILE) if wrapped else self.HOSTILE
        line = formatter.format(record(reason))
        assert line.splitlines() == [line]
        assert all(c.isprintable() for c in line)

    def test_wide_text_stays_as_it_is(self) -> None:
        line = log_setup.Lines("%H:%M:%S").format(record("《三国演义》　第一回 ✓ 100%"))
        assert line.endswith(" INFO 《三国演义》　第一回 ✓ 100%")

    def test_no_line_of_a_traceback_looks_like_a_record(self) -> None:
        try:
            raise ValueError(self.HOSTILE)
        except ValueError:
            made = record("broke", logging.ERROR, sys.exc_info())
        first, *rest = log_setup.Lines("%H:%M:%S").format(made).splitlines()
        assert first.endswith("ERROR broke")
        assert rest
        assert all(line.startswith("    ") for line in rest)
        told = json.loads(log_setup.JsonLines().format(made))
        assert "ValueError" in told["trace"]

    def test_a_long_reply_in_an_error_is_cut(self) -> None:
        for formatter in (log_setup.Lines("%H:%M:%S"), log_setup.JsonLines()):
            assert len(formatter.format(record(say("node.waiting", reason="长" * 100_000)))) < 20_000

    def test_json_fields(self) -> None:
        formatter = log_setup.JsonLines()
        formatter.node = "甲"
        error = RateLimited("provider.rate_reached", provider="p", retry_after=2)
        told = json.loads(
            formatter.format(record(say("node.chapter_retry", task=1, chapter=2, seconds=3, reason=error)))
        )
        assert list(told) == ["time", "level", "event", "task", "chapter", "node", "message", "facts"]
        assert datetime.fromisoformat(told["time"]).tzinfo is not None
        assert (told["level"], told["event"], told["node"]) == ("INFO", "node.chapter_retry", "甲")
        assert (told["task"], told["chapter"]) == (1, 2)
        assert told["facts"] == {"seconds": 3, "reason": str(error)}

    def test_json_of_what_others_say(self) -> None:
        told = json.loads(log_setup.JsonLines().format(record("plain words")))
        assert (told["event"], told["task"], told["logger"]) == (None, None, "kgnb.worker.node")


class TestFile:
    def add(self, folder: Path) -> Path | None:
        return log_setup.add_file(folder, as_json=False)

    def test_it_rotates_and_loses_no_line(
        self, root: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root.setLevel(logging.INFO)
        monkeypatch.setattr(log_setup, "FILE_BYTES", 20_000)
        monkeypatch.setattr(log_setup, "OLD_FILES", 9)
        path = self.add(tmp_path / "logs")
        assert path is not None
        for number in range(1_000):
            logging.getLogger("kgnb").info(
                say("node.chapter", task=1, chapter=number, outcome="好", seconds=1)
            )
        files = sorted(path.parent.glob("worker.log*"))
        assert len(files) >= 3
        assert all(file.stat().st_size <= 20_100 for file in files)  # a line's characters, not its bytes
        lines = "".join(file.read_text("utf-8") for file in files)
        assert all(f"章节 {number}：" in lines for number in range(1_000))

    def test_old_ones_are_dropped(
        self, root: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root.setLevel(logging.INFO)
        monkeypatch.setattr(log_setup, "FILE_BYTES", 2_000)
        monkeypatch.setattr(log_setup, "OLD_FILES", 2)
        path = self.add(tmp_path)
        assert path is not None
        for _ in range(300):
            logging.getLogger("kgnb").info("x" * 50)
        assert sorted(f.name for f in tmp_path.glob("worker*")) == [
            "worker.log",
            "worker.log.1",
            "worker.log.2",
        ]

    def test_another_process_gets_another_file(self, root: logging.Logger, tmp_path: Path) -> None:
        code = (
            "import sys; from pathlib import Path; from kgnb.core.logging import add_file\n"
            "print(add_file(Path(sys.argv[1]), as_json=False).name, flush=True)\n"
            "sys.stdin.read()\n"
        )
        command = [sys.executable, "-c", code, str(tmp_path)]
        options: dict[str, Any] = {"text": True, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, env=environment(), **options) as other:
            assert other.stdout.readline() == "worker.log\n"
            path = self.add(tmp_path)
            assert path is not None
            assert path.name == "worker-2.log"
            other.kill()
            other.communicate()
        with subprocess.Popen(command, env=environment(), **options) as later:
            assert later.stdout.readline() == "worker.log\n"  # a killed process holds no lock
            later.communicate("")

    def test_a_place_that_cant_be_written(
        self, root: logging.Logger, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "logs").write_text("a file")
        assert self.add(tmp_path / "logs") is None
        (told,) = caplog.messages
        assert str(tmp_path / "logs") in told

    def test_a_full_disk_is_told_once(
        self, root: logging.Logger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        if not os.path.exists("/dev/full"):
            pytest.skip("no /dev/full")
        root.setLevel(logging.INFO)
        (tmp_path / "worker.log").symlink_to("/dev/full")
        assert self.add(tmp_path) is not None
        for _ in range(3):
            logging.getLogger("kgnb").info("lost")
        told = capsys.readouterr().err.splitlines()
        assert len(told) == 1
        assert told[0].startswith("kgnb: ")


class TestWorker:
    def test_text(self, place: Place) -> None:
        out = worked(place)
        (file,) = (place.data / "logs").glob("worker*.log")
        written = file.read_text("utf-8").splitlines()
        printed = out.splitlines()
        assert len(written) == len(printed)
        for chapter in range(1, CHAPTERS + 1):
            (line,) = (one for one in printed if f"任务 1 章节 {chapter}：" in one)
            assert any(one.endswith(line[9:]) for one in written)  # the file's have a date
        datetime.fromisoformat(written[0][:19])

    def test_json(self, place: Place) -> None:
        out = worked(place, env={"KGNB_LOG_JSON": "1", "KG_WORKER_NODE_NAME": "甲"})
        (file,) = (place.data / "logs").glob("worker*.log")
        assert file.read_text("utf-8") == out
        told = [json.loads(line) for line in out.splitlines()]
        assert told[-1]["event"] == "node.left"
        chapters = [one for one in told if one["event"] == "node.chapter"]
        assert sorted(one["chapter"] for one in chapters) == list(range(1, CHAPTERS + 1))
        assert {(one["task"], one["node"], one["level"]) for one in chapters} == {(1, "甲", "INFO")}
        assert all(one["task"] == 1 for one in told if one["event"].startswith("node.task"))

    def test_levels(self, place: Place) -> None:
        out = worked(place, env={"LOG_LEVEL": "WARNING"})
        assert "章节" not in out
        assert place.run("worker", "--drain", env={"LOG_LEVEL": "loud"}).code == 2

    def test_a_data_folder_that_cant_be_written(self, tmp_path: Path) -> None:
        place = Place(tmp_path)
        place.data.mkdir()
        (place.data / "logs").write_text("not a folder")
        ran = place.run("worker", "--drain", "--fail-fast")
        assert ran.code == 2  # the embedded engines need it
        assert "Traceback" not in ran.out + ran.err

    @pytest.mark.parametrize("shape", ["0", "1"])
    def test_the_key_is_in_no_log(self, place: Place, shape: str) -> None:
        """A provider that quotes the key it refuses, and one that can't be reached."""
        with llm() as server:
            env = server.env() | {"KGNB_LOG_JSON": shape, "LOG_LEVEL": "DEBUG"}
            server.server.key = "another"
            book = novel(place.path / "book.txt", 2, lines=4)
            assert place.run("submit", book, "--provider", "dryrun", env=env).code == 0
            worker = place.start("worker", "--fail-fast", env=env)
            paused = place.data / "logs" / "worker.log"
            worker.until(lambda: paused.exists() and "dryrun" in paused.read_text("utf-8"))
            worker.until(lambda: server.stats.outcomes["401"] > 0)
            worker.send(signal.SIGTERM)
            ran = worker.ended()
        assert ran.code == 0, ran
        everything = (
            ran.out + ran.err + "".join(f.read_text("utf-8", "replace") for f in paused.parent.glob("*.log"))
        )
        assert "Traceback" not in everything
        assert KEY not in everything
        assert KEY[-8:] not in everything


class Gone:
    """A connection whose server went away."""

    def rollback(self) -> None:
        raise ConnectionError

    def close(self) -> None:
        pass


def test_a_connection_that_breaks_is_told_by_whoever_used_it_alone(root: logging.Logger) -> None:
    stream = io.StringIO()
    log_setup.configure("INFO", stream, as_json=False)
    sa.pool.QueuePool(Gone).connect().close()  # type: ignore[arg-type]
    assert stream.getvalue() == ""
