"""Cache of written nodes and edges: a book's characters and relations recur in every chapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from kgnb.graph.model import EdgeKey, NodeKey
from kgnb.stores.graph.cypher import Row

MOST_KNOWN = 20_000
"""Nodes and edges remembered as written: some 5 MB; 三国演义 has 12,000 ties."""

Ref = NodeKey | EdgeKey


class WriteCache:
    """What this process has projected since a novel's settle number changed last, by task.

    Writing it once is enough, because only a settle or a deleted task removes any, and both put up another
    number.
    """

    def __init__(self) -> None:
        self._novel = (0, 0)
        self._tasks: dict[Ref, frozenset[int]] = {}
        self._same: dict[frozenset[int], frozenset[int]] = {}  # few, but each row has its own copy

    def tasks(self, novel_id: int, number: int) -> Mapping[Ref, frozenset[int]]:
        """What is written under this settle number → the tasks it was written for."""
        return self._tasks if self._novel == (novel_id, number) else {}

    def add(self, novel_id: int, number: int, rows: Iterable[tuple[Ref, Row]]) -> None:
        """Note rows that are committed; what belongs to one chapter alone never comes again."""
        if self._novel != (novel_id, number):
            self._novel, self._tasks, self._same = (novel_id, number), {}, {}
        for ref, row in rows:
            if ref[0] not in _ONCE and ref[1] not in _ONCE and len(self._tasks) < MOST_KNOWN:
                tasks = self._tasks.get(ref, frozenset()) | frozenset(cast(list[int], row[-1]))
                self._tasks[ref] = self._same.setdefault(tasks, tasks)


_ONCE = frozenset({"Chapter", "Event", "APPEARS_IN", "PARTICIPATES_IN", "OCCURS_IN"})
