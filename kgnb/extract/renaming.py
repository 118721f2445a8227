"""An extraction with every name replaced. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel

from kgnb.extract.model import Character, Event, Extraction, Thing

M = TypeVar("M", bound=BaseModel)


def renamed(found: Extraction, of: Callable[[str], str]) -> Extraction:
    """The extraction with ``of(name)`` for each name; the forms that a reply used become aliases."""

    def person(one: Character) -> Character:
        forms = dict.fromkeys(f for form in (one.name, *one.aliases) for f in (of(form), form))
        name = of(one.name)
        return _with(one, name=name, aliases=[f for f in forms if f != name])

    def thing(one: Thing) -> Thing:
        name = of(one.name)
        more = [] if name == one.name else [one.name]
        return _with(one, name=name, aliases=[*one.aliases, *more])

    def event(one: Event) -> Event:
        participants = list(dict.fromkeys(map(of, one.participants)))
        return _with(one, name=of(one.name), participants=participants, location=of(one.location))

    return found.model_copy(
        update={
            "characters": [person(x) for x in found.characters],
            "locations": [_with(x, name=of(x.name)) for x in found.locations],
            "organizations": [_with(x, name=of(x.name)) for x in found.organizations],
            "things": [thing(x) for x in found.things],
            "events": [event(x) for x in found.events],
            "relations": [_with(x, source=of(x.source), target=of(x.target)) for x in found.relations],
        }
    )


def _with(one: M, **fields: object) -> M:
    """The item with these fields; itself where it has them already, for a copy takes time."""
    changed = {name: value for name, value in fields.items() if getattr(one, name) != value}
    return one.model_copy(update=changed) if changed else one
