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
from urllib.parse import parse_qsl, urlsplit

import redis.asyncio as aioredis
from pydantic import SecretStr
from redis import exceptions
from redis.asyncio import cluster as redis_cluster
from redis.asyncio import sentinel
from redis.asyncio.connection import DefaultParser, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from kgnb.core.errors import KgnbError, ServiceDown, ServiceRefused
from kgnb.stores.embedded.data_folder import SOCKET
from kgnb.stores.queue.cluster import Address, Cluster, pipelined
from kgnb.stores.queue.types import Command, key_of
from kgnb.stores.tls import is_untrusted_certificate

ASYNC_CONNECTIONS = 2
"""With the lease renewer's one, three connections a node (in a cluster to each master)."""

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
    exceptions.MasterDownError,
    exceptions.ClusterDownError,
    exceptions.TryAgainError,  # the slot is being moved to another server
    exceptions.AskError,
    OSError,
)


def script_call(name: str, key: str, *args: str | int) -> Command:
    """Return the command that runs ``lua/<name>.lua`` on ``key`` (a queue's name, or the only key).

    A queue's script builds the names of its other keys itself. The second key, which never exists, makes
    Redis refuse it (TRYAGAIN) while a cluster moves the slot and some keys are elsewhere.
    """
    keys = (1, key) if name in _STANDALONE else (2, key, f"kgnb:none:{{{key}}}")
    return ("EVALSHA", _sha(_scripts()[name]), *keys, *args)


@cache
def _scripts() -> dict[str, str]:
    """Return the texts of all scripts by name, with ``common.lua`` as the head of queues' scripts.

    They are read at once, when the first connection is made: a package that is upgraded under a running node
    changes nothing in it.
    """
    folder = files("kgnb.stores.queue") / "lua"
    texts = {one.name.removesuffix(".lua"): one.read_text("utf-8") for one in folder.iterdir()}
    head = texts.pop("common")
    return {name: text if name in _STANDALONE else head + text for name, text in texts.items()}


