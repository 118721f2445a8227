"""The graph over Bolt: a projection of the extraction rows, made exact by settle.

Every write is one fenced transaction (design: fences): it writes on the Novel node first, so that writers of
one novel go one after the other; it rolls back when the settle number isn't the one that the writer read; it
asks ``check``, whether the writer's lease lives, right before writing and once more before the commit.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any, Literal, TypeVar, cast

from neo4j import AsyncTransaction

from kgnb.core.errors import GraphConflict, LeaseLost
from kgnb.core.event_loop import all_or_none
from kgnb.graph.model import LABELS, NAMED_LABELS, EdgeKey, Graph, GraphEdge, GraphNode, NodeKey
from kgnb.stores.graph import cypher
from kgnb.stores.graph.cypher import Statement
from kgnb.stores.graph.diff import GraphDiff, add_edge, add_node, grouped, with_iso_times
from kgnb.stores.graph.driver import BoltDriver, run
from kgnb.stores.graph.read_only import check_reads_only
from kgnb.stores.graph.write_cache import WriteCache
from kgnb.stores.probes import ServiceFacts, bolt_facts
from kgnb.stores.targets import GraphTarget

BATCH = 4_000
"""Rows of one transaction of settle: what both engines write in a fraction of a second. A transaction takes
seven round trips, which a server far away makes a second."""

Check = Callable[[], bool]
SettleTurn = tuple[Literal["mine", "held", "done"], int]
K = TypeVar("K")
N = TypeVar("N", bound=GraphNode | GraphEdge)


class GraphStore:
    """One graph database. Every method may raise ServiceDown and ServiceRefused (``service="bolt"``)."""

    def __init__(self, target: GraphTarget) -> None:
        self.target = target
        self._bolt = BoltDriver(target)
        self._types: set[str] = set()  # relationship types that the engine knows
        self._known = WriteCache()

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

    async def settle_number(self, novel_id: int) -> int:
        """Return the settle number of the novel (the fence); 0 before the first settle."""
        rows = await self._bolt.rows(cypher.SETTLE_STATE, novel=novel_id, task=0)
        return int(rows[0][0]) if rows else 0

    async def begin_settle(
        self, novel_id: int, seconds: float, *, after: int | None = None, task: int = 0
    ) -> SettleTurn:
        """Take the novel's settle lease for ``seconds`` under a higher number: earlier writers start again.

        A lease of the same ``task`` (0: of none) is taken over: who settled for it has lost the task itself.

        Returns "mine" and the number; "held" and the number of the settle that holds the lease; "done" when a
        settle with a number above ``after`` is complete.
        """

        async def body(tx: AsyncTransaction) -> SettleTurn:
            state = await self._lock(tx, novel_id, task)
            if (turn := _others_turn([state], after)) is not None:
                return turn
            # By the clock: in a graph that was emptied no number comes back that a writer still knows.
            number = max(state[0] + 1, state[3] * 1_000)
            ms = round(seconds * 1_000)
            await run(tx, cypher.TAKE_SETTLE, novel=novel_id, number=number, ms=ms, task=task)
            return "mine", number

        # Whoever waits only reads: a lock would be in the settle's way.
        turn = _others_turn(await self._bolt.rows(cypher.SETTLE_STATE, novel=novel_id, task=task), after)
        return turn if turn is not None else await self._bolt.write(body)

    async def extend_settle(self, novel_id: int, number: int, seconds: float, *, done: bool = False) -> None:
        """Let the lease of settle ``number`` end in ``seconds``; no effect once it is another's.

        ``done``: the graph is exact as of the rows when this settle began.
        """
        ms = round(seconds * 1_000)
        await self._bolt.execute(cypher.EXTEND_SETTLE, novel=novel_id, number=number, ms=ms, done=done)

    async def _lock(self, tx: AsyncTransaction, novel_id: int, task: int = 0) -> list[Any]:
        """Lock the Novel node; return its row of ``SETTLE_STATE``, whose first column is the number."""
        await run(tx, cypher.LOCK_NOVEL, novel=novel_id, lock=random.getrandbits(62))
        # Read by a statement of its own, after the lock: one statement might read before it writes.
        return (await run(tx, cypher.SETTLE_STATE, novel=novel_id, task=task))[0]

    async def _fenced(
        self, novel_id: int, statements: Sequence[Statement], *, number: int, check: Check, **params: Any
    ) -> int:
        """Run the statements in one fenced transaction; return the sum of their counts."""

        async def body(tx: AsyncTransaction) -> int:
            if (await self._lock(tx, novel_id))[0] != number:
                raise GraphConflict("graph.conflict", novel=novel_id)
            _must_hold(check)
            done = 0
            for one in statements:
                for answer in await run(tx, one.text, one.rows, novel=novel_id, **params):
                    done += int(answer[0])
            _must_hold(check)
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

    async def project(self, novel_id: int, graphs: Sequence[Graph], *, number: int, check: Check) -> None:
        """Add chapters to the graph in one transaction; existing nodes and edges only get the task ids.

        Raises GraphConflict when the settle number isn't ``number`` any more and LeaseLost when ``check``
        returns False; then nothing is written.
        """
        nodes, edges = _rows(graphs, self._known.tasks(novel_id, number))
        await self._ensure_types(type_ for _, type_, _ in edges)
        await self._fenced(novel_id, _additions(nodes, edges), number=number, check=check)
        self._known.add(novel_id, number, (*nodes.items(), *edges.items()))

    async def rehearse(self, novel_id: int, graphs: Sequence[Graph]) -> None:
        """Do what :meth:`project` does in a transaction that is rolled back."""
        statements = _additions(*_rows(graphs, {}))

        async def body(tx: AsyncTransaction) -> None:
            for one in statements:
                await run(tx, one.text, one.rows, novel=novel_id)
            await tx.rollback()

        await self._bolt.write(body)

    async def apply(
        self,
        novel_id: int,
        graph: Graph,
        *,
        number: int,
        check: Check,
        foreign: Collection[int] = (),
    ) -> int:
        """Make the novel's nodes and edges exactly ``graph``, writing only the differences; return how many.

        Transactions have at most :data:`BATCH` rows; an interrupted call leaves a mix that the next one
        completes. Nodes and edges of the tasks in ``foreign`` stay. Raises GraphConflict and LeaseLost like
        :meth:`project`.
        """
        found = GraphDiff(graph, foreign)
        await all_or_none(
            self._ensure_types(type_ for _, type_, _ in graph.edges),
            self._each(novel_id, found.compare_node, found.compare_edge, times=False),
        )
        changed = 0
        for statements in chain(_batches(found.removals()), _batches(found.upserts())):
            changed += await self._fenced(novel_id, statements, number=number, check=check)
        return changed

    async def has_novel(self, novel_id: int) -> bool:
        """Whether the novel has a node."""
        return bool((await self._bolt.rows(cypher.count_nodes("Novel"), novel=novel_id))[0][0])

    async def is_unsettled(self, novel_id: int) -> bool:
        """Whether the novel has no node, or its last settle hasn't come to its end (yet)."""
        rows = await self._bolt.rows(cypher.SETTLE_STATE, novel=novel_id, task=0)
        return not rows or rows[0][0] > rows[0][1]

    async def delete_task(self, novel_id: int, task_id: int, number: int) -> None:
        """Remove the task's id from the novel's nodes and edges; delete those left with none.

        Raises GraphConflict when the settle number isn't ``number`` any more.
        """
        for part in cypher.PARTS:
            for last in (False, True):
                await self._repeat(novel_id, cypher.drop_task(*part, last=last), number, task=task_id)

    async def delete_novel(self, novel_id: int, number: int) -> None:
        """Delete a whole novel. Raises GraphConflict too."""
        for part in cypher.PARTS:
            await self._repeat(novel_id, cypher.drop(*part), number)

    async def _repeat(self, novel_id: int, text: str, number: int, **params: int) -> None:
        """Run a statement that works on one batch, until it finds nothing more."""
        params["limit"], done = BATCH, BATCH
        while done >= BATCH:
            done = await self._fenced(
                novel_id, [Statement(text, [])], number=number, check=lambda: True, **params
            )

    # --- reading

    async def read(self, novel_id: int) -> Graph:
        """Return the stored graph of the novel, with ``created_at`` and ``updated_at`` as ISO 8601 texts."""
        graph = Graph()
        add = partial(add_node, graph, novel_id), partial(add_edge, graph, novel_id)
        await self._each(novel_id, *add, times=True)
        # Labels were read side by side: in the same order again.
        graph.nodes = dict(sorted(graph.nodes.items(), key=lambda item: LABELS.index(item[0][0])))
        graph.edges = dict(sorted(graph.edges.items(), key=lambda item: cypher.SOURCES.index(item[0][0][0])))
        return graph

    async def _each(
        self,
        novel_id: int,
        node: Callable[[str, list[Any]], None],
        edge: Callable[[NodeKey, list[Any]], None],
        *,
        times: bool,
    ) -> None:
        """Call ``node`` with each node's label and record, ``edge`` with each edge's start and record."""

        def edges(source: str, row: list[Any]) -> None:
            for record in row[1]:
                edge((source, str(row[0])), record)

        each = partial(self._bolt.each, novel=novel_id)
        nodes = [each(cypher.read_nodes(label, times=times), partial(node, label)) for label in LABELS]
        # One at a time: a hero of 10,000 chapters has some 20,000 edges, 2 MB.
        ties = [
            each(cypher.read_edges(source, times=times), partial(edges, source), fetched=1)
            for source in cypher.SOURCES
        ]
        await all_or_none(*ties, *nodes)

    async def counts(self, novel_id: int) -> dict[str, int]:
        """The novel's nodes by label and its edges by type, in one dict; zero where there are none."""
        counts = dict.fromkeys((*LABELS, *cypher.TYPES), 0)
        texts = [*map(cypher.count_nodes, LABELS), *map(cypher.count_edges, cypher.SOURCES)]
        found = await all_or_none(*[self._bolt.rows(text, novel=novel_id) for text in texts])
        counts |= {label: int(rows[0][0]) for label, rows in zip(LABELS, found, strict=False)}
        for type_, count in chain(*found[len(LABELS) :]):
            counts[type_] = counts.get(type_, 0) + int(count)
        return counts

    async def sizes(self) -> dict[int, int]:
        """Return each novel's number of entities and events."""
        sizes: dict[int, int] = defaultdict(int)
        texts = map(cypher.count_by_novel, (*NAMED_LABELS, "Event"))
        for novel_id, count in chain(*await all_or_none(*map(self._bolt.rows, texts))):
            if isinstance(novel_id, int):
                sizes[novel_id] += int(count)
        return dict(sizes)

    async def query(self, text: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Answer a user's own Cypher query, read only; times are ISO 8601 texts.

        Raises InputError with the engine's message when the query is invalid or would write.
        """
        check_reads_only(text)
        return [
            {key: with_iso_times(value) for key, value in row.items()}
            for row in await self._bolt.ask(text, dict(params or {}))
        ]


def _others_turn(rows: Sequence[Sequence[Any]], after: int | None) -> SettleTurn | None:
    """What ``SETTLE_STATE`` tells of another settle, as begin_settle returns it; None: the lease is free."""
    number, settled, held, _ = rows[0] if rows else (0, 0, False, 0)
    if after is not None and settled > after:
        return "done", settled
    return ("held", number) if held else None


def _must_hold(check: Check) -> None:
    if not check():
        raise LeaseLost("graph.lease_lost")


def _rows(
    graphs: Sequence[Graph], known: Mapping[Any, frozenset[int]]
) -> tuple[dict[NodeKey, cypher.Row], dict[EdgeKey, cypher.Row]]:
    return (
        _new_rows((graph.nodes for graph in graphs), cypher.node_row, known),
        _new_rows((graph.edges for graph in graphs), cypher.edge_row, known),
    )


def _new_rows(
    parts: Iterable[Mapping[K, N]], row_of: Callable[[N], cypher.Row], known: Mapping[Any, frozenset[int]]
) -> dict[K, cypher.Row]:
    """Each key's first row with the task ids of all its rows, less what is ``known`` to be written."""
    rows: dict[K, cypher.Row] = {}
    nowhere: frozenset[int] = frozenset()
    for part in parts:
        for key, one in part.items():
            tasks = cast(list[int], one.properties["task_id"])
            if (first := rows.get(key)) is not None:
                if first[-1] != tasks:
                    first[-1] = sorted({*cast(list[int], first[-1]), *tasks})
            elif not known.get(key, nowhere).issuperset(tasks):
                rows[key] = row_of(one)
    return rows


def _additions(nodes: Mapping[NodeKey, cypher.Row], edges: Mapping[EdgeKey, cypher.Row]) -> list[Statement]:
    """What adds the rows; nodes first, as edges need their ends."""
    made = [
        cypher.add_nodes(label, [nodes[k] for k in keys]) for label, keys in grouped(nodes, itemgetter(0))
    ]
    types = grouped(edges, itemgetter(1))
    return made + [cypher.add_edges(type_, [edges[key] for key in keys]) for type_, keys in types]


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
