"""A data folder that others made, whatever its record holds: it is taken over and readable, or refused."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kgnb.core.errors import KgnbError
from kgnb.stores.ledger import tables
from kgnb.stores.ledger.extractions import Extractions
from kgnb.stores.ledger.foreign_record import BrokenRecord, copy_foreign_record
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.ledger.transfer import read_novel
from tests.support.fuzzing import WORDS, fuzz
from tests.support.ledgers import database_at, opened
from tests.support.records import record

COLUMNS = [(table.name, column.name) for table in (*tables.MAIN, *tables.OWN) for column in table.columns]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
STORED = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.binary(max_size=20),
    WORDS,
    st.sampled_from(["[]", "{}", '"x"', "[[]]", "2026-01-01", "2026-01-01 00:00:00", "running", "9" * 400]),
    st.builds(lambda value: json.dumps(value), JSON),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folders")


async def read(path: Path) -> None:
    """What a node and the commands read first."""
    database = database_at(f"sqlite:///{path}")
    try:
        await database.prepare()
        ledger = Ledger(database)
        tasks = await ledger.tasks.newest(20) + await ledger.tasks.unfinished()
        await ledger.task_stats.figures([task.id for task in tasks])
        await ledger.providers.seen()
        for novel in await ledger.extractions.novels():
            await ledger.books.novel(novel)
    finally:
        await database.close()


def taken_over(source: Path) -> None:
    target = source.with_name("target.db")
    target.unlink(missing_ok=True)
    with contextlib.suppress(BrokenRecord, KgnbError):
        copy_foreign_record(source, target, name="")
        asyncio.run(read(target))
        asyncio.run(take_up(target))


async def take_up(path: Path) -> None:
    """Import every book into another database, twice: the second time adds nothing."""
    path.with_name("other.db").unlink(missing_ok=True)
    source = database_at(f"sqlite:///{path}")
    try:
        async with opened(f"sqlite:///{path.with_name('other.db')}") as ledger:
            for novel_id in await Extractions(source).novels():
                saved = await read_novel(source, novel_id)
                taken = await ledger.transfer.take(saved)
                await ledger.transfer.finish(saved, taken)
                again = await ledger.transfer.take(saved)
                assert (again.novel_id, again.rows) == (taken.novel_id, 0)
    finally:
        await source.close()


@fuzz(40)
@given(st.dictionaries(st.sampled_from(COLUMNS), STORED, min_size=1, max_size=3))
@example({("kgnb_schema", "version"): None})
def test_any_value_in_a_record(folder: Path, values: dict[tuple[str, str], object]) -> None:
    source = folder / "source.db"
    source.write_bytes(record())
    with contextlib.closing(sqlite3.connect(source, isolation_level=None)) as db:
        db.execute("PRAGMA ignore_check_constraints=ON")
        for (table, column), value in values.items():
            with contextlib.suppress(sqlite3.IntegrityError):  # NOT NULL, UNIQUE
                db.execute(f"UPDATE {table} SET {column} = ?", (value,))
    taken_over(source)


@fuzz(40)
@given(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=8), st.integers(0, 2**20))
def test_any_damage_to_its_file(folder: Path, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(record())
    for at, byte in changes:
        data[at % len(data)] = byte
    source = folder / "source.db"
    source.write_bytes(data[: cut % len(data)] if cut % 4 == 0 else data)
    taken_over(source)
