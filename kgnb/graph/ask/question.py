"""Reads a question: whom it names, and what it asks for, by the frames of ``data/``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from kgnb.core.labels import Lang
from kgnb.graph.ask.passages import ALIKE_CREDIT, Term, terms, without
from kgnb.graph.continuity import number_in_words
from kgnb.graph.name_index import edits, sound_alike
from kgnb.graph.query import Entity, GraphQuery
from kgnb.graph.resolve.spelling import folded

MAX_QUESTION = 500
"""Most characters of a question that are read."""
MAX_ENTITIES = 20
"""Most names of a question that are looked at."""

_OF_TWO = frozenset({"relation", "since"})
_OF_PEOPLE = _OF_TWO | {"who", "kin", "kin_count", "kin_of", "dead", "where", "first", "last", "with"}
Names = dict[str, dict[str, Entity]]
"""First letter → name in lower case → its bearer."""

HAN = re.compile(r"[\u3400-\u9fff]")
_PERSON, _OTHER = "\ue000", "\ue001"
_PLACES = (_PERSON, _OTHER)
"""Placeholders for a person, and for any other entity, in a question whose names are masked."""
_HAN_NAME = re.compile(r"[\u3400-\u9fff·]{2,8}")
_BETWEEN_NAMES = re.compile(r"(?<=[\u3400-\u9fff]{2})[和与跟同、](?=[\u3400-\u9fff]{2})")
_AROUND_NAME = re.compile(r"^[和与跟同给被把让](?=..)|(?<=..)[在有和与跟同去到来会给被把让叫又也都才还就]$")
"""Particles beside a Chinese name, of which at least two characters stay."""
_DOUBLED = re.compile(r"(.)\1")
_CANDIDATE = re.compile(r"[A-Z][\w’'-]*[\w-]\.?(?: [A-Z][\w’'-]*\w)*")


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was read.

    ``entities``: the book's entities in the text, in the text's order. ``said``: the text without names;
    ``asked``: also without question words, at the same offsets. ``intent``: key of the frame that fits
    ("who", "relation", "kin", …), "" for none. ``framed``: positions in ``entities`` of those that fill the
    frame's places. ``kin_word``: the kinship word or verb in the question, "" without any. ``number``: of
    the chapter that is asked about, 0 without any. ``stranger``: a name that the book doesn't have;
    ``near``: names of the only entity that it may be a misspelling of; the first was read in its place.
    """

    text: str
    lang: Lang
    entities: tuple[Entity, ...] = ()
    said: str = ""
    asked: str = ""
    intent: str = ""
    framed: tuple[int, ...] = ()
    kin_word: str = ""
    number: int = 0
    stranger: str = ""
    near: tuple[str, ...] = ()

    @property
    def relative(self) -> str:
        """The kinship word for whom the question asks: "spouse" for the verb *marry*, else ``kin_word``."""
        return _kin_verbs(self.lang).get(self.kin_word.lower(), self.kin_word)

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

    Only the first ``MAX_QUESTION`` (500) characters are read. A name that the book doesn't have is read as
    one of the book where it can only be a misspelling of it (see ``Question.near``).
    """
    text = " ".join(text[:MAX_QUESTION].split()).strip(" ？?。.!！")
    names = names_of(query)
    masked, entities = _mask(text, names)
    lang = lang_of(masked)
    found = _framed(text, lang, masked, entities)
    if found.intent or not (stranger := _half_known(text, lang, names) or _stranger(masked, lang)):
        return found
    near = near_names(stranger, names, query)
    if near:
        masked, entities = _mask(text.replace(stranger, near[0]), names)
        found = _framed(text, lang, masked, entities)
    return replace(found, stranger=stranger, near=tuple(near))


def _framed(text: str, lang: Lang, masked: str, entities: Sequence[Entity]) -> Question:
    """Return the question with intent and kin of the first frame that ``masked`` matches; else without
    intent.
    """
    said = masked.replace(_PERSON, " ").replace(_OTHER, " ")
    asked = without(said, stop_words(lang))
    found = Question(text, lang, tuple(entities), said, asked)
    # Nothing is left without question words and words of being there.
    asks_no_more = not terms(without(said, [*stop_words(lang), *_data(lang)["presence"]]))
    for intent, pattern in _frames(lang):
        if (match := pattern.search(masked)) and (intent not in _PLAIN or asks_no_more):
            groups = match.groupdict()
            number = groups.get("n") or ""
            framed = tuple(
                _place(masked, start)
                for start, _ in match.regs[1:]
                if start >= 0 and masked[start] in _PLACES
            )
            return replace(
                found,
                intent=intent,
                framed=framed,
                kin_word=groups.get("kin") or "",
                number=number_in_words(number) or number_in_words(number.upper()),
            )
    return found


def _place(masked: str, start: int) -> int:
    """Return how many entities a masked question names before the offset ``start``."""
    return sum(masked.count(one, 0, start) for one in _PLACES)


def _half_known(text: str, lang: Lang, names: Names) -> str:
    """Return the Latin name that stands where the question needs a person's name and of which only a part is
    a name of the book: Emma Woodhose; "" without any.
    """
    for match in _CANDIDATE.finditer(text, 1):
        name = re.sub("['’]s?$", "", match[0])
        known = max((name[a:b] for a, b, _ in mentions(name, names)), key=len, default=name)
        if len(known) < len(name) and " " in without_title(name):
            masked, entities = _mask(text.replace(name, known, 1), names)
            if _framed(text, lang, masked, entities).intent in _OF_PEOPLE:
                return name
    return ""


def _stranger(masked: str, lang: Lang) -> str:
    """Return the unknown name that stands where the question needs a person's name; "" without any."""
    found = _chinese_names(masked) if lang == "zh" else _CANDIDATE.findall(masked, 1)
    as_people = masked
    for name in found:
        as_people = as_people.replace(name, _PERSON, 1)
    intent = _framed("", lang, as_people, ()).intent
    # Beside a name that the book has, another word is one only where both are compared.
    known = _PERSON in masked or _OTHER in masked
    return found[0] if found and intent in (_OF_TWO if known else _OF_PEOPLE) else ""


