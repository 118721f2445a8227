"""What the terminal's commands share: how one is declared, options, argument types and exit codes."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kgnb.cli.parser import Commands, Parser
from kgnb.cli.streams import takes_any_text
from kgnb.core.messages import say
from kgnb.core.safe_text import safe_json
from kgnb.render.formats import FORMAT_OF_ENDING, format_of

OK, FAILED_CHAPTERS, INTERRUPTED = 0, 1, 130

# --- declaring a command


def command(commands: Commands[Parser], name: str, run: str | None, *, text: str = "") -> Parser:
    """Declare the command ``name`` (help: ``cli.help_<text or name>``) with every command's options; return
    its parser.

    ``run``: "module:function" of this package, async, which takes the arguments and the settings and returns
    the exit code; None for a family.
    """
    about = say(f"cli.help_{text or name}")
    added = commands.add_parser(name, help=about, description=about)
    added.set_defaults(run=run, parser=added)
    common_options(added)
    return added


def family(commands: Commands[Parser], name: str, *, text: str = "", dest: str = "part") -> Commands[Parser]:
    """Declare the family of commands ``name``; return the object on which its commands are declared."""
    return command(commands, name, None, text=text).add_commands(dest)


def argument(
    added: argparse._ActionsContainer, *names: str, text: str = "", completes: str = "", **options: Any
) -> None:
    """Adds an option or a positional argument, as ``add_argument``.

    Its help is ``cli.help_<text>``, by default that of its own name. A shell completes it with names where it
    ``completes`` a "file" or a "directory".
    """
    if "help" not in options:
        options["help"] = say(f"cli.help_{text or names[-1].lstrip('-').replace('-', '_')}")
    made = added.add_argument(*names, **options)
    if completes:
        made.complete = completes  # type: ignore[attr-defined]


def common_options(added: Parser, default: Any = argparse.SUPPRESS) -> None:
    """Adds what may stand before and after a command. By default an option that isn't given leaves alone
    what stands before the command."""
    argument(added.common, "--data", completes="directory", metavar="DIR", default=default)
    argument(added.common, "--lang", choices=("zh", "en"), default=default)


def json_option(added: Parser) -> None:
    """Adds ``--json``: one object on stdout, no more."""
    argument(added, "--json", action="store_true")


def task_argument(added: Parser, **options: Any) -> None:
    """Adds ``TASK``."""
    argument(added, "task", type=task_id, metavar="TASK", **options)


def book_argument(added: Parser) -> None:
    """Adds ``BOOK|TASK``, which may be left out where there is one book only."""
    argument(added, "book", type=title_or_task, nargs="?", metavar="BOOK|TASK", text="which_book")


def chapter_argument(added: Parser, **options: Any) -> None:
    """Adds ``CHAPTER``."""
    argument(added, "chapter", type=chapter_number, metavar="CHAPTER", **options)


# --- types


def whole(most: int, least: int = 1, told: str = "cli.bad_number") -> Callable[[str], int]:
    """Return the type of an argument that is a whole number from ``least`` to ``most``, both included;
    ``told``: key of the error for other numbers.
    """

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:  # also for more digits than Python reads
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(say(told, least=least, most=most))
        return number

    return read


row_id = whole(2**53)
"""More than any database counts to, and Redis' scripts keep it exactly."""
task_id = whole(2**53, told="cli.bad_task")


def title_or_task(text: str) -> str:
    """Return a book's title or a task's number as it was typed. Raises ArgumentTypeError for a number that no
    task can have.
    """
    return str(task_id(text)) if text.isdecimal() else text


chapter_number = whole(2**53, least=0)
until = whole(2**53, least=-(2**53), told="cli.bad_until")
"""Whether the book has such a chapter is known only when it is opened."""
seconds = whole(366 * 86_400)
slots = whole(5_000)
"""Chapters in flight: far more than one process can do anything with."""


def chapter_range(text: str) -> tuple[int, int]:
    """Return first and last chapter number of ``90`` or ``90-110``: (90, 90), (90, 110).

    Raises ArgumentTypeError for anything else, and where the first is above the last.
    """
    first, _, last = text.partition("-")
    found = chapter_number(first), chapter_number(last or first)
    if found[0] > found[1]:
        raise argparse.ArgumentTypeError(say("names.bad_chapters"))
    return found


def graph_file(text: str) -> Path:
    """Return the path of a file to write a graph to. Raises ArgumentTypeError for an ending that isn't a
    format's; none is allowed.
    """
    path = Path(text)
    if path.suffix and format_of(path) is None:
        raise argparse.ArgumentTypeError(
            say("cli.bad_ending", ending=path.suffix, known=" ".join(FORMAT_OF_ENDING))
        )
    return path


# --- showing


def written(path: Path, form: str) -> str:
    """Return the sentence that a graph was written to ``path``; ``form``: its format."""
    return say("cli.picture_written" if form == "html" else "cli.graph_written", path=path)


def show(args: argparse.Namespace, facts: object, lines: Callable[[], Iterable[str]]) -> int:
    """Print ``facts`` as one line of JSON with ``--json``, else ``lines()``; return 0."""
    if args.json:
        print_json(facts)
    else:
        print("\n".join(lines()))
    return OK


def print_json(value: object, indent: int | None = None) -> None:
    """Prints JSON, by default one line; in ``value`` may be dataclasses."""
    text = json.dumps(value, ensure_ascii=not takes_any_text(), default=dataclasses.asdict, indent=indent)
    print(safe_json(text), flush=True)


def warn(text: str) -> None:
    """Prints a line for a person who watches, apart from what a program reads."""
    print(f"kgnb: {text}", file=sys.stderr, flush=True)
