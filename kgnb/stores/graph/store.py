"""The graph over Bolt: a copy of the projection of the record, which a refresh makes equal to it.

Every write is one fenced statement (design: fences), a transaction of its own: it writes on the Novel node
first, so that writers of one novel go one after the other, and does nothing more when the number there isn't
the writer's. So a writer that was frozen, or whose novel was deleted, changes nothing once another refresh,
or the deletion, has begun.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

from kgnb.core.errors import GraphConflict
from kgnb.core.event_loop import all_or_none
from kgnb.graph.model import Graph, NodeKey
from kgnb.stores.graph import cypher
from kgnb.stores.graph.cypher import Statement
from kgnb.stores.graph.diff import GraphDiff, with_iso_times
from kgnb.stores.graph.driver import WRITERS, BoltDriver
from kgnb.stores.graph.read_only import check_reads_only
from kgnb.stores.probes import try_writing
from kgnb.stores.targets import GraphTarget

BATCH = 4_000
"""Rows of one statement of a refresh: what is written in a fraction of a second."""

RefreshTurn = tuple[Literal["mine", "held", "done"], int]


class GraphStore:
    """One graph database. Every method may raise ServiceDown and ServiceRefused (``service="bolt"``)."""

    def __init__(self, target: GraphTarget) -> None:
        self.target = target
        self.bolt = BoltDriver(target)
        self._types: set[str] = set()  # relationship types that the engine knows

    async def prepare(self) -> None:
        """Create missing constraints, indexes and relationship types."""
        # Asked first: a node that takes over must not spend three round trips on each that exists.
        *found, types = await all_or_none(
            *map(self.bolt.rows, (*cypher.SCHEMA_NAMES, cypher.RELATIONSHIP_TYPES))
        )
        existing = [row[0] for rows in found for row in rows]
        self._types.update(row[0] for row in types)
        for name, statement in cypher.schema().items():
            if name not in existing:
                await self.bolt.execute(statement)
        await self._ensure_types(cypher.TYPES)

    async def ping(self) -> None:
        """Raise ServiceDown or ServiceRefused unless the engine answers a query."""
        await self.bolt.rows("RETURN 1")

    async def probe(self) -> None:
        """Raise ServiceDown or ServiceRefused unless the engine takes a write."""
        await try_writing(self.bolt)

    async def close(self) -> None:
        """Close all connections."""
        await self.bolt.close()

    # --- the fence

    async def begin_refresh(
        self, novel_id: int, seconds: float, *, after: int | None = None, task: int = 0
    ) -> RefreshTurn:
        """Take the novel's refresh lease for ``seconds`` under a higher number; return (turn, number).

        ("mine", the new number): writers with a lower number can't write any more. ("held", number of the
        running refresh): another node has the lease. ("done", number): a refresh with a number above
        ``after`` is complete. A lease of the same ``task`` (0: of none) is taken over: its holder has lost
        the task itself.
        """

        asked: dict[str, Any] = {"novel": novel_id, "task": task}
        # Whoever waits only reads: a lock would be in the refresh's way.
        turn = _others_turn(await self.bolt.rows(cypher.REFRESH_STATE, **asked), after)
        if turn is None:
            asked |= {"after": after, "ms": round(seconds * 1_000), "lock": random.getrandbits(62)}
            rows = await self.bolt.execute(cypher.BEGIN_REFRESH, **asked)
            turn = _others_turn(rows, after) or ("mine", rows[0][3])
        return turn

    async def extend_refresh(self, novel_id: int, number: int, seconds: float) -> None:
        """Let the lease of refresh ``number`` end in ``seconds``; no effect once it is another's."""
        ms = round(seconds * 1_000)
        await self.bolt.execute(cypher.EXTEND_REFRESH, novel=novel_id, number=number, ms=ms)

    async def end_refresh(self, novel_id: int, number: int, state: str) -> None:
        """End the lease of refresh ``number``, unless it is another's: the graph is that of the record in
        ``state``."""
        await self.bolt.execute(cypher.END_REFRESH, novel=novel_id, number=number, state=state)

    async def refreshed_state(self, novel_id: int) -> str:
        """Return the digest of the record that the graph is made from; "" when the last refresh is
        incomplete, or there is no graph.
        """
        rows = await self.bolt.rows(cypher.REFRESHED_STATE, novel=novel_id)
        return str(rows[0][0] or "") if rows else ""

    async def write_fenced(self, novel_id: int, one: Statement, number: int) -> int:
        """Run a statement for each of its rows, if the number is still the novel's; return their count."""
        fence = {"novel": novel_id, "number": number, "lock": random.getrandbits(62)}
        ((done,),) = await self.bolt.execute(one.text, one.rows, **fence)
        if not done:
            state = await self.bolt.rows(cypher.REFRESH_STATE, novel=novel_id, task=0)
            if not state or state[0][0] != number:
                raise GraphConflict("graph.conflict", novel=novel_id)
        return int(done)

    async def _ensure_types(self, types: Iterable[str]) -> None:
        missing = sorted(set(types) - self._types)
        if not missing:
            return
        known = {row[0] for row in await self.bolt.rows(cypher.RELATIONSHIP_TYPES)}
        missing = [t for t in missing if t not in known]
        if missing:
            await self.bolt.execute(cypher.make_types(missing), id=-random.getrandbits(62) - 1)
        self._types |= known | set(missing)

    # --- writing

    async def apply(
        self,
        novel_id: int,
        graph: Graph,
        *,
        number: int,
        foreign: Collection[int] = (),
    ) -> int:
        """Make the novel's nodes and edges exactly ``graph``, writing only the differences; return how many.

        Statements have at most :data:`BATCH` (4,000) rows; an interrupted call leaves a mix that the next one
        completes. Nodes and edges of the tasks in ``foreign`` stay. An empty graph leaves nothing, not even
        the Novel. Raises GraphConflict when the number isn't ``number`` any more.
        """
        found = GraphDiff(graph, foreign)
        await all_or_none(
            self._ensure_types(type_ for _, type_, _ in graph.edges),
            self._each(novel_id, found.compare_node, found.compare_edge),
        )
        changed = 0
        for stage in found.stages():
            parts = _parts(stage)
            while some := list(islice(parts, WRITERS)):
                changed += sum(await all_or_none(*(self.write_fenced(novel_id, one, number) for one in some)))
        return changed

    # --- reading

    async def _each(
        self,
        novel_id: int,
        node: Callable[[str, list[Any]], None],
        edge: Callable[[NodeKey, list[Any]], None],
    ) -> None:
        """Call ``node`` with each node's label and record, ``edge`` with each edge's start and record."""

        def edges(row: list[Any]) -> None:
            for record in row[2]:
                edge((row[0], str(row[1])), record)

        await all_or_none(
            # One at a time: a hero of 10,000 chapters has some 20,000 edges, 2 MB.
            self.bolt.each(cypher.read_edges(), edges, fetched=1, novel=novel_id),
            self.bolt.each(cypher.read_nodes(), lambda row: node(*row), novel=novel_id),
        )

    async def query(self, text: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return a dict, column → value, for each row of a user's own Cypher query, read only; times are ISO
        8601 texts.

        Raises InputError with the engine's message when the query is invalid or would write.
        """
        check_reads_only(text)
        return [
            {key: with_iso_times(value) for key, value in row.items()}
            for row in await self.bolt.ask(text, dict(params or {}))
        ]


def _others_turn(rows: Sequence[Sequence[Any]], after: int | None) -> RefreshTurn | None:
    """Return the turn of another refresh in rows of ``REFRESH_STATE``, as begin_refresh returns it; None if
    the lease is free.
    """
    number, refreshed, held, *_ = rows[0] if rows else (0, 0, False)
    if after is not None and refreshed > after:
        return "done", refreshed
    return ("held", number) if held else None


def _parts(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Yield the statements, split so that none has more than :data:`BATCH` rows."""
    for text, rows in statements:
        for start in range(0, len(rows), BATCH):
            yield Statement(text, rows[start : start + BATCH])
