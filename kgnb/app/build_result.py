"""What came of a build, in figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from kgnb.core.model import STRUCTURAL_RELATIONS


@dataclass(frozen=True, slots=True)
class BuildResult:
    """Figures of a build. ``requests``, tokens and ``seconds`` are this run's, the others the task's."""

    task_id: int
    novel_id: int
    status: str
    chapters: int
    completed: int
    failed: int
    skipped: int
    characters: int
    locations: int
    organizations: int
    events: int
    relations: int
    chars: int
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Return the object that ``build --json`` prints."""
        return asdict(self)


def graph_figures(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the figures of a :class:`BuildResult` that are counts of the graph."""
    return {
        "characters": counts["Character"],
        "locations": counts["Location"],
        "organizations": counts["Organization"],
        "events": counts["Event"],
        "relations": sum(n for t, n in counts.items() if t.isupper() and t not in STRUCTURAL_RELATIONS),
    }
