"""Kaggle: the notebook that carries kgnb, what is refused before it leaves, and the official command line
against a server on this machine."""

from __future__ import annotations

import asyncio
import base64
import json
import lzma
import re
import signal
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from collections.abc import Iterator
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
import pytest
from pydantic import SecretStr

import kgnb
from kgnb.cli.kaggle import _metadata_and_notebook
from kgnb.cli.main import make_parser
from kgnb.core.errors import InputError, KgnbError, ServiceDown, ServiceRefused
from kgnb.kaggle import kernels, notebook_bundle
from kgnb.kaggle.kernels import KaggleCli, KernelStatus
from kgnb.kaggle.notebook_bundle import Wheel
from tests.support.commands import Place, Ran, environment
from tests.support.kaggle_stub import CAP, TOKEN, KaggleStub, kaggle_stub
from tests.support.paths import ROOT

META = {
    **kernels.TEMPLATE,
    "id": "reader/some-notebook",
    "title": "Some notebook",
    "code_file": "notebook.ipynb",
}


def notebook(*sources: str, **more: Any) -> dict[str, Any]:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return json.loads(nbformat.writes(nbformat.v4.new_notebook(cells=cells))) | more


def folder_of(path: Path, meta: dict[str, Any], *sources: str) -> Path:
    path.mkdir(exist_ok=True)
    (path / "kernel-metadata.json").write_text(json.dumps(meta), "utf-8")
    (path / "notebook.ipynb").write_text(json.dumps(notebook(*(sources or ("print(1)",)))), "utf-8")
    return path


def packed(source: str) -> dict[str, bytes]:
    """The files of the wheel in a cell."""
    text = source.partition('_install_kgnb("""')[2].partition('"""')[0]
    files = dict(Wheel("", lzma.decompress(base64.b64decode(text))).files())
    (record,) = (name for name in files if name.endswith("/RECORD"))
    return files | {record: b"\n".join(sorted(files[record].split()))}


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleStub]:
    """The server, and this process's environment such that the official command line comes to it."""
    folder = tmp_path / "stub"
    folder.mkdir()
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    with kaggle_stub(folder) as one:
        for name, value in one.env(folder).items():
            monkeypatch.setenv(name, value)
        yield one
        assert one.strangers == []


@pytest.fixture(scope="module")
def wheel() -> Wheel:
    return asyncio.run(notebook_bundle.own_wheel())


class TestWheel:
    def test_is_this_kgnb_with_its_notebooks(self, wheel: Wheel) -> None:
        files = dict(wheel.files())
        assert files["kgnb/kaggle/notebook_bundle.py"] == Path(notebook_bundle.__file__).read_bytes()
        assert {f"kgnb/notebooks/{p.name}" for p in (ROOT / "notebooks").glob("*.ipynb")} <= files.keys()
        assert not [name for name in files if "tests" in name or ".env" in name]

    def test_pins_what_is_installed_here(self, wheel: Wheel) -> None:
        found = notebook_bundle.pins(wheel)
        assert found["redis"] == metadata.version("redis")
        assert "jieba" in found
        assert not {"ipywidgets", "kaggle"} & found.keys()  # the place's own are never touched
        assert "jieba" not in notebook_bundle.pins(wheel, ())

    def test_an_installed_one_is_put_together_again(
        self, wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = tmp_path / wheel.name
        made.write_bytes(wheel.data)
        site = tmp_path / "site"
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "-t", site, made]
        subprocess.run(pip, check=True, timeout=60)
        (dist,) = metadata.distributions(name="kgnb", path=[str(site)])
        monkeypatch.setattr(metadata, "distribution", lambda _: dist)
        again = dict(notebook_bundle._from_installed().files())
        before = dict(wheel.files())
        record = f"kgnb-{kgnb.__version__}.dist-info/RECORD"
        assert {n: d for n, d in again.items() if n != record} == {
            n: d for n, d in before.items() if n != record
        }
        # The same files with the same hashes; pip checks these when it installs.
        assert sorted(again[record].split()) == sorted(before[record].split())

    def test_without_a_record_it_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nothing(_: str) -> None:
            raise metadata.PackageNotFoundError

        monkeypatch.setattr(metadata, "distribution", nothing)
        with pytest.raises(InputError, match="kgnb"):
            notebook_bundle._from_installed()


