"""What a person asks about: the state of everything, and a task's whole record."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kgnb.app.context import App
from kgnb.app.status import StatusReport
from kgnb.core.errors import InputError
from kgnb.core.messages import language
from kgnb.core.model import Task
from kgnb.graph.resolve.decisions import Decision
from kgnb.render.export import write
from kgnb.stores.ledger.transfer import VERSION


async def status(app: App) -> dict[str, Any]:
    """Nodes, queues, providers and the newest tasks, as JSON-ready values."""
    return await StatusReport(app).read()


async def find_task(app: App, task_id: int) -> Task:
    """The task; raises InputError that says how to list tasks when there is none."""
    task = await app.ledger.task(task_id)
    if task is None:
        raise InputError("cli.no_task", task=task_id)
    return task


async def export(app: App, novel_id: int, kind: str, path: Path) -> None:
    """Writes the novel's graph to ``path`` as json (with its record), csv, graphml or html.

    Raises InputError when the place can't be written.
    """
    graph = await app.graph.read(novel_id)
    rows = await record(app, novel_id) if kind == "json" else {}
    title = (await app.ledger.novel(novel_id)).title
    await asyncio.to_thread(write, graph, rows, path, kind, title=title, lang=language())


async def record(app: App, novel_id: int) -> dict[str, Any]:
    """The novel's rows, texts included: what the graph is projected from (design: the record is SQL)."""
    ledger = app.ledger
    chapters = await ledger.chapters(novel_id)
    texts = await ledger.texts([c.id for c in chapters])
    return {
        "version": VERSION,
        "novel": asdict(await ledger.novel(novel_id)) | await ledger.book_facts(novel_id),
        "chapters": [asdict(c) | {"text": texts.get(c.id, "")} for c in chapters],
        "tasks": [_plain_task(t) for t in await ledger.tasks_of(novel_id)],
        "states": await ledger.states(novel_id),
        "extractions": [row async for row in ledger.record_rows(novel_id)],
        "names": [asdict(n) for n in await ledger.names(novel_id)],
        "decisions": [_plain_decision(d) for d in await ledger.decisions(novel_id)],
    }


def _plain_decision(decision: Decision) -> dict[str, Any]:
    """A decision with its times as ISO 8601 texts: Beijing's, without a zone."""
    times = {"made_at": decision.made_at, "undone_at": decision.undone_at}
    return asdict(decision) | {k: at.isoformat() if at else None for k, at in times.items()}


def _plain_task(task: Task) -> dict[str, Any]:
    return asdict(task) | {"status": task.status.value}
