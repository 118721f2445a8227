"""Debian's redis-server as a cluster of three masters with a replica each, and as a pair under sentinels."""

from __future__ import annotations

import random
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import redis
from redis.crc import key_slot

PASSWORD = "p%41/: w"
COMMON = ("--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0", "--loglevel", "warning")
CLUSTER = (
    "--cluster-enabled",
    "yes",
    "--cluster-node-timeout",
    "2000",
    "--cluster-replica-validity-factor",
    "0",
)
GUARDED = ("--requirepass", PASSWORD, "--masterauth", PASSWORD)


class RedisServer:
    """A redis-server process and a client of it."""

    def __init__(self, folder: Path, *options: str, config: str = "") -> None:
        self.port = next(filter(is_free, random.choices(range(20_000, 50_000), k=100)))
        folder = folder / str(self.port)
        folder.mkdir(parents=True)
        files = []
        if config:
            (folder / "server.conf").write_text(config, "utf-8")
            files = [str(folder / "server.conf")]
        command = ["redis-server", *files, "--port", str(self.port), "--dir", str(folder), *options]
        self.process = subprocess.Popen(command, stdout=(folder / "log").open("wb"))
        password = PASSWORD if "--requirepass" in options else None
        self.client = redis.Redis(port=self.port, password=password, decode_responses=True)
        until(lambda: self.answers())

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def says(self, *command: str | int) -> Any:
        return self.client.execute_command(*command)

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait(10)


class _Servers:
    """Ends with the block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        raise NotImplementedError


class RedisCluster(_Servers):
    """Three masters with a replica each."""

    def __init__(self, folder: Path) -> None:
        self.servers = [RedisServer(folder, *COMMON, *CLUSTER) for _ in range(6)]
        for number, server in enumerate(self.servers):
            server.says("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            server.says("CLUSTER", "MEET", "127.0.0.1", self.servers[0].port)
        for server, slots in zip(self.servers, ((0, 5460), (5461, 10922), (10923, 16383)), strict=False):
            server.says("CLUSTER", "ADDSLOTSRANGE", *slots)
        until(lambda: all(len(server.client.cluster("NODES")) == 6 for server in self.servers))
        for master, replica in zip(self.servers[:3], self.servers[3:], strict=True):
            replica.says("CLUSTER", "REPLICATE", master.client.cluster("MYID"))
        until(lambda: all(s.client.cluster("INFO")["cluster_state"] == "ok" for s in self.servers))
        until(lambda: all(s.client.info("replication")["connected_slaves"] for s in self.servers[:3]))

    @property
    def url(self) -> str:
        """Of one that lives, not always the same."""
        return f"redis://127.0.0.1:{random.choice(self.living).port}/0"

    @property
    def living(self) -> list[RedisServer]:
        return [server for server in self.servers if server.process.poll() is None]

    def masters(self) -> list[RedisServer]:
        return [s for s in self.living if s.client.info("replication")["role"] == "master"]

    def owner(self, key: str) -> RedisServer:
        """The master that has the key's slot."""
        slot = key_slot(key.encode())
        ranges = self.masters()[0].says("CLUSTER", "SLOTS")
        (port,) = (at[1] for first, last, at, *_ in ranges if first <= slot <= last)
        return next(server for server in self.living if server.port == port)

    def move_slot(self, key: str, pause: Callable[[], None]) -> None:
        """Moves a key's slot to another master as redis-cli does, one key after the other; ``pause()`` before
        each."""
        slot, source, target = self.begin_move(key)
        pause()
        while keys := source.client.cluster("GETKEYSINSLOT", slot, 1):
            source.says("MIGRATE", "127.0.0.1", target.port, keys[0], 0, 2000)
            pause()
        for server in (target, source, *self.masters()):
            server.says("CLUSTER", "SETSLOT", slot, "NODE", target.client.cluster("MYID"))

    def begin_move(self, key: str) -> tuple[int, RedisServer, RedisServer]:
        """Returns the key's slot, the master that gives it away and the one that gets it."""
        slot, source = key_slot(key.encode()), self.owner(key)
        target = next(one for one in self.masters() if one is not source)
        target.says("CLUSTER", "SETSLOT", slot, "IMPORTING", source.client.cluster("MYID"))
        source.says("CLUSTER", "SETSLOT", slot, "MIGRATING", target.client.cluster("MYID"))
        return slot, source, target

    def flush(self) -> None:
        for server in self.masters():
            server.client.flushall()

    def close(self) -> None:
        for server in self.living:
            server.kill()


class RedisUnderSentinels(_Servers):
    """A master, its replica and three sentinels, all with a password."""

    def __init__(self, folder: Path) -> None:
        self.master = RedisServer(folder, *COMMON, *GUARDED)
        replicated = ("--replicaof", f"127.0.0.1 {self.master.port}")
        self.replica = RedisServer(folder, *COMMON, *GUARDED, *replicated)
        until(lambda: self.master.client.info("replication")["connected_slaves"] == 1)
        config = (
            f"sentinel monitor mymaster 127.0.0.1 {self.master.port} 2\n"
            f'sentinel auth-pass mymaster "{PASSWORD}"\n'
            "sentinel down-after-milliseconds mymaster 1500\nsentinel failover-timeout mymaster 3000\n"
        )
        guarded = ("--requirepass", PASSWORD, "--bind", "127.0.0.1", "--sentinel")
        self.sentinels = [RedisServer(folder, *guarded, config=config) for _ in range(3)]
        until(lambda: all(self._knows_all(one) for one in self.sentinels))

    @property
    def addresses(self) -> str:
        return ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)

    def _knows_all(self, sentinel: RedisServer) -> bool:
        (facts,) = sentinel.client.sentinel_masters().values()
        return facts["num-other-sentinels"] == 2 and facts["num-slaves"] == 1

    def close(self) -> None:
        for server in (*self.sentinels, self.replica, self.master):
            server.kill()


def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Waits until something holds; the limit is no measurement."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_free(port: int) -> bool:
    """Whether nothing listens there and at the bus port of a cluster's server."""
    with socket.socket() as one, socket.socket() as bus:
        try:
            one.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + 10_000))
        except OSError:
            return False
    return True
