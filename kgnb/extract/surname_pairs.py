"""Who of one surname are named together and may so be guessed a family: what both languages share."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Sequence

from kgnb.extract.patterns import Mention

OF_ONE_SURNAME = 0.4
"""Confidence that two who share a surname and are named together are of one family."""
MAX_BETWEEN = 5
"""Names before another, at most, with which its bearer's surname is compared."""


def named_together(
    people: Sequence[Mention], bearers: Container[str], within: int
) -> list[tuple[Mention, Mention]]:
    """Return any two of ``bearers`` (names of entries) named together, where they are closest to each other.

    ``people``: mentions in order of their offsets; ``within``: characters from the first of the one name to
    the last of the other, fewer than which are together.
    """
    closest: dict[tuple[str, ...], tuple[int, Mention, Mention]] = {}
    recent = deque[tuple[int, str, Mention]]()  # the bearers before, with how many names are before them
    for i, other in enumerate(people):
        name = other.entry.name
        if name not in bearers:
            continue
        while recent and recent[0][0] < i - MAX_BETWEEN:
            recent.popleft()
        for _, his, one in recent:
            gap = other.end - one.start
            if his != name and gap < within:
                pair = (his, name) if his < name else (name, his)
                if gap < closest.get(pair, (within,))[0]:
                    closest[pair] = gap, one, other
        recent.append((i, name, other))
    return [(one, other) for _, one, other in closest.values()]
