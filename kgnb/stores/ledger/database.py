"""A SQL database: engine, threads, transactions, timeouts, and its errors by driver code.

One transaction is one function that gets a connection: ``await sql.run(fn)``. It runs in a thread of this
class's own, and again when the database chose it as a deadlock's victim, so ``fn`` must be repeatable.

SQLite runs in WAL mode with ``synchronous=FULL``: a commit is on the disk when it returns, also over a power
loss, because the graph and the queue are told only afterwards. Group commit (batch.py) makes that one fsync
for many chapters. Writers begin with ``BEGIN IMMEDIATE`` and queue up at a lock of this process, so SQLite's
own polling wait is left for other processes on the same file. On MySQL transactions are READ COMMITTED with
row locks, taken in one order: task, claim, chapter.
"""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.dialects import mysql, sqlite

from kgnb.core.errors import KgnbError, ServiceDown, ServiceRefused
from kgnb.core.tls import is_untrusted_certificate
from kgnb.stores.ledger import migrations

R = TypeVar("R")
Row = Mapping[str, Any]

CONNECT_SECONDS = 8
LOCK_SECONDS = 5
STATEMENT_SECONDS = 12
SOCKET_SECONDS = 15
IDLE_SECONDS = 10
"""All well below the lease of 30 s: a node whose database hangs notices while its leases live, and one that
froze within a transaction keeps nobody waiting at its locks."""
FRESH_SECONDS = 1.0
"""A connection used so lately isn't asked whether it lives: a round trip less for each of a busy node's."""
AGAIN_SECONDS = 8.0
"""How long a transaction is repeated after deadlocks and lock waits."""

_SQLITE_ARGUMENTS = {"timeout": LOCK_SECONDS}
_MYSQL_ARGUMENTS = {
    "connect_timeout": CONNECT_SECONDS,
    "read_timeout": SOCKET_SECONDS,
    "write_timeout": SOCKET_SECONDS,
}

_Kind = Literal["again", "down", "refused", "untrusted", "no_database", "full", "file", "broken"]

_CODES: dict[_Kind, tuple[int, ...]] = {
    # Deadlock, lock wait, row or table definition changed since it was read.
    "again": (1213, 1205, 1020, 1412),
    # Unreachable, gone, shutting down, too many connections, killed or timed out.
    "down": (
        *(0, 1040, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1317, 1927, 1969),
        *(2002, 2003, 2006, 2013, 2014, 2027, 2055, 3024, 4031),
    ),
    # Passwords, hosts, rights, TLS, expired or locked accounts, a read-only server.
    "refused": (
        *(1044, 1045, 1129, 1130, 1142, 1143, 1227, 1251, 1290, 1370, 1698, 1820, 1836, 1862),
        *(2026, 2059, 2061, 3118, 3159, 4151),
    ),
    "no_database": (1049,),
    "full": (1021, 1041, 1114),
}
_MYSQL: dict[int, _Kind] = {code: kind for kind, codes in _CODES.items() for code in codes}
_SQLITE: dict[int, _Kind] = {
    sqlite3.SQLITE_BUSY: "again",
    sqlite3.SQLITE_LOCKED: "again",
    sqlite3.SQLITE_IOERR: "down",
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_CANTOPEN: "file",
    sqlite3.SQLITE_READONLY: "file",
    sqlite3.SQLITE_PERM: "file",
    sqlite3.SQLITE_AUTH: "file",
    sqlite3.SQLITE_NOTADB: "broken",
    sqlite3.SQLITE_CORRUPT: "broken",
}


