"""Commands that only look or test make no data folder where there is none."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from kgnb.core.errors import InputError
from kgnb.core.process_id import ProcessId, send_signal
from kgnb.core.settings import Settings
from kgnb.stores.embedded.data_folder import DataFolder, read_note
from kgnb.stores.embedded.restore import wait_until_closed

STOP_SECONDS = 20.0
"""The engines of a folder that was only looked at have ended by then."""


@contextmanager
def passing_folder(settings: Settings) -> Iterator[Settings]:
    """Give the settings; while their data folder isn't there, with a passing one beside its place.

    It is there and nowhere else, so that what fails in the real one fails in it; where none can be made the
    real one's error tells why. Blocks at the end until its engines have ended.
    """
    with _beside(settings) as name:
        if not name:
            yield settings
            return
        folder = Path(name)
        try:
            yield settings.model_copy(update={"data": folder})
        except InputError as error:
            shown = settings.data.absolute()
            error.facts = {key: shown if fact == folder else fact for key, fact in error.facts.items()}
            raise
        finally:
            if supervisor := read_note(DataFolder(folder)).get("supervisor"):
                send_signal(ProcessId(**supervisor), signal.SIGTERM)
            wait_until_closed(folder, STOP_SECONDS)


def _beside(settings: Settings) -> AbstractContextManager[str]:
    """A new folder where the data folder isn't there yet; "" where none is needed or possible."""
    embeds = settings.embedded_sql or settings.embedded_redis or settings.embedded_graph
    try:
        if embeds and not (settings.data.exists() or settings.resume_from or settings.copy_to):
            parent = next(path for path in settings.data.absolute().parents if path.exists())
            return TemporaryDirectory(prefix=".kgnb-", dir=parent, ignore_cleanup_errors=True)
    except OSError:
        pass
    return nullcontext("")
