"""Works a chapter: claim, ask (or cache), row and end, ack.

The order is the protocol: replies are in the cache before any other use, the chapter's row and its end are
one transaction, and the lease is given up after it. After a crash the next node continues from the last step
on record. The graph isn't touched: it is made from the rows (refresh.py). Small writes of many chapters share
round trips (group commit, worker/batcher.py).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from kgnb.book.model import text_hash
from kgnb.core.errors import EndpointWrong, KgnbError, LeaseLost, ReplyError, RequestRejected
from kgnb.core.messages import say
from kgnb.core.model import MIN_CHAPTER_CHARS, ChapterStatus
from kgnb.extract.model import GAPS, Extraction
from kgnb.graph.model import ExtractionRow
from kgnb.stores.ledger.chapters import ChapterEnd, ChapterWork
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.queue.lease_renewer import LeaseRenewer
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import MAX_FAILURES, Claim
from kgnb.worker.batcher import Batcher
from kgnb.worker.extractor import ChapterAnswer, ChapterExtractor, TaskInfo
from kgnb.worker.outages import Outages

if TYPE_CHECKING:  # with the Bolt driver, whose import takes as long as a short book's names
    from kgnb.stores.graph.store import GraphStore

R = TypeVar("R")

log = logging.getLogger(__name__)

COMMIT_GAP = 0.05
"""Least seconds between two commits of ends while more are to come than wait: each is a disk flush, and no
slot waits for it."""
RETRY_SECONDS = (5.0, 30.0)
"""Wait after a chapter's own first, second … failure, before the final one (MAX_FAILURES)."""


class Outcome(StrEnum):
    """How a slot's work on a chapter ended."""

    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"  # final: on the dead list
    RETRY = "retry"  # its own failure; will be tried again
    NOT_OURS = "not_ours"  # its task was stopped, or another node has it


@dataclass(frozen=True, slots=True)
class Stores:
    """A node's stores, its lease renewer and its outages; ``graph`` where NEO4J_URI is set."""

    ledger: Ledger
    queue: Queue
    graph: GraphStore | None
    renewer: LeaseRenewer
    outages: Outages


