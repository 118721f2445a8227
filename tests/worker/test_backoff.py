"""How long a node waits before it tries again."""

from __future__ import annotations

import pytest

from kgnb.worker.backoff import Backoff, idle_seconds


def test_backoff() -> None:
    backoff = Backoff()
    delays = [backoff.delay() for _ in range(6)]
    for delay, full in zip(delays, (0.2, 0.4, 0.8, 1.6, 2.0, 2.0), strict=True):
        assert full * 0.75 <= delay <= full
    backoff.reset()
    assert backoff.delay() <= 0.2


@pytest.mark.parametrize("nodes", [1, 12, 50, 90])
def test_many_idle_nodes_ask_no_more_often_than_twelve(nodes: int) -> None:
    assert nodes / idle_seconds(nodes) <= 6
    assert 2 <= idle_seconds(nodes) <= 15
