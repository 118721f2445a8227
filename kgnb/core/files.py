"""Files that several processes share: locks that end with who holds them, writes that nobody sees half of.

Only the standard library, for the process that owns the engines.
"""

from __future__ import annotations

import json
import os
import secrets
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from kgnb.core.errors import EngineError
from kgnb.core.foreign_json import json_object

try:
    import fcntl
except ImportError:  # native Windows
    raise EngineError("engine.windows") from None

PRIVATE = 0o600


class NoLocksError(OSError):
    """The file system has no locks."""


def try_lock(path: Path, *, wait: bool = False, shared: bool = False) -> int | None:
    """Lock the file at ``path``, made where it is missing; return its descriptor, None while another process
    has the lock.

    ``wait``: wait until it is free. ``shared``: a lock that others may share. The lock lives as long as any
    process has this descriptor open, however that process ends. Raises NoLocksError, and OSError when the
    file can't be opened.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError as error:
        os.close(handle)
        raise NoLocksError(error.errno, error.strerror, str(path)) from error
    return handle


class Hold:
    """A lock (the descriptor that :func:`try_lock` returns) that keeps a server alive until :meth:`close`.

    A forked child lets go of it at once: it must not keep its parent's server.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        _open_holds.add(self)

    @property
    def is_open(self) -> bool:
        """Whether the lock is still held by this object."""
        return self._descriptor >= 0

    def close(self) -> None:
        """Let go; the server ends when no process holds it any longer."""
        if self.is_open:
            os.close(self._descriptor)
            self._descriptor = -1


_open_holds: weakref.WeakSet[Hold] = weakref.WeakSet()


def _close_in_child() -> None:
    for hold in list(_open_holds):
        hold.close()


if hasattr(os, "register_at_fork"):  # native Windows has no fork
    os.register_at_fork(after_in_child=_close_in_child)


def is_locked(path: Path) -> bool:
    """Return whether any process has an exclusive lock on a file; False for a missing file. Raises
    OSError.
    """
    try:
        probe = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two that look see no lock of each other's
    except BlockingIOError:
        return True
    finally:
        os.close(probe)
    return False


@contextmanager
def replacing(path: Path, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """Yield a new file for writing, which replaces ``path`` when the block ends well; an exception removes
    it, and ``path`` stays as it was.
    """
    draft = path.with_name(f".{path.name[:40]}-{secrets.token_hex(6)}.part")
    try:
        with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as out:
            yield out
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: object, mode: int = 0o666) -> None:
    """Replace the file in one step, so that neither a reader nor a power loss finds half of it."""
    with replacing(path, mode) as file:
        file.write(json.dumps(content, ensure_ascii=False).encode())
        file.flush()
        os.fsync(file.fileno())


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that :func:`write_json` wrote; {} without the file, or where it has none."""
    try:
        return json_object(path.read_bytes())
    except OSError:
        return {}
