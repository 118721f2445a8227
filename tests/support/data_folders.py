"""Data folders of earlier runs."""

from __future__ import annotations

import contextlib
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

from kgnb.stores.ledger.tables import MAIN, OWN
from tests.support.records import record


def data_folder(path: Path) -> Path:
    """A small folder that looks like a run's: a book in its record, files of the engines, a log."""
    for name in ("valkey/appendonlydir", "graph/databases", "logs"):
        (path / name).mkdir(parents=True)
    (path / "valkey/appendonlydir/one.aof").write_bytes(b"aof")
    (path / "graph/databases/a.bucket").write_bytes(b"graph")
    (path / "logs/worker.log").write_text("log", "utf-8")
    (path / "kgnb.db").write_bytes(record())
    return path


def rows(data: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What the record holds."""
    with contextlib.closing(sqlite3.connect(data / "kgnb.db")) as db:
        db.execute("UPDATE kgnb_schema SET copied = NULL, copied_before = NULL")  # never committed
        return {table.name: db.execute(f"SELECT * FROM {table.name}").fetchall() for table in (*MAIN, *OWN)}


def change(data: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(data / "kgnb.db", isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def zipped(target: Path, folder: Path, root: str) -> Path:
    with zipfile.ZipFile(target, "w") as packed:
        for path in folder.rglob("*"):
            if path.is_file():
                packed.write(path, f"{root}{path.relative_to(folder)}")
    return target