class TestParcel:
    def test_outputs_widgets_and_metadata_stay_here(self, wheel: Wheel) -> None:
        dirty = notebook("print('a')", metadata={"widgets": {"state": "canary"}, "papermill": "canary"})
        output = {"output_type": "stream", "name": "stdout", "text": "canary"}
        dirty["cells"][0] |= {"outputs": [output], "execution_count": 7, "metadata": {"tags": ["canary"]}}
        dirty["cells"].insert(0, {"cell_type": "markdown", "metadata": {}, "source": ["# a\n", "b"]})
        dirty["cells"][0]["attachments"] = {"a.png": {"image/png": "canary"}}
        text = notebook_bundle.written(notebook_bundle.parcel(dirty, wheel))
        assert "canary" not in text
        made = nbformat.reads(text, as_version=4)
        nbformat.validate(made)
        assert made.metadata.kernelspec.name == "python3"
        assert [c.source for c in made.cells][::2] == ["# a\nb", "print('a')"]  # ours lies between

    def test_is_far_below_the_limit_and_the_same_each_time(self, wheel: Wheel) -> None:
        for path in (ROOT / "notebooks").glob("*.ipynb"):
            one = notebook_bundle.read_notebook(path)
            text = notebook_bundle.written(notebook_bundle.parcel(one, wheel))
            assert len(text) < 0.85 * notebook_bundle.MOST_BYTES
            assert (
                notebook_bundle.written(notebook_bundle.parcel(json.loads(text), wheel)) == text
            )  # packed again: one wheel

    def test_too_large(self, wheel: Wheel) -> None:
        with pytest.raises(InputError, match="900"):
            notebook_bundle.written(notebook_bundle.parcel(notebook("字" * 80_000), wheel))

    def test_variables_are_set_and_never_code(self, wheel: Wheel) -> None:
        value = '"\n}; import os; os.abort() #\\'
        made = notebook_bundle.parcel(notebook("1"), wheel, variables={"KGNB_LANG": "en", "KGNB_X": value})
        setting, _, _ = made["cells"][0]["source"].partition("\n    def here(")
        code = f"{setting}\n    print(repr(os.environ['KGNB_X']), os.environ['KGNB_LANG'])\n_install_kgnb('')"
        ran = subprocess.run(
            [sys.executable, "-c", "import sys; exec(compile(sys.stdin.read(), 'cell', 'exec'))"],
            input=code,
            env=environment(KGNB_LANG="zh"),
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert ran.stdout == f"{value!r} zh\n", ran.stderr  # what a person set by hand stays

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", '{"nbformat": 3, "cells": []}', '{"nbformat": 4, "cells": [{"source": 5}]}']
    )
    def test_what_is_no_notebook(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "a.ipynb").write_text(text)
        with pytest.raises(InputError, match=r"a\.ipynb"):
            notebook_bundle.read_notebook(tmp_path / "a.ipynb")

    def test_names(self, tmp_path: Path) -> None:
        assert notebook_bundle.notebook_path("quickstart") == ROOT / "notebooks" / "quickstart.ipynb"
        with pytest.raises(InputError, match="quickstart"):
            notebook_bundle.notebook_path("nonesuch")
        with pytest.raises(InputError, match=r"no\.ipynb"):
            notebook_bundle.notebook_path(str(tmp_path / "no.ipynb"))


