"""What the log tells of services that go and come."""

from __future__ import annotations

import time

import pytest

from kgnb.core.errors import ServiceDown
from kgnb.worker.outages import STEADY_SECONDS, Outages

GONE, BACK = "没有应答", "恢复了"


class Clock:
    """time.monotonic() of the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [word for one in caplog.messages for word in (GONE, BACK) if word in one]


def fail(outages: Outages, service: str = "bolt") -> None:
    outages.report_down(ServiceDown("graph.down", service=service, where="bolt://there"))


@pytest.mark.parametrize(("times", "pairs"), [(4, 1), (20, 4)])
def test_a_service_that_comes_and_goes_is_told_now_and_then(
    clock: Clock, caplog: pytest.LogCaptureFixture, times: int, pairs: int
) -> None:
    outages = Outages()
    for _ in range(times):
        fail(outages)
        clock.now += 4
        outages.report_up("bolt")
        clock.now += 4
    assert told(caplog) == [GONE, BACK] * pairs
    assert not outages.is_down("bolt")


def test_a_second_outage_that_lasts_is_told_late_rather_than_never(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    outages = Outages()
    fail(outages)
    outages.report_up("bolt")
    for _ in range(3):
        fail(outages)
        clock.now += STEADY_SECONDS / 2
    assert told(caplog) == [GONE, BACK, GONE]
    outages.report_up("bolt")
    assert told(caplog) == [GONE, BACK, GONE, BACK]


def test_one_that_was_well_for_a_while_is_told_at_once_and_each_service_for_itself(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    outages = Outages()
    fail(outages)
    outages.report_up("bolt")
    fail(outages, "sql")
    clock.now += STEADY_SECONDS
    fail(outages)
    assert told(caplog) == [GONE, BACK, GONE, GONE]
