"""The card with which a worker greets in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text

from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.render.formatting import cut
from kgnb.render.terminal import GAP

if TYPE_CHECKING:
    from rich.console import RenderableType

NAME_COLUMNS = 64
"""A longer name of a node, provider or model is cut."""


@dataclass(frozen=True, slots=True)
class ServedProvider:
    """A provider that a node serves, with its models and the chapters that may be in flight there."""

    name: str
    models: Sequence[str]
    slots: int


@dataclass(frozen=True, slots=True)
class NodeCard:
    """What a user wants to know of a node that starts.

    ``services``: of "redis", "sql" and "bolt", host and port; "" for the embedded ones. ``drain_seconds``:
    how long chapters in flight may take when it is stopped.
    """

    version: str
    node: str
    providers: Sequence[ServedProvider]
    services: dict[str, str]
    data: Path
    drain_seconds: float

    def __rich__(self) -> RenderableType:
        grid = Grid.grid(padding=(0, GAP, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for label, lines in self._facts():
            grid.add_row(Text(say(f"card.{label}"), "dim"), Text("\n".join(lines)))
        return Group(Text(f"kgnb {self.version} · {cut(self.node, NAME_COLUMNS)}", "bold"), grid)

    def _facts(self) -> list[tuple[str, list[str]]]:
        providers = [_provider(one) for one in self.providers] or [say("card.no_providers")]
        places = [
            say(f"card.{name}", place=one_line(place) or say("doctor.embedded"))
            for name, place in self.services.items()
        ]
        return [
            ("providers", providers),
            ("services", [" · ".join(places)]),
            ("data", [one_line(self.data)]),
            ("to_stop", [say("card.how_to_stop", seconds=round(self.drain_seconds))]),
        ]


def _provider(one: ServedProvider) -> str:
    models = cut(", ".join(one.models), NAME_COLUMNS)
    name = f"{cut(one.name, NAME_COLUMNS)}{f' ({models})' if models else ''}"
    return say("card.provider", provider=name, slots=one.slots)
