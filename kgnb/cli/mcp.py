"""`kgnb mcp`: the books for an assistant, by the Model Context Protocol."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from kgnb.app import context
from kgnb.cli.options import OK
from kgnb.core.errors import SettingsError
from kgnb.core.messages import say
from kgnb.core.settings import Settings

LOOPBACK = "127.0.0.1"

Asgi = Callable[[Any, Any, Any], Awaitable[None]]


async def mcp(args: argparse.Namespace, settings: Settings) -> int:
    """Serve the tools on stdio until the client closes it or a signal comes; return 0. Other output goes to
    stderr. Raises SettingsError without the extra.
    """
    try:
        from kgnb.cli.mcp_tools import make_server
    except ImportError as error:
        raise SettingsError("ask.no_mcp") from error
    async with context.open_to_look(settings, queue=False, graph=False) as app:
        server = make_server(app)
        if args.http is None:
            await server.run_stdio_async()
        else:
            await _serve_http(server.streamable_http_app(host=LOOPBACK), args.http)
    return OK


async def _serve_http(app: Asgi, port: int) -> None:
    import uvicorn

    token = secrets.token_urlsafe(24)
    print(say("ask.mcp_serves", url=f"http://{LOOPBACK}:{port}/mcp", token=token), flush=True)
    config = uvicorn.Config(_guarded(app, token), host=LOOPBACK, port=port, log_config=None, access_log=False)
    await uvicorn.Server(config).serve()


def _guarded(app: Asgi, token: str) -> Asgi:
    """Return ``app`` for requests with the token alone, others get 401: any program or web page of this
    machine reaches loopback.
    """
    wanted = f"Bearer {token}".encode()

    async def guard(scope: Any, receive: Any, send: Any) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] == "lifespan" or secrets.compare_digest(given, wanted):
            await app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return guard
