"""What `build` does at its start, and in which order."""

from __future__ import annotations

import asyncio
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from kgnb.app import build, submit
from kgnb.app.context import App, open_app
from kgnb.core.errors import EngineError
from kgnb.core.settings import Settings
from kgnb.render.progress_bar import BuildStep
from kgnb.worker import book_process
from tests.support.commands import STORY
from tests.support.patience import SLOWEST


async def built(app: App, stages: list[str]) -> build.BuildResult:
    def show(step: BuildStep) -> None:
        stages.append(step.stage)

    return await build.build(app, await submit.read(STORY, None, None), STORY, "rules", listener=show)


@pytest.fixture
async def app(tmp_path: Path) -> Any:
    async with open_app(Settings.load(data=tmp_path / "data", lang="zh"), graph=False) as one:
        yield one


async def test_the_book_is_scanned_for_names_while_the_graph_engine_starts(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned, freeze, start = asyncio.Event(), book_process.freeze_names, App.open_graph
    stages: list[str] = []

    async def freeze_and_tell(*given: Any) -> Any:
        names = await freeze(*given)
        scanned.set()
        return names

    async def start_late(self: App) -> None:
        async with asyncio.timeout(120 * SLOWEST):
            await scanned.wait()
            while "engines" not in stages:
                await asyncio.sleep(0.01)
        await start(self)

    monkeypatch.setattr(book_process, "freeze_names", freeze_and_tell)
    monkeypatch.setattr(App, "open_graph", start_late)
    result = await built(app, stages)
    assert (result.status, result.completed) == ("completed", result.chapters)
    assert stages[:3] == ["scan", "engines", "started"]  # the engine's start isn't told as a scan
    assert stages[-1] == "done"


async def test_no_run_makes_a_second_task_for_the_same_question(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_found(*_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(submit, "earlier_tasks", none_found)
    async with asyncio.timeout(60 * SLOWEST):
        result = await built(app, [])
    assert [task.id for task in await app.ledger.tasks.newest()] == [result.task_id]


@pytest.mark.parametrize(("lang", "told"), [("zh", True), ("en", False)])
async def test_chinese_books_without_their_dictionary_are_warned_of(
    app: App,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    lang: str,
    told: bool,
) -> None:
    monkeypatch.setattr(book_process, "dictionary_file", lambda: None)
    book = tmp_path / "book.txt"
    book.write_text({"zh": "王大明去找李小红。" * 40, "en": "Tom went to see Mary. " * 40}[lang])
    await build.build(app, await submit.read(book, None, None), book, "rules")
    assert ("jieba" in caplog.text) == told


async def test_a_run_that_is_not_resumed_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("other", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "kgnb.db").touch()
    settings = Settings.load(data=tmp_path / "data", resume_from=str(tmp_path / "other"))
    async with open_app(settings, graph=False) as one:
        await one.open_graph()
    assert [record.levelname for record in caplog.records if str(tmp_path / "other") in record.message] == [
        "WARNING"
    ]


async def test_a_scan_that_failed_is_repeated_by_the_node(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    failures, freeze = [1], book_process.freeze_names

    async def fail_once(*given: Any) -> Any:
        if failures.pop():
            raise BrokenProcessPool
        return await freeze(*given)

    monkeypatch.setattr(book_process, "freeze_names", fail_once)
    result = await built(app, [])
    assert failures == []
    assert (result.status, result.completed) == ("completed", result.chapters)
    assert result.characters > 3


async def test_a_graph_engine_that_does_not_start_ends_the_build_and_its_task_waits(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: App) -> None:
        raise EngineError("engine.package_missing", package="arcadedb-embedded")

    with monkeypatch.context() as patched:
        patched.setattr(App, "open_graph", broken)
        with pytest.raises(EngineError):
            await built(app, [])
    stages: list[str] = []
    result = await built(app, stages)
    assert stages[0] == "resumed"
    assert (result.task_id, result.completed) == (1, result.chapters)
