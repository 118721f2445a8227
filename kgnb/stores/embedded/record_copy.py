"""A copy of the record in a folder that outlives this machine (KGNB_COPY_TO), such as a mounted Drive.

The engines' own files stay here: network folders have no locks, and the queue and the graph are made anew
from the record (see restore.py). The copy is a data folder with a record alone, replaced in one step.
"""

from __future__ import annotations

import itertools
import logging
import shutil
import sqlite3
import threading
import time
import uuid
from contextlib import closing
from pathlib import Path

from kgnb.core.errors import EngineError
from kgnb.core.files import read_json, write_json
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.stores.embedded.data_folder import SCHEMA, copy_id, file_lock

log = logging.getLogger(__name__)

COPY_SECONDS = 300.0
"""Between copies: what a machine that is taken away loses at most. The record of a novel has some 20 MB."""
BUSY_SECONDS = 0.2
"""Between looks whether another process's copy is done."""
LOCK = ".copying.lock"
NOTE = ".copied.json"
"""Beside the record: ``copies``, the ids (see copy_id) of the copies that it goes on from; ``changed``, when
what was copied last was written."""


class RecordCopy:
    """Copies the record every :data:`COPY_SECONDS` until it is closed, and then once more."""

    def __init__(self, settings: Settings) -> None:
        self._source, self._target = settings.sqlite_path, settings.copy_folder
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        if self._target and settings.embedded_sql:
            self._thread = threading.Thread(target=self._keep, name="kgnb-record-copy", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Make the last copy. Blocks."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _keep(self) -> None:
        while not self._over.wait(COPY_SECONDS):
            self._copy()
        while not self._copy():  # what another process copies may be older
            time.sleep(BUSY_SECONDS)

    def _copy(self) -> bool:
        """Whether it was tried, as no other process was at it."""
        assert self._target is not None
        try:
            return copy_record(self._source, self._target)
        except (OSError, sqlite3.Error, EngineError) as error:
            # A full or unmounted Drive doesn't end the work.
            log.warning(say("resume.not_copied", target=self._target, reason=error))
            return True


def copy_record(source: Path, target: Path) -> bool:
    """Copy the record to the folder ``target`` if it has changed; False if another process is at it.

    What ``target`` has is replaced only if this record goes on from it; else the copy is made beside it.
    Raises OSError, sqlite3.Error, and EngineError without locks.
    """
    with file_lock(source.with_name(LOCK)) as lock:  # not in ``target``: Drive has no locks
        if lock is None:
            return False
        if source.exists():
            _copy_changes(source, target)
        return True


def _copy_changes(source: Path, target: Path) -> None:
    note, changed = source.with_name(NOTE), _changed_at(source)
    noted = read_json(note)
    place = copy_place(source, target)
    there = (place / "kgnb.db").exists()
    if there and noted.get("changed") == changed:
        return
    if not there and place != target:
        log.warning(say("resume.copied_beside", target=target, place=place))
    made = uuid.uuid4().hex
    write_json(note, {"copies": [copy_id(place), made]})  # whichever of them is there if this is cut short
    place.mkdir(parents=True, exist_ok=True)
    _replace(source, place / "kgnb.db")
    write_json(place / "VERSION", {"schema": SCHEMA, "copy": made})
    write_json(note, {"copies": [made], "changed": changed})


def copy_place(source: Path, target: Path) -> Path:
    """Return ``target``, or the first of target-2, target-3, … that is free or has what this record goes on
    from."""
    known = read_json(source.with_name(NOTE)).get("copies", ())

    def is_own(place: Path) -> bool:
        copy = place / "kgnb.db"
        return not copy.exists() or (copy_id(place) in known and not copy.samefile(source))

    beside = (target.parent / f"{target.name}-{number}" for number in itertools.count(2))
    return next(filter(is_own, itertools.chain([target], beside)))


def _replace(source: Path, copy: Path) -> None:
    draft, sent = source.with_name(f"{LOCK}.db"), copy.with_name("kgnb.db.part")
    draft.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(source)) as record, closing(sqlite3.connect(draft)) as made:
            record.backup(made)
        shutil.copyfile(draft, sent)  # SQLite's own writes would be many small ones over a network
        sent.replace(copy)
    finally:
        draft.unlink(missing_ok=True)
        sent.unlink(missing_ok=True)  # cut short by a full disk, it would keep it full


def _changed_at(source: Path) -> int:
    wal = source.with_name(f"{source.name}-wal")
    return max(path.stat().st_mtime_ns for path in (source, wal) if path.exists())
