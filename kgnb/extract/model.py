"""The extraction of a chapter: the JSON object that an LLM is asked for, validated field by field (pydantic).

A reply is hostile input: each string and list is bounded and cleaned here, before any other code reads it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from kgnb.core.safe_text import clean

MAX_NAME = 100
MAX_TEXT = 2_000
MAX_ITEMS = 500
"""Longest name and longest text in characters, and longest list in items, of a reply: far above an honest
reply's."""
MAX_CHAPTER_ITEMS = 5_000
"""Most items in a list of a chapter merged from several replies; a record with more is refused."""

_RATING = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(?:\s*/\s*([1-9]\d{0,8}))?")


def _name(value: object) -> str:
    """Return a name on one line, at most MAX_NAME characters. Raises ValueError for an empty or far too long
    one.
    """
    if isinstance(value, str) and len(value) > MAX_NAME * 2:
        raise ValueError("too long for a name")
    name = clean(value, MAX_NAME)
    if not name:
        raise ValueError("an empty name")
    return sys.intern(name)  # a whole book's rows have each name in memory once


def _names(value: object) -> list[str]:
    """Return a list of names: a single string is a list of one item; items that are no strings are
    dropped."""
    if value is None:
        return []
    items = value if isinstance(value, list) else [value]
    names = (clean(i, MAX_NAME) for i in items[:MAX_ITEMS] if isinstance(i, str) and len(i) <= MAX_NAME * 2)
    return list(dict.fromkeys(sys.intern(n) for n in names if n))


def _number(low: float, high: float, default: float) -> Any:
    """Return a function that reads a number from a reply's value: clipped to ``low``-``high``, ``default``
    for anything else; "8/10" → 8 of ``high``'s scale.
    """

    def read(value: object) -> float:
        if type(value) is float and low <= value <= high:
            return value
        try:
            number = float(value) if isinstance(value, (int, float, str)) else default
        except ValueError:
            found = _RATING.search(str(value))  # "8/10", "95 分"
            number = float(found[1]) if found else default
            if found and found[2]:
                number *= high / float(found[2])
        except OverflowError:  # an integer of hundreds of digits
            return high if isinstance(value, int) and value > 0 else low
        return min(high, max(low, number)) if number == number else default

    return read


def _integer(low: int, high: int, default: int) -> Any:
    """Return a function like :func:`_number`'s for integers; a fraction between 0 and 1 counts as a share of
    ``high``.
    """
    read = _number(low, high, default)

    def integer(value: object) -> int:
        if type(value) is float and 0 < value < 1:
            value *= high  # a share: 0.9 of 100
        return value if type(value) is int and low <= value <= high else round(read(value))

    return integer


Name = Annotated[str, BeforeValidator(_name)]
OptionalName = Annotated[str, BeforeValidator(lambda value: sys.intern(clean(value, MAX_NAME)))]
Text = Annotated[str, BeforeValidator(lambda value: clean(value, MAX_TEXT))]
Names = Annotated[list[str], BeforeValidator(_names)]
Mentions = Annotated[int, BeforeValidator(_integer(0, 1_000_000, 0))]
Score = Annotated[int, BeforeValidator(_integer(0, 100, 0))]
Strength = Annotated[int, BeforeValidator(_integer(1, 10, 5))]
Confidence = Annotated[float, BeforeValidator(_number(0.0, 1.0, 1.0))]
Mark = Annotated[bool, BeforeValidator(lambda value: value is True)]


class _Item(BaseModel):
    # Default lists come from a factory: of a default [] pydantic makes a deep copy for each item.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Character(_Item):
    """A person. ``protagonist_score``: 0 to 100; ``mentions``: number of mentions found by the rules, 0 from
    a model."""

    name: Name
    aliases: Names = Field(default_factory=list)
    description: Text = ""
    traits: Names = Field(default_factory=list)
    title: OptionalName = ""
    protagonist_score: Score = 0
    confidence: Confidence = 1.0
    mentions: Mentions = 0


class _Typed(_Item):
    name: Name
    description: Text = ""
    type: OptionalName = ""
    confidence: Confidence = 1.0


