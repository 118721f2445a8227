"""Colab's own offers, with a stand-in for its package, and a record that outlives the machine."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import IO, Any

import pytest

import kgnb
from kgnb.app import api, library
from kgnb.app.context import open_app
from kgnb.app.submit import read
from kgnb.book.reader import story_path
from kgnb.core import colab, secrets
from kgnb.core.errors import InputError
from kgnb.core.host import Host, detect_host
from kgnb.core.model import Provider
from kgnb.core.settings import Settings
from kgnb.notebook import node as nodes
from kgnb.stores.embedded import record_copy
from kgnb.stores.embedded.data_folder import file_lock
from kgnb.stores.embedded.restore import restore_data_folder
from tests.support.patience import SLOWEST
from tests.support.records import record as a_record

HERE = replace(detect_host(), kind="colab", in_kernel=True)
KEY = "proxy-key-canary"


class Page:
    """What Colab's page answers; the modules of google.colab ask it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.secrets: dict[str, str] = {}
        self.files: list[str] = []
        self.mounts = self.ended = 0
        self.refuses = False

    def mount(self, mountpoint: str) -> None:
        self.mounts += 1
        if self.refuses:
            raise ValueError("mount failed")
        (Path(mountpoint) / "MyDrive").mkdir(parents=True)

    def end(self) -> None:
        self.ended += 1


def generate_text(prompt: str, model_name: str = "google/gemini-x-flash", stream: bool = False) -> str:
    """google.colab.ai's, as of 2026."""
    raise AssertionError(prompt, model_name, stream)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    one = Page(tmp_path / "drive")
    parts = {
        "drive": {"mount": one.mount},
        "files": {"upload": lambda: dict.fromkeys(one.files, b"")},
        "runtime": {"unassign": one.end},
        "ai": {"generate_text": generate_text},
        "userdata": {"get": lambda name: one.secrets[name], "SecretNotFoundError": KeyError},
    }
    package: Any = ModuleType("google.colab")
    for name, content in parts.items():
        setattr(package, name, SimpleNamespace(**content))
    monkeypatch.setitem(sys.modules, "google.colab", package)
    monkeypatch.setattr(colab, "DRIVE", one.root)
    monkeypatch.setattr(colab, "COPY", one.root / "MyDrive" / "kgnb-data")
    monkeypatch.chdir(tmp_path)
    for name in (
        colab.HOST_VARIABLE,
        colab.KEY_VARIABLE,
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_MODEL",
    ):
        monkeypatch.delenv(name, raising=False)
    return one


def load(host: Host = HERE, **given: Any) -> Settings:
    return secrets.load_settings(host=host, **given)[0]


def write(record: Path, word: str) -> None:
    record.parent.mkdir(exist_ok=True)
    if not record.exists():
        record.write_bytes(a_record())
    with closing(sqlite3.connect(record)) as connection, connection:
        connection.execute("INSERT INTO novels (title) VALUES (?)", [word])


def written(record: Path) -> list[str]:
    with closing(sqlite3.connect(record)) as connection:
        return [word for (word,) in connection.execute("SELECT title FROM novels WHERE id > 1")]


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def write(_: object, sent: IO[bytes]) -> None:
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(b"x")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", write)
        yield


