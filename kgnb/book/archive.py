"""Zip archives as hostile input: bounded in what their directory and their members take."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

MAX_DIRECTORY = 4 << 20
"""Bytes of an archive's directory: some 50,000 files, each of which takes ten times as much memory."""

BROKEN_ARCHIVE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, NotImplementedError, RuntimeError, ValueError),
)
"""What reading a broken or encrypted archive raises."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@contextmanager
def open_archive(source: Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive for reading during the block; a given stream is closed at the end.

    Raises one of :data:`BROKEN_ARCHIVE` where it is no archive, OSError where a path can't be opened.
    """
    with source.open("rb") if isinstance(source, Path) else source as file:
        bounded = _BoundedFile(file)
        with zipfile.ZipFile(cast(IO[bytes], bounded)) as archive:
            bounded.limit = None
            yield archive


def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    """Return a stream of a member; its ``read(n)`` unpacks no more than ``n`` bytes.

    Raises one of :data:`BROKEN_ARCHIVE`.
    """
    if info.compress_type not in _METHODS:  # zipfile's bz2 and lzma readers unpack a whole block at once
        raise NotImplementedError("compressed neither by deflate nor not at all")
    return archive.open(info)


class _BoundedFile:
    """A file that reads no more than ``limit`` bytes at once: zipfile reads the directory in one piece."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.limit: int | None = MAX_DIRECTORY

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes. Raises BadZipFile for a directory beyond the limit."""
        if self.limit is not None and size > self.limit:
            raise zipfile.BadZipFile("too many files")
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
