"""What a call costs: numbers that are the same however busy the machine is."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple


class Memory(NamedTuple):
    """A call's result, and the bytes that it held with that at the end, and at most."""

    result: Any
    kept: int
    peak: int


def memory(call: Callable[[], object]) -> Memory:
    tracemalloc.start()
    try:
        return Memory(call(), *tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()


def steps(call: Callable[[], object]) -> int:
    """How often functions are called and return."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1

    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(None)
    return seen
