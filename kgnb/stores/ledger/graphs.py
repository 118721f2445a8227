"""Graphs in SQL: a novel's record, of which its graph is made, and the graph that was made last."""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import sqlalchemy as sa

from kgnb import __version__
from kgnb.core.model import RULES, Chapter, TaskConfig, beijing_now
from kgnb.graph.model import Graph, RecordRow
from kgnb.graph.project import codec
from kgnb.graph.project.record import Record
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.books import ChapterTexts, existing_novels, lock_novel, read_novel
from kgnb.stores.ledger.database import Database, DatabasePart, pages, reading, transaction, upsert
from kgnb.stores.ledger.extractions import rows_by_key
from kgnb.stores.ledger.migrations import content_hash
from kgnb.stores.ledger.names import read_decisions, read_names
from kgnb.stores.ledger.providers import read_config
from kgnb.stores.ledger.tasks import read_tasks

PAGE = 500
"""Rows, or texts, held in memory while a graph is made."""


class EffectiveRow(NamedTuple):
    """The row that counts for a chapter: of the present text, AI before rules, then the highest task id."""

    chapter_id: int
    task_id: int
    token: int
    text_hash: str
    prompt_hash: str
    provider: str
    others: tuple[int, ...]
    """The other tasks with a row for the chapter, sorted."""


@dataclass(frozen=True, slots=True)
class StoredGraph:
    """A graph that is, or will be, a row of ``kgnb_graphs``.

    ``number``: of its refresh; ``state``: of the record that it was made from; ``counts``: nodes by label and
    edges by type; ``data``: see codec.py, empty where only the counts were asked for.
    """

    number: int
    state: str
    counts: dict[str, int]
    data: bytes = b""


