"""Restores the data folder of a run on another machine: copied here once, before it is opened.

The source is only read: an input attached on Kaggle, a folder on a mounted Drive, a downloaded zip. It is
copied beside the data folder's own parts first and moved into place part by part, VERSION last, so that a
copy that was cut short is made again and never mistaken for a whole one.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.stores.embedded.data_folder import SCHEMA, DataFolder, open_folder, schema_of, try_lock, write_json

log = logging.getLogger(__name__)

PARTS = ("valkey", "graph", "logs", "kgnb.db-wal", "kgnb.db", "VERSION")
"""What is taken, in this order: VERSION says that the rest is there."""
DRAFT = ".resuming"
"""A copy under way."""
NOTE = ".resumed.json"
"""Where a data folder was filled from."""
DEPTH = 5
"""Levels below the given path at which a data folder is looked for: Kaggle mounts a run's output as
/kaggle/input/NAME, or deeper."""
CLOSED_LOOK_SECONDS = 0.2
SPARE_BYTES = 64 << 20
"""Disk that must stay free after a copy."""


def bring(settings: Settings) -> Path | None:
    """Fills the empty data folder from ``settings.resume_from``; returns the source that was used.

    A data folder that holds something already is kept, and that is said. Blocks for as long as the copy
    takes. Raises InputError when the source holds no data folder, more than one, or one of a newer kgnb.
    """
    if not settings.resume_from:
        return None
    given, data = Path(settings.resume_from).expanduser(), settings.data
    if _is_used(data):
        if not _same(given, data) and not _came_from(given, data):
            log.warning(say("resume.kept", data=data, source=given))
        return None
    if not given.exists():
        raise InputError("resume.missing", source=given)
    try:
        return _locked(given, data)
    except OSError as error:
        raise InputError("resume.copy_failed", source=given, data=data, reason=error) from error


def _locked(given: Path, data: Path) -> Path | None:
    folder = open_folder(data)
    if (lock := try_lock(folder.lock_file())) is None or _is_used(data):
        log.warning(say("resume.kept", data=data, source=given))  # somebody else was quicker
        if lock is not None:
            os.close(lock)
        return None
    try:
        _fill(given, folder)
    finally:
        shutil.rmtree(folder.root / DRAFT, ignore_errors=True)
        os.close(lock)
    write_json(data / NOTE, {"from": str(given)})
    log.info(say("resume.brought", data=data, source=given))
    return given


def _fill(given: Path, folder: DataFolder) -> None:
    draft = folder.root / DRAFT
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    if given.is_file():
        _unpack(given, draft)
    else:
        copy_data(find(given), draft)
    check(draft, given)
    for part in (draft / name for name in PARTS):
        target = folder.root / part.name
        if part.exists():
            if target.is_dir():
                shutil.rmtree(target)
            part.replace(target)


def _is_used(data: Path) -> bool:
    """Whether the folder holds a run already; a draft in it was cut short."""
    return not (data / DRAFT).exists() and any((data / name).exists() for name in ("VERSION", "kgnb.db"))


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.resolve() in (other.resolve(), other.resolve().parent)


def _came_from(given: Path, data: Path) -> bool:
    """Whether the folder was filled from ``given`` before: then keeping it needs no warning."""
    try:
        return bool(json.loads((data / NOTE).read_text("utf-8")) == {"from": str(given)})
    except (OSError, ValueError):
        return False


# --- sources


def find(given: Path) -> Path:
    """The one data folder at or below ``given``. Raises InputError when there is none, or several."""
    found = sorted(_below(given, DEPTH))
    if len(found) != 1:
        key = "resume.several" if found else "resume.none"
        raise InputError(key, source=given, found=", ".join(map(str, found)))
    return found[0]


def _below(folder: Path, depth: int) -> Iterator[Path]:
    if is_data_folder(folder):
        yield folder
    elif depth and folder.is_dir():
        for child in folder.iterdir():
            if child.is_dir() and not child.is_symlink():
                yield from _below(child, depth - 1)


def is_data_folder(folder: Path) -> bool:
    """Whether it looks like one of ours; :func:`check` says whether it can be opened."""
    parts = (folder / "kgnb.db", folder / "valkey", folder / "graph")
    return (folder / "VERSION").is_file() and any(part.exists() for part in parts)


def check(folder: Path, shown: Path) -> None:
    """Raises InputError, that names ``shown``, when the folder isn't one of ours or a newer kgnb made it."""
    if not is_data_folder(folder):
        raise InputError("resume.none", source=shown, found="")
    if (schema := schema_of(folder / "VERSION")) > SCHEMA:
        raise InputError("engine.folder_newer", path=shown, schema=schema, known=SCHEMA)


