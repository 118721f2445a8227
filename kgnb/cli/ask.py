"""`kgnb ask`: a question about a book, in words."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import asdict

from kgnb.app import context
from kgnb.app.ask import ask as answer
from kgnb.app.graphs import graph_and_state
from kgnb.app.library import find_task_id
from kgnb.app.tasks import find_task
from kgnb.cli.options import show
from kgnb.core.settings import Settings
from kgnb.graph.query import GraphQuery
from kgnb.render.answer_text import answer_lines


async def ask(args: argparse.Namespace, settings: Settings) -> int:
    """Answers a question, with the quotes that the answer rests on."""
    # More words than a title and a question: a question without quotation marks.
    book, question = args.words if len(args.words) == 2 else (None, " ".join(args.words))
    number = await find_task_id(settings, book)
    async with context.open_for_task(settings, number, queue=False, graph=False) as app:
        record = await app.ledger.graphs.record((await find_task(app, number)).novel_id)
        graph, _ = await graph_and_state(app, record, args.until)
        query = await asyncio.to_thread(GraphQuery, graph)
        read = record if args.until is None else record.until(args.until)
        found = await answer(read, query, question)
    return show(args, asdict(found), lambda: answer_lines(found.sentences, found.note, found.passages))
