"""Answers a question about a book in words: from its graph, else with the passages nearest to it; by an LLM
from these passages where a provider is named."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kgnb.core.errors import ReplyUnparsable
from kgnb.core.messages import texts
from kgnb.core.model import Provider, Usage
from kgnb.extract.evidence import ChapterText
from kgnb.graph.ask.answers import (
    Answer,
    Paid,
    Sentence,
    answer,
    chapter_asked,
    meant,
    people_of,
    stranger_note,
)
from kgnb.graph.ask.passages import (
    ALIKE_CREDIT,
    PASSAGES,
    SENT_PASSAGES,
    Passage,
    Search,
    passages,
    with_neighbours,
)
from kgnb.graph.ask.question import Question, asked_terms, mentions, name_term, names_of, read_question
from kgnb.graph.project.record import Record
from kgnb.graph.query import GraphQuery

if TYPE_CHECKING:
    from kgnb.app.context import App
    from kgnb.core.model import Prompt

_CYPHER = re.compile(
    r"\s*(?:(?:OPTIONAL\s+)?MATCH\s*\(|MATCH\s+\w+\s*=|(?:WITH|UNWIND|RETURN|CALL|EXPLAIN|PROFILE)\s+[\w(\[{$])",
    re.IGNORECASE,
)
"""How a query that reads begins."""

ALONE = frozenset({"who", "first", "last", "chapters", "where", "with", "there", "people"})
"""Questions of which the graph knows all there is."""
BESIDE = 2
"""Passages that are shown with a sure answer to another question: it is a short one."""
AHEAD = 5
"""Passages with the graph's quotes, and nearest ones, that come before all others to an LLM."""
INTRODUCED = 3
"""Most entities of a question whose first passage is among them: it says who they are."""


@dataclass(frozen=True, slots=True)
class BookAsked:
    """A book that is asked: its record and its graph, both as of the chapter ``until``, if any.

    ``whole``: the record to the book's end, which says what must not be told.
    """

    whole: Record
    query: GraphQuery
    until: int | None = None

    @property
    def record(self) -> Record:
        """The record that a reader knows: up to chapter ``until``, or all of it for None."""
        return self.whole if self.until is None else self.whole.until(self.until)


async def ask_book(
    app: App, novel_id: int, task_id: int, question: str, *, until: int | None, provider: str | None
) -> Answer:
    """Return the answer to a question about a novel, whose record and graph are read first; see :func:`ask`
    and :func:`ask_model`.
    """
    from kgnb.app.graphs import graph_and_state

    record = await app.ledger.graphs.record(novel_id)
    graph, _ = await graph_and_state(app, record, until)
    book = BookAsked(record, await asyncio.to_thread(GraphQuery, graph), until)
    return await ask_model(app, book, question, provider, task_id)


async def ask(book: BookAsked, question: str) -> Answer:
    """Return the answer to a question without an LLM: sentences from the graph or the text, else the nearest
    passages or a note. Raises ServiceDown while the texts are read.
    """
    read = read_question(question, book.query)
    sentences = await asyncio.to_thread(answer, read, book.query, book.record.texts)
    if sentences and read.intent in ALONE:
        checked = await asyncio.to_thread(_standing, sentences, book.record)
        return Answer(question, tuple(checked), meant=meant(read))
    search = await asyncio.to_thread(_search, book, read, sentences)
    named = (*book.query.chapter_titles.values(), *(one.text for one in search.every))
    if read.stranger and not read.near and not any(read.stranger in text for text in named):
        return Answer(question, note=stranger_note(read, book.query, book.until))
    checked = await asyncio.to_thread(_standing, sentences, book.record)
    sure = any(one.sure for one in sentences)
    found = await asyncio.to_thread(search.shown, BESIDE if sure else PASSAGES)
    key = "ask.more" if sentences else "ask.passages"
    note = texts(read.lang)[key] if found else "" if sentences else _unknown(book, read)
    return Answer(question, tuple(checked), note, tuple(found), meant=meant(read), words=search.words)


async def ask_model(app: App, book: BookAsked, question: str, name: str | None, task_id: int) -> Answer:
    """Return an LLM's answer to a question, from passages of the book; sentences without a quote that stands
    there are left out, and if none is left a note says so.

    The reply is cached, as one that the task asked for; its cost is counted, and the budget holds. Without
    the provider's ``name``, and for the rules, :func:`ask` answers. Raises SettingsError for a provider that
    can't be asked, ProviderPaused, RateReached, BudgetReached and other ProviderErrors, ServiceDown. ``app``
    needs its queue, where pauses and rate limits are.
    """
    from kgnb.graph.ask.model_answer import later_names, question_prompt, read_reply, verified

    provider = app.providers.requested(name) if name is not None else None
    if provider is None or provider.is_rules:
        return await ask(book, question)
    read = read_question(question, book.query)
    found = await asyncio.to_thread(retrieved, book, read)
    if not found:
        return Answer(question, note=_unknown(book, read))
    model = await app.router.model_for(provider)
    text, paid = await _reply(app, provider, model, question_prompt(read, found), task_id)
    later = [] if book.until is None else later_names(book.whole.names, book.until)
    names = [name for one in read.entities for name in (one.name, *one.aliases)]
    sentences = verified(read_reply(text, provider=provider.name), found, later, names)
    return Answer(question, tuple(sentences), "" if sentences else _unknown(book, read), paid=paid)


