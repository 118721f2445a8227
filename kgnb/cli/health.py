"""`kgnb health`: whether a node of this machine lives, for Docker's healthcheck and other watchdogs."""

from __future__ import annotations

import argparse

from kgnb.app.context import open_to_look
from kgnb.cli.options import OK, warn
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.stores.queue.presence import local_nodes

UNHEALTHY = 1


async def health(args: argparse.Namespace, settings: Settings) -> int:
    """Report whether a node of this machine sent a heartbeat lately; return 0 if so, else 1."""
    async with open_to_look(settings, sql=False, graph=False) as app:
        nodes = await local_nodes(app.queue) if app.has_queue else []
    for node in nodes:
        if node.age is not None and node.age <= args.within:
            print(say("health.ok", name=one_line(node.name), seconds=round(node.age)))
            return OK
    facts = {"names": one_line(", ".join(node.name for node in nodes)), "seconds": args.within}
    warn(say("health.silent" if nodes else "health.nobody", **facts))
    return UNHEALTHY
