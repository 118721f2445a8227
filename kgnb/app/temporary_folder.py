"""A data folder for a while: commands that only look or test leave none where there was none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from kgnb.core.errors import KgnbError
from kgnb.core.settings import Settings
from kgnb.stores.targets import needs_data_folder


def lacks_folder(settings: Settings) -> bool:
    """Whether the settings use a data folder that doesn't exist and that no earlier run fills
    (``resume_from``, ``copy_to``). False where this can't be read.
    """
    try:
        missing = not (settings.data.exists() or settings.resume_from or settings.copy_to)
        return missing and needs_data_folder(settings)
    except OSError:  # it is said when the folder is opened
        return False


@contextmanager
def temporary_folder(settings: Settings) -> Iterator[Settings]:
    """Yield the settings, with a temporary data folder if :func:`lacks_folder`; it is removed after the
    block. Errors in the block name the settings' own folder.

    The temporary folder is beside the missing one, so that what fails in the real folder fails there too;
    where it can't be made, the settings come unchanged.
    """
    folder = _folder_beside(settings.data.absolute()) if lacks_folder(settings) else None
    if folder is None:
        yield settings
        return
    with folder as name:
        try:
            yield settings.model_copy(update={"data": Path(name)})
        except KgnbError as error:
            shown = settings.data.absolute()
            error.facts = {key: shown if str(fact) == name else fact for key, fact in error.facts.items()}
            raise


def _folder_beside(place: Path) -> TemporaryDirectory[str] | None:
    """Return a temporary folder in the first existing parent of ``place``; None where it can't be made."""
    try:
        parent = next(path for path in place.parents if path.exists()).resolve()
        return TemporaryDirectory(prefix=".kgnb-", dir=parent, ignore_cleanup_errors=True)
    except OSError:
        return None
