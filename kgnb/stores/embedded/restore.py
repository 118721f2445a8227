"""Takes the record of another run: to go on with it, to open it, to import a book of it.

The source is only read: an input attached on Kaggle, a folder on a mounted Drive, a downloaded zip, a file.
Somebody else may have made it, so nothing of it is followed, run or used as it is: the rows of ``kgnb.db``
are taken one by one (see ledger/foreign_record.py). The queue is made anew from the record.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

from kgnb.book.archive import BROKEN_ARCHIVE, open_archive, open_member
from kgnb.core import host
from kgnb.core.errors import InputError
from kgnb.core.files import read_json, write_json
from kgnb.core.kaggle_inputs import find_input, holds_all_inputs, input_name
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.stores.embedded.data_folder import file_lock, open_folder, private_dir
from kgnb.stores.embedded.record_copy import RECORD, name_of
from kgnb.stores.ledger.foreign_record import BrokenRecord, copy_foreign_record

P = TypeVar("P", bound=PurePath)

log = logging.getLogger(__name__)

PARTS = (RECORD, f"{RECORD}-wal")
"""What is read of another run's data folder, in the order in which it is copied."""
SOURCE_NOTE = ".resumed.json"
"""Names the source of a restored record: that it is kept needs telling of another one only."""
SEARCH_DEPTH = 5
"""Levels below the given path that are searched for a data folder."""
SPARE_BYTES = 64 << 20
"""Disk space that must stay free after a copy."""
DRAFTS = ".resuming-"
"""Beginning of the names of folders in which a record is checked."""
_SQLITE = b"SQLite format 3\0"


def restore_data_folder(settings: Settings) -> Path | None:
    """Copy a record into the empty data folder; return the source, or None where nothing was copied.

    The source is ``settings.resume_from``, else the copy in ``settings.copy_to`` if there is one. A data
    folder with a record is kept, with a warning. Blocks for as long as the copy takes. Raises InputError
    where the source holds no record, several, or a record that kgnb didn't write.
    """
    data = settings.data
    try:
        name = settings.resume_from or _own_copy(settings)
    except OSError as error:  # a Drive that was disconnected
        raise InputError("resume.copy_failed", source=settings.copy_to, data=data, reason=error) from error
    if not name:
        return None
    if settings.sqlite_path != data / RECORD or not settings.embedded_sql:
        log.info(say("resume.own_record", source=_located(name)))
        return None
    if settings.sqlite_path.exists():
        if read_json(data / SOURCE_NOTE) != {"from": name}:
            log.warning(say("resume.kept", data=data, source=_located(name)))
        return None
    source = named_source(name)
    try:
        folder = open_folder(data)
        with file_lock(folder.lock_file()) as lock:
            if lock is None or folder.sqlite.exists():  # another process was quicker
                log.warning(say("resume.kept", data=data, source=source))
                return None
            for rest in folder.root.glob(f"{DRAFTS}*"):  # of a copy that was cut short
                shutil.rmtree(rest, ignore_errors=True)
            with checked_record(source, folder.root) as record:
                folder.sqlite.with_name(PARTS[1]).unlink(missing_ok=True)  # of a record that was removed
                record.replace(folder.sqlite)
            write_json(data / SOURCE_NOTE, {"from": name})
    except OSError as error:
        raise InputError("resume.copy_failed", source=source, data=data, reason=error) from error
    log.info(say("resume.brought", data=data, source=source))
    return source


def readable(settings: Settings) -> Settings:
    """Return settings whose record can be opened: unchanged if the data folder is writable.

    Else the settings of this user's temporary copy of the record, see :func:`copied`.
    """
    record = settings.sqlite_path
    if not settings.embedded_sql or settings.db_path or not record.is_file() or writable(record.parent):
        return settings
    return copied(settings, settings.data)


def copied(settings: Settings, source: Path) -> Settings:
    """Return settings of this user's temporary copy of a record; the copy is made when it is opened.

    The place depends on the record's path, size and time, so that an unchanged record is copied once.
    """
    seen = (source if source.is_file() else source / RECORD).stat()
    name = f"{source.resolve()}:{seen.st_size}:{seen.st_mtime_ns}"
    place = private_dir() / f"opened-{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}"
    return settings.model_copy(update={"data": place, "resume_from": str(source), "copy_to": ""})


def writable(folder: Path) -> bool:
    """Return whether files can be created in this folder."""
    return os.access(folder, os.W_OK | os.X_OK)


def _own_copy(settings: Settings) -> str:
    """Return the path of the copy that an earlier machine left; "" if there is none, or this machine has a
    record.
    """
    copy = settings.copy_folder if settings.embedded_sql else None
    there = copy is not None and (copy / RECORD).is_file()
    return str(copy) if there and not settings.sqlite_path.exists() else ""


