"""Colab's own offers, with a stand-in for its package, and a record that outlives the machine."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import kgnb
from kgnb.app.build import read
from kgnb.app.context import open_app
from kgnb.book.reader import story_path
from kgnb.core import colab, secrets
from kgnb.core.errors import InputError
from kgnb.core.host import Host, detect_host
from kgnb.core.settings import Settings
from kgnb.notebook import node as nodes
from kgnb.stores.embedded import record_copy

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


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    one = Page(tmp_path / "drive")
    parts = {
        "drive": {"mount": one.mount},
        "files": {"upload": lambda: dict.fromkeys(one.files, b"")},
        "runtime": {"unassign": one.end},
        "userdata": {"get": lambda name: one.secrets[name], "SecretNotFoundError": KeyError},
    }
    package: Any = ModuleType("google.colab")
    for name, content in parts.items():
        setattr(package, name, SimpleNamespace(**content))
    monkeypatch.setitem(sys.modules, "google.colab", package)
    monkeypatch.setattr(colab, "DRIVE", one.root)
    monkeypatch.setattr(colab, "COPY", one.root / "MyDrive" / "kgnb-data")
    monkeypatch.chdir(tmp_path)
    for name in (colab.HOST_VARIABLE, colab.KEY_VARIABLE, "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return one


def load(host: Host = HERE, **given: Any) -> Settings:
    return secrets.load_settings(host=host, **given)[0]


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
        assert settings.openai_model == colab.MODEL
        assert KEY not in repr(settings)
        assert load(provider_name="colab", openai_model="google/gemma-4").openai_model == "google/gemma-4"

    def test_a_runtime_without_any(self, page: Page) -> None:
        with pytest.raises(InputError, match="deepseek"):
            load(provider_name="colab")
        own = load(provider_name="colab", openai_base_url="https://mine.example/v1", openai_api_key="k")
        assert own.openai_base_url == "https://mine.example/v1"


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
        assert {path.name for path in colab.COPY.iterdir()} == {"kgnb.db", "VERSION"}
        second = load(data="drive").model_copy(update={"data": tmp_path / "another machine"})
        assert page.mounts == 1
        async with open_app(second, queue=False, graph=False) as app:
            again = await app.ledger.books.import_book(await read(story_path(), None, None))
        assert (again.novel_id, again.known) == (imported.novel_id, True)
        copied = colab.COPY.joinpath("kgnb.db").stat().st_mtime_ns
        async with open_app(second, queue=False, graph=False):
            pass
        assert colab.COPY.joinpath("kgnb.db").stat().st_mtime_ns == copied  # nothing new

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
        source, target = tmp_path / "kgnb.db", tmp_path / "file"
        with closing(sqlite3.connect(source)) as record:
            record.execute("CREATE TABLE t (a)")
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
