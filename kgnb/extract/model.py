"""What one chapter gave: the object that an LLM is asked for, validated field by field.

A reply is hostile input: every string and list is bounded and cleaned here, before anything else reads it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MAX_NAME = 100
MAX_TEXT = 2_000
MAX_ITEMS = 500
"""Bounds of one reply's strings and lists: far above any honest reply, so that a hostile one stays small."""

_SPACES = re.compile(r"\s+")


def clean(value: object, limit: int) -> str:
    """``value`` as one line of printable text of at most ``limit`` characters; raises ValueError for a
    container, so that ``{"name": {...}}`` is a rejected item and not a name."""
    if isinstance(value, str) and value.isprintable() and "  " not in value:
        return value.strip()[:limit].rstrip()  # as nearly every text is; the rest costs ten times as much
    if value is None:
        return ""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise ValueError("not a text")
    text = str(value)[: limit * 4]
    text = "".join(" " if c in "\n\r\t" else c for c in text if c in "\n\r\t" or _printable(c))
    return _SPACES.sub(" ", text).strip()[:limit].rstrip()


def _printable(char: str) -> bool:
    # Cc control, Cf format (bidi overrides, zero widths), Cs lone surrogates, Co private use, Cn unassigned.
    return not unicodedata.category(char).startswith("C")


def _name(value: object) -> str:
    if isinstance(value, str) and len(value) > MAX_NAME * 2:
        raise ValueError("too long for a name")
    name = clean(value, MAX_NAME)
    if not name:
        raise ValueError("an empty name")
    return name


def _optional_name(value: object) -> str:
    return clean(value, MAX_NAME)


def _text(value: object) -> str:
    return clean(value, MAX_TEXT)


def _names(value: object) -> list[str]:
    """A list of names; a single string counts as a list of one, what is no text is left out."""
    if value is None:
        return []
    items = value if isinstance(value, list) else [value]
    names = (clean(i, MAX_NAME) for i in items[:MAX_ITEMS] if isinstance(i, str) and len(i) <= MAX_NAME * 2)
    return list(dict.fromkeys(n for n in names if n))


def _number(low: float, high: float, default: float) -> Any:
    def read(value: object) -> float:
        try:
            number = float(value) if isinstance(value, (int, float, str)) else default
        except ValueError:
            return default
        except OverflowError:  # a whole number of hundreds of digits
            return high if isinstance(value, int) and value > 0 else low
        return min(high, max(low, number)) if number == number else default

    return read


def _whole(low: int, high: int, default: int) -> Any:
    read = _number(low, high, default)

    def whole(value: object) -> int:
        return value if type(value) is int and low <= value <= high else round(read(value))

    return whole


Name = Annotated[str, BeforeValidator(_name)]
OptionalName = Annotated[str, BeforeValidator(_optional_name)]
Text = Annotated[str, BeforeValidator(_text)]
Names = Annotated[list[str], BeforeValidator(_names)]
Score = Annotated[int, BeforeValidator(_whole(0, 100, 0))]
Strength = Annotated[int, BeforeValidator(_whole(1, 10, 5))]
Confidence = Annotated[float, BeforeValidator(_number(0.0, 1.0, 1.0))]
Mark = Annotated[bool, BeforeValidator(lambda value: value is True)]


class _Item(BaseModel):
    # Lists by default come from a factory: pydantic would make a deep copy of [], for each item.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Character(_Item):
    """A person of the book; ``protagonist_score`` 0-100."""

    name: Name
    aliases: Names = Field(default_factory=list)
    description: Text = ""
    traits: Names = Field(default_factory=list)
    title: OptionalName = ""
    protagonist_score: Score = 0
    confidence: Confidence = 1.0


class Location(_Item):
    """A place."""

    name: Name
    description: Text = ""
    type: OptionalName = ""
    confidence: Confidence = 1.0


class Organization(_Item):
    """A group, house, army, sect or company."""

    name: Name
    description: Text = ""
    type: OptionalName = ""
    confidence: Confidence = 1.0


class Thing(_Item):
    """An entity of a kind that the task's config enables beyond the four labels."""

    name: Name
    kind: OptionalName = ""
    aliases: Names = Field(default_factory=list)
    description: Text = ""
    confidence: Confidence = 1.0


class Event(_Item):
    """Something that happens in the chapter; ``unverified``: no quote of it was found there."""

    name: Name
    description: Text = ""
    importance: OptionalName = ""
    participants: Names = Field(default_factory=list)
    location: OptionalName = ""
    evidence: Text = ""
    confidence: Confidence = 1.0
    unverified: Mark = False


class Relation(_Item):
    """A tie between two entities of one reply; ``type`` is data until it is matched to the enabled list.

    ``unverified``: no quote of it was found in the chapter."""

    source: Name
    target: Name
    type: OptionalName = "KNOWS"
    description: Text = ""
    strength: Strength = 5
    evidence: Text = ""
    confidence: Confidence = 1.0
    unverified: Mark = False


class Extraction(_Item):
    """What one chapter (or chunk) gave: the object that an LLM is asked for, validated.

    ``absent`` no LLM is asked for: names of people in it that don't stand in the chapter's text."""

    characters: list[Character] = Field(default_factory=list)
    locations: list[Location] = Field(default_factory=list)
    organizations: list[Organization] = Field(default_factory=list)
    events: list[Event] = Field(default_factory=list)
    relations: list[Relation] = Field(default_factory=list)
    things: list[Thing] = Field(default_factory=list)
    absent: list[str] = Field(default_factory=list)


class Flag(StrEnum):
    """What a reader of a chapter's extraction should know about it."""

    REPAIRED = "repaired"  # the reply's JSON was broken and mended, or taken out of a fence or prose
    SPLIT = "split"  # a chunk was split because its reply was cut off or unparsable
    TRUNCATED = "truncated"  # a reply was cut off at its limit, so that its chunk was split
    EMPTY = "empty"  # the chapter, or a chunk of it, gave nothing at all
    PARTIAL = "partial"  # items of the reply were rejected
    REFUSED = "refused"  # a part of the chapter was refused by the provider
    UNVERIFIED = "unverified"  # evidence was not found in the text


GAPS = (Flag.REFUSED, Flag.PARTIAL, Flag.EMPTY)
"""Flags of a completed chapter from which something may be missing; the others say how the whole came."""


@dataclass(frozen=True, slots=True)
class NameEntry:
    """A name of a book: canonical and other forms, label ("Character", …) and where it stands."""

    name: str
    aliases: tuple[str, ...] = ()
    kind: str = "Character"
    mentions: int = 0
    first_chapter: int = 0
    last_chapter: int = 0
    chapters: int = 0
    reasons: tuple[tuple[str, str, str], ...] = ()
    """(alias, name that it was joined with, why), where the pre-scan said why."""
