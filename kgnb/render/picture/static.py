"""The picture as a still image: SVG, and PNG where Pillow and a fitting font are installed."""

from __future__ import annotations

import functools
import importlib
import io
import logging
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from kgnb.core.messages import Language, say
from kgnb.render.picture import scene
from kgnb.render.picture.scene import EDGE_COLOURS, Scene, Spot, localized, printable

log = logging.getLogger(__name__)

_MARGIN, _HEAD, _FOOT = 36.0, 64.0, 46.0
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
        self.height = max(bottom - self.top, 240.0)

    def centre(self, spot: Spot) -> tuple[float, float]:
        """A circle's centre in the image."""
        return round(spot.x - self.left, 1), round(spot.y - self.top, 1)


def summary(shown: Scene, lang: Language) -> str:
    """The line under the title: how many of the book's characters and ties are shown."""
    ties = sum(t.drawn for t in shown.ties)
    return localized("picture.summary", lang, people=len(shown.spots), ties=ties, all=shown.everybody)


def svg(shown: Scene, title: str, lang: Language) -> str:
    """The image as an SVG document, all texts escaped."""
    frame = _Frame(shown)
    w, h = round(frame.width), round(frame.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}"'
        f' role="img" font-family="{escape(scene.FONTS)}">',
        f"<title>{_xml(title)}</title>",
        f'<rect width="{w}" height="{h}" fill="{_PAPER}"/>',
        f'<text x="{_MARGIN:g}" y="36" font-size="22" font-weight="600" fill="{_INK}">{_xml(title)}</text>',
        f'<text x="{_MARGIN:g}" y="58" font-size="13" fill="{_SOFT}">{_xml(summary(shown, lang))}</text>',
        *_svg_ties(shown, frame),
        *_svg_spots(shown, frame),
        *_svg_legend(shown, frame, lang),
        "</svg>",
    ]
    return "\n".join(parts)


def _xml(text: str) -> str:
    return escape(printable(text), quote=True)


def _svg_ties(shown: Scene, frame: _Frame) -> Iterator[str]:
    for tie in reversed([t for t in shown.ties if t.drawn]):
        (x1, y1), (x2, y2) = frame.centre(shown.spots[tie.a]), frame.centre(shown.spots[tie.b])
        yield (
            f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{EDGE_COLOURS[tie.group]}"'
            f' stroke-width="{shown.width(tie)}" stroke-opacity=".6" stroke-linecap="round"/>'
        )


def _svg_spots(shown: Scene, frame: _Frame) -> Iterator[str]:
    for spot in shown.spots:
        x, y = frame.centre(spot)
        yield (
            f'<circle cx="{x}" cy="{y}" r="{spot.radius}" fill="{spot.fill}" stroke="{spot.border}"'
            ' stroke-width="1.5"/>'
        )
    for spot in reversed(shown.spots):
        x, y = frame.centre(spot)
        yield (
            f'<text x="{x}" y="{round(y + spot.radius + spot.font * 1.05, 1)}" font-size="{spot.font}"'
            f' text-anchor="middle" fill="{_INK}" stroke="{_PAPER}" stroke-width="3.5"'
            f' stroke-linejoin="round" paint-order="stroke">{_xml(spot.label)}</text>'
        )


def _legend(shown: Scene, lang: Language) -> Iterator[tuple[float, str, str]]:
    """(x, colour, name) of each group of ties that is drawn."""
    present = {t.group for t in shown.ties if t.drawn}
    x = _MARGIN
    for group in (g for g in EDGE_COLOURS if g in present):
        name = localized(f"picture.{group}", lang)
        yield x, EDGE_COLOURS[group], name
        x += 54 + scene.text_width(name) * 13


def _svg_legend(shown: Scene, frame: _Frame, lang: Language) -> Iterator[str]:
    y = frame.height - 22
    for x, colour, name in _legend(shown, lang):
        yield f'<path d="M{x:.0f} {y - 4:.0f}h24" stroke="{colour}" stroke-width="4"/>'
        yield f'<text x="{x + 30:.0f}" y="{y:.0f}" font-size="13" fill="{_SOFT}">{_xml(name)}</text>'


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
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/simhei.ttf",
)
_LATIN_FONT_FILES = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/System/Library/Fonts/Helvetica.ttc",
    "C:/Windows/Fonts/arial.ttf",
)
_SCALE = 2  # pixels per point, for high-density screens
_MAX_PIXELS = 6_000


