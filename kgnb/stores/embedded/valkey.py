"""Valkey: the queue of a data folder, on a unix socket in the private runtime directory."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from kgnb.stores.embedded.data_folder import DataFolder
from kgnb.stores.embedded.engine import Engine, exchange

# Everything written survives kill -9 of the server; a power cut loses at most the last second.
_CONFIG = """\
port 0
unixsocket {socket}
unixsocketperm 600
dir {data}
requirepass {password}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
logfile ""
daemonize no
sanitize-dump-payload yes
{disabled}
"""
_DISABLED = (
    *("acl", "config", "module", "debug", "function", "fcall", "monitor", "shutdown", "save", "bgsave"),
    *("replicaof", "slaveof", "failover", "sync", "psync", "replconf"),
    *("migrate", "restore", "restore-asking"),
)
"""Commands that reach files, other servers or users. kgnb needs none, and an append-only file that somebody
else wrote might hold some: they are unknown commands then, and the server doesn't start."""


class Valkey(Engine):
    """A Valkey server with an append-only file."""

    name: ClassVar[str] = "redis"

    def __init__(self, folder: DataFolder, run_dir: Path, binary: str) -> None:
        super().__init__(folder, run_dir)
        self._binary = binary
        self._socket = run_dir / "redis.sock"
        self._password = secrets.token_urlsafe(24)

    def prepare(self) -> tuple[list[str], bytes]:
        """Pass the configuration through a pipe: the password is in no file and no command line."""
        self._socket.unlink(missing_ok=True)
        config = _CONFIG.format(
            socket=_quoted(self._socket),
            data=_quoted(self.folder.valkey),
            password=self._password,
            disabled="\n".join(f'rename-command {name} ""' for name in _DISABLED),
        )
        return [self._binary, "-"], config.encode()

    async def is_ready(self) -> bool:
        """Whether AUTH and PING succeed; while it loads its file it answers -LOADING."""
        request = f"AUTH {self._password}\r\nPING\r\n".encode()
        wanted = b"+OK\r\n+PONG\r\n"
        return await exchange(asyncio.open_unix_connection(self._socket), request, len(wanted)) == wanted

    def endpoint(self) -> dict[str, str]:
        """Return redis-py's URL of the unix socket."""
        return {"redis_url": f"unix://{quote(str(self._socket))}?password={self._password}&db=0"}


def _quoted(path: Path) -> str:
    """Quote a path for Valkey's configuration, each byte as \\xNN."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in os.fsencode(path)) + '"'
