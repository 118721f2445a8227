"""A SQL database: engine, threads, transactions, timeouts, errors by driver code.

A transaction is a function of a connection. :func:`transaction` and :func:`reading` make an async method of
one; ``Database.run`` takes any. It runs in one of the database's own threads, and again after a deadlock or
lock wait, so it must be repeatable.

SQLite runs in WAL mode with ``synchronous=FULL``: the graph and the queue are written only after a commit, so
it must survive a power loss. Group commit (worker/batcher.py) shares one fsync among many chapters. Writers
begin with ``BEGIN IMMEDIATE`` behind a lock of this process; SQLite's polling wait is left to other processes
on the same file. MySQL (mysql.py) transactions are READ COMMITTED; row locks are taken in one order: task,
claim, chapter.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.mysql import insert as mysql_insert

from kgnb.book.model import text_hash
from kgnb.core.errors import KgnbError, RowRefused, ServiceDown, ServiceError, ServiceRefused, TableMissing
from kgnb.core.shortages import is_full
from kgnb.stores.ledger import migrations, mysql
from kgnb.stores.ledger.tables import JSON_OPTIONS
from kgnb.stores.targets import SqlTarget
from kgnb.stores.tls import is_untrusted_certificate

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Row = Mapping[str, Any]

RETRY_SECONDS = 8.0
"""How long a transaction is repeated after deadlocks and lock waits."""

SQLITE_ARGUMENTS: dict[str, Any] = {"timeout": mysql.LOCK_SECONDS}

_ErrorKind = Literal[
    "retry",
    "down",
    "read_only",
    "full",
    "refused",
    "untrusted",
    "no_database",
    "file",
    "broken",
    "row",
    "table",
]

_MYSQL_CODES: dict[_ErrorKind, tuple[int, ...]] = {
    # Deadlock, lock wait, row or table definition changed since it was read, too long a statement (which
    # waited for a lock on the table, or the server is overloaded).
    "retry": (1213, 1205, 1020, 1412, 1969, 3024),
    # Unreachable, gone, shutting down, too many connections, killed or timed out.
    "down": (
        *(0, 1040, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1317, 1927),
        *(2002, 2003, 2006, 2013, 2014, 2027, 2055, 4031),
    ),
    "read_only": mysql.READ_ONLY,
    # Passwords, hosts, rights, TLS, expired or locked accounts.
    "refused": (
        *(1044, 1045, 1129, 1130, 1142, 1143, 1227, 1251, 1370, 1698, 1820, 1862),
        *(2026, 2059, 2061, 3118, 3159, 4151),
    ),
    "no_database": (1049,),
    "full": (1021, 1041, 1114),
    # A trigger, check, foreign key, type or missing default of a table that main or its owner has changed.
    # Not 1062: a second row of the same key is expected.
    "row": (
        *(1048, 1216, 1217, 1264, 1265, 1292, 1356, 1364, 1366, 1406, 1423, 1442, 1451, 1452, 1644, 3819),
        4025,
    ),
    # An unknown column or table: one of ours that went missing, or what a trigger names.
    "table": (1054, 1146),
}
_MYSQL_ERRORS: dict[int, _ErrorKind] = {code: kind for kind, codes in _MYSQL_CODES.items() for code in codes}
_SQLITE_ERRORS: dict[int, _ErrorKind] = {
    sqlite3.SQLITE_BUSY: "retry",
    sqlite3.SQLITE_LOCKED: "retry",
    sqlite3.SQLITE_IOERR: "down",
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_CANTOPEN: "file",
    sqlite3.SQLITE_READONLY: "file",
    sqlite3.SQLITE_PERM: "file",
    sqlite3.SQLITE_AUTH: "file",
    sqlite3.SQLITE_NOTADB: "broken",
    sqlite3.SQLITE_CORRUPT: "broken",
    sqlite3.SQLITE_CONSTRAINT_CHECK: "row",
    sqlite3.SQLITE_CONSTRAINT_NOTNULL: "row",
    sqlite3.SQLITE_CONSTRAINT_TRIGGER: "row",
    sqlite3.SQLITE_ERROR: "table",  # or any other fault of a statement
}
_RAISED: dict[_ErrorKind, type[ServiceError]] = {
    "down": ServiceDown,
    "read_only": ServiceDown,
    "full": ServiceDown,
    "row": RowRefused,
}


class Database:
    """One database, which connects at first use; its URL carries the password and is never shown."""

    def __init__(self, target: SqlTarget) -> None:
        self.target, url = target, target.url
        self.sqlite = url.get_backend_name() == "sqlite"
        self.where = url.database or "" if self.sqlite else f"{url.host}:{url.port or 3306}/{url.database}"
        connect_args = SQLITE_ARGUMENTS if self.sqlite else mysql.ARGUMENTS
        if target.tls is not None:
            connect_args = connect_args | {"ssl": ssl.create_default_context(cafile=target.tls or None)}
        self._engine = sa.create_engine(
            url if self.sqlite else url.set(drivername=mysql.DRIVER),
            pool_size=target.pool_size,
            max_overflow=target.max_overflow,
            pool_timeout=target.pool_timeout,
            pool_recycle=target.recycle if target.pre_ping else min(target.recycle, mysql.IDLE_SECONDS),
            pool_use_lifo=True,
            hide_parameters=True,
            connect_args=connect_args,
            **JSON_OPTIONS,
        )
        sa.event.listen(self._engine, "connect", _sqlite_connected if self.sqlite else mysql.connected)
        sa.event.listen(self._engine, "begin", _sqlite_begin if self.sqlite else mysql.begin)
        if target.pre_ping and not self.sqlite:
            sa.event.listen(self._engine, "checkin", mysql.returned)
            sa.event.listen(self._engine, "checkout", mysql.ping)
        self._threads = ThreadPoolExecutor(
            target.pool_size + target.max_overflow, thread_name_prefix="kgnb-sql"
        )
        self._writer: AbstractContextManager[Any] = threading.Lock() if self.sqlite else nullcontext()
        self._fillers: dict[str, dict[str, Any]] = {}

    async def prepare(self) -> None:
        """Create missing tables and migrate kgnb's own forward.

        Raises ServiceRefused for a database of a newer kgnb, or where one of main's tables lacks a column.
        """
        prepared = await self.run(migrations.fillers_if_complete, write=False)
        self._fillers = await self.run(migrations.prepare) if prepared is None else prepared

    async def run(self, fn: Callable[[sa.Connection], R], *, write: bool = True) -> R:
        """Run ``fn(connection)`` in one transaction, in a thread, and return its result. ``write``: False for
        a transaction that only reads.

        ``fn`` may run more than once. Raises ServiceDown(service="sql") when the database is unreachable,
        full or busy for too long, ServiceRefused when it denies access, TableMissing when a table or column
        is gone, RowRefused when it denies one row.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: self.run_blocking(fn, write=write))

    def run_blocking(self, fn: Callable[[sa.Connection], R], *, write: bool = True) -> R:
        """Like :meth:`run`, but in the caller's own thread."""
        give_up = time.monotonic() + RETRY_SECONDS
        while True:
            try:
                with self._writer if write else nullcontext(), self._engine.connect() as connection:
                    connection.execution_options(kgnb_write=write)
                    with connection.begin():
                        return fn(connection)
            except sa.exc.TimeoutError as error:  # no free connection
                raise ServiceDown("ledger.busy", service="sql", where=self.where) from error
            except sa.exc.DBAPIError as error:
                kind = _error_kind(error)
                if kind == "table":
                    self._raise_missing(error)
                    kind = None if self.sqlite else "row"
                if kind is None:
                    raise
                if kind != "retry" or time.monotonic() > give_up:
                    raise self._error(kind, error) from error
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - jitter, not a secret

    def _raise_missing(self, error: sa.exc.DBAPIError) -> None:
        found = self.run_blocking(migrations.first_missing, write=False)
        if found is not None:
            table, columns = found
            facts = {"where": self.where, "table": table, "columns": ", ".join(columns)}
            raise TableMissing("ledger.table", service="sql", **facts) from error

    def _error(self, kind: _ErrorKind, error: sa.exc.DBAPIError) -> KgnbError:
        """Return the error to raise for a driver's error of this kind."""
        if kind == "retry":
            return ServiceDown("ledger.busy", service="sql", where=self.where)
        raised = _RAISED.get(kind, ServiceRefused)
        if kind == "down" and self.sqlite:  # an I/O error, which may pass; there is no server to look for
            kind = "full" if is_full(Path(self.where)) else "file"
        reason = " ".join(map(str, error.orig.args))[:300] if error.orig is not None else ""
        return raised(f"ledger.{kind}", service="sql", where=self.where, reason=reason)

    def insert(self, connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> int:
        """Insert ``rows``, all with the same columns, into one of main's tables.

        Returns the id of a single row, 0 for several. Required columns that only main knows get a neutral
        value.
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
        """Raise ServiceDown or ServiceRefused unless the database answers."""
        await self.run(lambda c: c.scalar(sa.select(1)), write=False)

    async def close(self) -> None:
        """End the threads and close every connection."""
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._engine.dispose)


# --- transactions as methods --------------------------------------------------------------------------------


class DatabasePart:
    """Base of classes whose methods are transactions on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database


Part = TypeVar("Part", bound=DatabasePart)
Method = Callable[Concatenate[Part, sa.Connection, P], R]
AsyncMethod = Callable[Concatenate[Part, P], Coroutine[Any, Any, R]]


def transaction(method: Method[Part, P, R]) -> AsyncMethod[Part, P, R]:
    """Make ``method(self, connection, …)`` an async method without ``connection``: one transaction a call.

    The method may run more than once (see :meth:`Database.run`): no argument may be a one-shot iterator.
    """
    return _run_method(method, write=True)


def reading(method: Method[Part, P, R]) -> AsyncMethod[Part, P, R]:
    """:func:`transaction` for a method that only reads."""
    return _run_method(method, write=False)


def _run_method(method: Method[Part, P, R], *, write: bool) -> AsyncMethod[Part, P, R]:
    """Return the async method that runs ``method`` in a transaction of its own."""

    @wraps(method)
    async def run(self: Part, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._database.run(lambda c: method(self, c, *args, **kwargs), write=write)

    return run


# --- statements ---------------------------------------------------------------------------------------------


def pages(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Return slices of at most ``size`` items, in order, to bound a statement or memory."""
    return (items[start : start + size] for start in range(0, len(items), size))


def storable(text: str) -> str:
    """Return the text with lone surrogates, which UTF-8 can't encode, replaced by "?"."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def upsert(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Row], update: Callable[[Any, Any], Row]
) -> None:
    """Insert ``rows`` into one of kgnb's tables; where the primary key exists, set ``update(old, new)``.

    ``old`` and ``new`` are column collections.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        lite = sqlite.insert(table)
        keys = list(table.primary_key.columns)
        statement: Any = lite.on_conflict_do_update(index_elements=keys, set_=update(table.c, lite.excluded))
    else:
        my = mysql_insert(table)
        statement = my.on_duplicate_key_update(**update(table.c, my.inserted))
    connection.execute(statement, list(rows))


# --- connecting ---------------------------------------------------------------------------------------------


def _sqlite_connected(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin by itself: _sqlite_begin does
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.create_function("kgnb_sha256", 1, lambda text: text_hash(text or ""), deterministic=True)


def _sqlite_begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("kgnb_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


# --- errors -------------------------------------------------------------------------------------------------


def _error_kind(error: sa.exc.DBAPIError) -> _ErrorKind | None:
    """Return the kind of a driver's error; None for a faulty statement, which isn't the service's failure."""
    orig = error.orig
    if isinstance(orig, sqlite3.Error):
        code = getattr(orig, "sqlite_errorcode", -1)
        return _SQLITE_ERRORS.get(code) or _SQLITE_ERRORS.get(code & 0xFF)
    if is_untrusted_certificate(orig):
        return "untrusted"
    code = orig.args[0] if orig is not None and orig.args else None
    if isinstance(code, int) and code in _MYSQL_ERRORS:
        return _MYSQL_ERRORS[code]
    return "down" if error.connection_invalidated else None
