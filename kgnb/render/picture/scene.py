"""Points, sizes and colours that the interactive page and the still images share. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from kgnb.core.messages import say
from kgnb.graph.importance import is_tie
from kgnb.graph.model import Graph
from kgnb.render.picture import layout, selection
from kgnb.render.picture.selection import Person, Tie

EDGE_COLOURS = {
    "family": "#c98a1b",
    "love": "#d6408f",
    "friendship": "#1f9d73",
    "enmity": "#d5383a",
    "hierarchy": "#3a72d8",
    "other": "#a3adbb",
}
DARK_EDGE_COLOURS = {
    "family": "#f2bb55",
    "love": "#f58fc4",
    "friendship": "#5fd6ad",
    "enmity": "#ff8583",
    "hierarchy": "#8cb4ff",
    "other": "#7c8494",
}
"""The same on the page's dark background."""
NODE_COLOURS = ("#f2b8a0", "#a9cdec", "#b7dcb0", "#dcc0e8", "#f3dd9b", "#a8dcd6", "#f4bccb", "#cfd3dc")
NODE_BORDERS = ("#b9573a", "#3f77ab", "#4f8a48", "#8a5aa3", "#a5832a", "#338880", "#b65474", "#717a8a")
FONTS = (
    "'Noto Sans SC','Noto Sans CJK SC','Source Han Sans SC','PingFang SC','Hiragino Sans GB',"
    "'Microsoft YaHei','WenQuanYi Micro Hei',system-ui,-apple-system,'Segoe UI',sans-serif"
)
_MAX_LABEL = 14  # characters of a name that are drawn; the page's side panel shows the whole name


@dataclass(frozen=True, slots=True)
class Spot:
    """A character's circle and label; lengths in points."""

    person: Person
    label: str
    x: float
    y: float
    radius: float
    font: float

    @property
    def fill(self) -> str:
        """Colour of the circle, the same for all of a community."""
        return NODE_COLOURS[min(self.person.community, len(NODE_COLOURS) - 1)]

    @property
    def border(self) -> str:
        """Colour of the circle's outline, darker than ``fill``."""
        return NODE_BORDERS[min(self.person.community, len(NODE_BORDERS) - 1)]


@dataclass(frozen=True, slots=True)
class Scene:
    """Placed circles and ties of a picture. ``everybody``, ``relations``: numbers of the graph's
    characters and ties.
    """

    spots: list[Spot]
    ties: list[Tie]
    top_weight: float
    everybody: int
    relations: int

    @property
    def circles(self) -> list[list[int]]:
        """Positions in ``spots`` of the characters of each colour, in the order of the colours.

        The last colour holds all small communities; [] where all characters share one colour.
        """
        members: dict[str, list[int]] = {colour: [] for colour in NODE_COLOURS}
        for index, spot in enumerate(self.spots):
            members[spot.fill].append(index)
        found = [indexes for indexes in members.values() if indexes]
        return found if len(found) > 1 else []

    def circle_name(self, members: Sequence[int]) -> str:
        """Return the legend's text for one of the :attr:`circles`: most important member and number of
        members.
        """
        first = self.spots[members[0]]
        key = "picture.others" if first.fill == NODE_COLOURS[-1] else "picture.circle"
        return say(key, name=first.label, n=len(members))

    def width(self, tie: Tie) -> float:
        """Return the width of a tie's line in points, 1 to 6."""
        return round(1.0 + 5.0 * (tie.weight / self.top_weight) ** 0.6, 2) if self.top_weight else 1.0


def lay_out(graph: Graph, limit: int, before: Scene | None = None) -> Scene:
    """Return the ``limit`` most important characters of a graph with their places; deterministic.

    Characters of the picture ``before`` keep their places as far as they don't overlap others.
    """
    chosen = selection.select(graph, limit)
    drawn = [t for t in chosen.ties if t.drawn]
    top = max((t.weight for t in drawn), default=0.0)
    everybody = sum(node.label == "Character" for node in graph.nodes.values())
    relations = sum(map(is_tie, graph.edges.values()))
    return Scene(_spots(chosen.people, drawn, top, before), chosen.ties, top, everybody, relations)


def _spots(people: Sequence[Person], drawn: Sequence[Tie], top: float, before: Scene | None) -> list[Spot]:
    """Return a spot for each person, with place, radius and font size; those of ``before`` stay in place."""
    known = {spot.person.node.ref: (spot.x, spot.y) for spot in before.spots} if before else {}
    heaviest = max((p.weight for p in people), default=0.0) or 1.0
    sizes = [(p.weight / heaviest) ** 1.4 for p in people]
    names = (" ".join(printable(p.name).split()) for p in people)
    labels = [name if text_width(name) <= _MAX_LABEL else name[: _MAX_LABEL - 1] + "…" for name in names]
    radii = [round(8 + 20 * s, 1) for s in sizes]
    fonts = [round(12.5 + 8 * s, 1) for s in sizes]
    boxes = [
        layout.Box(max(r + 5, text_width(name) * font / 2 + 5), r + 5, r + font * 1.35 + 5)
        for name, r, font in zip(labels, radii, fonts, strict=True)
    ]
    points = layout.place(
        boxes,
        [(t.a, t.b, (t.weight / top) ** 0.5) for t in drawn],
        [known.get(person.node.ref) for person in people] if known else (),
    )
    return [
        Spot(p, name, x, y, r, f)
        for p, name, (x, y), r, f in zip(people, labels, points, radii, fonts, strict=True)
    ]


def text_width(text: str) -> float:
    """Return the approximate width of a text in em (font sizes): 1 for a Chinese character, 0.56 for
    any other.
    """
    return sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.56 for c in text)


_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def printable(text: object) -> str:
    """Return ``str(text)`` without characters that XML forbids or UTF-8 can't encode."""
    return _UNPRINTABLE.sub("", str(text))
