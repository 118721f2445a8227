"""A data folder for a while: commands that only look or test leave none where there was none."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from kgnb.core.errors import KgnbError
from kgnb.core.process_id import ProcessId, send_signal
from kgnb.core.settings import Settings
from kgnb.stores.embedded.data_folder import DataFolder, file_lock, read_note
from kgnb.stores.targets import needs_data_folder

STOP_SECONDS = 20.0
"""The engines of a folder that was only looked at have ended by then."""
_POLL_SECONDS = 0.2


def lacks_folder(settings: Settings) -> bool:
    """Whether the settings use a data folder that isn't there and that no earlier run fills."""
    try:
        missing = not (settings.data.exists() or settings.resume_from or settings.copy_to)
        return missing and needs_data_folder(settings)
    except OSError:  # it is said when the folder is opened
        return False


@asynccontextmanager
async def temporary_folder(settings: Settings) -> AsyncIterator[Settings]:
    """Give the settings; while they lack their data folder, with a temporary one beside its place.

    It is there and nowhere else, so that what fails in the real one fails in it; where none can be made the
    real one's error tells why. Waits at the end until its engines have ended.
    """
    folder = _folder_beside(settings.data.absolute()) if lacks_folder(settings) else None
    if folder is None:
        yield settings
        return
    try:
        yield settings.model_copy(update={"data": Path(folder.name)})
    except KgnbError as error:
        shown = settings.data.absolute()
        error.facts = {key: shown if str(fact) == folder.name else fact for key, fact in error.facts.items()}
        raise
    finally:
        await asyncio.to_thread(_remove, folder)


def _folder_beside(place: Path) -> TemporaryDirectory[str] | None:
    try:
        parent = next(path for path in place.parents if path.exists()).resolve()
        return TemporaryDirectory(prefix=".kgnb-", dir=parent, ignore_cleanup_errors=True)
    except OSError:
        return None


def _remove(folder: TemporaryDirectory[str]) -> None:
    path = Path(folder.name)
    if supervisor := read_note(DataFolder(path)).get("supervisor"):
        send_signal(ProcessId(**supervisor), signal.SIGTERM)
    _wait_until_closed(path)
    folder.cleanup()


def _wait_until_closed(path: Path) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        with file_lock(DataFolder(path).lock_file()) as lock:
            if lock is not None:
                return
        time.sleep(_POLL_SECONDS)
