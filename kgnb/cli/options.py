"""What the terminal's commands share: how one is declared, and their exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Coroutine
from typing import Any

from kgnb.core.messages import say
from kgnb.core.settings import Settings

OK, FAILED_CHAPTERS, INTERRUPTED = 0, 1, 130

Command = Callable[[argparse.Namespace, Settings], Coroutine[Any, Any, int]]


def command(commands: Any, name: str, run: Command, *, text: str = "") -> argparse.ArgumentParser:
    """Declares the command ``name`` (help: ``cli.help_<text or name>``) with every command's options."""
    added: argparse.ArgumentParser = commands.add_parser(
        name, help=say(f"cli.help_{text or name}"), description=say(f"cli.help_{text or name}")
    )
    added.set_defaults(command=run)
    added.add_argument("--data", metavar="DIR", help=say("cli.help_data"))
    added.add_argument("--lang", choices=("zh", "en"), help=say("cli.help_lang"))
    return added


def json_option(added: argparse.ArgumentParser) -> None:
    """Adds ``--json``: one object on stdout, no more."""
    added.add_argument("--json", action="store_true", help=say("cli.help_json"))


def whole(most: int, least: int = 1) -> Callable[[str], int]:
    """The type of an argument that is a whole number from ``least`` to ``most``."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:  # also for more digits than Python reads
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(say("cli.bad_number", least=least, most=most))
        return number

    return read


row_id = whole(2**53)
"""Of a task: more than any database counts to, and Redis' scripts keep it exactly."""
chapter_number = whole(2**53, least=0)
seconds = whole(366 * 86_400)
slots = whole(5_000)
"""Chapters in flight: far more than one process can do anything with."""
