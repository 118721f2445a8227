"""The nouns that every part shares. Standard library and pydantic only; no I/O.

A *task* is one run over a book's chapters, an *extraction* what one chapter gave, a *slot* one chapter in
flight. Names and shapes that other programs read (labels, relation types, statuses) are fixed by the wire
contract and collected here.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

# --- times --------------------------------------------------------------------------------------------------

BEIJING = timezone(timedelta(hours=8), "UTC+8")
"""The zone of every naive time in SQL (wire contract)."""


def beijing_now() -> datetime:
    """The current time as SQL stores it: naive, UTC+8, whole microseconds."""
    return datetime.now(BEIJING).replace(tzinfo=None)


# --- statuses -----------------------------------------------------------------------------------------------


class TaskStatus(StrEnum):
    """``knowledge_graph_tasks.status``."""

    CREATED = "created"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class ChapterStatus(StrEnum):
    """``knowledge_graph_chapter_status.status``; *skipped*: empty or under 10 characters of text."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


MIN_CHAPTER_CHARS = 10
"""A chapter with fewer characters of text (white space aside) is skipped (wire contract)."""

RULES = "rules"
"""The built-in provider that asks no LLM, and the name of its queue."""

Lang = Literal["zh", "en"]

# --- relation types -----------------------------------------------------------------------------------------

SYMMETRIC_RELATIONS = frozenset(
    {"FRIEND", "ENEMY", "KNOWS", "SPOUSE", "SIBLING", "FAMILY", "ALLY", "RIVAL"},
)
"""Stored once per pair, ends in name order; every other type keeps its direction."""

CHARACTER_RELATIONS = (
    "FRIEND",
    "ENEMY",
    "LOVES",
    "HATES",
    "KNOWS",
    "LEADS",
    "FOLLOWS",
    "FAMILY",
    "SPOUSE",
    "PARENT_OF",
    "SIBLING",
    "MASTER_OF",
    "ALLY",
    "RIVAL",
    "SERVES",
)
"""Character to Character types that are enabled without any config; the first seven are main's."""

EXTRACTED_LABELS = ("Character", "Location", "Organization", "Event")
"""Kinds of entities that are extracted without any config."""

STRUCTURAL_RELATIONS = ("APPEARS_IN", "PARTICIPATES_IN", "OCCURS_IN", "BELONGS_TO")
"""Types that follow from where a name stands in a reply, never from a word of it."""

RELATION_GROUPS: Mapping[str, tuple[str, ...]] = {
    "family": ("FAMILY", "SPOUSE", "PARENT_OF", "SIBLING"),
    "love": ("LOVES",),
    "hierarchy": ("LEADS", "FOLLOWS", "SERVES", "MASTER_OF"),
    "friendship": ("FRIEND", "ALLY"),
    "enmity": ("ENEMY", "HATES", "RIVAL"),
    "other": ("KNOWS",),
}
"""What kind of tie a type is; one that a config adds counts as "other"."""

_GROUP_OF = {kind: group for group, kinds in RELATION_GROUPS.items() for kind in kinds}


def group_of(kind: str) -> str:
    """The group (key of :data:`RELATION_GROUPS`) of a relation type."""
    return _GROUP_OF.get(kind, "other")


RELATION_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
"""What a configured relation type must match in whole before it may become part of a statement."""

# --- a reply ------------------------------------------------------------------------------------------------

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
class Usage:
    """What calls cost: finished HTTP requests to the provider, and tokens as it counted them.

    ``cached_tokens``: those of the prompt's that came out of the provider's own cache, at a lower price.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.requests - other.requests,
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
            self.cached_tokens - other.cached_tokens,
        )


# --- books --------------------------------------------------------------------------------------------------


def text_hash(text: str) -> str:
    """sha256 (hex) of a text: the identity of a chapter's or a book's content."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class BookChapter:
    """A chapter as read from a file; ``number`` counts from 1, ``text`` holds no heading line."""

    number: int
    title: str
    text: str

    @property
    def hash(self) -> str:
        """Identity of the chapter's text."""
        return text_hash(self.text)


@dataclass(frozen=True, slots=True)
class Book:
    """A book as read from a file. ``sha256`` is of the normalised text in whole."""

    title: str
    author: str
    lang: Lang
    chapters: tuple[BookChapter, ...]
    sha256: str

    @property
    def facts(self) -> BookFacts:
        """What is known of it without its texts."""
        return BookFacts(self.title, self.sha256, self.chars, len(self.chapters))

    @property
    def chars(self) -> int:
        """Characters of all chapters."""
        return sum(len(c.text) for c in self.chapters)


@dataclass(frozen=True, slots=True)
class BookFacts:
    """A book without its texts, which lie in SQL once it is imported. ``chapters`` is their number."""

    title: str
    sha256: str
    chars: int
    chapters: int


