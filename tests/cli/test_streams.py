"""Commands whose standard streams are closed, full or of another encoding; names that aren't UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kgnb.app import submit
from kgnb.app.context import open_app
from kgnb.book.reader import read_book, readable
from kgnb.core.errors import InputError
from kgnb.core.settings import Settings
from kgnb.stores.embedded.data_folder import open_folder
from tests.support.commands import STORY, environment
from tests.support.patience import SLOWEST

LIMIT = 120 * SLOWEST
COMMAND = ("providers", "list", "--json")


def run(
    tmp_path: Path, words: Sequence[str] = COMMAND, env: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "kgnb", *words, "--data", str(tmp_path / "data")]
    return subprocess.run(command, env=environment(**(env or {})), cwd=tmp_path, timeout=LIMIT, **options)


def closing(*numbers: int) -> Callable[[], None]:
    def close() -> None:
        for number in numbers:
            os.close(number)

    return close


@pytest.mark.parametrize("closed", [(0, 1, 2), (0,), (1,)])
def test_closed_streams_end_nothing(tmp_path: Path, closed: tuple[int, ...]) -> None:
    (tmp_path / "data").mkdir()  # else a command that only looks leaves none
    assert run(tmp_path, preexec_fn=closing(*closed)).returncode == 0
    assert (tmp_path / "data" / "kgnb.db").exists()


def test_processes_started_by_a_command_have_all_streams(tmp_path: Path) -> None:
    inner = "import os; [os.fstat(number) for number in range(3)]"
    outer = f"""
import subprocess, sys
from kgnb.cli.streams import prepare_streams
prepare_streams()
sys.exit(subprocess.run([sys.executable, "-c", {inner!r}], close_fds=True).returncode)
"""
    command = [sys.executable, "-c", outer]
    assert subprocess.run(command, env=environment(), timeout=LIMIT, preexec_fn=closing(0)).returncode == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_any_encoding_takes_any_text(tmp_path: Path, encoding: str) -> None:
    env = {
        "PYTHONIOENCODING": encoding,
        "OPENAI_BASE_URL": "https://x.example/v1",
        "KGNB_PROVIDER_NAME": "书é🐎",
    }
    ran = run(tmp_path, env=env, capture_output=True)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert "书é🐎" in str(json.loads(ran.stdout))


def test_a_full_disk_under_stdout_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = run(tmp_path, stdout=full, stderr=subprocess.PIPE)
    assert ran.returncode == 3
    (line,) = ran.stderr.decode().splitlines()
    assert line.startswith("kgnb: ")


def test_a_book_whose_name_is_gbk(tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + "/三国演义 作者：罗贯中.txt".encode("gbk")))
    file.write_text("第一回\n甲与乙。\n" * 3, "utf-8")
    book = read_book(file)
    assert (book.title, book.author) == ("三国演义 作者：罗贯中", "罗贯中")
    assert readable(os.fsdecode(b"\xff\xff")) == "\ufffd\ufffd"
    assert readable("甲\ud83d") == "甲?"
    assert read_book(file, title=os.fsdecode("红楼梦".encode("gbk"))).title == "红楼梦"


def test_a_data_folder_that_the_engines_could_not_open(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_folder(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xb0\xd7")))
    str(caught.value).encode()
    assert caught.value.key == "engine.folder_name"


async def test_a_book_may_be_deleted_once_it_was_read(tmp_path: Path) -> None:
    file = tmp_path / "gone.txt"
    file.write_text(STORY.read_text("utf-8"), "utf-8")
    book = read_book(file)
    file.unlink()
    async with open_app(Settings.load(data=tmp_path / "data"), queue=False, graph=False) as app:
        stored = await submit.store_book(app, book, file)
        assert len(await app.ledger.books.chapters(stored.novel_id)) == len(book.chapters)
