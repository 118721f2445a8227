"""A string that may be read only so often: bounds the work that another library does with it."""

from __future__ import annotations

from typing import SupportsIndex


class BoundedStr(str):
    """A string that raises OverflowError once it was indexed or sliced ``reads_left[0]`` times.

    ``reads_left`` is shared with every string cut from it or joined with it.
    """

    reads_left: list[int]

    def __new__(cls, text: str, reads_left: list[int]) -> BoundedStr:
        """``reads_left``: a list of one number, so that it can be shared."""
        new = super().__new__(cls, text)
        new.reads_left = reads_left
        return new

    def __getitem__(self, at: SupportsIndex | slice) -> str:
        self.reads_left[0] -= 1
        if self.reads_left[0] < 0:
            raise OverflowError
        found = super().__getitem__(at)
        return BoundedStr(found, self.reads_left) if isinstance(at, slice) else found

    def __add__(self, other: str) -> str:
        return BoundedStr(super().__add__(other), self.reads_left)

    def __radd__(self, other: str) -> str:
        return BoundedStr(other.__add__(self), self.reads_left)
