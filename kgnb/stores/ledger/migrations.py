"""Creates missing tables, migrates kgnb's own forward, and finds required columns that only main knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import sqlalchemy as sa

from kgnb.core.errors import ServiceDown, ServiceRefused
from kgnb.core.model import beijing_now
from kgnb.stores.ledger.tables import MAIN, OWN, JsonText, chapters, versions

VERSION = 1
"""An older kgnb refuses a database of a higher version. Raise it only for a change that would break one: new
tables and new nullable columns don't."""

LOCK_SECONDS = 10


def prepare(connection: sa.Connection) -> dict[str, dict[str, Any]]:
    """Bring the database up to this version; idempotent, also after a failure half-way.

    Returns, for each of main's tables, values for columns that are NOT NULL without a default. Raises
    ServiceRefused for a newer database, or where one of main's tables lacks a column.
    """
    with _one_at_a_time(connection):
        _refuse_newer(connection)
        present = set(sa.inspect(connection).get_table_names())
        for table in (*MAIN, *OWN):
            if table.name not in present:
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(sa.schema.CreateIndex(index))
        for table in OWN:
            if table.name in present:
                _add_columns(connection, table)
        _write_version(connection)
    return {t.name: _fillers(connection, t) for t in MAIN if t.name in present}


@contextmanager
def _one_at_a_time(connection: sa.Connection) -> Iterator[None]:
    """Serialize nodes that start together: SQLite's transaction locks the file, MySQL commits at each DDL."""
    if connection.dialect.name == "sqlite":
        yield
        return
    # Named locks are the server's, not the database's.
    name = sa.func.concat("kgnb_schema.", sa.func.database())
    if connection.scalar(sa.select(sa.func.get_lock(name, LOCK_SECONDS))) != 1:
        raise ServiceDown("ledger.busy", service="sql", where="kgnb_schema")
    try:
        yield
    finally:
        connection.scalar(sa.select(sa.func.release_lock(name)))


def _refuse_newer(connection: sa.Connection) -> None:
    if not sa.inspect(connection).has_table(versions.name):
        return
    found = connection.scalar(sa.select(versions.c.version).where(versions.c.id == 1))
    if found is not None and found > VERSION:
        raise ServiceRefused("ledger.newer", service="sql", found=found, known=VERSION)


def _write_version(connection: sa.Connection) -> None:
    values = {"version": VERSION, "updated_at": beijing_now()}
    found = connection.scalar(sa.select(versions.c.version).where(versions.c.id == 1))
    if found is None:
        # IGNORE: another node that starts may have inserted it without having committed.
        insert = sa.insert(versions).prefix_with("IGNORE", dialect="mysql")
        connection.execute(insert.values(id=1, **values))
    elif found < VERSION:
        connection.execute(sa.update(versions).values(**values))


def _add_columns(connection: sa.Connection, table: sa.Table) -> None:
    """Add columns that an older kgnb's table lacks, nullable, so that old rows stay valid."""
    present = {c["name"] for c in sa.inspect(connection).get_columns(table.name)}
    quote = connection.dialect.identifier_preparer.quote
    for column in table.columns:
        if column.name not in present:
            kind = column.type.compile(connection.dialect)
            connection.exec_driver_sql(
                f"ALTER TABLE {quote(table.name)} ADD COLUMN {quote(column.name)} {kind} NULL"
            )


# --- main's wider tables ------------------------------------------------------------------------------------


def _fillers(connection: sa.Connection, table: sa.Table) -> dict[str, Any]:
    columns = sa.inspect(connection).get_columns(table.name)
    missing = set(table.columns.keys()) - {c["name"] for c in columns}
    if missing:
        names = ", ".join(sorted(missing))
        raise ServiceRefused("ledger.columns", service="sql", table=table.name, columns=names)
    ours = {column.name: column.type for column in table.columns}
    return {
        c["name"]: [] if isinstance(ours.get(c["name"]), JsonText) else _neutral_value(c["type"])
        for c in columns
        if c["name"] != "id"
        and not c["nullable"]
        and c.get("default") is None
        and not c.get("computed")
        and c.get("autoincrement") is not True
    }


def _neutral_value(kind: Any) -> Any:
    """A value for a required column of this type, close to a usual default."""
    if isinstance(kind, sa.Enum) and kind.enums:
        return kind.enums[0]
    if isinstance(kind, sa.JSON) or getattr(kind, "collation", None) == "utf8mb4_bin":
        return "{}"  # MariaDB's JSON is a text of that collation with a constraint
    if isinstance(kind, sa.String):
        return ""
    if isinstance(kind, sa.DateTime):
        return beijing_now
    if isinstance(kind, sa.Date):
        return date.today
    return b"" if isinstance(kind, sa.LargeBinary) else 0


def content_hash(connection: sa.Connection) -> sa.ColumnElement[str]:
    """SQL for the sha256 (hex) of a chapter's present text: main may have changed it since the import."""
    if connection.dialect.name == "sqlite":
        return sa.func.kgnb_sha256(chapters.c.content)
    return sa.literal_column(
        "SHA2(CONVERT(COALESCE(chapters.content, '') USING utf8mb4), 256)", sa.String(64)
    )
