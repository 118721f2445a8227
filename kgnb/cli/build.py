"""`kgnb build` and `kgnb submit`: a book to its graph here and now, or into the queue."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kgnb.cli import options
from kgnb.cli.cost import SAMPLE, show_estimate
from kgnb.cli.parser import Commands, Parser
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line

if TYPE_CHECKING:
    from kgnb.core.settings import Settings


def add_build(commands: Commands[Parser]) -> None:
    """Declares `kgnb build`."""
    added = options.command(commands, "build", build)
    _book_options(added)
    added.add_argument("--provider", metavar="NAME", help=say("cli.help_provider"))
    about_estimate = say("cli.help_estimate", chapters=SAMPLE)
    added.add_argument(
        "--estimate", type=options.whole(1_000), nargs="?", const=SAMPLE, metavar="N", help=about_estimate
    )
    added.add_argument("--slots", type=options.slots, metavar="N", help=say("cli.help_slots"))
    resume_option(added)
    options.json_option(added)
    about_output = say("cli.help_picture")
    options.file_argument(
        added, "-o", "--output", type=options.graph_file, metavar="graph.html", help=about_output
    )


def add_submit(commands: Commands[Parser]) -> None:
    """Declares `kgnb submit`."""
    added = options.command(commands, "submit", submit)
    _book_options(added)
    added.add_argument("--provider", metavar="NAME", required=True, help=say("cli.help_provider"))


def _book_options(added: Parser) -> None:
    options.file_argument(added, "book", metavar="BOOK", help=say("cli.help_book"))
    added.add_argument("--title", metavar="TITLE", help=say("cli.help_title"))
    added.add_argument("--author", metavar="AUTHOR", help=say("cli.help_author"))
    added.add_argument("--kinds", metavar="KIND,KIND", help=say("cli.help_kinds"))
    added.add_argument("--again", action="store_true", help=say("cli.help_again"))


def resume_option(added: Parser) -> None:
    """Adds ``--resume-from``."""
    options.file_argument(added, "--resume-from", metavar="DIR|ZIP", help=say("cli.help_resume_from"))


async def build(args: argparse.Namespace, settings: Settings) -> int:
    """Builds the book's graph and shows what came of it."""
    from kgnb.app import build, context, export
    from kgnb.cli.signals import cancel_on_sigterm
    from kgnb.render.export import check_place
    from kgnb.render.progress_bar import ProgressBar

    path = Path(args.book)
    if args.output:
        check_place(args.output)
    # A list, emptied by pop(): the use case alone holds the text, until it is stored.
    books = [await build.read(path, args.title, args.author)]
    cancel_on_sigterm()
    if args.estimate:
        return await show_estimate(args, settings, books[0])
    title = books[0].title
    output_format = options.format_of(args.output) or "html" if args.output else ""
    with ProgressBar(quiet=args.json) as bar:
        async with context.open_app(settings, graph=False) as app:
            result = await build.build(
                app, books.pop(), path, args.provider, again=args.again, listener=bar.show
            )
            if args.output:
                await export.export(app, result.novel_id, output_format, args.output)
    if args.json:
        options.print_json(result.as_dict())
    else:
        print(say("cli.built", title=one_line(title), **result.as_dict()))
        if not (result.characters or result.failed):
            print(say("cli.nobody"))
        if args.output:
            print(options.written(args.output, output_format))
    return options.FAILED_CHAPTERS if result.failed else options.OK


async def submit(args: argparse.Namespace, settings: Settings) -> int:
    """Stores the book, queues its task and prints the task's id."""
    from kgnb.app import build, context

    path = Path(args.book)
    book = await build.read(path, args.title, args.author)
    async with context.open_app(settings, graph=False) as app:
        plan = await build.plan(app, book, path, args.provider, again=args.again)
    if plan.found_finished:
        print("kgnb:", say("cli.found_finished", task=plan.task.id), file=sys.stderr)
    print(plan.task.id)
    return options.OK
