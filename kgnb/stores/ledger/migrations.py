"""Creates missing tables, migrates kgnb's own forward, and finds required columns that only main knows."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

from kgnb.core.errors import ServiceDown, ServiceRefused
from kgnb.core.model import beijing_now
from kgnb.stores.ledger.tables import MAIN, OWN, chapters, versions

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
        present, version = _state(connection)  # another node may have done it meanwhile
        _complete(connection, present)
        _write_version(connection, version)
    return _all_fillers(present)


def fillers_if_complete(connection: sa.Connection) -> dict[str, dict[str, Any]] | None:
    """Return the result of :func:`prepare` by reading alone; None where ``prepare`` has something to
    change.
    """
    present, version = _state(connection)
    return _all_fillers(present) if version == VERSION and _is_complete(present) else None


def _all_fillers(present: _Present) -> dict[str, dict[str, Any]]:
    """Return, for each of main's tables that is present, values for its required columns."""
    return {t.name: _fillers(t, present[t.name]) for t in MAIN if t.name in present}


def _state(connection: sa.Connection) -> tuple[_Present, int | None]:
    """Return (present tables with columns, stored version or None). Raises ServiceRefused for a newer
    version.
    """
    present = _columns(connection)
    return present, _version(connection) if versions.name in present else None


def _is_complete(present: _Present) -> bool:
    """Return whether no table of kgnb's or main's, and no column of kgnb's, is missing."""
    incomplete = any(_missing(table, present.get(table.name, ())) for table in OWN)
    return not incomplete and all(table.name in present for table in MAIN)


def _complete(connection: sa.Connection, present: _Present) -> None:
    for table in (*MAIN, *OWN):
        if table.name not in present:
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(sa.schema.CreateIndex(index))
    for table in OWN:
        if table.name in present:
            _add_columns(connection, table, _missing(table, present[table.name]))


@contextmanager
def _one_at_a_time(connection: sa.Connection) -> Iterator[None]:
    """Let one node at a time run the block: SQLite's transaction locks the file, MySQL commits at each DDL.
    Raises ServiceDown.
    """
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


class _Column(NamedTuple):
    """A column as the database has it. ``required``: NOT NULL, and the database fills in no value."""

    name: str
    type: str
    required: bool


_Present = dict[str, list[_Column]]
"""Table → its columns, as the database has them."""


def _columns(connection: sa.Connection) -> _Present:
    """Return table → columns of the database."""
    if connection.dialect.name != "sqlite":
        return _mysql_columns(connection)
    found = sa.inspect(connection).get_multi_columns()
    return {
        table: [
            _Column(c["name"], str(c["type"]), not (c["nullable"] or c["default"] or c.get("computed")))
            for c in columns
        ]
        for (_, table), columns in found.items()
    }


def _mysql_columns(connection: sa.Connection) -> _Present:
    # One query: SQLAlchemy asks for each table, twenty round trips to a server that may be far away.
    """Return table → columns of a MySQL database, in one query."""
    query = sa.text(
        "SELECT table_name, column_name, column_type, collation_name, is_nullable, column_default, extra "
        "FROM information_schema.columns WHERE table_schema = DATABASE()"
    )
    tables: dict[str, list[_Column]] = defaultdict(list)
    for table, name, type_, collation, nullable, default, extra in connection.execute(query):
        # MariaDB's JSON is a text of this collation with a constraint.
        kind = "json" if (type_, collation) == ("longtext", "utf8mb4_bin") else type_
        filled = default is not None or "auto_increment" in extra or " GENERATED" in extra
        tables[table].append(_Column(name, kind, nullable == "NO" and not filled))
    return tables


def _version(connection: sa.Connection) -> int | None:
    """Return the stored version; None for none. Raises ServiceRefused for a newer one."""
    found: int | None = connection.scalar(sa.select(versions.c.version).where(versions.c.id == 1))
    if found is not None and found > VERSION:
        raise ServiceRefused("ledger.newer", service="sql", found=found, known=VERSION)
    return found


def _write_version(connection: sa.Connection, found: int | None) -> None:
    values = {"version": VERSION, "updated_at": beijing_now()}
    if found is None:
        # IGNORE: another node that starts may have inserted it without having committed.
        insert = sa.insert(versions).prefix_with("IGNORE", dialect="mysql")
        connection.execute(insert.values(id=1, **values))
    elif found < VERSION:
        connection.execute(sa.update(versions).values(**values))


def _add_columns(connection: sa.Connection, table: sa.Table, names: Sequence[str]) -> None:
    """Add columns that an older kgnb's table lacks, nullable, so that old rows stay valid."""
    quote = connection.dialect.identifier_preparer.quote
    for name in names:
        kind = table.c[name].type.compile(connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {quote(table.name)} ADD COLUMN {quote(name)} {kind} NULL")


# --- main's wider tables ------------------------------------------------------------------------------------


def _fillers(table: sa.Table, columns: Sequence[_Column]) -> dict[str, Any]:
    """Return neutral values for a table's required columns without default. Raises ServiceRefused for missing
    columns.
    """
    if missing := _missing(table, columns):
        names = ", ".join(missing)
        raise ServiceRefused("ledger.columns", service="sql", table=table.name, columns=names)
    lists = {column.name for column in table.columns if isinstance(column.type, sa.JSON)}
    return {
        name: [] if name in lists else _neutral_value(type_)
        for name, type_, required in columns
        if required and name != "id"
    }


def _missing(table: sa.Table, columns: Sequence[_Column]) -> list[str]:
    """Return the columns that the table lacks, sorted."""
    return sorted(set(table.columns.keys()) - {column.name for column in columns})


def first_missing(connection: sa.Connection) -> tuple[str, list[str]] | None:
    """Return (table, missing columns) for the first table that is missing or lacks columns; None if the
    database is as prepared.
    """
    present = _columns(connection)
    gaps = ((table.name, _missing(table, present.get(table.name, ()))) for table in (*MAIN, *OWN))
    return next((gap for gap in gaps if gap[1]), None)


_ENUM = re.compile(r"enum\('((?:[^']|'')*)'", re.IGNORECASE)
_NEUTRAL: tuple[tuple[str, Any], ...] = (
    ("json", "{}"),
    ("char", ""),
    ("text", ""),
    ("clob", ""),
    ("datetime", beijing_now),
    ("timestamp", beijing_now),
    ("date", date.today),
    ("blob", b""),
    ("binary", b""),
)


def _neutral_value(type_: str) -> Any:
    """Return a value for a required column of this SQL type, close to a usual default; 0 for an
    unknown type.
    """
    if (first := _ENUM.match(type_)) is not None:
        return first[1].replace("''", "'")
    return next((value for word, value in _NEUTRAL if word in type_.lower()), 0)


def content_hash(connection: sa.Connection) -> sa.ColumnElement[str]:
    """Return the SQL expression of the sha256 (hex) of a chapter's present text: main may have changed it
    since the import.
    """
    if connection.dialect.name == "sqlite":
        return sa.func.kgnb_sha256(chapters.c.content)
    return sa.literal_column(
        "SHA2(CONVERT(COALESCE(chapters.content, '') USING utf8mb4), 256)", sa.String(64)
    )
