"""A record taken up beside what is there and what goes on there, on SQLite and on MariaDB."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from kgnb.app.transfer import record
from kgnb.core.model import Usage
from kgnb.extract.model import NameEntry
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.ledger.transfer import SavedRecord
from tests.support.ledgers import (
    execute,
    finish_chapter,
    finish_task,
    learn_names,
    new_task,
    open_with,
    opened,
    rows_of,
    set_task,
    task_row,
)


class _App:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger


async def saved(ledger: Ledger, novel_id: int) -> SavedRecord:
    return SavedRecord.model_validate(await record(_App(ledger), novel_id))  # type: ignore[arg-type]


async def count(ledger: Ledger, table: sa.Table) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return await ledger.database.run(lambda c: c.scalar(query) or 0, write=False)


@pytest.fixture
async def finished(tmp_path_factory: pytest.TempPathFactory) -> SavedRecord:
    """The record of a task of three chapters that is done, from another place."""
    async with opened(f"sqlite:///{tmp_path_factory.mktemp('from') / 'k.db'}") as there:
        novel, task = await new_task(there)
        await learn_names(there, novel, [NameEntry("刘备", ("玄德", "使君"), mentions=9, narrator=True)])
        await finish_task(there, task, 5)
        return await saved(there, novel)


async def test_who_tells_the_book_comes_along(ledger: Ledger, finished: SavedRecord) -> None:
    taken = await ledger.transfer.import_record(finished)
    assert [entry.narrator for entry in await ledger.names.read(taken.novel_id)] == [True]
    older = finished.model_dump(mode="json")
    for name in older["names"]:
        assert name.pop("narrator") is True
    assert not SavedRecord.model_validate(older).names[0].narrator


async def test_what_a_row_cost_comes_along(ledger: Ledger, finished: SavedRecord) -> None:
    taken = await ledger.transfer.import_record(finished)
    assert (await rows_of(ledger, novel_id=taken.novel_id))[0].usage == Usage(2, 30, 40, 20)


async def test_a_file_from_before_cached_tokens_and_one_that_lies_about_them(
    ledger: Ledger, finished: SavedRecord
) -> None:
    told = finished.model_dump(mode="json")
    for row in told["extractions"]:
        del row["usage"]["cached_tokens"]
    taken = await ledger.transfer.import_record(SavedRecord.model_validate(told))
    assert (await rows_of(ledger, novel_id=taken.novel_id))[0].usage == Usage(2, 30, 40)
    for cached in (-1, 31, 2**31):
        told["extractions"][0]["usage"]["cached_tokens"] = cached
        with pytest.raises(ValidationError, match=r"cached|too large"):
            SavedRecord.model_validate(told)
    told["extractions"][0]["usage"] = {"requests": 1, "completion_tokens": 3, "reasoning_tokens": 4}
    with pytest.raises(ValidationError, match="reasoning"):
        SavedRecord.model_validate(told)


async def test_the_same_record_twice_at_once_is_one_book(ledger: Ledger, finished: SavedRecord) -> None:
    one, other = await asyncio.gather(
        ledger.transfer.import_record(finished), ledger.transfer.import_record(finished)
    )
    assert (one.novel_id, one.tasks) == (other.novel_id, other.tasks)
    assert sorted((one.rows, other.rows)) == [0, 3]
    tables = (t.novels, t.tasks, t.chapter_status, t.extractions)
    assert [await count(ledger, table) for table in tables] == [1, 1, 3, 3]


async def test_a_task_that_is_under_way_gets_the_rows_and_keeps_its_state(
    ledger: Ledger, finished: SavedRecord
) -> None:
    novel, task = await new_task(ledger)
    await ledger.names.freeze(task, novel, [NameEntry("刘备", ("玄德",), mentions=3)])
    first, *rest = (await open_with(ledger, task, 5)).chapters
    assert await finish_chapter(ledger, task, first, 6)
    (work,) = (await ledger.chapters.claim([(task, rest[0], 7)])).values()
    taken = await ledger.transfer.import_record(finished)
    assert (taken.novel_id, taken.known, taken.rows) == (novel, True, 2)
    assert list(taken.tasks.values()) == [task]
    await execute(ledger, set_task(task, status="paused"))
    await ledger.transfer.finish_import(finished, taken)
    assert (await task_row(ledger, task))["status"] == "paused"  # two of its chapters aren't done
    assert work.row is None
    works = await ledger.chapters.claim([(task, rest[1], 8)])
    assert works == {}  # paused
    await execute(ledger, set_task(task, status="running"))
    works = await ledger.chapters.claim([(task, rest[1], 8)])
    assert works[(task, rest[1])].row is not None  # its row is here: nobody asks for it
    assert [entry.aliases for entry in await ledger.names.read(novel)] == [("玄德",)]


@pytest.mark.parametrize(("listed", "wanted"), [([], 3), ([77], 0)])
async def test_an_empty_list_of_chapters_means_all_and_unknown_chapters_none(
    ledger: Ledger, finished: SavedRecord, listed: list[int], wanted: int
) -> None:
    told = finished.model_dump(mode="json") | {"states": [], "extractions": []}
    told["tasks"][0]["chapter_ids"] = listed
    taken = await ledger.transfer.import_record(SavedRecord.model_validate(told))
    (task,) = taken.tasks.values()
    assert len((await open_with(ledger, task, 5)).chapters) == wanted


async def test_a_text_that_is_here_with_other_chapters_is_taken_up_once(
    ledger: Ledger, finished: SavedRecord
) -> None:
    novel, _ = await new_task(ledger)
    chapter = (await ledger.books.chapters(novel))[0]
    await execute(ledger, sa.update(t.chapters).where(t.chapters.c.id == chapter.id).values(content="别的字"))
    first, again = (
        await ledger.transfer.import_record(finished),
        await ledger.transfer.import_record(finished),
    )
    assert first.novel_id != novel
    assert (again.novel_id, again.known, again.rows) == (first.novel_id, True, 0)
