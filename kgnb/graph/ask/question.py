"""Reads a question: whom it names, and what it asks for, by the frames of ``data/``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
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
"""First letter → name in lower case → its bearer."""

HAN = re.compile(r"[\u3400-\u9fff]")
_PERSON, _OTHER = "\ue000", "\ue001"
_PLACES = (_PERSON, _OTHER)
"""Placeholders for a person, and for any other entity, in a question whose names are masked."""
_HAN_NAME = re.compile(r"[\u3400-\u9fff·]{2,8}")
_CANDIDATE = re.compile(r"[A-Z][\w’'-]*[\w-]\.?(?: [A-Z][\w’'-]*\w)*")


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was read.

    ``entities``: the book's entities in the text, in the text's order. ``asked``: the text without names and
    question words. ``intent``: key of the frame that fits ("who", "relation", "kin", …), "" for none.
    ``framed``: positions in ``entities`` of those that fill the frame's places.
    ``kin``: for "whose father": the relationship type, and whether the person in the question is the target
    of such an edge (True), its source (False) or either (None); ``kin_word``: the word in the question.
    ``wanted``: kind of the answer: "Character", "Location", "chapter" or "". ``stranger``: a name that the
    book doesn't have; ``near``: similar names of the book, of which the first was read in its place.
    """

    text: str
    lang: Lang
    entities: tuple[Entity, ...] = ()
    asked: str = ""
    intent: str = ""
    framed: tuple[int, ...] = ()
    kin: tuple[str, bool | None] | None = None
    kin_word: str = ""
    wanted: str = ""
    stranger: str = ""
    near: tuple[str, ...] = ()

    @property
    def people(self) -> list[Entity]:
        """The characters among ``entities``, repeated where the question repeats them: first those between
        which the frame of the intent stands, then the others, both in the question's order.

        刘备的夫人和孙权什么关系: the wife (孙夫人) and 孙权 go before 刘备.
        """
        of_frame = [self.entities[at] for at in self.framed]
        others = [one for at, one in enumerate(self.entities) if at not in self.framed]
        return [one for one in (*of_frame, *others) if one.kind == "Character"]


def read_question(text: str, query: GraphQuery) -> Question:
    """Return the question in ``text``, read with the names of the book of ``query``.

    Only the first ``MAX_QUESTION`` characters are read. A name that the book doesn't have is read as the most
    similar name of the book, if there is any (see ``Question.near``).
    """
    text = " ".join(text[:MAX_QUESTION].split()).strip(" ？?。.!！")
    lang = lang_of(text)
    names = names_of(query)
    masked, entities = _mask(text, names)
    found = _framed(text, lang, masked, entities)
    if found.intent or not (stranger := _stranger(masked, lang)):
        return found
    near = near_names(stranger, query)
    if near:
        masked, entities = _mask(text.replace(stranger, near[0]), names)
        found = _framed(text, lang, masked, entities)
    return replace(found, stranger=stranger, near=tuple(near))


def _framed(text: str, lang: Lang, masked: str, entities: Sequence[Entity]) -> Question:
    """Return the question with intent and kin of the first frame that ``masked`` matches; else without
    intent.
    """
    asked = masked.replace(_PERSON, " ").replace(_OTHER, " ")
    wanted = next((k for k, p in _data(lang)["wanted"].items() if re.search(p, masked, re.IGNORECASE)), "")
    found = Question(text, lang, tuple(entities), without(asked, stop_words(lang)), wanted=wanted)
    for intent, pattern in _frames(lang):
        if (match := pattern.search(masked)) and (intent not in _PLAIN or _asks_no_more(masked, lang)):
            word = match.groupdict().get("kin") or ""
            framed = tuple(
                _place(masked, start)
                for start, _ in match.regs[1:]
                if start >= 0 and masked[start] in _PLACES
            )
            return replace(
                found, intent=intent, framed=framed, kin=_kin(lang).get(word.lower()), kin_word=word
            )
    return found


def _place(masked: str, start: int) -> int:
    """Return how many entities a masked question names before the offset ``start``."""
    return sum(masked.count(one, 0, start) for one in _PLACES)


