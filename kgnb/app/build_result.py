"""What came of a build, in figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from kgnb.app.settle import Parts, settle_missing
from kgnb.core.labels import STRUCTURAL_RELATIONS


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

    def facts(self) -> dict[str, object]:
        """Return what a text says of it, where a build with gaps isn't called failed."""
        return self.as_dict() | ({"status": "gaps"} if self.failed and self.completed else {})


async def graph_figures(app: Parts, novel_id: int) -> dict[str, int]:
    """Return the figures of a :class:`BuildResult` that are counts of the graph, which is made again from the
    record where it is missing. Raises ServiceDown."""
    await settle_missing(app, novel_id)
    counts = await app.graph.counts(novel_id)
    return {
        "characters": counts["Character"],
        "locations": counts["Location"],
        "organizations": counts["Organization"],
        "events": counts["Event"],
        "relations": sum(n for t, n in counts.items() if t.isupper() and t not in STRUCTURAL_RELATIONS),
    }
