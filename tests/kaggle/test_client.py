"""Kaggle's official package against a server on this machine: what comes back, and what never does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kgnb.core.errors import InputError, KgnbError, ServiceDown, ServiceRefused
from kgnb.core.formatting import date_and_time
from kgnb.kaggle import client, kernels
from kgnb.kaggle.client import Dataset, KaggleClient, KernelStatus, Quota, SessionsTaken
from tests.support.kaggle_stub import CAP, TOKEN, KaggleStub

KERNEL = "reader/some-notebook"


class TestPush:
    async def test_the_request(self, stub: KaggleStub, kaggle: KaggleClient, folder: Path) -> None:
        pushed = await kaggle.push(folder, seconds=600)
        assert (pushed.version, pushed.not_added) == (1, ())
        assert pushed.url == "https://www.kaggle.com/code/reader/some-notebook"
        assert pushed.kernel == KERNEL
        (body,) = stub.pushes()
        assert (body["slug"], body["newTitle"]) == (KERNEL, "Some notebook")
        assert body["sessionTimeoutSeconds"] == 600
        assert body["enableInternet"] is body["isPrivate"] is True
        assert stub.authorizations == {f"Bearer {TOKEN}"}

    async def test_saved_without_running(self, stub: KaggleStub, kaggle: KaggleClient, folder: Path) -> None:
        await kaggle.push(folder, run=False)
        assert stub.pushes()[0]["kernelExecutionType"] == "QUICK_SAVE"

    async def test_waits_for_a_session(
        self, stub: KaggleStub, kaggle: KaggleClient, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kernels, "CAP_PAUSE", 0.01)
        stub.push_errors = [CAP, CAP]
        told: list[str] = []
        pushed = await kernels.push_when_free(kaggle, folder, patience=60, tell=told.append)
        assert pushed.version == 1
        assert len(stub.pushes()) == 3
        assert len(told) == 2
        assert CAP in told[0]
        stub.push_errors = [CAP]
        with pytest.raises(SessionsTaken, match="--wait"):
            await kernels.push_when_free(kaggle, folder)

    async def test_an_error_that_comes_with_status_200(
        self, stub: KaggleStub, kaggle: KaggleClient, folder: Path
    ) -> None:
        stub.push_errors = ["The kernel's title is taken.\nChoose another \x1b]0;x\x07"]
        with pytest.raises(ServiceRefused, match=r"title is taken\. Choose another \\x1b"):
            await kaggle.push(folder)

    async def test_a_warning_of_the_package(
        self, stub: KaggleStub, kaggle: KaggleClient, folder: Path
    ) -> None:
        path = folder / "kernel-metadata.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "machine_shape": "NvidiaTeslaP100"}))
        assert "NvidiaTeslaT4" in (await kaggle.push(folder)).warning  # P100 is retired

    async def test_what_was_left_out(self, stub: KaggleStub, kaggle: KaggleClient, folder: Path) -> None:
        stub.invalid_datasets = ["reader/gone"]
        assert (await kaggle.push(folder)).not_added == ("dataset: reader/gone",)


class TestFailures:
    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (500, ServiceDown),
            (503, ServiceDown),
            (429, ServiceDown),
            (400, ServiceRefused),
            (401, ServiceRefused),
        ],
    )
    async def test_http_errors(
        self, fault: int, kind: type[KgnbError], stub: KaggleStub, kaggle: KaggleClient
    ) -> None:
        stub.faults = [fault]
        with pytest.raises(kind):
            await kaggle.status(KERNEL)

    async def test_a_web_page_instead_of_an_answer(self, stub: KaggleStub, kaggle: KaggleClient) -> None:
        stub.page = b"<html><title>Log in to this network</title>"
        with pytest.raises(ServiceDown, match="HTTPS_PROXY"):
            await kaggle.username()
        stub.page = b""
        assert await kaggle.username() == "reader"
        stub.page = b"<html>"
        with pytest.raises(ServiceDown, match="HTTPS_PROXY"):
            await kaggle.status(KERNEL)

    async def test_too_many_requests_are_told_in_few_words(
        self, stub: KaggleStub, kaggle: KaggleClient
    ) -> None:
        stub.faults = [429]
        with pytest.raises(ServiceDown) as caught:
            await kaggle.status(KERNEL)
        assert caught.value.facts["reason"] == "429 Too Many Requests"

    async def test_a_run_that_is_not_there_is_told_in_few_words(
        self, stub: KaggleStub, kaggle: KaggleClient
    ) -> None:
        with pytest.raises(ServiceRefused, match=r"reader/nonesuch") as caught:
            await kaggle.status("reader/nonesuch")
        assert caught.value.key == "kaggle.no_run"

    async def test_a_state_that_the_package_does_not_know(
        self, stub: KaggleStub, kaggle: KaggleClient
    ) -> None:
        stub.statuses = ["HIBERNATING"]
        with pytest.raises(ServiceRefused) as caught:
            await kaggle.status(KERNEL)
        assert caught.value.key == "kaggle.unreadable"
        assert "HIBERNATING" in str(caught.value)

    async def test_nobody_logged_in(
        self, stub: KaggleStub, kaggle: KaggleClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KAGGLE_API_TOKEN", "")
        for call in (kaggle.username(), kaggle.status(KERNEL)):
            with pytest.raises(ServiceRefused, match="KAGGLE_API_TOKEN"):
                await call
        assert stub.requests == []

    async def test_no_network(
        self, stub: KaggleStub, kaggle: KaggleClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        with pytest.raises(ServiceDown) as caught:
            await kaggle.status(KERNEL)
        assert "/v1/" not in str(caught.value)  # the libraries quote addresses, with signatures in them

    async def test_prints_and_exits_stay_inside(
        self, kaggle: KaggleClient, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        await kaggle.username()
        import kaggle as package

        def ends(_: str) -> None:
            print("The kernel is", TOKEN)
            raise SystemExit(1)

        monkeypatch.setattr(package.api, "kernels_status", ends)
        with pytest.raises(ServiceRefused, match="The kernel is •") as caught:
            await kaggle.status(KERNEL)
        assert TOKEN not in str(caught.value)
        assert capfd.readouterr() == ("", "")


class TestRun:
    async def test_status(self, stub: KaggleStub, kaggle: KaggleClient) -> None:
        stub.statuses, stub.failure = ["ERROR"], "Your notebook tried to allocate more memory"
        status = await kaggle.status(KERNEL)
        assert status == KernelStatus("ERROR", "Your notebook tried to allocate more memory")
        assert status.over
        assert await kaggle.find_status(KERNEL) == status
        assert await kaggle.find_status("reader/nonesuch") is None

    @pytest.mark.parametrize("state", ["QUEUED", "NEW_SCRIPT", "CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED"])
    def test_every_state_has_a_sentence(self, state: Any) -> None:
        assert KERNEL in kernels.status_sentence(KERNEL, KernelStatus(state))

    async def test_follows_to_the_end_over_an_outage(
        self, stub: KaggleStub, kaggle: KaggleClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kernels, "POLL_PAUSE", 0.01)
        stub.statuses = ["QUEUED", "RUNNING", "RUNNING", "COMPLETE"]
        told: list[str] = []
        outages = [503]
        original = stub.answer

        def sometimes(name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            if name == "GetKernelSessionStatus" and len(stub.statuses) == 2 and outages:
                return outages.pop(), {"code": 503, "message": "503 Server Error"}
            return original(name, body)

        stub.answer = sometimes  # type: ignore[method-assign]
        status = await kernels.follow(kaggle, f"{KERNEL}/2", told.append)
        assert status.state == "COMPLETE"
        assert [text for text in told if "503" not in text] == [
            kernels.status_sentence(f"{KERNEL}/2", KernelStatus(state))  # type: ignore[arg-type]
            for state in ("QUEUED", "RUNNING", "COMPLETE")
        ]
        assert len(told) == 4
        assert {body["versionLabel"] for name, body in stub.requests if "Status" in name} == {"v2"}

    async def test_logs(self, stub: KaggleStub, kaggle: KaggleClient) -> None:
        lines = [{"stream_name": "stdout", "time": 1, "data": "one\n"}, {"data": "two \x1b]0;x\x07\n"}]
        stub.log = json.dumps(lines)
        assert kernels.log_lines(await kaggle.logs(KERNEL)) == "one\ntwo \\x1b]0;x\\x07\n"
        assert kernels.log_lines("plain text\n") == "plain text\n"

    async def test_logs_as_they_come(self, stub: KaggleStub, kaggle: KaggleClient) -> None:
        stub.log = "one\ntwo\n"
        told: list[str] = []
        await kaggle.follow_logs(KERNEL, told.append)
        assert told == ["one", "two"]

    async def test_output(self, stub: KaggleStub, kaggle: KaggleClient, tmp_path: Path) -> None:
        stub.files, stub.log = {"graph.json": b"{}", "logs/worker.log": b"log"}, "printed"
        out = tmp_path / "out"
        files = await kaggle.output(KERNEL, out)
        names = sorted(str(file.relative_to(out)) for file in files)
        assert names == ["graph.json", "logs/worker.log", "some-notebook.log"]
        assert (out / "logs" / "worker.log").read_bytes() == b"log"
        files = await kaggle.output(KERNEL, tmp_path / "some", r"^[^/]*\.json$")
        assert [file.name for file in files] == ["graph.json", "some-notebook.log"]

    async def test_output_stays_in_its_folder(
        self, stub: KaggleStub, kaggle: KaggleClient, tmp_path: Path
    ) -> None:
        stub.files = {"../escaped": b"x"}
        with pytest.raises(ServiceRefused):
            await kaggle.output(KERNEL, tmp_path / "out")
        assert not (tmp_path / "escaped").exists()

    async def test_output_that_cannot_be_written_is_no_outage(
        self, stub: KaggleStub, kaggle: KaggleClient, tmp_path: Path
    ) -> None:
        stub.files = {"graph.json": b"{}"}
        (tmp_path / "file").write_text("")
        (tmp_path / "out" / "graph.json").mkdir(parents=True)
        for folder in (tmp_path / "file" / "out", tmp_path / "out"):
            with pytest.raises(InputError) as caught:
                await kaggle.output(KERNEL, folder)
            assert caught.value.key == "kaggle.cannot_write"


class TestLimits:
    async def test_quota(self, stub: KaggleStub, kaggle: KaggleClient) -> None:
        assert await kaggle.quota() == {"gpu": Quota(3.0, 30.0, 1795824000.0)}
        told: list[str] = []
        await kernels.check_quota(kaggle, "gpu", told.append)
        await kernels.check_quota(kaggle, "tpu", told.append)  # Kaggle says nothing of it
        (shown,) = told
        assert "3.0 / 30.0" in shown
        assert date_and_time(1795824000.0) in shown  # with its zone
        stub.gpu_hours = (30.0, 30.0)
        with pytest.raises(ServiceRefused, match=r"30\.0"):
            await kernels.check_quota(kaggle, "gpu", told.append)
        stub.faults = [403]  # a login that may not ask
        await kernels.check_quota(kaggle, "gpu", told.append)

    def test_sessions(self) -> None:
        assert kernels.check_session(3600, tpu=False) == 3600
        assert kernels.check_session(None, tpu=True) == 9 * 3600
        with pytest.raises(InputError, match="32400"):
            kernels.check_session(10 * 3600, tpu=True)


class TestDatasets:
    async def test_a_life(self, stub: KaggleStub, kaggle: KaggleClient, tmp_path: Path) -> None:
        name = "reader/kgnb-books"
        facts = {"id": name, "title": "kgnb-books", "licenses": [{"name": "other"}]}
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "dataset-metadata.json").write_text(json.dumps(facts))
        (tmp_path / "data" / "a.bin").write_bytes(b"one")
        assert await kaggle.dataset(name) is None
        await kaggle.send_dataset(tmp_path / "data", new=True)
        assert await kaggle.dataset(name) == Dataset(private=True, version=1, state="ready")
        (tmp_path / "data" / "a.bin").write_bytes(b"two")
        await kaggle.send_dataset(tmp_path / "data", new=False)
        assert stub.datasets[name].files == {"a.bin": b"two"}
        assert await kaggle.dataset_files(name) == ["a.bin"]
        await kaggle.delete_dataset(name)
        assert stub.datasets == {}


class TestProcess:
    """The process that the package lives in."""

    async def test_answers_and_ends(self, stub: KaggleStub) -> None:
        api = client.ApiProcess()
        async with KaggleClient(api) as kaggle:
            assert await kaggle.username() == "reader"
            process = api.process
            assert process is not None
            assert TOKEN not in Path(f"/proc/{process.pid}/cmdline").read_text()
            stub.log = "one\ntwo\n"
            told: list[str] = []
            await kaggle.follow_logs(KERNEL, told.append)
            assert told == ["one", "two"]
        assert process.returncode is not None

    async def test_a_server_that_hangs(self, stub: KaggleStub) -> None:
        async with KaggleClient() as kaggle:
            await kaggle.username()
            stub.delay = 30.0
            with pytest.raises(ServiceDown, match="0"):
                await kaggle.call("status", seconds=0.2, kernel=KERNEL)
            stub.delay = 0.0
            assert await kaggle.username() == "reader"  # in a new process

    async def test_not_installed_or_too_old(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client.metadata, "version", lambda _: "2.0.2")
        with pytest.raises(InputError, match=r"2\.2\.5"):
            await KaggleClient().username()
        monkeypatch.setattr(client.util, "find_spec", lambda _: None)
        with pytest.raises(InputError, match="pip install kaggle six"):
            await KaggleClient().username()
