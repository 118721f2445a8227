"""Where the stores are. The targets of SQL and Bolt are picklable: another process opens the same stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

import sqlalchemy as sa
from pydantic import SecretStr

from kgnb.core.settings import Settings

SERVICES = ("redis", "sql", "bolt")


def service_address(settings: Settings, name: str) -> tuple[str, int] | None:
    """Return (host, port) of "redis", "sql" or "bolt", as in the settings; None for an embedded service."""
    if name == "sql":
        return None if settings.embedded_sql else (settings.db_host, settings.db_port)
    embedded, url, port = settings.embedded_graph, settings.neo4j_uri, 7687
    if name == "redis":
        embedded, url, port = settings.embedded_redis, settings.redis_url.get_secret_value(), 6379
    parts = urlsplit(url)
    return None if embedded else (parts.hostname or "", parts.port or port)


def needs_data_folder(settings: Settings) -> bool:
    """Return whether the record or the queue is embedded."""
    return settings.embedded_sql or settings.embedded_redis


@dataclass(frozen=True, slots=True)
class SqlTarget:
    """A SQL database; ``pool_size`` + ``max_overflow`` bounds connections and threads alike."""

    url: sa.URL  # with the password, which its repr masks
    pool_size: int = 3
    max_overflow: int = 2
    pool_timeout: float = 30.0  # seconds, as is recycle
    recycle: int = 3600
    pre_ping: bool = True
    tls: str | None = None  # None = without TLS, "" = trust the system's certificates, else a CA file


def sql_target(settings: Settings) -> SqlTarget:
    """Return the address of the record's database: the SQLite file, or the MySQL server of the settings.

    The parts are escaped: a password with "@" or "/" stays a password.
    """
    url, wants_tls = sa.URL.create("sqlite", database=str(settings.sqlite_path)), False
    if not settings.embedded_sql:
        url = sa.URL.create(
            "mysql+pymysql",
            settings.db_user,
            settings.db_password.get_secret_value(),
            settings.db_host,
            settings.db_port,
            settings.db_name,
            {"charset": settings.db_charset},
        )
        wants_tls = settings.db_ssl or bool(settings.db_ssl_ca)
    return SqlTarget(
        url,
        pool_size=settings.db_pool_size,
        max_overflow=settings.db_pool_max_overflow,
        pool_timeout=settings.db_pool_timeout,
        recycle=settings.db_pool_recycle,
        pre_ping=settings.db_pool_pre_ping,
        tls=settings.db_ssl_ca if wants_tls else None,
    )


@dataclass(frozen=True, slots=True)
class GraphTarget:
    """A graph database."""

    uri: str
    user: str
    password: SecretStr = field(repr=False)
    database: str = ""  # empty: the server's default
    ca: str = ""  # a file of the only certificates to trust; it switches TLS on
    timeout: float = 10.0  # seconds of one transaction with all its retries, far below a lease


def graph_target(settings: Settings) -> GraphTarget:
    """Return address and login of the graph database in the settings."""
    login = settings.neo4j_user, settings.neo4j_password
    return GraphTarget(settings.neo4j_uri, *login, settings.neo4j_database, ca=settings.neo4j_ca)
