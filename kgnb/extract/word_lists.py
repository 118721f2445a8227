"""Reads the word lists of a language from its data/words.toml, which describes each list."""

from __future__ import annotations

import tomllib
from pathlib import Path

from kgnb.core.labels import Lang


def read_word_lists(lang: Lang) -> dict[str, frozenset[str]]:
    """Return name of a list → its words (table ``words``) or its single characters (table ``characters``)."""
    path = Path(__file__).parent / lang / "data" / "words.toml"
    tables = tomllib.loads(path.read_text("utf-8"))
    lists = {name: frozenset(text.split()) for name, text in tables["words"].items()}
    characters = tables.get("characters", {})
    return lists | {name: frozenset("".join(text.split())) for name, text in characters.items()}
