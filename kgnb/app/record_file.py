"""Read a JSON export. The file is hostile input: all of it is validated before anything is stored."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from kgnb.core.errors import InputError
from kgnb.stores.ledger.transfer import VERSION, SavedRecord


def read_record(path: str | Path) -> SavedRecord:
    """Return an export's record. Blocking. Raises InputError for other files and exports of a newer kgnb."""
    place = Path(path).expanduser()
    try:
        with place.open(encoding="utf-8") as file:
            whole = json.load(file)
    except OSError as error:
        raise InputError("exchange.unreadable", path=place, reason=error.strerror or error) from None
    except (ValueError, RecursionError):
        raise InputError("exchange.no_export", path=place) from None
    record = whole.get("record") if isinstance(whole, dict) else None
    version = record.get("version") if isinstance(record, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise InputError("exchange.newer_export", path=place)
    try:
        return SavedRecord.model_validate(record)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InputError("exchange.broken_export", path=place, where=where) from None
