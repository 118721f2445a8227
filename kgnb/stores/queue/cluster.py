"""A Redis Cluster: each command goes to the master that has its key's slot.

redis-py's cluster client is not used: its ASKING may go out on another connection than the command that it is
for, a master that is away costs it the other masters' replies (claims, that is), and without retries of its
own, which would claim twice, it never learns who took over from a dead master.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import redis.asyncio as aioredis
from redis import exceptions
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from kgnb.stores.queue.types import Command, key_of

Address = tuple[str, int]

ROUNDS = 5
"""Most times that a command is sent, following one MOVED or ASK after another."""
_KEYLESS = frozenset({"PING", "TIME", "INFO", "PUBLISH"})
_OUTDATED = (  # what a server answers, or doesn't, when the slots may have moved
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.ClusterDownError,
    OSError,
)


async def pipelined(client: aioredis.Redis, commands: Sequence[Command]) -> list[Any]:
    """Return a server's replies in the commands' order, as the driver parses them, in one round trip.

    A command that the server refuses has its error as reply; a server that can't be reached raises.
    """
    async with client.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        return await pipe.execute(raise_on_error=False)


class Cluster:
    """Sends commands of one key, or none, to a cluster's masters. ``seed`` is asked first for the others."""

    def __init__(self, seed: Address, connect: Callable[[Address], aioredis.Redis]) -> None:
        self._connect = connect
        self._clients: dict[Address, aioredis.Redis] = {}
        self._servers = [seed]  # replicas too: any of them tells where the slots are
        self._owners: list[Address | None] = []  # by slot; empty = has to be asked for

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies in the commands' order; the reply of a master that is away is its error.

        Only commands that a server redirects (MOVED, ASK) are sent again.
        """
        owners = self._owners or await self._ask_owners()
        replies: dict[int, Any] = {}
        targets = {i: (_owner(owners, command), False) for i, command in enumerate(commands)}
        for _ in range(ROUNDS):
            replies |= await self._send_round(commands, targets)
            targets = {}
            for i in range(len(commands)):
                if isinstance(passed := replies[i], exceptions.AskError):  # MovedError is one
                    there, moved = (passed.host, passed.port), isinstance(passed, exceptions.MovedError)
                    targets[i] = there, not moved
                    if moved:
                        owners[passed.slot_id] = there
            if not targets:
                break
        if any(isinstance(reply, _OUTDATED) for reply in replies.values()):
            self._owners = []
        return [replies[i] for i in range(len(commands))]

    async def masters(self) -> list[aioredis.Redis]:
        """Return a client for each master that has slots, each once."""
        owners = self._owners or await self._ask_owners()
        return [self.client_of(owner) for owner in dict.fromkeys(owners) if owner]

    async def close(self) -> None:
        """Close the connections, also those that a call in flight opens meanwhile."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.aclose()

    async def _send_round(
        self, commands: Sequence[Command], targets: Mapping[int, tuple[Address | None, bool]]
    ) -> dict[int, Any]:
        """Send the commands in ``targets``, one pipeline a target, all at once; return replies by index."""
        groups: dict[tuple[Address | None, bool], list[int]] = defaultdict(list)
        for i, target in targets.items():
            groups[target].append(i)
        sending = (self._send_to(*at, [commands[i] for i in group]) for at, group in groups.items())
        replies = await asyncio.gather(*sending)
        return dict(zip(chain(*groups.values()), chain(*replies), strict=True))

    async def _send_to(self, at: Address | None, asking: bool, commands: Sequence[Command]) -> Sequence[Any]:
        """Return one server's replies; its error for each command if it is away. ``asking``: commands for a
        slot under way.
        """
        if at is None:
            return [exceptions.ClusterDownError("a slot without a server")] * len(commands)
        if asking:  # allows the next command only, on this connection
            commands = [one for command in commands for one in (("ASKING",), command)]
        try:
            replies = await pipelined(self.client_of(at), commands)
        except (exceptions.RedisError, OSError) as error:
            replies = [error] * len(commands)
        return replies[1::2] if asking else replies

    def client_of(self, at: Address) -> aioredis.Redis:
        """Return the client of the server at an address; it is made on first use."""
        if at not in self._clients:
            self._clients[at] = self._connect(at)
        return self._clients[at]

    async def _ask_owners(self) -> list[Address | None]:
        """Return the owner of each slot, asked of one server after the other in any order. Raises the last
        server's error.
        """
        reply: Any = None
        for server in random.sample(self._servers, len(self._servers)):
            (reply,) = await self._send_to(server, False, [("CLUSTER", "SLOTS")])
            if isinstance(reply, list):
                self._adopt(reply, server[0])
                return self._owners
        raise reply

    def _adopt(self, ranges: list[Any], asked: str) -> None:
        owners: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        servers: list[Address] = []
        for first, last, *nodes in ranges:
            # A server that knows no name of its own leaves it out.
            found = [((host or b"").decode() or asked, int(port)) for host, port, *_ in nodes]
            owners[first : last + 1] = [found[0]] * (last + 1 - first)
            servers += found
        self._owners, self._servers = owners, list(dict.fromkeys(servers)) or self._servers


def _owner(owners: Sequence[Address | None], command: Command) -> Address | None:
    """Return the server that owns the command's key; any server for a command without key, None for a slot
    without server.
    """
    if command[0] in _KEYLESS:  # any master will do
        return next(filter(None, owners), None)
    key = key_of(command)
    return owners[key_slot(key if isinstance(key, bytes) else str(key).encode())]
