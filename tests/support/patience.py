"""Waiting for what is sure to come: how long a test does so is no measurement."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tests.support.paths import ROOT

T = TypeVar("T")

SLOWEST = 4
"""How many times as long everything may take on the slowest machine that runs the tests: all limits that
only end a test which hangs are multiplied by it, here or where they are given."""


def happens_within(seconds: float, condition: Callable[[], object], *, every: float = 0.03) -> bool:
    """Whether ``condition`` holds within ``seconds``, or :data:`SLOWEST` times as long on a slow machine."""
    deadline = time.monotonic() + seconds * SLOWEST
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def until(condition: Callable[[], object], seconds: float = 40, what: str = "") -> None:
    """Waits until ``condition`` holds; ``what`` it should come to is told when it never does."""
    assert happens_within(seconds, condition), f"it never came to that: {what}"


async def eventually(ask: Callable[[], Awaitable[T]], seconds: float = 20) -> T:
    """Asks until the answer is something, and returns it; as long as :func:`happens_within` at most."""
    async with asyncio.timeout(seconds * SLOWEST):
        while not (answer := await ask()):
            await asyncio.sleep(0.02)
        return answer


@functools.cache
def stretch() -> float:
    """How many times as long as on a developer's machine a session must last for its node to get to work:
    measured by an import of kgnb. Replies must take longer by as much, or all chapters are done before."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import kgnb.cli.build"], cwd=ROOT, check=True)
    return max(1.0, (time.monotonic() - began) / 2)
