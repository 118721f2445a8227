"""An answer to a question in words, as lines for a terminal and as HTML for a notebook."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from html import escape

from kgnb.core.formatting import compact, money
from kgnb.core.messages import texts
from kgnb.core.safe_text import one_line
from kgnb.graph.ask.answers import Answer, Paid
from kgnb.graph.ask.passages import Passage
from kgnb.graph.ask.question import lang_of

Mark = Callable[[str], str]


def answer_lines(answer: Answer, mark: Mark = str, plain: Mark = one_line) -> Iterator[str]:
    """Yield the lines of an answer: each sentence with its quotes below, then note, passages and price.

    ``mark`` turns a word of the question, where a quote or passage has it, into what is shown; ``plain`` does
    so for any other text (default: on one line).
    """
    if answer.meant:
        yield plain(answer.meant)
    for sentence in answer.sentences:
        yield plain(sentence.text)
        for source in sentence.citations:
            if source.quote:
                yield "    " + _source(answer, Passage(source.chapter, source.quote), mark, plain)
    if answer.note:
        yield plain(answer.note)
    for passage in answer.passages:
        yield "  " + _source(answer, passage, mark, plain)
    if answer.paid is not None:
        yield plain(_price(answer.paid, texts(lang_of(answer.question))))


def _source(answer: Answer, passage: Passage, mark: Mark, plain: Mark) -> str:
    """A quote with its chapter, the question's words in it marked."""
    line = texts(lang_of(answer.question))["ask.cited_in" if passage.book else "ask.cited"]
    head, tail = line.format(book=passage.book, chapter=passage.chapter, quote="\0").split("\0")
    quote = " ".join(passage.text.split())
    parts = _pattern(answer.words).split(quote) if answer.words else [quote]
    marked = (mark(plain(part)) if i % 2 else plain(part) for i, part in enumerate(parts))
    return plain(head) + "".join(marked) + plain(tail)


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    """Return the pattern of these words, in any case; Latin words also match as beginnings of longer
    words.
    """
    forms = sorted(words, key=len, reverse=True)
    found = "|".join(rf"\b{re.escape(w)}\w*" if w.isascii() else re.escape(w) for w in forms)
    return re.compile(f"({found})", re.IGNORECASE)


def bold(text: str) -> str:
    """Return the text between the terminal's codes for bold."""
    return f"\x1b[1m{text}\x1b[22m"


def _price(paid: Paid, words: Mapping[str, str]) -> str:
    """Return the line with an LLM answer's model, tokens and cost, in the question's language."""
    model = one_line(f"{paid.provider}/{paid.model}".strip("/"))
    if paid.cached:
        return words["ask.paid_before"].format(model=model)
    tokens = compact(paid.usage.prompt_tokens + paid.usage.completion_tokens)
    if paid.cost is None:
        return words["ask.paid_tokens"].format(model=model, tokens=tokens)
    cost = f"{money(paid.cost)} {paid.currency}".strip()
    return words["ask.paid"].format(model=model, tokens=tokens, money=cost)


def answer_html(answer: Answer) -> str:
    """Return the lines of :func:`answer_lines` as HTML: sentences as ``<p>``, sources as
    ``<blockquote>``, escaped.
    """
    parts = []
    for line in answer_lines(
        answer, lambda word: f"<mark>{word}</mark>", lambda text: escape(one_line(text))
    ):
        tag = "blockquote" if line.startswith(" ") else "p"
        parts.append(f"<{tag}>{line.strip()}</{tag}>")
    return f'<div class="kgnb-answer">{"".join(parts)}</div>'


@dataclass(frozen=True, slots=True, repr=False)
class AnswerText(Answer):
    """An Answer that ``print`` shows as lines and a notebook as HTML."""

    @classmethod
    def of(cls, answer: Answer) -> AnswerText:
        """Return an AnswerText with the fields of ``answer``."""
        return cls(*(getattr(answer, field.name) for field in fields(Answer)))

    def __str__(self) -> str:
        return "\n".join(answer_lines(self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the answer as HTML, for a notebook's output."""
        return answer_html(self)
