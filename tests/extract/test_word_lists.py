"""The word lists of both languages: what the rules ask for is there, and what is there is asked for."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import kgnb
from kgnb.core.labels import Lang
from kgnb.extract.word_lists import read_word_lists

SOURCES = {path: path.read_text("utf-8") for path in (Path(kgnb.__file__).parent).rglob("*.py")}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_list_that_the_rules_name_is_in_the_file_and_the_other_way_round(lang: Lang) -> None:
    known = vars(importlib.import_module(f"kgnb.extract.{lang}.vocabulary"))
    own = f"extract.{lang} import vocabulary as (\\w+)|extract.{lang}.vocabulary import (?:\\(([^)]*)|(.*))"
    asked = set[str]()
    for text in SOURCES.values():
        for module, *names in re.findall(own, text):
            asked.update(
                re.findall(rf"\b{module}\.([A-Z_]+)", text)
                if module
                else re.findall("[A-Z_]+", " ".join(names))
            )
    assert asked <= known.keys()
    vocabulary = next(t for p, t in SOURCES.items() if p.parts[-2:] == (lang, "vocabulary.py"))
    asked.update(name.upper() for name in re.findall(r'_LISTS\["(\w+)"\]', vocabulary))
    unused = {name for name in read_word_lists(lang) if name.upper() not in asked}
    assert not {name for name in unused if not name.startswith("same_as_")}
