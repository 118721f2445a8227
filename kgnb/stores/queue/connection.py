"""A node's line to Redis: two connections, scripts that survive a restart of the server, one error language.

Every call is one pipelined round trip. Nothing is repeated by itself: a claim or an acknowledgement that may
have been executed already must be judged by its caller.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio as aioredis
from pydantic import SecretStr
from redis import exceptions
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from kgnb.core.errors import KgnbError, ServiceDown, ServiceRefused
from kgnb.core.tls import is_untrusted_certificate

ASYNC_CONNECTIONS = 2
"""With the renewer's one a node stays at three connections."""

Command = tuple[Any, ...]

_REFUSED = (
    exceptions.AuthenticationError,
    exceptions.AuthenticationWrongNumberOfArgsError,
    exceptions.AuthorizationError,
    exceptions.NoPermissionError,
    exceptions.InvalidResponse,  # whatever listens there does not speak Redis
)
_DOWN = (
    exceptions.ConnectionError,  # BusyLoadingError is one
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,  # a replica, while a failover is under way
    exceptions.MasterDownError,
    exceptions.ClusterDownError,
    exceptions.TryAgainError,
    exceptions.OutOfMemoryError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script by its text and its SHA-1, the name Redis knows it by."""

    source: str
    sha: str

    def call(self, key: str, *args: str | int) -> Command:
        """The command that runs it on one key."""
        return ("EVALSHA", self.sha, 1, key, *args)

    @classmethod
    def of(cls, source: str) -> Script:
        """The script with this text."""
        return cls(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


@cache
def script(name: str) -> Script:
    """The script ``lua/<name>.lua``, with the common head unless it stands alone."""
    folder = files("kgnb.stores.queue") / "lua"
    head = "" if name in ("tokens", "rate") else (folder / "common.lua").read_text("utf-8")
    made = Script.of(head + (folder / f"{name}.lua").read_text("utf-8"))
    _sources[made.sha] = made.source
    return made


_sources: dict[str, str] = {}


def unknown_scripts(replies: Sequence[Any]) -> list[int]:
    """Positions of the commands that failed because the server has lost their script."""
    return [i for i, reply in enumerate(replies) if isinstance(reply, exceptions.NoScriptError)]


def with_source(command: Command) -> Command:
    """The same call with the script's text: runs it and makes it known again."""
    return ("EVAL", _sources[command[1]], *command[2:])


def place(url: SecretStr) -> str:
    """Host and port of a Redis URL, fit for a message."""
    parts = urlsplit(url.get_secret_value())
    return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path


@contextmanager
def mapped(where: str) -> Iterator[None]:
    """Turns the driver's errors into ServiceRefused and ServiceDown, by their type.

    A cancelled task is cancelled afterwards: redis-py awaits through ``asyncio.wait_for``, and before Python
    3.12 that loses a cancellation which comes together with the answer.
    """
    task = _current_task()
    asked = task.cancelling() if task else 0
    try:
        yield
    except KgnbError:
        raise
    except _REFUSED as error:
        raise ServiceRefused("queue.refused", service="redis", where=where) from error
    except _DOWN as error:
        if isinstance(error.__cause__, _REFUSED):  # what AUTH was answered while connecting
            raise ServiceRefused("queue.refused", service="redis", where=where) from error
        if is_untrusted_certificate(error):
            raise ServiceRefused("queue.untrusted", service="redis", where=where) from error
        raise ServiceDown("queue.down", service="redis", where=where) from error
    except exceptions.ResponseError as error:
        # Redis gives its error codes as the first word: a full disk, too few replicas, an endless script.
        if str(error).partition(" ")[0] not in ("MISCONF", "NOREPLICAS", "BUSY"):
            raise
        raise ServiceDown("queue.down", service="redis", where=where) from error
    if task and task.cancelling() > asked:
        raise asyncio.CancelledError


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # a thread without a loop: the renewer's
        return None


def _options(lease_seconds: float) -> dict[str, Any]:
    # A call must be over well before the lease that it is about; RESP2 answers alike on every redis-py.
    timeout = max(1.0, min(5.0, lease_seconds / 3))
    return {"protocol": 2, "socket_timeout": timeout, "socket_connect_timeout": timeout}


def sync_client(url: SecretStr, lease_seconds: float) -> redis.Redis:
    """A blocking client with one connection, for a thread of its own."""
    return redis.Redis(
        connection_pool=redis.ConnectionPool.from_url(
            url.get_secret_value(), max_connections=1, retry=Retry(NoBackoff(), 0), **_options(lease_seconds)
        )
    )


class RedisConnection:
    """The asynchronous client of one node. ``client`` may be shared, in pipelines of plain commands."""

    def __init__(self, url: SecretStr, lease_seconds: float) -> None:
        self.where = place(url)
        pool = aioredis.BlockingConnectionPool.from_url(
            url.get_secret_value(),
            max_connections=ASYNC_CONNECTIONS,
            timeout=30,
            retry=AsyncRetry(NoBackoff(), 0),
            health_check_interval=30,
            **_options(lease_seconds),
        )
        self.client: aioredis.Redis = aioredis.Redis(connection_pool=pool)
        self._pool = pool

    async def trip(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to ``commands``, fetched in one round trip (two after the server lost its scripts).

        Raises ServiceDown, ServiceRefused, and redis' ResponseError for what only a bug can cause, or a key
        of the wrong type.
        """
        replies = await self.try_all(commands)
        with mapped(self.where):
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
        return replies

    async def try_all(self, commands: Sequence[Command]) -> list[Any]:
        """Like :meth:`trip`, but a command that Redis refuses has its error in the reply's place."""
        with mapped(self.where):
            replies = await self._send(commands)
            if lost := unknown_scripts(replies):
                again = await self._send([with_source(commands[i]) for i in lost])
                for i, reply in zip(lost, again, strict=True):
                    replies[i] = reply
            return replies

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        async with self.client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return await pipe.execute(raise_on_error=False)

    async def one(self, command: Command) -> Any:
        """The reply to one command."""
        return (await self.trip([command]))[0]

    async def close(self) -> None:
        """Closes the connections."""
        await self.client.aclose()
        await self._pool.disconnect()
