"""Goes on from the data folder of another run: its record is taken over once, before the folder is opened.

The source is only read: an input attached on Kaggle, a folder on a mounted Drive, a downloaded zip. Somebody
else may have made it, so nothing of it is followed, run or used as it is: the rows of ``kgnb.db`` are copied
(see ledger/foreign_record.py), and nothing of the engines, whose files may hold commands. The queue is made
anew from the record by the reconciler, the graph by a settle (see DataFolder.unsettled).

The record is made in a draft inside the data folder and moved into place, VERSION last, so that a copy that
was cut short is made again and never mistaken for a whole one.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

from kgnb.core import host
from kgnb.core.archive import BROKEN_ARCHIVE, open_archive, open_member
from kgnb.core.errors import InputError
from kgnb.core.files import read_json, write_json
from kgnb.core.kaggle_inputs import find_input, holds_all_inputs, input_name
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.stores.embedded.data_folder import (
    DataFolder,
    check_schema,
    copy_id,
    file_lock,
    open_folder,
    write_version,
)
from kgnb.stores.embedded.record_copy import NOTE as COPY_NOTE
from kgnb.stores.ledger.foreign_record import BrokenRecord, copy_foreign_record

P = TypeVar("P", bound=PurePath)

log = logging.getLogger(__name__)

RECORD = ("kgnb.db", "kgnb.db-wal", "VERSION")
"""What is read of another run's data folder, in the order in which it is copied."""
DRAFT = ".resuming"
"""Folder of a copy under way."""
SOURCE_NOTE = ".resumed.json"
"""File that names the source of a restored data folder."""
SEARCH_DEPTH = 5
"""Levels below the given path that are searched for a data folder."""
SPARE_BYTES = 64 << 20
"""Disk space that must stay free after a copy."""
MAX_RATIO = 200
"""Most bytes that a byte of an archive may become: SQLite's files of texts shrink to a third, none so far."""

_CLOSED_POLL = 0.2  # seconds


def restore_data_folder(settings: Settings) -> Path | None:
    """Fill the empty data folder from ``settings.resume_from``; return the source that was used.

    A data folder that holds something already is kept, with a warning. Without ``resume_from`` the copy in
    ``settings.copy_to`` is the source, once there is one. Blocks for as long as the copy takes.
    Raises InputError when the source holds no data folder, more than one, or one of a newer kgnb.
    """
    data = settings.data
    try:
        name = settings.resume_from or _own_copy(settings)
    except OSError as error:  # a Drive that was disconnected
        raise InputError("resume.copy_failed", source=settings.copy_to, data=data, reason=error) from error
    if not name:
        return None
    given = _located(name)
    if settings.sqlite_path != data / "kgnb.db" or not settings.embedded_sql:
        log.info(say("resume.own_record", source=given))
        return None
    if _is_used(data):
        if not _is_same(given, data) and read_json(data / SOURCE_NOTE) != {"from": str(given)}:
            log.warning(say("resume.kept", data=data, source=given))
        return None
    given = named_source(name)
    try:
        return _restore(given, data)
    except OSError as error:
        raise InputError("resume.copy_failed", source=given, data=data, reason=error) from error


def _own_copy(settings: Settings) -> str:
    """The copy of the record that an earlier machine left, while this one has nothing of its own."""
    copy = settings.copy_folder if settings.embedded_sql else None
    there = copy is not None and (copy / "VERSION").is_file()
    return str(copy) if there and not _is_used(settings.data) else ""


def _restore(given: Path, data: Path) -> Path | None:
    folder = open_folder(data)
    with file_lock(folder.lock_file()) as lock:
        if lock is None or _is_used(data):  # another process was quicker
            log.warning(say("resume.kept", data=data, source=given))
            return None
        try:
            _fill(given, folder)
        finally:
            shutil.rmtree(folder.root / DRAFT, ignore_errors=True)
    write_json(data / SOURCE_NOTE, {"from": str(given)})
    log.info(say("resume.brought", data=data, source=given))
    return given


def _fill(given: Path, folder: DataFolder) -> None:
    draft = folder.root / DRAFT
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    if given.is_file():
        _unpack(given, draft)
    else:
        copy_record_files(find_data_folder(given), draft)
    check_schema(draft / "VERSION", given)
    try:
        copy_foreign_record(draft / folder.sqlite.name, record := draft / "record.db")
    except BrokenRecord as error:
        raise InputError("resume.broken_record", source=given, reason=error) from error
    for rest in ("-wal", "-shm"):  # of a copy that was cut short
        folder.sqlite.with_name(folder.sqlite.name + rest).unlink(missing_ok=True)
    goes_on_from = {"copies": [copy_id(draft)], "changed": record.stat().st_mtime_ns}
    write_json(folder.sqlite.with_name(COPY_NOTE), goes_on_from)
    record.replace(folder.sqlite)
    write_version(folder)


