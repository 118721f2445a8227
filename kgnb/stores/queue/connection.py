"""A node's connections to Redis, the Lua scripts, and the driver's errors as kgnb's.

Every call is one pipelined round trip. Nothing is retried: a claim or an acknowledgement may have been
executed although its reply was lost, and only the caller can tell what that means.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from itertools import chain, islice
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
"""With the lease renewer's one, three connections a node."""

Command = tuple[Any, ...]

_REFUSED = (
    exceptions.AuthenticationError,
    exceptions.AuthenticationWrongNumberOfArgsError,
    exceptions.AuthorizationError,
    exceptions.NoPermissionError,
    exceptions.InvalidResponse,  # the server doesn't speak Redis
)
_DOWN = (
    exceptions.ConnectionError,  # BusyLoadingError is one
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,  # a replica, during a failover
    exceptions.MasterDownError,
    exceptions.ClusterDownError,
    exceptions.TryAgainError,
    exceptions.OutOfMemoryError,
    OSError,
)


def script_call(name: str, key: str, *args: str | int) -> Command:
    """Return the command that runs ``lua/<name>.lua`` on one key."""
    return ("EVALSHA", _script_sha(name), 1, key, *args)


@cache
def _script_sha(name: str) -> str:
    """Read a script, with ``common.lua`` as its head unless it stands alone; return its SHA-1."""
    folder = files("kgnb.stores.queue") / "lua"
    head = "" if name in ("tokens", "rate") else (folder / "common.lua").read_text("utf-8")
    source = head + (folder / f"{name}.lua").read_text("utf-8")
    sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    _sources[sha] = source
    return sha


_sources: dict[str, str] = {}


def unknown_scripts(replies: Sequence[Any]) -> list[int]:
    """Return the indexes of the commands that failed because the server has lost their script."""
    return [i for i, reply in enumerate(replies) if isinstance(reply, exceptions.NoScriptError)]


def raise_errors(replies: Iterable[Any]) -> None:
    """Raise the first reply that is an error."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply


def with_source(command: Command) -> Command:
    """Return the same call with the script's text, which also loads it again."""
    return ("EVAL", _sources[command[1]], *command[2:])


def address(url: SecretStr) -> str:
    """Return host and port of a Redis URL, without its password."""
    parts = urlsplit(url.get_secret_value())
    return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path


@contextmanager
def mapped_errors(where: str) -> Iterator[None]:
    """Turn the driver's errors into ServiceRefused and ServiceDown, by their type.

    Also cancel a task whose cancellation was lost: redis-py awaits through ``asyncio.wait_for``, which
    before Python 3.12 swallows a cancellation that comes together with the reply.
    """
    task = _current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    except KgnbError:
        raise
    except _REFUSED as error:
        raise ServiceRefused("queue.refused", service="redis", where=where) from error
    except _DOWN as error:
        if isinstance(error.__cause__, _REFUSED):  # the answer to AUTH while connecting
            raise ServiceRefused("queue.refused", service="redis", where=where) from error
        if is_untrusted_certificate(error):
            raise ServiceRefused("queue.untrusted", service="redis", where=where) from error
        raise ServiceDown("queue.down", service="redis", where=where) from error
    except exceptions.ResponseError as error:
        # The first word is Redis' error code: a full disk, too few replicas, an endless script.
        if str(error).partition(" ")[0] not in ("MISCONF", "NOREPLICAS", "BUSY"):
            raise
        raise ServiceDown("queue.down", service="redis", where=where) from error
    if task and task.cancelling() > before:
        raise asyncio.CancelledError


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # the lease renewer's thread has no event loop
        return None


def _options(lease_seconds: float) -> dict[str, Any]:
    # A call must end well before the lease that it is about. RESP2: replies alike on every redis-py.
    timeout = max(1.0, min(5.0, lease_seconds / 3))
    return {"protocol": 2, "socket_timeout": timeout, "socket_connect_timeout": timeout}


def sync_client(url: SecretStr, lease_seconds: float) -> redis.Redis:
    """Return a blocking client with one connection, for a thread of its own."""
    retry = Retry(NoBackoff(), 0)
    options = _options(lease_seconds)
    pool = redis.ConnectionPool.from_url(url.get_secret_value(), max_connections=1, retry=retry, **options)
    return redis.Redis(connection_pool=pool)


class RedisConnection:
    """One node's asynchronous client. ``client`` may be shared for pipelines of plain commands."""

    def __init__(self, url: SecretStr, lease_seconds: float) -> None:
        self.where = address(url)
        pool = aioredis.BlockingConnectionPool.from_url(
            url.get_secret_value(),
            max_connections=ASYNC_CONNECTIONS,
            timeout=30,
            retry=AsyncRetry(NoBackoff(), 0),
            health_check_interval=30,
            **_options(lease_seconds),
        )
        self.client: aioredis.Redis = aioredis.Redis.from_pool(pool)

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to ``commands``, in one round trip (none without commands, two after the server
        lost its scripts).

        Raises ServiceDown, ServiceRefused, and redis' ResponseError for a bug or a key of the wrong type.
        """
        replies = await self.try_send(commands)
        with mapped_errors(self.where):
            raise_errors(replies)
        return replies

    async def try_send(self, commands: Sequence[Command]) -> list[Any]:
        """Like :meth:`send`, but a command that Redis refuses has its error as reply."""
        with mapped_errors(self.where):
            replies = await self._pipeline(commands)
            if lost := unknown_scripts(replies):
                again = await self._pipeline([with_source(commands[i]) for i in lost])
                for i, reply in zip(lost, again, strict=True):
                    replies[i] = reply
            return replies

    async def try_send_groups(self, *groups: Sequence[Command]) -> list[list[Any]]:
        """Like :meth:`try_send` for several groups of commands together; return the replies by group."""
        replies = iter(await self.try_send(list(chain(*groups))))
        return [list(islice(replies, len(group))) for group in groups]

    async def _pipeline(self, commands: Sequence[Command]) -> list[Any]:
        async with self.client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return await pipe.execute(raise_on_error=False)

    async def send_one(self, command: Command) -> Any:
        """Return the reply to one command."""
        return (await self.send([command]))[0]

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()
