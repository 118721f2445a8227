"""The card with which a worker greets in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from kgnb.core.formatting import cut
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.render.terminal import GAP

NAME_COLUMNS = 64
"""A longer name of a node, provider or model is cut."""


def node_card(
    version: str,
    node: str,
    providers: Sequence[tuple[str, Sequence[str], int]],
    services: Mapping[str, str],
    data: Path,
    drain_seconds: float,
) -> RenderableType:
    """Return what a user wants to know of a node that starts.

    ``providers``: name, models and slots; ``services``: of "redis", "sql" and "bolt", host and port, "" for
    the embedded ones; ``drain_seconds``: how long chapters in flight may take when it is stopped.
    """
    served = [_provider(*one) for one in providers] or [say("card.no_providers")]
    places = [
        say(f"card.{name}", place=one_line(place) or say("doctor.embedded"))
        for name, place in services.items()
    ]
    facts = {
        "providers": "\n".join(served),
        "services": " · ".join(places),
        "data": one_line(data),
        "to_stop": say("card.how_to_stop", seconds=round(drain_seconds)),
    }
    grid = Grid.grid(padding=(0, GAP, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in facts.items():
        grid.add_row(Text(say(f"card.{label}"), "dim"), Text(text))
    return Group(Text(f"kgnb {version} · {cut(node, NAME_COLUMNS)}", "bold"), grid)


def _provider(name: str, models: Sequence[str], slots: int) -> str:
    """Return a provider's line: name, models, slots."""
    listed = cut(", ".join(models), NAME_COLUMNS)
    shown = f"{cut(name, NAME_COLUMNS)}{f' ({listed})' if listed else ''}"
    return say("card.provider", provider=shown, slots=slots)
