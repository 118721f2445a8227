"""From a chapter's text to its extraction: chunks, the reply cache, an LLM or the rules.

Never asked twice: a reply that is complete and parses goes into the cache before any other use of it, and the
cache is looked into before every request. A reply that was cut off or can't be parsed is asked for once more,
then its chunk is split; nothing of the text is dropped on the way.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from kgnb.core.batcher import Batcher
from kgnb.core.errors import (
    LeaseLost,
    PromptTooLong,
    ProviderError,
    ReplyRefused,
    ReplyTruncated,
    ReplyUnparsable,
)
from kgnb.core.model import Lang, Novel, Provider, Task, TaskConfig, Usage
from kgnb.core.process_pool import CpuPool
from kgnb.extract import chunking, evidence, reply, reply_merge, rules
from kgnb.extract.model import Extraction, Flag, NameEntry
from kgnb.extract.prompt import Prompt, PromptBuilder
from kgnb.extract.zh.original_script import in_original_script
from kgnb.graph.project.settle import ChapterProjector
from kgnb.graph.resolve.decisions import CombinedDecisions
from kgnb.llm.client import Completion
from kgnb.stores.ledger.reply_cache import CachedReply, ReplyCache, reply_key
from kgnb.stores.queue.lease_renewer import UNLEASED, Lease
from kgnb.worker.outages import Outages
from kgnb.worker.provider_registry import ProviderRegistry
from kgnb.worker.throttle import ProviderThrottle

COMMIT_GAP = 0.05
"""Seconds between two commits of rows: the slot is free already, and each commit is a disk flush."""
OUTAGE_POLL_SECONDS = 0.25
"""How often a request that waits for an outage's end looks whether it is over."""
SPLIT, TRUNCATED = "split", "split:truncated"
"""Stand in the reply cache for a chunk that must be asked for in halves, TRUNCATED where its replies were cut
off. Never parsed as replies."""
REPLY_TRIES = 2
"""How often a chunk is asked for before it is split."""


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """What a task's chapters need, the same for all of them."""

    task: Task
    novel: Novel
    lang: Lang
    names: Sequence[NameEntry]
    config: TaskConfig
    provider: Provider
    model: str
    by_hand: CombinedDecisions = field(default_factory=CombinedDecisions)
    """What had been decided about the novel's names when the task was opened."""
    prompter: PromptBuilder = field(init=False, repr=False, compare=False)
    graphs: ChapterProjector = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompter", PromptBuilder(self.lang, self.names, self.config))
        graphs = ChapterProjector(self.novel, self.names, self.config, self.by_hand)
        object.__setattr__(self, "graphs", graphs)


@dataclass(frozen=True, slots=True)
class ChapterAnswer:
    """An extraction and how it came about. ``raw`` holds the replies as they came, oldest first; ``seconds``
    is how long its requests took, waiting for their turn included (0: nothing was asked)."""

    extraction: Extraction
    prompt_hash: str = ""
    flags: frozenset[Flag] = frozenset()
    usage: Usage = Usage()
    rejected: int = 0
    raw: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class _ChapterReplies:
    """The replies of one chapter's chunks while they come in."""

    lease: Lease
    last_try: bool = False
    answers: list[ChapterAnswer] = field(default_factory=list)
    wasted: Usage = Usage()
    seconds: float = 0.0
    refusal: ReplyRefused | None = None


