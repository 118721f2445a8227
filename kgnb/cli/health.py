"""`kgnb health`: whether a node of this machine lives, for Docker's healthcheck and other watchdogs."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from kgnb.cli.options import OK, command, seconds
from kgnb.cli.parser import Commands, Parser
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line

if TYPE_CHECKING:
    from kgnb.core.settings import Settings

UNHEALTHY = 1
WITHIN_SECONDS = 60
"""Two to six heartbeats: a node that is silent for longer hangs or has lost Redis."""


async def health(args: argparse.Namespace, settings: Settings) -> int:
    """Reports whether a node of this machine sent a heartbeat lately."""
    from kgnb.app.context import open_to_look
    from kgnb.stores.queue.presence import local_nodes

    async with open_to_look(settings, sql=False, graph=False) as app:
        nodes = await local_nodes(app.queue)
    for node in nodes:
        if node.age is not None and node.age <= args.within:
            print(say("health.ok", name=one_line(node.name), seconds=round(node.age)))
            return OK
    facts = {"names": one_line(", ".join(node.name for node in nodes)), "seconds": args.within}
    print("kgnb:", say("health.silent" if nodes else "health.nobody", **facts), file=sys.stderr)
    return UNHEALTHY


def add_health(commands: Commands[Parser]) -> None:
    """Declares `kgnb health`."""
    added = command(commands, "health", health)
    about = say("cli.help_within", seconds=WITHIN_SECONDS)
    added.add_argument("--within", type=seconds, default=WITHIN_SECONDS, metavar="SECONDS", help=about)
