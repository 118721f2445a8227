"""Files that the user names, which may be missing, locked or no files at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kgnb.core.errors import InputError, MissingFile


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turn the errors of reading ``file`` in the block into MissingFile, or an InputError that says why it
    can't be read.
    """
    try:
        yield
    except FileNotFoundError:
        raise MissingFile("file.missing", path=file) from None
    except PermissionError:
        raise InputError("file.permission", path=file) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError("file.unreadable", path=str(file).replace("\0", "?"), reason=reason) from None
