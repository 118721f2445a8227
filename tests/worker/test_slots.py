"""How many chapters a node asks its queues for."""

from __future__ import annotations

import pytest

from kgnb.stores.queue.types import Claim, QueueName
from kgnb.worker.slots import Slots, max_unwritten, read_ahead


def test_a_chapter_gets_its_providers_lowest_free_slot() -> None:
    slots = Slots()
    claims = [Claim(QueueName("kg:task:queue:a"), "chapter", 7, n, 1, 1, 0) for n in range(6)]
    taken = [slots.add(claim, key, 0.0).slot for claim, key in zip(claims, "aaabaa", strict=True)]
    assert taken == [0, 1, 2, 0, 3, 4]
    for n in (4, 1, 1, 0):
        slots.remove(claims[n])
    assert (slots.busy("a"), slots.busy("b"), slots.busy("c"), len(slots)) == (2, 1, 0, 3)
    assert [slots.add(claims[n], "a", 0.0).slot for n in (0, 4, 1)] == [0, 1, 3]
    assert slots.add(Claim(QueueName("kg:task:queue:a"), "chapter", 7, 9, 1, 1, 0), "a", 0.0).slot == 5


def test_a_chapter_claimed_anew_is_not_its_lost_work() -> None:
    slots = Slots()
    lost, anew = (Claim(QueueName("kg:task:queue:a"), "chapter", 7, 1, token, 1, 0) for token in (5, 6))
    slots.add(lost, "a", 0.0)
    slots.add(anew, "a", 0.0)
    slots.remove(lost)
    assert list(slots.in_flight) == [anew]
    slots.remove(lost)
    slots.remove(anew)
    assert (slots.busy("a"), len(slots)) == (0, 0)


@pytest.mark.parametrize(
    ("slots", "seconds", "chapters"),
    [(60, 0.0, 15), (60, 0.3, 60), (60, 0.5, 60), (60, 1.0, 30), (60, 15.0, 15), (4, 15.0, 1), (1, 0.1, 1)],
)
def test_as_many_are_read_ahead_as_are_answered_meanwhile(slots: int, seconds: float, chapters: int) -> None:
    assert read_ahead(slots, seconds) == chapters


@pytest.mark.parametrize(("beside", "chapters"), [(0.1, 15), (2.0, 24), (4.0, 48), (60.0, 60)])
def test_more_are_read_ahead_where_the_stores_are_far(beside: float, chapters: int) -> None:
    assert read_ahead(60, 5.0, beside) == chapters


@pytest.mark.parametrize(("slots", "chapters"), [(1, 2), (60, 120), (100, 120), (200, 120), (400, 200)])
def test_fewer_wait_for_the_graph_where_slots_are_many(slots: int, chapters: int) -> None:
    assert max_unwritten(slots) == chapters
