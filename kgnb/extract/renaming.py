"""Replaces names in an extraction: by a function, by the forms that a Chinese chapter writes.

Words for the narrator (我, "I", "the narrator") are replaced by the narrator's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import TypeVar

from pydantic import BaseModel

from kgnb.extract.model import MAX_ITEMS, Character, Event, Extraction, NameEntry, Thing
from kgnb.extract.zh.script import fold

M = TypeVar("M", bound=BaseModel)


def renamed(extraction: Extraction, new_name: Callable[[str], str]) -> Extraction:
    """Return the extraction with each name replaced by ``new_name(name)``; former names of people and things
    become aliases.

    A character Tom with a function to upper case → name "TOM", alias "Tom". Ends of relations, participants
    and locations of events are replaced as well.
    """

    def character(one: Character) -> Character:
        forms = dict.fromkeys(f for form in (one.name, *one.aliases) for f in (new_name(form), form))
        name = new_name(one.name)
        return _updated(one, name=name, aliases=[f for f in forms if f != name])

    def thing(one: Thing) -> Thing:
        name = new_name(one.name)
        former = [] if name == one.name else [one.name]
        return _updated(one, name=name, aliases=[*one.aliases, *former])

    def event(one: Event) -> Event:
        participants = list(dict.fromkeys(map(new_name, one.participants)))
        return _updated(
            one, name=new_name(one.name), participants=participants, location=new_name(one.location)
        )

    return extraction.model_copy(
        update={
            "characters": [character(x) for x in extraction.characters],
            "locations": [_updated(x, name=new_name(x.name)) for x in extraction.locations],
            "organizations": [_updated(x, name=new_name(x.name)) for x in extraction.organizations],
            "things": [thing(x) for x in extraction.things],
            "events": [event(x) for x in extraction.events],
            "relations": [
                _updated(x, source=new_name(x.source), target=new_name(x.target))
                for x in extraction.relations
            ],
        }
    )


def _updated(one: M, **fields: object) -> M:
    """Return the item with these fields; the same object if nothing changes, as a copy takes time."""
    changed = {name: value for name, value in fields.items() if getattr(one, name) != value}
    return one.model_copy(update=changed) if changed else one


def names_in(extraction: Extraction) -> Iterator[str]:
    """Yield every name in an extraction that :func:`renamed` passes to its function, with repetitions; not
    aliases of things."""
    yield from extraction.referenced_names()
    for character in extraction.characters:
        yield from character.aliases
    for event in extraction.events:
        yield event.location
    lists = (extraction.characters, extraction.locations, extraction.organizations, extraction.things)
    for items in (*lists, extraction.events):
        yield from (item.name for item in items)


def in_original_script(extraction: Extraction, text: str) -> Extraction:
    """Return the extraction with names in the Chinese script in which ``text`` writes them.

    刘备 for the text 劉備至 → name 劉備, alias 刘备: models tend to answer a traditional text in simplified
    characters. A name that occurs as it is, or in neither script, stays.
    """
    folded_text = fold(text)

    def original(name: str) -> str:
        if name.isascii() or name in text:
            return name
        at = folded_text.find(folded := fold(name))
        return text[at : at + len(folded)] if at >= 0 and folded else name

    if folded_text == text and fold(names := "".join(names_in(extraction))) == names:
        return extraction  # the usual case; else each name is looked up
    return renamed(extraction, original)


# --- the narrator -------------------------------------------------------------------------------------------

_MARKS = re.compile(r"[\W_]+")
_REMARK = re.compile(r"(.+?)\s*[（(](.+?)[）)]")
_I_ZH = "我|俺|本人|叙述者|叙述人|叙事者|叙事人|讲述者"
_ABOUT_ZH = "第一人称|无名|未具名|未署名|未命名|匿名|故事|本书|小说|[男女]?主角|主人公|[男女]主|的|即|是"
_NARRATOR_ZH = re.compile(f"(?:{_ABOUT_ZH})*(?:{_I_ZH})(?:{_I_ZH}|{_ABOUT_ZH})*")
_I_EN = frozenset(("i", "me", "myself", "narrator"))
_ABOUT_EN = frozenset(
    (
        *("the", "a", "an", "unnamed", "nameless", "unknown", "anonymous", "first", "person", "main"),
        *("protagonist", "character", "story", "book", "novel", "s", "speaker"),
    )
)


def is_for_narrator(name: str) -> bool:
    """Return whether a name in a reply is only a word for the narrator.

    "我", "叙述者（我）", "narrator (unnamed)" → True; "Tom" → False.
    """
    words = _MARKS.sub(" ", fold(name)).lower().split()
    if not _I_EN.isdisjoint(words):
        return _I_EN.union(_ABOUT_EN).issuperset(words)
    return _NARRATOR_ZH.fullmatch("".join(words)) is not None


def with_narrator(extraction: Extraction, narrator: NameEntry) -> Extraction:
    """Return the extraction with the narrator's name in place of words for the narrator, which are nobody's
    alias.

    The narrator's name with such a word as a remark, or the reverse, is replaced too: 何恭（我）, "I (Tom)".
    """
    own = {narrator.name, *narrator.aliases}

    @cache
    def name(word: str) -> str:
        if is_for_narrator(word):
            return narrator.name
        parts = set(found.groups()) if (found := _REMARK.fullmatch(word)) else set()
        known, others = parts & own, parts - own
        return narrator.name if known and all(map(is_for_narrator, others)) else word

    def without_words(one: Character) -> Character:
        kept = [a for a in one.aliases if name(a) == a]
        return one if kept == one.aliases else one.model_copy(update={"aliases": kept})

    characters = [without_words(c) for c in extraction.characters]
    told = renamed(extraction.model_copy(update={"characters": characters}), name)
    his = [a for c in told.characters if c.name == narrator.name for a in c.aliases if name(a) == a]
    # All items of the narrator get the same aliases, so that they are merged.
    aliases = list(dict.fromkeys(his))[:MAX_ITEMS]
    return told.model_copy(
        update={
            "characters": [
                c.model_copy(update={"aliases": aliases}) if c.name == narrator.name else c
                for c in told.characters
            ]
        }
    )