def retrieved(book: BookAsked, question: Question) -> list[Passage]:
    """Return the passages for an LLM's answer, in the book's order, at most :data:`SENT_PASSAGES` (30): those
    that the graph's own answer quotes, and the nearest ones with their neighbours. Blocking.
    """
    sentences = answer(question, book.query, book.record.texts)
    quotes = {(one.chapter, one.quote) for said in sentences for one in said.citations if one.quote}
    search = _search(book, question, sentences)
    every = search.every
    quoted = [one for one in every if any(n == one.chapter and quote in one.text for n, quote in quotes)]
    nearest = search.best(SENT_PASSAGES)
    first = [
        next((p for p in every if any(name in p.text for name in (one.name, *one.aliases))), None)
        for one in question.entities[:INTRODUCED]
    ]
    return with_neighbours(
        [*quoted[:AHEAD], *nearest[:AHEAD], *filter(None, first), *nearest], every, SENT_PASSAGES
    )


def _unknown(book: BookAsked, question: Question) -> str:
    """Return the note that the book doesn't say it, in the question's language."""
    words = texts(question.lang)
    return words["ask.unknown"] if book.until is None else words["ask.not_by"].format(chapter=book.until)


def _search(book: BookAsked, question: Question, sentences: Sequence[Sentence] = ()) -> Search:
    """Return the search for a question's terms in the book's passages; for a question on a chapter in that
    chapter alone. For a relative also by the names in the graph's answer, the ``sentences``.
    """
    every = passages(book.record.texts, question.lang)
    asked = asked_terms(question)
    if question.intent == "chapter":  # the passages of the chapter that most of its people are in
        number = chapter_asked(question, book.query)
        every = [one for one in every if one.chapter == number]
        people = people_of(book.query, number)[:INTRODUCED]
        asked = asked_terms(replace(question, said="", asked="", entities=tuple(people)))
    elif question.intent.startswith("kin"):
        names = names_of(book.query)
        told = dict.fromkeys(who for one in sentences for _, _, who in mentions(one.text, names))
        brought = [one for one in told if one not in question.entities]
        asked += [name_term(one, credit=ALIKE_CREDIT) for one in brought[:INTRODUCED]]
    return Search(every, asked, book.query.chapter_titles)


def _standing(sentences: Sequence[Sentence], record: Record) -> list[Sentence]:
    """Return all sentences; a citation whose quote isn't in its chapter's text loses the quote, not the
    chapter number.
    """
    cited = {source.chapter for one in sentences for source in one.citations if source.quote}
    pages = {number: ChapterText(text) for number, text in record.texts if number in cited} if cited else {}
    return [
        replace(
            one,
            citations=tuple(
                source
                if not source.quote
                or (source.chapter in pages and pages[source.chapter].find_quote(source.quote))
                else replace(source, quote="")
                for source in one.citations
            ),
        )
        for one in sentences
    ]


async def _reply(app: App, provider: Provider, model: str, prompt: Prompt, task_id: int) -> tuple[str, Paid]:
    """Return (reply, what it cost): from the cache at no cost, else asked for as a chapter's is and then
    cached.
    """
    from kgnb.app.context import budget_of
    from kgnb.app.prices import quote
    from kgnb.app.running_node import provider_throttle
    from kgnb.graph.ask.model_answer import read_reply
    from kgnb.stores.ledger.reply_cache import CachedReply, reply_key

    key, cache = reply_key(provider.name, model, prompt.hash), app.ledger.reply_cache
    if stored := (await cache.get({key: task_id})).get(key):
        return stored.text, Paid(provider.name, model, Usage(), 0.0, cached=True)
    throttle, used = provider_throttle(app), Usage()

    async def ask_once() -> str:
        nonlocal used
        done = await throttle.complete(app.providers.client(provider), prompt, model, task_id=task_id)
        used += done.usage
        read_reply(done.text, provider=provider.name)
        return done.text

    try:
        throttle.pauses.on_poll(await app.queue.poll([], [provider.name]), [provider])
        try:
            text = await ask_once()
        except ReplyUnparsable:
            text = await ask_once()
    finally:
        await throttle.flush()
    await cache.put([CachedReply(key, provider.name, model, text, task_id, used)])
    price = quote(budget_of(app.settings), provider, model, used, datetime.now(UTC))
    return text, Paid(provider.name, model, used, price.now, price.currency)


def is_cypher(question: str) -> bool:
    """Return whether a question is a Cypher query: it begins with one of Cypher's words for reading.

    >>> is_cypher("match (c) return c.name"), is_cypher("Match me with Darcy"), is_cypher("谁是刘备")
    (True, False, False)
    """
    return _CYPHER.match(question) is not None
