"""Chapters a second through SQL alone: claimed, looked up, reply stored, row written, marked, in batches.

    python bench/records.py [--chapters 4000] [--writers 4] [--batch 20] [--outside]

Each writer is a process of its own, like a node, and works the same task. Prints one JSON object:
``chapters_per_s`` of all together. With ``--outside`` on the database that DB_HOST names, else on SQLite.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path

from books import chapters
from kit import argument_parser, data_folder, run, tell

from kgnb.book.model import Book, BookChapter, text_hash
from kgnb.core.model import ChapterStatus
from kgnb.core.settings import Settings
from kgnb.extract import reply
from kgnb.graph.model import ExtractionRow
from kgnb.llm.fake import model as fake_model
from kgnb.stores.ledger.chapters import ChapterEnd
from kgnb.stores.ledger.database import Database
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.ledger.reply_cache import CachedReply, reply_key
from kgnb.stores.targets import SqlTarget, sql_target

HEAD_START = 1.0
"""Seconds in which all writers connect."""
TEXTS = 50
"""Different texts; a chapter's number makes each one's own."""


def main() -> None:
    args = arguments()
    with data_folder() as folder:
        place = place_of(args.outside, folder)
        task, novel, ids = run(prepare(place, args.chapters))
        shares = [ids[n :: args.writers] for n in range(args.writers)]
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(args.writers, spawn) as pool:
            took = list(pool.map(work, [(place, task, novel, share, args.batch) for share in shares]))
    seconds = max(end for _, end in took) - min(begin for begin, _ in took)
    tell({"chapters": len(ids), "writers": args.writers, "chapters_per_s": round(len(ids) / seconds)})


def place_of(outside: bool, folder: Path) -> SqlTarget:
    own = Settings.load() if outside else Settings.load(data=folder / "data", db_type="sqlite")
    (folder / "data").mkdir()
    return replace(sql_target(own), pool_size=5, max_overflow=5)


async def prepare(place: SqlTarget, count: int) -> tuple[int, int, list[int]]:
    """Imports a book and opens a task: its id, the novel's and the chapters'."""
    sql = Database(place)
    await sql.prepare()
    ledger, own = Ledger(sql), str(time.time())
    texts = list(islice(chapters(3000), TEXTS))
    parts = tuple(BookChapter(i, f"第{i}章", f"{own} {i}\n{texts[i % TEXTS]}") for i in range(1, count + 1))
    imported = await ledger.books.import_book(Book(own, "", "zh", parts, text_hash(own)))
    task = await ledger.tasks.create(
        imported.novel_id, provider="bench", model="bench", use_ai=True, name=own, queue="bench"
    )
    opening = await ledger.task_lifecycle.open(
        task, queue="bench", provider="bench", model="bench", token=1, fresh=True
    )
    await sql.close()
    return task, imported.novel_id, list(opening.chapters)


def work(job: tuple[SqlTarget, int, int, list[int], int]) -> tuple[float, float]:
    """One writer's share; when it began and ended (epoch seconds)."""
    begin, end = run(steps(*job))
    return begin, end


async def steps(place: SqlTarget, task: int, novel: int, ids: list[int], batch: int) -> tuple[float, float]:
    sql = Database(place)
    ledger = Ledger(sql)
    said = fake_model.answer(next(chapters(3000)))
    found = reply.parse(said, provider="bench").extraction
    await sql.ping()
    time.sleep(HEAD_START)
    begin = time.time()
    for start in range(0, len(ids), batch):
        mine = ids[start : start + batch]
        works = await ledger.chapters.claim([(task, one, 10) for one in mine])
        assert len(works) == len(mine), "not all are ours"
        keys = [
            reply_key("bench", "bench", hashlib.sha256(w.text.encode()).hexdigest()) for w in works.values()
        ]
        await ledger.reply_cache.get(dict.fromkeys(keys, task))
        await ledger.reply_cache.put([CachedReply(key, "bench", "bench", said, task) for key in keys])
        rows = [
            ExtractionRow(
                task, novel, one, w.chapter.number, text_hash(w.text), key, found, "bench", "bench", 10
            )
            for (_, one), w, key in zip(works, works.values(), keys, strict=True)
        ]
        completed = ChapterStatus.COMPLETED
        ends = [ChapterEnd(task, row.chapter_id, 10, completed, row=row, raw=(said,)) for row in rows]
        assert all(await ledger.chapters.end(ends))
    end = time.time()
    await sql.close()
    return begin, end


def arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--chapters", type=int, default=4_000)
    parser.add_argument("--writers", type=int, default=4, help="processes")
    parser.add_argument("--batch", type=int, default=20, help="chapters in one transaction")
    parser.add_argument("--outside", action="store_true", help="on DB_HOST")
    return parser.parse_args()


if __name__ == "__main__":
    main()
