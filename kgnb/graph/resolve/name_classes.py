"""Classes of names, each the names of one person, and why they were merged (union-find)."""

from __future__ import annotations

from dataclasses import dataclass, field

from kgnb.graph.resolve.alias_evidence import PairCounts
from kgnb.graph.resolve.decisions import Pair, pair
from kgnb.graph.resolve.name_table import base_of, is_qualified

NO_COUNTS = PairCounts()


@dataclass(frozen=True, slots=True)
class MergeReason:
    """Reason for which two names were merged.

    ``kind`` and ``detail``: ``reply`` and the number of chapters that join the two; ``table`` and the
    pre-scan's reason; or ``hand`` and the decision's id. ``counts``: chapters for and against in replies.
    ``certainty``: probability (0-1) that the merge is right: from the replies, else the pre-scan's; 1 for
    ``hand``.
    """

    one: str
    other: str
    kind: str
    detail: str
    counts: PairCounts = NO_COUNTS
    certainty: float = 1.0


@dataclass(slots=True)
class NameClasses:
    """Union-find over names, with the reason for each merge."""

    separated: dict[Pair, int] = field(default_factory=dict)
    """Sorted pairs of names that a decision keeps apart."""
    members: dict[str, list[str]] = field(default_factory=dict)
    """Root → names of its class, for classes of two names or more."""
    reasons: list[MergeReason] = field(default_factory=list)
    _root: dict[str, str] = field(default_factory=dict)
    _separated_names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._separated_names = {name for names in self.separated for name in names}

    def find(self, name: str) -> str:
        """Return the root (a name) of the class of ``name``; ``name`` itself where it was never merged."""
        return self._root.get(name, name)

    def members_of(self, name: str) -> list[str]:
        """Return all names of the class of ``name``, with ``name``; [name] where it was never merged."""
        return self.members.get(self.find(name), [name])

    def may_merge(self, one: str, other: str) -> bool:
        """Return whether the two names are in different classes that nothing forbids to merge.

        Forbidden by a decision that separates a name of one class from a name of the other, and by namesakes:
        张虎（张辽之子） never merges with 张虎.
        """
        names, others = self.members_of(one), self.members_of(other)
        if names is others or self.find(one) == self.find(other):
            return False
        for mine, theirs in ((names, others), (others, names)):
            if any(is_qualified(n, o) for n in mine if base_of(n) for o in theirs):
                return False
        return not self._separated_names or not any(
            pair(a, b) in self.separated
            for a in self._separated_names.intersection(names)
            for b in self._separated_names.intersection(others)
        )

    def merge(self, reason: MergeReason) -> None:
        """Merge the classes of ``reason.one`` and ``reason.other`` and record the reason; nothing where they
        are one.

        The alphabetically smaller root becomes the root of the merged class.
        """
        a, b = sorted((self.find(reason.one), self.find(reason.other)))
        if a == b:
            return
        moved = self.members_of(b)
        self.members[a] = [*self.members_of(a), *moved]
        self.members.pop(b, None)
        self._root.setdefault(a, a)
        self._root.update(dict.fromkeys(moved, a))
        self.reasons.append(reason)
