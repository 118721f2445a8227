"""What this process or machine has too little of for a data folder: disk, open files, sizes of files.

Only the standard library, for the process that owns the engines.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

MIN_DISK_MB = 8
"""With less the record's log of writes doesn't fit any more."""
MIN_FILES = 128
"""A node opens some 40, and one for each request in flight; Valkey 32 more than it has clients."""
MIN_FILE_MB = 64
"""The largest file that a process may write: the record of a novel of 45 MB has more."""


def shortages(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (key of a message, its facts) for each shortage of disk, open files or file size in ``folder``;
    nothing if all is well.
    """
    import resource  # here, so that on Windows itself core.files tells what to do

    if is_full(folder):
        yield "engine.disk_full", {"path": folder, "least": MIN_DISK_MB}
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # Valkey raises its limit to the hard one
    if 0 <= files < MIN_FILES:
        yield "engine.few_files", {"limit": files, "least": MIN_FILES}
    yield from small_files()


def small_files() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the (key, facts) of a limit on file sizes (ulimit -f) that is too low: with it everything starts
    well, and fails on writing.
    """
    import resource

    largest = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if 0 <= largest < MIN_FILE_MB << 20:
        yield "engine.small_files", {"mb": largest >> 20, "least": MIN_FILE_MB}


def is_full(path: Path) -> bool:
    """Return whether less than :data:`MIN_DISK_MB` (8) are free at a path; False if this is unknown."""
    free = free_mb(path)
    return free is not None and free < MIN_DISK_MB


def free_mb(path: Path) -> int | None:
    """Return the free megabytes (2²⁰ bytes) at a path, or at its first existing parent; None if this can't be
    found out.
    """
    for place in (path, *path.absolute().parents):
        try:
            return shutil.disk_usage(place).free >> 20
        except FileNotFoundError:
            continue
        except OSError:
            break
    return None


@cache
def has_shared_memory() -> bool:
    """Return whether processes can share locks; without a writable /dev/shm no worker process can start."""
    import multiprocessing

    try:
        multiprocessing.get_context("fork").Lock()  # forks nothing
    except (OSError, ImportError):
        return False
    return True
