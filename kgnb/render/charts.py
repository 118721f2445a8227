"""Small charts as inline SVG, and tables: static, offline, for light and dark pages. Pure.

Text takes the page's colour. Names and quotes from books leave here as text only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from kgnb.core.formatting import cut
from kgnb.core.messages import say
from kgnb.render.html import text
from kgnb.render.picture.scene import EDGE_COLOURS, FONTS

ACCENT = "#3a7bd5"
WARM = "#d9822b"
FAINT = "#8a929e"
MOST_BINS = 160
"""Columns of a chart over chapters; of longer books several chapters share a column."""

_WIDTH = 860
_NAME_WIDTH = 132
_COUNT_WIDTH = 52
_LANE_HEIGHT = 21
_CELL_COLUMNS = 120
_BOX_COLUMNS = 24

STYLE = f"<style>\n{Path(__file__).with_name('charts.css').read_text('utf-8')}</style>"


def block(title: str, note: str, *parts: str) -> str:
    """Return an HTML block: title, a quieter note beside it, the HTML ``parts``, and their style sheet."""
    quiet = f"<span>{text(note)}</span>" if note else ""
    return f'{STYLE}<div class="kgnb-x"><div class="h">{text(title)}{quiet}</div>{"".join(parts)}</div>'


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table of plain values; columns of integers are aligned right, the first column is
    emphasized.
    """
    body, right = [], set[int]()
    for row in rows:
        right |= {i for i, cell in enumerate(row) if isinstance(cell, int)}
        cells = (f"<td{_class(i, right)}>{text(cell, _CELL_COLUMNS)}</td>" for i, cell in enumerate(row))
        body.append(f"<tr>{''.join(cells)}</tr>")
    top = "".join(f"<th{_class(i, right)}>{text(head)}</th>" for i, head in enumerate(heads))
    parts = f"<thead><tr>{top}</tr></thead><tbody>{''.join(body)}</tbody>"
    return f'<div class="s"><table class="t">{parts}</table></div>'


def _class(column: int, right: set[int]) -> str:
    return ' class="r"' if column in right else ' class="k"' if column == 0 else ""


def _svg(height: float, title: str, *parts: str, width: float = _WIDTH) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" font-family="{escape(FONTS)}" font-size="12.5"'
        f' style="max-width:{width:g}px"><title>{text(title)}</title>{"".join(parts)}</svg>'
    )


