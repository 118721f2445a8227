"""Searches the texts of all books."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from kgnb.app.context import App
from kgnb.core.labels import Lang
from kgnb.core.messages import texts
from kgnb.core.model import Chapter
from kgnb.graph.ask.answers import Answer
from kgnb.graph.ask.passages import PASSAGES, Passage, Search, Term, bm25, passages, terms, without
from kgnb.graph.ask.question import MAX_QUESTION, lang_of, stop_words
from kgnb.stores.ledger.books import ChapterTexts
from kgnb.stores.ledger.database import Database

NEAREST_CHAPTERS = 12
"""Chapters that are cut into passages: those that fit best as a whole."""


async def ask_shelf(app: App, question: str, until: int | None = None) -> Answer:
    """Return an answer without sentences, whose passages, of all books, are nearest to the question; only
    from chapters up to ``until``. Its note, in the question's language, says that they are the nearest
    ones, or that nothing was found.
    """
    lang = lang_of(question)
    words = terms(without(question[:MAX_QUESTION], stop_words(lang)))
    shelf: list[tuple[str, Chapter]] = []
    for one in await app.ledger.task_stats.newest_of_each_book():
        chapters = await app.ledger.books.chapters(one.novel_id)
        shelf += [(one.title, c) for c in chapters if until is None or c.number <= until]
    found = await asyncio.to_thread(_nearest, app.ledger.database, shelf, words, lang)
    return Answer(
        question, note=texts(lang)["ask.shelf" if found else "ask.shelf_none"], passages=tuple(found)
    )


def _nearest(
    database: Database, shelf: Sequence[tuple[str, Chapter]], words: Sequence[Term], lang: Lang
) -> list[Passage]:
    """Return the best passages of the best chapters; one page of texts is in memory at a time."""
    folds = any(word.forms[0].isascii() for word in words)  # Chinese has no case, and to look takes long
    counts: list[list[int]] = []
    lengths: list[int] = []
    for _, text in ChapterTexts(database, [chapter for _, chapter in shelf]):
        folded = text.lower() if folds else text
        counts.append([folded.count(word.forms[0]) for word in words])
        lengths.append(len(text))
    scores = bm25(list(zip(*counts, strict=True)), lengths)
    order = sorted((i for i, score in enumerate(scores) if score), key=lambda i: (-scores[i], i))
    chosen = [shelf[i] for i in order[:NEAREST_CHAPTERS]]
    read = ChapterTexts(database, [chapter for _, chapter in chosen])
    cut = [
        replace(passage, book=title)
        for (title, _), told in zip(chosen, read, strict=True)
        for passage in passages([told], lang)
    ]
    return Search(cut, words).shown(PASSAGES)
