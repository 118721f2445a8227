"""What ``kgnb doctor`` asks a service: version, clock, encryption, rights. What it writes is taken back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from kgnb.core.errors import ServiceDown, ServiceRefused
from kgnb.core.model import beijing_now
from kgnb.stores.graph.driver import BoltDriver
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database

if TYPE_CHECKING:  # a book's refresh imports this module, and has no use for the client
    from kgnb.stores.queue.connection import RedisConnection

PROBE_NAME = "kgnb:doctor"
"""Redis key and SQL row that are written and taken back."""
SAFE_POLICIES = ("", "noeviction")
"""Values of Redis' ``maxmemory_policy`` under which nothing is evicted; "" = unknown."""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """Facts that a service gives about itself."""

    version: str  # as the server names itself
    ms: float  # of one round trip
    skew: float | None = None  # its clock minus ours in seconds; None where it can't be asked
    tls: str = ""  # cipher or version; "" = not encrypted
    notes: tuple[tuple[str, dict[str, Any]], ...] = ()  # keys of texts on what to change, with their facts


async def sql_facts(sql: Database) -> ServiceFacts:
    """Return the SQL server's version, round trip (ms), clock, encryption and notes; tries to write and rolls
    back.

    Raises ServiceDown, and ServiceRefused without the rights.
    """
    started = time.monotonic()
    await sql.ping()
    ms = 1000 * (time.monotonic() - started)
    return await sql.run(lambda c: _sql_facts(c, ms))


def _sql_facts(c: sa.Connection, ms: float) -> ServiceFacts:
    """Return the server's facts; ``ms``: the round trip. Raises ServiceRefused where writing is refused."""
    _try_writing(c)
    if c.dialect.name == "sqlite":
        return ServiceFacts(f"SQLite {c.scalar(sa.text('SELECT sqlite_version()'))}", ms)
    own_time = beijing_now()
    version, charset, now = c.execute(
        sa.text("SELECT VERSION(), @@character_set_database, UTC_TIMESTAMP(6)")
    ).one()
    cipher = c.execute(sa.text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).one()[1]
    notes = () if charset == "utf8mb4" else (("doctor.charset", {"charset": charset}),)
    name = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    skew = (now - own_time).total_seconds() + 8 * 3600 if isinstance(now, datetime) else None  # UTC - UTC+8
    return ServiceFacts(f"{name} {version.split('-')[0]}", ms, skew, cipher or "", notes)


def _try_writing(c: sa.Connection) -> None:
    trial = c.begin_nested()
    c.execute(sa.delete(t.seen_providers).where(t.seen_providers.c.name == PROBE_NAME))
    c.execute(sa.insert(t.seen_providers).values(name=PROBE_NAME, seen_at=beijing_now()))
    for table in (t.tasks, t.chapter_status):
        c.execute(sa.update(table).where(table.c.id == -1).values(updated_at=beijing_now()))
    trial.rollback()


async def redis_facts(connection: RedisConnection, *, tls: bool) -> ServiceFacts:
    """Return the server's version, round trip (ms), clock difference (s), encryption and notes; writes and
    removes a key, and runs a script.

    Raises ServiceDown and ServiceRefused.
    """
    started = time.monotonic()
    seconds, micros = await connection.send_one(("TIME",))
    now, ms = time.time(), 1000 * (time.monotonic() - started)
    await connection.send(
        [
            ("SET", PROBE_NAME, "1", "EX", 5),
            ("EVAL", "return redis.call('GET', KEYS[1])", 1, PROBE_NAME),
            ("DEL", PROBE_NAME),
        ]
    )
    (info,) = await connection.try_send([("INFO",)])  # an ACL may refuse it: then nothing is known
    facts = info if isinstance(info, dict) else {}
    name = ("Valkey" if "valkey_version" in facts else "Redis") + " Cluster" * connection.is_cluster
    version = facts.get("valkey_version") or facts.get("redis_version", "")
    policy = facts.get("maxmemory_policy", "")
    evicts = policy not in SAFE_POLICIES and facts.get("maxmemory", 0) != 0
    notes = (("doctor.eviction", {"policy": policy}),) if evicts else ()
    skew = int(seconds) + int(micros) / 1e6 - now
    return ServiceFacts(f"{name} {version}".strip(), ms, skew, "TLS" if tls else "", notes)


async def bolt_facts(bolt: BoltDriver, *, tls: bool) -> ServiceFacts:
    """Return the graph server's version, round trip (ms) and encryption; creates a node and deletes it.

    Raises ServiceDown, and ServiceRefused without the right to write.
    """
    started = time.monotonic()
    await bolt.rows("RETURN 1")
    ms = 1000 * (time.monotonic() - started)

    await try_writing(bolt)
    return ServiceFacts(await _bolt_version(bolt), ms, None, "TLS" if tls else "")


async def try_writing(bolt: BoltDriver) -> None:
    """Raise ServiceDown or ServiceRefused unless a node can be written; it is gone again at once."""
    await bolt.execute("CREATE (n:Novel {id: -1}) DELETE n")


async def _bolt_version(bolt: BoltDriver) -> str:
    """Return the server's name and version; empty for an engine without the procedure (the embedded one)."""
    try:
        rows = await bolt.rows(
            "CALL dbms.components() YIELD name, versions, edition RETURN name, versions, edition"
        )
    except (ServiceRefused, ServiceDown):  # it answered a moment ago: only this procedure fails
        return ""
    name, versions, edition = rows[0] if rows else ("", [""], "")
    return f"{name.replace(' Kernel', '')} {versions[0]} {edition}".strip()
