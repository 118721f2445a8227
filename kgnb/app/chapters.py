"""A task's chapters: their states, and one with its extraction, doubtful parts and raw replies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kgnb.app.context import App
from kgnb.app.graphs import graph_of
from kgnb.app.tasks import find_task
from kgnb.core.errors import InputError
from kgnb.core.model import Chapter, ChapterStatus, Task, in_viewers_zone
from kgnb.extract import evidence
from kgnb.extract.model import Extraction
from kgnb.graph.model import ExtractionRow
from kgnb.graph.query import GraphQuery
from kgnb.graph.relationship_history import is_in_graph
from kgnb.stores.ledger.task_stats import ChapterState

_NOTHING: dict[str, Any] = {"flags": [], "extraction": None, "left_out": []}


@dataclass(frozen=True, slots=True)
class ListedChapter:
    """A chapter: its number and title in the book, its status and why it failed, if it did."""

    number: int
    title: str
    status: str
    reason: str = ""


async def list_chapters(app: App, task_id: int) -> Sequence[ListedChapter]:
    """Return the task's chapters in the book's order.

    A chapter without a row, of a task that no node has opened yet, is pending. Raises InputError when there
    is no task.
    """
    task = await find_task(app, task_id)
    found = await app.ledger.task_stats.chapter_states(task_id=task.id)
    states = {one.chapter_id: (one.status, one.error) for one in found}
    return [
        ListedChapter(one.number, one.title, *states.get(one.id, (ChapterStatus.PENDING.value, "")))
        for one in await app.ledger.books.chapters(task.novel_id, task.chapter_ids)
    ]


async def read_chapter(app: App, task_id: int, number: int, *, raw: bool) -> dict[str, Any]:
    """Return the record of the task's chapter ``number``, JSON-ready; ``left_out``: indices of the relations
    that the novel's graph doesn't have of this chapter; ``raw``: with the model's replies.

    Raises InputError where there is no such task or chapter.
    """
    task = await find_task(app, task_id)
    chapter, state = await _find(app, task, number)
    row = await app.ledger.extractions.row(task.id, chapter.id)
    query = await asyncio.to_thread(GraphQuery, await graph_of(app, task.novel_id)) if row else None
    found = {"task_id": task.id, "chapter": chapter.number, "chapter_id": chapter.id, "title": chapter.title}
    known = _extraction(row) | _left_out(row.extraction, query, number) if row and query else _NOTHING
    found |= _state(state) | known
    if raw:
        found["raw"] = await app.ledger.extractions.raw_replies(task.id, chapter.id)
    return found


async def task_in_graph(app: App, task_id: int, number: int) -> int:
    """Return the id of the task whose extraction of chapter ``number`` the graph of the task's novel has;
    ``task_id`` where it has none. Raises InputError for an unknown task.
    """
    task = await find_task(app, task_id)
    return (await app.ledger.graphs.tasks_by_chapter(task.novel_id)).get(number, task_id)


async def _find(app: App, task: Task, number: int) -> tuple[Chapter, ChapterState | None]:
    """Return the task's chapter of this number, with its state or None. Raises InputError for an unknown
    number.
    """
    listed = await app.ledger.books.chapters(task.novel_id, task.chapter_ids)
    chapter = next((one for one in listed if one.number == number), None)
    if chapter is None:
        raise InputError("chapter.not_there", task=task.id, chapter=number)
    states = await app.ledger.task_stats.chapter_states(task_id=task.id, chapter_id=chapter.id)
    return chapter, next(iter(states), None)


def _state(state: ChapterState | None) -> dict[str, Any]:
    """Return a chapter's state as JSON values; "pending" for None."""
    if state is None:  # a task of the main program that no node has opened yet
        return {"status": "pending", "entities": 0, "relations": 0, "error": ""}
    times = {name: getattr(state, name) for name in ("started_at", "completed_at")}
    found = asdict(state) | {name: at and in_viewers_zone(at).isoformat() for name, at in times.items()}
    return found | {"error": state.error}


def _left_out(extraction: Extraction, query: GraphQuery, number: int) -> dict[str, list[int]]:
    """Return {"left_out": positions of the relations that the graph doesn't have}."""
    relations = enumerate(extraction.relations)
    return {"left_out": [i for i, relation in relations if not is_in_graph(relation, query, number)]}


def _extraction(row: ExtractionRow) -> dict[str, Any]:
    """Return a stored row as JSON values."""
    return {
        "provider": row.provider,
        "model": row.model,
        "chars": row.chars,
        **asdict(row.usage),
        "flags": sorted(row.flags),
        "rejected": row.rejected,
        "unverified": evidence.count_unverified(row.extraction),
        "absent": row.extraction.absent,
        "extraction": row.extraction.model_dump(mode="json", exclude_defaults=True),
    }
