"""Where jieba's dictionary is; apart from the word lists, which take long to load."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def dictionary_file() -> Path | None:
    """Return the path of jieba's dictionary; None if jieba is not installed (many words are then taken for
    names).
    """
    spec = importlib.util.find_spec("jieba")
    return Path(spec.origin).parent / "dict.txt" if spec and spec.origin else None
