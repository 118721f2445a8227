"""A node that doesn't reach the graph, or only slowly, keeps nothing from those that do."""

from __future__ import annotations

from pathlib import Path

from kgnb.core.errors import ServiceDown
from tests.support.ledgers import opened
from tests.support.light_nodes import Model, done, in_flight, light_node, submitted, until


async def unreachable() -> None:
    raise ServiceDown("graph.down", service="bolt", where="there")


async def test_chapters_and_settle_go_to_a_node_that_reaches_the_graph(
    redis_url: str, tmp_path: Path
) -> None:
    model = Model()
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
        task_id = await submitted(ledger, redis_url, 4)
        async with light_node(redis_url, ledger, tmp_path, model) as a:
            a.graph.gate = unreachable
            await until(lambda: in_flight(model))
            model.open.set()
            async with light_node(redis_url, ledger, tmp_path, model, "b") as b:
                await until(lambda: done(ledger, b, task_id))
            assert a.node.stores.outages.is_down("bolt")
        assert set(model.asked.values()) == {1}
        assert (await ledger.tasks.progress(task_id)).completed == 4
