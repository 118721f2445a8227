"""What a task cost: all that was asked for it, and what of that its rows cost; on SQLite and on MariaDB."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from kgnb.core.model import Provider, Usage
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.ledger.task_stats import TaskFigures
from kgnb.stores.ledger.transfer import read_novel
from kgnb.worker.budget import Budget, SpendingTracker
from tests.support.ledgers import execute, finish_chapter, finish_task, new_task, open_with, opened

MODEL = ("DeepSeek", "chat")
ROW = Usage(2, 30, 40, 20)
"""What a row of the tests' costs."""


async def spend(ledger: Ledger, task_id: int | None, usage: Usage, provider: str = MODEL[0]) -> None:
    spending = SpendingTracker(ledger, Budget())
    spending.record(Provider(provider), MODEL[1], usage, task_id)
    await spending.flush()


async def figures(ledger: Ledger, task_id: int) -> TaskFigures:
    return (await ledger.task_stats.figures([task_id]))[task_id]


async def in_all(ledger: Ledger) -> Usage:
    return sum((await ledger.spending.since(date(2000, 1, 1))).values(), Usage())


async def test_what_was_asked_for_no_row_counts_as_wasted(ledger: Ledger) -> None:
    _, task = await new_task(ledger)
    _, failing = await new_task(ledger, salt="b")
    await finish_task(ledger, task, 5)  # three rows
    await spend(ledger, task, Usage(6, 90, 120, 60))
    assert (await figures(ledger, task)).wasted == {}
    await spend(ledger, task, Usage(1, 10, 0, 1))
    await spend(ledger, failing, Usage(3, 7, 8))
    await spend(ledger, failing, Usage(1, 1, 1), provider="Other")
    await spend(ledger, None, Usage(1, 5, 5))  # a test of the provider by hand
    found, failed = await figures(ledger, task), await figures(ledger, failing)
    assert found.useful == {MODEL: Usage(6, 90, 120, 60)}
    assert found.wasted == {MODEL: Usage(1, 10, 0, 1)}
    assert found.spent == {MODEL: Usage(7, 100, 120, 61)}
    assert (failed.useful, failed.wasted) == ({}, {MODEL: Usage(3, 7, 8), ("other", "chat"): Usage(1, 1, 1)})
    assert (await ledger.task_stats.progress(failing)).usage == Usage(4, 8, 9)
    told = sum((usage for one in (found, failed) for usage in one.spent.values()), Usage(1, 5, 5))
    assert told == await in_all(ledger)


async def test_rows_of_an_older_kgnb_cost_what_they_did_and_hide_no_waste(ledger: Ledger) -> None:
    _, task = await new_task(ledger)
    chapters = (await open_with(ledger, task, 5)).chapters
    await finish_chapter(ledger, task, chapters[0], 6)
    await execute(ledger, sa.update(t.extractions).values(metered=None))
    assert (await figures(ledger, task)).spent == {MODEL: ROW}
    await finish_chapter(ledger, task, chapters[1], 6)
    await spend(ledger, task, ROW + Usage(1, 1, 1))
    found = await figures(ledger, task)
    assert (found.useful, found.wasted) == ({MODEL: ROW + ROW}, {MODEL: Usage(1, 1, 1)})
    assert (await ledger.task_stats.progress(task)).usage == ROW + ROW + Usage(1, 1, 1)


async def test_a_row_whose_cost_a_crash_lost_is_told_all_the_same(ledger: Ledger) -> None:
    _, task = await new_task(ledger)
    await finish_task(ledger, task, 5)
    await spend(ledger, task, ROW + Usage(0, 100))
    found = await figures(ledger, task)
    assert found.useful == {MODEL: ROW + ROW + ROW}
    assert found.wasted == {MODEL: Usage(0, 40, 0)}  # never less than nothing


async def test_a_deleted_task_keeps_no_costs_but_the_provider_does(ledger: Ledger) -> None:
    _, task = await new_task(ledger)
    _, other = await new_task(ledger, salt="b")
    await spend(ledger, task, Usage(1, 1, 1))
    await spend(ledger, other, Usage(1, 1, 1))
    await ledger.task_lifecycle.delete(task)
    await spend(ledger, task, Usage(1, 1, 1))  # a request that ended later

    def kept(c: sa.Connection) -> list[int]:
        return list(c.scalars(sa.select(t.task_spending.c.task_id)))

    assert await ledger.database.run(kept, write=False) == [other]
    assert await in_all(ledger) == Usage(3, 3, 3)


async def test_waste_travels_with_the_record_once(
    ledger: Ledger, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with opened(f"sqlite:///{tmp_path_factory.mktemp('from') / 'k.db'}") as there:
        novel, task = await new_task(there)
        await finish_task(there, task, 5)
        await spend(there, task, ROW + ROW + ROW + Usage(1, 5, 6))
        saved = await read_novel(there.database, novel)
        taken = [await ledger.transfer.take(saved) for _ in range(2)]
    for one in taken:
        (here,) = one.tasks.values()
        found = await figures(ledger, here)
        assert found.useful == {MODEL: ROW + ROW + ROW}
        assert found.wasted == {MODEL: Usage(1, 5, 6)}
    assert await in_all(ledger) == Usage()  # nothing was spent here
