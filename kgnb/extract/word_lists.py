"""Word lists of a language's rules, from data/words.toml in its package, which says what each list is."""

from __future__ import annotations

import tomllib
from pathlib import Path

from kgnb.core.labels import Lang


def read_word_lists(lang: Lang) -> dict[str, frozenset[str]]:
    """Return name → the words of a list in the table ``words``, the characters of one in ``characters``."""
    path = Path(__file__).parent / lang / "data" / "words.toml"
    tables = tomllib.loads(path.read_text("utf-8"))
    lists = {name: frozenset(text.split()) for name, text in tables["words"].items()}
    characters = tables.get("characters", {})
    return lists | {name: frozenset("".join(text.split())) for name, text in characters.items()}