def png(shown: Scene, title: str, lang: Language) -> bytes | None:
    """The image as a PNG, or None and a log line where Pillow or a font for the names is missing."""
    try:
        pillow = (importlib.import_module("PIL.Image"), importlib.import_module("PIL.ImageDraw"))
        fonts = importlib.import_module("PIL.ImageFont")
    except ImportError:
        log.info(say("picture.no_png", reason="Pillow"))
        return None
    note = summary(shown, lang)
    text = "".join([title, note, *(s.label for s in shown.spots)])
    files = _FONT_FILES if max(text, default="") > "\u2e7f" else (*_LATIN_FONT_FILES, *_FONT_FILES)
    file = next((file for file in files if Path(file).is_file()), None)
    if file is None:
        log.info(say("picture.no_png", reason="CJK font"))
        return None
    painter = _PngPainter(pillow, functools.cache(lambda size: fonts.truetype(file, size)), shown)
    return painter.paint(title, note, lang)


class _PngPainter:
    """Draws with Pillow, which is optional and therefore untyped here."""

    def __init__(self, pillow: tuple[Any, Any], font: Any, shown: Scene) -> None:
        self.frame = _Frame(shown)
        self.shown = shown
        self.font = font
        self.scale = min(_SCALE, _MAX_PIXELS / max(self.frame.width, self.frame.height))
        size = (round(self.frame.width * self.scale), round(self.frame.height * self.scale))
        image, drawing = pillow
        self.image = image.new("RGB", size, _PAPER)
        self.pen = drawing.Draw(self.image, "RGBA")

    def paint(self, title: str, note: str, lang: Language) -> bytes:
        for tie in reversed([t for t in self.shown.ties if t.drawn]):
            ends = [self.frame.centre(self.shown.spots[i]) for i in (tie.a, tie.b)]
            self._line(ends[0], ends[1], EDGE_COLOURS[tie.group] + "99", self.shown.width(tie))
        for spot in self.shown.spots:
            self._circle(spot)
        for spot in reversed(self.shown.spots):
            x, y = self.frame.centre(spot)
            self._text((x, y + spot.radius + spot.font * 1.05), spot.label, spot.font, _INK, "ms")
        self._text((_MARGIN, 36), printable(title), 22, _INK, "ls")
        self._text((_MARGIN, 58), note, 13, _SOFT, "ls")
        self._legend(lang)
        out = io.BytesIO()
        self.image.save(out, "PNG", optimize=True)
        return out.getvalue()

    def _legend(self, lang: Language) -> None:
        y = self.frame.height - 22
        for x, colour, name in _legend(self.shown, lang):
            self._line((x, y - 4), (x + 24, y - 4), colour, 4)
            self._text((x + 30, y), name, 13, _SOFT, "ls")

    def _line(self, start: tuple[float, float], end: tuple[float, float], colour: str, width: float) -> None:
        points = [tuple(v * self.scale for v in p) for p in (start, end)]
        self.pen.line(points, fill=colour, width=max(1, round(width * self.scale)))

    def _circle(self, spot: Spot) -> None:
        (x, y), r, s = self.frame.centre(spot), spot.radius, self.scale
        box = [(x - r) * s, (y - r) * s, (x + r) * s, (y + r) * s]
        self.pen.ellipse(box, fill=spot.fill, outline=spot.border, width=max(1, round(1.5 * s)))

    def _text(self, at: tuple[float, float], text: str, size: float, colour: str, anchor: str) -> None:
        point = (at[0] * self.scale, at[1] * self.scale)
        font = self.font(max(8, round(size * self.scale)))
        halo = {"stroke_width": round(1.7 * self.scale), "stroke_fill": _PAPER}
        self.pen.text(point, text, font=font, fill=colour, anchor=anchor, **halo)
