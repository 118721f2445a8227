"""A data folder: its layout and locks.

::

    kgnb.db  logs/   the record and what was logged; safe to publish, neither holds a secret
    .lock            flock: held by the supervisor of the queue as long as it lives
    .clients         flock, shared: held by each process that uses the queue
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kgnb.core import files
from kgnb.core.errors import EngineError, InputError
from kgnb.core.messages import say

log = logging.getLogger(__name__)

_TMP = Path("/tmp")  # noqa: S108 - owner and mode of what is made there are checked
SOCKET = "kgnb-queue.sock"
_SOCKET_PATH_MAX = 100  # sun_path holds 108 bytes on Linux, 104 on macOS
_LOG_MAX = 2_000_000  # bytes; a log larger than that at start moves to <name>.1


class DataFolder:
    """Paths within one data folder; ``root`` is resolved."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sqlite = root / "kgnb.db"
        self.logs = root / "logs"
        self.clients = root / ".clients"

    def lock_file(self) -> Path:
        """Path of the folder's lock file, ``.lock``; it may not exist yet."""
        return self.root / ".lock"

    def log(self, name: str) -> Path:
        """Return the path of the log ``name``; a log above 2 MB is moved to ``<name>.1`` first."""
        path = self.logs / f"{name}.log"
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > _LOG_MAX:
                path.replace(path.with_suffix(".log.1"))
        return path


def open_folder(path: Path) -> DataFolder:
    """Return the data folder at ``path``, with resolved path; make it, its parents, ``logs`` and the lock
    file where missing.

    Raises InputError when it is a file or can't be written.
    """
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:  # the engines can't open it
        raise InputError("engine.folder_name", path=os.fsencode(path).decode("utf-8", "replace")) from None
    try:
        path.mkdir(parents=True, exist_ok=True)
        folder = DataFolder(path.resolve())
        folder.logs.mkdir(exist_ok=True)
        _tell_of_older(folder.root)
        os.close(os.open(folder.lock_file(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        for part in (folder.root, folder.logs):
            if not os.access(part, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(part))
    except (FileExistsError, NotADirectoryError):
        raise InputError("engine.folder_is_file", path=path) from None
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise InputError("engine.folder_not_writable", path=path) from error
        raise InputError("engine.folder_unusable", path=path, reason=error.strerror) from error
    return folder


def _tell_of_older(root: Path) -> None:
    """Say once of an earlier version's folder what of it is no longer used."""
    if (version := root / "VERSION").exists():
        rest = [str(path) for path in (root / "graph", root / "valkey") if path.exists()]
        log.info(say("engine.older_folder", path=root, rest=", ".join(rest) or "-"))
        version.unlink()


def try_lock(path: Path, **how: bool) -> int | None:
    """Return the handle of the locked file; None while another process has the lock. See
    :func:`kgnb.core.files.try_lock`.

    Raises EngineError for a file system without locks.
    """
    try:
        return files.try_lock(path, **how)
    except files.NoLocksError as error:
        raise EngineError("engine.no_locks", path=path.parent) from error


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[int | None]:
    """Hold the lock of ``path`` during the block; yield its handle, or None while another process has the
    lock (the block runs all the same).
    """
    handle = try_lock(path)
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def socket_path(folder: DataFolder) -> Path:
    """Return the path of the queue's socket, among the machine's temporary files, in a directory (mode 700)
    that the supervisor makes.

    Every process of this user gets the same path for the same folder; a copy of the folder has another.
    Raises EngineError when no temporary directory is fit for it.
    """
    status = folder.root.stat()
    identity = f"{status.st_dev}:{status.st_ino}:{folder.root}"
    name = hashlib.sha256(identity.encode()).hexdigest()[:12]
    places = (base / name / SOCKET for base in _private_dirs(_TMP, Path(tempfile.gettempdir())))
    return next(path for path in places if len(os.fsencode(path)) <= _SOCKET_PATH_MAX)


def private_dir() -> Path:
    """Return this user's own directory (mode 700) among the machine's temporary files.

    Raises EngineError when no temporary directory is fit for it.
    """
    return next(_private_dirs(Path(tempfile.gettempdir()), _TMP))


def _private_dirs(*temporary: Path) -> Iterator[Path]:
    """Yield this user's private directories among ``temporary``; raises EngineError after the last one."""
    for base in dict.fromkeys(one / f"kgnb-{os.getuid()}" for one in temporary):
        if _is_private(base):
            yield base
    raise EngineError("engine.no_runtime_dir", path=tempfile.gettempdir(), user=os.getuid())


def _is_private(base: Path) -> bool:
    """Make a directory for this user alone (mode 700); return whether it is one and writable."""
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        status = base.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            return False
        base.chmod(0o700)
        return os.access(base, os.W_OK | os.X_OK)
    except OSError:
        return False
