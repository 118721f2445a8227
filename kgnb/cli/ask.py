"""`kgnb ask`: a question about a book in words, or about all books."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from kgnb.app import context
from kgnb.app.ask import ask_book
from kgnb.app.library import find_task_id
from kgnb.app.shelf import ask_shelf
from kgnb.app.tasks import find_task
from kgnb.cli.options import show
from kgnb.core.errors import InputError
from kgnb.core.host import takes_colour
from kgnb.core.settings import Settings
from kgnb.graph.ask.answers import Answer
from kgnb.render.answer_text import answer_lines, bold


async def ask(args: argparse.Namespace, settings: Settings) -> int:
    """Print an answer with the quotes that it rests on; return 0."""
    # More words than a title and a question: a question without quotation marks.
    book, question = args.words if len(args.words) == 2 else (None, " ".join(args.words))
    try:
        number = await find_task_id(settings, book)
    except InputError as error:
        if error.key != "cli.which_book" or book is not None:
            raise
        async with context.open_to_look(settings, queue=False, graph=False) as app:
            found = await ask_shelf(app, question, args.until)
    else:
        found = await _of_book(settings, number, question, args)
    mark = bold if takes_colour(sys.stdout) else str
    return show(args, asdict(found), lambda: answer_lines(found, mark))


async def _of_book(settings: Settings, number: int, question: str, args: argparse.Namespace) -> Answer:
    """Return the answer about the book of task ``number``."""
    async with context.open_for_task(settings, number, queue=args.provider is not None, graph=False) as app:
        novel = (await find_task(app, number)).novel_id
        return await ask_book(app, novel, number, question, until=args.until, provider=args.provider)
