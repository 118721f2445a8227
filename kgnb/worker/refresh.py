"""Refreshes a novel's graph: its record is read and projected, the projection is kept in SQL, and where
NEO4J_URI is set what differs from it there is written.

One such refresh of a novel at a time, in any node or command; a second one waits, then finds it done. Its
lease lies on the Novel node, beside the number that fences every write: the graph is what it protects, and
commands refresh without Redis. Who asks for a refresh renews the lease while a process of the pool works;
when the asking process dies, the lease expires. A refresh that was frozen for longer finds a higher number at
its next write, as does one whose task another node has taken over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from kgnb.core.errors import GraphConflict, InputError, ServiceError
from kgnb.core.event_loop import at_once
from kgnb.core.messages import say
from kgnb.graph.model import Graph
from kgnb.stores.ledger.graphs import StoredGraph, make_graph
from kgnb.stores.ledger.ledger import Ledger, run_on_ledger
from kgnb.stores.targets import GraphTarget, SqlTarget
from kgnb.worker.process_pool import PoolRun

if TYPE_CHECKING:  # with the Bolt driver, whose import takes as long as a short book's names
    from kgnb.stores.graph.store import GraphStore

log = logging.getLogger(__name__)

GIVE_BACK_SECONDS = 1.5
"""How long a refresh that failed or was cancelled tries to give the lease back; else it expires."""
FIRST_CHAPTERS = 10
"""Chapters after which a running task's graph is refreshed for the first time."""
REST = 10
"""Seconds between two refreshes in mid-run for each second that the last one took."""
LEAST_REST = 20.0
"""Least seconds between two refreshes in mid-run."""


@dataclass(frozen=True, slots=True)
class RefreshJob:
    """One refresh: its novel, where the stores are, and its number on the Novel node.

    Without ``graph`` the projection is only kept in SQL, where readers find it.
    """

    novel_id: int
    sql: SqlTarget
    graph: GraphTarget | None = None
    number: int = 0


def run_refresh(job: RefreshJob) -> str:
    """Refresh a novel in the pool's process; return the digest of the record that was read.

    Raises GraphConflict when another refresh began meanwhile, and ServiceDown.
    """
    return run_on_ledger(job.sql, partial(_refresh, job))


async def _refresh(job: RefreshJob, ledger: Ledger) -> str:
    """Make and store the novel's graph, and write it to the job's graph database, if any; return the record's
    digest.
    """
    graph, novel_id = None, job.novel_id
    if job.graph is not None:
        from kgnb.stores.graph.store import GraphStore

        graph = GraphStore(job.graph)
    try:
        connecting = [graph.ping()] if graph is not None else []
        asked = (_make(ledger, novel_id), ledger.tasks.of_novel(novel_id), *connecting)
        made, tasks, *_ = await at_once(*asked)
        wanted = made[0] if made and made[1].counts.get("Chapter") else Graph()
        writing: list[Awaitable[object]] = [ledger.extractions.note_dropped(novel_id, wanted.dropped)]
        if made:
            writing.append(ledger.graphs.store(novel_id, made[1]))
        if graph is not None:
            # Tasks that kgnb never opened: an old worker's graph isn't ours to remove.
            foreign = {task.id for task in tasks if not task.provider}
            writing.append(graph.apply(novel_id, wanted, number=job.number, foreign=foreign))
        await at_once(*writing)
        return made[1].state if made else ""
    finally:
        if graph is not None:
            await graph.close()


async def _make(ledger: Ledger, novel_id: int) -> tuple[Graph, StoredGraph] | None:
    """Return the novel's graph and its stored form; None where main deleted the novel."""
    try:
        record = await ledger.graphs.record(novel_id)
    except InputError:
        return None
    return await asyncio.to_thread(make_graph, record)


