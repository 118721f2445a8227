"""Works a chapter: claim, ask (or cache), row, project, mark, ack.

The order is the protocol: the row is durable before the graph is written from it, the graph before the
chapter is marked, the mark before the lease is given up. After a crash the next node continues from the last
step on record. Small writes of many chapters share round trips (group commit, core/batcher.py).
"""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from kgnb.book.model import text_hash
from kgnb.core.batcher import Batcher
from kgnb.core.errors import EndpointWrong, GraphConflict, KgnbError, LeaseLost, ReplyError, RequestRejected
from kgnb.core.messages import say
from kgnb.core.model import MIN_CHAPTER_CHARS, ChapterStatus
from kgnb.extract.model import GAPS, Extraction
from kgnb.graph.model import ExtractionRow, Graph
from kgnb.stores.graph.store import GraphStore
from kgnb.stores.ledger.chapters import ChapterEnd, ChapterWork
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.queue.lease_renewer import LeaseRenewer
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import Claim
from kgnb.worker.extractor import ChapterAnswer, ChapterExtractor, TaskInfo
from kgnb.worker.outages import Outages

R = TypeVar("R")

log = logging.getLogger(__name__)

COMMIT_GAP = 0.05
"""Least seconds between two commits of rows while more are to come than wait: each is a disk flush, and no
slot waits for it."""
PROJECT_LIMIT, PROJECT_GAP = 100, 0.3
"""Most chapters in one graph transaction, and seconds between two while more chapters are on their way to it
than wait: each costs some twenty round trips, and a chapter that waits for one holds no slot."""
PROJECT_ROWS = 6_000
"""Most nodes and edges in one graph transaction of several chapters, which must end within 10 s. A hundred
chapters of the benchmark have 5,600."""
RETRY_SECONDS = (5.0, 30.0)
"""Wait after a chapter's own first and second failure; the third is final."""


class Outcome(StrEnum):
    """How a slot's work on a chapter ended."""

    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"  # final: on the dead list
    RETRY = "retry"  # its own failure; will be tried again
    NOT_OURS = "not_ours"  # its task was stopped, or another node has it


@dataclass(frozen=True, slots=True)
class Stores:
    """A node's stores, its lease renewer and its outages."""

    ledger: Ledger
    queue: Queue
    graph: GraphStore
    renewer: LeaseRenewer
    outages: Outages


@dataclass(frozen=True, slots=True, eq=False)  # hashed by identity
class _Projection:
    claim: Claim
    novel_id: int
    graph: Graph