class TestProvider:
    @pytest.mark.parametrize("named", ["argument", "secret"])
    def test_colabs_own_models(self, named: str, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(colab.HOST_VARIABLE, "https://models.example/")
        page.secrets[colab.KEY_VARIABLE] = KEY
        if named == "secret":
            page.secrets["KGNB_PROVIDER_NAME"] = "colab"
        settings = load(**({"provider_name": "colab"} if named == "argument" else {}))
        assert settings.openai_base_url == "https://models.example/models/openapi"
        assert settings.openai_api_key.get_secret_value() == KEY
        assert settings.openai_model == "google/gemini-x-flash"  # Colab's own, whatever it is by now
        assert KEY not in repr(settings)
        assert load(provider_name="colab", openai_model="google/gemma-4").openai_model == "google/gemma-4"
        page.secrets["OPENAI_MODEL"] = "google/gemma-5"
        assert load(provider_name="colab").openai_model == "google/gemma-5"

    def test_a_runtime_without_any(self, page: Page) -> None:
        with pytest.raises(InputError, match="deepseek"):
            load(provider_name="colab")
        own = load(provider_name="colab", openai_base_url="https://mine.example/v1", openai_api_key="k")
        assert own.openai_base_url == "https://mine.example/v1"
        page.secrets["KGNB_PROVIDER_NAME"] = "colab"
        mine = Provider("mine", "https://mine.example/v1", "k")  # type: ignore[arg-type]
        given, _ = secrets.load_settings(host=HERE, provider=mine)
        assert given.provider == mine, "nobody asks Colab"


class TestUpload:
    def test_one_file(self, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        page.files = ["书.txt"]
        assert kgnb.upload() == tmp_path / "书.txt"
        for page.files in ([], ["a.txt", "b.txt"]):
            with pytest.raises(InputError, match=str(len(page.files))):
                kgnb.upload()
        monkeypatch.setitem(sys.modules, "google.colab", None)
        with pytest.raises(InputError, match=r"kgnb\.build"):
            kgnb.upload()


class TestDrive:
    async def test_the_next_machine_goes_on(self, page: Page, tmp_path: Path) -> None:
        first = load(data="drive")
        assert (first.data, first.copy_to, page.mounts) == (Path("kgnb-data"), str(colab.COPY), 1)
        async with open_app(first, queue=False, graph=False) as app:
            imported = await app.ledger.books.import_book(await read(story_path(), None, None))
        assert {path.name for path in colab.COPY.iterdir()} == {"kgnb.db"}
        second = load(data="drive").model_copy(update={"data": tmp_path / "another machine"})
        assert page.mounts == 1
        async with open_app(second, queue=False, graph=False) as app:
            again = await app.ledger.books.import_book(await read(story_path(), None, None))
            await app.ledger.books.import_book(await read(story_path("en"), None, None))
        assert again.novel_id == imported.novel_id
        assert [path.name for path in colab.COPY.parent.iterdir()] == [colab.COPY.name]  # its own, replaced
        copied = colab.COPY.joinpath("kgnb.db").stat().st_mtime_ns
        async with open_app(second, queue=False, graph=False):
            pass
        assert colab.COPY.joinpath("kgnb.db").stat().st_mtime_ns == copied  # nothing new

    def test_another_runs_record_is_never_replaced(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        def work(data: str, word: str) -> None:
            write(tmp_path / data / "kgnb.db", word)
            caplog.clear()
            record_copy.update_copy(tmp_path / data / "kgnb.db", tmp_path / "copy")

        work("one", "甲")
        work("one", "乙")
        shutil.copytree(tmp_path / "one", tmp_path / "twin")  # as another machine that goes on from the copy
        resumed = Settings.load(data=tmp_path / "resumed", resume_from=str(tmp_path / "copy"))
        restore_data_folder(resumed)
        work("one", "丙")
        assert caplog.text == ""
        for number, data in enumerate(("twin", "resumed", "begun here"), 2):
            work(data, "丁")
            assert str(tmp_path / f"copy-{number}") in caplog.text
            work(data, "戊")
            assert caplog.text == ""
        copies = {path.name: written(path / "kgnb.db") for path in tmp_path.glob("copy*")}
        assert copies == {
            "copy": ["甲", "乙", "丙"],
            "copy-2": ["甲", "乙", "丁", "戊"],
            "copy-3": ["甲", "乙", "丁", "戊"],
            "copy-4": ["丁", "戊"],
        }

    def test_a_book_of_another_folder_is_opened_without_copying_that(
        self, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = tmp_path / "other"
        write(other / "kgnb.db", "甲")
        settings = Settings.load(data=tmp_path / "data", copy_to=str(colab.COPY))
        found = library.locate(settings, other)
        assert found is not None
        assert (found.data, found.copy_to) == (other, "")
        monkeypatch.setattr(secrets, "detect_host", lambda: HERE)
        here, _ = api._shelf("drive")
        assert here is not None
        assert here.copy_to == str(colab.COPY)

    def test_a_data_folder_is_no_copy_of_itself(self, tmp_path: Path) -> None:
        source = tmp_path / "data" / "kgnb.db"
        write(source, "甲")
        inode = source.stat().st_ino
        record_copy.update_copy(source, source.parent)
        assert source.stat().st_ino == inode
        assert written(tmp_path / "data-2" / "kgnb.db") == ["甲"]

    def test_what_changes_while_it_is_copied_is_copied_next(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, copyfileobj = tmp_path / "data" / "kgnb.db", shutil.copyfileobj

        def slow(draft: object, sent: object) -> None:
            write(source, "乙")
            copyfileobj(draft, sent)

        write(source, "甲")
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "copyfileobj", slow)
            record_copy.update_copy(source, tmp_path / "copy")
        assert written(tmp_path / "copy" / "kgnb.db") == ["甲"]
        record_copy.update_copy(source, tmp_path / "copy")
        assert written(tmp_path / "copy" / "kgnb.db") == ["甲", "乙"]

    def test_one_that_goes_on_from_an_older_kgnbs_copy_replaces_it(self, tmp_path: Path) -> None:
        write(copy := tmp_path / "copy" / "kgnb.db", "甲")
        with closing(sqlite3.connect(copy)) as c:
            c.execute("ALTER TABLE kgnb_schema DROP COLUMN copied")
            c.execute("ALTER TABLE kgnb_schema DROP COLUMN copied_before")
        data = tmp_path / "data"
        restore_data_folder(Settings.load(data=data, copy_to=str(copy.parent)))
        write(data / "kgnb.db", "乙")
        record_copy.update_copy(data / "kgnb.db", copy.parent)
        assert written(copy) == ["甲", "乙"]

    def test_a_full_drive_keeps_the_last_copy_and_no_part_of_another(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, copy = tmp_path / "data" / "kgnb.db", tmp_path / "copy"
        write(source, "甲")
        record_copy.update_copy(source, copy)
        write(source, "乙")
        for _ in range(3):
            with pytest.raises(OSError, match="No space left"), full_disk(monkeypatch):
                record_copy.update_copy(source, copy)
        assert sorted(path.name for path in copy.iterdir()) == ["kgnb.db"]
        assert written(copy / "kgnb.db") == ["甲"]
        record_copy.update_copy(source, copy)  # there is room again
        assert written(copy / "kgnb.db") == ["甲", "乙"]

    def test_a_drive_that_cannot_be_read_is_refused_at_the_start(self, tmp_path: Path) -> None:
        copy = str(tmp_path / ("x" * 300))  # an error that means neither "nothing there" nor "no folder"
        with pytest.raises(InputError, match=r"x{300}"):
            restore_data_folder(Settings.load(data=tmp_path / "data", copy_to=copy))
        outside = {"db_host": "db.example", "db_password": "x"}  # no record of its own, so no copy
        assert restore_data_folder(Settings.load(data=tmp_path / "data", copy_to=copy, **outside)) is None

    def test_the_last_copy_waits_for_that_of_another_process(self, tmp_path: Path) -> None:
        settings = Settings.load(data=tmp_path, copy_to=str(tmp_path / "copy"))
        write(settings.sqlite_path, "甲")
        with file_lock(tmp_path / record_copy.LOCK):  # of another process
            copy = record_copy.RecordCopy(settings)
            closing_it = threading.Thread(target=copy.close)
            closing_it.start()
            closing_it.join(0.05)
        closing_it.join(60 * SLOWEST)
        assert written(tmp_path / "copy" / "kgnb.db") == ["甲"]

    def test_elsewhere_it_is_a_folder_like_any_other(self, page: Page) -> None:
        assert load(replace(HERE, kind="jupyter"), data="drive").data == Path("drive")
        assert page.mounts == 0

    def test_refused(self, page: Page) -> None:
        page.refuses = True
        with pytest.raises(InputError, match="mount failed"):
            load(data="drive")

    def test_a_copy_that_fails_is_told_and_ends_nothing(
        self, page: Page, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        target = tmp_path / "file"
        write(tmp_path / "kgnb.db", "甲")
        target.write_text("a file, not a folder")
        settings = Settings.load(data=tmp_path, copy_to=str(target))
        record_copy.RecordCopy(settings).close()
        assert str(target) in caplog.text

    def test_the_runtime_is_given_back_when_asked(
        self, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        one = kgnb.Node(Settings.load(data=tmp_path / "data"), HERE)
        run = SimpleNamespace(reason="", wants_report=False)
        monkeypatch.setattr(nodes.Node, "start", lambda self: setattr(self, "_run", run))
        monkeypatch.setattr(nodes.Node, "stop", lambda self, **_: None)
        for name, answer in (("_block", "drained"), ("_finish", {})):
            monkeypatch.setattr(nodes.Node, name, returning(answer))
        one.run_until()
        assert page.ended == 0
        one.run_until(end_runtime=True)
        assert page.ended == 1
        assert "Colab" in capsys.readouterr().out
        monkeypatch.setattr(nodes.Node, "_block", interrupted)
        one.run_until(end_runtime=True)
        assert page.ended == 1  # whoever presses Stop wants to look


def interrupted(*_: object) -> str:
    raise KeyboardInterrupt


def returning(answer: object) -> Callable[..., object]:
    return lambda *_: answer
