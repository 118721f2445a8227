"""An answer to a question in words, as lines for a terminal and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from kgnb.core.formatting import compact, money
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.graph.ask.answers import Answer, Paid


def answer_lines(answer: Answer) -> Iterator[str]:
    """The answer's lines, each source below its sentence."""
    for sentence in answer.sentences:
        yield one_line(sentence.text)
        for source in sentence.citations:
            if source.quote:
                yield "    " + say("ask.cited", chapter=source.chapter, quote=one_line(source.quote))
    if answer.note:
        yield answer.note
    for passage in answer.passages:
        key, facts = ("ask.cited_in", {"book": one_line(passage.book)}) if passage.book else ("ask.cited", {})
        yield "  " + say(key, chapter=passage.chapter, quote=one_line(passage.text), **facts)
    if answer.paid is not None:
        yield _price(answer.paid)


def _price(paid: Paid) -> str:
    model = one_line(f"{paid.provider}/{paid.model}".strip("/"))
    if paid.cached:
        return say("ask.paid_before", model=model)
    tokens = compact(paid.usage.prompt_tokens + paid.usage.completion_tokens)
    if paid.cost is None:
        return say("ask.paid_tokens", model=model, tokens=tokens)
    return say("ask.paid", model=model, tokens=tokens, money=f"{money(paid.cost)} {paid.currency}".strip())


def answer_html(answer: Answer) -> str:
    """The same as paragraphs and quotations."""
    parts = []
    for line in answer_lines(answer):
        text = escape(line.strip())
        parts.append(f"<blockquote>{text}</blockquote>" if line.startswith(" ") else f"<p>{text}</p>")
    return f'<div class="kgnb-answer">{"".join(parts)}</div>'


@dataclass(frozen=True, slots=True, repr=False)
class AnswerText(Answer):
    """An answer as a notebook and ``print`` show it."""

    @classmethod
    def of(cls, answer: Answer) -> AnswerText:
        """The answer in this form."""
        return cls(answer.question, answer.sentences, answer.note, answer.passages, answer.paid)

    def __str__(self) -> str:
        return "\n".join(answer_lines(self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return answer_html(self)
