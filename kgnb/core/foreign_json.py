"""JSON that others wrote: Redis, SQL, files."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Return the JSON value of a text that others wrote; None for anything else: an error would quote it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
