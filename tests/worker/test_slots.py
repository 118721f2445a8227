"""How many chapters a node asks its queues for."""

from __future__ import annotations

import pytest

from kgnb.worker.slots import max_unwritten, read_ahead


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
