"""The picture as a still image: SVG, and PNG where Pillow and a fitting font are installed."""

from __future__ import annotations

import functools
import importlib
import io
from html import escape
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from kgnb.core.errors import InputError
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
    pen = _SvgPen()
    _draw(pen, shown, frame, title)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}"'
        f' role="img" font-family="{escape(scene.FONTS)}">',
        f"<title>{_xml(title)}</title>",
        f'<rect width="{w}" height="{h}" fill="{_PAPER}"/>',
        *pen.parts,
        "</svg>",
    ]
    return "\n".join(parts)


def _draw(pen: _SvgPen | _PngPen, shown: Scene, frame: _Frame, title: str) -> None:
    """Ties, circles, names, headline and legend; the most important are drawn last."""
    drawn = [tie for tie in shown.ties if tie.drawn]
    for tie in reversed(drawn):
        a, b = (frame.centre(shown.spots[i]) for i in (tie.a, tie.b))
        pen.line(a, b, EDGE_COLOURS[tie.group], shown.width(tie), faint=True)
    for spot in shown.spots:
        pen.circle(frame.centre(spot), spot.radius, spot.fill, spot.border)
    for spot in reversed(shown.spots):
        x, y = frame.centre(spot)
        below = round(y + spot.radius + spot.font * 1.05, 1)
        pen.text((x, below), spot.label, spot.font, _INK, centred=True)
    pen.text((_MARGIN, 36), title, 22, _INK)
    pen.text((_MARGIN, 58), summary(shown), 13, _SOFT)
    for number, row in enumerate(reversed(frame.legend)):
        y = round(frame.height - _FOOT - _LEGEND_LINE * number)
        for name, colour, border, x in row:
            if border:
                pen.circle((x + 16, y - 4), 8, colour, border)
            else:
                pen.line((x, y - 4), (x + 24, y - 4), colour, 4)
            pen.text((x + 30, y), name, 13, _SOFT)


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


def _xml(text: str) -> str:
    """Return the text escaped for XML."""
    return escape(printable(text), quote=True)


class _SvgPen:
    """Draws in the image's points."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def line(self, start: _Point, end: _Point, colour: str, width: float, *, faint: bool = False) -> None:
        opacity = ' stroke-opacity=".6" stroke-linecap="round"' if faint else ""
        (x1, y1), (x2, y2) = start, end
        place = f'x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"'
        self.parts.append(f'<line {place} stroke="{colour}" stroke-width="{width:g}"{opacity}/>')

    def circle(self, centre: _Point, radius: float, fill: str, border: str) -> None:
        x, y = centre
        self.parts.append(
            f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" stroke="{border}" stroke-width="1.5"/>'
        )

    def text(self, at: _Point, text: str, size: float, colour: str, *, centred: bool = False) -> None:
        halo = f' stroke="{_PAPER}" stroke-width="3.5" stroke-linejoin="round" paint-order="stroke"'
        more = f' text-anchor="middle"{halo}' if centred else ""
        place = f'x="{at[0]:g}" y="{at[1]:g}" font-size="{size:g}"'
        self.parts.append(f'<text {place} fill="{colour}"{more}>{_xml(text)}</text>')


# --- PNG ----------------------------------------------------------------------------------------------------

_FONT_FILES = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/Hiragino Sans GB.ttc",
)
_LATIN_FONT_FILES = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/System/Library/Fonts/Helvetica.ttc",
)
_SCALE = 2  # pixels per point, for high-density screens
_MAX_PIXELS = 6_000


def pillow() -> tuple[Any, Any, Any]:
    """Return Pillow's modules (Image, ImageDraw, ImageFont). Raises InputError when they can't be
    imported.
    """
    try:
        image, draw, font = (importlib.import_module(f"PIL.Image{part}") for part in ("", "Draw", "Font"))
    except ImportError:
        raise InputError("exchange.no_pillow") from None
    return image, draw, font


def png(graph: Graph, *, title: str) -> bytes:
    """Return a still picture of the graph as PNG bytes. Raises InputError without Pillow or without a
    fitting font.
    """
    image, draw, fonts = pillow()
    shown = lay_out(graph, STILL_PEOPLE)
    frame = _Frame(shown)
    text = "".join([title, summary(shown), *(s.label for s in shown.spots)])
    is_cjk = max(text, default="") > "\u2e7f"
    files = _FONT_FILES if is_cjk else (*_LATIN_FONT_FILES, *_FONT_FILES)
    file = next((file for file in files if Path(file).is_file()), None)
    if file is None:
        raise InputError("exchange.no_font", font="fonts-noto-cjk" if is_cjk else "fonts-dejavu-core")
    pen = _PngPen((image, draw), functools.cache(lambda size: fonts.truetype(file, size)), frame)
    _draw(pen, shown, frame, title)
    out = io.BytesIO()
    pen.image.save(out, "PNG", optimize=True)
    return out.getvalue()


class _PngPen:
    """The same with Pillow, which is optional and therefore untyped here."""

    def __init__(self, pillow: tuple[Any, Any], font: Any, frame: _Frame) -> None:
        self._font = font
        self._scale = min(_SCALE, _MAX_PIXELS / max(frame.width, frame.height))
        size = (round(frame.width * self._scale), round(frame.height * self._scale))
        image, drawing = pillow
        self.image = image.new("RGB", size, _PAPER)
        self._pen = drawing.Draw(self.image, "RGBA")

    def line(self, start: _Point, end: _Point, colour: str, width: float, *, faint: bool = False) -> None:
        points = [tuple(v * self._scale for v in point) for point in (start, end)]
        fill = colour + "99" if faint else colour
        self._pen.line(points, fill=fill, width=max(1, round(width * self._scale)))

    def circle(self, centre: _Point, radius: float, fill: str, border: str) -> None:
        (x, y), r, s = centre, radius, self._scale
        box = [(x - r) * s, (y - r) * s, (x + r) * s, (y + r) * s]
        self._pen.ellipse(box, fill=fill, outline=border, width=max(1, round(1.5 * s)))

    def text(self, at: _Point, text: str, size: float, colour: str, *, centred: bool = False) -> None:
        point = (at[0] * self._scale, at[1] * self._scale)
        font = self._font(max(8, round(size * self._scale)))
        halo = {"stroke_width": round(1.7 * self._scale), "stroke_fill": _PAPER}
        anchor = "ms" if centred else "ls"
        self._pen.text(point, printable(text), font=font, fill=colour, anchor=anchor, **halo)
