"""MySQL and MariaDB: connections that cost few round trips, as the server may be far away.

A connection commits each statement by itself, and a transaction that writes begins with BEGIN. So one that
only reads has nothing to end; its statements see what READ COMMITTED would show them in a transaction, too.
"""

from __future__ import annotations

import math
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql

CONNECT_SECONDS = 8
LOCK_SECONDS = 5
STATEMENT_SECONDS = 12
SOCKET_SECONDS = 15
IDLE_SECONDS = 10
"""All well below the lease of 30 s: a node whose database hangs notices while it holds its leases, and one
that froze within a transaction soon loses its locks."""
PING_AFTER_SECONDS = 5.0
"""A connection idle for less is handed out without a ping, which saves a busy node a round trip."""

READ_ONLY = (1290, 1792, 1836)
"""Errors of a server that takes no writes: in maintenance, after a failover, or with its disk full."""

ARGUMENTS: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "read_timeout": CONNECT_SECONDS,  # until the server has greeted: connected()
    "write_timeout": SOCKET_SECONDS,
    "autocommit": None,  # connected() switches it on
}
DRIVER = "mysql+kgnb"
"""SQLAlchemy's name of :class:`Dialect`."""


class Dialect(MySQLDialect_pymysql):
    """SQLAlchemy's dialect of the driver, less the seven questions of a process's first connection.

    kgnb needs no answer but the server's version, which its greeting tells.
    """

    supports_statement_cache = True

    def on_connect(self) -> None:  # type: ignore[override]
        """Send no second SET NAMES: the driver did."""

    def _get_server_version_info(self, connection: sa.Connection) -> tuple[int, ...]:
        """Return the server's version from its greeting: no round trip."""
        greeted: str = connection.connection.dbapi_connection.get_server_info()  # type: ignore[union-attr]
        return self._parse_server_version(greeted)

    def _get_default_schema_name(self, connection: sa.Connection) -> str:
        """Return the database in the address: no round trip."""
        return connection.engine.url.database or ""

    def get_default_isolation_level(self, _connection: Any) -> Any:
        """Return "READ COMMITTED", which :func:`connected` sets."""
        return "READ COMMITTED"

    def _detect_sql_mode(self, _connection: sa.Connection) -> None:
        self._sql_mode = ""

    def _detect_casing(self, _connection: sa.Connection) -> int:
        """Return 0: names of tables are taken as they are."""
        self._casing = 0
        return 0

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Return whether an error means that the connection is to be replaced: it is lost, or the server
        became read-only (after a failover its name may lead to another).
        """
        return super().is_disconnect(e, connection, cursor) or (bool(e.args) and e.args[0] in READ_ONLY)

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit, unless nothing began."""
        if dbapi_connection.record_info.get("begun"):
            dbapi_connection.commit()
            dbapi_connection.record_info["begun"] = False

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back, unless nothing began."""
        if dbapi_connection.record_info.get("begun"):
            dbapi_connection.rollback()
            dbapi_connection.record_info["begun"] = False


registry.register("mysql.kgnb", __name__, "Dialect")


def begin(connection: sa.Connection) -> None:
    """Begin a transaction that writes (event "begin")."""
    if connection.get_execution_options().get("kgnb_write", True):
        connection.connection.record_info["begun"] = True  # type: ignore[index]
        connection.exec_driver_sql("BEGIN")


def connected(connection: Any, record: Any) -> None:
    """Set the session up, in one statement (event "connect")."""
    from pymysql.constants import SERVER_STATUS  # 8 MB that SQLite doesn't need

    mariadb = "mariadb" in connection.get_server_info().lower()
    # MySQL has no limit for idle transactions, only for idle connections; the pool's ping replaces those.
    limit = (
        f"max_statement_time={STATEMENT_SECONDS}, idle_transaction_timeout={IDLE_SECONDS}"
        if mariadb
        else f"max_execution_time={STATEMENT_SECONDS * 1000}, wait_timeout={2 * IDLE_SECONDS}"
    )
    connection._read_timeout = SOCKET_SECONDS
    record.record_info["begun"] = False  # the record outlives a lost connection
    # In the same statement: by SQLAlchemy and the driver it would take three more, of a server far away.
    isolation = f"{'tx' if mariadb else 'transaction'}_isolation='READ-COMMITTED', autocommit=1"
    with connection.cursor() as cursor:
        # Strict: a text that doesn't fit is an error, never truncated silently. NO_BACKSLASH_ESCAPES (the
        # driver reads it from each answer's status) makes quoting long Chinese texts 60 times faster.
        mode = "sql_mode=CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES')"
        locks = f"innodb_lock_wait_timeout={LOCK_SECONDS}, lock_wait_timeout={LOCK_SECONDS}"  # rows', tables'
        cursor.execute(f"SET SESSION {isolation}, {locks}, {mode}, {limit}")
        if not connection.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES:
            # A proxy hides the status flag: server and driver must agree on backslashes.
            cursor.execute("SET SESSION sql_mode=REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', '')")


def returned(_connection: Any, record: Any) -> None:
    """Note when the connection was used last (event "checkin")."""
    record.info["used"] = time.monotonic()


def ping(connection: Any, record: Any, _proxy: object) -> None:
    """Look whether a connection that was idle is alive (event "checkout")."""
    if time.monotonic() - record.info.get("used", math.inf) < PING_AFTER_SECONDS:
        return
    try:
        connection.ping(reconnect=False)
    except connection.Error as error:
        raise sa.exc.DisconnectionError from error  # makes the pool try another connection
