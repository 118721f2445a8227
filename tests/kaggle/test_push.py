"""`kgnb kaggle …`: what is refused before it leaves, how books and credentials travel, what a run leaves."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kgnb.core import kaggle_inputs
from kgnb.core.errors import InputError, ServiceDown, ServiceRefused
from kgnb.core.messages import use_language
from kgnb.core.secrets import DATASET_FILE
from kgnb.kaggle import (
    book_notebook,
    datasets,
    kernel_metadata,
    kernels,
    notebook_bundle,
)
from tests.support.commands import Place, novel
from tests.support.kaggle_stub import TOKEN, Command, KaggleStub, StubDataset
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST

META = {
    **kernel_metadata.TEMPLATE,
    "id": "reader/some-notebook",
    "title": "Some notebook",
    "code_file": "notebook.ipynb",
}
KEY = "tr0ub4dor-and-3"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "POLL_PAUSE", 0.01)
    monkeypatch.setattr(kernels, "UNSEEN_SECONDS", 0.0)
    monkeypatch.setattr(datasets, "READY_PAUSE", 0.01)
    use_language("en")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return novel(tmp_path / "一本书.txt", 2)


def folder_of(path: Path, meta: dict[str, Any], source: str = "print(1)") -> Path:
    path.mkdir()
    cell = {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (path / "kernel-metadata.json").write_text(json.dumps(meta), "utf-8")
    (path / "notebook.ipynb").write_text(json.dumps(notebook), "utf-8")
    return path


def sources(stub: KaggleStub, number: int = -1) -> list[str]:
    """The sources of a pushed notebook's cells."""
    return [cell["source"] for cell in json.loads(stub.pushes()[number]["text"])["cells"]]


def carried(stub: KaggleStub) -> list[bytes]:
    """The books in a pushed notebook."""
    (cell,) = [source for source in sources(stub) if "BOOKS = unpack_text" in source]
    text = cell.partition('unpack_text("""')[2].partition('"""')[0]
    return [path.read_bytes() for path in book_notebook.unpack_text(text)]


