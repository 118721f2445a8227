"""Copies of the record, the one file that takes a book along: safe while other processes write it.

Each copy has a name of its own, which it and the record bear (``kgnb_schema.copied``), so that a copy is only
replaced by a record that goes on from it.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import secrets
import shutil
import sqlite3
import threading
import uuid
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from kgnb.core.files import replacing, try_lock
from kgnb.core.messages import say
from kgnb.core.settings import Settings

log = logging.getLogger(__name__)

RECORD = "kgnb.db"
"""The record in a data folder, and in a folder of its copies."""
COPY_SECONDS = 300.0
"""Between copies: what a machine that is taken away loses at most. The record of a novel has some 20 MB."""
NAME_CHARS = 32
LOCK = ".copying.lock"
"""Beside the record: held by the process that copies; it holds when what was copied last was written."""


class RecordCopy:
    """Copies the record to KGNB_COPY_TO every :data:`COPY_SECONDS` until it is closed, and then once more."""

    def __init__(self, settings: Settings) -> None:
        self._source, self._folder = settings.sqlite_path, settings.copy_folder
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        if self._folder and settings.embedded_sql:
            self._thread = threading.Thread(target=self._keep, name="kgnb-record-copy", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Make the last copy. Blocks."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _keep(self) -> None:
        assert self._folder is not None
        last = False
        while not last:
            last = self._over.wait(COPY_SECONDS)
            try:
                update_copy(self._source, self._folder)
            except (OSError, sqlite3.Error) as error:
                # A full or unmounted Drive doesn't end the work.
                log.warning(say("resume.not_copied", target=self._folder, reason=error))


def copy_record(source: Path, target: Path) -> None:
    """Write what the record holds now to the file ``target``, replaced in one step. Blocking.

    Raises OSError and sqlite3.Error.
    """
    draft = source.with_name(f".{source.name}-{secrets.token_hex(6)}.copy")
    try:
        with closing(sqlite3.connect(source)) as record, closing(sqlite3.connect(draft)) as made:
            record.backup(made)
            made.execute("PRAGMA journal_mode=DELETE").close()  # readable where nothing can be written
        target.parent.mkdir(parents=True, exist_ok=True)
        # SQLite's own writes would be many small ones over a network.
        with draft.open("rb") as whole, replacing(target) as out:
            shutil.copyfileobj(whole, out)
    finally:
        draft.unlink(missing_ok=True)


def update_copy(source: Path, folder: Path) -> None:
    """Copy the record into ``folder`` if it has changed since the last time.

    What ``folder`` has is replaced only if this record goes on from it; else the copy is made beside it.
    Waits for another process that copies. Raises OSError and sqlite3.Error.
    """
    if not source.exists():
        return
    lock = try_lock(source.with_name(LOCK), wait=True)  # not in ``folder``: Drive has no locks
    assert lock is not None
    try:
        place = copy_place(source, folder)
        there = (place / RECORD).exists()
        if there and os.pread(lock, 32, 0) == _changed_at(source):
            return
        if not there and place != folder:
            log.warning(say("resume.copied_beside", target=folder, place=place))
        _name_copy(source, name_of(place / RECORD) if there else None)
        changed = _changed_at(source)
        copy_record(source, place / RECORD)
        os.pwrite(lock, changed, 0)
    finally:
        os.close(lock)


def copy_place(source: Path, folder: Path) -> Path:
    """Return ``folder``, or the first of folder-2, folder-3, … that is free or that this record goes on from.

    Raises OSError and sqlite3.Error.
    """
    known = _names(source)

    def is_own(place: Path) -> bool:
        copy = place / RECORD
        return not copy.exists() or (name_of(copy) in known and not copy.samefile(source))

    beside = (folder.parent / f"{folder.name}-{number}" for number in itertools.count(2))
    return next(filter(is_own, itertools.chain([folder], beside)))


def name_of(copy: Path) -> str:
    """Return the name stored in a copy of the record; for an older kgnb's copy without one, the file's
    digest.
    """
    if (name := _names(copy, "mode=ro&immutable=1")[0]) is not None:
        return name
    with copy.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:NAME_CHARS]


def _names(record: Path, how: str = "mode=rw") -> tuple[str | None, str | None]:
    """Return the names of the last copy and of the copy before (which is still there if the last was
    interrupted); (None, None) without any.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(record))}?{how}", uri=True)) as c:
            found = c.execute("SELECT copied, copied_before FROM kgnb_schema").fetchone()
    except (sqlite3.Error, UnicodeError):  # no record, a damaged one, or an older kgnb's
        found = None
    return found or (None, None)


def _name_copy(source: Path, replaced: str | None) -> None:
    """Name the copy that is about to be made."""
    with closing(sqlite3.connect(source)) as c, c:
        c.execute("UPDATE kgnb_schema SET copied_before = ?, copied = ?", [replaced, uuid.uuid4().hex])


def _changed_at(source: Path) -> bytes:
    """Return the time of the record's last change in nanoseconds, as 32 digits."""
    wal = source.with_name(f"{source.name}-wal")
    return b"%032d" % max(path.stat().st_mtime_ns for path in (source, wal) if path.exists())