class Database:
    """One database. ``url`` carries the password and is never shown.

    ``pool_size`` + ``max_overflow`` is the number of connections and of threads; ``pool_timeout`` and
    ``recycle`` are seconds; ``connect_args`` go to the driver (``ssl``: an SSLContext, for TLS to MySQL).
    """

    def __init__(
        self,
        url: SecretStr,
        *,
        pool_size: int = 3,
        max_overflow: int = 2,
        pool_timeout: float = 30.0,
        recycle: int = 3600,
        pre_ping: bool = True,
        connect_args: Mapping[str, Any] | None = None,
    ) -> None:
        at = _url(url)
        self.sqlite = at.get_backend_name() == "sqlite"
        self.where = at.database or "" if self.sqlite else f"{at.host}:{at.port or 3306}/{at.database}"
        options: dict[str, Any] = {} if self.sqlite else {"isolation_level": "READ COMMITTED"}
        self._engine = sa.create_engine(
            at,
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=pool_timeout,
            pool_recycle=recycle if pre_ping else min(recycle, IDLE_SECONDS),
            pool_use_lifo=True,
            pool_reset_on_return=None,  # _once has ended the transaction: a ROLLBACK is one more round trip
            hide_parameters=True,
            connect_args={**(_SQLITE_ARGUMENTS if self.sqlite else _MYSQL_ARGUMENTS), **(connect_args or {})},
            **options,
        )
        sa.event.listen(self._engine, "connect", _sqlite_connected if self.sqlite else _mysql_connected)
        if self.sqlite:
            sa.event.listen(self._engine, "begin", _sqlite_begin)
        elif pre_ping:
            sa.event.listen(self._engine, "checkin", _mysql_used)
            sa.event.listen(self._engine, "checkout", _mysql_ping)
        self._threads = ThreadPoolExecutor(pool_size + max_overflow, thread_name_prefix="kgnb-sql")
        self._writer: AbstractContextManager[Any] = threading.Lock() if self.sqlite else nullcontext()
        self._fillers: dict[str, dict[str, Any]] = {}

    async def prepare(self) -> None:
        """Creates what is missing and migrates kgnb's own tables forward.

        Raises ServiceRefused when the database is of a newer kgnb or one of main's tables lacks a column.
        """
        self._fillers = await self.run(migrations.prepare)

    async def run(self, fn: Callable[[sa.Connection], R], *, write: bool = True) -> R:
        """``fn(connection)`` in one transaction, in a thread; ``write=False`` for one that only reads.

        Raises ServiceDown(service="sql") when the database is unreachable, busy for too long or full, and
        ServiceRefused when it says no. ``fn`` may run more than once.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: self.run_blocking(fn, write=write))

    def run_blocking(self, fn: Callable[[sa.Connection], R], *, write: bool = True) -> R:
        """:meth:`run` for a caller that is in a thread already."""
        give_up = time.monotonic() + AGAIN_SECONDS
        while True:
            try:
                return self._once(fn, write)
            except sa.exc.TimeoutError as error:  # no free connection
                raise ServiceDown("ledger.busy", service="sql", where=self.where) from error
            except sa.exc.DBAPIError as error:
                kind = _kind(error)
                if kind is None:
                    raise
                if kind != "again" or time.monotonic() > give_up:
                    raise self._error(kind, error) from error
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - jitter, not a secret

    def _once(self, fn: Callable[[sa.Connection], R], write: bool) -> R:
        with self._writer if write else nullcontext(), self._engine.connect() as connection:
            connection.execution_options(kgnb_write=write)
            with connection.begin():
                return fn(connection)

    def _error(self, kind: _Kind, error: sa.exc.DBAPIError) -> KgnbError:
        facts = {"where": self.where, "reason": _reason(error.orig)}
        if kind == "again":
            return ServiceDown("ledger.busy", service="sql", where=self.where)
        if kind in ("down", "full"):
            return ServiceDown(f"ledger.{kind}", service="sql", **facts)
        return ServiceRefused(f"ledger.{kind}", service="sql", **facts)

    def insert(self, connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> int:
        """Inserts ``rows``, all with the same columns, into one of main's tables; returns the last id.

        Columns that main requires and that aren't given, because they are main's own, get a neutral value.
        """
        if not rows:
            return 0
        fill = {k: v() if callable(v) else v for k, v in self._fillers.get(table.name, {}).items()}
        full = [fill | {k: v for k, v in row.items() if v is not None or k not in fill} for row in rows]
        columns = (sa.column(n, table.c[n].type) if n in table.c else sa.column(n) for n in full[0])
        insert = sa.insert(sa.table(table.name, *columns))
        if len(full) == 1:
            return int(connection.execute(insert.values(**full[0])).lastrowid or 0)
        connection.execute(insert, full)
        return 0

    async def ping(self) -> None:
        """Asks the database for nothing; raises ServiceDown or ServiceRefused when it doesn't answer."""
        await self.run(lambda c: c.scalar(sa.select(1)), write=False)

    async def close(self) -> None:
        """Ends the threads and closes every connection."""
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._engine.dispose)