class TestSecrets:
    @pytest.mark.parametrize(
        "source",
        [
            "key = 'sk-" + "a1B2" * 8 + "'",
            "url = 'redis://:hunter22@redis.example:6379/0'",
            "url = 'mysql://root:hunter22@db.example/novel'",
            "os.environ['DB_PASSWORD'] = 'hunter2hunter2'",
            'Settings.load(neo4j_password="hunter2hunter2")',
            "os.environ.setdefault('OPENAI_API_KEY', 'abcdefgh1234')",
            "x = '" + "ghp_" + "a" * 36 + "'",
            "-----BEGIN RSA PRIVATE KEY-----",
            '{"username":"reader","key":"' + "0123456789abcdef" * 2 + '"}',
        ],
    )
    def test_looks(self, source: str, wheel: Wheel) -> None:
        with pytest.raises(InputError) as caught:
            notebook_bundle.check_secrets(notebook("1", source), wheel, {})
        assert "2" in str(caught.value)
        assert "hunter" not in str(caught.value)

    @pytest.mark.parametrize(
        "source",
        [
            "key = os.environ['OPENAI_API_KEY']",
            "password = ''",
            "os.environ['KGNB_SECRETS_DATASET'] = 'reader/keys'",
            "api_key = getpass('API key: ')",
            "redis://user:password…@host",
            "os.environ['DB_PASSWORD'] = '你的密码'",
            "book.ask('MATCH (c:Character {novel_id: $novel}) RETURN c')",
        ],
    )
    def test_looks_harmless(self, source: str, wheel: Wheel) -> None:
        notebook_bundle.check_secrets(notebook(source), wheel, {})

    def test_variables_are_looked_at_too(self, wheel: Wheel) -> None:
        made = notebook_bundle.parcel(notebook("1"), wheel, variables={"KGNB_X": "sk-" + "a1B2" * 8})
        with pytest.raises(InputError, match="1"):
            notebook_bundle.check_secrets(made, wheel, {})

    def test_our_own_notebooks_pass(self, wheel: Wheel) -> None:
        for path in (ROOT / "notebooks").glob("*.ipynb"):
            made = notebook_bundle.parcel(notebook_bundle.read_notebook(path), wheel)
            notebook_bundle.check_secrets(made, wheel, {"REDIS_PASSWORD": SecretStr("correct-horse-9")})

    def test_values_of_the_environment(self, wheel: Wheel) -> None:
        known = {"REDIS_PASSWORD": SecretStr("correct-horse-9"), "WORD": SecretStr("password")}
        notebook_bundle.check_secrets(notebook("# password"), wheel, known)
        with pytest.raises(InputError, match="REDIS_PASSWORD") as caught:
            notebook_bundle.check_secrets(notebook("x = ['correct-horse-9']"), wheel, known)
        assert "horse" not in str(caught.value)

    def test_values_in_the_wheel(self) -> None:
        target = BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("kgnb/.env", "REDIS_PASSWORD=correct-horse-9")
        known = {"REDIS_PASSWORD": SecretStr("correct-horse-9")}
        with pytest.raises(InputError, match=r"kgnb/\.env"):
            notebook_bundle.check_secrets(notebook("1"), Wheel("kgnb.whl", target.getvalue()), known)


class TestMetadata:
    def test_the_template_is_the_repositorys(self) -> None:
        assert json.loads((ROOT / "kernel-metadata.json").read_text("utf-8")) == kernels.TEMPLATE

    @pytest.mark.parametrize("installed", [False, True])
    def test_a_notebook_is_pushed_under_its_own_name(
        self, installed: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if installed:  # without a checkout around it
            monkeypatch.setattr(notebook_bundle, "checkout", lambda: None)
        path = str(ROOT / "notebooks" / "worker.ipynb")
        meta, code = _metadata_and_notebook(
            make_parser().parse_args(["kaggle", "push", "--notebook", path]), None
        )
        assert code == Path(path)
        assert (meta["title"], meta["id"]) == ("kgnb worker", f"{kernels.NOBODY}/kgnb-worker")

    def test_good(self) -> None:
        kernels.check_metadata(META)
        kernels.check_metadata(
            {**META, "is_private": "true", "enable_internet": "True", "machine_shape": "x"}
        )
        kernels.check_metadata({**META, "title": "三国演义 graph", "id": "reader/san-guo-yan-yi-graph"})

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"enable_intrnet": True}, "enable_internet"),
            ({"id": "INSERT_YOUR_USERNAME/some-notebook"}, "--owner"),
            ({"id": "some-notebook"}, "some-notebook"),
            ({"id": "reader/some-notebook/2"}, "some-notebook/2"),
            ({"id": "reader/another"}, "some-notebook"),
            ({"title": "abc", "id": "reader/abc"}, "abc"),
            ({"title": "a" * 51, "id": "reader/" + "a" * 51}, "50"),
            ({"enable_internet": False}, "enable_internet"),
            ({"enable_internet": "false"}, "enable_internet"),
            ({"enable_gpu": "yes"}, "enable_gpu"),
            ({"language": "r"}, "language"),
            ({"kernel_type": "script"}, "kernel_type"),
            ({"dataset_sources": "reader/novels"}, "dataset_sources"),
            ({"keywords": [1]}, "keywords"),
        ],
    )
    def test_refused(self, change: dict[str, Any], word: str) -> None:
        with pytest.raises(InputError) as caught:
            kernels.check_metadata({**META, **change})
        assert word in str(caught.value)

    @pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
    def test_broken_files(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "m.json").write_text(text)
        with pytest.raises(InputError):
            kernels.read_metadata(tmp_path / "m.json")

    def test_names_of_runs(self) -> None:
        for name in ("kgnb-worker", "me/kgnb-worker", "me/kgnb-worker/3"):
            assert kernels.check_kernel(name) == name
        for name in ("--help", "", "a b", "../x", "me/x/y", "我/x"):
            with pytest.raises(InputError):
                kernels.check_kernel(name)