def _is_used(data: Path) -> bool:
    """Whether the folder holds a run already; one with a draft was cut short."""
    return not (data / DRAFT).exists() and any((data / name).exists() for name in ("VERSION", "kgnb.db"))


def _is_same(given: Path, data: Path) -> bool:
    return given.exists() and data.exists() and given.resolve() in (data.resolve(), data.resolve().parent)


# --- sources


def named_source(name: str) -> Path:
    """Return the folder or zip that ``name`` means: a path, or on Kaggle an attached input OWNER/NAME.

    Raises InputError when there is none, and for a folder of everything that is attached: it would trust
    every stranger whose dataset the notebook uses.
    """
    given = _located(name)
    if not given.exists():
        raise InputError("resume.missing", source=name)
    if holds_all_inputs(given):
        raise InputError("resume.unnamed", source=given, found=", ".join(inputs_with_data()) or "-")
    return given


def _located(name: str) -> Path:
    given = Path(name).expanduser()
    return given if given.exists() else find_input(name) or given


def inputs_with_data() -> list[str]:
    """Return the names of the inputs attached on Kaggle that hold a data folder."""
    return sorted({input_name(folder) for folder in _data_folders(host.KAGGLE_INPUT, SEARCH_DEPTH)})


def find_data_folder(given: Path) -> Path:
    """Return the one data folder at or below ``given``. Raises InputError when there is none, or several."""
    return _only(_data_folders(given, SEARCH_DEPTH), given)


def _only(folders: Iterable[P], given: Path) -> P:
    found = sorted(folders)
    if len(found) != 1:
        key = "resume.several" if found else "resume.none"
        raise InputError(key, source=given, found=", ".join(map(str, found)))
    return found[0]


def _data_folders(folder: Path, depth: int) -> Iterator[Path]:
    if _is_data_folder(folder):
        yield folder
    elif depth and folder.is_dir():
        for child in folder.iterdir():
            if child.is_dir() and not child.is_symlink():
                yield from _data_folders(child, depth - 1)


def _is_data_folder(folder: Path) -> bool:
    return all(_is_plain_file(folder / name) for name in ("VERSION", "kgnb.db"))


def _is_plain_file(path: Path) -> bool:
    """Whether it is a file, not a link to one: links could lead anywhere."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def copy_record_files(source: Path, target: Path) -> None:
    """Copy the record's files of a data folder that nobody has open; the rest is made anew from them.

    Raises InputError when it is none, is open here or doesn't fit, OSError.
    """
    if not _is_data_folder(source):
        raise InputError("resume.none", source=source, found="")
    found = [path for name in RECORD if _is_plain_file(path := source / name)]
    with _closed(source):
        _check_space(2 * sum(path.stat().st_size for path in found), target)  # the record and its copy
        for path in found:
            shutil.copyfile(path, target / path.name, follow_symlinks=False)


@contextmanager
def _closed(source: Path) -> Iterator[None]:
    """Keep a data folder from being opened. Raises InputError when it is open here."""
    lock = source / ".lock"
    with ExitStack() as stack:
        if _is_plain_file(lock) and os.access(lock, os.W_OK) and stack.enter_context(file_lock(lock)) is None:
            raise InputError("resume.open", source=source)
        yield


def wait_until_closed(data: Path, seconds: float) -> bool:
    """Wait, blocking, until nobody has the data folder open; False if that takes over ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        with file_lock(DataFolder(data.resolve()).lock_file()) as lock:
            if lock is not None:
                return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_CLOSED_POLL)


def _check_space(size: int, target: Path) -> None:
    free = shutil.disk_usage(target).free
    if size + SPARE_BYTES > free:
        raise InputError("resume.no_room", target=target, need=size >> 20, free=free >> 20)


def _unpack(archive: Path, target: Path) -> None:
    try:
        with open_archive(archive) as packed:
            root = _archive_root(archive, packed)
            names = {str(root / name) for name in RECORD}
            wanted = [info for info in packed.infolist() if info.filename in names]
            size = sum(info.file_size for info in wanted)
            if size > SPARE_BYTES + MAX_RATIO * archive.stat().st_size:
                raise InputError("resume.bad_zip", source=archive, reason=f"{size >> 20} MB")
            _check_space(2 * size, target)
            for info in wanted:
                with (
                    open_member(packed, info) as source,
                    (target / Path(info.filename).name).open("wb") as out,
                ):
                    shutil.copyfileobj(source, out)
    except BROKEN_ARCHIVE as error:
        raise InputError("resume.bad_zip", source=archive, reason=error) from error


def _archive_root(archive: Path, packed: zipfile.ZipFile) -> PurePosixPath:
    names = set(packed.namelist())
    folders = {PurePosixPath(name).parent for name in names if PurePosixPath(name).name == "VERSION"}
    return _only((folder for folder in folders if str(folder / "kgnb.db") in names), archive)
