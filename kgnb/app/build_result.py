"""What came of a build, in figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from kgnb.app.context import App
from kgnb.app.graphs import graph_counts
from kgnb.core.event_loop import at_once
from kgnb.core.formatting import duration
from kgnb.core.labels import STRUCTURAL_RELATIONS
from kgnb.core.messages import say


@dataclass(frozen=True, slots=True)
class BuildResult:
    """Figures of a build. ``requests``, tokens and ``seconds`` are this run's; ``book_chapters``, ``chars``
    and those of the graph the book's; the other numbers of chapters the task's, which reads what is new.
    """

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
    book_chapters: int
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
        """Return :meth:`as_dict` for a text; ``status`` is "gaps" if some chapters failed and others are
        completed; ``taken`` says the time, if it is worth telling.
        """
        status = "gaps" if self.failed and self.completed else self.status
        taken = say("cli.took", time=duration(self.seconds)) if self.seconds >= 1 else ""
        return self.as_dict() | {"status": status, "taken": taken}


async def book_figures(app: App, novel_id: int) -> dict[str, int]:
    """Return the figures of the book that a :class:`BuildResult` has: ``book_chapters``, and of its graph
    ``characters``, ``locations``, ``organizations``, ``events``, ``relations`` (ties between characters).
    Raises ServiceDown.
    """
    counts, chapters = await at_once(graph_counts(app, novel_id), app.ledger.books.chapters(novel_id))
    return {
        "book_chapters": len(chapters),
        "characters": counts.get("Character", 0),
        "locations": counts.get("Location", 0),
        "organizations": counts.get("Organization", 0),
        "events": counts.get("Event", 0),
        "relations": sum(n for t, n in counts.items() if t.isupper() and t not in STRUCTURAL_RELATIONS),
    }
