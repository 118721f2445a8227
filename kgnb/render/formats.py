"""The formats in which a graph is written to a file; apart from the writers, whose import takes long."""

from __future__ import annotations

from pathlib import Path

FORMATS = ("json", "csv", "graphml", "cypher", "html", "svg", "png")
"""In the order in which people are told; ``csv``: a .zip of all tables, or, in a file named .csv, one of the
relations."""
FORMAT_OF_ENDING = {f".{name}": name for name in FORMATS} | {".htm": "html", ".zip": "csv"}


def format_of(path: Path) -> str | None:
    """The format that the file's ending names; None for another ending, or none."""
    return FORMAT_OF_ENDING.get(path.suffix.lower())
