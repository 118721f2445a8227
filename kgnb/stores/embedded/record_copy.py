"""A copy of the record in a folder that outlives this machine (KGNB_COPY_TO), such as a mounted Drive.

The engines' own files stay here: network folders have no locks, and the queue and the graph are made anew
from the record (see restore.py). The copy is a data folder with a record alone, replaced in one step.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.stores.embedded.data_folder import SCHEMA, file_lock, write_json

log = logging.getLogger(__name__)

COPY_SECONDS = 300.0
"""Between copies: what a machine that is taken away loses at most. The record of a novel has some 20 MB."""
LOCK = ".copying.lock"


class RecordCopy:
    """Copies the record every :data:`COPY_SECONDS` until it is closed, and then once more."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        if settings.copy_to and settings.embedded_sql:
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
        self._copy()

    def _copy(self) -> None:
        try:
            copy_record(self._settings.sqlite_path, Path(self._settings.copy_to))
        except (OSError, sqlite3.Error) as error:  # a full or unmounted Drive doesn't end the work
            log.warning(say("resume.not_copied", target=self._settings.copy_to, reason=error))


def copy_record(source: Path, target: Path) -> None:
    """Replace the record in the folder ``target`` unless it is as new as ``source``.

    Raises OSError and sqlite3.Error.
    """
    copy = target / "kgnb.db"
    with file_lock(source.with_name(LOCK)) as lock:  # not in ``target``: Drive has no locks
        if lock is None or not source.exists() or _is_current(source, copy):
            return
        target.mkdir(parents=True, exist_ok=True)
        draft, sent = source.with_name(f"{LOCK}.db"), copy.with_name("kgnb.db.part")
        draft.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(source)) as record, closing(sqlite3.connect(draft)) as made:
                record.backup(made)
            shutil.copyfile(draft, sent)  # SQLite's own writes would be many small ones over a network
        finally:
            draft.unlink(missing_ok=True)
        sent.replace(copy)
        write_json(target / "VERSION", {"schema": SCHEMA})


def _is_current(source: Path, copy: Path) -> bool:
    wal = source.with_name(f"{source.name}-wal")
    changed = max(path.stat().st_mtime for path in (source, wal) if path.exists())
    return copy.exists() and copy.stat().st_mtime >= changed
