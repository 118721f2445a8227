"""A chapter's way: what comes last, and whose word counts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa

from kgnb.core.errors import LeaseLost, TableMissing
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.chapters import ChapterEnd
from kgnb.stores.queue.lease_renewer import LeaseRenewer
from kgnb.stores.queue.types import Claim
from kgnb.worker.chapter_worker import ChapterWorker, Outcome
from kgnb.worker.outages import Outages
from tests.support import ledgers
from tests.support.queues import NEW, nodes_on, take


def worker(stores: object) -> ChapterWorker:
    return ChapterWorker(cast("Any", stores), cast("Any", SimpleNamespace()))


@asynccontextmanager
async def claimed(redis_url: str, sql_url: str) -> AsyncIterator[tuple[ChapterWorker, Claim, Any]]:
    """A worker, the only chapter of the task 2 that it claimed, in which is nothing to ask or draw, and the
    stores."""
    async with ledgers.opened(sql_url) as ledger, nodes_on(redis_url) as make:
        queue = make()
        await ledgers.new_task(ledger, 1, "甲")
        _, task_id = await ledgers.new_task(ledger, 1)
        await ledgers.execute(ledger, sa.update(t.chapters).values(content=""))
        opening = await ledgers.open_with(ledger, task_id, 1)
        await queue.push(NEW, task_id)
        (item,) = (await take(queue, tasks=1)).claims
        assert await queue.open_task(item, opening.chapters)
        (claim,) = (await take(queue, chapters=1)).claims
        stores = SimpleNamespace(ledger=ledger, queue=queue, renewer=LeaseRenewer(queue), outages=Outages())
        yield worker(stores), claim, stores


async def test_a_chapter_keeps_its_lease_until_its_end_is_on_record(redis_url: str, sql_url: str) -> None:
    rename = f"ALTER TABLE {t.chapter_status.name} RENAME COLUMN %s TO %s"
    async with claimed(redis_url, sql_url) as (works, claim, stores):
        ledger, queue, task_id = stores.ledger, stores.queue, claim.task_id
        assert works.log_facts(claim) == {"task": 2, "chapter": "?", "chapter_id": 2}

        await ledgers.execute(ledger, sa.text(rename % ("entities_extracted", "away")))
        with pytest.raises(TableMissing):
            await works.run(claim, cast("Any", None))
        assert (await take(queue, held=(task_id,))).chapters_left == {(NEW, task_id): 1}

        await ledgers.execute(ledger, sa.text(rename % ("away", "entities_extracted")))
        assert await works.run(claim, cast("Any", None)) is Outcome.SKIPPED
        assert works.log_facts(claim)["chapter"] == 1  # of its book; the row has the id 2
        assert (await take(queue, held=(task_id,))).chapters_left == {(NEW, task_id): 0}
        assert (await ledger.task_stats.progress(task_id)).skipped == 1


async def test_a_chapter_that_another_node_claimed_meanwhile_is_not_told_as_done(
    redis_url: str, sql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while its lease doesn't tell: as when this node was frozen, and hasn't renewed anything since."""
    async with claimed(redis_url, sql_url) as (works, claim, stores):
        chapters = stores.ledger.chapters
        end = chapters.end

        async def end_late(ends: Sequence[ChapterEnd]) -> list[bool]:
            assert await chapters.claim([(claim.task_id, claim.chapter_id, claim.token + 1)])
            return await end(ends)

        monkeypatch.setattr(chapters, "end", end_late)
        assert not stores.renewer.lost(claim)
        with pytest.raises(LeaseLost):
            await works.run(claim, cast("Any", None))
        assert (await stores.ledger.task_stats.progress(claim.task_id)).skipped == 0
