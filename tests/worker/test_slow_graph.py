"""A node that can't reach the graph: chapters go on, and another node may write the graph."""

from __future__ import annotations

from pathlib import Path

from kgnb.core.errors import ServiceDown
from tests.support.ledgers import opened
from tests.support.light_nodes import Model, done, in_flight, light_node, submitted
from tests.support.patience import eventually


async def unreachable() -> None:
    raise ServiceDown("graph.down", service="bolt", where="there")


async def test_chapters_go_on_and_the_graph_is_written_by_a_node_that_reaches_it(
    redis_url: str, tmp_path: Path
) -> None:
    model = Model()
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
        async with light_node(redis_url, ledger, tmp_path, model) as a:
            a.graph.gate = unreachable
            tasks = [await submitted(ledger, redis_url, count, str(count)) for count in (5, 4)]
            await eventually(lambda: in_flight(model))
            a.queue.lease_seconds = 0.5  # its patience with the graph; what it holds it holds for longer
            model.open.set()

            async def all_chapters() -> bool:
                progress = [await ledger.task_stats.progress(task_id) for task_id in tasks]
                return [one.completed for one in progress] == [5, 4]

            await eventually(all_chapters)

            async def noticed() -> bool:
                return a.node.stores.outages.is_down("bolt")

            await eventually(noticed)
            assert not [await done(ledger, a, task_id) for task_id in tasks if await done(ledger, a, task_id)]
            async with light_node(redis_url, ledger, tmp_path, model, "b") as b:
                for task_id in tasks:
                    await eventually(lambda task_id=task_id: done(ledger, b, task_id))
        assert set(model.asked.values()) == {1}
