"""JSON that others wrote: Redis, SQL, files."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Return the JSON value of a text from elsewhere; None for invalid JSON (its error would quote
    the text).
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def json_object(value: Any) -> dict[str, Any]:
    """Return the JSON object in a text, or one that is parsed already; {} for anything else."""
    found = parse_json(value) if isinstance(value, (str, bytes)) else value
    return found if isinstance(found, dict) else {}