class Location(_Typed):
    """A place."""


class Organization(_Typed):
    """A group, house, army, sect or company."""


class Thing(_Item):
    """An entity of an additional kind that the task's config enables."""

    name: Name
    kind: OptionalName = ""
    aliases: Names = Field(default_factory=list)
    description: Text = ""
    confidence: Confidence = 1.0


class Event(_Item):
    """An event; ``unverified``: whether its quote was not found in the chapter."""

    name: Name
    description: Text = ""
    importance: OptionalName = ""
    participants: Names = Field(default_factory=list)
    location: OptionalName = ""
    evidence: Text = ""
    confidence: Confidence = 1.0
    unverified: Mark = False


class Relation(_Item):
    """A relation between two entities of one reply. ``strength``: 1 to 10; ``unverified``: whether its quote
    was not found in the chapter.

    ``type`` is any text here; relation_types maps it to one of the enabled types.
    """

    source: Name
    target: Name
    type: OptionalName = "KNOWS"
    description: Text = ""
    strength: Strength = 5
    evidence: Text = ""
    confidence: Confidence = 1.0
    unverified: Mark = False


class Extraction(_Item):
    """The entities and relations of one chapter or chunk, as an LLM is asked for them.

    ``absent`` is computed by kgnb (evidence.mark_absent): names of people that do not occur in the chapter's
    text.
    """

    characters: list[Character] = Field(default_factory=list)
    locations: list[Location] = Field(default_factory=list)
    organizations: list[Organization] = Field(default_factory=list)
    events: list[Event] = Field(default_factory=list)
    relations: list[Relation] = Field(default_factory=list)
    things: list[Thing] = Field(default_factory=list)
    absent: list[str] = Field(default_factory=list)

    def referenced_names(self) -> list[str]:
        """Return the names at both ends of all relations, then those of all events' participants, with
        repetitions."""
        names = [name for relation in self.relations for name in (relation.source, relation.target)]
        return names + [name for event in self.events for name in event.participants]


LISTS: dict[str, type[BaseModel]] = {
    "characters": Character,
    "locations": Location,
    "organizations": Organization,
    "events": Event,
    "relations": Relation,
    "things": Thing,
}
"""Name of a list that an LLM is asked for → model of its items, in the order of the request."""


class Flag(StrEnum):
    """A remark on the way an extraction was obtained."""

    REPAIRED = "repaired"  # the reply's JSON was broken and repaired, or taken out of a fence or prose
    SPLIT = "split"  # a chunk was halved because its reply was truncated or unparsable
    TRUNCATED = "truncated"  # a reply was cut off at its limit
    EMPTY = "empty"  # the chapter, or a chunk of it, gave nothing at all
    PARTIAL = "partial"  # items of the reply were rejected
    REFUSED = "refused"  # the provider refused a part of the chapter
    UNVERIFIED = "unverified"  # quotes were not found in the text


GAPS = (Flag.REFUSED, Flag.PARTIAL, Flag.EMPTY)
"""Flags of completed chapters whose extraction may be incomplete; the other flags do not mean a gap."""


Reason = tuple[str, str, str, float]
"""Alias, name that it was joined with, reason, probability (0 to 1) that both are one person's."""


@dataclass(frozen=True, slots=True)
class NameEntry:
    """An entity of a book's name table: canonical name, aliases, label (``kind``: "Character", "Location",
    …), occurrences.

    ``mentions``: number of occurrences; ``first_chapter`` and ``last_chapter``: numbers; ``chapters``: number
    of chapters with the entity.
    """

    name: str
    aliases: tuple[str, ...] = ()
    kind: str = "Character"
    mentions: int = 0
    first_chapter: int = 0
    last_chapter: int = 0
    chapters: int = 0
    narrator: bool = False
    """Whether this person tells the whole book in the first person."""
    reasons: tuple[Reason, ...] = ()
    """Reason of the name scan for joining each alias."""
    since: Mapping[str, int] = field(default_factory=dict)
    """Name or alias → number of the chapter from which a reader knows that it is this person's: the one in
    which the last of the forms occurs that join it to the form that the book uses first."""
