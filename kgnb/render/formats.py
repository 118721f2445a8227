"""The formats in which a graph is written to a file; apart from the writers, whose import takes long."""

from __future__ import annotations

from pathlib import Path

KIT_FORMATS = ("md", "docx", "obsidian", "cards")
"""Of the author's kit. ``obsidian`` is a folder, and ``cards``, but a list in a file named .cards.json."""
FORMATS = ("json", "csv", "graphml", "cypher", "html", "svg", *KIT_FORMATS)
"""In the order in which people are told; ``csv``: a .zip of all tables, or, in a file named .csv, one of the
relations."""
FORMAT_OF_ENDING = {f".{name}": name for name in FORMATS} | {".htm": "html", ".zip": "csv"}


def is_folder(path: Path, format: str) -> bool:
    """Return whether the format is written as a folder of files: obsidian, and cards unless ``path`` ends in
    .json.
    """
    return format == "obsidian" or (format == "cards" and path.suffix.lower() != ".json")


def format_of(path: Path) -> str | None:
    """Return the format that the file's ending names: "svg" for a.SVG, "cards" for a.cards.json; None for an
    unknown ending, or none.
    """
    if path.name.lower().endswith(".cards.json"):
        return "cards"
    return FORMAT_OF_ENDING.get(path.suffix.lower())
