"""Work on a whole book (name scan, settle) in a process of its own, so that the node stays responsive.

The lease stays with the node. The node writes the time until which the lease certainly holds into a small
file, the *permit*; the settling process reads it before every write. When the node is frozen, killed or loses
its lease, the permit is no longer renewed and the settle ends with LeaseLost.
"""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from kgnb.core.event_loop import new_loop
from kgnb.core.messages import say
from kgnb.core.model import Novel, Provider, Task, TaskConfig
from kgnb.core.process_pool import CpuPool, PoolRun
from kgnb.core.process_tuning import release_memory
from kgnb.extract import name_scan
from kgnb.extract.model import NameEntry
from kgnb.extract.zh.dictionary import dictionary_file
from kgnb.stores.graph.store import GraphStore
from kgnb.stores.ledger.database import Database
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.targets import GraphTarget, SqlTarget

if TYPE_CHECKING:
    from kgnb.worker.task_router import Route

log = logging.getLogger(__name__)

RENEW_SECONDS = 0.25
"""Interval between two renewals of a permit."""

_TIME = struct.Struct("d")


class Permit:
    """A deadline in a file of eight bytes, by ``time.monotonic()``: one clock for all processes."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _TIME.size)

    @classmethod
    def make(cls) -> tuple[Permit, Path]:
        """Create a permit that permits nothing yet; return it and its file."""
        handle, name = tempfile.mkstemp(prefix="kgnb-permit-")
        os.write(handle, _TIME.pack(0.0))
        os.close(handle)
        return cls(Path(name)), Path(name)

    def until(self, moment: float) -> None:
        """Permit writing until ``moment``."""
        self._map[:] = _TIME.pack(moment)

    def holds(self) -> bool:
        """Whether writing is permitted now."""
        limit: float = _TIME.unpack(self._map[:])[0]
        return time.monotonic() < limit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._map.close()


@dataclass(frozen=True, slots=True)
class SettleJob:
    """One settle: novel, settle number, and where the stores are."""

    sql: SqlTarget
    graph: GraphTarget
    novel: Novel
    config: TaskConfig
    number: int


def book_runner(pool: CpuPool, provider: Provider) -> PoolRun:
    """Where a book's scan and settle run; the rules' own processes hold the word lists already."""
    return pool.run if provider.is_rules else pool.run_long


async def freeze_names(ledger: Ledger, pool: CpuPool, task: Task, route: Route) -> Sequence[NameEntry]:
    """Scan the task's book for the names of its prompts; store them and the route's kinds of things for good.

    Names that are stored already are returned as they are. Raises ServiceDown, and BrokenProcessPool when the
    scan's process died.
    """
    frozen = await ledger.names.frozen(task.id)
    if frozen is not None:
        return frozen
    log.info(say("node.scan", task=task.id))
    if dictionary_file() is None and await ledger.books.language(task.novel_id) == "zh":
        log.warning(say("node.no_dictionary", task=task.id))
    run = book_runner(pool, route.provider)
    found, state = await run(scan_names, ledger.database.target, task.novel_id, pool.may_fork)
    return await ledger.names.freeze(task.id, task.novel_id, found, state, route.config.thing_kinds)


async def rescan_names(ledger: Ledger, pool: CpuPool, novel_id: int) -> None:
    """Make the book's name table what its present text says. Raises as :func:`freeze_names`."""
    run = pool.run_long
    await ledger.names.replace(
        novel_id, *await run(scan_names, ledger.database.target, novel_id, pool.may_fork)
    )


def scan_names(sql: SqlTarget, novel_id: int, forks: bool) -> tuple[list[NameEntry], str]:
    """Scan a book for names, in the pool's process; return them and the state of the text they are from."""
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(_scan(sql, novel_id, forks))
    finally:
        release_memory()  # the book's texts: the process stays for the settle


async def _scan(sql: SqlTarget, novel_id: int, forks: bool) -> tuple[list[NameEntry], str]:
    opened = Database(sql)
    try:
        ledger = Ledger(opened)
        state = await ledger.books.text_digest(novel_id)
        lang = await ledger.books.language(novel_id)
        return name_scan.scan(ledger.books.texts_blocking(novel_id), lang, forks=forks), state
    finally:
        await opened.close()


async def settle_in_process(run: PoolRun, job: SettleJob, until: Callable[[], float]) -> int:
    """Run the settle in a process of the pool; ``until()`` returns until when the lease certainly holds.

    Raises GraphConflict, LeaseLost, ServiceDown, and BrokenProcessPool when the process died.
    """
    permit, path = Permit.make()
    with permit:
        permit.until(until())
        renewal = asyncio.create_task(_renew(permit, until))
        try:
            changed: int = await run(run_settle, job, path)
            return changed
        finally:
            renewal.cancel()
            permit.until(0.0)  # a settle that still runs writes nothing more
            path.unlink()


async def _renew(permit: Permit, until: Callable[[], float]) -> None:
    while True:
        permit.until(until())
        await asyncio.sleep(RENEW_SECONDS)


def run_settle(job: SettleJob, permit: Path) -> int:
    """Settle a novel, in the pool's process, while ``permit`` holds."""
    with Permit(permit) as allowed, asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(_settle(job, allowed))


async def _settle(job: SettleJob, allowed: Permit) -> int:
    sql, graph = Database(job.sql), GraphStore(job.graph)
    try:
        ledger, novel_id = Ledger(sql), job.novel.id
        final, _ = await ledger.graphs.make(novel_id)
        # Tasks that kgnb never opened: an old worker's graph isn't ours to remove.
        foreign = {task.id for task in await ledger.tasks.of_novel(novel_id) if not task.provider}
        done = await graph.apply(novel_id, final, number=job.number, check=allowed.holds, foreign=foreign)
        await ledger.extractions.note_dropped(novel_id, final.dropped)
        return done
    finally:
        await graph.close()
        await sql.close()
