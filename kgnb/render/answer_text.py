"""An answer to a question in words, as lines for a terminal and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from kgnb.core.messages import say
from kgnb.core.safe_text import one_line

if TYPE_CHECKING:
    from kgnb.graph.ask.answers import Sentence
    from kgnb.graph.ask.passages import Passage


def answer_lines(sentences: tuple[Sentence, ...], note: str, passages: tuple[Passage, ...]) -> Iterator[str]:
    """The answer's lines, each source below its sentence."""
    for sentence in sentences:
        yield one_line(sentence.text)
        for source in sentence.citations:
            if source.quote:
                yield "    " + say("ask.cited", chapter=source.chapter, quote=one_line(source.quote))
    if note:
        yield note
    for passage in passages:
        yield "  " + say("ask.cited", chapter=passage.chapter, quote=one_line(passage.text))


def answer_html(sentences: tuple[Sentence, ...], note: str, passages: tuple[Passage, ...]) -> str:
    """The same as paragraphs and quotations."""
    parts = []
    for line in answer_lines(sentences, note, passages):
        text = escape(line.strip())
        parts.append(f"<blockquote>{text}</blockquote>" if line.startswith(" ") else f"<p>{text}</p>")
    return f'<div class="kgnb-answer">{"".join(parts)}</div>'


@dataclass(frozen=True, slots=True)
class AnswerText:
    """An answer as a notebook and ``print`` show it."""

    sentences: tuple[Sentence, ...]
    note: str = ""
    passages: tuple[Passage, ...] = ()

    def __str__(self) -> str:
        return "\n".join(answer_lines(self.sentences, self.note, self.passages))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return answer_html(self.sentences, self.note, self.passages)
