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
    """Yield keys of texts, with their facts, of what lacks to work in ``folder``."""
    import resource  # here, so that on Windows itself core.files tells what to do

    if is_full(folder):
        yield "engine.disk_full", {"path": folder, "least": MIN_DISK_MB}
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # Valkey raises its limit to the hard one
    if 0 <= files < MIN_FILES:
        yield "engine.few_files", {"limit": files, "least": MIN_FILES}
    yield from small_files()


def small_files() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the same where files may not grow (ulimit -f): all starts well, and fails on writing."""
    import resource

    largest = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if 0 <= largest < MIN_FILE_MB << 20:
        yield "engine.small_files", {"mb": largest >> 20, "least": MIN_FILE_MB}


def is_full(path: Path) -> bool:
    """Whether less than :data:`MIN_DISK_MB` are free for a file or folder."""
    free = free_mb(path)
    return free is not None and free < MIN_DISK_MB


def free_mb(path: Path) -> int | None:
    """Return the MB free for a file or folder, or where it is to be made; None if nobody knows."""
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
    """Whether processes can share locks; without a writable /dev/shm no worker process can start."""
    import multiprocessing

    try:
        multiprocessing.get_context("fork").Lock()  # forks nothing
    except (OSError, ImportError):
        return False
    return True
