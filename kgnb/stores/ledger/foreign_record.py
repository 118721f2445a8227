"""Takes over the record of a SQLite file that others made: row by row, into tables that kgnb makes itself.

The file is hostile input. Only values of kgnb's own columns leave it, each of its column's type: no view,
trigger, virtual table or generated column is ever evaluated, and nothing else of the schema is read. A file
that SQLite or kgnb's own readers don't understand is refused whole.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import sqlalchemy as sa
from pydantic import AfterValidator, TypeAdapter

from kgnb.core.errors import ServiceRefused
from kgnb.extract.model import Extraction, NameEntry
from kgnb.graph.resolve.decisions import Decision, check_form
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.migrations import VERSION
from kgnb.stores.ledger.names import read_decision, read_entry, read_frozen_names

MAX_ROW_BYTES = 16 << 20
"""More than any row of kgnb's: its longest texts are chapters, replies and the names of a whole book."""
BATCH_ROWS, BATCH_CHARS = 200, 1 << 20
"""What lies in memory at once, beside one row."""
_REPLACED = {"api_key": "", "token": 0}
"""Embedded SQL holds no keys; tokens are the other run's, whose queue stays behind."""
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}

Row = dict[str, Any]


class BrokenRecord(ValueError):
    """The file isn't a record of kgnb's; the text says where."""


def copy_foreign_record(source: Path, target: Path, *, name: str) -> None:
    """Write the record in ``source``, whose write-ahead log may lie beside it, to the new file ``target``.

    ``name``: of the copy if it bears none. Blocking. Raises BrokenRecord, and ServiceRefused for the record
    of a newer kgnb.
    """
    engine = sa.create_engine(f"sqlite:///{target}", poolclass=sa.NullPool, **t.JSON_OPTIONS)
    try:
        with closing(_open(source)) as found, engine.begin() as c:
            # Ordinary tables: views and virtual tables have no root page.
            names = found.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0")
            present = {row["name"] for row in names}
            for table in (*t.MAIN, *t.OWN):
                table.create(c)
                if table.name in present and table is not t.graphs:  # which are made again of the rows
                    _copy_table(found, c, table)
            c.execute(sa.update(t.versions).values(copied=sa.func.coalesce(t.versions.c.copied, name)))
    except sa.exc.DBAPIError as error:
        raise BrokenRecord(str(error.orig)) from error
    except (sqlite3.Error, UnicodeError) as error:
        raise BrokenRecord(str(error)) from error
    finally:
        engine.dispose()


def _open(source: Path) -> sqlite3.Connection:
    """Return a read-only connection to a record that may be hostile: bounded rows, no trusted schema."""
    connection = sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_ROW_BYTES)
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "query_only=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.row_factory = sqlite3.Row
    return connection


def _copy_table(found: sqlite3.Connection, c: sa.Connection, table: sa.Table) -> None:
    batch: list[Row] = []
    chars = 0
    for stored in _rows(found, table):
        batch.append(_checked(table, stored))
        chars += sum(len(value) for value in stored.values() if isinstance(value, str))
        if len(batch) >= BATCH_ROWS or chars >= BATCH_CHARS:
            c.execute(sa.insert(table), batch)
            batch, chars = [], 0
    if batch:
        c.execute(sa.insert(table), batch)


def _rows(found: sqlite3.Connection, table: sa.Table) -> Iterator[Row]:
    """Yield the rows as stored, with None for columns that an older kgnb's table lacks. Raises BrokenRecord
    for generated columns.
    """
    columns = {row["name"]: row["hidden"] for row in found.execute(f"PRAGMA table_xinfo({table.name})")}
    present = [column.name for column in table.columns if column.name in columns]
    if any(columns[name] for name in present):
        raise BrokenRecord(f"{table.name}: a generated column")
    if not present:
        return
    empty: Row = {column.name: None for column in table.columns}
    found.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY)
    try:
        # NOT INDEXED: an index is a second copy that need not agree with the table.
        for row in found.execute(f"SELECT {', '.join(present)} FROM {table.name} NOT INDEXED"):  # noqa: S608 (names of our own)
            yield empty | dict(row)
    finally:
        found.set_authorizer(None)


