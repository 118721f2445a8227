"""Replaces names in an extraction, by a function or by the forms that a Chinese chapter writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from pydantic import BaseModel

from kgnb.extract.model import Character, Event, Extraction, Thing
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
