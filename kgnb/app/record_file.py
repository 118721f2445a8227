"""Read a JSON export. The file is hostile input: all of it is validated before anything is stored."""

from __future__ import annotations

import stat
from pathlib import Path

from pydantic import BaseModel, ValidationError

from kgnb.core.errors import InputError
from kgnb.stores.ledger.transfer import VERSION, SavedRecord

MAX_BYTES = 256 << 20
"""Largest file read: with the longest web novels, of 60 MB, an export has about 150 MB."""
MAX_VALUES = 3_000_000
"""Most values in it, each of which takes more memory than its text: far more than those exports have."""


class _Export(BaseModel):
    record: SavedRecord


class _Version(BaseModel):
    version: int


class _Versioned(BaseModel):
    record: _Version


def read_record(path: str | Path) -> SavedRecord:
    """Return an export's record. Blocking. Raises InputError for other files and exports of a newer kgnb."""
    place = Path(path).expanduser()
    data = _load(place)
    try:
        record = _Export.model_validate_json(data).record
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        if first["type"] == "json_invalid" or first["loc"] in ((), ("record",)):
            raise InputError("exchange.no_export", path=place) from None
        if _is_newer(data):
            raise InputError("exchange.newer_export", path=place) from None
        where = ".".join(str(part) for part in first["loc"][1:])
        raise InputError("exchange.broken_export", path=place, where=where) from None
    if record.version > VERSION:
        raise InputError("exchange.newer_export", path=place)
    return record


def _load(place: Path) -> bytes:
    try:
        info = place.stat()
        if not stat.S_ISREG(info.st_mode):
            raise InputError("exchange.no_file", path=place)
        if info.st_size > MAX_BYTES:
            raise InputError("exchange.too_large", path=place, limit=MAX_BYTES >> 20)
        data = place.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError("exchange.unreadable", path=str(place).replace("\0", "?"), reason=reason) from None
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        raise InputError("exchange.too_large", path=place, limit=MAX_BYTES >> 20)
    return data


def _is_newer(data: bytes) -> bool:
    try:
        return _Versioned.model_validate_json(data).record.version > VERSION
    except ValidationError:
        return False