def _chinese_names(masked: str) -> list[str]:
    """Return the runs of Chinese characters between question words, without a particle at either end.

    Words of one character part names only where no name has them (的, 谁, 是): 孙小马在第几回 gives 孙小马,
    秦可卿死在第几回 gives 秦可卿.
    """
    data = _data("zh")
    acts = {form for group in data["alike"] for form in re.split(r" => |\|", group) if form[-1] in "在于"}
    words = {*stop_words("zh"), *data["presence"], *kin_words("zh"), *data["ties"], *acts}
    bare = without(masked, [word for word in words if len(word) > 1 or word in data["never_in_names"]])
    return [_AROUND_NAME.sub("", name) or name for name in _HAN_NAME.findall(_BETWEEN_NAMES.sub(" ", bare))]


def near_names(name: str, names: Names, query: GraphQuery) -> list[str]:
    """Return the names of the only entity that ``name`` can be a misspelling of; [] without any, or with
    several.

    刘倍 gives 刘备, which sounds the same, not 刘; Darcey gives Darcy; Mr. Darcy doesn't give Mr. Perry.
    """
    bare = without_title(name)
    similar = dict.fromkeys([*query.names.nearest(name), *query.names.nearest(bare)])
    far = {
        one: edits(folded(name), folded(one)) for one in similar if is_misspelling(bare, without_title(one))
    }
    close = [one for one in far if far[one] == min(far.values())]
    bearers = {names.get(one[0].lower(), {}).get(one.lower()) for one in close}
    return close if len(bearers) == 1 else []


def is_misspelling(name: str, other: str) -> bool:
    """Return whether ``name`` can be ``other`` misspelt.

    Chinese: one character differs, which sounds alike, or of four or more any. Other names: of five letters
    or more one, of eight or more two letters, with the same initial; a doubled letter counts once.
    """
    if HAN.search(name) or HAN.search(other):
        differ = [(a, b) for a, b in zip(name, other, strict=False) if a != b]
        alone = len(name) == len(other) and len(differ) == 1
        return alone and (len(name) > 3 or sound_alike(*differ[0]))
    one, two = (_DOUBLED.sub(r"\1", folded(word)) for word in (name, other))
    most = 0 if len(one) < 5 else 1 if len(one) < 8 else 2
    return one[:1] == two[:1] and edits(one, two) <= most


