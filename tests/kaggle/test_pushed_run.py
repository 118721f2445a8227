"""From a book to its graph by way of Kaggle: what is pushed ends in time there, and goes on next time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kgnb.kaggle import datasets, kernels, notebook_bundle
from kgnb.kaggle.notebook_bundle import Wheel
from kgnb.llm.fake import model as fake_model
from kgnb.llm.fake.server import Faults
from tests.support import kaggle_machine
from tests.support.commands import Llm, llm, novel
from tests.support.kaggle_machine import KaggleMachine
from tests.support.kaggle_stub import Command, KaggleStub
from tests.support.patience import stretch

CHAPTERS, ANSWERED = 12, 4
SECONDS = 30
"""Of the first session, times :func:`stretch`; the LLM answers about ANSWERED requests, then no more."""


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Llm]:
    """An LLM, the one that this process's environment names, which stops answering."""

    def answer(passage: str) -> str:
        if len(one.stats.prompts) >= ANSWERED:
            one.server.faults = Faults(hang=1.0)
        return fake_model.answer(passage)

    with llm(answer=answer) as one:
        yield one


@pytest.fixture
def machine(stub: KaggleStub, tmp_path: Path) -> KaggleMachine:
    """Where the stub runs what is pushed."""
    if not kaggle_machine.can_mount():
        pytest.skip("this system gives a process no mount namespace")
    (tmp_path / "machine").mkdir()
    made = KaggleMachine(tmp_path / "machine")

    def run(body: dict[str, Any]) -> None:
        for name in body.get("datasetDataSources", []):
            made.attach("datasets", name, stub.datasets[name].files)
        for name in body.get("kernelDataSources", []):
            made.attach("notebooks", name, made.output())
        ran = made.run(body["text"])
        stub.files, stub.log = made.output(), ran.stderr
        stub.statuses = ["ERROR" if ran.returncode else "COMPLETE"]

    stub.run = run
    return made


def test_a_book_in_two_sessions(
    command: Command,
    stub: KaggleStub,
    machine: KaggleMachine,
    provider: Llm,
    wheel: Wheel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def own_wheel() -> Wheel:
        return wheel

    monkeypatch.setattr(notebook_bundle, "own_wheel", own_wheel)
    monkeypatch.setattr(kernels, "POLL_PAUSE", 0.2)
    monkeypatch.setattr(datasets, "READY_PAUSE", 0.01)
    book = novel(tmp_path / "book.txt", CHAPTERS)
    with monkeypatch.context() as secrets:
        for name, value in provider.env().items():
            secrets.setenv(name, value)
        assert command("secrets", "create", "kgnb-secrets") == 0
    options = [book, "--secrets-dataset", "reader/kgnb-secrets", "--set", "KGNB_LANG=en", "--follow"]

    assert command("push", *options, "--timeout", str(round(SECONDS * stretch()))) == 1  # chapters are left
    assert machine.runs[0].returncode == 0, machine.runs[0].stderr  # it ended by itself
    report = json.loads((machine.working / "kgnb-report.json").read_text("utf-8"))
    assert report["why"] == "session"
    assert report["left"]["chapters"] >= CHAPTERS - ANSWERED - 2  # two slots
    assert not list((tmp_path / "kaggle-output").rglob("graph.html"))

    provider.server.faults, provider.server.answer = Faults(), fake_model.answer
    assert command("push", *options, "--delete-secrets") == 0, capsys.readouterr()
    assert stub.pushes()[1]["kernelDataSources"] == [stub.pushes()[1]["slug"]]
    assert provider.stats.answered_twice == []  # what the first session paid for stayed
    assert len(provider.stats.answered) == CHAPTERS
    fetched = {path.name: path for path in (tmp_path / "kaggle-output").rglob("*")}
    assert {"graph.html", "graph.json", "kgnb-report.html"} <= fetched.keys()
    graph = json.loads(fetched["graph.json"].read_text("utf-8"))
    assert len([node for node in graph["nodes"] if node["label"] == "Chapter"]) == CHAPTERS
    assert any("image/svg+xml" in str(cell.get("outputs")) for cell in machine.cells())
    assert stub.datasets == {}
    key = provider.env()["OPENAI_API_KEY"].encode()
    assert not [name for name, data in machine.output().items() if key in data]
    assert os.environ.get("OPENAI_API_KEY") is None
