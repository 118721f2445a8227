"""Scores the persons of finished graphs whose replies come from a model that knows a book's people and errs.

``python bench/quality.py --noisy`` prints one table for each kind of model: a perfect one, one that errs as
LLMs do, and ones that err more. The replies take the way of a real task: chunks, parsing, merging,
verification, projection. Nothing else of kgnb sees the gold list.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from known_people import NameErrors

    from kgnb.extract.model import Extraction

MODELS = ((1.0, 0.0, 0.0, 1), (0.6, 0.02, 0.06, 3), (0.6, 0.05, 0.06, 1), (0.4, 0.02, 0.06, 1))
"""Alias recall, wrong aliases, generic aliases, and how many seeds to run."""
CHUNK_CHARS = 8_000
"""kgnb's default."""
SCORES = ("recall", "precision", "merged", "false_merges")


def extraction_of(text: str, lang: Any, answer: Callable[[str], str]) -> Extraction:
    """A chapter's extraction from the model's replies."""
    from kgnb.book import chunking
    from kgnb.extract import evidence, merge_chunks, reply

    page = evidence.ChapterText(text)
    parts = [
        reply.parse(answer(chunk), provider="fake").extraction
        for chunk in chunking.split(text, CHUNK_CHARS, lang)
    ]
    return evidence.mark_absent(merge_chunks.merge([evidence.verify(p, page) for p in parts]), page)


def persons_of(
    chapters: Sequence[tuple[int, str]], names: Sequence[Any], extractions: Sequence[Extraction]
) -> tuple[list[dict[str, Any]], float]:
    """The finished graph's people as ``kgnb names`` lists them, and the seconds of its projection."""
    from kgnb.core.model import Chapter, Novel, TaskConfig
    from kgnb.extract import evidence
    from kgnb.graph.model import ExtractionRow, RecordRow
    from kgnb.graph.project.projection import novel_builder
    from kgnb.graph.resolve.name_listing import list_names

    began = time.process_time()
    places = [Chapter(n, 1, n, "", 1) for n in range(1, len(chapters) + 1)]
    rows = [
        RecordRow(ExtractionRow(1, 1, n, n, "", "", found, "fake", "", 1))
        for n, found in enumerate(extractions, 1)
    ]
    texts = [text for _, text in chapters]
    in_texts = partial(evidence.names_in_texts, texts=texts)
    builder = novel_builder(Novel(1, ""), places, rows, names, TaskConfig(), in_texts)
    graph = builder.graph()
    seconds = time.process_time() - began
    listed = list_names(graph, builder.names, names)
    found = [
        {"name": one.name, "aliases": list(one.aliases), "mentions": one.mentions}
        for one in listed
        if one.kind == "Character"
    ]
    return found, seconds


def score_book(
    path: Path,
    gold: dict[str, Any],
    judge: ModuleType,
    names: Sequence[Any],
    chapters: Sequence[tuple[int, str]],
    errors: NameErrors,
    seed: int,
) -> dict[str, Any]:
    """One book's scores with one model, and the seconds of its projection."""
    from known_people import KnownPeople

    answer = KnownPeople.of(gold, errors, seed).answer
    extractions = [extraction_of(text, gold["lang"], answer) for _, text in chapters]
    found, seconds = persons_of(chapters, names, extractions)
    score, detail = judge.score(gold, found, path.read_text("utf-8"), 100 if gold["lang"] == "zh" else 30)
    return {**score, "project_s": seconds, "wrongly joined": detail["wrongly joined"]}


def print_tables(
    books: Sequence[tuple[Path, dict[str, Any]]], judge: ModuleType, split: Callable[[str], Any]
) -> None:
    """One table for each of :data:`MODELS` and seed; ``books``: texts with their gold lists."""
    from known_people import NameErrors

    from kgnb.extract import name_scan

    read = [(path, gold, split(path.read_text("utf-8"))) for path, gold in books]
    scanned = [
        (path, gold, name_scan.scan(chapters, gold["lang"]), chapters) for path, gold, chapters in read
    ]
    for recall, wrong, generic, seeds in MODELS:
        for seed in range(seeds):
            print(f"alias recall {recall:g}, wrong alias {wrong:g}, generic {generic:g}, seed {seed}")
            errors = NameErrors(recall, wrong, generic)
            rows = [
                (path.stem, gold["lang"], score_book(path, gold, judge, names, chapters, errors, seed))
                for path, gold, names, chapters in scanned
            ]
            print_rows(rows)


def print_rows(rows: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """A line for each book, then the means by language."""
    for name, _, score in rows:
        values = (score[what] for what in SCORES)
        joined = "; ".join(f"{one}: {', '.join(owners)}" for one, owners in score["wrongly joined"])
        print(
            name, *("-" if v is None else v for v in values), f"{score['project_s']:.2f} s", joined, sep=" | "
        )
    for lang in ("zh", "en", ""):
        chosen = [score for _, of, score in rows if lang in ("", of)]
        means = [round(sum(found) / len(found), 3) for found in (values_of(chosen, w) for w in SCORES[:3])]
        print(f"mean {lang or 'of all'}", *means, sum(s["false_merges"] for s in chosen), sep=" | ")
    sys.stdout.flush()


def values_of(scores: Sequence[dict[str, Any]], what: str) -> list[float]:
    """The scores that exist: a book without anybody of two names has no ``merged``."""
    return [score[what] for score in scores if score[what] is not None]