def without_title(name: str) -> str:
    """Return an English name without its titles: "Mr. Darcy" → "Darcy"."""
    return re.sub(rf"(?:{kin_says('en')['titles_man']}|{kin_says('en')['titles_woman']})\.? ", "", name)


def lang_of(text: str) -> Lang:
    """Return "zh" for a text with any Chinese character, else "en"."""
    return "zh" if HAN.search(text) else "en"


def asked_terms(question: Question) -> list[Term]:
    """Return the search terms of a question: each entity by all its names, the question's own words, and for
    words of an act or a tie all words of the same meaning (*wife* for *marry*).

    A question for the tie between two people gets, beside these, the words of all ties.
    """
    found = [name_term(one, (-1 - at,)) for at, one in enumerate(dict.fromkeys(question.entities))]
    found += terms(question.asked)
    data, said = _data(question.lang), question.said.lower()
    kin: list[str] = list(data["kin"])
    if question.intent in ("relation", "path"):  # each by its own rarity: a nephew tells more than a friend
        found += [Term(tuple(group.split("|")), credit=ALIKE_CREDIT) for group in kin]
    for group in [*kin, *data["alike"]]:
        asks, _, others = group.rpartition(" => ")
        forms = tuple(others.split("|"))
        for m in Term((*filter(None, asks.split("|")), *forms)).pattern.finditer(said):
            if question.asked[m.start() : m.end()].strip():  # more than question words
                found.append(Term(forms, frozenset(range(m.start(), m.end())), ALIKE_CREDIT))
    return found


def name_term(one: Entity, places: Iterable[int] = (), credit: float = 1.0) -> Term:
    """Return the search term of an entity: any of its names."""
    return Term(tuple(name.lower() for name in (one.name, *one.aliases)), frozenset(places), credit)


_PLAIN = frozenset({"who", "first", "last", "chapters", "where", "with", "there"})
"""Intents whose answer fits only a question that asks nothing else: "when does she appear", no "when does she
propose", and "who is she", no "what is her first name"."""


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
    """Return (length, entity) of the longest name at an offset; None for none, and within a Latin word."""
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
    """Return the tables of a language's data file; cached."""
    with (Path(__file__).parent / "data" / f"{lang}.toml").open("rb") as file:
        return tomllib.load(file)


@dataclass(frozen=True, slots=True)
class KinWord:
    """Meaning of a kinship word: the relationship ``type``; ``from_relative``: whether such an edge begins at
    the relative (True), ends there (False) or either (None). ``by``: ways over other relatives, each a list
    of kinship words: "spouse brother|sister husband".
    """

    type: str
    from_relative: bool | None = None
    by: str = ""


@cache
def kin_words(lang: Lang) -> dict[str, KinWord]:
    """Return the kinship words of a language, in lower case → what they mean."""
    groups: dict[str, dict[str, Any]] = _data(lang)["kin"]
    return {
        word: KinWord(facts["type"], facts.get("from"), facts.get("by", ""))
        for words, facts in groups.items()
        for word in words.split("|")
    }


@cache
def _kin_verbs(lang: Lang) -> dict[str, str]:
    """Return verb → the kinship word that it means ("begat" → "father")."""
    groups: dict[str, str] = _data(lang)["kin_verbs"]
    return {verb: word for verbs, word in groups.items() for verb in verbs.split("|")}


def kin_says(lang: Lang) -> dict[str, str]:
    """Return the language's patterns of what kinship words and titles say: "man", "woman", "elder",
    "younger", "both", … → regular expression (``any_kin``: words in one text).
    """
    found: dict[str, str] = _data(lang)["kin_says"]
    return found


@cache
def _frames(lang: Lang) -> list[tuple[str, re.Pattern[str]]]:
    """Return (intent, pattern) of the language's ways of asking, in the order in which they are tried."""
    words, verbs = ("|".join(sorted(of, key=len, reverse=True)) for of in (kin_words(lang), _kin_verbs(lang)))
    frames: list[dict[str, str]] = _data(lang)["frames"]
    person = f"({_PERSON})"
    places = {"{a}": person, "{b}": person, "{p}": f"({_OTHER})", "{kin}": words, "{kin_verbs}": verbs}
    found = []
    for frame in frames:
        pattern = frame["pattern"]
        for place, fitting in places.items():
            pattern = pattern.replace(place, fitting)
        found.append((frame["intent"], re.compile(pattern, re.IGNORECASE)))
    return found
