"""`kgnb mcp`: the books for an assistant, by the Model Context Protocol."""

from __future__ import annotations

import argparse

from kgnb.app import context
from kgnb.cli.options import OK
from kgnb.core.errors import SettingsError
from kgnb.core.settings import Settings


async def mcp(_: argparse.Namespace, settings: Settings) -> int:
    """Serve the tools on stdio until the client closes it or a signal comes; return 0. Other output goes to
    stderr. Raises SettingsError without the extra.
    """
    try:
        from kgnb.cli.mcp_tools import make_server
    except ImportError as error:
        raise SettingsError("ask.no_mcp") from error
    async with context.open_to_look(settings, queue=False, graph=False) as app:
        await make_server(app).run_stdio_async()
    return OK