class TestPush:
    async def test_the_request(self, stub: KaggleStub, tmp_path: Path) -> None:
        pushed = await KaggleCli().push(folder_of(tmp_path / "f", META), seconds=600)
        assert (pushed.version, pushed.not_added) == (1, ())
        assert pushed.url == "https://www.kaggle.com/code/reader/some-notebook"
        (body,) = stub.pushes()
        assert (body["slug"], body["newTitle"]) == ("reader/some-notebook", "Some notebook")
        assert body["sessionTimeoutSeconds"] == 600
        assert body["enableInternet"] is body["isPrivate"] is True
        assert stub.authorizations == {f"Bearer {TOKEN}"}

    async def test_waits_for_a_session(
        self, stub: KaggleStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kernels, "CAP_PAUSE", 0.05)
        stub.push_errors = [CAP, CAP]
        told: list[str] = []
        pushed = await KaggleCli().push(folder_of(tmp_path / "f", META), patience=60, tell=told.append)
        assert pushed.version == 1
        assert len(stub.pushes()) == 3
        assert len(told) == 2
        assert CAP in told[0]

    async def test_does_not_wait_for_ever(self, stub: KaggleStub, tmp_path: Path) -> None:
        stub.push_errors = [CAP]
        with pytest.raises(ServiceRefused, match="--wait"):
            await KaggleCli().push(folder_of(tmp_path / "f", META))

    async def test_an_error_that_is_only_printed(self, stub: KaggleStub, tmp_path: Path) -> None:
        stub.push_errors = ["The kernel's title is taken.\nChoose another."]
        with pytest.raises(ServiceRefused, match=r"title is taken\. Choose another"):
            await KaggleCli().push(folder_of(tmp_path / "f", META))

    async def test_what_was_left_out(self, stub: KaggleStub, tmp_path: Path) -> None:
        stub.invalid_datasets = ["reader/gone"]
        pushed = await KaggleCli().push(folder_of(tmp_path / "f", META))
        assert len(pushed.not_added) == 1
        assert "reader/gone" in pushed.not_added[0]

    @pytest.mark.parametrize(
        ("fault", "kind"), [(500, ServiceDown), (503, ServiceDown), (429, ServiceDown), (400, ServiceRefused)]
    )
    async def test_http_errors(
        self, fault: int, kind: type[KgnbError], stub: KaggleStub, tmp_path: Path
    ) -> None:
        stub.faults = [fault]
        with pytest.raises(kind):
            await KaggleCli().push(folder_of(tmp_path / "f", META))

    async def test_nobody_logged_in(self, stub: KaggleStub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KAGGLE_API_TOKEN", "")
        for call in (KaggleCli().username(), KaggleCli().status("me/some-notebook")):
            with pytest.raises(ServiceRefused, match="KAGGLE_API_TOKEN"):
                await call
        assert stub.requests == []

    async def test_no_network(self, stub: KaggleStub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        with pytest.raises(ServiceDown):
            await KaggleCli().status("me/some-notebook")

    async def test_a_server_that_hangs(self, stub: KaggleStub, monkeypatch: pytest.MonkeyPatch) -> None:
        stub.delay = 5.0
        began = time.monotonic()
        with pytest.raises(ServiceDown, match="3"):
            await KaggleCli()._run("kernels", "status", "me/some-notebook", seconds=3)
        assert time.monotonic() - began < 15

    async def test_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kernels.util, "find_spec", lambda _: None)
        monkeypatch.setenv("PATH", "")
        with pytest.raises(InputError, match="pip install kaggle six"):
            await KaggleCli().username()

    async def test_no_token_on_a_command_line_or_in_what_is_shown(
        self, stub: KaggleStub, tmp_path: Path
    ) -> None:
        code = "import os, sys; print(sys.argv, os.environ['KAGGLE_API_TOKEN']); sys.exit(1)"
        with pytest.raises(ServiceRefused) as caught:
            await KaggleCli([sys.executable, "-c", code]).status("me/some-notebook")
        assert "kernels" in str(caught.value)
        assert TOKEN not in str(caught.value)


class TestRun:
    KERNEL = "reader/some-notebook"

    async def test_username(self, stub: KaggleStub) -> None:
        assert await KaggleCli().username() == "reader"

    async def test_status(self, stub: KaggleStub) -> None:
        stub.statuses, stub.failure = ["ERROR"], "Your notebook tried to allocate more memory"
        status = await KaggleCli().status(self.KERNEL)
        assert status == KernelStatus("ERROR", "Your notebook tried to allocate more memory")
        assert status.over

    @pytest.mark.parametrize("state", ["QUEUED", "NEW_SCRIPT", "CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED"])
    def test_every_state_has_a_sentence(self, state: Any) -> None:
        assert self.KERNEL in kernels.status_sentence(self.KERNEL, KernelStatus(state))

    async def test_follows_to_the_end_over_an_outage(self, stub: KaggleStub) -> None:
        stub.statuses = ["QUEUED", "RUNNING", "RUNNING", "COMPLETE"]
        told: list[str] = []
        outages = [503]
        original = stub.answer

        def sometimes(name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            if name == "GetKernelSessionStatus" and len(stub.statuses) == 2 and outages:
                return outages.pop(), {"code": 503, "message": "503 Server Error"}
            return original(name, body)

        stub.answer = sometimes  # type: ignore[method-assign]
        status = await KaggleCli().follow(f"{self.KERNEL}/2", told.append, pause=0.01)
        assert status.state == "COMPLETE"
        assert [text for text in told if "503" not in text] == [
            kernels.status_sentence(f"{self.KERNEL}/2", KernelStatus(state))
            for state in ("QUEUED", "RUNNING", "COMPLETE")
        ]
        assert len(told) == 4
        assert {body["versionLabel"] for name, body in stub.requests if "Status" in name} == {"v2"}

    async def test_logs(self, stub: KaggleStub) -> None:
        lines = [{"stream_name": "stdout", "time": 1, "data": "one\n"}, {"data": "two \x1b]0;x\x07\n"}]
        stub.log = json.dumps(lines)
        assert await KaggleCli().logs(self.KERNEL) == "one\ntwo \\x1b]0;x\\x07\n"
        stub.log = "plain text"
        assert await KaggleCli().logs(self.KERNEL) == "plain text\n"

    async def test_logs_as_they_come(self, stub: KaggleStub) -> None:
        stub.log = "one\ntwo\n"
        told: list[str] = []
        await KaggleCli().follow_logs(self.KERNEL, told.append)
        assert told == ["one", "two"]

    async def test_output(self, stub: KaggleStub, tmp_path: Path) -> None:
        stub.files, stub.log = {"graph.json": b"{}", "logs/worker.log": b"log"}, "printed"
        files = await KaggleCli().output(self.KERNEL, tmp_path / "out")
        assert sorted(str(f.relative_to(tmp_path / "out")) for f in files) == [
            "graph.json",
            "logs/worker.log",
            "some-notebook.log",
        ]
        assert (tmp_path / "out" / "logs" / "worker.log").read_bytes() == b"log"

    async def test_output_stays_in_its_folder(self, stub: KaggleStub, tmp_path: Path) -> None:
        stub.files = {"../escaped": b"x"}
        with pytest.raises(ServiceRefused):
            await KaggleCli().output(self.KERNEL, tmp_path / "out")
        assert not (tmp_path / "escaped").exists()

    async def test_cancel(self, stub: KaggleStub) -> None:
        await KaggleCli().cancel(4711)
        with pytest.raises(ServiceRefused, match="No such session"):
            await KaggleCli().cancel(1)


class TestCommands:
    def run(self, place: Place, stub: KaggleStub, *args: str | Path, **env: str) -> Ran:
        ran = place.run("kaggle", *args, "--lang", "en", env={**stub.env(place.path), **env})
        assert TOKEN not in ran.out + ran.err
        return ran

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        path = tmp_path / "place"
        path.mkdir()
        return Place(path)

    def test_init_makes_what_a_bare_push_accepts(self, place: Place, stub: KaggleStub) -> None:
        ran = self.run(place, stub, "init", "folder", "--notebook", "quickstart", "--gpu")
        assert ran.code == 0, ran
        command = [sys.executable, "-m", "kaggle", "kernels", "push", "-p", "folder"]
        bare = subprocess.run(command, cwd=place.path, capture_output=True, text=True, timeout=60)
        assert "successfully pushed" in bare.stdout
        assert "does not resolve" not in bare.stdout
        (body,) = stub.pushes()
        assert (body["slug"], body["newTitle"]) == ("reader/kgnb-quickstart", "kgnb quickstart")
        assert body["enableGpu"] is True
        assert len(body["text"]) < notebook_bundle.MOST_BYTES

    def test_push_of_a_folder_waits_and_fetches(self, place: Place, stub: KaggleStub) -> None:
        folder_of(place.path / "mine", META, "print('mine')")
        stub.files = {"graph.json": b"{}"}
        env = {"KGNB_RPM": "60"}
        options = ["--set", "KGNB_LANG=en", "--secrets-dataset", "reader/keys", "--dataset", "other/novels"]
        ran = self.run(place, stub, "push", "mine", *options, "-o", "got", **env)
        assert ran.code == 0, ran
        assert "reader/some-notebook/1 is complete" in ran.out
        assert (place.path / "got" / "graph.json").is_file()
        assert "revoke" in ran.err
        (body,) = stub.pushes()
        assert body["datasetDataSources"] == ["other/novels", "reader/keys"]
        first, second = json.loads(body["text"])["cells"]
        assert '"KGNB_SECRETS_DATASET": "reader/keys"' in first["source"]
        assert '"KGNB_LANG": "en"' in first["source"]
        assert second["source"] == "print('mine')"
        assert (place.path / "mine" / "notebook.ipynb").read_text("utf-8").count(
            "kgnb"
        ) == 0  # left as it was

    def test_a_run_that_fails_or_lacks_its_data_is_no_success(self, place: Place, stub: KaggleStub) -> None:
        folder_of(place.path / "mine", META)
        stub.statuses, stub.failure = ["ERROR"], "out of memory"
        ran = self.run(place, stub, "push", "mine")
        assert ran.code == 1, ran
        assert "out of memory" in ran.out
        stub.invalid_datasets = ["reader/gone"]
        ran = self.run(place, stub, "push", "mine", "--no-follow")
        assert ran.code == 1, ran
        assert "reader/gone" in ran.err

    @pytest.mark.parametrize(
        ("meta", "options", "word"),
        [
            ({"enable_intrnet": True}, [], "enable_intrnet"),
            ({}, ["--set", "OPENAI_API_KEY=x"], "OPENAI_API_KEY"),
            ({}, ["--set", "KGNB LANG"], "NAME=VALUE"),
            ({}, ["--secrets-dataset", "other/keys"], "other/keys"),
            ({}, ["--secrets-dataset", "keys"], "OWNER/NAME"),
            ({}, ["--secrets-dataset", "reader/keys", "--public"], "is_private"),
            ({}, ["--title", "Another"], ""),
            ({"code_file": "gone.ipynb"}, [], "gone.ipynb"),
        ],
    )
    def test_refused_before_anything_leaves(
        self, meta: dict[str, Any], options: list[str], word: str, place: Place, stub: KaggleStub
    ) -> None:
        folder_of(place.path / "mine", {**META, **meta})
        if options[:1] == ["--title"]:  # the title gives the address; nothing to refuse
            assert self.run(place, stub, "push", "mine", *options, "--no-follow").code == 0
            assert stub.pushes()[0]["slug"] == "reader/another"
            return
        self.run(place, stub, "push", "mine", *options).refused(word)
        assert stub.pushes() == []

    def test_a_secret_in_the_notebook(self, place: Place, stub: KaggleStub) -> None:
        folder_of(place.path / "mine", META, "x = 'tr0ub4dor-and-3'")
        ran = self.run(place, stub, "push", "mine", REDIS_PASSWORD="tr0ub4dor-and-3")
        assert "tr0ub4dor" not in ran.refused("REDIS_PASSWORD")
        assert stub.pushes() == []

    def test_ctrl_c_ends_the_waiting_only(self, place: Place, stub: KaggleStub) -> None:
        folder_of(place.path / "mine", META)
        stub.statuses = ["RUNNING"]
        running = place.start("kaggle", "push", "mine", "--lang", "en", env=stub.env(place.path))
        running.until(lambda: any("Status" in name for name, _ in stub.requests))
        running.send(signal.SIGINT)
        ran = running.ended(20)
        assert ran.code == 130, ran
        assert "goes on at Kaggle" in ran.err
        assert len(stub.pushes()) == 1

    def test_status_logs_output_stop(self, place: Place, stub: KaggleStub) -> None:
        stub.statuses, stub.log = ["RUNNING"], "a line"
        kernel = "reader/some-notebook"
        assert self.run(place, stub, "status", kernel).out == f"{kernel} is running\n"
        assert self.run(place, stub, "logs", kernel).out == "a line\n"
        self.run(place, stub, "stop", kernel).refused("https://www.kaggle.com/code/reader/some-notebook")
        assert self.run(place, stub, "stop", kernel, "--session", "4711").code == 0
        assert ("CancelKernelSession", {"kernelSessionId": 4711}) in stub.requests
        self.run(place, stub, "status", "../x").refused("../x")
        ran = self.run(place, stub, "output", kernel)
        assert ran.out == "kaggle-output/some-notebook.log\n"


class TestCleanVenv:
    """What was pushed, run where there is no kgnb: as on Kaggle."""

    RUN = (
        "import nbformat, nbclient, sys\n"
        "book = nbformat.read('pushed.ipynb', as_version=4)\n"
        "nbclient.NotebookClient(book, timeout=90, kernel_name='python3').execute()\n"
        "nbformat.write(book, 'ran.ipynb')\n"
    )

    @pytest.fixture
    def python(self, tmp_path: Path) -> Path:
        """A Python with everything that is installed here, but without any kgnb."""
        home = tmp_path / "clean"
        venv.create(home, symlinks=True)
        (site,) = home.glob("lib/python3*/site-packages")
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            ours = re.match(r"_?kgnb|__editable__", entry.name) or entry.suffix == ".pth"
            if not ours and entry.name != "__pycache__":
                (site / entry.name).symlink_to(entry)
        return home / "bin" / "python"

    @pytest.mark.timeout(180)
    def test_the_pushed_notebook_builds_a_book(self, python: Path, stub: KaggleStub, tmp_path: Path) -> None:
        place = Place(tmp_path / "run")
        place.path.mkdir()
        book = notebook_bundle.read_notebook(ROOT / "notebooks" / "quickstart.ipynb")
        book["cells"] += notebook("print('from', kgnb.__file__)")["cells"]
        (place.path / "mine.ipynb").write_text(json.dumps(book), "utf-8")
        options = ["--notebook", "mine.ipynb", "--title", "A book in a notebook", "--no-follow"]
        ran = place.run("kaggle", "push", *options, env=stub.env(place.path))
        assert ran.code == 0, ran

        (place.path / "pushed.ipynb").write_text(stub.pushes()[0]["text"], "utf-8")
        env = environment(
            **{place.mark: "1", "KGNB_DATA": str(place.data), "PIP_NO_INDEX": "1", "HOME": str(tmp_path)}
        )
        for name in ("PYTHONPATH", "HTTPS_PROXY", "VIRTUAL_ENV"):
            env.pop(name, None)
        missing = [python, "-c", "import kgnb"]
        assert subprocess.run(missing, env=env, cwd=place.path, capture_output=True).returncode == 1
        ran_there = subprocess.run(
            [python, "-c", self.RUN], env=env, cwd=place.path, capture_output=True, text=True, timeout=120
        )
        assert ran_there.returncode == 0, ran_there.stderr
        shown = nbformat.read(place.path / "ran.ipynb", as_version=4)
        assert str(python.parents[1]) in shown.cells[-1].outputs[0].text
        answers = [c.outputs[-1].data["text/plain"] for c in shown.cells if "book.ask" in c.source]
        assert len(answers) == 3
        assert all(answer.startswith("[{") for answer in answers)
        assert (place.path / "graph.html").stat().st_size > 100_000
        assert place.left_over(15) == []

        # The kgnb that came with the notebook can push too: it has no checkout.
        again = [python, "-m", "kgnb", "kaggle", "init", "again", "--notebook", "quickstart", "--owner", "me"]
        made = subprocess.run(again, env=env, cwd=place.path, capture_output=True, text=True, timeout=60)
        assert made.returncode == 0, made.stderr
        meta = json.loads((place.path / "again" / "kernel-metadata.json").read_text("utf-8"))
        assert meta["id"] == "me/kgnb-quickstart"
        first = json.loads(stub.pushes()[0]["text"])["cells"][1]["source"]
        second = notebook_bundle.read_notebook(place.path / "again" / "kgnb.ipynb")["cells"][1]["source"]
        assert packed(second) == packed(first)
