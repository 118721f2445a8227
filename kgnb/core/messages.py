"""All texts for users, in Chinese and English: ``locale/zh.toml`` and ``locale/en.toml``.

``say("area.key", name=value)`` renders one. Log lines, help texts and panel labels are there too, so that
terms are used consistently (实体 entity, 关系 relation, 章节 chapter, 节点 node, 槽位 slot, 租约 lease).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from string import Formatter
from typing import Any, Literal, TypeVar

from kgnb.core.host import is_hosted_notebook

Language = Literal["zh", "en"]

T = TypeVar("T")
_language: Language | None = None


def use_language(language: Language) -> None:
    """Set the language of every later :func:`say`."""
    global _language
    _language = language


def language() -> Language:
    """The language of texts: the one set by :func:`use_language`, else :func:`environment_language`."""
    return _language or environment_language()


def environment_language() -> Language:
    """The language that KGNB_LANG names, else that of the locale (LC_ALL, LC_MESSAGES, LANG).

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
    """The texts of one language by key; the file is read on first use."""
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
    """The text with this key in the current language, with ``facts`` filled in.

    Raises KeyError for an unknown key or a missing fact, so that no user sees a broken sentence.
    """
    text = Text(texts(language())[key].format(**{n: _shown(n, v) for n, v in facts.items()}))
    text.key, text.facts = key, facts
    return text


def say_or(key: str, otherwise: T) -> Text | T:
    """The text with this key; ``otherwise`` where there is none without facts: others may have written it."""
    try:
        return say(key)
    except KeyError:
        return otherwise


def retold(text: str) -> str:
    """A stored text in the current language if :func:`say` made it in the other one.

    Any other text as it is: an endpoint's own words, an older version's.
    """
    return _retold(text, language())[0] if text else text


LEAST_LITERAL = 12
"""Characters besides facts of a template that is recognized: fewer may stand in any text."""
REASONS_WITHIN = 1
"""How deep facts are retold that are texts themselves."""


@lru_cache(maxsize=1024)
def _retold(text: str, wanted: Language, deeper: int = REASONS_WITHIN) -> tuple[str, int]:
    """The text in that language, and how many of its characters are of our templates.

    Where several templates fit, that which tells most of it: the others take ours for facts.
    """
    best = text, 0
    for key, template in _recognized("en" if wanted == "zh" else "zh").items():
        facts = template.facts_in(text)
        if facts is None:
            continue
        told = {
            name: _retold(fact, wanted, deeper - 1) if deeper else (fact, 0) for name, fact in facts.items()
        }
        known = template.size + sum(size for _, size in told.values())
        if known > best[1]:
            best = (
                _Template.of(texts(wanted)[key]).filled({name: fact for name, (fact, _) in told.items()}),
                known,
            )
    return best


@cache
def _recognized(language: Language) -> dict[str, _Template]:
    """The templates by key that can be recognized."""
    found = {key: _Template.of(text) for key, text in texts(language).items()}
    return {key: template for key, template in found.items() if template.size >= LEAST_LITERAL}


@dataclass(frozen=True, slots=True)
class _Template:
    """A text's literals, and the names of the facts between each two of them."""

    literals: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> _Template:
        literals, names = [""], []
        for literal, name, _, _ in Formatter().parse(text):
            literals[-1] += literal
            if name is not None:
                names.append(name)
                literals.append("")
        return cls(tuple(literals), tuple(names))

    @property
    def size(self) -> int:
        """Characters of all literals."""
        return sum(map(len, self.literals))

    def facts_in(self, text: str) -> dict[str, str] | None:
        """What ``text`` has in the places of the facts; None where it wasn't made of this template.

        Each literal is searched for once, so that no text, whoever wrote it, takes long.
        """
        first, *others = self.literals
        if not text.startswith(first) or (text != first if not others else not text.endswith(others[-1])):
            return None
        facts: dict[str, str] = {}
        position, end = len(first), len(text) - len(self.literals[-1])
        for number, (name, literal) in enumerate(zip(self.names, others, strict=True), 1):
            found = text.find(literal, position, end) if number < len(others) else end
            if found < position or facts.setdefault(name, text[position:found]) != text[position:found]:
                return None
            position = found + len(literal)
        return facts

    def filled(self, facts: Mapping[str, str]) -> str:
        """The text with facts that are texts already."""
        between = [*(facts[name] for name in self.names), ""]
        return "".join(literal + fact for literal, fact in zip(self.literals, between, strict=True))


def _shown(name: str, value: object) -> object:
    """A status or an outcome in the current language; JSON log lines keep the value itself."""
    return say_or(f"word.{value}", value) if name in ("status", "outcome") else value