@dataclass(eq=False)
class Refresh:
    """The wish that a novel's graph be what its rows and names say now, or later.

    ``seconds``: length of the lease. ``task``: the task that the refresh is for, if its own lease is held:
    then nobody waits for a node that died while it refreshed for this task. ``holds()``: whether that lease
    lives; else no refresh begins, since another node may have closed the task.
    """

    ledger: Ledger
    graph: GraphStore | None
    run: PoolRun
    novel_id: int
    seconds: float
    task: int = 0
    holds: Callable[[], bool] = lambda: True
    _seen: int | None = field(default=None, init=False)  # number of the refresh that ran at the first try

    async def attempt(self) -> bool:
        """Refresh the novel's graph; return whether it is up to date: by this call, or by another refresh
        that began since the first attempt and is complete.

        False: another refresh has the lease; try again later. Raises ServiceDown, and BrokenProcessPool when
        the pool's process died.
        """
        sql = self.ledger.database.target
        if not self.holds():
            return False
        if self.graph is None:  # made twice at once it is the same
            await self.run(run_refresh, RefreshJob(self.novel_id, sql))
            return True
        turn, number = await self.graph.begin_refresh(
            self.novel_id, self.seconds, after=self._seen, task=self.task
        )
        if turn == "held" and self._seen is None:
            log.info(say("node.refresh_waits", novel=self.novel_id))
        self._seen = number if self._seen is None else self._seen
        if turn == "mine":
            return await self._write(self.graph, RefreshJob(self.novel_id, sql, self.graph.target, number))
        return turn == "done"

    async def _write(self, graph: GraphStore, job: RefreshJob) -> bool:
        """Run the refresh under its lease; return False where another one began meanwhile."""
        renewal = asyncio.create_task(self._renew(graph, job.number))
        try:
            state = await self.run(run_refresh, job)
            await graph.end_refresh(self.novel_id, job.number, state)
            return True
        except GraphConflict:
            return False
        except BaseException:
            with suppress(ServiceError, TimeoutError):
                async with asyncio.timeout(GIVE_BACK_SECONDS):
                    await graph.extend_refresh(self.novel_id, job.number, 0.0)
            raise
        finally:
            renewal.cancel()

    async def _renew(self, graph: GraphStore, number: int) -> None:
        while True:
            await asyncio.sleep(self.seconds / 3)
            with suppress(ServiceError):  # one that expired is renewed too, unless another refresh took it
                await graph.extend_refresh(self.novel_id, number, self.seconds)


class Refreshes:
    """A node's refreshes of its open tasks' novels: one of a novel at a time, also while chapters go on."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()  # by novel
        self._last: dict[int, tuple[int, float]] = {}  # by novel: chapters that had ended; next not before

    async def attempt(self, refresh: Refresh) -> bool:
        """Like :meth:`Refresh.attempt`, but wait for a refresh of the same novel that runs in this
        process.
        """
        turn = self._turns.setdefault(refresh.novel_id, asyncio.Lock())
        async with turn:
            return await refresh.attempt()

    async def in_mid_run(self, wanted: Iterable[tuple[Refresh, int]]) -> None:
        """Refresh, one after another, those that are due; each with its number of chapters that ended."""
        wanted = list(wanted)
        ids = {refresh.novel_id for refresh, _ in wanted}
        self._last = {novel_id: last for novel_id, last in self._last.items() if novel_id in ids}
        for refresh, ended in wanted:
            if self._is_due(refresh.novel_id, ended):
                began, done = time.monotonic(), False
                try:
                    done = await self.attempt(refresh)
                finally:
                    now = time.monotonic()
                    rest = max(LEAST_REST, REST * (now - began))
                    self._last[refresh.novel_id] = ended if done else -1, now + rest

    def _is_due(self, novel_id: int, ended: int) -> bool:
        """Return whether a running task's graph is to be refreshed: enough chapters ``ended``, and enough
        time passed since.
        """
        if (last := self._last.get(novel_id)) is None:
            return ended >= FIRST_CHAPTERS
        before, not_before = last
        return ended != before and time.monotonic() >= not_before
