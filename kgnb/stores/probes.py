"""What a check-up asks a service: version, clock, encryption, rights. Nothing that it tries stays."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from neo4j import AsyncTransaction

from kgnb.core.errors import ServiceDown, ServiceRefused
from kgnb.core.model import beijing_now
from kgnb.stores.graph.driver import BoltDriver, run
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database
from kgnb.stores.queue.connection import RedisConnection

TRIED = "kgnb:doctor"
"""Key, row and label that a check-up writes and takes back."""
SAFE_POLICIES = ("", "noeviction")
"""Redis' ``maxmemory_policy`` with which nothing is thrown away."""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """``version`` as the server names itself; ``ms`` of one round trip; ``skew``: its clock minus ours in
    seconds, None where it has none to ask; ``tls``: cipher or version, "" = not encrypted; ``notes``: keys of
    texts about what should be changed, with their facts."""

    version: str
    ms: float
    skew: float | None = None
    tls: str = ""
    notes: tuple[tuple[str, dict[str, Any]], ...] = field(default=())


async def sql_facts(sql: Database) -> ServiceFacts:
    """Reads, and writes what is rolled back. Raises ServiceDown, and ServiceRefused without the rights."""
    started = time.monotonic()
    await sql.ping()
    ms = 1000 * (time.monotonic() - started)
    version, skew, tls, notes = await sql.run(_sql_facts)
    return ServiceFacts(version, ms, skew, tls, notes)


def _sql_facts(c: sa.Connection) -> tuple[str, float | None, str, tuple[tuple[str, dict[str, Any]], ...]]:
    _try_writing(c)
    if c.dialect.name == "sqlite":
        return f"SQLite {c.scalar(sa.text('SELECT sqlite_version()'))}", None, "", ()
    own = beijing_now()
    version, charset, now = c.execute(
        sa.text("SELECT VERSION(), @@character_set_database, UTC_TIMESTAMP(6)")
    ).one()
    cipher = c.execute(sa.text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).one()[1]
    notes = () if charset == "utf8mb4" else (("doctor.charset", {"charset": charset}),)
    name = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    skew = (now - own).total_seconds() + 8 * 3600 if isinstance(now, datetime) else None  # UTC, and UTC+8
    return f"{name} {version.split('-')[0]}", skew, cipher or "", notes


def _try_writing(c: sa.Connection) -> None:
    trial = c.begin_nested()
    c.execute(sa.delete(t.seen_providers).where(t.seen_providers.c.name == TRIED))
    c.execute(sa.insert(t.seen_providers).values(name=TRIED, seen_at=beijing_now()))
    for table in (t.tasks, t.chapter_status):
        c.execute(sa.update(table).where(table.c.id == -1).values(updated_at=beijing_now()))
    trial.rollback()


async def redis_facts(connection: RedisConnection, *, tls: bool) -> ServiceFacts:
    """Writes, reads and removes a key, and runs a script. Raises ServiceDown and ServiceRefused."""
    started = time.monotonic()
    seconds, micros = await connection.send_one(("TIME",))
    now, ms = time.time(), 1000 * (time.monotonic() - started)
    await connection.send(
        [
            ("SET", TRIED, "1", "EX", 5),
            ("EVAL", "return redis.call('GET', KEYS[1])", 1, TRIED),
            ("DEL", TRIED),
        ]
    )
    (info,) = await connection.try_send([("INFO",)])  # an ACL may keep it from us; then nothing is known
    facts = _info(info)
    name = "Valkey" if "valkey_version" in facts else "Redis"
    version = facts.get("valkey_version") or facts.get("redis_version", "")
    policy, most = facts.get("maxmemory_policy", ""), facts.get("maxmemory", "0")
    notes = []
    if policy not in SAFE_POLICIES and most != "0":
        notes.append(("doctor.eviction", {"policy": policy}))
    skew = int(seconds) + int(micros) / 1e6 - now
    return ServiceFacts(f"{name} {version}".strip(), ms, skew, "TLS" if tls else "", tuple(notes))


def _info(reply: object) -> dict[str, str]:
    if isinstance(reply, dict):
        return {str(k): str(v) for k, v in reply.items()}
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else ""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {key: value for key, _, value in pairs}


async def bolt_facts(bolt: BoltDriver, *, tls: bool) -> ServiceFacts:
    """Makes a node that is rolled back. Raises ServiceDown, and ServiceRefused without the right to write."""
    started = time.monotonic()
    await bolt.rows("RETURN 1")
    ms = 1000 * (time.monotonic() - started)

    async def trial(tx: AsyncTransaction) -> None:
        await run(tx, "CREATE (n:Novel {id: -1}) DELETE n")
        await tx.rollback()

    await bolt.write(trial)
    return ServiceFacts(await _bolt_version(bolt), ms, None, "TLS" if tls else "")


async def _bolt_version(bolt: BoltDriver) -> str:
    """What the server calls itself; empty for an engine without the procedure (the embedded one)."""
    try:
        rows = await bolt.rows(
            "CALL dbms.components() YIELD name, versions, edition RETURN name, versions, edition"
        )
    except (ServiceRefused, ServiceDown):  # it answered a moment ago: only this question has no answer
        return ""
    name, versions, edition = rows[0] if rows else ("", [""], "")
    return f"{name.replace(' Kernel', '')} {versions[0]} {edition}".strip()
