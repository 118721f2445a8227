"""docs/kaggle.md and docs/colab.md, walked from the first line to the last: every command, in order.

On Kaggle's side is the stub, and the official command line where the page says so. What a pushed run itself
does is in test_pushed_run.py.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import kgnb
from kgnb.book.reader import story_path
from kgnb.core import colab
from kgnb.core.messages import use_language
from kgnb.kaggle import datasets, kernels, wheel_folder
from tests.conftest import lent_folder
from tests.support.commands import novel
from tests.support.kaggle_stub import Command, KaggleStub
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST

USER = "reader"


def blocks(page: str, language: str) -> list[str]:
    """The page's code blocks in this language, with the names that stand for the reader's own filled in."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
    return [re.sub(r"用户名|\bme(?=/)", USER, one) for one in found]


def spoken(page: str, start: str) -> list[str]:
    """The commands that begin with ``start`` in the page's sentences."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    return [shlex.split(one) for one in re.findall(rf"`({start}[^`]*)`", text)]


def write_epub(path: Path, text: str) -> None:
    """A book of one document."""
    container = '<container><rootfiles><rootfile full-path="a.opf"/></rootfiles></container>'
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest><item id="a" href="a.xhtml" '
        'media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></package>'
    )
    paragraphs = "".join(f"<p>{line}</p>" for line in text.splitlines())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("a.opf", package)
        archive.writestr("a.xhtml", f"<html><body>{paragraphs}</body></html>")


class TestKaggle:
    @pytest.fixture(autouse=True)
    def _home(self, stub: KaggleStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a person has before the first line: books, a notebook, and a key for the section on keys."""
        use_language("zh")
        monkeypatch.setattr(kernels, "POLL_PAUSE", 0.01)
        monkeypatch.setattr(datasets, "READY_PAUSE", 0.01)
        write_epub(tmp_path / "红楼梦.epub", novel(tmp_path / "三国演义.txt", 2).read_text("utf-8"))
        shutil.copy(ROOT / "notebooks" / "worker.ipynb", tmp_path / "vllm.ipynb")
        monkeypatch.setenv("OPENAI_API_KEY", "tr0ub4dor-and-3")
        monkeypatch.setenv("REDIS_HOST", "redis.example")
        monkeypatch.setenv("REDIS_PASSWORD", "correct-horse-9")
        stub.files = {"graph.html": b"<!doctype html>", "graph.json": b"{}", "kgnb-report.html": b""}

    @pytest.fixture
    def official(self, tmp_path: Path) -> Any:
        def run(*words: str) -> str:
            ran = subprocess.run(
                [sys.executable, "-m", *words],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60 * SLOWEST,
            )
            assert ran.returncode == 0, ran.stderr
            return ran.stdout

        return run

    def test_every_command(
        self,
        command: Command,
        stub: KaggleStub,
        official: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async def few(folder: Path, owner: str) -> list[Path]:
            """Without the downloads; the folder's metadata is the real one."""
            folder.mkdir()
            (folder / "kgnb-0-py3-none-any.whl").write_bytes(b"PK")
            datasets.describe(folder, f"{owner}/{wheel_folder.DATASET}")
            return [*folder.glob("*.whl")]

        monkeypatch.setattr(wheel_folder, "make_wheels", few)
        lines = [line for block in blocks("kaggle.md", "bash") for line in block.splitlines() if line]
        ours = [shlex.split(line) for line in lines if line.startswith("kgnb kaggle")]
        others = [line for line in lines if not line.startswith("kgnb kaggle")]
        assert others == ['pip install ".[embedded,kaggle]"']
        codes = {}
        for words in ours:
            stub.kernels |= {word for word in words if re.fullmatch(rf"{USER}/kgnb-(worker|hong.*)", word)}
            codes[" ".join(words[2:])] = command(*words[2:])
            if words[2] == "wheels":
                (made,) = spoken("kaggle.md", "kaggle datasets create")
                assert "being created" in official(*made)
                assert list(stub.datasets[f"{USER}/kgnb-wheels"].files) == ["kgnb-0-py3-none-any.whl"]
            if words[2] == "init":
                assert "successfully pushed" in official("kaggle", "kernels", "push", "-p", words[3])
        assert set(codes.values()) == {0}
        assert len(codes) >= 10
        assert list(stub.datasets) == [f"{USER}/kgnb-wheels"]  # the credentials are gone
        graphs = [path.parent.name for path in (tmp_path / "kaggle-output").rglob("graph.html")]
        assert len(graphs) > 1  # one notebook's doesn't replace another's

    def test_what_its_sentences_name(self, command: Command, stub: KaggleStub) -> None:
        for part in ("create", "delete"):
            for words in spoken("kaggle.md", f"kgnb kaggle secrets {part} "):
                assert command(*words[2:]) == 0
        assert not stub.datasets
        stub.datasets[f"{USER}/kgnb-wheels"] = SimpleNamespace(private=True, version=1)  # type: ignore[assignment]
        offline = next(one for one in spoken("kaggle.md", "--dataset") if "--set" in one)
        offline = [word.replace("用户名", USER) for word in offline]
        assert command("push", "三国演义.txt", *offline, "--no-internet") == 0
        (body,) = stub.pushes()
        assert (body["enableInternet"], body["datasetDataSources"]) == (False, [f"{USER}/kgnb-wheels"])

    def test_at_the_repositorys_root(
        self, command: Command, stub: KaggleStub, official: Any, tmp_path: Path
    ) -> None:
        sys.argv[1:] = ["dist/notebooks"]
        runpy.run_path(str(ROOT / "scripts" / "notebooks.py"), run_name="__main__")  # what notebooks.sh does
        meta = json.loads((ROOT / "kernel-metadata.json").read_text("utf-8"))
        meta["id"] = meta["id"].replace("INSERT_YOUR_USERNAME", USER)
        (tmp_path / "kernel-metadata.json").write_text(json.dumps(meta))
        assert "successfully pushed" in official("kaggle", "kernels", "push", "-p", ".")
        assert stub.pushes()[0]["slug"] == f"{USER}/kgnb-quickstart"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """Colab as far as the page needs it: Drive that is mounted, and a runtime that can be given back."""
    one = SimpleNamespace(ended=0)
    package: Any = ModuleType("google.colab")
    package.runtime = SimpleNamespace(unassign=lambda: setattr(one, "ended", one.ended + 1))
    monkeypatch.setitem(sys.modules, "google.colab", package)
    (tmp_path / "drive" / "MyDrive").mkdir(parents=True)
    monkeypatch.setattr(colab, "DRIVE", tmp_path / "drive")
    monkeypatch.setattr(colab, "COPY", tmp_path / "drive" / "MyDrive" / "kgnb-data")
    return one


def test_colab(page: SimpleNamespace, embedded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20261101")
    monkeypatch.setenv("KGNB_COLAB_PAID", "")  # what the page sets is undone with it
    paid, ended, drive = blocks("colab.md", "python")
    names: dict[str, Any] = {}
    with lent_folder(embedded, tmp_path / "kgnb-data"):
        exec(paid, names)
        assert os.environ["KGNB_COLAB_PAID"] == "1"
        exec(drive, names)
        names["node"].submit(story_path(), "rules")
        exec(ended, names)
        assert page.ended == 1
        assert (colab.COPY / "kgnb-report.html").is_file()
        (row,) = kgnb.books(data="drive")
        assert row["entities"] > 5