def copy_data(source: Path, target: Path) -> None:
    """Copies the data, and nothing else, of a data folder that nobody has open.

    Raises InputError when it is open here or doesn't fit, OSError.
    """
    check(source, source)
    with_lock = source / ".lock"
    handle = try_lock(with_lock) if with_lock.exists() and os.access(with_lock, os.W_OK) else -1
    if handle is None:
        raise InputError("resume.open", source=source)
    try:
        _room(_size(source), target)
        for part in (source / name for name in PARTS):
            if part.is_dir():  # without permissions: an attached input is read-only
                shutil.copytree(part, target / part.name, copy_function=shutil.copyfile, symlinks=False,
                                ignore=_only_files, dirs_exist_ok=True)  # fmt: skip
                _writable(target / part.name)
            elif part.is_file():
                shutil.copyfile(part, target / part.name)
    finally:
        if handle >= 0:
            os.close(handle)


def closed(data: Path, seconds: float) -> bool:
    """Waits until nobody has the data folder open, at most ``seconds``; whether that is so. Blocks."""
    deadline = time.monotonic() + seconds
    while True:
        handle = try_lock(DataFolder(data.resolve()).lock_file())
        if handle is not None:
            os.close(handle)
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(CLOSED_LOOK_SECONDS)


def _only_files(folder: str, names: list[str]) -> list[str]:
    """Return the names of all but plain files and folders: links could point anywhere."""
    found = [Path(folder, name) for name in names]
    return [path.name for path in found if path.is_symlink() or not (path.is_file() or path.is_dir())]


def _writable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)


def _size(folder: Path) -> int:
    paths = (path for name in PARTS for path in (folder / name, *(folder / name).rglob("*")))
    return sum(path.stat().st_size for path in paths if path.is_file() and not path.is_symlink())


def _room(size: int, target: Path) -> None:
    free = shutil.disk_usage(target).free
    if size + SPARE_BYTES > free:
        raise InputError("resume.no_room", target=target, need=size >> 20, free=free >> 20)


def _unpack(archive: Path, target: Path) -> None:
    """Extract the data folder of a zip; each name is checked, as the archive is untrusted."""
    try:
        with zipfile.ZipFile(archive) as packed:
            root = _root(archive, packed)
            wanted = [i for i in packed.infolist() if not i.is_dir() and _inside(i.filename, root)]
            _room(sum(info.file_size for info in wanted), target)
            for info in wanted:
                path = target / PurePosixPath(info.filename).relative_to(root)
                path.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(info) as source, path.open("wb") as out:
                    shutil.copyfileobj(source, out)
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError("resume.bad_zip", source=archive, reason=error) from error
    for name in ("valkey", "graph", "logs"):
        (target / name).mkdir(exist_ok=True)


def _root(archive: Path, packed: zipfile.ZipFile) -> PurePosixPath:
    names = set(packed.namelist())
    roots = {PurePosixPath(name).parent for name in names if PurePosixPath(name).name == "VERSION"}
    found = sorted(root for root in roots if str(root / "kgnb.db") in names)
    if len(found) != 1:
        key = "resume.several" if found else "resume.none"
        raise InputError(key, source=archive, found=", ".join(map(str, found)))
    return found[0]


def _inside(name: str, root: PurePosixPath) -> bool:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.is_relative_to(root):
        return False
    return path.relative_to(root).parts[0] in PARTS
