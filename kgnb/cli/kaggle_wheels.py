"""`kgnb kaggle wheels DIR`: what a notebook without Internet installs from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kgnb.cli import options
from kgnb.cli.parser import Commands, Parser
from kgnb.core.messages import say

if TYPE_CHECKING:
    from kgnb.core.settings import Settings


async def wheels(args: argparse.Namespace, _: Settings) -> int:
    """Writes the folder, and says how it becomes a dataset."""
    from kgnb.kaggle.kernel_metadata import NOBODY
    from kgnb.kaggle.wheels import DATASET, make_wheels

    owner = args.owner or NOBODY
    made = await make_wheels(Path(args.folder), owner)
    dataset = f"{owner}/{DATASET}"
    print(say("kaggle.wheels_made", count=len(made), folder=args.folder, dataset=dataset))
    return options.OK


def add_wheels(parts: Commands[Parser]) -> None:
    """Declares `kgnb kaggle wheels`."""
    added = options.command(parts, "wheels", wheels, text="kaggle_wheels")
    about = say("cli.help_kaggle_wheels_dir")
    options.file_argument(added, "folder", completes="directory", metavar="DIR", help=about)
    about = say("cli.help_kaggle_wheels_owner")
    added.add_argument("--owner", metavar="NAME", help=about)