def pairs(rows: Iterable[Any]) -> dict[Any, Any]:
    """Rows of two columns as a dict."""
    return {row[0]: row[1] for row in rows}


def storable(text: str) -> str:
    """``text`` as every database takes it: a lone surrogate, which no UTF-8 can hold, becomes "?"."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def upsert(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Row], update: Callable[[Any, Any], Row]
) -> None:
    """Inserts ``rows`` into one of kgnb's tables; where the primary key exists, sets ``update(old, new)``.

    ``old`` and ``new`` are column collections. Both dialects' statement, in one place.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        lite = sqlite.insert(table)
        keys = list(table.primary_key.columns)
        statement: Any = lite.on_conflict_do_update(index_elements=keys, set_=update(table.c, lite.excluded))
    else:
        my = mysql.insert(table)
        statement = my.on_duplicate_key_update(**update(table.c, my.inserted))
    connection.execute(statement, list(rows))


def greatest(connection: sa.Connection, old: Any, new: Any) -> Any:
    """The larger of two values, as SQL."""
    return sa.func.max(old, new) if connection.dialect.name == "sqlite" else sa.func.greatest(old, new)


# --- connecting ---------------------------------------------------------------------------------------------


def _url(secret: SecretStr) -> sa.URL:
    try:
        url = sa.make_url(secret.get_secret_value())
    except sa.exc.ArgumentError:
        raise ServiceRefused("ledger.url", service="sql") from None  # the message may carry the password
    if url.get_backend_name() == "sqlite":
        return url
    url = url.set(drivername="mysql+pymysql")
    return url if "charset" in url.query else url.update_query_dict({"charset": "utf8mb4"})


def _sqlite_connected(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin by itself: _sqlite_begin does
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.create_function("kgnb_sha256", 1, migrations.sha256, deterministic=True)


def _sqlite_begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("kgnb_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _mysql_connected(connection: Any, _record: object) -> None:
    from pymysql.constants import SERVER_STATUS  # 8 MB that SQLite doesn't need

    mariadb = "mariadb" in connection.get_server_info().lower()
    # MySQL has no limit for an idle transaction, so an idle connection ends there; the pool's ping finds out.
    limit = (
        f"max_statement_time={STATEMENT_SECONDS}, idle_transaction_timeout={IDLE_SECONDS}"
        if mariadb
        else f"max_execution_time={STATEMENT_SECONDS * 1000}, wait_timeout={2 * IDLE_SECONDS}"
    )
    with connection.cursor() as cursor:
        # Strict: a text that doesn't fit is an error, never cut in silence. Without backslash escapes (the
        # driver reads that from each answer) long Chinese texts are quoted in a sixtieth of the time.
        mode = "sql_mode=CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES')"
        cursor.execute(f"SET SESSION innodb_lock_wait_timeout={LOCK_SECONDS}, {mode}, {limit}")
        if not connection.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES:
            # Something between keeps that to itself: both sides must mean the same by a backslash.
            cursor.execute("SET SESSION sql_mode=REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', '')")


def _mysql_used(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _mysql_ping(connection: Any, record: Any, _proxy: object) -> None:
    if time.monotonic() - record.info.get("used", math.inf) < FRESH_SECONDS:
        return
    try:
        connection.ping(reconnect=False)
    except connection.Error as error:
        raise sa.exc.DisconnectionError from error  # the pool takes another one, or connects anew


# --- errors -------------------------------------------------------------------------------------------------


def _kind(error: sa.exc.DBAPIError) -> _Kind | None:
    """What a driver's error means; None = a mistake in a statement, which is not the service's."""
    orig = error.orig
    if isinstance(orig, sqlite3.Error):
        return _SQLITE.get(getattr(orig, "sqlite_errorcode", -1) & 0xFF)
    if is_untrusted_certificate(orig):
        return "untrusted"
    code = orig.args[0] if orig is not None and orig.args else None
    if isinstance(code, int) and code in _MYSQL:
        return _MYSQL[code]
    return "down" if error.connection_invalidated else None


def _reason(orig: BaseException | None) -> str:
    return " ".join(str(a) for a in orig.args)[:300] if orig is not None else ""
