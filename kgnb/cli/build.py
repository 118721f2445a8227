"""`kgnb build` and `kgnb submit`: a book to its graph here and now, or into the queue."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kgnb.app import build as use_case
from kgnb.app import context
from kgnb.app.local_model import open_to_work
from kgnb.app.submit import plan, read, refresh_finished
from kgnb.cli import options
from kgnb.cli.signals import cancel_on_sigterm
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.render.formats import format_of
from kgnb.render.progress_bar import ProgressBar
from kgnb.worker.throttle import pauses


async def build(args: argparse.Namespace, settings: Settings) -> int:
    """Build the book's graph and print what came of it; return 1 if chapters failed, else 0."""
    path = Path(args.book)
    if args.output:
        from kgnb.render.export import check_place  # every format: a fifteenth of the imports

        check_place(args.output)
    # A list, emptied by pop(): the use case alone holds the text, until it is stored.
    books = [await read(path, args.title, args.author, args.edition_of)]
    cancel_on_sigterm()
    if args.estimate:
        from kgnb.cli.cost import show_estimate

        with _pauses_untold():
            return await show_estimate(args, settings, books[0])
    output_format = format_of(args.output) or "html" if args.output else ""
    with _pauses_untold(), ProgressBar(quiet=args.json, kinds=settings.kinds) as bar:
        async with open_to_work(settings, graph=False) as app:
            result = await use_case.build(
                app, books.pop(), path, args.provider, again=args.again, listener=bar.show
            )
            title = (await app.ledger.books.novel(result.novel_id)).title
            if args.output:
                from kgnb.app import transfer

                await transfer.export(app, result.novel_id, output_format, args.output)
    lines: list[str] = [say("cli.built", title=one_line(title), **result.facts())]
    if nobody := not (result.characters or result.failed):
        lines.append(say("cli.nobody"))
    if args.output:  # there is nothing to see in an empty picture
        lines.append(options.written(args.output, "" if nobody else output_format))
    elif result.completed and not nobody:
        lines.append(say("cli.see_it"))
    if result.failed:
        lines.append(say("cli.some_failed", failed=result.failed, task=result.task_id))
    options.show(args, result, lambda: lines)
    return options.FAILED_CHAPTERS if result.failed else options.OK


@contextmanager
def _pauses_untold() -> Iterator[None]:
    """Log no pauses during the block: the command says them itself."""
    pauses.disabled = True
    try:
        yield
    finally:
        pauses.disabled = False


async def submit(args: argparse.Namespace, settings: Settings) -> int:
    """Store the book, queue its task and print the task's id; return 0."""
    path = Path(args.book)
    book = await read(path, args.title, args.author, args.edition_of)
    async with context.open_app(settings, graph=False) as app:
        planned = await plan(app, book, path, args.provider, again=args.again)
        await refresh_finished(app, planned)
    if planned.found_finished:
        options.warn(say("cli.found_finished", task=planned.task.id))
    else:
        print(say("cli.submitted", task=planned.task.id), file=sys.stderr)
    print(planned.task.id)
    return options.OK
