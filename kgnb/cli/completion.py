"""`kgnb completion bash|zsh`: the script that lets a shell complete kgnb's commands, options and files."""

from __future__ import annotations

import argparse
from typing import Any

from kgnb.cli.parser import Commands, Parser
from kgnb.core.messages import say

SHELLS = ("bash", "zsh")


class _PrintScript(argparse.Action):
    """Print the script and end, as --version does: a shell's start must not depend on settings."""

    def __init__(self, *args: Any, root: Parser, **options: Any) -> None:
        super().__init__(*args, **options)
        self._root = root

    def __call__(self, parser: argparse.ArgumentParser, _: object, shell: Any, __: object = None) -> None:
        import shtab

        print(shtab.complete(self._root, shell))
        parser.exit()


def add_completion(commands: Commands[Parser], root: Parser) -> None:
    """Declares `kgnb completion` for the commands of ``root``."""
    about = say("cli.help_completion")
    added = commands.add_parser("completion", help=about, description=about)
    added.set_defaults(parser=added)
    added.add_argument(
        "shell",
        choices=SHELLS,
        metavar="bash|zsh",
        action=_PrintScript,
        root=root,
        help=say("cli.help_completion_shell"),
    )