# --- checks


def _checked(table: sa.Table, stored: Row) -> Row:
    """Return the row with each value in its column's type. Raises BrokenRecord that names table and
    column.
    """
    row = {column.name: _value(column, stored[column.name]) for column in table.columns}
    row |= {name: value for name, value in _REPLACED.items() if name in row}
    try:
        if (check := _CHECKS.get(table.name)) is not None:
            check(row)
    except (ValueError, TypeError, RecursionError) as error:
        raise BrokenRecord(f"{table.name}: {type(error).__name__}") from error
    return row


def _value(column: sa.Column[Any], value: Any) -> Any:
    """Return a column's value in its Python type; None for null. Raises BrokenRecord for a value of another
    type.
    """
    try:
        return None if value is None else _typed(column.type, value)
    except (ValueError, TypeError, RecursionError) as error:
        raise BrokenRecord(f"{column.table.name}.{column.name}: {type(error).__name__}") from error


def _typed(kind: Any, value: Any) -> Any:
    """Return a value in the Python type of its column. Raises ValueError for any other."""
    if isinstance(kind, sa.JSON):
        return t.read_json(_text(value, None))
    if isinstance(kind, sa.DateTime | sa.Date):
        return kind.python_type.fromisoformat(_text(value, 40))
    if isinstance(kind, sa.Integer):
        limit = 2**63 if isinstance(kind, sa.BigInteger) else 2**31
        if not isinstance(value, int) or not -limit <= value < limit:
            raise ValueError("not an integer of the column's size")
        return value
    return _text(value, getattr(kind, "length", None))


def _text(value: Any, length: int | None) -> str:
    """Return a text of at most ``length`` characters (None: any). Raises ValueError for anything else."""
    if not isinstance(value, str) or (length is not None and len(value) > length):
        raise ValueError("not a text of the column's length")
    return value


def _validate(kind: TypeAdapter[Any], value: Any) -> None:
    """Check by way of JSON, whose reader refuses lone surrogates, which no database holds."""
    kind.validate_json(json.dumps(value, default=str))


def _check_facts(row: Row) -> None:
    if row["names"] is not None:
        _validate(_NAMES, [asdict(entry) for entry in read_frozen_names(row["names"])])
    if row["kinds"] is not None:
        _TEXTS.validate_json(row["kinds"])


def _check_decision_row(row: Row) -> None:
    _validate(_DECISION, asdict(read_decision(row)))
    _TEXTS.validate_json(row["gone"] or "[]")


def _check_version(row: Row) -> None:
    if row["version"] > VERSION:
        raise ServiceRefused("ledger.newer", service="sql", found=row["version"], known=VERSION)


def _check_name(entry: NameEntry) -> NameEntry:
    """Return the name entry. Raises ValueError for numbers out of range."""
    _check_integers(getattr(entry, field.name) for field in fields(entry))
    _check_integers(entry.since.values())
    return entry


def _check_decision(decision: Decision) -> Decision:
    """Return the decision. Raises ValueError for one that kgnb can't have stored."""
    times = (decision.made_at, decision.undone_at)
    if len(decision.names) > 200 or any(time is not None and time.tzinfo for time in times):
        raise ValueError("not a decision that kgnb stored")
    check_form(decision)
    _check_integers(decision.chapters or ())
    return decision


def _check_integers(values: Iterable[object]) -> None:
    if any(isinstance(number, int) and abs(number) >= 2**31 for number in values):
        raise ValueError("a number too large")


_TEXTS = TypeAdapter(list[str])
_NAMES = TypeAdapter(list[Annotated[NameEntry, AfterValidator(_check_name)]])
_DECISION = TypeAdapter(Annotated[Decision, AfterValidator(_check_decision)])
_CHECKS: dict[str, Callable[[Row], object]] = {
    t.extractions.name: lambda row: Extraction.model_validate_json(row["extraction"]),
    t.names.name: lambda row: _validate(_NAMES, [asdict(read_entry(row))]),
    t.name_decisions.name: _check_decision_row,
    t.task_facts.name: _check_facts,
    t.versions.name: _check_version,
}
"""Tables with texts that have a form, and what reads and checks it."""
