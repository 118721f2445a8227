"""The graph over Bolt: a copy of the projection of the record, which a refresh makes equal to it.

Every write is one fenced transaction (design: fences): it writes on the Novel node first, so that writers of
one novel go one after the other, and rolls back when the number there isn't the writer's. So a writer that
was frozen, or whose novel was deleted, changes nothing once another refresh, or the deletion, has begun.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Literal

from neo4j import AsyncTransaction

from kgnb.core.errors import GraphConflict
from kgnb.core.event_loop import all_or_none
from kgnb.graph.model import LABELS, Graph, NodeKey
from kgnb.stores.graph import cypher
from kgnb.stores.graph.cypher import Statement
from kgnb.stores.graph.diff import GraphDiff, with_iso_times
from kgnb.stores.graph.driver import BoltDriver, run
from kgnb.stores.graph.read_only import check_reads_only
from kgnb.stores.probes import ServiceFacts, bolt_facts
from kgnb.stores.targets import GraphTarget

BATCH = 4_000
"""Rows of one transaction of refresh: what both engines write in a fraction of a second. A transaction takes
seven round trips, which a server far away makes a second."""

RefreshTurn = tuple[Literal["mine", "held", "done"], int]


class GraphStore:
    """One graph database. Every method may raise ServiceDown and ServiceRefused (``service="bolt"``)."""

    def __init__(self, target: GraphTarget) -> None:
        self.target = target
        self._bolt = BoltDriver(target)
        self._types: set[str] = set()  # relationship types that the engine knows

    async def prepare(self) -> None:
        """Create missing constraints, indexes and relationship types."""
        # Asked first: a node that takes over must not spend three round trips on each that exists.
        found = await all_or_none(*map(self._bolt.rows, cypher.SCHEMA_NAMES))
        existing = [row[0] for rows in found for row in rows]
        for name, statement in cypher.schema().items():
            if name not in existing:
                await self._bolt.execute(statement)
        await self._ensure_types(cypher.TYPES)

    async def ping(self) -> None:
        """Raise ServiceDown or ServiceRefused unless the engine answers a query."""
        await self._bolt.rows("RETURN 1")

    async def check(self, *, tls: bool) -> ServiceFacts:
        """Return facts for ``kgnb doctor``; ServiceRefused without the right to write."""
        return await bolt_facts(self._bolt, tls=tls)

    async def close(self) -> None:
        """Close all connections."""
        await self._bolt.close()

    # --- the fence

    async def begin_refresh(
        self, novel_id: int, seconds: float, *, after: int | None = None, task: int = 0
    ) -> RefreshTurn:
        """Take the novel's refresh lease for ``seconds`` under a higher number: earlier writers start again.

        A lease of the same ``task`` (0: of none) is taken over: its holder has lost the task itself.

        Returns "mine" and the number; "held" and the number of the refresh that has it; "done" when one with
        a number above ``after`` is complete.
        """

        async def body(tx: AsyncTransaction) -> RefreshTurn:
            state = await self._lock(tx, novel_id, task)
            if (turn := _others_turn([state], after)) is not None:
                return turn
            # By the clock: in a graph that was emptied no number comes back that a writer still knows.
            number = max(state[0] + 1, state[3] * 1_000)
            ms = round(seconds * 1_000)
            await run(tx, cypher.TAKE_REFRESH, novel=novel_id, number=number, ms=ms, task=task)
            return "mine", number

        # Whoever waits only reads: a lock would be in the refresh's way.
        turn = _others_turn(await self._bolt.rows(cypher.REFRESH_STATE, novel=novel_id, task=task), after)
        return turn if turn is not None else await self._bolt.write(body)

    async def extend_refresh(self, novel_id: int, number: int, seconds: float) -> None:
        """Let the lease of refresh ``number`` end in ``seconds``; no effect once it is another's."""
        ms = round(seconds * 1_000)
        await self._bolt.execute(cypher.EXTEND_REFRESH, novel=novel_id, number=number, ms=ms)

    async def end_refresh(self, novel_id: int, number: int, state: str) -> None:
        """End the lease of refresh ``number``, unless it is another's: the graph is that of the record in
        ``state``."""
        await self._bolt.execute(cypher.END_REFRESH, novel=novel_id, number=number, state=state)

    async def refreshed_state(self, novel_id: int) -> str:
        """The state of the record that the graph is made from; "" when the last refresh didn't come to its
        end, or there is no graph."""
        rows = await self._bolt.rows(cypher.REFRESHED_STATE, novel=novel_id)
        return str(rows[0][0] or "") if rows else ""

    async def _lock(self, tx: AsyncTransaction, novel_id: int, task: int = 0) -> list[Any]:
        """Lock the Novel node; return its row of ``REFRESH_STATE``, whose first column is the number."""
        await run(tx, cypher.LOCK_NOVEL, novel=novel_id, lock=random.getrandbits(62))
        # Read by a statement of its own, after the lock: one statement might read before it writes.
        return (await run(tx, cypher.REFRESH_STATE, novel=novel_id, task=task))[0]

    async def _fenced(self, novel_id: int, statements: Sequence[Statement], number: int) -> int:
        """Run the statements in one fenced transaction; return the sum of their counts."""

        async def body(tx: AsyncTransaction) -> int:
            if (await self._lock(tx, novel_id))[0] != number:
                raise GraphConflict("graph.conflict", novel=novel_id)
            done = 0
            for one in statements:
                for answer in await run(tx, one.text, one.rows, novel=novel_id):
                    done += int(answer[0])
            return done

        return await self._bolt.write(body)

    async def _ensure_types(self, types: Iterable[str]) -> None:
        missing = sorted(set(types) - self._types)
        if not missing:
            return
        known = {row[0] for row in await self._bolt.rows(cypher.RELATIONSHIP_TYPES)}
        missing = [t for t in missing if t not in known]
        if missing:
            await self._bolt.execute(cypher.make_types(missing), id=-random.getrandbits(62) - 1)
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

        Transactions have at most :data:`BATCH` rows; an interrupted call leaves a mix that the next one
        completes. Nodes and edges of the tasks in ``foreign`` stay. An empty graph leaves nothing, not even
        the Novel. Raises GraphConflict when the number isn't ``number`` any more.
        """
        found = GraphDiff(graph, foreign)
        await all_or_none(
            self._ensure_types(type_ for _, type_, _ in graph.edges),
            self._each(novel_id, found.compare_node, found.compare_edge),
        )
        changed = 0
        for statements in chain(_batches(found.removals()), _batches(found.upserts())):
            changed += await self._fenced(novel_id, statements, number)
        return changed

    # --- reading

    async def _each(
        self,
        novel_id: int,
        node: Callable[[str, list[Any]], None],
        edge: Callable[[NodeKey, list[Any]], None],
    ) -> None:
        """Call ``node`` with each node's label and record, ``edge`` with each edge's start and record."""

        def edges(source: str, row: list[Any]) -> None:
            for record in row[1]:
                edge((source, str(row[0])), record)

        each = partial(self._bolt.each, novel=novel_id)
        nodes = [each(cypher.read_nodes(label), partial(node, label)) for label in LABELS]
        # One at a time: a hero of 10,000 chapters has some 20,000 edges, 2 MB.
        ties = [
            each(cypher.read_edges(source), partial(edges, source), fetched=1) for source in cypher.SOURCES
        ]
        await all_or_none(*ties, *nodes)

    async def query(self, text: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Answer a user's own Cypher query, read only; times are ISO 8601 texts.

        Raises InputError with the engine's message when the query is invalid or would write.
        """
        check_reads_only(text)
        return [
            {key: with_iso_times(value) for key, value in row.items()}
            for row in await self._bolt.ask(text, dict(params or {}))
        ]


def _others_turn(rows: Sequence[Sequence[Any]], after: int | None) -> RefreshTurn | None:
    """What ``REFRESH_STATE`` tells of another refresh, as begin_refresh returns it; None: it is free."""
    number, refreshed, held, _ = rows[0] if rows else (0, 0, False, 0)
    if after is not None and refreshed > after:
        return "done", refreshed
    return ("held", number) if held else None


def _batches(statements: Iterable[Statement]) -> Iterator[list[Statement]]:
    """Split statements so that no batch has more than :data:`BATCH` rows."""
    batch: list[Statement] = []
    room = BATCH
    for text, rows in statements:
        start = 0
        while start < len(rows):
            part = rows[start : start + room]
            batch.append(Statement(text, part))
            start, room = start + len(part), room - len(part)
            if not room:
                yield batch
                batch, room = [], BATCH
    if batch:
        yield batch
