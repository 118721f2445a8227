"""A text that may be looked at only so often: a bound on work that another library does with it. Pure."""

from __future__ import annotations

from typing import SupportsIndex


class BoundedStr(str):
    """A string whose characters can be taken ``left[0]`` times; then OverflowError. What is cut from it or
    joined with it counts on."""

    left: list[int]

    def __new__(cls, text: str, left: list[int]) -> BoundedStr:
        """``left`` is shared by all that comes of the text."""
        new = super().__new__(cls, text)
        new.left = left
        return new

    def __getitem__(self, at: SupportsIndex | slice) -> str:
        self.left[0] -= 1
        if self.left[0] < 0:
            raise OverflowError
        found = super().__getitem__(at)
        return BoundedStr(found, self.left) if isinstance(at, slice) else found

    def __add__(self, other: str) -> str:
        return BoundedStr(super().__add__(other), self.left)

    def __radd__(self, other: str) -> str:
        return BoundedStr(other.__add__(self), self.left)