def _label(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="currentColor"{more}>{text(words)}</text>'


@dataclass(frozen=True, slots=True)
class Lane:
    """A line of a chart over chapters. ``marks``: chapter number → amount (1 for mere presence)."""

    name: str
    marks: dict[int, int]
    colour: str = ACCENT
    most: int = 0
    """The amount drawn at full height, so that lanes can be compared; 0 for the lane's own maximum."""


def lanes(chapters: Sequence[int], rows: Sequence[Lane], title: str) -> str:
    """Return an SVG chart with a strip of bars for each lane over the chapters; larger amounts are higher.

    ``chapters``: numbers of all chapters on the axis. "" without chapters or lanes.
    """
    if not chapters or not rows:
        return ""
    positions = {number: i for i, number in enumerate(sorted(set(chapters)))}
    bins = min(len(positions), MOST_BINS)
    step = (_WIDTH - _NAME_WIDTH - _COUNT_WIDTH) / bins
    parts = [_lane(lane, i * _LANE_HEIGHT + 4, positions, bins, step) for i, lane in enumerate(rows)]
    bottom = len(rows) * _LANE_HEIGHT + 6
    parts.append(_axis(sorted(positions), bottom, bins, step))
    return _svg(bottom + 22, title, *parts)


def _lane(lane: Lane, top: float, positions: dict[int, int], bins: int, step: float) -> str:
    base = top + _LANE_HEIGHT - 5
    amounts = [0] * bins
    for number, amount in lane.marks.items():
        if number in positions:
            column, amount = positions[number] * bins // len(positions), max(1, amount)
            amounts[column] = max(amounts[column], amount) if lane.most else amounts[column] + amount
    most = lane.most or max(amounts, default=0) or 1
    gap = 1.0 if step > 4 else 0.2
    bars = []
    for i, amount in enumerate(amounts):
        if amount:
            share = 0.45 + 0.55 * math.sqrt(min(1, amount / most)) if most > 1 else 0.7
            height = (_LANE_HEIGHT - 8) * share
            left = _NAME_WIDTH + i * step + gap / 2
            bars.append(f"M{left:.1f} {base:.1f}v{-height:.1f}h{step - gap:.1f}v{height:.1f}z")
    baseline = f"M{_NAME_WIDTH} {base}H{_WIDTH - _COUNT_WIDTH}"
    return (
        _label(_NAME_WIDTH - 10, base - 1, cut(lane.name, 17), ' text-anchor="end"')
        + f'<path d="{baseline}" stroke="currentColor" stroke-opacity=".16"/>'
        + f'<path d="{"".join(bars)}" fill="{lane.colour}" fill-opacity=".85"/>'
        + _label(_WIDTH, base - 1, str(len(lane.marks)), ' text-anchor="end" fill-opacity=".66"')
    )


def _axis(numbers: Sequence[int], top: float, bins: int, step: float) -> str:
    ticks = min(len(numbers), 9)
    faint = ' fill-opacity=".66" font-size="11"'
    labels = []
    for i in sorted({round(tick * (len(numbers) - 1) / max(1, ticks - 1)) for tick in range(ticks)}):
        x = _NAME_WIDTH + (i * bins // len(numbers) + 0.5) * step
        labels.append(_label(x, top + 13, str(numbers[i]), f' text-anchor="middle"{faint}'))
    labels.append(_label(_NAME_WIDTH - 10, top + 13, say("explore.axis"), f' text-anchor="end"{faint}'))
    return "".join(labels)


@dataclass(frozen=True, slots=True)
class Ray:
    """A tie ``word`` to ``name``: its ``group`` of relation types gives the colour, ``weight`` the width."""

    name: str
    word: str
    group: str
    weight: float = 0.0


def star(centre: str, rays: Sequence[Ray], title: str) -> str:
    """Return an SVG star graph: ``centre`` and a ray to each neighbour, clockwise from the top; ""
    without rays.
    """
    if not rays:
        return ""
    width, height = 620.0, 400.0
    cx, cy, rx, ry = width / 2, height / 2, 232.0, 158.0
    top = max(ray.weight for ray in rays) or 1.0
    lines, names = [], []
    for i, ray in enumerate(rays):
        angle = 2 * math.pi * i / len(rays) - math.pi / 2
        x, y = cx + rx * math.cos(angle), cy + ry * math.sin(angle)
        colour = _colour(ray)
        wide = 1.2 + 4.8 * math.sqrt(ray.weight / top)
        lines.append(
            f'<path d="M{cx:.1f} {cy:.1f}L{x:.1f} {y:.1f}" stroke="{colour}" stroke-width="{wide:.1f}"'
            f' stroke-opacity=".7"/>'
        )
        names.append(_dot(x, y, 6.0, colour) + _ray_label(x, y, math.cos(angle), ray))
    middle = _dot(cx, cy, 13.0, ACCENT)
    bold = ' text-anchor="middle" font-weight="600" font-size="14.5"'
    name = _label(cx, cy + 32, cut(centre, 24), bold)
    return _svg(height, title, *lines, *names, middle, name, width=width)


def _dot(x: float, y: float, radius: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{colour}"/>'


def _ray_label(x: float, y: float, side: float, ray: Ray) -> str:
    """Return the labels of a ray: the name beside its dot, the relation below."""
    if abs(side) > 0.25:
        anchor, x, y = ("start", x + 12, y + 1) if side > 0 else ("end", x - 12, y + 1)
    else:
        anchor, y = "middle", (y - 22 if y < 200 else y + 20)
    more = f' text-anchor="{anchor}"'
    faint = f'{more} font-size="11" fill-opacity=".66"'
    return _label(x, y, cut(ray.name, 16), more) + _label(x, y + 14, cut(ray.word, 18), faint)


def chain(start: str, links: Sequence[Ray]) -> str:
    """Return HTML with names in boxes, from ``start``, and the ties between them; lines wrap."""
    parts = [_box(start, ACCENT)]
    for i, link in enumerate(links, 1):
        parts.append(f'<i style="border-color:{_colour(link)}">{text(link.word, _BOX_COLUMNS)}</i>')
        parts.append(_box(link.name, ACCENT if i == len(links) else FAINT))
    return f'<div class="c">{"".join(parts)}</div>'


def _box(name: str, colour: str) -> str:
    return f'<b style="border-color:{colour}">{text(name, _BOX_COLUMNS)}</b>'


def _colour(ray: Ray) -> str:
    return EDGE_COLOURS.get(ray.group, EDGE_COLOURS["other"])
