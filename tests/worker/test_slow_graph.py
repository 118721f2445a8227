"""A node whose stores are away or slow: others go on, and so does it, up to a bound."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kgnb.core.errors import ServiceDown
from kgnb.stores.ledger.extractions import Extractions
from kgnb.worker.slots import max_unwritten
from tests.support.ledgers import opened
from tests.support.light_nodes import Model, done, in_flight, light_node, submitted
from tests.support.patience import eventually


async def unreachable() -> None:
    raise ServiceDown("graph.down", service="bolt", where="there")


async def test_chapters_and_settle_go_to_a_node_that_reaches_the_graph(
    redis_url: str, tmp_path: Path
) -> None:
    model = Model()
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
        task_id = await submitted(ledger, redis_url, 2)
        async with light_node(redis_url, ledger, tmp_path, model) as a:
            await eventually(lambda: in_flight(model))
            a.graph.gate = unreachable
            a.queue.lease_seconds = 0.5  # its patience with the graph; what it holds it holds for longer
            model.open.set()
            async with light_node(redis_url, ledger, tmp_path, model, "b") as b:
                await eventually(lambda: done(ledger, b, task_id))
            assert a.node.stores.outages.is_down("bolt")
        assert set(model.asked.values()) == {1}
        assert (await ledger.tasks.progress(task_id)).completed == 2


async def test_slots_go_on_while_chapters_wait_to_be_written_but_not_for_ever(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, stored, save = Model(), asyncio.Event(), Extractions.save
    model.open.set()

    async def slow_save(*args: Any) -> list[bool]:
        await stored.wait()
        return await save(*args)

    monkeypatch.setattr(Extractions, "save", slow_save)
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
        task_id = await submitted(ledger, redis_url, 10)
        async with light_node(redis_url, ledger, tmp_path, model) as one:

            async def full() -> bool:
                return len(model.asked) == model.slots + max_unwritten(model.slots)

            await eventually(full)
            polls = one.node.poll_count

            async def polled_again() -> bool:
                return one.node.poll_count >= polls + 2

            await eventually(polled_again)
            assert await full()
            stored.set()
            await eventually(lambda: done(ledger, one, task_id))
        assert (len(model.asked), set(model.asked.values())) == (10, {1})
