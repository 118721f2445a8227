"""Reads a question: whom it names, and what it asks for, by the frames of ``data/``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cache
from itertools import islice
from operator import ne
from pathlib import Path
from typing import Any

from kgnb.core.labels import Lang
from kgnb.graph.ask.passages import ALIKE_CREDIT, Term, terms, without
from kgnb.graph.query import Entity, GraphQuery

MAX_QUESTION = 500
"""Most characters of a question that are read."""
MAX_ENTITIES = 20
"""Most names of a question that are looked at."""

_OF_TWO = frozenset({"relation", "since"})
_OF_PEOPLE = _OF_TWO | {"who", "kin", "where", "first", "last", "with"}
Names = dict[str, dict[str, Entity]]
"""First letter → name in lower case → whose it is."""

HAN = re.compile(r"[\u3400-\u9fff]")
_PERSON, _OTHER = "\ue000", "\ue001"
"""What stands for a person, and for a place or an organization, in a question whose names are masked."""
_HAN_NAME = re.compile(r"[\u3400-\u9fff·]{2,8}")
ALIKE = 0.75
"""Similarity of a misspelt name and the one that is meant, 0-1 (difflib's ratio)."""
LISTED = 5
"""Names that are suggested."""
_CANDIDATE = re.compile(r"[A-Z][\w’'-]*[\w-]\.?(?: [A-Z][\w’'-]*\w)*")


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was read.

    ``intent``: what it asks for, "" where no frame fits. ``entities``: those that it names, in its order.
    ``kin``: the relationship type of "whose father", and whether the person asked for is the target of such
    an edge (True), its source (False) or either (None). ``asked``: the text without names and question words.
    ``wanted``: what an answer is, a "Character", a "Location", a "chapter", else "".
    ``stranger``: a name that nobody in the book has, ``near``: those that may be meant; the first was read.
    """

    text: str
    lang: Lang
    entities: tuple[Entity, ...] = ()
    asked: str = ""
    intent: str = ""
    kin: tuple[str, bool | None] | None = None
    kin_word: str = ""
    wanted: str = ""
    stranger: str = ""
    near: tuple[str, ...] = ()

    @property
    def people(self) -> list[Entity]:
        """The characters that it names."""
        return [one for one in self.entities if one.kind == "Character"]


def read_question(text: str, query: GraphQuery) -> Question:
    """Read a question about the book of ``query``; a misspelt name is read as the most similar one."""
    text = " ".join(text[:MAX_QUESTION].split()).strip(" ？?。.!！")
    lang = lang_of(text)
    masked, entities = _mask(text, query)
    found = _framed(text, lang, masked, entities)
    if found.intent or not (stranger := _stranger(masked, lang)):
        return found
    near = near_names(stranger, query)
    if near:
        masked, entities = _mask(text.replace(stranger, near[0]), query)
        found = _framed(text, lang, masked, entities)
    return replace(found, stranger=stranger, near=tuple(near))


def _framed(text: str, lang: Lang, masked: str, entities: Sequence[Entity]) -> Question:
    """The question, with what the first frame that fits says."""
    asked = masked.replace(_PERSON, " ").replace(_OTHER, " ")
    wanted = next((k for k, p in _data(lang)["wanted"].items() if re.search(p, masked, re.IGNORECASE)), "")
    found = Question(text, lang, tuple(entities), without(asked, stop_words(lang)), wanted=wanted)
    for intent, pattern in _frames(lang):
        if (match := pattern.search(masked)) and (intent not in _PLAIN or _asks_no_more(masked, lang)):
            word = match.groupdict().get("kin") or ""
            return replace(found, intent=intent, kin=_kin(lang).get(word.lower()), kin_word=word)
    return found


def _stranger(masked: str, lang: Lang) -> str:
    """What stands where a question has a person's name, but is none of the book's; else ""."""
    data = _data(lang)
    bare = without(masked, [*stop_words(lang), *data["presence"], *_kin(lang), *data["ties"]])
    found = _HAN_NAME.findall(bare) if lang == "zh" else _CANDIDATE.findall(masked, 1)
    as_people = masked
    for name in found:
        as_people = as_people.replace(name, _PERSON, 1)
    intent = _framed("", lang, as_people, ()).intent
    # Beside a name that the book has, another word is one only where both are compared.
    known = _PERSON in masked or _OTHER in masked
    return found[0] if found and intent in (_OF_TWO if known else _OF_PEOPLE) else ""


def near_names(name: str, query: GraphQuery) -> list[str]:
    """The names that were likely meant, the more present first: those with one other character in Chinese,
    those most similar elsewhere."""
    if not HAN.search(name):
        close = query.similar_names(name)
        return [one for one in close if SequenceMatcher(None, name.lower(), one.lower()).ratio() >= ALIKE]
    order = sorted(query.entities.values(), key=lambda e: (e.kind != "Character", -len(e.chapters)))
    forms = [form for one in order if one.kind == "Character" for form in (one.name, *one.aliases)]
    return [f for f in forms if len(f) == len(name) and sum(map(ne, f, name)) == 1][:LISTED]


def lang_of(text: str) -> Lang:
    """The language of a question."""
    return "zh" if HAN.search(text) else "en"


def asked_terms(question: Question) -> list[Term]:
    """What a passage is searched for: the entities by all their names, the words of the question, and all
    words for the same act or tie (*marry*, *wife*).

    Where the question asks what the tie is, those for any tie."""
    found = [
        Term(tuple(name.lower() for name in (one.name, *one.aliases)), frozenset((-1 - at,)))
        for at, one in enumerate(dict.fromkeys(question.entities))
    ]
    found += terms(question.asked)
    data, asked = _data(question.lang), question.asked.lower()
    kin: list[str] = list(data["kin"])
    if question.intent in ("relation", "path"):
        found.append(Term(tuple("|".join(kin).split("|")), credit=ALIKE_CREDIT))
    for group in [*kin, *data["alike"]]:
        asks, _, others = group.rpartition(" => ")
        forms = tuple(others.split("|"))
        for m in Term((*filter(None, asks.split("|")), *forms)).pattern.finditer(asked):
            found.append(Term(forms, frozenset(range(m.start(), m.end())), ALIKE_CREDIT))
    return found


def place_before(text: str, lang: Lang) -> bool:
    """Whether a text ends with a word before which a place follows: 在, *at*."""
    return re.search(_data(lang)["before_place"], text, re.IGNORECASE) is not None


_PLAIN = frozenset({"who", "first", "last", "chapters", "where", "with", "there"})
"""Intents whose answer fits only a question that asks nothing else: "when does she appear", no "when does she
propose", and "who is she", no "what is her first name"."""


def _asks_no_more(masked: str, lang: Lang) -> bool:
    """Whether a question without its names has only words of questions, and of being there."""
    masked = masked.replace(_PERSON, " ").replace(_OTHER, " ")
    return not terms(without(masked, [*stop_words(lang), *_data(lang)["presence"]]))


def stop_words(lang: Lang) -> Sequence[str]:
    """Words of questions that say nothing about what is asked for."""
    words: list[str] = _data(lang)["stop"]
    return words


def _mask(text: str, query: GraphQuery) -> tuple[str, list[Entity]]:
    """The text with each name replaced by one character, and the entities in their order."""
    masked, entities, at = "", [], 0
    for start, end, entity in islice(mentions(text, names_of(query)), MAX_ENTITIES):
        masked += text[at:start] + (_PERSON if entity.kind == "Character" else _OTHER)
        entities.append(entity)
        at = end
    return masked + text[at:], entities


def mentions(text: str, names: Names) -> Iterator[tuple[int, int, Entity]]:
    """The names in a text, with start and end; of several at one place the longest."""
    at = 0
    while at < len(text):
        found = _longest(text, at, names)
        if found:
            yield at, at + found[0], found[1]
        at += found[0] if found else 1


def _longest(text: str, at: int, names: Names) -> tuple[int, Entity] | None:
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


def names_of(query: GraphQuery) -> Names:
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


def kin_says(lang: Lang) -> dict[str, str]:
    """Patterns of what words for kin say of a person."""
    found: dict[str, str] = _data(lang)["kin_says"]
    return found


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
