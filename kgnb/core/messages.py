"""All texts for users, in Chinese and English: ``locale/zh.toml`` and ``locale/en.toml``.

``say("area.key", name=value)`` renders one. Log lines, help texts and panel labels are there too, so that
terms are used consistently (实体 entity, 关系 relation, 章节 chapter, 节点 node, 槽位 slot, 租约 lease).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from kgnb.core.host import is_hosted_notebook

Language = Literal["zh", "en"]

T = TypeVar("T")
_language: Language | None = None
_spoken: ContextVar[Language | None] = ContextVar("spoken", default=None)


def use_language(language: Language) -> None:
    """Set the language of every later :func:`say`."""
    global _language
    _language = language


def language() -> Language:
    """Return "zh" or "en", the language of texts: of :func:`in_language`, else of :func:`use_language`, else
    :func:`environment_language`.
    """
    return _spoken.get() or _language or environment_language()


@contextmanager
def in_language(language: Language | None) -> Iterator[None]:
    """Set the language of this thread or task during the block; None changes nothing."""
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


def environment_language() -> Language:
    """Return "en" or "zh": the language of KGNB_LANG, else of the locale (LC_ALL, LC_MESSAGES, LANG).

    Chinese where the locale names none (C, POSIX, unset), and in a hosted notebook, whose image has one
    locale for every reader. English for a locale of any other language.
    """
    if given := os.environ.get("KGNB_LANG", "").strip().lower():
        return "en" if given == "en" else "zh"
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    spoken = re.split("[_.@-]", locale.strip().lower())[0]
    return "zh" if spoken in ("", "c", "posix", "zh") or is_hosted_notebook() else "en"


@cache
def texts(language: Language) -> Mapping[str, str]:
    """Return key → text ("area.name") of one language; the file is read at the first call."""
    with (Path(__file__).parent / "locale" / f"{language}.toml").open("rb") as file:
        areas = tomllib.load(file)
    return {f"{area}.{name}": text for area, entries in areas.items() for name, text in entries.items()}


class Text(str):
    """A rendered text with its ``key`` and ``facts``, which JSON log lines have as fields.

    Pickled, copied or joined it becomes a plain string.
    """

    __slots__ = ("facts", "key")
    key: str
    facts: Mapping[str, object]

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


def say(key: str, **facts: object) -> Text:
    """Return the text with this key in the current language, with ``facts`` filled in.

    Raises KeyError for an unknown key or a missing fact, so that no user sees a broken sentence.
    """
    text = Text(texts(language())[key].format(**{n: _shown(n, v) for n, v in facts.items()}))
    text.key, text.facts = key, facts
    return text


def say_or(key: str, otherwise: T) -> Text | T:
    """Return the text with this key; ``otherwise`` for an unknown key, or a text that needs facts."""
    try:
        return say(key)
    except KeyError:
        return otherwise


def _shown(name: str, value: object) -> object:
    """Return a status or an outcome in the current language, other values as they are; JSON log lines keep
    the value itself.
    """
    return say_or(f"word.{value}", value) if name in ("status", "outcome") else value
