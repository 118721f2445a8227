"""Extracts a chapter: splits it into chunks, reads the reply cache, asks an LLM, or applies the rules.

Nothing is paid for twice: the cache is read before every request, and a complete reply that parses is cached
before any other use. A chunk whose reply is truncated is split in halves; so is one with an unparsable reply,
after it was asked for once more. No text is dropped: of a chunk too short to be split, the whole items of a
truncated reply count.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from kgnb.book import chunking
from kgnb.core import errors
from kgnb.core.labels import Lang
from kgnb.core.model import Novel, Prompt, Provider, Task, TaskConfig, Usage
from kgnb.extract import evidence, merge_chunks, reply, rules, second_reader
from kgnb.extract.model import LISTS, Extraction, Flag, NameEntry
from kgnb.extract.prompt import PromptBuilder
from kgnb.extract.renaming import in_original_script, with_narrator
from kgnb.llm.client import Completion
from kgnb.llm.local import PROVIDER as LOCAL
from kgnb.stores.ledger.reply_cache import CachedReply, ReplyCache, reply_key
from kgnb.stores.queue.lease_renewer import Lease
from kgnb.worker.batcher import Batcher
from kgnb.worker.outages import Outages
from kgnb.worker.process_pool import CpuPool, SharedTuple
from kgnb.worker.provider_registry import ProviderRegistry
from kgnb.worker.throttle import ProviderThrottle

OUTAGE_POLL_SECONDS = 0.25
"""How often a request that waits for the end of an outage checks whether it is over."""
SPLIT, TRUNCATED = "split", "split:truncated"
"""Cached instead of a reply for a chunk that must be split, TRUNCATED because its replies were cut off; of a
chunk too short for that the last of them follows."""
SPLITTING = (errors.ReplyTruncated, errors.ReplyUnparsable, errors.PromptTooLong, errors.RequestUnanswered)
"""What a shorter chunk may mend."""


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """What all chapters of a task share."""

    task: Task
    novel: Novel
    lang: Lang
    names: Sequence[NameEntry]
    config: TaskConfig
    provider: Provider
    model: str
    chars: int
    prompter: PromptBuilder = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", SharedTuple(self.names))  # of which each chapter would take a copy
        object.__setattr__(self, "prompter", PromptBuilder(self.lang, self.names, self.config))


@dataclass(frozen=True, slots=True)
class ChapterAnswer:
    """An extraction and where it came from. ``raw``: the unparsed replies, oldest first."""

    extraction: Extraction
    prompt_hash: str = ""
    flags: frozenset[Flag] = frozenset()
    usage: Usage = Usage()
    rejected: int = 0
    raw: tuple[str, ...] = ()


@dataclass(slots=True)
class _Chapter:
    """A chapter that is being extracted, and the answers of its chunks so far."""

    info: TaskInfo
    number: int | None
    narrator: NameEntry | None
    lease: Lease
    id: int
    taken_over: bool
    last_try: bool
    answers: list[ChapterAnswer] = field(default_factory=list)
    wasted: Usage = Usage()  # of requests without a usable reply
    seconds: float = 0.0
    refusal: errors.ReplyRefused | None = None
    assists: bool = False
    unread: bool = False  # of a passage that the model was asked about no reply is usable: the rules' stands

    def key(self, request: Prompt) -> str:
        """Return the key of the reply to ``request`` in the cache."""
        return reply_key(self.info.provider.name, self.info.model, request.hash)


@dataclass(eq=False, repr=False)
class ChapterExtractor:
    """Extracts chapters."""

    cache: ReplyCache
    providers: ProviderRegistry
    throttle: ProviderThrottle
    pool: CpuPool
    outages: Outages
    chunk_chars: int
    assist: bool = False
    """Whether the rules read all, and a model is asked only what they are unsure of."""

    def __post_init__(self) -> None:
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # by the reply's key
        self._cache_reads: Batcher[tuple[str, int], CachedReply | None] = Batcher(self._read_cache)
        self._cache_writes: Batcher[CachedReply, None] = Batcher(self._write_cache)

    async def extract(
        self,
        text: str,
        info: TaskInfo,
        lease: Lease,
        *,
        chapter_id: int,
        number: int | None = None,
        title: str = "",
        taken_over: bool,
        last_try: bool,
        on_stored: Callable[[float], None],
    ) -> ChapterAnswer:
        """Return the answer for a whole chapter: extraction, flags, raw replies and usage; the usage includes
        what earlier tries of the chapter paid for its replies.

        ``number``: the chapter's; people are called as they are known there. ``taken_over``: a former holder
        may still be at work, and store a reply at any time. ``last_try``: a chunk that the provider refuses
        is left out and flagged, unless no other is left. ``on_stored(seconds)`` is called when the replies
        are durable and nothing is left to ask, with the time of the requests, including the wait for a
        request slot (0: nothing was asked).

        Raises LeaseLost as soon as ``lease`` is lost, ReplyError when the replies are unusable, another
        ProviderError when the provider fails, and BrokenProcessPool when the rules' process died.
        """
        if info.provider.is_rules:
            found = await self._by_rules(text, info, title, number)
            on_stored(0.0)
            return ChapterAnswer(found, flags=frozenset([] if _has_content(found) else [Flag.EMPTY]))
        limit = max(self.chunk_chars, info.config.max_content_length)
        narrator = rules.narrator_of(text, lang=info.lang, names=info.names, title=title, chapter=number)
        chapter = _Chapter(
            info, number, narrator, lease, chapter_id, taken_over, last_try, assists=self.assist
        )
        found, asked = Extraction(), text
        if self.assist or info.provider.lower_name == LOCAL:
            found = await self._by_rules(text, info, title, number)
        if self.assist:
            asked = second_reader.unsure_passages(text, found, info.names, info.lang)
        for chunk in chunking.split(asked, limit, info.lang):
            await self._extract_chunk(chunk, chapter)
        on_stored(chapter.seconds)
        return _merged(chapter, text, found)

    async def _by_rules(self, text: str, info: TaskInfo, title: str, number: int | None) -> Extraction:
        """Return the rules' extraction of a text, from the pool."""
        return await self.pool.run_short(
            rules.extract, text, lang=info.lang, names=info.names, title=title, chapter=number
        )

    async def _extract_chunk(self, text: str, chapter: _Chapter) -> None:
        request = chapter.info.prompter.prompt(text, chapter.number, chapter.narrator)
        asking = self._asking.setdefault(chapter.key(request), asyncio.Lock())
        try:
            async with asking:  # a chapter of a paused task may be claimed again before its reply has come
                chapter.answers.append(await self._chunk_answer(request, chapter))
        except errors.ReplyRefused as error:
            if not chapter.last_try:
                raise
            chapter.refusal = error
        except SPLITTING as error:
            cut, halves = isinstance(error, errors.ReplyTruncated), chunking.halve(text, chapter.info.lang)
            if halves is None:
                await self._keep_whole_items(error, request, chapter)
                return
            flags = {Flag.SPLIT, Flag.TRUNCATED} if cut else {Flag.SPLIT}
            start = len(chapter.answers)
            await self._extract_halves(halves, error, request, chapter)
            chapter.answers[start:] = [replace(a, flags=a.flags | flags) for a in chapter.answers[start:]]

    async def _keep_whole_items(
        self, error: errors.ProviderError, request: Prompt, chapter: _Chapter
    ) -> None:
        """As :meth:`_whole_items`; a chapter that the rules have read does without an unusable reply."""
        try:
            chapter.answers.append(await self._whole_items(error, request, chapter))
        except SPLITTING:
            if not chapter.assists:
                raise
            chapter.unread = True

    async def _extract_halves(
        self, halves: tuple[str, str], error: errors.ProviderError, request: Prompt, chapter: _Chapter
    ) -> None:
        # The mark is cached, so that no later attempt pays to learn it.
        mark = TRUNCATED if isinstance(error, errors.ReplyTruncated) else SPLIT
        wait = error.wait if isinstance(error, errors.RequestUnanswered) else None
        if wait is None:
            await self._cache_reply(request, chapter, mark)
            await self._extract_chunk(halves[0], chapter)
        else:  # a 429: an answer shows that its length was the reason
            await self.throttle.wait(chapter.info.provider, wait, chapter.lease.lost)
            await self._extract_chunk(halves[0], chapter)
            await self._cache_reply(request, chapter, mark)
        await self._extract_chunk(halves[1], chapter)

    async def _whole_items(
        self, error: errors.ProviderError, request: Prompt, chapter: _Chapter
    ) -> ChapterAnswer:
        """Return the whole items of a cut-off reply, whose passage is too short to be split; raises ``error``
        if there are none, or it is another error.
        """
        if not isinstance(error, errors.ReplyTruncated):
            raise error
        try:
            parsed = reply.parse_cut(error.reply, provider=chapter.info.provider.name)
        except errors.ReplyUnparsable:
            raise error from None
        await self._cache_reply(request, chapter, TRUNCATED + error.reply)
        answer = _answer(parsed, request, error.reply, Usage())
        return replace(answer, flags=answer.flags | {Flag.TRUNCATED})

    async def _cache_reply(
        self, request: Prompt, chapter: _Chapter, text: str, usage: Usage = Usage()
    ) -> None:
        info, key = chapter.info, chapter.key(request)
        entry = CachedReply(key, info.provider.name, info.model, text, info.task.id, usage, chapter.id)
        await self.outages.retry_until_up("sql", lambda: self._cache_writes.do(entry))
        chapter.lease.progressed()

    async def _chunk_answer(self, request: Prompt, chapter: _Chapter) -> ChapterAnswer:
        """Return the cached or a new answer for a chunk; an unparsable reply is asked for once more."""
        if (stored := await self._stored_answer(request, chapter)) is not None:
            return stored
        with suppress(errors.ReplyUnparsable):
            return await self._ask(request, chapter)
        return await self._ask(request, chapter)

    async def _stored_answer(self, request: Prompt, chapter: _Chapter) -> ChapterAnswer | None:
        """Return the answer in the cache, None for none. Raises the error that splits the chunk where the
        cache has that.
        """
        wanted = chapter.key(request), chapter.info.task.id
        stored = await self.outages.retry_until_up(
            "sql", lambda: self._cache_reads.do(wanted), lost=chapter.lease.lost
        )
        return None if stored is None else _cached_answer(stored, request, chapter)

    async def _ask(self, request: Prompt, chapter: _Chapter) -> ChapterAnswer:
        """Return the answer to a request, cached from then on. Raises ProviderError, LeaseLost,
        ReplyError.
        """
        spent, began = Usage(), time.monotonic()
        try:
            async with self.throttle.request_slot(chapter.info.provider, chapter.lease.lost):
                await self._wait_until_safe(chapter.lease)
                # Its former holder may have stored the reply while this one waited.
                if chapter.taken_over and (stored := await self._stored_answer(request, chapter)):
                    return stored
                done = await self._completion(request, chapter)
            spent = done.usage
            parsed = reply.parse(done.text, provider=chapter.info.provider.name)
        except errors.ProviderError as error:
            chapter.wasted += error.usage or spent
            raise
        finally:
            chapter.seconds += time.monotonic() - began
        await self._cache_reply(request, chapter, done.text, done.usage)
        return _answer(parsed, request, done.text, done.usage)

    async def _completion(self, request: Prompt, chapter: _Chapter) -> Completion:
        """Return the provider's completion, by its present key and address."""
        info = chapter.info
        # Looked up anew: its key or address may have changed since the task was opened.
        client = self.providers.client(self.providers.find(info.provider.lower_name) or info.provider)
        ids = {"task_id": info.task.id, "chapter_id": chapter.id}
        return await self.throttle.complete(client, request, info.model, **ids, lost=chapter.lease.lost)

    async def _wait_until_safe(self, lease: Lease) -> None:
        """Wait while a reply could not be stored, or might belong to another node by then."""
        while self.outages.is_down("redis", "sql") or not lease.lives():
            if lease.lost():
                raise errors.LeaseLost("node.lease_lost")
            await asyncio.sleep(OUTAGE_POLL_SECONDS)

    async def _read_cache(self, wanted: Sequence[tuple[str, int]]) -> Sequence[CachedReply | None]:
        """Return the cached reply of each (key, task id) in order, None for none."""
        found = await self.cache.get(dict(wanted))
        return [found.get(key) for key, _ in wanted]

    async def _write_cache(self, entries: Sequence[CachedReply]) -> Sequence[None]:
        """Store the replies; return None for each."""
        await self.cache.put(entries)
        return [None] * len(entries)