class ChapterWorker:
    """Works chapters; one instance per node, so that all slots share its batches."""

    def __init__(self, stores: Stores, extractor: ChapterExtractor) -> None:
        self._stores = stores
        self._extractor = extractor
        self._claims: Batcher[Claim, ChapterWork | None] = Batcher(self._claim_all)
        self._ends: Batcher[ChapterEnd, bool] = Batcher(
            lambda ends: stores.ledger.chapters.end(ends),
            gap=COMMIT_GAP,
            expects_more=lambda waiting: self._at_work > 2 * waiting,
        )
        self._at_work = 0  # chapters whose end isn't on record yet
        self._acks: Batcher[Claim, bool] = Batcher(lambda claims: stores.queue.ack(claims))
        self._numbers: dict[Claim, int] = {}  # in their books, of the chapters at work

    def log_facts(self, claim: Claim) -> dict[str, object]:
        """Return the chapter's facts for log lines: task id, number in the book ("?" before it is read)
        and chapter id.
        """
        number = self._numbers.get(claim, "?")
        return {"task": claim.task_id, "chapter": number, "chapter_id": claim.chapter_id}

    def forget(self, claim: Claim) -> None:
        """Drop the number of a chapter that is no longer at work."""
        self._numbers.pop(claim, None)

    async def run(
        self, claim: Claim, info: TaskInfo, on_stored: Callable[[float], None] = lambda _: None
    ) -> Outcome:
        """Work a claimed chapter to its end; return the outcome, NOT_OURS if another node has the chapter.

        ``on_stored(seconds)`` is called when nothing is left to ask, with the time of the requests: the
        replies are durable then, and the chapter needs no slot for the writing.

        Raises LeaseLost when another node has the chapter by now, and ProviderError when the provider can't
        go on; the caller hands the chapter back. The chapter's own failures are counted here.
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
        """Extract and end a chapter; SKIPPED for one that is too short. A stored row of the same text is used
        again.
        """
        if len("".join(work.text.split())) < MIN_CHAPTER_CHARS:
            await self._end(claim, _chapter_end(claim, ChapterStatus.SKIPPED))
            return Outcome.SKIPPED
        self._at_work += 1
        try:
            if work.row is not None:
                on_stored(0.0)
                end = _completed(claim, work.row)
            else:
                end = await self._extract(claim, info, work, on_stored)
            await self._end(claim, end)
        finally:
            self._at_work -= 1
        return Outcome.COMPLETED

    async def _extract(
        self, claim: Claim, info: TaskInfo, work: ChapterWork, on_stored: Callable[[float], None]
    ) -> ChapterEnd:
        """Return the end of a chapter with its extraction."""
        answer = await self._extractor.extract(
            work.text,
            info,
            self._stores.renewer.lease(claim),
            chapter_id=claim.chapter_id,
            number=work.chapter.number,
            title=work.chapter.title,
            taken_over=work.taken_over,
            last_try=claim.failures + 1 >= MAX_FAILURES,
            on_stored=on_stored,
        )
        row = _row(claim, info, work, answer)
        return replace(_completed(claim, row), row=row, raw=answer.raw)

    async def _count_failure(self, claim: Claim, reason: str) -> Outcome:
        """Count a chapter's own failure; return FAILED if it was the last one, else that it is tried again.
        Raises LeaseLost.
        """
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
        if self._stores.renewer.lost(claim):  # its task was paused: the reply is in the cache
            raise LeaseLost("node.lease_lost")
        ours = await self._mark(claim, end)
        await self._ack(claim)
        if not ours:  # a node that froze may learn it here, before its lease tells
            raise LeaseLost("node.lease_lost")

    async def _mark(self, claim: Claim, end: ChapterEnd) -> bool:
        """Store a chapter's end; return whether the chapter was still this node's."""
        return await self._retry(claim, "sql", lambda: self._ends.do(end))

    async def _ack(self, claim: Claim) -> None:
        await self._retry(claim, "redis", lambda: self._acks.do(claim))

    async def _retry(self, claim: Claim, service: str, call: Callable[[], Awaitable[R]]) -> R:
        """Return the result of ``call``, repeated while ``service`` is down. Raises LeaseLost when the lease
        ends meanwhile.
        """
        renewer, outages = self._stores.renewer, self._stores.outages
        return await outages.retry_until_up(service, call, lost=lambda: renewer.lost(claim))

    # --- one round trip for many chapters

    async def _claim_all(self, claims: Sequence[Claim]) -> Sequence[ChapterWork | None]:
        """Return each claim's work in order; None for a chapter that isn't this node's."""
        asked = [(c.task_id, c.chapter_id, c.token) for c in claims]
        works = await self._stores.ledger.chapters.claim(asked)
        return [works.get((c.task_id, c.chapter_id)) for c in claims]


def _row(claim: Claim, info: TaskInfo, work: ChapterWork, answer: ChapterAnswer) -> ExtractionRow:
    """Return the row to store for an answer."""
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


def _completed(claim: Claim, row: ExtractionRow) -> ChapterEnd:
    """Return a chapter's end as completed, with a note on gaps in its reply."""
    return _chapter_end(claim, ChapterStatus.COMPLETED, row.extraction, _gap_note(row))


def _chapter_end(
    claim: Claim, status: ChapterStatus, found: Extraction | None = None, error: str = ""
) -> ChapterEnd:
    """Return a chapter's end with the numbers of entities and relations; None as ``found``: zeros."""
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
    """Return the note in main's table on a completed chapter from which something may be missing; "" for
    none.
    """
    gaps = [say(f"flag.{flag}") for flag in GAPS if flag in row.flags]
    return say("inspect.gaps", flags=", ".join(gaps)) if gaps else ""
