"""Nodes and edges a second through Bolt: four writers, whose books' people come again in every chapter.

    python bench/upserts.py [--chapters 1200] [--writers 4] [--hero 8000] [--outside]

Each writer is a process of its own, like a node, and writes its share of the chapters in groups of 40, in
fenced transactions, after an unmeasured round on other books. Prints one JSON object:

    rows_per_s       nodes and edges sent through Bolt, all repeated ones too, each writer a book of its own
    one_book_per_s   the same with one book for all, whose fence lets one writer in at a time
    known_per_s      as a node does it, which sends nothing twice: rows of its chapters
    hero_per_s       edges of one person who is in every chapter of a long book, the last of so many chapters

With ``--outside`` on the Neo4j that NEO4J_URI names, else on an embedded ArcadeDB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from books import chapters
from kit import argument_parser, graph_target, run, tell

from kgnb.core.model import Chapter, Novel, TaskConfig
from kgnb.extract import reply
from kgnb.extract.model import Character, Extraction
from kgnb.graph.model import ExtractionRow, Graph
from kgnb.graph.project.projection import ChapterProjector
from kgnb.llm.fake import model as fake_model
from kgnb.stores.graph import write_cache
from kgnb.stores.graph.store import GraphStore
from kgnb.stores.targets import GraphTarget
from kgnb.worker.chapter_worker import PROJECT_LIMIT

MOST_KNOWN = write_cache.MOST_KNOWN
GROUP = PROJECT_LIMIT
"""Chapters in one transaction, as a busy node writes them."""
HEROIC = 400
"""Chapters in one transaction of the book with one person."""
HEAD_START = 1.0
"""Seconds in which all writers get ready."""

Took = tuple[float, float, int]
"""When a writer began and ended (epoch seconds), and its rows."""


def main() -> None:
    args = arguments()
    spawn = multiprocessing.get_context("spawn")
    with graph_target(args.outside) as place, ProcessPoolExecutor(args.writers, spawn) as pool:
        run(prepare(place))
        share = args.chapters // args.writers

        def rate(books: list[int], *, remember: bool = False) -> tuple[int, int]:
            """Rows a second of writers of these books, and rows of one chapter."""
            jobs = [(place, book, n * share, share, remember) for n, book in enumerate(books)]
            took = list(pool.map(write, jobs))
            rows = sum(count for _, _, count in took)
            seconds = max(end for _, end, _ in took) - min(begin for begin, _, _ in took)
            return round(rows / seconds), round(rows / share / args.writers)

        base = random.randrange(10**6, 10**9)
        each = list(range(base, base + args.writers))
        rate([book + 100 for book in each])  # the engine's first statements are ten times slower
        several, rows = rate(each)
        one, _ = rate([base + 50] * args.writers)
        write_cache, _ = rate([book + 200 for book in each], remember=True)
        hero = run(heroic(place, base + 300, args.hero))
    tell(
        {
            "chapters": args.chapters,
            "rows_a_chapter": rows,
            "rows_per_s": several,
            "one_book_per_s": one,
            "known_per_s": write_cache,
            "hero_per_s": hero,
        }
    )


async def prepare(place: GraphTarget) -> None:
    graph = GraphStore(place)
    await graph.prepare()
    await graph.close()


def write(job: tuple[GraphTarget, int, int, int, bool]) -> Took:
    """One writer's share: ``count`` chapters of ``book`` from ``first`` on."""
    place, book, first, count, remember = job
    write_cache.MOST_KNOWN = MOST_KNOWN if remember else 0
    graphs = [chapter(book, number, text) for number, text in enumerate(texts(first, count), first + 1)]
    groups = [graphs[i : i + GROUP] for i in range(0, count, GROUP)]
    begin, end = run(send(place, book, groups))
    return begin, end, sum(len(g.nodes) + len(g.edges) for g in graphs)


async def send(place: GraphTarget, book: int, groups: list[list[Graph]]) -> tuple[float, float]:
    graph = GraphStore(place)
    number = await graph.settle_number(book)
    time.sleep(HEAD_START)
    begin = time.time()
    for group in groups:
        await graph.project(book, group, number=number, check=lambda: True)
    end = time.time()
    await graph.close()
    return begin, end


async def heroic(place: GraphTarget, book: int, count: int) -> int:
    """Chapters that have one and the same person: the last group's rate."""
    graph, rate = GraphStore(place), 0
    number = await graph.settle_number(book)
    for first in range(0, count, HEROIC):
        group = [alone(book, n) for n in range(first + 1, first + HEROIC + 1)]
        begin = time.time()
        await graph.project(book, group, number=number, check=lambda: True)
        rate = round(HEROIC / (time.time() - begin))
    await graph.close()
    return rate


def alone(book: int, number: int) -> Graph:
    """A chapter of one person."""
    place = Chapter(book * 100_000 + number, book, number, f"第{number}章", 3000)
    found = Extraction(characters=[Character(name="独行客")])
    row = ExtractionRow(1, book, place.id, number, "", "", found, "bench", "bench", 1)
    return ChapterProjector(Novel(book, f"书{book}"), (), TaskConfig()).project(place, row)


def texts(first: int, count: int) -> list[str]:
    """Chapters of a book of one cast; each writer has others of them."""
    return list(islice(chapters(3000), first, first + count))


def chapter(book: int, number: int, text: str) -> Graph:
    """What a chapter of 3,000 characters gives."""
    found = reply.parse(fake_model.answer(text), provider="bench").extraction
    place = Chapter(book * 10_000 + number, book, number, f"第{number}章", len(text))
    row = ExtractionRow(1, book, place.id, number, "", "", found, "bench", "bench", 1)
    return ChapterProjector(Novel(book, f"书{book}"), (), TaskConfig()).project(place, row)


def arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--chapters", type=int, default=1_200, help="of all writers together, in each round")
    parser.add_argument("--writers", type=int, default=4, help="processes")
    parser.add_argument("--hero", type=int, default=8_000, help="chapters that have the same person")
    parser.add_argument("--outside", action="store_true", help="on NEO4J_URI")
    return parser.parse_args()


if __name__ == "__main__":
    main()
