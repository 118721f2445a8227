"""The text form of settings that have a number or prices for each provider."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from kgnb.core.messages import say

T = TypeVar("T")


def parse_amounts(text: str) -> dict[str, float]:
    """Parse ``"60"`` or ``"openai=60,deepseek=30"``: provider's lower-case name → number; "" is the default.

    Raises ValueError for a number that isn't positive and for a name that occurs twice.
    """
    return _parse(text, _number)


def parse_prices(text: str) -> dict[str, tuple[float, ...]]:
    """Parse ``"name=2/8"`` or ``"name/model=2/8/0.2"``: lower-case name → prices of a million tokens.

    Prices are (prompt, reply) or (prompt, reply, cached prompt). Raises ValueError for anything but two or
    three numbers from 0 up and for a name that occurs twice.
    """
    return _parse(text, _prices)


def _parse(text: str, parse_value: Callable[[str], T]) -> dict[str, T]:
    """Return lower-case name → value of "name=value,…". Raises ValueError for a name that occurs twice."""
    found: dict[str, T] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, value = part.rpartition("=")
        parsed, key = parse_value(value), name.strip().lower()
        if key in found:
            raise ValueError(say("rule.twice"))
        found[key] = parsed
    return found


def _prices(text: str) -> tuple[float, ...]:
    """Return the prices in "2/8" or "2/8/0.2". Raises ValueError for anything else."""
    numbers = text.split("/")
    if len(numbers) not in (2, 3):
        raise ValueError(say("rule.prices"))
    return tuple(_number(number, allow_zero=True) for number in numbers)


def _number(text: str, *, allow_zero: bool = False) -> float:
    """Return a finite number above 0, or 0 if allowed. Raises ValueError for anything else."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError(say("rule.amounts")) from None
    if not math.isfinite(number) or number < 0 or (number == 0 and not allow_zero):
        raise ValueError(say("rule.above_zero"))
    return number
