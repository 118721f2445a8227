"""Read a JSON export. The file is hostile input: all of it is validated before anything is stored."""

from __future__ import annotations

import re
import stat
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kgnb.core.errors import InputError
from kgnb.core.input_file import reading
from kgnb.stores.ledger import transfer
from kgnb.stores.ledger.transfer import MAX_DECISIONS, MAX_ROW_VALUES, VERSION, SavedRecord

MAX_BYTES = 256 << 20
"""Largest file read: with the longest web novels, of 60 MB, an export has about 150 MB."""
MAX_VALUES = 3_000_000
"""Most values in it: far more than those exports have."""
MAX_ROWS = 500_000
"""Most rows: 20 tasks for 10,000 chapters have 400,000 states and results."""

_ROWS: dict[str, TypeAdapter[Any]] = {
    "chapters": TypeAdapter(transfer.SavedChapter),
    "tasks": TypeAdapter(transfer.SavedTask),
    "states": TypeAdapter(transfer.SavedState),
    "extractions": TypeAdapter(transfer.SavedRow),
    "names": TypeAdapter(transfer.CheckedName),
    "decisions": TypeAdapter(transfer.CheckedDecision),
}
_PARTS = _ROWS | {"version": TypeAdapter(int), "novel": TypeAdapter(transfer.SavedNovel)}


def read_record(path: str | Path) -> SavedRecord:
    """Return an export's record. Blocking. Raises InputError for other files and exports of a newer kgnb."""
    place = Path(path).expanduser()
    data = _load(place)
    rows: defaultdict[str, list[Any]] = defaultdict(list, chapters=[])
    for part, value in _checked(place, data):
        rows[part].append(value)
    single = {part: rows.pop(part)[-1] for part in ("version", "novel") if part in rows}
    try:
        return SavedRecord.model_validate(single | rows)
    except ValidationError as error:
        raise _refusal(place, error) from None


def _refusal(place: Path, error: ValidationError, *at: str | int) -> InputError:
    first = error.errors(include_input=False, include_url=False)[0]
    if first["type"] in ("json_invalid", "missing") and not at:
        return InputError("exchange.no_export", path=place)
    where = ".".join(map(str, (*at, *first["loc"])))
    return InputError("exchange.broken_export", path=place, where=where)


def _checked(place: Path, data: bytes) -> Iterator[tuple[str, Any]]:
    """Yield (part, value) of the record: each row of its lists, and its other values."""
    counts: Counter[str] = Counter()
    for part, text, values in _values(place, data):
        at = (part, counts[part]) if part in _ROWS else (part,)
        counts[part] += 1
        if values > MAX_ROW_VALUES or counts.total() > MAX_ROWS or counts["decisions"] > MAX_DECISIONS:
            raise InputError("exchange.broken_export", path=place, where=".".join(map(str, at)))
        try:
            value = _PARTS[part].validate_json(text)
        except ValidationError as error:
            raise _refusal(place, error, *at) from None
        if part == "version" and value > VERSION:
            raise InputError("exchange.newer_export", path=place)
        yield part, value


# Up to the next mark that is in no string.
_NEXT_MARK = re.compile(rb'(?:[^"\[\]{},]++|"(?:[^"\\]++|\\.)*+")*+([\[\]{},])', re.S)
_KEY = re.compile(rb'\s*+"(\w{1,20})"\s*+:')
_IN_FILE, _IN_RECORD, _IN_ROWS = 1, 2, 3
"""How many brackets are open: ``{"record": {"version": 1, "chapters": [row, row], …}}``."""


def _values(place: Path, data: bytes) -> Iterator[tuple[str, bytes, int]]:
    """Yield (part, JSON, number of values) of each row and other value of the record, without parsing it.

    Unlike a parser, it needs memory for one of them at a time.
    """
    depth = at = begin = count = 0
    in_record, rows = False, ""
    while (depth or not at) and (mark := _NEXT_MARK.match(data, at)) is not None:
        kind, end, at = mark[1], mark.end() - 1, mark.end()
        count += 1
        key = _KEY.match(data, begin) if depth <= _IN_RECORD else None
        name = key[1].decode("ascii", "replace") if key else ""
        opens, closes = kind in b"{[", kind in b"]}"
        if opens and depth == _IN_FILE:
            in_record = name == "record" and kind == b"{"
        elif opens and depth == _IN_RECORD:
            rows = name if in_record and kind == b"[" and name in _ROWS else ""
        elif rows and not opens and depth == _IN_ROWS and data[begin:end].strip():
            yield rows, data[begin:end], count
        elif key and not opens and depth == _IN_RECORD and in_record and name in _PARTS:
            yield name, data[key.end() : end], count
        level = depth + opens
        if (rows and level == _IN_ROWS) or (level < _IN_ROWS and not closes):
            begin, count = at, 0
        depth += opens - closes
    if depth or not at:
        raise InputError("exchange.no_export", path=place)


def _load(place: Path) -> bytes:
    with reading(place):
        info = place.stat()
        if not stat.S_ISREG(info.st_mode):
            raise InputError("exchange.no_file", path=place)
        if info.st_size > MAX_BYTES:
            raise InputError("exchange.too_large", path=place, limit=MAX_BYTES >> 20)
        data = place.read_bytes()
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        raise InputError("exchange.too_large", path=place, limit=MAX_BYTES >> 20)
    return data