class Graphs(DatabasePart):
    """``kgnb_graphs``, and the record that a graph is made from."""

    @reading
    def record(self, c: sa.Connection, novel_id: int) -> Record:
        """Return the novel's record as it is now; rows and texts are read page by page when they are
        iterated.

        Raises InputError for an unknown novel.
        """
        novel, config = read_novel(c, novel_id), read_config(c)
        tasks = read_tasks(c, t.tasks.c.novel_id == novel_id)
        hashed = _chapters_with_hashes(c, novel_id)
        rows = _effective_rows(c, novel_id, hashed)
        names, decisions = read_names(c, novel_id), read_decisions(c, novel_id)
        # What else is in the config makes no other graph.
        config = TaskConfig(
            relation_types=config.relation_types, labels=config.labels, thing_kinds=config.thing_kinds
        ).with_kinds_of(tasks)
        number = c.scalar(sa.select(t.graphs.c.number).where(t.graphs.c.novel_id == novel_id))
        chapters = [chapter for chapter, _ in hashed]
        return Record(
            novel=novel,
            config=config,
            chapters=chapters,
            rows=RecordRows(self._database, rows),
            names=names,
            decisions=decisions,
            texts=ChapterTexts(self._database, chapters),
            number=max((number or 0) + 1, time.time_ns() // 1_000_000),
            state=_digest(__version__, novel, config, hashed, rows, names, decisions),
        )

    @reading
    def rows(self, c: sa.Connection, novel_id: int) -> RecordRows:
        """Return the novel's rows that count, at most one a chapter, in order of chapter number."""
        hashed = _chapters_with_hashes(c, novel_id)
        return RecordRows(self._database, _effective_rows(c, novel_id, hashed))

    @reading
    def tasks_by_chapter(self, c: sa.Connection, novel_id: int) -> dict[int, int]:
        """Return number of a chapter → id of the task whose row counts; without chapters that have none."""
        hashed = _chapters_with_hashes(c, novel_id)
        numbers = {chapter.id: chapter.number for chapter, _ in hashed}
        return {numbers[one.chapter_id]: one.task_id for one in _effective_rows(c, novel_id, hashed)}

    @reading
    def stored(self, c: sa.Connection, novel_id: int, *, data: bool = True) -> StoredGraph | None:
        """Return the novel's stored graph; None without one, or where another version's format is stored.

        ``data``: False leaves out the graph's bytes.
        """
        g = t.graphs.c
        columns = [g.number, g.state, g.counts, *([g.data] if data else [])]
        row = c.execute(sa.select(*columns).where(g.novel_id == novel_id, g.format == codec.FORMAT)).first()
        if row is None:
            return None
        return StoredGraph(row.number, row.state, json.loads(row.counts or "{}"), row.data if data else b"")

    @transaction
    def store(self, c: sa.Connection, novel_id: int, graph: StoredGraph) -> bool:
        """Store the graph; return whether it was stored.

        False where a graph of the same or a higher number is stored, or the novel is gone.
        """
        lock_novel(c, novel_id)
        number = c.scalar(sa.select(t.graphs.c.number).where(t.graphs.c.novel_id == novel_id))
        if (number is not None and number >= graph.number) or not existing_novels(c, [novel_id]):
            return False
        row = {
            **{"novel_id": novel_id, "number": graph.number, "state": graph.state, "format": codec.FORMAT},
            **{"counts": json.dumps(graph.counts), "data": graph.data, "made_at": beijing_now()},
        }
        upsert(c, t.graphs, [row], lambda _, new: {name: new[name] for name in row if name != "novel_id"})
        return True


def make_graph(record: Record) -> tuple[Graph, StoredGraph]:
    """Return (the record's graph, the same graph encoded to be stored). Blocks while it reads; raises
    ServiceDown.
    """
    from kgnb.graph.project.projection import project  # a graph that is kept is read without it

    graph = project(record)
    return graph, StoredGraph(record.number, record.state, graph.counts(), codec.encode(graph))


def _digest(*parts: object) -> str:
    """Return the sha256 (hex) of the parts' representations."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _chapters_with_hashes(c: sa.Connection, novel_id: int) -> list[tuple[Chapter, str]]:
    """Return the novel's chapters in order, each with the hash of its present text."""
    k = t.chapters.c
    text_hash = content_hash(c).label("hash")
    query = sa.select(k.id, k.novel_id, k.chapter_number, k.title, k.word_count, text_hash)
    rows = c.execute(query.where(k.novel_id == novel_id).order_by(k.chapter_number, k.id))
    return [(t.read_chapter(row), row.hash) for row in rows]


def _effective_rows(
    c: sa.Connection, novel_id: int, chapters: Sequence[tuple[Chapter, str]]
) -> list[EffectiveRow]:
    """Return the row that counts for each chapter whose present text has one: an LLM's before the rules',
    then the newest task's.
    """
    e = t.extractions.c
    columns = (e.chapter_id, e.task_id, e.token, e.text_hash, e.prompt_hash, e.provider)
    known = t.extractions.join(t.tasks, t.tasks.c.id == e.task_id)
    rows = defaultdict(list)
    for row in c.execute(sa.select(*columns).select_from(known).where(e.novel_id == novel_id)):
        rows[row.chapter_id].append(row)
    effective = []
    for chapter, text_hash in chapters:
        of_chapter = rows[chapter.id]
        current = [row for row in of_chapter if row.text_hash == text_hash]
        if current:
            best = max(current, key=lambda row: (row.provider != RULES, row.task_id))
            others = sorted({row.task_id for row in of_chapter} - {best.task_id})
            effective.append(EffectiveRow(*best, tuple(others)))
    return effective


class RecordRows:
    """Rows that count, read page by page while iterated: a long book's rows never lie in memory together.

    Iterating blocks (use a thread) and raises ServiceDown like any read.
    """

    def __init__(self, database: Database, chosen: Sequence[EffectiveRow]) -> None:
        self._database = database
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def only(self, chapters: Container[int]) -> RecordRows:
        """Return the rows of these chapters (ids) alone."""
        return RecordRows(self._database, [one for one in self._chosen if one.chapter_id in chapters])

    def __iter__(self) -> Iterator[RecordRow]:
        for page in pages(self._chosen, PAGE):
            keys = [(one.task_id, one.chapter_id) for one in page]
            found = self._database.run_blocking(partial(rows_by_key, keys=keys), write=False)
            for one in page:
                row = found.get((one.task_id, one.chapter_id))
                if row is not None:  # else its task was deleted since
                    yield RecordRow(row, one.others)
