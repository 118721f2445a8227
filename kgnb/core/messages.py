"""Every sentence that a person reads, in Chinese and English: ``locale/zh.toml`` and ``locale/en.toml``.

``say("area.key", name=value)`` renders one. Log lines, help texts and panel labels are there too, so that one
word stands for one thing everywhere
(实体 entity, 关系 relation, 章节 chapter, 节点 node, 槽位 slot, 租约 lease).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

Language = Literal["zh", "en"]

_language: Language = "zh"


def use_language(language: Language) -> None:
    """Chooses the language of every later :func:`say`."""
    global _language
    _language = language


def language() -> Language:
    """The language in force."""
    return _language


def environment_language() -> Language:
    """The language that KGNB_LANG names: help texts use it before (and without) settings being loaded."""
    return "en" if os.environ.get("KGNB_LANG", "").strip().lower() == "en" else "zh"


@cache
def texts(language: Language) -> Mapping[str, str]:
    """The texts of one language by key, as its file has them. The file is read when first asked for."""
    with (Path(__file__).parent / "locale" / f"{language}.toml").open("rb") as file:
        areas = tomllib.load(file)
    return {f"{area}.{name}": text for area, entries in areas.items() for name, text in entries.items()}


def has_text(key: str) -> bool:
    """Whether there is a text named ``key``."""
    return key in texts(_language)


class Text(str):
    """A rendered text that still knows its ``key`` and ``facts``: a log of JSON lines has them as fields.

    Everywhere else it is a plain string; pickled, copied or joined it becomes one.
    """

    __slots__ = ("facts", "key")
    key: str
    facts: Mapping[str, object]

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


def say(key: str, **facts: object) -> Text:
    """The text named ``key`` in the language in force, with ``facts`` filled in.

    Raises KeyError for an unknown key or a missing fact: a typo must not reach a user as an odd sentence.
    """
    text = Text(texts(_language)[key].format(**{n: _shown(n, v) for n, v in facts.items()}))
    text.key, text.facts = key, facts
    return text


def _shown(name: str, value: object) -> object:
    """A status or an outcome in the language in force; logs of JSON lines keep the value as it is."""
    word = f"word.{value}" if name in ("status", "outcome") else ""
    return say(word) if has_text(word) else value
