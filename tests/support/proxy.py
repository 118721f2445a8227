"""A TCP proxy on loopback that counts round trips and connections open at once, and may add latency."""

from __future__ import annotations

import asyncio
import ssl
import threading
from typing import Self

from tests.support.patience import SLOWEST


class Proxy:
    """Forwards every connection to ``port`` to ``host:to``, in a thread of its own.

    A round trip is a request that comes after the answer to the previous one, however many packets and
    pipelined commands it has. ``tls``: clients must speak TLS; the server behind it need not. ``latency``:
    seconds added to each round trip.
    """

    def __init__(
        self, host: str, to: int, tls: ssl.SSLContext | None = None, *, latency: float = 0.0
    ) -> None:
        self.port = 0
        self.trips = 0
        self.open = 0
        self.most_open = 0
        self._target = (host, to)
        self._tls = tls
        self._latency = latency
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(5 * SLOWEST)
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(5 * SLOWEST)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5 * SLOWEST)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self._writers |= {writer, server[1]}
        answered = [True]
        try:
            await asyncio.gather(
                self._forward(reader, server[1], answered, True),
                self._forward(server[0], writer, answered, False),
            )
        finally:
            self.open -= 1
            self._writers -= {writer, server[1]}

    async def _forward(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, answered: list[bool], asks: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await source.read(65536):
                self.trips += asks and answered[0]
                answered[0] = not asks
                if self._latency:  # not slept: latency must not limit the bandwidth
                    loop.call_later(self._latency / 2, target.write, data)
                else:
                    target.write(data)
                    await target.drain()
        except OSError:
            pass
        if self._latency:
            loop.call_later(self._latency / 2, target.close)
        else:
            target.close()
