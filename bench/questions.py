"""Asks a book the questions of bench/questions: ``python bench/questions.py QUESTIONS.toml BOOK.txt``.

Reads the book by rules, then asks each question without a model and, at the dry-run server, by way of a
model. Prints the share right without a model (in a sentence of the answer; there or in the passages shown),
the share whose retrieved passages have one of the question's ``passages``, how many citations aren't in the
text or come after ``until``, the seconds of an answer, and what fails. An unanswerable question is right
where no sentence is said; its passages aren't looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import tempfile
import time
import tomllib
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import kgnb
from kgnb.app.ask import BookAsked, retrieved
from kgnb.core.event_loop import LoopThread
from kgnb.extract.evidence import letters
from kgnb.graph.ask.answers import Answer
from kgnb.graph.ask.question import read_question
from kgnb.llm.fake.server import FakeServer
from kgnb.render.answer_text import answer_lines

WITHOUT_A_MODEL = ("who", "where", "when", "relation")


def answered(book: kgnb.BookGraph, question: str, provider: str | None = None) -> Answer:
    found = book.ask(question, provider=provider)
    assert isinstance(found, Answer)
    return found


def plain(text: str) -> str:
    return letters(text)


def has(text: str, wanted: list[str]) -> bool:
    return any(plain(one) in plain(text) for one in wanted)


def said(answer: Answer) -> str:
    """What the sentences say, with their quotes and chapters."""
    quotes = (f"{c.quote} {c.chapter}" for s in answer.sentences for c in s.citations)
    return "\n".join([*(s.text for s in answer.sentences), *quotes])


def shown(answer: Answer) -> str:
    """What a terminal shows: sentences, quotes, passages, each with its chapter ("ch. 5" is chapter 5)."""
    return "\n".join(answer_lines(answer)).replace("ch. ", "chapter ")


def wrong_citations(answer: Answer, texts: dict[int, str], until: int) -> int:
    """Those that aren't in their chapter, or come after it."""
    cited = [(c.chapter, c.quote) for s in answer.sentences for c in s.citations]
    cited += [(one.chapter, one.text) for one in answer.passages]
    return sum(
        (until and number > until)
        or not all(plain(p) in texts.get(number, "") for p in re.split("…+", quote))
        for number, quote in cited
    )


class Asked:
    """One book's questions, asked; ``failed``: what to print."""

    def __init__(self, book: kgnb.BookGraph, provider: str) -> None:
        self.book, self.provider = book, provider
        self.record = asyncio.run(self._record())
        self.texts: defaultdict[int, str] = defaultdict(str)
        for number, text in self.record.texts:
            self.texts[number] += plain(text)
        self.counts: defaultdict[str, list[bool]] = defaultdict(list)
        self.wrong, self.seconds = 0, list[float]()
        self.failed: list[str] = []

    async def _record(self) -> Any:
        async def read(app: Any) -> Any:
            return await app.ledger.graphs.record(self.book.result.novel_id)

        return await self.book._on(read)

    def ask(self, one: dict[str, Any]) -> None:
        until, asked, kind = one["until"] or None, one["q"], one["kind"]
        view = self.book if until is None else self.book.at(until)
        view._query()  # opening, of which an answer's time is measured apart
        began = time.perf_counter()
        without = answered(view, asked)
        self.seconds.append(time.perf_counter() - began)
        by_model = answered(view, asked, self.provider)
        wrong = sum(wrong_citations(found, self.texts, one["until"]) for found in (without, by_model))
        self.wrong += wrong
        marks = [f"{wrong} wrong citations"] if wrong else []
        if one.get("unanswerable"):
            self._count("unanswerable: nothing said", not without.sentences, marks)
        else:
            if kind in WITHOUT_A_MODEL:
                self._count("without a model: in a sentence", has(said(without), one["answer"]), marks)
                self._count("without a model: shown", has(shown(without), one["answer"]), marks)
            query = view._query()
            found = retrieved(BookAsked(self.record, query, until), read_question(asked, query))
            text = "\n".join(passage.text for passage in found)
            self._count("retrieved passages have it", has(text, one["passages"]), marks)
        if marks:
            self.failed.append(f"[{kind}{f' until {until}' if until else ''}] {asked} — {'; '.join(marks)}")

    def _count(self, what: str, right: bool, marks: list[str]) -> None:
        self.counts[what].append(right)
        if not right:
            marks.append(f"not {what}" if not what.startswith("un") else "something said")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--data", type=Path, help="a folder to keep what was read, for a second run")
    args = parser.parse_args()
    server = LoopThread("dry-run").submit(FakeServer().start()).result()
    given = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "x", "OPENAI_MODEL": "dryrun"}
    os.environ.update(given, KGNB_PROVIDER_NAME="dry", KGNB_LANG="en")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KGNB_DATA"] = str(args.data or folder)
        asked = Asked(kgnb.build(args.text, provider="rules", progress=False), "dry")
        for one in tomllib.loads(args.questions.read_text("utf-8"))["question"]:
            asked.ask(one)
    chars = sum(map(len, asked.texts.values()))
    print(f"{args.questions.stem}: {chars:,} letters; answers without a model take "
          f"{median(asked.seconds):.2f} s (most {max(asked.seconds):.2f})")  # fmt: skip
    for what, right in asked.counts.items():
        print(f"{what}: {sum(right)}/{len(right)} = {100 * sum(right) / len(right):.0f} %")
    print(f"citations that aren't in the text, or come later: {asked.wrong}")
    print("\n".join(asked.failed))


if __name__ == "__main__":
    main()
