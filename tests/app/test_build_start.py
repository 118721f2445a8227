"""What `build` does at its start, and in which order."""

from __future__ import annotations

import asyncio
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from kgnb.app import build, submit
from kgnb.app.context import App, open_app
from kgnb.core.errors import ServiceDown
from kgnb.core.messages import say
from kgnb.core.model import BuildStep
from kgnb.core.settings import Settings
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
    caplog.set_level("INFO")
    async with open_app(settings, graph=False) as one:
        await one.open_graph()
    told = [record.message for record in caplog.records if str(tmp_path / "other") in record.message]
    assert told == [say("resume.kept", data=tmp_path / "data", source=tmp_path / "other")]


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


async def test_a_graph_database_that_is_down_ends_the_build_before_anything_is_written(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(_: App) -> None:
        raise ServiceDown("graph.down", service="bolt", where="there")

    monkeypatch.setattr(App, "open_graph", down)
    with pytest.raises(ServiceDown):
        await built(app, [])
    assert await app.ledger.tasks.newest() == []
    assert await app.ledger.extractions.novels() == []