class ChapterWorker:
    """Works chapters; one instance per node, so that all slots share its batches."""

    def __init__(self, stores: Stores, extractor: ChapterExtractor) -> None:
        self._stores = stores
        self._extractor = extractor
        self._claims: Batcher[Claim, ChapterWork | None] = Batcher(self._claim_all)
        self._rows: Batcher[tuple[ExtractionRow, tuple[str, ...]], bool] = Batcher(
            self._save_all, gap=COMMIT_GAP, expects_more=lambda waiting: self._to_record > 2 * waiting
        )
        self._projections: Batcher[_Projection, bool] = Batcher(
            self._project_all,
            limit=PROJECT_LIMIT,
            gap=PROJECT_GAP,
            expects_more=lambda waiting: self._to_record > waiting,
        )
        self._to_record = 0  # chapters at work that aren't on record yet
        # Novel id → its settle number as last read, and when (time.monotonic()).
        self._settle_numbers: dict[int, tuple[int, float]] = {}
        self._ends: Batcher[ChapterEnd, bool] = Batcher(lambda ends: stores.ledger.chapters.end(ends))
        self._acks: Batcher[Claim, bool] = Batcher(lambda claims: stores.queue.ack(claims))
        self._numbers: dict[Claim, int] = {}  # in their books, of the chapters at work

    def log_facts(self, claim: Claim) -> dict[str, object]:
        """What log lines call the chapter: its task and its number in the book, "?" before SQL told it.

        JSON lines have the row's id besides.
        """
        number = self._numbers.get(claim, "?")
        return {"task": claim.task_id, "chapter": number, "chapter_id": claim.chapter_id}

    def forget(self, claim: Claim) -> None:
        """Forget a chapter that is no longer at work."""
        self._numbers.pop(claim, None)

    async def run(
        self, claim: Claim, info: TaskInfo, on_stored: Callable[[float], None] = lambda _: None
    ) -> Outcome:
        """Work a claimed chapter to its end.

        ``on_stored(seconds)`` is called when nothing is left to ask, with the time of the requests: the
        replies are durable then, and the chapter needs no slot for the writing.

        Raises LeaseLost when another node has the chapter by now, ProviderError when the provider can't go
        on, and ServiceDown when Bolt is down for a whole lease; the caller hands the chapter back. The
        chapter's own failures are counted here.
        """
        work = await self._retry(claim, "sql", lambda: self._claims.do(claim))
        if work is None:
            await self._let_go(claim)
            return Outcome.NOT_OURS
        self._numbers[claim] = work.chapter.number
        try:
            return await self._process(claim, info, work, on_stored)
        except EndpointWrong:
            raise
        except (ReplyError, RequestRejected, BrokenProcessPool) as error:
            reason = str(error) if isinstance(error, KgnbError) else say("node.rules_died")
            return await self._count_failure(claim, reason)

    async def _let_go(self, claim: Claim) -> None:
        """End the lease of a chapter that SQL refused, if it is ours still.

        Where SQL has a higher token all the same, Redis lost its tokens and its clock is behind.
        """
        chapter = claim.task_id, claim.chapter_id
        stored = await self._retry(claim, "sql", lambda: self._stores.ledger.chapters.token(*chapter))
        if stored > claim.token:
            queue = self._stores.queue
            await self._retry(claim, "redis", lambda: queue.release([claim], above=stored))
        else:
            await self._ack(claim)

    async def count_crash(self, claim: Claim, reason: str) -> None:
        """Count a bug of kgnb, or a row that SQL refuses, as the chapter's failure: it must not come back
        for ever."""
        with suppress(LeaseLost):
            await self._count_failure(claim, reason)

    async def _process(
        self, claim: Claim, info: TaskInfo, work: ChapterWork, on_stored: Callable[[float], None]
    ) -> Outcome:
        if len("".join(work.text.split())) < MIN_CHAPTER_CHARS:
            await self._end(claim, _chapter_end(claim, ChapterStatus.SKIPPED))
            return Outcome.SKIPPED
        self._to_record += 1
        try:
            graph, end = await self._extract_and_save(claim, info, work, on_stored)
        finally:
            self._to_record -= 1
        projection = _Projection(claim, info.novel.id, graph)
        # Another node may reach the graph.
        patience = self._stores.queue.lease_seconds
        if not await self._retry(claim, "bolt", lambda: self._projections.do(projection), patience):
            raise LeaseLost("node.lease_lost")
        await self._end(claim, end)
        return Outcome.COMPLETED

    async def _extract_and_save(
        self, claim: Claim, info: TaskInfo, work: ChapterWork, on_stored: Callable[[float], None]
    ) -> tuple[Graph, ChapterEnd]:
        """Make the chapter's row durable, unless it is; return its graph and its end.

        The row itself isn't kept in memory: while the graph store is slow, hundreds of chapters wait.
        """
        row = work.row
        if row is None:
            answer = await self._extractor.extract(
                work.text,
                info,
                self._stores.renewer.lease(claim),
                chapter_id=claim.chapter_id,
                number=work.chapter.number,
                title=work.chapter.title,
                taken_over=work.taken_over,
                last_try=claim.failures >= len(RETRY_SECONDS),
                on_stored=on_stored,
            )
            row, raw = _row(claim, info, work, answer), answer.raw
            if not await self._retry(claim, "sql", lambda: self._rows.do((row, raw))):
                raise LeaseLost("node.lease_lost")
        else:
            on_stored(0.0)
        graph = info.graphs.project(work.chapter, row)
        return graph, _chapter_end(claim, ChapterStatus.COMPLETED, row.extraction, _gap_note(row))

    async def _count_failure(self, claim: Claim, reason: str) -> Outcome:
        delay = RETRY_SECONDS[min(claim.failures, len(RETRY_SECONDS) - 1)]
        queue, outages = self._stores.queue, self._stores.outages
        fate = await self._retry(claim, "redis", lambda: queue.fail(claim, reason, delay=delay))
        if fate == "lost":
            raise LeaseLost("node.lease_lost")
        ids = self.log_facts(claim)
        if fate == "dead":
            await self._mark(claim, _chapter_end(claim, ChapterStatus.FAILED, error=reason))
            await outages.retry_until_up("redis", lambda: queue.confirm_buried([claim]))
            log.warning(say("node.chapter_dead", **ids, reason=reason))
            return Outcome.FAILED
        back = [(claim.task_id, claim.chapter_id, claim.token)]
        await outages.retry_until_up("sql", lambda: self._stores.ledger.chapters.hand_back(back))
        log.warning(say("node.chapter_retry", **ids, reason=reason, seconds=delay))
        return Outcome.RETRY

    async def _end(self, claim: Claim, end: ChapterEnd) -> None:
        ours = await self._mark(claim, end)
        await self._ack(claim)
        if not ours:  # a node that froze may learn it here, before its lease tells
            raise LeaseLost("node.lease_lost")

    async def _mark(self, claim: Claim, end: ChapterEnd) -> bool:
        return await self._retry(claim, "sql", lambda: self._ends.do(end))

    async def _ack(self, claim: Claim) -> None:
        await self._retry(claim, "redis", lambda: self._acks.do(claim))

    async def _retry(
        self, claim: Claim, service: str, call: Callable[[], Awaitable[R]], patience: float = math.inf
    ) -> R:
        """Repeat ``call`` while ``service`` is down; raise LeaseLost when the lease ends meanwhile."""
        renewer, outages = self._stores.renewer, self._stores.outages
        return await outages.retry_until_up(
            service, call, lost=lambda: renewer.lost(claim), patience=patience
        )

    # --- one round trip for many chapters

    async def _claim_all(self, claims: Sequence[Claim]) -> Sequence[ChapterWork | None]:
        asked = [(c.task_id, c.chapter_id, c.token) for c in claims]
        works = await self._stores.ledger.chapters.claim(asked)
        return [works.get((c.task_id, c.chapter_id)) for c in claims]

    async def _save_all(self, rows: Sequence[tuple[ExtractionRow, tuple[str, ...]]]) -> Sequence[bool]:
        return await self._stores.ledger.extractions.save([row for row, _ in rows], [raw for _, raw in rows])

    async def _project_all(self, items: Sequence[_Projection]) -> Sequence[bool]:
        """True for each graph that was written, False for each whose lease was lost before."""
        novels: dict[int, list[_Projection]] = defaultdict(list)
        for item in items:
            novels[item.novel_id].append(item)
        written: set[_Projection] = set()
        for novel_id, of_novel in novels.items():
            written |= await self._project_novel(novel_id, of_novel)
        return [item in written for item in items]

    async def _project_novel(self, novel_id: int, items: Sequence[_Projection]) -> set[_Projection]:
        written: set[_Projection] = set()
        known_at = {item: item.claim.sent_at for item in items}  # their tasks existed then
        while items := [item for item in items if self._stores.renewer.holds(item.claim)]:
            # A stale number is safe: a settle since then makes the write a conflict.
            if novel_id not in self._settle_numbers:
                number = await self._stores.graph.settle_number(novel_id)
                self._settle_numbers[novel_id] = number, time.monotonic()
            number, read_at = self._settle_numbers[novel_id]
            # A task may have been deleted while this node was frozen; its leases can't tell yet.
            if older := {item for item in items if known_at[item] < read_at}:
                known_at |= dict.fromkeys(older, time.monotonic())
                claimed = await self._still_claimed(older)
                items = [item for item in items if item not in older or item in claimed]
                continue
            batch = _first_batch(items)
            try:
                await self._write(novel_id, batch, number)
            except (GraphConflict, LeaseLost):
                # Settled meanwhile, or one of them lost its lease: the others try again.
                if self._settle_numbers.get(novel_id) == (number, read_at):
                    del self._settle_numbers[novel_id]
                continue
            written.update(batch)
            items = items[len(batch) :]
        return written

    async def _write(self, novel_id: int, batch: Sequence[_Projection], number: int) -> None:
        holds = self._stores.renewer.holds
        graphs = [item.graph for item in batch]
        await self._stores.graph.project(
            novel_id, graphs, number=number, check=lambda: all(holds(item.claim) for item in batch)
        )

    async def _still_claimed(self, items: set[_Projection]) -> set[_Projection]:
        keys = {p: (p.claim.task_id, p.claim.chapter_id, p.claim.token) for p in items}
        claimed = await self._stores.ledger.chapters.still_claimed(list(keys.values()))
        return {item for item, key in keys.items() if key in claimed}