def _stranger(masked: str, lang: Lang) -> str:
    """Return the unknown name that stands where the question needs a person's name; "" without any."""
    data = _data(lang)
    # 秦可卿死在第几回: the verb behind a name is no part of it.
    acts = "|".join(form for group in data["alike"] for form in re.split(r" => |\|", group))
    no_verb = (
        re.sub(rf"(?<=[\u3400-\u9fff]{{2}})(?:{acts})(?=[在于])", " ", masked) if lang == "zh" else masked
    )
    bare = without(no_verb, [*stop_words(lang), *data["presence"], *_kin(lang), *data["ties"]])
    found = _HAN_NAME.findall(bare) if lang == "zh" else _CANDIDATE.findall(masked, 1)
    as_people = masked
    for name in found:
        as_people = as_people.replace(name, _PERSON, 1)
    intent = _framed("", lang, as_people, ()).intent
    # Beside a name that the book has, another word is one only where both are compared.
    known = _PERSON in masked or _OTHER in masked
    return found[0] if found and intent in (_OF_TWO if known else _OF_PEOPLE) else ""


def near_names(name: str, query: GraphQuery) -> list[str]:
    """Return the book's names that ``name`` may be a misspelling of: those similar names
    (:meth:`GraphQuery.similar_names`) that are about as long, nearest first.

    刘倍 gives 刘备, not 刘; Darcey gives Darcy, not Mr. Darcy.
    """
    return [one for one in query.similar_names(name) if abs(len(one) - len(name)) <= len(name) // 4]


def lang_of(text: str) -> Lang:
    """Return "zh" for a text with any Chinese character, else "en"."""
    return "zh" if HAN.search(text) else "en"


def asked_terms(question: Question) -> list[Term]:
    """Return the search terms of a question: each entity by all its names, the question's own words, and for
    words of an act or a tie all words of the same meaning (*wife* for *marry*).

    A question for the tie between two people gets, beside these, the words of all ties.
    """
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
    """Return whether the text ends with a word that a place follows: "他住在", "she lived at " are True."""
    return re.search(_data(lang)["before_place"], text, re.IGNORECASE) is not None


_PLAIN = frozenset({"who", "first", "last", "chapters", "where", "with", "there"})
"""Intents whose answer fits only a question that asks nothing else: "when does she appear", no "when does she
propose", and "who is she", no "what is her first name"."""


def _asks_no_more(masked: str, lang: Lang) -> bool:
    """Return whether nothing is left of a masked question without its question words and words of being
    there.
    """
    masked = masked.replace(_PERSON, " ").replace(_OTHER, " ")
    return not terms(without(masked, [*stop_words(lang), *_data(lang)["presence"]]))


def stop_words(lang: Lang) -> Sequence[str]:
    """Return the language's question words and fillers, which are no search terms."""
    words: list[str] = _data(lang)["stop"]
    return words


def _mask(text: str, names: Names) -> tuple[str, list[Entity]]:
    """Return the text with each name replaced by one character, and the entities in the text's order."""
    masked, entities, at = "", [], 0
    for start, end, entity in islice(mentions(text, names), MAX_ENTITIES):
        masked += text[at:start] + (_PERSON if entity.kind == "Character" else _OTHER)
        entities.append(entity)
        at = end
    return masked + text[at:], entities


def mentions(text: str, names: Names) -> Iterator[tuple[int, int, Entity]]:
    """Yield (start, end, entity) for each name in the text, in order and without overlap.

    Where several names begin at one offset the longest counts. Latin names only match whole words.
    """
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
    """Return the lookup of all names and aliases but those of events: first letter → name → entity, in lower
    case.

    A name of several entities belongs to one: an entity's own name goes before aliases, a character before
    other kinds, then the entity of more chapters.
    """
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
    """Return kinship word → (relationship type, whether the question's person is the target of the edge)."""
    groups: dict[str, dict[str, object]] = _data(lang)["kin"]
    return {
        word: (str(facts["type"]), bool(facts["from"]) if "from" in facts else None)
        for words, facts in groups.items()
        for word in words.split("|")
    }


def kin_says(lang: Lang) -> dict[str, str]:
    """Return the language's patterns of what kinship words and titles say: "man", "woman", "elder",
    "younger", "both", … → regular expression (``any_kin``: words in one text).
    """
    found: dict[str, str] = _data(lang)["kin_says"]
    return found


@cache
def _frames(lang: Lang) -> list[tuple[str, re.Pattern[str]]]:
    words = "|".join(sorted(_kin(lang), key=len, reverse=True))
    frames: list[dict[str, str]] = _data(lang)["frames"]
    person, other = f"({_PERSON})", f"({_OTHER})"
    filled = (
        (f["intent"], f["pattern"].replace("{a}", person).replace("{b}", person).replace("{p}", other))
        for f in frames
    )
    return [
        (intent, re.compile(pattern.replace("{kin}", words), re.IGNORECASE)) for intent, pattern in filled
    ]
