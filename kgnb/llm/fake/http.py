"""Minimal HTTP/1.1 server with keep-alive, on asyncio's protocols.

Serves JSON to well-behaved clients on loopback; not meant for the open net.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple, Protocol

MAX_REQUEST = 4_000_000
"""Most bytes of a request's body."""


class _Server(Protocol):
    """What a connection asks of FakeServer."""

    latency: float

    def respond(self, request: Request) -> Response: ...
    def joined(self, connection: Connection) -> None: ...
    def left(self, connection: Connection) -> None: ...
    def began(self) -> None: ...
    def ended(self) -> None: ...


class Request(NamedTuple):
    """A whole request; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Response(NamedTuple):
    """A response. ``status`` 0: never sent; negative: the connection is closed half-way through it."""

    status: int
    body: bytes
    extra: str = ""  # header lines
    at_once: bool = False  # without the server's latency: refused before anything is generated

    def encoded(self) -> bytes:
        """The bytes to send."""
        head = (
            f"HTTP/1.1 {abs(self.status)} -\r\ncontent-type: application/json\r\n"
            f"content-length: {len(self.body)}\r\n{self.extra}\r\n"
        )
        return head.encode() + self.body


def json_response(status: int, value: Any) -> Response:
    """``value`` as JSON."""
    return Response(status, json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def error_response(
    status: int, code: str, message: str, *, param: str = "", anthropic: bool = False
) -> Response:
    """An error in OpenAI's or Anthropic's format."""
    if anthropic:
        told: dict[str, Any] = {"type": "error", "error": {"type": code, "message": message}}
    else:
        kind = "invalid_request_error" if status < 429 else code
        told = {"error": {"message": message, "type": kind, "param": param or None, "code": code}}
    return json_response(status, told)._replace(at_once=status < 429)


class Connection(asyncio.Protocol):
    """One keep-alive connection; answers its requests one after another."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answering: asyncio.TimerHandle | None = None
        self._head: tuple[str, str, dict[str, str], int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """A client is gone."""
        self._server.left(self)
        if self._answering is not None:
            self._answering.cancel()
            self._done()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Part of a request arrived."""
        self._buffer += data
        if self._answering is None:
            self._next()

    def _next(self) -> None:
        """Answer the next complete request in the buffer, if there is one."""
        if self._head is None and not self._read_head():
            return
        assert self._head is not None
        method, path, headers, length = self._head
        if len(self._buffer) < length:
            return
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._head = None
        self._answer(Request(method, path, headers, body))

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        method, _, rest = first.partition(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_REQUEST or "transfer-encoding" in headers:
            self.abort()
            return False
        self._head = (method, rest.partition(" ")[0], headers, int(length))
        return True

    def _answer(self, request: Request) -> None:
        loop = asyncio.get_running_loop()
        self._server.began()
        started = loop.time()
        response = self._server.respond(request)
        if response.status == 0:
            self._answering = loop.call_later(86_400, self.abort)
            return
        delayed = request.method == "POST" and not response.at_once
        delay = self._server.latency if delayed else 0.0
        self._answering = loop.call_at(started + delay, self._send, response)

    def _send(self, response: Response) -> None:
        assert self._transport is not None
        self._done()
        if response.status < 0:
            encoded = response.encoded()
            self._transport.write(encoded[: len(encoded) // 2])
            self._transport.close()
            return
        self._transport.write(response.encoded())
        if self._buffer:
            self._next()

    def _done(self) -> None:
        self._answering = None
        self._server.ended()
