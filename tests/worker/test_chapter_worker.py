"""A chapter's way: which go into a graph transaction, who is asked before, and what comes last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa

from kgnb.core.errors import GraphConflict, LeaseLost, TableMissing
from kgnb.graph.model import Graph, GraphNode
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.chapters import ChapterEnd
from kgnb.stores.queue.lease_renewer import LeaseRenewer
from kgnb.stores.queue.types import Claim
from kgnb.worker import chapter_worker
from kgnb.worker.chapter_worker import ChapterWorker, Outcome, _Projection
from kgnb.worker.outages import Outages
from tests.support import ledgers
from tests.support.queues import NEW, claim_of, nodes_on, take


class Stores:
    """A graph, a ledger and a renewer that keep what they are asked."""

    def __init__(self) -> None:
        self.number = 1
        self.written: list[list[int]] = []  # chapters by transaction
        self.gone: set[int] = set()  # chapters whose task was deleted
        self.graph = self.ledger = self.chapters = self.renewer = self.outages = self

    def holds(self, _claim: Claim) -> bool:
        return True

    async def settle_number(self, _novel: int) -> int:
        return self.number

    async def project(
        self, _novel: int, graphs: Sequence[Graph], *, number: int, check: Callable[[], bool]
    ) -> None:
        if number != self.number:
            raise GraphConflict("graph.conflict", novel=1)
        assert check()
        self.written.append([int(next(iter(graph.nodes))[1].partition(":")[0]) for graph in graphs])

    async def still_claimed(self, pairs: Sequence[tuple[int, int, int]]) -> set[tuple[int, int, int]]:
        return {pair for pair in pairs if pair[1] not in self.gone}


def item(number: int, rows: int = 1) -> _Projection:
    people = [GraphNode("Character", f"{number}:{i}", {}) for i in range(rows)]
    return _Projection(claim_of(7, number), 1, Graph({one.ref: one for one in people}))


def worker(stores: Stores) -> ChapterWorker:
    return ChapterWorker(cast("Any", stores), cast("Any", SimpleNamespace()))


async def test_long_chapters_share_a_transaction_with_fewer_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chapter_worker, "PROJECT_ROWS", 30)
    stores = Stores()
    items = [item(1, 10), item(2, 20), item(3, 1), item(4, 31), item(5, 29), item(6, 1)]
    assert await worker(stores)._project_all(items) == [True] * 6
    assert stores.written == [[1, 2], [3], [4], [5, 6]]


async def test_whoever_was_claimed_before_the_number_was_read_must_still_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stores = Stores()
    works = worker(stores)
    first, second, gone = item(1), item(2), item(3)
    assert await works._project_all([first]) == [True]
    stores.number, stores.gone = 2, {3}  # a task was deleted while this node was frozen
    assert await works._project_all([second]) == [True]  # meets the conflict, and reads the new number
    assert await works._project_all([gone, item(4)]) == [False, True]
    assert stores.written == [[1], [2], [4]]


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
        yield worker(cast("Any", stores)), claim, stores


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
        assert (await ledger.tasks.progress(task_id)).skipped == 1


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
        assert (await stores.ledger.tasks.progress(claim.task_id)).skipped == 0
