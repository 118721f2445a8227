"""What a node shows of its slots."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from kgnb.model import Provider
from kgnb.slots import Slots
from kgnb.store.presence import WorkerState
from kgnb.store.queue import Claim
from kgnb.upkeep import Upkeep


class Presence:
    """Keeps what it is told to write."""

    def __init__(self) -> None:
        self.told: list[tuple[list[WorkerState], bool]] = []

    async def heartbeat(self, *, workers: list[WorkerState], anew: bool, **_: object) -> None:
        self.told.append((workers, anew))


def claim(task: int, chapter: int) -> Claim:
    return Claim("kg:task:queue:a", "chapter", task, chapter, 1, 1, 0)


async def test_a_slot_shows_since_when_it_works_on_its_task() -> None:
    slots, presence = Slots(), Presence()
    node = SimpleNamespace(
        slots=slots,
        providers=SimpleNamespace(served=lambda: [Provider("a")]),
        settings=SimpleNamespace(slots_for=lambda *_: 2),
        keeper=SimpleNamespace(held={}),
        only_task=None,
    )
    upkeep = Upkeep(*cast("Any", (node, presence, None, [1, 2])))
    for task, chapter, began in ((7, 1, 10.0), (7, 2, 20.0), (8, 1, 30.0)):
        slots.add(claim(task, chapter), "a", began)
        await upkeep.heartbeat()
        slots.remove(claim(task, chapter))
    idle = WorkerState(2, "a")
    assert presence.told == [
        ([WorkerState(1, "a", 7, 10.0), idle], True),
        ([WorkerState(1, "a", 8, 30.0), idle], False),
    ]