def _first_batch(items: Sequence[_Projection]) -> Sequence[_Projection]:
    """The first items, as many as fit into one transaction."""
    rows = 0
    for index, item in enumerate(items):
        rows += len(item.graph.nodes) + len(item.graph.edges)
        if index and rows > PROJECT_ROWS:
            return items[:index]
    return items


def _row(claim: Claim, info: TaskInfo, work: ChapterWork, answer: ChapterAnswer) -> ExtractionRow:
    return ExtractionRow(
        task_id=claim.task_id,
        novel_id=info.novel.id,
        chapter_id=claim.chapter_id,
        chapter_number=work.chapter.number,
        text_hash=text_hash(work.text),
        prompt_hash=answer.prompt_hash,
        extraction=answer.extraction,
        provider=info.provider.name,
        model=info.model,
        token=claim.token,
        flags=answer.flags,
        usage=answer.usage,
        chars=len(work.text),
        rejected=answer.rejected,
    )


def _chapter_end(
    claim: Claim, status: ChapterStatus, found: Extraction | None = None, error: str = ""
) -> ChapterEnd:
    found = found or Extraction()
    entities = (found.characters, found.locations, found.organizations, found.events, found.things)
    return ChapterEnd(
        task_id=claim.task_id,
        chapter_id=claim.chapter_id,
        token=claim.token,
        status=status,
        entities=sum(len(one) for one in entities),
        relations=len(found.relations),
        error=error,
    )


def _gap_note(row: ExtractionRow) -> str:
    """The note in main's table on a completed chapter from which something may be missing."""
    gaps = [say(f"flag.{flag}") for flag in GAPS if flag in row.flags]
    return say("inspect.gaps", flags=", ".join(gaps)) if gaps else ""