class TestBooks:
    def test_a_small_book_travels_in_the_notebook(
        self, command: Command, stub: KaggleStub, book: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        options = ["--provider", "rules", "--timeout", "3600", "--model", "m-1"]
        served = ["--set", "OPENAI_BASE_URL=http://127.0.0.1:8000/v1"]  # by the notebook itself
        assert command("push", book, *options, *served, "--accelerator", "NvidiaL4") == 0
        (body,) = stub.pushes()
        assert body["slug"] == "reader/kgnb-di-1bu-yan-yi"
        assert body["newTitle"] == "kgnb di 1bu yan yi"  # Kaggle makes no notebook of a Chinese title
        assert body["isPrivate"] is True
        assert body["machineShape"] == "NvidiaL4"
        assert body["sessionTimeoutSeconds"] == 3600
        install, build = sources(stub)[1], sources(stub)[3]
        assert '"KGNB_SESSION_SECONDS": "3600"' in install  # the node leaves before Kaggle kills it
        assert '"OPENAI_MODEL": "m-1"' in install
        assert '"KGNB_KERNEL": "reader/kgnb-di-1bu-yan-yi"' in install
        assert 'earlier_data("")' in build
        assert "node.submit(book, 'rules')" in build
        assert carried(stub) == [book.read_bytes()]
        told = capsys.readouterr().out
        assert "3.0 of 30.0 h" in told
        assert "up to 1 h" in told
        assert "kaggle status -f reader/kgnb-di-1bu-yan-yi/1" in told

    def test_a_large_one_in_a_private_dataset(
        self,
        command: Command,
        stub: KaggleStub,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(notebook_bundle, "MOST_BYTES", 8_000)
        large = novel(tmp_path / "large.txt", 40)
        stub.preparing = 2
        name = "reader/kgnb-di-1bu-yan-yi-1-books"
        for version in (1, 2):
            assert command("push", large, novel(tmp_path / "b.txt", 2), "--fresh") == 0
            assert list(stub.datasets) == [name]
            assert stub.datasets[name].version == version
        assert stub.datasets[name].private
        assert stub.pushes()[-1]["datasetDataSources"] == [name]
        assert f'unpack_dataset("{name}")' in sources(stub)[2]
        (packed,) = stub.datasets[name].files.values()
        first, _ = book_notebook.unpack_text(book_notebook.as_text(packed))
        assert first.read_bytes() == large.read_bytes()
        assert name in capsys.readouterr().out

    def test_goes_on_from_the_last_run(
        self, command: Command, stub: KaggleStub, book: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        own = "reader/kgnb-di-1bu-yan-yi"
        stub.kernels.add(own)
        stub.statuses = ["RUNNING"]
        with pytest.raises(InputError, match="--fresh"):
            command("push", book)
        stub.statuses = ["ERROR"]
        assert command("push", book) == 0
        assert stub.pushes()[-1]["kernelDataSources"] == [own]
        assert f'earlier_data("{own}")' in sources(stub)[3]
        assert own in capsys.readouterr().out
        assert command("push", book, "--fresh") == 0
        assert "kernelDataSources" not in stub.pushes()[-1]
        for source in (["--kernel", "reader/gone-by"], ["--dataset", "other/gone-by"]):
            with pytest.raises(InputError, match="/gone-by"):  # Kaggle would leave it out, and run
                command("push", book, "--fresh", *source)
        with pytest.raises(InputError, match="OWNER/NAME"):
            command("push", book, "--fresh", "--dataset", "nonsense")
        stub.datasets["other/texts"] = StubDataset({}, False)
        assert command("push", book, "--fresh", "--dataset", "other/texts/3") == 0  # a version
        stub.kernels.add("reader/another")
        assert command("push", book, "--kernel", "reader/another") == 0
        assert 'earlier_data("reader/another")' in sources(stub)[3]

    def test_follow_ends_with_the_graph_here(
        self, command: Command, stub: KaggleStub, book: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stub.statuses = ["QUEUED", "RUNNING", "COMPLETE"]
        report = {"left": {"tasks": 1, "chapters": 7}}
        stub.files = {
            "graph.html": b"<!doctype html>",
            "kgnb-report.json": json.dumps(report).encode(),
            "kgnb-data/kgnb.db": b"SQLite",
        }
        stub.log = "printed"
        assert command("push", book, "--follow") == 1  # 7 chapters are left
        shown = capsys.readouterr()
        assert "kgnb kaggle logs" not in shown.err
        assert "Graph: kaggle-output/kgnb-di-1bu-yan-yi/graph.html" in shown.out
        assert "7 chapters are left" in shown.err
        fetched = {path.name for path in Path("kaggle-output/kgnb-di-1bu-yan-yi").rglob("*")}
        assert fetched == {"graph.html", "kgnb-report.json", "kgnb-di-1bu-yan-yi.log"}
        stub.statuses = ["ERROR"]
        assert command("push", book, "--follow") == 1
        assert "kgnb kaggle logs reader/kgnb-di-1bu-yan-yi/2" in capsys.readouterr().err
        stub.statuses = ["COMPLETE"]
        del stub.files["kgnb-report.json"]
        assert command("push", book, "-o", "here") == 0
        assert Path("here/graph.html").is_file()

    def test_saved_for_the_editor(
        self, command: Command, stub: KaggleStub, book: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert command("push", book, "--no-run", "--provider", "deepseek") == 0
        assert stub.pushes()[0]["kernelExecutionType"] == "QUICK_SAVE"
        assert "Save & Run All" in capsys.readouterr().out

    def test_the_machines_own_key_stays_here(
        self,
        command: Command,
        stub: KaggleStub,
        book: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        assert command("push", book) == 0
        assert KEY not in stub.pushes()[0]["text"]
        assert "built-in rules" in capsys.readouterr().err
        with pytest.raises(InputError, match="secrets create"):
            command("push", book, "--provider", "deepseek")


class TestTheNewRun:
    """What Kaggle does with a notebook that it has just taken."""

    def test_it_may_be_called_otherwise(
        self, command: Command, stub: KaggleStub, book: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stub.called = {"kgnb-di-1bu-yan-yi": "kgnb-di-1bu-yan-yi-2"}
        stub.files = {"graph.json": b"{}"}
        assert command("push", book, "--follow") == 0
        out, err = capsys.readouterr()
        assert "Pushed reader/kgnb-di-1bu-yan-yi-2/1" in out
        assert "kaggle-output/kgnb-di-1bu-yan-yi-2/graph.json" in out
        assert "--kernel reader/kgnb-di-1bu-yan-yi-2" in err
        asked = {body["kernelSlug"] for name, body in stub.requests if "Output" in name}
        assert asked == {"kgnb-di-1bu-yan-yi-2"}

    def test_it_is_looked_for_again_while_kaggle_does_not_know_it_yet(
        self,
        command: Command,
        stub: KaggleStub,
        book: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(kernels, "UNSEEN_SECONDS", 60.0 * SLOWEST)
        stub.unseen, stub.unpublished, stub.files = 2, 2, {"graph.json": b"{}"}
        assert command("push", book, "--follow") == 0
        assert "graph.json" in capsys.readouterr().out
        monkeypatch.setattr(kernels, "UNSEEN_SECONDS", 0.0)
        stub.unseen = 100
        with pytest.raises(ServiceRefused, match=r"kaggle\.com/code"):
            command("push", book, "--follow")

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            ("Notebook not found", "--title"),
            ("Maximum weekly GPU quota of 30.00 hours reached.", "30.00 hours reached. Wait until the week"),
            ("Phone verification is required", "Kaggle refuses: Phone verification is required"),
        ],
    )
    def test_what_to_do_when_kaggle_takes_none(
        self, said: str, told: str, command: Command, stub: KaggleStub, book: Path
    ) -> None:
        stub.push_errors = [said]
        with pytest.raises(ServiceRefused, match=re.escape(told)):
            command("push", book)

    def test_a_title_that_is_taken_is_told_in_kaggles_words(
        self, command: Command, stub: KaggleStub, book: Path
    ) -> None:
        stub.titles = {"kgnb di 1bu yan yi"}
        with pytest.raises(ServiceRefused, match=r"already in use .+ choose another title") as caught:
            command("push", book)
        assert "/v1/" not in str(caught.value)
        assert command("push", book, "--title", "我的 书 😀") == 0
        assert stub.pushes()[-1]["newTitle"] == "wo de shu"


class TestParcel:
    def test_books_come_out_as_they_went_in(self, tmp_path: Path) -> None:
        one, other = tmp_path / "书.epub", tmp_path / "sub" / "书.epub"
        other.parent.mkdir()
        one.write_bytes(b"PK\x03\x04 one")
        other.write_bytes(b"other")
        found = book_notebook.unpack_text(book_notebook.as_text(book_notebook.pack([other, one])))
        assert [path.read_bytes() for path in found] == [b"other", b"PK\x03\x04 one"]
        assert {path.name for path in found} == {"书.epub"}

    def test_from_an_attached_dataset(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kaggle_inputs.host, "KAGGLE_INPUT", tmp_path)
        with pytest.raises(InputError, match="me/my-books"):
            book_notebook.unpack_dataset("me/my-books")
        folder = tmp_path / "datasets" / "me" / "my-books"
        folder.mkdir(parents=True)
        (tmp_path / "a.txt").write_text("text")
        (folder / book_notebook.FILE).write_bytes(book_notebook.pack([tmp_path / "a.txt"]))
        assert [path.read_text() for path in book_notebook.unpack_dataset("me/my-books")] == ["text"]

    def test_earlier_data(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(kaggle_inputs.host, "KAGGLE_INPUT", tmp_path)
        assert book_notebook.earlier_data("") == ""
        with pytest.raises(InputError, match="--fresh"):  # rather than pay for every chapter again
            book_notebook.earlier_data("me/kgnb-book")
        output = tmp_path / "notebooks" / "me" / "kgnb-book"
        output.mkdir(parents=True)
        assert book_notebook.earlier_data("me/kgnb-book") == ""  # it ended before it had data
        assert "me/kgnb-book" in capsys.readouterr().out

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"left": {"chapters": "x"}}'])
    def test_a_report_that_is_none(self, text: str, tmp_path: Path) -> None:
        report = tmp_path / "kgnb-report.json"
        report.write_text(text)
        assert book_notebook.chapters_left([report]) == book_notebook.chapters_left([]) == 0


class TestSecrets:
    def test_a_life(
        self, command: Command, stub: KaggleStub, book: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(InputError, match="OPENAI_API_KEY"):
            command("secrets", "create", "kgnb-secrets")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("REDIS_PASSWORD", "not this one")
        assert command("secrets", "create", "kgnb-secrets") == 0
        made = stub.datasets["reader/kgnb-secrets"]
        assert made.private
        assert made.files == {DATASET_FILE: f"OPENAI_API_KEY='{KEY}'\n".encode()}
        assert command("secrets", "create", "reader/kgnb-secrets", "REDIS_PASSWORD") == 0  # the new version
        assert made.files == {DATASET_FILE: b"REDIS_PASSWORD='not this one'\n"}
        options = ["--secrets-dataset", "reader/kgnb-secrets", "--follow", "--delete-secrets"]
        assert command("push", book, *options) == 0
        (body,) = stub.pushes()
        assert body["datasetDataSources"] == ["reader/kgnb-secrets"]
        assert '"KGNB_SECRETS_DATASET": "reader/kgnb-secrets"' in sources(stub)[1]
        assert KEY not in body["text"]
        assert stub.datasets == {}  # after the run

    def test_credentials_that_stay_are_named(
        self,
        command: Command,
        stub: KaggleStub,
        book: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        async def outage(*_: object, **__: object) -> None:
            raise ServiceDown("kaggle.down", service="kaggle", reason="x")

        monkeypatch.setattr(kernels, "follow", outage)
        stub.datasets["reader/kgnb-keys"] = StubDataset({DATASET_FILE: b""})
        with pytest.raises(ServiceDown):
            command("push", book, "--secrets-dataset", "reader/kgnb-keys", "-f", "--delete-secrets")
        assert "secrets delete reader/kgnb-keys" in capsys.readouterr().err

    def test_nothing_else_is_replaced_or_deleted(
        self, command: Command, stub: KaggleStub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        with pytest.raises(InputError, match="kgnb-nothing"):
            command("secrets", "delete", "kgnb-nothing")
        for other in (StubDataset({"my.csv": b"1"}), StubDataset({DATASET_FILE: b""}, private=False)):
            stub.datasets["reader/precious"] = other
            for part in ("create", "delete"):
                with pytest.raises(InputError, match="precious"):
                    command("secrets", part, "precious")
            assert stub.datasets["reader/precious"] is other
            assert other.version == 1

    def test_one_that_others_can_read_is_not_used(
        self, command: Command, stub: KaggleStub, book: Path
    ) -> None:
        with pytest.raises(InputError, match="secrets create"):
            command("push", book, "--secrets-dataset", "reader/kgnb-secrets")
        stub.datasets["reader/kgnb-secrets"] = StubDataset({DATASET_FILE: b""}, private=False)
        with pytest.raises(InputError, match="public"):
            command("push", book, "--secrets-dataset", "reader/kgnb-secrets")
        assert stub.pushes() == []


class TestNotebooks:
    def test_a_folder(
        self, command: Command, stub: KaggleStub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder_of(tmp_path / "mine", META, "print('mine')")
        stub.datasets["reader/kgnb-keys"] = StubDataset({DATASET_FILE: b""})
        stub.datasets["other/novels"] = StubDataset({"a.txt": b""})
        stub.kernels.add("reader/earlier")
        stub.files = {f"deep/{number}.txt": b"" for number in range(20)} | {"deep/er.txt": b"all of it"}
        options = [
            "--set",
            "KGNB_LANG=en",
            "--secrets-dataset",
            "reader/kgnb-keys",
            "--dataset",
            "other/novels",
        ]
        assert command("push", "mine", *options, "--kernel", "reader/earlier", "-o", "got") == 0
        assert "reader/some-notebook/1 is complete" in capsys.readouterr().out
        assert Path("got/deep/er.txt").is_file()
        (body,) = stub.pushes()
        assert body["datasetDataSources"] == ["other/novels", "reader/kgnb-keys"]
        first, second = sources(stub)
        assert '"KGNB_LANG": "en"' in first
        assert '"KGNB_RESUME_FROM": "reader/earlier"' in first
        assert second == "print('mine')"
        assert "kgnb" not in Path("mine/notebook.ipynb").read_text("utf-8")  # left as it was

    def test_without_internet_from_wheels(self, command: Command, stub: KaggleStub, book: Path) -> None:
        with pytest.raises(InputError, match="KGNB_WHEELS"):
            command("push", book, "--no-internet")
        stub.datasets["reader/wheels"] = StubDataset({"kgnb-0-py3-none-any.whl": b""})
        assert command("push", book, "--no-internet", "--set", "KGNB_WHEELS=reader/wheels") == 0
        (body,) = stub.pushes()
        assert body["enableInternet"] is False
        assert body["datasetDataSources"] == ["reader/wheels"]
        assert '"KGNB_LANG": "en"' in sources(stub)[1]  # the run speaks as this command does

    @pytest.mark.parametrize(("flag", "asks"), [({"enable_gpu": "True"}, True), ({}, False)])
    def test_the_quota_is_asked_as_kaggle_reads_the_flag(
        self, flag: dict[str, Any], asks: bool, command: Command, stub: KaggleStub, tmp_path: Path
    ) -> None:
        without = {key: value for key, value in META.items() if not key.startswith("enable_")}
        folder_of(tmp_path / "mine", without | flag)
        assert command("push", "mine") == 0
        assert stub.pushes()[0].get("machineShape") == ("NvidiaTeslaT4" if asks else None)
        assert any("Quota" in name for name, _ in stub.requests) is asks

    @pytest.mark.parametrize("wanted", [["--gpu"], ["--tpu"], ["--accelerator", "NvidiaTeslaT4"]])
    def test_an_accelerator_that_nothing_uses_is_refused(
        self, wanted: list[str], command: Command, stub: KaggleStub, book: Path, tmp_path: Path
    ) -> None:
        stub.datasets["reader/kgnb-keys"] = StubDataset({DATASET_FILE: b""})
        for what in ([book], [book, "--provider", "rules"], [book, "--secrets-dataset", "reader/kgnb-keys"]):
            with pytest.raises(InputError, match=r"would use the [GT]PU"):
                command("push", *what, *wanted)
        with pytest.raises(InputError, match="would use"):
            command("push", "--set", "REDIS_HOST=redis.example", *wanted)  # kgnb's own worker
        assert stub.pushes() == []
        assert command("push", book, "--no-run", *wanted) == 0  # to be changed in the editor
        assert command("push", folder_of(tmp_path / "mine", META), *wanted) == 0  # what a person wrote

    def test_a_book_is_read_with_the_runs_own_gpu(
        self, command: Command, stub: KaggleStub, book: Path
    ) -> None:
        with pytest.raises(InputError, match="--gpu"):
            command("push", book, "--provider", "local")
        assert command("push", book, "--provider", "local", "--gpu") == 0
        (body,) = stub.pushes()
        assert (body["enableGpu"], body["machineShape"]) == (True, "NvidiaTeslaT4")
        assert body["modelDataSources"] == ["qwen-lm/qwen-3/transformers/8b-awq/1"]
        install, prepare, build = (sources(stub)[n] for n in (1, 3, 4))
        assert '"KGNB_PROVIDER_NAME": "local"' in install
        assert "prepare_gpu()" in prepare
        assert "node.submit(book, 'local')" in build

    def test_a_gpu_is_a_t4_and_models_are_attached(
        self, command: Command, stub: KaggleStub, tmp_path: Path
    ) -> None:
        folder_of(tmp_path / "mine", META)
        model = "qwen-lm/qwen-3/transformers/8b-awq/1"
        assert command("push", "mine", "--gpu", "--model-source", model) == 0
        (body,) = stub.pushes()
        assert (body["enableGpu"], body["machineShape"]) == (True, "NvidiaTeslaT4")
        assert body["modelDataSources"] == [model]
        with pytest.raises(InputError, match="OWNER/MODEL/FRAMEWORK/VARIATION/VERSION"):
            command("push", "mine", "--model-source", "qwen-lm/qwen-3")

    @pytest.mark.parametrize("what", ["book", "large", "worker"])
    def test_a_dry_run_asks_nobody(
        self,
        what: str,
        command: Command,
        stub: KaggleStub,
        book: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        words: list[str | Path] = [book, "--provider", "rules", "--timeout", "3600"]
        if what == "large":
            monkeypatch.setattr(notebook_bundle, "MOST_BYTES", 8_000)
            words[0] = novel(book.with_name("large.txt"), 40)
        elif what == "worker":
            words = ["--set", "REDIS_HOST=redis.example"]
        assert command("push", *words, "--dry-run") == 0
        assert stub.requests == []
        told = capsys.readouterr().out
        meta, _ = json.JSONDecoder().raw_decode(told)
        kernel_metadata.check_metadata(meta)
        assert meta["id"].startswith("OWNER/kgnb-")
        assert bool(meta["dataset_sources"]) == (what == "large")
        assert ("REDIS_HOST=redis.example" if what == "worker" else "KGNB_SESSION_SECONDS=3600") in told
        assert "Nothing has left" in told
        with pytest.raises(InputError, match="would use"):
            command("push", *words, "--gpu", "--dry-run")

    def test_a_worker_with_work(self, command: Command, stub: KaggleStub) -> None:
        assert command("push", "--set", "REDIS_HOST=redis.example") == 0
        assert stub.pushes()[0]["slug"] == "reader/kgnb-worker"

    def test_a_run_that_fails_or_lacks_its_data_is_no_success(
        self, command: Command, stub: KaggleStub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder_of(tmp_path / "mine", META)
        stub.statuses, stub.failure = ["ERROR"], "out of memory"
        assert command("push", "mine", "--follow") == 1
        assert "out of memory" in capsys.readouterr().out
        stub.invalid_datasets = ["reader/gone"]
        assert command("push", "mine") == 1
        assert "reader/gone" in capsys.readouterr().err

    def test_init_makes_what_a_bare_push_accepts(
        self, command: Command, stub: KaggleStub, tmp_path: Path
    ) -> None:
        assert command("init", "folder", "--notebook", "quickstart", "--gpu") == 0
        bare = [sys.executable, "-m", "kaggle", "kernels", "push", "-p", "folder"]
        pushed = subprocess.run(bare, cwd=tmp_path, capture_output=True, text=True, timeout=60 * SLOWEST)
        assert "successfully pushed" in pushed.stdout
        assert "does not resolve" not in pushed.stdout
        (body,) = stub.pushes()
        assert (body["slug"], body["newTitle"]) == ("reader/kgnb-quickstart", "kgnb quickstart")
        assert body["enableGpu"] is True

    @pytest.mark.parametrize("installed", [False, True])
    def test_a_notebook_is_pushed_under_its_own_name(
        self, installed: bool, command: Command, stub: KaggleStub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if installed:  # without a checkout around it
            monkeypatch.setattr(notebook_bundle, "checkout", lambda: None)
        assert command("push", "--notebook", ROOT / "notebooks" / "explore.ipynb") == 0
        assert stub.pushes()[0]["slug"] == "reader/kgnb-explore"


class TestRefused:
    def test_a_secret_among_a_providers_options_stays_here(
        self, command: Command, stub: KaggleStub, book: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        headers = {"X-Gateway": "canary-header-2026"}
        monkeypatch.setenv("KGNB_PROVIDER_OPTIONS", json.dumps({"mine": {"extra_headers": headers}}))
        with pytest.raises(InputError, match="KGNB_PROVIDER_OPTIONS"):
            command("push", book, "--set", "KG_WORKER_NODE_NAME=canary-header-2026")
        assert not stub.pushes()

    @pytest.mark.parametrize(
        ("meta", "options", "word"),
        [
            ({"enable_intrnet": True}, [], "enable_intrnet"),
            ({"id": "INSERT_YOUR_USERNAME/other"}, [], "some-notebook"),
            ({}, ["--set", "OPENAI_API_KEY=x"], "OPENAI_API_KEY"),
            ({}, ["--set", "KGNB LANG"], "NAME=VALUE"),
            ({}, ["--secrets-dataset", "other/keyring"], "other/keyring"),
            ({}, ["--secrets-dataset", "keys"], "OWNER/NAME"),
            ({}, ["--secrets-dataset", "reader/keyring", "--public"], "is_private"),
            ({}, ["--timeout", "43201"], "43200"),
            ({}, ["--tpu", "--timeout", "32401"], "32400"),
            ({}, ["--delete-secrets"], "--secrets-dataset"),
            ({}, ["book.txt"], "--notebook"),
            ({"code_file": "gone.ipynb"}, [], "gone.ipynb"),
        ],
    )
    def test_before_anything_leaves(
        self,
        meta: dict[str, Any],
        options: list[str],
        word: str,
        command: Command,
        stub: KaggleStub,
        tmp_path: Path,
    ) -> None:
        folder_of(tmp_path / "mine", {**META, **meta})
        with pytest.raises(InputError) as caught:
            command("push", "mine", *options)
        assert word in str(caught.value)
        assert stub.pushes() == []

    def test_nothing_to_do(self, command: Command, stub: KaggleStub) -> None:
        for words in (["push"], ["push", "--notebook", "worker"], ["push", "--dry-run"]):
            with pytest.raises(InputError, match=r"book\.txt"):
                command(*words)
        assert stub.pushes() == []

    def test_no_book(self, command: Command, stub: KaggleStub, tmp_path: Path, book: Path) -> None:
        (tmp_path / "book.pdf").write_bytes(b"%PDF-1.4")
        for words in (["book.pdf"], ["nonesuch.txt"], [str(book), "--notebook", "worker"]):
            with pytest.raises(InputError):
                command("push", *words)
        assert stub.requests == []

    def test_a_secret_in_the_notebook(
        self, command: Command, stub: KaggleStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder_of(tmp_path / "mine", META, f"x = '{KEY}'")
        monkeypatch.setenv("REDIS_PASSWORD", KEY)
        with pytest.raises(InputError, match="REDIS_PASSWORD") as caught:
            command("push", "mine")
        assert KEY not in str(caught.value)
        assert stub.pushes() == []


def test_status_logs_output(command: Command, stub: KaggleStub, capsys: pytest.CaptureFixture[str]) -> None:
    stub.statuses, stub.log = ["RUNNING"], "a line"
    kernel = "reader/some-notebook"
    assert command("status", kernel) == 0
    assert capsys.readouterr().out == f"{kernel} is running\n"
    assert command("logs", kernel) == command("logs", "-f", kernel) == 0
    assert capsys.readouterr().out == "a line\na line\n"
    stub.log = ""
    assert command("logs", kernel) == 0
    assert "kaggle logs -f reader/some-notebook" in capsys.readouterr().err
    stub.log = "a line"
    with pytest.raises(InputError, match=r"\.\./x"):
        command("status", "../x")
    capsys.readouterr()
    assert command("output", kernel) == 0
    assert capsys.readouterr().out == "kaggle-output/some-notebook/some-notebook.log\n"
    stub.files = {"\u202e\x9b2J.txt": b"whoever made the run named it"}
    assert command("output", kernel) == 0
    named, _ = capsys.readouterr().out.splitlines()
    assert named == "kaggle-output/some-notebook/\\u202e\\x9b2J.txt"
    stub.statuses = ["RUNNING", "COMPLETE"]
    assert command("status", "-f", kernel) == 0


def test_ctrl_c_ends_the_waiting_only(stub: KaggleStub, tmp_path: Path) -> None:
    """As a user runs it: a command and, below it, the process with Kaggle's package."""
    place = Place(tmp_path / "place")
    place.path.mkdir()
    folder_of(place.path / "mine", META)
    stub.statuses = ["RUNNING"]
    running = place.start("kaggle", "push", "mine", "-f", "--lang", "en", env=stub.env(place.path))
    running.until(lambda: any("Status" in name for name, _ in stub.requests), seconds=120)
    running.send(signal.SIGINT)
    ran = running.ended(60)
    assert ran.code == 130, ran
    assert "goes on at Kaggle" in ran.err
    assert TOKEN not in ran.out + ran.err
    assert len(stub.pushes()) == 1
    assert place.left_over(30) == []
