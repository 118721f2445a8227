"""Requests and responses of the dry-run server, and how aiohttp's server carries them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aiohttp import web

MAX_REQUEST = 4_000_000
"""Most bytes of a request's body."""


class Request(NamedTuple):
    """A whole request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Response(NamedTuple):
    """A response. ``status`` 0: never sent; negative: the connection is closed half-way through it."""

    status: int
    body: bytes
    extra: Mapping[str, str] = {}
    """Headers."""
    at_once: bool = False
    """Without the server's latency: refused before anything is generated."""


def json_response(status: int, value: Any) -> Response:
    """Return a response with ``value`` as JSON body."""
    return Response(status, json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def error_response(status: int, code: str, message: str, *, param: str = "") -> Response:
    """Return a response with an error in OpenAI's format; ``param``: the parameter at fault, "" for none."""
    kind = "invalid_request_error" if status < 429 else code
    told = {"error": {"message": message, "type": kind, "param": param or None, "code": code}}
    return json_response(status, told)._replace(at_once=status < 429)


async def carry(
    request: web.Request, respond: Callable[[Request], Response], latency: Callable[[], float]
) -> web.StreamResponse:
    """Return the response for one of aiohttp's requests; a POST's takes ``latency()`` seconds. Status 0 never
    answers, a negative one breaks off in the middle.
    """
    started = asyncio.get_running_loop().time()
    asked = Request(request.method, request.path, request.headers, await request.read())
    await asyncio.sleep(0)  # what came together waits together: an answer takes a millisecond to make
    response = respond(asked)
    seconds = latency()
    if response.status == 0:
        await asyncio.Event().wait()  # until the client leaves
    if request.method == "POST" and not response.at_once:
        await asyncio.sleep(started + seconds - asyncio.get_running_loop().time())
    sent = web.Response(
        status=abs(response.status),
        body=response.body,
        content_type="application/json",
        headers=response.extra,
    )
    if response.status < 0:
        half = response.body[: len(response.body) // 2]
        await sent.prepare(request)
        if request.transport is not None:
            request.transport.write(half)
            request.transport.close()
    return sent