def _cached_answer(stored: CachedReply, request: Prompt, chapter: _Chapter) -> ChapterAnswer:
    """Return a cached reply's answer. Raises the error that it stands for."""
    text, provider = stored.text, chapter.info.provider.name
    if text.startswith(TRUNCATED):
        raise errors.ReplyTruncated(
            "provider.truncated", provider=provider, reply=text.removeprefix(TRUNCATED)
        )
    if text == SPLIT:
        raise errors.ReplyUnparsable("provider.unparsable", provider=provider)
    known = any(answer.prompt_hash == request.hash for answer in chapter.answers)  # a passage comes twice
    own = (stored.task_id, stored.chapter_id) == (chapter.info.task.id, chapter.id)
    usage = stored.usage if own and not known else Usage()
    return _answer(reply.parse(text, provider=provider), request, text, usage)


def _answer(parsed: reply.Parsed, request: Prompt, raw: str, usage: Usage) -> ChapterAnswer:
    """Return the answer in a parsed reply, with its flags."""
    empty = not _has_content(parsed.extraction)
    signs = {Flag.REPAIRED: parsed.repaired, Flag.PARTIAL: parsed.rejected, Flag.EMPTY: empty}
    flags = frozenset(flag for flag, shown in signs.items() if shown)
    return ChapterAnswer(parsed.extraction, request.hash, flags, usage, parsed.rejected, (raw,))