@dataclass(frozen=True, slots=True)
class Novel:
    """A row of ``novels``: what the graph says of a book."""

    id: int
    title: str
    author: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A row of ``chapters`` without its text."""

    id: int
    novel_id: int
    number: int
    title: str
    word_count: int


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


# --- providers and tasks ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Provider:
    """Who answers: ``rules``, or an endpoint. ``name`` keeps its case; ``key`` is what queue keys carry."""

    name: str
    base_url: str = ""
    api_key: SecretStr = field(default=SecretStr(""), repr=False)
    models: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name as queue keys carry it: lower case."""
        return self.name.lower()

    @property
    def is_rules(self) -> bool:
        """Whether this is the built-in provider."""
        return self.key == RULES


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """A row of ``knowledge_graph_configs``, or the defaults where there is none.

    ``relation_types`` are the enabled Character-to-Character types that may become statements; empty: no
    relations between characters at all. ``labels`` are the enabled ones of :data:`EXTRACTED_LABELS`,
    ``thing_kinds`` the enabled entity kinds beyond them.
    """

    ai_provider: str = ""
    ai_model: str = ""
    use_ai: bool = True
    max_content_length: int = 4_000
    relation_types: tuple[str, ...] = CHARACTER_RELATIONS
    thing_kinds: tuple[str, ...] = ()
    labels: tuple[str, ...] = EXTRACTED_LABELS


@dataclass(frozen=True, slots=True)
class Task:
    """A row of ``knowledge_graph_tasks`` with what kgnb remembers beside it."""

    id: int
    novel_id: int
    name: str
    status: TaskStatus
    use_ai: bool
    chapter_ids: tuple[int, ...] | None  # None: all of the novel's
    provider: str = ""
    model: str = ""
    queue: str = ""
    settled: bool = False
    error: str = ""
    thing_kinds: tuple[str, ...] | None = None  # None: not decided before it is opened

    @property
    def ended(self) -> bool:
        """Whether it came to its end, and its graph is settled."""
        return self.settled and self.status in (TaskStatus.COMPLETED, TaskStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Progress:
    """A task's chapters by status, and what its completed ones gave; always counted from rows."""

    total: int = 0
    pending: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    skipped: int = 0
    chars: int = 0
    usage: Usage = Usage()

    @property
    def open(self) -> int:
        """Chapters that still have to be worked on."""
        return self.pending + self.running

    @property
    def percent(self) -> float:
        """Share of chapters that came to an end, 0-100 with one decimal."""
        ended = self.completed + self.failed + self.skipped
        return round(100 * ended / self.total, 1) if self.total else 100.0


@dataclass(frozen=True, slots=True)
class ExtractionRow:
    """A row of ``kgnb_extractions``: the record that the graph is projected from."""

    task_id: int
    novel_id: int
    chapter_id: int
    chapter_number: int
    text_hash: str
    prompt_hash: str
    extraction: Extraction
    provider: str
    model: str
    token: int
    flags: frozenset[Flag] = frozenset()
    usage: Usage = Usage()
    chars: int = 0
    rejected: int = 0  # items of the replies that failed validation

    @property
    def extracted_by(self) -> Literal["ai", "rule"]:
        """What the graph says about the origin."""
        return "rule" if self.provider == RULES else "ai"


# --- the graph ----------------------------------------------------------------------------------------------

NodeKey = tuple[str, str]
"""(label, key): the unique key within a novel as text: a name, or the id of a Novel, Chapter or Event."""

EdgeKey = tuple[NodeKey, str, NodeKey]
"""(source, type, target)."""

LABELS = ("Novel", "Chapter", "Character", "Location", "Organization", "Event", "Thing")
NAMED_LABELS = ("Character", "Location", "Organization", "Thing")
"""Labels whose unique key is (name, novel_id); the others have ``id``."""

Value = str | int | float | bool | list[str] | list[int]


@dataclass(slots=True)
class GraphNode:
    """A node as the graph store writes it. ``properties`` hold the key's own properties too."""

    label: str
    key: str
    properties: dict[str, Value]

    @property
    def ref(self) -> NodeKey:
        """The node's key."""
        return (self.label, self.key)


@dataclass(slots=True)
class GraphEdge:
    """An edge as the graph store writes it."""

    source: NodeKey
    type: str
    target: NodeKey
    properties: dict[str, Value]

    @property
    def ref(self) -> EdgeKey:
        """The edge's key."""
        return (self.source, self.type, self.target)


@dataclass(slots=True)
class Graph:
    """A node set and an edge set of one novel.

    ``dropped``: characters left out because no name of theirs stands in the book → tasks that named them."""

    nodes: dict[NodeKey, GraphNode] = field(default_factory=dict)
    edges: dict[EdgeKey, GraphEdge] = field(default_factory=dict)
    dropped: dict[str, frozenset[int]] = field(default_factory=dict, compare=False)
