"""Shared types of the record (task, chapter, provider, config, usage) and constants of the wire contract."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

from pydantic import SecretStr

from kgnb.core.addresses import redacted_url
from kgnb.core.labels import CHARACTER_RELATIONS, EXTRACTED_LABELS
from kgnb.core.provider_options import ProviderOptions, checked_options

BEIJING = timezone(timedelta(hours=8), "UTC+8")
"""Time zone of all naive times in SQL (wire contract)."""


def beijing_now() -> datetime:
    """Return the current time as SQL stores it: naive, UTC+8, whole microseconds."""
    return beijing_time(time.time())


def beijing_time(seconds: float) -> datetime:
    """Return epoch seconds as SQL stores a time: naive, UTC+8."""
    return datetime.fromtimestamp(seconds, BEIJING).replace(tzinfo=None)


def in_viewers_zone(stored: datetime) -> datetime:
    """Return a naive time from SQL (UTC+8) as an aware one in this machine's time zone."""
    return stored.replace(tzinfo=BEIJING).astimezone()


class TaskStatus(StrEnum):
    """``knowledge_graph_tasks.status``."""

    CREATED = "created"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"
    CANCELLED = "cancelled"


ACTIVE_STATUSES = (TaskStatus.CREATED, TaskStatus.RUNNING)
"""Of a task that nodes work on, or are to."""
STOPPED_STATUSES = (TaskStatus.PAUSED, TaskStatus.CANCELLED)
"""Of a task that a person stopped."""
CLOSED_STATUSES = (TaskStatus.COMPLETED, TaskStatus.FAILED)
"""Of a task whose work has ended by itself."""


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
"""Name of the built-in provider, which uses no LLM, and of its queue."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Finished HTTP requests to a provider, and tokens as the provider counted them.

    ``cached_tokens`` are those of the prompt tokens that the provider had cached, at a lower price;
    ``reasoning_tokens`` those of the completion tokens that the model thought with.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*map(operator.add, _counts(self), _counts(other)))

    def __sub__(self, other: Usage) -> Usage:
        return Usage(*map(operator.sub, _counts(self), _counts(other)))


_counts = operator.attrgetter(*Usage.__slots__)


@dataclass(frozen=True, slots=True)
class Novel:
    """A row of ``novels``, with the properties of its node in the graph."""

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


@dataclass(frozen=True, slots=True, repr=False)
class Provider:
    """An LLM endpoint, or ``rules``. ``name`` keeps its case, ``lower_name`` is its form in queue keys.

    ``repr`` shows neither the key nor what may be one in the address.
    """

    name: str
    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    models: tuple[str, ...] = ()
    options: ProviderOptions = field(default=ProviderOptions(), hash=False)

    def __post_init__(self) -> None:
        """Take a key that is plain text, and options that are a mapping, as people write them."""
        if isinstance(self.api_key, str):
            object.__setattr__(self, "api_key", SecretStr(self.api_key))
        if not isinstance(self.options, ProviderOptions):
            object.__setattr__(self, "options", checked_options(self.options))

    def __repr__(self) -> str:
        shown = f"{self.name!r}, {redacted_url(self.base_url)!r}, models={self.models!r}"
        return f"Provider({shown}, options={self.options!r})"

    @property
    def all_keys(self) -> tuple[SecretStr, ...]:
        """``api_key`` and the further keys of the options, without repetition and empty ones; () for none."""
        return tuple(dict.fromkeys(k for k in (self.api_key, *self.options.api_keys) if k.get_secret_value()))

    @property
    def lower_name(self) -> str:
        """The lower-case name, as in queue keys."""
        return self.name.lower()

    @property
    def is_rules(self) -> bool:
        """Whether this is the built-in provider."""
        return self.lower_name == RULES


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request: system and user text. ``schema``: JSON schema of the answer, for providers that accept one;
    ``hash``: sha256 (hex) of all that determines the reply, except provider and model."""

    system: str
    user: str
    hash: str
    schema: dict[str, Any] = field(repr=False)


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

    def with_kinds_of(self, tasks: Iterable[Task]) -> TaskConfig:
        """Return the config with the kinds of things of all ``tasks`` added behind its own."""
        kinds = dict.fromkeys(self.thing_kinds)
        for task in tasks:
            kinds |= dict.fromkeys(task.thing_kinds or ())
        return replace(self, thing_kinds=tuple(kinds))


@dataclass(frozen=True, slots=True)
class Task:
    """A task, one run over a book's chapters: a row of ``knowledge_graph_tasks`` and of ``kgnb_tasks``."""

    id: int
    novel_id: int
    name: str
    status: TaskStatus
    use_ai: bool
    chapter_ids: tuple[int, ...] | None  # None: all of the novel's
    provider: str = ""
    model: str = ""
    queue: str = ""
    refreshed: bool = False
    error: str = ""
    thing_kinds: tuple[str, ...] | None = None  # None: decided when it is opened

    @property
    def ended(self) -> bool:
        """Whether the task has ended and its graph was refreshed since."""
        return self.refreshed and self.status in CLOSED_STATUSES


@dataclass(frozen=True, slots=True)
class Progress:
    """A task's chapters by status, the characters of the completed ones, and the usage of all.

    ``rate``: chapters that ended per minute of late; None when none did.
    """

    total: int = 0
    pending: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    skipped: int = 0
    chars: int = 0
    usage: Usage = Usage()
    rate: float | None = None

    @property
    def open(self) -> int:
        """Chapters still to be processed."""
        return self.pending + self.running

    @property
    def ended(self) -> int:
        """Chapters that need no more work."""
        return self.completed + self.failed + self.skipped

    @property
    def percent(self) -> float:
        """Share of chapters that have ended, 0-100 with one decimal; 100.0 without chapters."""
        return round(100 * self.ended / self.total, 1) if self.total else 100.0


@dataclass(frozen=True, slots=True)
class BuildStep:
    """Progress of a build: what it is doing, its task and the chapters so far.

    ``rate``: chapters a minute in this run, None before any ended; ``cost``: of the task so far, None where
    it isn't known, in ``currency`` ("" where the prices are the user's own); ``waited``: seconds since the
    oldest request in flight was sent.
    """

    stage: str
    """"found", "resumed", "scan" (names), "started" (the node's), "chapters", "refreshing" (the graph)
    or "done"."""
    progress: Progress
    task: int
    chapters: int  # of the book
    rate: float | None = None
    cost: float | None = None
    currency: str = ""
    waited: float = 0.0
    provider: str = ""
    """Who extracts: the provider's name and its model; "" for the rules."""

    @property
    def total(self) -> int:
        """Number of the task's chapters; before the task is open, of the book's."""
        return self.progress.total or self.chapters

    @property
    def percent(self) -> float:
        """Share of chapters that have ended, 0-100."""
        return 100 * self.progress.ended / self.total if self.total else 0.0
