"""The picture as a still image in SVG, which takes the fonts of the viewer's machine."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import NamedTuple, TypeAlias

from kgnb.core.messages import say
from kgnb.graph.model import Graph
from kgnb.render.picture import scene
from kgnb.render.picture.scene import EDGE_COLOURS, Scene, Spot, lay_out, printable

STILL_PEOPLE = 45
"""How many characters an image shows; more would be hard to read."""
_MARGIN, _HEAD, _FOOT = 36.0, 64.0, 22.0
_LEGEND_LINE = 24.0
_Point: TypeAlias = tuple[float, float]
_INK, _SOFT, _PAPER = "#232833", "#69717f", "#fdfcf9"


class _Frame:
    """The image's size, and its origin in the layout's coordinates."""

    def __init__(self, shown: Scene) -> None:
        spots = shown.spots
        reach = [max(s.radius, scene.text_width(s.label) * s.font / 2) for s in spots]
        self.left = min((s.x - r for s, r in zip(spots, reach, strict=True)), default=0.0) - _MARGIN
        right = max((s.x + r for s, r in zip(spots, reach, strict=True)), default=0.0) + _MARGIN
        self.top = min((s.y - s.radius for s in spots), default=0.0) - _MARGIN / 2 - _HEAD
        bottom = max((s.y + s.radius + s.font * 1.3 for s in spots), default=0.0) + _MARGIN / 2 + _FOOT
        self.width = max(right - self.left, 640.0)
        self.left -= (self.width - (right - self.left)) / 2
        self.legend = _legend(shown, self.width)
        self.height = max(bottom - self.top, 240.0) + _LEGEND_LINE * len(self.legend)

    def centre(self, spot: Spot) -> tuple[float, float]:
        """Return a circle's centre in the image as (x, y), to a tenth."""
        return round(spot.x - self.left, 1), round(spot.y - self.top, 1)


def summary(shown: Scene) -> str:
    """Return the line under the title: numbers of drawn and of all characters and relations."""
    relations = sum(len(tie.edges) for tie in shown.ties if tie.drawn)  # two characters may have several
    drawn = {"people": len(shown.spots), "relations": relations}
    everything = {"all_people": shown.everybody, "all_relations": shown.relations}
    return say("picture.summary", **drawn, **everything)


def svg(graph: Graph, *, title: str) -> str:
    """Return a still picture of the graph as an SVG document, all texts escaped."""
    shown = lay_out(graph, STILL_PEOPLE)
    frame = _Frame(shown)
    w, h = round(frame.width), round(frame.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}"'
        f' role="img" font-family="{escape(scene.FONTS)}">',
        f"<title>{_xml(title)}</title>",
        f'<rect width="{w}" height="{h}" fill="{_PAPER}"/>',
        *_drawn(shown, frame, title),
        "</svg>",
    ]
    return "\n".join(parts)


def _drawn(shown: Scene, frame: _Frame, title: str) -> Iterator[str]:
    """Yield ties, circles, names, headline and legend; the most important are drawn last."""
    for tie in reversed([tie for tie in shown.ties if tie.drawn]):
        a, b = (frame.centre(shown.spots[i]) for i in (tie.a, tie.b))
        yield _line(a, b, EDGE_COLOURS[tie.group], shown.width(tie), faint=True)
    for spot in shown.spots:
        yield _circle(frame.centre(spot), spot.radius, spot.fill, spot.border)
    for spot in reversed(shown.spots):
        x, y = frame.centre(spot)
        below = round(y + spot.radius + spot.font * 1.05, 1)
        yield _text((x, below), spot.label, spot.font, _INK, centred=True)
    yield _text((_MARGIN, 36), title, 22, _INK)
    yield _text((_MARGIN, 58), summary(shown), 13, _SOFT)
    for number, row in enumerate(reversed(frame.legend)):
        y = round(frame.height - _FOOT - _LEGEND_LINE * number)
        for name, colour, border, x in row:
            if border:
                yield _circle((x + 16, y - 4), 8, colour, border)
            else:
                yield _line((x, y - 4), (x + 24, y - 4), colour, 4)
            yield _text((x + 30, y), name, 13, _SOFT)


class _Entry(NamedTuple):
    """What a colour means: of a line, or of a circle with its ``border``; ``x`` is its place in its row."""

    name: str
    colour: str
    border: str = ""
    x: float = 0.0


def _legend(shown: Scene, width: float) -> list[list[_Entry]]:
    """Return the lines' colours, then the circles', each in as many rows as they need."""
    present = {tie.group for tie in shown.ties if tie.drawn}
    lines = [_Entry(say(f"picture.{g}"), c) for g, c in EDGE_COLOURS.items() if g in present]
    first = ((shown.spots[own[0]], own) for own in shown.circles)
    circles = [_Entry(shown.circle_name(own), spot.fill, spot.border) for spot, own in first]
    rows: list[list[_Entry]] = []
    for entries in (lines, circles):
        x = width
        for entry in entries:
            wide = round(54 + scene.text_width(entry.name) * 13)
            if x + wide > width:
                rows.append([])
                x = _MARGIN
            rows[-1].append(entry._replace(x=x))
            x += wide
    return rows


def _line(start: _Point, end: _Point, colour: str, width: float, *, faint: bool = False) -> str:
    """Return a line in the image's points."""
    opacity = ' stroke-opacity=".6" stroke-linecap="round"' if faint else ""
    (x1, y1), (x2, y2) = start, end
    place = f'x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"'
    return f'<line {place} stroke="{colour}" stroke-width="{width:g}"{opacity}/>'


def _circle(centre: _Point, radius: float, fill: str, border: str) -> str:
    """Return a circle with its border."""
    x, y = centre
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" stroke="{border}" stroke-width="1.5"/>'


def _text(at: _Point, text: str, size: float, colour: str, *, centred: bool = False) -> str:
    """Return a text; a ``centred`` one has a halo, as lines run below it."""
    halo = f' stroke="{_PAPER}" stroke-width="3.5" stroke-linejoin="round" paint-order="stroke"'
    more = f' text-anchor="middle"{halo}' if centred else ""
    place = f'x="{at[0]:g}" y="{at[1]:g}" font-size="{size:g}"'
    return f'<text {place} fill="{colour}"{more}>{_xml(text)}</text>'


def _xml(text: str) -> str:
    """Return the text escaped for XML."""
    return escape(printable(text), quote=True)
