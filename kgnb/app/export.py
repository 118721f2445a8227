"""Export a novel: its graph as a file, its record as JSON-ready values."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from kgnb.app.context import App
from kgnb.app.settle import settle_missing
from kgnb.render.export import write
from kgnb.stores.ledger.transfer import VERSION, SavedState


async def export(app: App, novel_id: int, kind: str, path: Path) -> None:
    """Write the novel's graph to ``path`` as json (with its record), csv, graphml or html.

    Raises InputError when ``path`` can't be written.
    """
    await settle_missing(app, novel_id)
    graph = await app.graph.read(novel_id)
    rows = await record(app, novel_id) if kind == "json" else {}
    title = (await app.ledger.books.novel(novel_id)).title
    await asyncio.to_thread(write, graph, rows, path, kind, title=title)


async def record(app: App, novel_id: int) -> dict[str, Any]:
    """Return the novel's rows, texts included: the record that its graph is projected from."""
    ledger = app.ledger
    chapters = await ledger.books.chapters(novel_id)
    texts = await ledger.books.texts([c.id for c in chapters])
    states = await ledger.task_stats.chapter_states(novel_id=novel_id)
    return {
        "version": VERSION,
        "novel": asdict(await ledger.books.novel(novel_id)) | await ledger.books.newest_text(novel_id),
        "chapters": [asdict(c) | {"text": texts.get(c.id, "")} for c in chapters],
        "tasks": list(map(asdict, await ledger.tasks.of_novel(novel_id))),
        "states": [{name: getattr(state, name) for name in SavedState.model_fields} for state in states],
        "extractions": [row async for row in ledger.extractions.json_rows(novel_id)],
        "names": list(map(asdict, await ledger.names.read(novel_id))),
        "decisions": to_jsonable_python(await ledger.name_decisions.read(novel_id)),
    }
