"""Answers a question about a book in words: from its graph, else with the passages nearest to it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from kgnb.core.messages import texts
from kgnb.graph.ask.answers import Sentence, answer
from kgnb.graph.ask.passages import Passage, best, passages, terms
from kgnb.graph.ask.question import Question, read_question, stop_words
from kgnb.graph.project.record import Record
from kgnb.graph.query import GraphQuery

_CYPHER = re.compile(
    r"\s*(?:(?:OPTIONAL\s+)?MATCH\s*\(|MATCH\s+\w+\s*=|(?:WITH|UNWIND|RETURN|CALL|EXPLAIN|PROFILE)\s+[\w(\[{$])",
    re.IGNORECASE,
)
"""How a query that reads begins."""

PASSAGES = 5
"""Passages that are shown where the graph has no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: sentences from the graph with their quotes, else ``passages`` of the text.

    ``note``: what to say before the passages, or in place of an answer; in the question's language.
    """

    question: str
    sentences: tuple[Sentence, ...] = ()
    note: str = ""
    passages: tuple[Passage, ...] = ()


async def ask(record: Record, query: GraphQuery, question: str) -> Answer:
    """Answer a question about the book of ``record``, whose graph ``query`` indexes; both may end at a
    chapter.

    Raises ServiceDown while the texts are read.
    """
    read = read_question(question, query)
    if sentences := answer(read, query):
        return Answer(question, tuple(sentences))
    found = await asyncio.to_thread(_nearest, record, read)
    words = texts(read.lang)
    return Answer(question, note=words["ask.passages" if found else "ask.unknown"], passages=tuple(found))


def _nearest(record: Record, question: Question) -> list[Passage]:
    """The passages nearest to a question."""
    names = [[one.name, *one.aliases] for one in question.entities]
    asked = [name for forms in names for name in forms]
    words = terms(question.text, [*asked, *stop_words(question.lang)])
    return best(passages(record.texts), words, names, PASSAGES)


def is_cypher(question: str) -> bool:
    """Whether a question is a Cypher query: it begins with one of Cypher's words for reading.

    >>> is_cypher("match (c) return c.name"), is_cypher("Match me with Darcy"), is_cypher("谁是刘备")
    (True, False, False)
    """
    return _CYPHER.match(question) is not None