def _has_content(found: Extraction) -> bool:
    """Return whether any list of the extraction has an item."""
    return any(getattr(found, name) for name in LISTS)


def _merged(chapter: _Chapter, text: str, found: Extraction) -> ChapterAnswer:
    """Return the chapter's answer, merged from its chunks'. Raises ReplyRefused when none is left.

    ``found``: by the rules; it stands where they read all, or where the replies disagree with the text.
    """
    info, answers, refusal = chapter.info, chapter.answers, chapter.refusal
    page = evidence.ChapterText(text)
    if refusal is not None and not answers and not chapter.assists:
        raise refusal
    hashes = [a.prompt_hash for a in answers]
    whole_hash = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    narrator = chapter.narrator
    told = [with_narrator(a.extraction, narrator) if narrator else a.extraction for a in answers]
    extraction = merge_chunks.merge([evidence.verify(one, page) for one in told])
    flags: set[Flag] = set().union(*(a.flags for a in answers))
    if refusal is not None:
        flags.add(Flag.REFUSED)
    if chapter.unread:
        flags.add(Flag.PARTIAL)
    if evidence.count_unverified(extraction):
        flags.add(Flag.UNVERIFIED)
    extraction = evidence.mark_absent(extraction, page, narrator.name if narrator else "")
    if chapter.assists or (_has_content(found) and second_reader.disagrees(extraction)):
        extraction = second_reader.with_rules(found, extraction)
    return ChapterAnswer(
        extraction=in_original_script(extraction, text) if info.lang == "zh" else extraction,
        prompt_hash=whole_hash,
        flags=frozenset(flags),
        usage=sum((a.usage for a in answers), chapter.wasted),
        rejected=sum(a.rejected for a in answers),
        raw=tuple(r for a in answers for r in a.raw),
    )
