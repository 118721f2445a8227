"""Restores the data folder of a run on another machine: copied here once, before it is opened.

The source is only read: an input attached on Kaggle, a folder on a mounted Drive, a downloaded zip. It is
copied into a draft inside the data folder and moved into place part by part, VERSION last, so that a copy
that was cut short is made again and never mistaken for a whole one.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

from kgnb.core import host
from kgnb.core.errors import InputError
from kgnb.core.kaggle_inputs import find_input, holds_all_inputs, input_name
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.stores.embedded.data_folder import DataFolder, check_schema, file_lock, open_folder, write_json

P = TypeVar("P", bound=PurePath)

log = logging.getLogger(__name__)

PARTS = ("valkey", "graph", "logs", "kgnb.db-wal", "kgnb.db", "VERSION")
"""What is copied, in this order: VERSION says that the rest is there."""
DRAFT = ".resuming"
"""Folder of a copy under way."""
SOURCE_NOTE = ".resumed.json"
"""File that names the source of a restored data folder."""
SEARCH_DEPTH = 5
"""Levels below the given path that are searched for a data folder."""
SPARE_BYTES = 64 << 20
"""Disk space that must stay free after a copy."""

_CLOSED_POLL = 0.2  # seconds


def restore_data_folder(settings: Settings) -> Path | None:
    """Fill the empty data folder from ``settings.resume_from``; return the source that was used.

    A data folder that holds something already is kept, with a warning. Blocks for as long as the copy takes.
    Raises InputError when the source holds no data folder, more than one, or one of a newer kgnb.
    """
    if not settings.resume_from:
        return None
    given, data = _located(settings.resume_from), settings.data
    if _is_used(data):
        if not _is_same(given, data) and not _came_from(given, data):
            log.warning(say("resume.kept", data=data, source=given))
        return None
    given = named_source(settings.resume_from)
    try:
        return _restore(given, data)
    except OSError as error:
        raise InputError("resume.copy_failed", source=given, data=data, reason=error) from error


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
        copy_data(find_data_folder(given), draft)
    _check_data_folder(draft, given)
    for part in (draft / name for name in PARTS):
        target = folder.root / part.name
        if part.exists():
            if target.is_dir():
                shutil.rmtree(target)
            part.replace(target)


def _is_used(data: Path) -> bool:
    """Whether the folder holds a run already; one with a draft was cut short."""
    return not (data / DRAFT).exists() and any((data / name).exists() for name in ("VERSION", "kgnb.db"))


def _is_same(given: Path, data: Path) -> bool:
    return given.exists() and data.exists() and given.resolve() in (data.resolve(), data.resolve().parent)


def _came_from(given: Path, data: Path) -> bool:
    try:
        return bool(json.loads((data / SOURCE_NOTE).read_text("utf-8")) == {"from": str(given)})
    except (OSError, ValueError):
        return False


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
    parts = (folder / "kgnb.db", folder / "valkey", folder / "graph")
    return (folder / "VERSION").is_file() and any(part.exists() for part in parts)


def _check_data_folder(folder: Path, shown: Path) -> None:
    """Raise InputError naming ``shown`` when the folder isn't a data folder, or a newer kgnb made it."""
    if not _is_data_folder(folder):
        raise InputError("resume.none", source=shown, found="")
    check_schema(folder / "VERSION", shown)


def copy_data(source: Path, target: Path) -> None:
    """Copy the data, and nothing else, of a data folder that nobody has open.

    Raises InputError when it is open here or doesn't fit, OSError.
    """
    _check_data_folder(source, source)
    lock = source / ".lock"
    with ExitStack() as stack:
        if lock.exists() and os.access(lock, os.W_OK) and stack.enter_context(file_lock(lock)) is None:
            raise InputError("resume.open", source=source)
        _check_space(_data_size(source), target)
        for part in (source / name for name in PARTS):
            if part.is_dir():
                # copyfile leaves permissions behind: an attached input is read-only.
                copied = target / part.name
                shutil.copytree(
                    part, copied, copy_function=shutil.copyfile, ignore=_special_files, dirs_exist_ok=True
                )
                for folder in (copied, *copied.rglob("*/")):
                    folder.chmod(0o755)
            elif part.is_file():
                shutil.copyfile(part, target / part.name)


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


def _special_files(folder: str, names: list[str]) -> list[str]:
    """Return the names of all but plain files and folders: links could point anywhere."""
    found = [Path(folder, name) for name in names]
    return [path.name for path in found if path.is_symlink() or not (path.is_file() or path.is_dir())]


def _data_size(folder: Path) -> int:
    paths = (path for name in PARTS for path in (folder / name, *(folder / name).rglob("*")))
    return sum(path.stat().st_size for path in paths if path.is_file() and not path.is_symlink())


def _check_space(size: int, target: Path) -> None:
    free = shutil.disk_usage(target).free
    if size + SPARE_BYTES > free:
        raise InputError("resume.no_room", target=target, need=size >> 20, free=free >> 20)


def _unpack(archive: Path, target: Path) -> None:
    """Extract the data folder of a zip; each name is checked, as the archive is untrusted."""
    try:
        with zipfile.ZipFile(archive) as packed:
            root = _archive_root(archive, packed)
            wanted = [i for i in packed.infolist() if not i.is_dir() and _is_data(i.filename, root)]
            _check_space(sum(info.file_size for info in wanted), target)
            for info in wanted:
                path = target / PurePosixPath(info.filename).relative_to(root)
                path.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(info) as source, path.open("wb") as out:
                    shutil.copyfileobj(source, out)
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError("resume.bad_zip", source=archive, reason=error) from error
    for name in ("valkey", "graph", "logs"):
        (target / name).mkdir(exist_ok=True)


def _archive_root(archive: Path, packed: zipfile.ZipFile) -> PurePosixPath:
    names = set(packed.namelist())
    folders = {PurePosixPath(name).parent for name in names if PurePosixPath(name).name == "VERSION"}
    return _only((folder for folder in folders if str(folder / "kgnb.db") in names), archive)


def _is_data(name: str, root: PurePosixPath) -> bool:
    """Whether a file of the archive is part of the data folder at ``root``."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.is_relative_to(root):
        return False
    return path.relative_to(root).parts[0] in PARTS