@cache
def _sha(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


_STANDALONE = ("tokens", "rate")


def raise_errors(replies: Iterable[Any]) -> None:
    """Raise the first reply that is an exception; return None where no reply is."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply


def address(url: SecretStr) -> str:
    """Return "host:port" of a Redis URL (the path of a unix socket), without its password."""
    parts = urlsplit(url.get_secret_value())
    return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path


@contextmanager
def mapped_errors(where: str) -> Iterator[None]:
    """Turn the Redis driver's errors inside the block into ServiceRefused and ServiceDown, by their type; a
    ResponseError of another kind is a bug and passes.

    Also cancel a task whose cancellation was lost: redis-py awaits through ``asyncio.wait_for``, which before
    Python 3.12 swallows a cancellation that comes together with the reply.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    except KgnbError:
        raise
    except _REFUSED as error:
        raise ServiceRefused("queue.refused", service="redis", where=where) from error
    except sentinel.MasterNotFoundError as error:
        raise ServiceDown("queue.no_master", service="redis", where=where) from error
    except exceptions.OutOfMemoryError as error:
        raise ServiceDown("queue.full", service="redis", where=where) from error
    except exceptions.ReadOnlyError as error:  # a replica, for a moment also during a failover
        raise ServiceDown("queue.read_only", service="redis", where=where) from error
    except _DOWN as error:
        if isinstance(error.__cause__, _REFUSED):  # the answer to AUTH while connecting
            raise ServiceRefused("queue.refused", service="redis", where=where) from error
        if is_untrusted_certificate(error):
            raise ServiceRefused("queue.untrusted", service="redis", where=where) from error
        ended = "queue.ended" if where.endswith(SOCKET) else "queue.down"
        raise ServiceDown(ended, service="redis", where=where) from error
    except exceptions.ResponseError as error:
        # The first word is Redis' error code.
        key = _TEMPORARY.get(str(error).partition(" ")[0])
        if key is None:
            raise
        raise ServiceDown(key, service="redis", where=where, reason=error) from error
    if task and task.cancelling() > before:
        raise asyncio.CancelledError


_TEMPORARY = {
    "MISCONF": "queue.disk",  # it can't save, mostly because its disk is full
    "NOREPLICAS": "queue.down",
    "BUSY": "queue.down",  # an endless script
}


_OWN_OPTIONS = ("cluster", "sentinel", "master", "sentinel_password")


class _MasterPool(aioredis.BlockingConnectionPool, sentinel.SentinelConnectionPool):
    """Connections to the master that the sentinels name."""


def _client(options: dict[str, Any]) -> aioredis.Redis:
    """Return a client of one server, or of the master that ``options`` names the sentinels of."""
    options = options.copy()
    if not (sentinels := options.pop("sentinel", "")):
        return aioredis.Redis.from_pool(aioredis.BlockingConnectionPool(**options))
    tls = options.get("connection_class") is SSLConnection
    same = {name: value for name, value in options.items() if name.startswith(("socket_", "ssl_"))}
    same |= {"protocol": 2, "ssl": tls, "password": options.pop("sentinel_password", None)}
    addresses = [
        (host.strip("[]"), port) for host, _, port in (s.rpartition(":") for s in sentinels.split(","))
    ]
    options["connection_class"] = (
        sentinel.SentinelManagedSSLConnection if tls else sentinel.SentinelManagedConnection
    )
    options["sentinel_manager"] = sentinel.Sentinel(addresses, sentinel_kwargs=same)  # type: ignore[no-untyped-call,unused-ignore]
    return aioredis.Redis.from_pool(_MasterPool(service_name=options.pop("master"), **options))


class RedisConnection:
    """One node's client of a Redis, a cluster, or the master that sentinels name.

    Beside redis-py's, the URL's query may have ``cluster`` (1, 0; without it the server is asked), or
    ``sentinel`` (host:port,…), ``master`` and ``sentinel_password``. ``client`` is that of the URL's server.
    """

    def __init__(self, url: SecretStr, lease_seconds: float, connections: int = ASYNC_CONNECTIONS) -> None:
        _scripts()  # read before an upgrade of the package can change them
        self.where = address(url)
        # A call must end well before the lease that it is about. RESP2: replies alike on every redis-py.
        seconds = max(1.0, min(5.0, lease_seconds / 3))
        text = url.get_secret_value()
        # Some releases of redis-py decode these twice.
        own = {name: value for name, value in parse_qsl(urlsplit(text).query) if name in _OWN_OPTIONS}
        self._options: dict[str, Any] = {
            "max_connections": connections,
            "timeout": 30,
            "retry": Retry(NoBackoff(), 0),
            "health_check_interval": 30,
            "protocol": 2,
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            **parse_url(text),
            **own,
        }
        mode = self._options.pop("cluster", "")
        self.client = _client(self._options)
        self._cluster = self._new_cluster() if mode == "1" else None
        self._mode_known = bool(mode) or "host" not in self._options or "sentinel" in self._options

    def _new_cluster(self) -> Cluster:
        # Older releases of redis-py have the cluster's errors in a parser of their own.
        """Return a cluster reached through this server."""
        parser = getattr(redis_cluster, "ClusterParser", DefaultParser)

        def connect(at: Address) -> aioredis.Redis:
            return _client({**self._options, "host": at[0], "port": at[1], "parser_class": parser})

        return Cluster((self._options["host"], self._options.get("port", 6379)), connect)

    async def _learn_mode(self) -> None:
        """Ask the server once whether it is one of a cluster: with HELLO, which no ACL forbids."""
        try:
            (facts,) = await pipelined(self.client, [("HELLO",)])
        except exceptions.ResponseError as error:  # to SELECT, while connecting
            if isinstance(error, _REFUSED) or not self._options.get("db"):
                raise
            raise ServiceRefused("queue.no_database", service="redis", where=self.where) from error
        if not isinstance(facts, Exception):  # an error: older than 6, or a proxy
            values = facts.values() if isinstance(facts, dict) else facts
            self._cluster = self._new_cluster() if b"cluster" in values else None
        self._mode_known = True

    @property
    def is_cluster(self) -> bool:
        """Whether the server is known to be one of a cluster."""
        return self._cluster is not None

    async def masters(self) -> list[aioredis.Redis]:
        """Return a client for each server that has a part of the keys: one without a cluster. Their errors
        are not mapped.
        """
        if not self._mode_known:
            await self._learn_mode()
        return await self._cluster.masters() if self._cluster else [self.client]

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to ``commands`` in their order, in one round trip (none for no commands, two
        after the server lost its scripts).

        Raises ServiceDown, ServiceRefused (also for a key of the wrong type), and redis' ResponseError for a
        bug.
        """
        replies = await self.send_each(commands)
        raise_errors(replies)
        return replies

    async def send_each(self, commands: Sequence[Command]) -> list[Any]:
        """Like :meth:`send`, but the reply of a command on a key of the wrong type is the ServiceRefused
        itself.
        """
        replies = await self.try_send(commands)
        with mapped_errors(self.where):
            raise_errors(reply for reply in replies if not isinstance(reply, ServiceRefused))
        return replies

    async def try_send(self, commands: Sequence[Command]) -> list[Any]:
        """Like :meth:`send`, but the reply of a command that Redis refuses is its error: ServiceRefused,
        naming the key, where this has the wrong type.
        """
        with mapped_errors(self.where):
            replies = await self._pipeline(commands)
            lost = [i for i, reply in enumerate(replies) if isinstance(reply, exceptions.NoScriptError)]
            if lost:  # a script's text loads it again
                texts = {_sha(text): text for text in _scripts().values()}
                again = [("EVAL", texts[commands[i][1]], *commands[i][2:]) for i in lost]
                for i, reply in zip(lost, await self._pipeline(again), strict=True):
                    replies[i] = reply
            return list(map(self._named_type, commands, replies))

    def _named_type(self, command: Command, reply: Any) -> Any:
        """Return the reply, or ServiceRefused with the key's name for a key of the wrong type."""
        if isinstance(reply, exceptions.ResponseError) and "WRONGTYPE" in str(reply):
            facts = {"where": self.where, "name": key_of(command)}
            return ServiceRefused("queue.wrong_type", service="redis", **facts)
        return reply

    async def try_send_groups(self, *groups: Sequence[Command]) -> list[list[Any]]:
        """Like :meth:`try_send` for several groups of commands in one round trip; return the replies by
        group.
        """
        replies = iter(await self.try_send(list(chain(*groups))))
        return [list(islice(replies, len(group))) for group in groups]

    async def _pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies in order, from the server or the cluster."""
        if not self._mode_known:
            await self._learn_mode()
        return await (self._cluster.send(commands) if self._cluster else pipelined(self.client, commands))

    async def send_one(self, command: Command) -> Any:
        """Return the reply to one command."""
        return (await self.send([command]))[0]

    async def close(self) -> None:
        """Close the connections."""
        if self._cluster:
            await self._cluster.close()
        await self.client.aclose()
        if isinstance(pool := self.client.connection_pool, _MasterPool):
            for one in pool.sentinel_manager.sentinels:
                await one.aclose()
