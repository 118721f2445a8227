"""Where SQL and Bolt are: all that another process needs to open the same stores."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from pydantic import SecretStr

from kgnb.stores.graph.store import GraphStore
from kgnb.stores.ledger.database import Database


@dataclass(frozen=True, slots=True)
class SqlTarget:
    """A database. ``tls``: None = without, "" = the system's certificates, else a CA file."""

    url: SecretStr
    pool_size: int
    max_overflow: int
    pool_timeout: float
    recycle: int
    pre_ping: bool
    tls: str | None = None

    def open(self) -> Database:
        """Connects at first use; ``prepare`` makes the tables."""
        tls = {} if self.tls is None else {"ssl": ssl.create_default_context(cafile=self.tls or None)}
        return Database(
            self.url,
            pool_size=self.pool_size,
            max_overflow=self.max_overflow,
            pool_timeout=self.pool_timeout,
            recycle=self.recycle,
            pre_ping=self.pre_ping,
            connect_args=tls,
        )


@dataclass(frozen=True, slots=True)
class GraphTarget:
    """A graph database; an empty ``database`` is the server's default. ``ca``: a file; TLS with the
    certificates in it."""

    uri: str
    user: str
    password: SecretStr = field(repr=False)
    database: str = ""
    ca: str = ""

    def open(self) -> GraphStore:
        """Connects at first use; ``prepare`` makes the schema."""
        return GraphStore(self.uri, self.user, self.password, self.database, ca=self.ca)
