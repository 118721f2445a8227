"""Reads a question: whom it names, and what it asks for, by the frames of ``data/``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kgnb.core.labels import Lang
from kgnb.graph.ask.passages import terms
from kgnb.graph.query import Entity, GraphQuery

MAX_QUESTION = 500
"""Most characters of a question that are read."""
MAX_ENTITIES = 20
"""Most names of a question that are looked at."""

HAN = re.compile(r"[\u3400-\u9fff]")
_PERSON, _OTHER = "\ue000", "\ue001"
"""What stands for a person, and for a place or an organization, in a question whose names are masked."""
_CANDIDATE = re.compile(r"[A-Z][\w’'-]+(?: [A-Z][\w’'-]+)*")


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was read.

    ``intent``: what it asks for, "" where no frame fits. ``entities``: those that it names, in its order.
    ``kin``: the relationship type of "whose father", and whether the person asked for is the target of such
    an edge (True), its source (False) or either (None).
    """

    text: str
    lang: Lang
    entities: tuple[Entity, ...] = ()
    intent: str = ""
    kin: tuple[str, bool | None] | None = None
    kin_word: str = ""

    @property
    def people(self) -> list[Entity]:
        """The characters that it names."""
        return [one for one in self.entities if one.kind == "Character"]


def read_question(text: str, query: GraphQuery) -> Question:
    """Read a question about the book of ``query``; a misspelt name is read as the most similar one."""
    text = " ".join(text[:MAX_QUESTION].split()).strip(" ？?。.!！")
    lang = lang_of(text)
    masked, entities = _mask(text, query)
    if not entities and lang == "en":
        masked, entities = _mask(_corrected(text, query), query)
    found = Question(text, lang, tuple(entities))
    for intent, pattern in _frames(lang):
        if (match := pattern.search(masked)) and (intent not in _PLAIN or _asks_no_more(masked, lang)):
            word = match.groupdict().get("kin") or ""
            return Question(text, lang, found.entities, intent, _kin(lang).get(word.lower()), word)
    return found


def lang_of(text: str) -> Lang:
    """The language of a question."""
    return "zh" if HAN.search(text) else "en"


def tie_words(question: Question) -> list[str]:
    """For each word of the question for a tie (*marry*) all words for this tie (*wife*, *husband*), joined by
    |; where the question asks what the tie is, those for any."""
    groups: list[str] = list(_data(question.lang)["kin"])
    if question.intent in ("relation", "path"):
        return ["|".join(groups)]
    words = re.findall(r"[a-z]+", question.text.lower())
    return [
        group
        for group in groups
        if any(one in words or (HAN.match(one) and one in question.text) for one in group.split("|"))
    ]


_PLAIN = frozenset({"who", "first", "last", "chapters", "where", "with", "there"})
"""Intents whose answer fits only a question that asks nothing else: "when does she appear", no "when does she
propose", and "who is she", no "what is her first name"."""


def _asks_no_more(masked: str, lang: Lang) -> bool:
    """Whether a question without its names has only words of questions, and of being there."""
    masked = masked.replace(_PERSON, " ").replace(_OTHER, " ")
    return not terms(masked, [*stop_words(lang), *_data(lang)["presence"]])


def stop_words(lang: Lang) -> Sequence[str]:
    """Words of questions that say nothing about what is asked for."""
    words: list[str] = _data(lang)["stop"]
    return words


def _mask(text: str, query: GraphQuery) -> tuple[str, list[Entity]]:
    """The text with each name replaced by one character, and the entities in their order; longest names
    first."""
    names = _names(query)
    masked: list[str] = []
    entities: list[Entity] = []
    at = 0
    while at < len(text):
        found = _longest(text, at, names)
        if found and len(entities) < MAX_ENTITIES:
            length, entity = found
            entities.append(entity)
            masked.append(_PERSON if entity.kind == "Character" else _OTHER)
            at += length
        else:
            masked.append(text[at])
            at += 1
    return "".join(masked), entities


def _longest(text: str, at: int, names: dict[str, dict[str, Entity]]) -> tuple[int, Entity] | None:
    if at and text[at - 1].isalnum() and not HAN.match(text[at]) and not HAN.match(text[at - 1]):
        return None  # within a word
    best = None
    for form, entity in names.get(text[at].lower(), {}).items():
        end = at + len(form)
        whole = (
            end >= len(text)
            or not text[end].isalnum()
            or bool(HAN.match(text[end]))
            or bool(HAN.match(form[-1]))
        )
        if whole and (best is None or len(form) > best[0]) and text[at:end].lower() == form:
            best = len(form), entity
    return best


def _names(query: GraphQuery) -> dict[str, dict[str, Entity]]:
    """First letter → form in lower case → whose it is: the more present bearer's, a person's before a
    place's."""
    found: dict[str, dict[str, Entity]] = {}
    order = sorted(query.entities.values(), key=lambda e: (e.kind != "Character", -len(e.chapters), e.name))
    for own in (True, False):
        for entity in order:
            for form in (entity.name,) if own else entity.aliases:
                if form and entity.kind != "Event":
                    found.setdefault(form[0].lower(), {}).setdefault(form.lower(), entity)
    return found


def _corrected(text: str, query: GraphQuery) -> str:
    """The text with words in capitals that no name of the book is replaced by the most similar name."""

    def nearest(match: re.Match[str]) -> str:
        close = query.similar_names(match[0]) if match.start() else []
        return close[0] if close else match[0]

    return _CANDIDATE.sub(nearest, text)


@cache
def _data(lang: Lang) -> dict[str, Any]:
    with (Path(__file__).parent / "data" / f"{lang}.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def _kin(lang: Lang) -> dict[str, tuple[str, bool | None]]:
    """Kinship word → relationship type and the end of the edge that the person asked for is."""
    groups: dict[str, dict[str, object]] = _data(lang)["kin"]
    return {
        word: (str(facts["type"]), bool(facts["from"]) if "from" in facts else None)
        for words, facts in groups.items()
        for word in words.split("|")
    }


@cache
def _frames(lang: Lang) -> list[tuple[str, re.Pattern[str]]]:
    words = "|".join(sorted(_kin(lang), key=len, reverse=True))
    frames: list[dict[str, str]] = _data(lang)["frames"]
    filled = (
        (f["intent"], f["pattern"].replace("{a}", _PERSON).replace("{b}", _PERSON).replace("{p}", _OTHER))
        for f in frames
    )
    return [
        (intent, re.compile(pattern.replace("{kin}", words), re.IGNORECASE)) for intent, pattern in filled
    ]
