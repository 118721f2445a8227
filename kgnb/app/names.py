"""A book's names as they resolve now."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kgnb.app.context import App
from kgnb.app.tasks import find_task
from kgnb.core.model import Novel
from kgnb.graph.model import NAMED_LABELS
from kgnb.graph.project.corrections import correct
from kgnb.graph.project.projection import builder_of
from kgnb.graph.resolve.decisions import Decision
from kgnb.graph.resolve.name_listing import ListedName, list_names


@dataclass(frozen=True, slots=True)
class BookNames:
    """A book's names and all decisions about them."""

    novel: Novel
    listed: list[ListedName]
    decisions: Sequence[Decision]


async def names_of(
    app: App, task_id: int, kinds: Collection[str] = NAMED_LABELS, until: int | None = None
) -> BookNames:
    """Return the names of the task's book as they resolve now, corrections applied. ``until``: as a reader of
    the chapters up to this number knows them; None for the whole book. Raises InputError for an unknown task.
    """
    record = await app.ledger.graphs.record((await find_task(app, task_id)).novel_id)
    record = record if until is None else record.until(until)

    def resolve() -> list[ListedName]:
        builder = builder_of(record)
        graph = builder.graph()
        correct(graph, record.decisions)
        renamed = {one.names[0] for one in record.decisions if one.kind == "rename" and one.in_force}
        return list_names(graph, builder.names, record.names, kinds, renamed)

    return BookNames(record.novel, await asyncio.to_thread(resolve), record.decisions)