class ChapterExtractor:
    """Gets extractions; ``meter(task_id, usage)`` hears of every cost."""

    def __init__(
        self,
        cache: ReplyCache,
        providers: ProviderRegistry,
        throttle: ProviderThrottle,
        pool: CpuPool,
        outages: Outages,
        *,
        chunk_chars: int,
        meter: Callable[[int, Usage], None],
    ) -> None:
        self._cache = cache
        self._providers = providers
        self._throttle = throttle
        self._pool = pool
        self._outages = outages
        self._chunk_chars = chunk_chars
        self._meter = meter
        self._cache_reads: Batcher[tuple[str, int], str | None] = Batcher(self._read_cache)
        self._cache_writes: Batcher[CachedReply, None] = Batcher(self._write_cache)

    async def extract(
        self, text: str, info: TaskInfo, lease: Lease = UNLEASED, *, last_try: bool = False
    ) -> ChapterAnswer:
        """The extraction of a whole chapter.

        Nothing more is asked once ``lease`` is lost (LeaseLost).
        ``last_try``: a part that the provider refuses is left out, and the answer says so, unless that leaves
        nothing.

        Raises LeaseLost, ReplyError when the chapter's text can't be turned into usable replies,
        another ProviderError when the provider fails, and BrokenProcessPool when the rules' process died.
        """
        if info.provider.is_rules:
            found = await self._pool.run(rules.extract, text, lang=info.lang, names=info.names)
            return ChapterAnswer(found, flags=frozenset() if _has_content(found) else frozenset({Flag.EMPTY}))
        limit = max(self._chunk_chars, info.config.max_content_length)
        parts = _ChapterReplies(lease, last_try)
        for piece in chunking.split(text, limit, info.lang):
            await self._extract_chunk(piece, info, parts)
        answer = _merged(parts, evidence.ChapterText(text))
        if info.lang == "zh":
            answer = replace(answer, extraction=in_original_script(answer.extraction, text))
        return answer

    async def _extract_chunk(self, text: str, info: TaskInfo, parts: _ChapterReplies) -> None:
        request = info.prompter.prompt(text)
        try:
            parts.answers.append(await self._chunk_answer(request, info, parts))
        except ReplyRefused as error:
            if not parts.last_try:
                raise
            parts.refusal = error
        except (ReplyTruncated, ReplyUnparsable, PromptTooLong) as error:
            halves = chunking.halve(text, info.lang)
            if halves is None:
                raise
            cut = isinstance(error, ReplyTruncated)
            await self._remember_split(request, info, TRUNCATED if cut else SPLIT)
            flags = {Flag.SPLIT, Flag.TRUNCATED} if cut else {Flag.SPLIT}
            start = len(parts.answers)
            for half in halves:
                await self._extract_chunk(half, info, parts)
            parts.answers[start:] = [replace(a, flags=a.flags | flags) for a in parts.answers[start:]]

    async def _remember_split(self, request: Prompt, info: TaskInfo, why: str) -> None:
        """Whoever comes to this chunk again asks for its halves at once, without paying to learn it."""
        key = reply_key(info.provider.name, info.model, request.hash)
        entry = CachedReply(key, info.provider.name, info.model, why, info.task.id)
        await self._outages.retry_until_up("sql", lambda: self._cache_writes.do(entry))

    async def _chunk_answer(self, request: Prompt, info: TaskInfo, parts: _ChapterReplies) -> ChapterAnswer:
        key = reply_key(info.provider.name, info.model, request.hash)
        stored = await self._outages.retry_until_up(
            "sql", lambda: self._cache_reads.do((key, info.task.id)), lost=parts.lease.lost
        )
        if stored == TRUNCATED:
            raise ReplyTruncated("provider.truncated", provider=info.provider.name)
        if stored == SPLIT:
            raise ReplyUnparsable("provider.unparsable", provider=info.provider.name)
        if stored is not None:
            return _answer(reply.parse(stored, provider=info.provider.name), request, stored, Usage())
        for last in [False] * (REPLY_TRIES - 1) + [True]:
            try:
                return await self._ask(request, key, info, parts)
            except (ReplyTruncated, ReplyUnparsable):
                if last:
                    raise
        raise AssertionError("unreachable")

    async def _ask(self, request: Prompt, key: str, info: TaskInfo, parts: _ChapterReplies) -> ChapterAnswer:
        spent, began = Usage(), time.monotonic()
        try:
            done = await self._completion(request, info, parts.lease)
            spent = done.usage
            parsed = reply.parse(done.text, provider=info.provider.name)
        except ProviderError as error:
            spent = error.usage or spent
            parts.wasted += spent
            raise
        finally:
            parts.seconds += time.monotonic() - began
            self._meter(info.task.id, spent)
        entry = CachedReply(key, info.provider.name, info.model, done.text, info.task.id, done.usage)
        await self._outages.retry_until_up("sql", lambda: self._cache_writes.do(entry))
        return _answer(parsed, request, done.text, done.usage)

    async def _completion(self, request: Prompt, info: TaskInfo, lease: Lease) -> Completion:
        async with self._throttle.request_slot(info.provider):
            await self._wait_until_safe(lease)
            # As it is known now: its key or address may have changed since the task was opened.
            client = self._providers.client(self._providers.find(info.provider.key) or info.provider)
            return await self._throttle.complete(client, request, info.model, lost=lease.lost)

    async def _wait_until_safe(self, lease: Lease) -> None:
        """No call is begun whose reply may be somebody else's by then, or could not be stored."""
        while self._outages.is_down("redis", "sql") or not lease.lives():
            if lease.lost():
                raise LeaseLost("node.lease_lost")
            await asyncio.sleep(OUTAGE_POLL_SECONDS)

    async def _read_cache(self, wanted: Sequence[tuple[str, int]]) -> Sequence[str | None]:
        found = await self._cache.get([key for key, _ in wanted], [task_id for _, task_id in wanted])
        return [found.get(key) for key, _ in wanted]

    async def _write_cache(self, entries: Sequence[CachedReply]) -> Sequence[None]:
        await self._cache.put(entries)
        return [None] * len(entries)


def _answer(parsed: reply.Parsed, request: Prompt, raw: str, usage: Usage) -> ChapterAnswer:
    flags = set()
    if parsed.repaired:
        flags.add(Flag.REPAIRED)
    if parsed.rejected:
        flags.add(Flag.PARTIAL)
    if not _has_content(parsed.extraction):
        flags.add(Flag.EMPTY)
    return ChapterAnswer(parsed.extraction, request.hash, frozenset(flags), usage, parsed.rejected, (raw,))


def _has_content(found: Extraction) -> bool:
    """Whether there is anything in it."""
    lists = (found.characters, found.locations, found.organizations, found.events, found.relations)
    return any((*lists, found.things))


def _merged(parts: _ChapterReplies, page: evidence.ChapterText) -> ChapterAnswer:
    """The chapter's answer of its parts'; raises ReplyRefused where none is left."""
    answers, refusal = parts.answers, parts.refusal
    if refusal is not None and not answers:
        raise refusal
    hashes = "".join(a.prompt_hash for a in answers)
    extraction = reply_merge.merge([evidence.verify(a.extraction, page) for a in answers])
    flags: set[Flag] = set().union(*(a.flags for a in answers))
    if refusal is not None:
        flags.add(Flag.REFUSED)
    if evidence.count_unverified(extraction):
        flags.add(Flag.UNVERIFIED)
    return ChapterAnswer(
        extraction=evidence.mark_absent(extraction, page),
        prompt_hash=answers[0].prompt_hash if len(answers) == 1 else _sha(hashes),
        flags=frozenset(flags),
        usage=sum((a.usage for a in answers), parts.wasted),
        rejected=sum(a.rejected for a in answers),
        raw=tuple(r for a in answers for r in a.raw),
        seconds=parts.seconds,
    )


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
