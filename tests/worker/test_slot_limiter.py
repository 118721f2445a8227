"""The slots a node uses of a rate-limited provider."""

from __future__ import annotations

import pytest

from kgnb.worker import slots
from kgnb.worker.slots import SlotLimiter


def test_a_burst_of_429s_halves_once_and_a_round_of_successes_adds_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(slots.time, "monotonic", lambda: now[0])
    limiter = SlotLimiter(40)
    for _ in range(40):
        limiter.on_rate_limit()
    assert limiter.slots == 20
    now[0] += 10
    limiter.on_rate_limit()
    assert limiter.slots == 10
    for _ in range(9):
        limiter.on_success()
    assert limiter.slots == 10
    limiter.on_success()
    assert limiter.slots == 11
    for _ in range(11):
        limiter.on_success()
    assert limiter.slots == 12
    for _ in range(2_000):
        limiter.on_success()
    assert limiter.slots == 40
    for _ in range(20):
        now[0] += 10
        limiter.on_rate_limit()
    assert limiter.slots == 1
    limiter.on_success()
    assert limiter.slots == 2
