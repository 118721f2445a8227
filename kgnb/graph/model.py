"""A novel's graph as values: nodes, edges, keys, relation types, and the row it is projected from."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from kgnb.core.model import RULES, Usage
from kgnb.extract.model import Extraction, Flag

RELATION_GROUPS: Mapping[str, tuple[str, ...]] = {
    "family": ("FAMILY", "SPOUSE", "PARENT_OF", "SIBLING"),
    "love": ("LOVES",),
    "hierarchy": ("LEADS", "FOLLOWS", "SERVES", "MASTER_OF"),
    "friendship": ("FRIEND", "ALLY"),
    "enmity": ("ENEMY", "HATES", "RIVAL"),
    "other": ("KNOWS",),
}
"""Group of relation → its types; a type that a config adds counts as "other"."""

_GROUP_OF = {kind: group for group, kinds in RELATION_GROUPS.items() for kind in kinds}


def group_of(kind: str) -> str:
    """Return the group of a relation type, a key of :data:`RELATION_GROUPS`; "other" for an unknown type."""
    return _GROUP_OF.get(kind, "other")


RELATION_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
"""A configured relation type must match this in full before it becomes part of a Cypher statement."""


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
        """Value of the graph's property ``extracted_by``: "rule" for the rules' provider, else "ai"."""
        return "rule" if self.provider == RULES else "ai"


@dataclass(frozen=True, slots=True)
class RecordRow:
    """The row that counts for a chapter, and the other tasks that have a row for it."""

    row: ExtractionRow
    other_tasks: Collection[int] = ()

    @property
    def tasks(self) -> frozenset[int]:
        """Ids of all tasks with a row for the chapter."""
        return frozenset({self.row.task_id, *self.other_tasks})


NodeKey = tuple[str, str]
"""(label, key); the key is unique within a novel: a name, or the id of a Novel, Chapter or Event as text."""

EdgeKey = tuple[NodeKey, str, NodeKey]
"""(source, type, target)."""

KEYS: dict[str, tuple[str, ...]] = {
    "Novel": ("id",),
    "Chapter": ("id",),
    "Character": ("name", "novel_id"),
    "Location": ("name", "novel_id"),
    "Organization": ("name", "novel_id"),
    "Event": ("id",),
    "Thing": ("name", "novel_id"),
}
"""Label → properties of its unique key (wire contract)."""

LABELS = tuple(KEYS)

NAMED_LABELS = ("Character", "Location", "Organization", "Thing")
"""Labels whose unique key is (name, novel_id); the others have ``id``."""

Value = str | int | float | bool | list[str] | list[int]
Properties = dict[str, Value]


class _Stored:
    """Properties of a node or an edge, read with type checks: other programs may have written them."""

    __slots__ = ()
    properties: dict[str, Value]

    def text(self, key: str) -> str:
        """Return a property as text; "" where it is missing, empty or zero."""
        return str(self.properties.get(key) or "")

    def texts(self, key: str) -> list[str]:
        """Return a list property as texts; [] where it is missing or no list."""
        value = self.properties.get(key)
        return list(map(str, value)) if isinstance(value, list) else []

    def number(self, key: str, default: float = 0.0) -> float:
        """Return a property as a finite number; ``default`` where it is missing or no number."""
        value = self.properties.get(key)
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else default

    def numbers(self, key: str) -> list[int]:
        """Return the integers of a property, which may be a list or a single integer; [] without any."""
        value = self.properties.get(key)
        return [one for one in (value if isinstance(value, list) else [value]) if type(one) is int]


@dataclass(slots=True)
class GraphNode(_Stored):
    """A node as the graph store writes it; ``properties`` include those of its unique key."""

    label: str
    key: str
    properties: dict[str, Value]

    @property
    def ref(self) -> NodeKey:
        """(label, key) of the node."""
        return (self.label, self.key)


@dataclass(slots=True)
class GraphEdge(_Stored):
    """An edge as the graph store writes it; equal edges of a novel may share their ``properties``."""

    source: NodeKey
    type: str
    target: NodeKey
    properties: dict[str, Value]

    @property
    def ref(self) -> EdgeKey:
        """(source, type, target) of the edge."""
        return (self.source, self.type, self.target)


@dataclass(slots=True, repr=False)
class Graph:
    """The nodes and edges of one novel, or of one chapter of it.

    ``dropped``: characters left out because none of their names is in the book → tasks that named them."""

    nodes: dict[NodeKey, GraphNode] = field(default_factory=dict)
    edges: dict[EdgeKey, GraphEdge] = field(default_factory=dict)
    dropped: dict[str, frozenset[int]] = field(default_factory=dict, compare=False)

    def chapters(self) -> list[tuple[int, GraphNode]]:
        """Return (number, node) of each chapter, in order of the numbers."""
        nodes = (node for node in self.nodes.values() if node.label == "Chapter")
        found = ((number, node) for node in nodes for number in node.numbers("chapter_number"))
        return sorted(found, key=lambda chapter: chapter[0])

    def counts(self) -> dict[str, int]:
        """Return label → number of nodes and type → number of edges, in one dict."""
        return dict(Counter([*(label for label, _ in self.nodes), *(type_ for _, type_, _ in self.edges)]))

    def __repr__(self) -> str:
        return f"Graph({len(self.nodes)} nodes, {len(self.edges)} edges)"


def key_value(label: str, key: str) -> str | int:
    """Return a node's key as the engines store it: an integer for Novel and Chapter, else the text."""
    return int(key) if label in ("Novel", "Chapter") else key
