"""A record taken up beside what is there and what goes on there, on SQLite and on MariaDB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from kgnb.core.model import Usage
from kgnb.extract.model import NameEntry
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.ledger.transfer import NovelRecord, read_novel
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


async def count(ledger: Ledger, table: sa.Table) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return await ledger.database.run(lambda c: c.scalar(query) or 0, write=False)


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Ledger]:
    """Another place, where a task of three chapters is done."""
    async with opened(f"sqlite:///{tmp_path / 'there.db'}") as ledger:
        novel, task = await new_task(ledger)
        await learn_names(ledger, novel, [NameEntry("刘备", ("玄德", "使君"), mentions=9, narrator=True)])
        await finish_task(ledger, task, 5)
        yield ledger


async def read(there: Ledger) -> NovelRecord:
    return await read_novel(there.database, 1)


@pytest.fixture
async def finished(there: Ledger) -> NovelRecord:
    return await read(there)


async def test_who_tells_the_book_and_what_a_row_cost_come_along(
    ledger: Ledger, finished: NovelRecord
) -> None:
    taken = await ledger.transfer.take(finished)
    assert [entry.narrator for entry in await ledger.names.read(taken.novel_id)] == [True]
    assert (await rows_of(ledger, novel_id=taken.novel_id))[0].usage == Usage(2, 30, 40, 20)


async def test_the_same_record_twice_at_once_is_one_book(ledger: Ledger, finished: NovelRecord) -> None:
    one, other = await asyncio.gather(ledger.transfer.take(finished), ledger.transfer.take(finished))
    assert (one.novel_id, one.tasks) == (other.novel_id, other.tasks)
    assert sorted((one.rows, other.rows)) == [0, 3]
    tables = (t.novels, t.tasks, t.chapter_status, t.extractions)
    assert [await count(ledger, table) for table in tables] == [1, 1, 3, 3]


async def test_a_task_that_is_under_way_gets_the_rows_and_keeps_its_state(
    ledger: Ledger, finished: NovelRecord
) -> None:
    novel, task = await new_task(ledger)
    await ledger.names.freeze(task, novel, [NameEntry("刘备", ("玄德",), mentions=3)])
    first, *rest = (await open_with(ledger, task, 5)).chapters
    assert await finish_chapter(ledger, task, first, 6)
    (work,) = (await ledger.chapters.claim([(task, rest[0], 7)])).values()
    taken = await ledger.transfer.take(finished)
    assert (taken.novel_id, taken.known, taken.rows) == (novel, True, 2)
    assert list(taken.tasks.values()) == [task]
    await execute(ledger, set_task(task, status="paused"))
    await ledger.transfer.finish(finished, taken)
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
    ledger: Ledger, there: Ledger, listed: list[int], wanted: int
) -> None:
    await execute(there, sa.delete(t.chapter_status))
    await execute(there, sa.delete(t.extractions))
    await execute(there, sa.update(t.tasks).values(chapter_ids=listed))
    taken = await ledger.transfer.take(await read(there))
    (task,) = taken.tasks.values()
    assert len((await open_with(ledger, task, 5)).chapters) == wanted


async def test_a_text_that_is_here_with_other_chapters_is_taken_up_once(
    ledger: Ledger, finished: NovelRecord
) -> None:
    novel, _ = await new_task(ledger)
    chapter = (await ledger.books.chapters(novel))[0]
    await execute(ledger, sa.update(t.chapters).where(t.chapters.c.id == chapter.id).values(content="别的字"))
    first, again = (
        await ledger.transfer.take(finished),
        await ledger.transfer.take(finished),
    )
    assert first.novel_id != novel
    assert (again.novel_id, again.known, again.rows) == (first.novel_id, True, 0)
