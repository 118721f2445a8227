"""Connection settings of SQL and Bolt, picklable: another process opens the same stores with them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr

from kgnb.core.settings import Settings
from kgnb.stores.graph.store import GraphStore
from kgnb.stores.ledger.database import Database


@dataclass(frozen=True, slots=True)
class SqlTarget:
    """A SQL database. ``url`` holds the password, which its ``repr`` masks. ``tls``: None = without TLS, "" =
    trust the system's certificates, else a CA file."""

    url: sa.URL
    pool_size: int
    max_overflow: int
    pool_timeout: float
    recycle: int
    pre_ping: bool
    tls: str | None = None

    def open(self) -> Database:
        """Return the database, which connects at first use; ``prepare`` makes the tables."""
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


def sql_url(settings: Settings) -> sa.URL:
    """Return the database's URL, with the password; no part of it can be taken for another."""
    if settings.embedded_sql:
        return sa.URL.create("sqlite", database=str(settings.sqlite_path))
    return sa.URL.create(
        "mysql+pymysql",
        settings.db_user,
        settings.db_password.get_secret_value(),
        settings.db_host,
        settings.db_port,
        settings.db_name,
        {"charset": settings.db_charset},
    )


@dataclass(frozen=True, slots=True)
class GraphTarget:
    """A graph database; an empty ``database`` is the server's default. ``ca``: file of certificates that TLS
    trusts. ``fresh``: an engine that was just started, slow at first. ``folder``: of its data, if here."""

    uri: str
    user: str
    password: SecretStr = field(repr=False)
    database: str = ""
    ca: str = ""
    fresh: bool = False
    folder: Path | None = None

    def open(self) -> GraphStore:
        """Return the store, which connects at first use; ``prepare`` makes the schema."""
        login = self.uri, self.user, self.password, self.database
        return GraphStore(*login, ca=self.ca, folder=self.folder)
