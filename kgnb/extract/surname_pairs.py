"""Who of one surname are named together and may so be guessed a family: what both languages share."""

from __future__ import annotations

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
    closest: dict[frozenset[str], tuple[int, Mention, Mention]] = {}
    for i, other in enumerate(people):
        near = people[max(0, i - MAX_BETWEEN) : i] if other.entry.name in bearers else ()
        for one in near:
            pair, gap = frozenset((one.entry.name, other.entry.name)), other.end - one.start
            named = one.entry.name in bearers and len(pair) == 2
            if named and gap < closest.get(pair, (within,))[0]:
                closest[pair] = gap, one, other
    return [(one, other) for _, one, other in closest.values()]
