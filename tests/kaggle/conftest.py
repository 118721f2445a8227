"""Kaggle's server on this machine, its official package in this process, and one wheel for all tests."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kgnb.cli.commands import chosen, make_parser
from kgnb.core.settings import Settings
from kgnb.kaggle import api_process, client, kernel_metadata, notebook_bundle
from kgnb.kaggle.client import KaggleClient
from kgnb.kaggle.notebook_bundle import Wheel
from tests.support.kaggle_stub import Command, KaggleStub, kaggle_stub

OURS = ("KGNB_", "KG_", "OPENAI_", "REDIS_", "DB_", "NEO4J_", "KAGGLE_", "XDG_CONFIG_HOME")


class InProcess(client.ApiProcess):
    """ApiProcess without a process of its own: what that process does, in a thread."""

    async def answer(
        self, call: str, arguments: Mapping[str, Any], emit: Callable[[str], None], seconds: float | None
    ) -> Mapping[str, Any]:
        request = json.loads(json.dumps({"call": call, "arguments": arguments}))
        events: list[str] = []
        answer = json.dumps(await asyncio.to_thread(api_process.answer, request, events.append))
        for event in events:  # not before: what is printed there goes nowhere
            emit(event)
        found: dict[str, Any] = json.loads(answer)
        return found


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture
def stub(certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleStub]:
    """The server, and this process's environment such that the official package comes to it, logged in."""
    for name in [name for name in os.environ if name.startswith(OURS) and not name.startswith("KGNB_TEST")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    with kaggle_stub(certificates) as one:
        for name, value in one.env(tmp_path).items():
            monkeypatch.setenv(name, value)
        import kaggle

        kaggle.api.config_values = {}  # it logs in once a process, as it is imported
        yield one
        assert one.strangers == []


@pytest.fixture
def kaggle(stub: KaggleStub) -> KaggleClient:
    """A client of the stub, in this process."""
    return KaggleClient(InProcess())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to push."""
    made = tmp_path / "pushed"
    made.mkdir()
    meta = {
        **kernel_metadata.TEMPLATE,
        "id": "reader/some-notebook",
        "title": "Some notebook",
        "code_file": "a.ipynb",
    }
    (made / "kernel-metadata.json").write_text(json.dumps(meta), "utf-8")
    (made / "a.ipynb").write_text(
        json.dumps({"cells": [], "nbformat": 4, "metadata": {"kernelspec": {"name": "python3"}}}), "utf-8"
    )
    return made


@pytest.fixture(scope="session")
def wheel() -> Wheel:
    return asyncio.run(notebook_bundle.own_wheel())


@pytest.fixture(scope="session")
def small_wheel() -> Wheel:
    """One that nothing is installed from: the whole takes a second to compress."""
    files = {"kgnb-0.dist-info/METADATA": b"Name: kgnb\nVersion: 0\n"}
    return Wheel("kgnb-0-py3-none-any.whl", files)


@pytest.fixture
def command(stub: KaggleStub, small_wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `kgnb kaggle …` in this process and returns its exit code; errors are raised."""

    async def own_wheel() -> Wheel:
        return small_wheel

    monkeypatch.setattr(client, "ApiProcess", InProcess)
    monkeypatch.setattr(notebook_bundle, "own_wheel", own_wheel)

    def run(*words: str | Path) -> int:
        args = make_parser().parse_args(["kaggle", *map(str, words)])
        return asyncio.run(chosen(args)(args, Settings.load()))

    return run
