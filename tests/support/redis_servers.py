"""Debian's redis-server as a cluster of three masters with a replica each, and as a pair under sentinels."""

from __future__ import annotations

import random
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import redis
from redis.crc import key_slot
from redis.sentinel import Sentinel

from tests.support.patience import SLOWEST, until

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
REDIS_DOWN = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.RedisClusterException,
)
"""What a client says in an outage or a failover."""
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
        self._command = ["redis-server", *files, "--port", str(self.port), "--dir", str(folder), *options]
        self._log = folder / "log"
        password = PASSWORD if "--requirepass" in options else None
        self.client = redis.Redis(port=self.port, password=password, decode_responses=True)
        self.start()

    def start(self, *options: str) -> None:
        """Starts it (again), with nothing of what it held, and waits until it answers."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen([*self._command, *options], stdout=log)
        until(lambda: self.answers())

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    @property
    def is_master(self) -> bool:
        return self.client.info("replication")["role"] == "master"

    def says(self, *command: str | int) -> Any:
        return self.client.execute_command(*command)

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait(10 * SLOWEST)

    def kill_replicated(self) -> None:
        """Kills a master once its replica has all that it holds: else Redis itself loses something."""
        until(lambda: self._replica().get("state") == "online")
        self.says("CLIENT", "PAUSE", 60_000, "WRITE")
        until(lambda: self._replica()["offset"] == self.client.info("replication")["master_repl_offset"])
        self.kill()

    def _replica(self) -> dict[str, Any]:
        return self.client.info("replication").get("slave0", {})


class RedisServers:
    """Ends with the block. ``env`` names them to nodes and commands."""

    @property
    def env(self) -> dict[str, str]:
        raise NotImplementedError

    def fail_over(self, key: str, down: float = 0.0) -> None:
        """Kills the master that has ``key`` and waits until its replica is one, ``down`` seconds at least;
        then starts it again, as the replica of that."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        raise NotImplementedError


class RedisCluster(RedisServers):
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
    def env(self) -> dict[str, str]:
        return {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.servers[-1].port), "REDIS_PASSWORD": ""}

    def fails_over_after(self, seconds: int) -> None:
        """How long a master may be silent before its replica takes its place."""
        for server in self.living:
            server.says("CONFIG", "SET", "cluster-node-timeout", 1_000 * seconds)

    def fail_over(self, key: str, down: float = 0.0) -> None:
        dead = self.owner(key)
        dead.kill_replicated()
        time.sleep(down)
        until(lambda: self._find_owner(key))
        dead.start()

    @property
    def living(self) -> list[RedisServer]:
        return [server for server in self.servers if server.process.poll() is None]

    def masters(self) -> list[RedisServer]:
        return [server for server in self.living if server.is_master]

    def owner(self, key: str) -> RedisServer:
        """The master that has the key's slot."""
        found = self._find_owner(key)
        assert found
        return found

    def _find_owner(self, key: str) -> RedisServer | None:
        """None while the others take the dead one for it."""
        slot = key_slot(key.encode())
        ranges = self.masters()[0].says("CLUSTER", "SLOTS")
        ports = {at[1] for first, last, at, *_ in ranges if first <= slot <= last}
        return next((server for server in self.living if server.port in ports), None)

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


class RedisUnderSentinels(RedisServers):
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
    def env(self) -> dict[str, str]:
        passwords = {"REDIS_PASSWORD": PASSWORD, "REDIS_SENTINEL_PASSWORD": PASSWORD}
        return {"REDIS_SENTINEL": self.addresses, **passwords}

    def fail_over(self, key: str = "", down: float = 0.0) -> None:
        self.master.kill_replicated()
        time.sleep(down)
        until(lambda: self.replica.is_master)
        self.master, self.replica = self.replica, self.master
        self.replica.start("--replicaof", f"127.0.0.1 {self.master.port}")

    @property
    def addresses(self) -> str:
        return ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)

    def _knows_all(self, sentinel: RedisServer) -> bool:
        (facts,) = sentinel.client.sentinel_masters().values()
        return facts["num-other-sentinels"] == 2 and facts["num-slaves"] == 1

    def close(self) -> None:
        for server in (*self.sentinels, self.replica, self.master):
            server.kill()


def follower(env: Mapping[str, str]) -> Any:
    """A client of the Redis that ``env`` names, which follows the masters of a cluster or of sentinels."""
    own: dict[str, Any] = {"password": env["REDIS_PASSWORD"] or None, "decode_responses": True}
    if sentinels := env.get("REDIS_SENTINEL"):
        addresses = [one.split(":") for one in sentinels.split(",")]
        manager = Sentinel(addresses, sentinel_kwargs={"password": env["REDIS_SENTINEL_PASSWORD"]})
        return manager.master_for("mymaster", **own)
    at = (env["REDIS_HOST"], int(env["REDIS_PORT"]))
    client = redis.Redis(*at, **own)
    if not client.info("cluster")["cluster_enabled"]:
        return client
    client.close()
    return redis.RedisCluster(*at, **own)


def is_free(port: int) -> bool:
    """Whether nothing listens there and at the bus port of a cluster's server."""
    with socket.socket() as one, socket.socket() as bus:
        try:
            one.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + 10_000))
        except OSError:
            return False
    return True