@contextmanager
def checked_record(source: Path, place: Path) -> Iterator[Path]:
    """Yield the path of a file in the folder ``place`` with the rows of the record in ``source``: a folder, a
    zip or the file itself. The file is removed after the block, unless the block moved it.

    Raises InputError when there is no record or there are several, and when the record is open here, doesn't
    fit or isn't kgnb's; ServiceRefused for a newer kgnb's; OSError.
    """
    with tempfile.TemporaryDirectory(dir=place, prefix=DRAFTS) as name:
        draft = Path(name)
        if source.is_dir():
            _copy_parts(find_data_folder(source) / RECORD, draft)
        elif is_database(source):
            _copy_parts(source, draft)
        else:
            _unpack(source, draft)
        record, found = draft / "record.db", draft / RECORD
        try:
            copy_foreign_record(found, record, name=name_of(found))
        except BrokenRecord as error:
            raise InputError("resume.broken_record", source=source, reason=error) from error
        yield record


# --- sources


def named_source(name: str) -> Path:
    """Return the existing path that ``name`` means: a path, or on Kaggle an attached input OWNER/NAME.

    Raises InputError for a missing path, a device or pipe, and for the folder of all inputs: it would trust
    every stranger whose dataset the notebook uses.
    """
    given = _located(name)
    if not given.exists():
        raise InputError("resume.missing", source=name)
    if not (given.is_file() or given.is_dir()):  # a device has no end
        raise InputError("resume.none", source=given, found="")
    if holds_all_inputs(given):
        raise InputError("resume.unnamed", source=given, found=", ".join(inputs_with_data()) or "-")
    return given


def _located(name: str) -> Path:
    """Return ``name`` as a path if it exists, else the input attached under this name, else the path."""
    given = Path(name).expanduser()
    return given if given.exists() else find_input(name) or given


def inputs_with_data() -> list[str]:
    """Return the names (OWNER/NAME) of the inputs attached on Kaggle that hold a record, sorted."""
    return sorted({input_name(folder) for folder in _data_folders(host.KAGGLE_INPUT, SEARCH_DEPTH)})


def find_data_folder(given: Path) -> Path:
    """Return the one data folder at ``given`` or up to :data:`SEARCH_DEPTH` (5) folders below. Raises
    InputError when there is none, or several.
    """
    return _only(_data_folders(given, SEARCH_DEPTH), given)


def _only(folders: Iterable[P], given: Path) -> P:
    """Return the only one of the folders. Raises InputError for none or several."""
    found = sorted(folders)
    if len(found) != 1:
        key = "resume.several" if found else "resume.none"
        raise InputError(key, source=given, found=", ".join(map(str, found)))
    return found[0]


def _data_folders(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the folders with a record at ``folder`` or up to ``depth`` levels below; links are not
    followed.
    """
    if _is_plain_file(folder / RECORD):
        yield folder
    elif depth and folder.is_dir():
        for child in folder.iterdir():
            if child.is_dir() and not child.is_symlink():
                yield from _data_folders(child, depth - 1)


def _is_plain_file(path: Path) -> bool:
    """Return whether a path is a file, not a link to one: links could lead anywhere."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def is_database(file: Path) -> bool:
    """Return whether a file begins as an SQLite database."""
    with file.open("rb") as content:
        return content.read(len(_SQLITE)) == _SQLITE


def _copy_parts(record: Path, target: Path) -> None:
    """Copy a record that nobody has open, under the name that it has in a data folder."""
    found = {path: name for name in PARTS if _is_plain_file(path := record.with_name(_own(record, name)))}
    with _closed(record.parent):
        _check_space(2 * sum(path.stat().st_size for path in found), target)  # the file and its checked rows
        for path, name in found.items():
            shutil.copyfile(path, target / name, follow_symlinks=False)


def _own(record: Path, part: str) -> str:
    """Return the name of a ``part`` (such as ``kgnb.db-wal``) for a record of another name."""
    return record.name + part.removeprefix(RECORD)


@contextmanager
def _closed(source: Path) -> Iterator[None]:
    """Keep a data folder from being opened during the block. Raises InputError when it is open here."""
    lock = source / ".lock"
    with ExitStack() as stack:
        if _is_plain_file(lock) and os.access(lock, os.W_OK) and stack.enter_context(file_lock(lock)) is None:
            raise InputError("resume.open", source=source)
        yield


def _check_space(size: int, target: Path) -> None:
    free = shutil.disk_usage(target).free
    if size + SPARE_BYTES > free:
        raise InputError("resume.no_room", target=target, need=size >> 20, free=free >> 20)


def _unpack(archive: Path, target: Path) -> None:
    try:
        with open_archive(archive) as packed:
            folders = [path.parent for path in map(PurePosixPath, packed.namelist()) if path.name == RECORD]
            names = {str(_only(set(folders), archive) / part) for part in PARTS}
            wanted = [info for info in packed.infolist() if info.filename in names]
            _check_space(2 * sum(info.file_size for info in wanted), target)
            for info in wanted:
                with (
                    open_member(packed, info) as source,
                    (target / Path(info.filename).name).open("wb") as out,
                ):
                    shutil.copyfileobj(source, out)
    except BROKEN_ARCHIVE as error:
        raise InputError("resume.bad_zip", source=archive, reason=error) from error
