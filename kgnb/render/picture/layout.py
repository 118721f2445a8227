"""Coordinates for a picture: a deterministic force-directed layout without overlaps. Pure Python, no I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
_PUSHES = 120  # rounds in which boxes that overlap are moved apart, at most
_MAX_PAIRS = 900_000  # pairs compared over all rounds: about half a second
_ASPECT = 1.25  # width of a picture by its height
_GRAVITY = 0.16  # pull to the centre: keeps loosely tied nodes near the rest


@dataclass(frozen=True, slots=True)
class Box:
    """The room that a node and its label take around the node's centre: half width, above, below."""

    half: float
    above: float
    below: float


Point = tuple[float, float]
Link = tuple[int, int, float]


def place(boxes: Sequence[Box], links: Sequence[Link], known: Sequence[Point | None] = ()) -> list[Point]:
    """Return a point for each box, in the order of ``boxes``: linked boxes near each other, no two
    overlapping.

    ``boxes``: most important first, placed from the middle outwards. ``links``: (box, box, weight 0-1).
    ``known``: points of an earlier picture or None; where most have one, these boxes stay unless they
    overlap, and the others come beside the boxes they are linked to.
    """
    if not boxes:
        return []
    tied = sorted({i for link in links for i in link[:2]})
    index = {i: n for n, i in enumerate(tied)}
    scale = math.sqrt(sum(2 * b.half * (b.above + b.below) for b in boxes) / len(boxes)) * 1.1
    own_links = [(index[a], index[b], w) for a, b, w in links]
    stay = [known[i] for i in tied] if known else []
    if sum(point is not None for point in stay) * 2 > len(tied):
        spread = _beside(stay, own_links)
    else:
        points = _force_layout(len(tied), own_links)
        spread = [[x * scale * _ASPECT, y * scale] for x, y in points]
    _push_apart(spread, [boxes[i] for i in tied])
    placed = {i: (round(x, 1), round(y, 1)) for i, (x, y) in zip(tied, spread, strict=True)}
    placed |= _rows_below([i for i in range(len(boxes)) if i not in placed], boxes, placed)
    return [placed[i] for i in range(len(boxes))]


def _beside(known: Sequence[Point | None], links: Sequence[Link]) -> list[list[float]]:
    """Return the known points, and for any other box the middle of the boxes it is linked to, else of all."""
    found = [point for point in known if point is not None]
    middle = [sum(axis) / len(found) for axis in zip(*found, strict=True)]
    near: dict[int, list[Point]] = {}
    for a, b, _ in links:
        for one, other in ((a, b), (b, a)):
            if known[one] is None and (there := known[other]) is not None:
                near.setdefault(one, []).append(there)
    return [
        list(point)
        if point is not None
        else [sum(axis) / len(near[i]) for axis in zip(*near[i], strict=True)]
        if i in near
        else list(middle)
        for i, point in enumerate(known)
    ]


def _rows_below(alone: Sequence[int], boxes: Sequence[Box], placed: Mapping[int, Point]) -> dict[int, Point]:
    """Return the points of boxes without links: in rows below the others."""
    left = min((x - boxes[i].half for i, (x, _) in placed.items()), default=0.0)
    right = max((x + boxes[i].half for i, (x, _) in placed.items()), default=0.0)
    top = max((y + boxes[i].below for i, (_, y) in placed.items()), default=0.0)
    area = sum(2 * boxes[i].half * (boxes[i].above + boxes[i].below) for i in alone)
    width = max(right - left, math.sqrt(area) * _ASPECT)
    rows: list[list[int]] = []
    room = 0.0
    for i in alone:
        if not rows or 2 * boxes[i].half > room:
            rows.append([])
            room = width
        rows[-1].append(i)
        room -= 2 * boxes[i].half
    found: dict[int, Point] = {}
    for row in rows:
        x = (left + right) / 2 - sum(boxes[i].half for i in row)
        y = top + max(boxes[i].above for i in row)
        for i in row:
            found[i] = (round(x + boxes[i].half, 1), round(y, 1))
            x += 2 * boxes[i].half
        top = y + max(boxes[i].below for i in row)
    return found


def _force_layout(count: int, links: Sequence[Link]) -> list[list[float]]:
    """Fruchterman-Reingold with an ideal distance of 1 and cooling, from a sunflower spiral."""
    points = [
        [math.sqrt(i + 0.5) * math.cos(i * _GOLDEN_ANGLE), math.sqrt(i + 0.5) * math.sin(i * _GOLDEN_ANGLE)]
        for i in range(count)
    ]
    rounds = max(40, min(300, _MAX_PAIRS * 2 // max(1, count * count)))
    for turn in range(rounds):
        step = 0.6 * math.sqrt(count) * 0.2 * (1 - turn / rounds) ** 1.5 + 0.01
        forces = _repulsion(points)
        _attract(points, links, forces)
        for point, force in zip(points, forces, strict=True):
            pull_x, pull_y = force[0] - point[0] * _GRAVITY, force[1] - point[1] * _GRAVITY
            length = math.hypot(pull_x, pull_y) or 1.0
            reach = min(length, step) / length
            point[0] += pull_x * reach
            point[1] += pull_y * reach
    return points


def _repulsion(points: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return a force (x, y) for each point, away from all near points."""
    forces = [[0.0, 0.0] for _ in points]
    for i, (x, y) in enumerate(points):
        own = forces[i]
        for j in range(i):
            other = points[j]
            dx, dy = x - other[0], y - other[1]
            squared = dx * dx + dy * dy + 1e-4
            if squared > 60.0:  # too far away to matter
                continue
            fx, fy = dx / squared, dy / squared
            own[0] += fx
            own[1] += fy
            forces[j][0] -= fx
            forces[j][1] -= fy
    return forces


def _attract(points: Sequence[Sequence[float]], links: Sequence[Link], forces: Sequence[list[float]]) -> None:
    for a, b, weight in links:
        dx, dy = points[b][0] - points[a][0], points[b][1] - points[a][1]
        pull = math.hypot(dx, dy) * (0.15 + 0.5 * weight)
        forces[a][0] += dx * pull * 0.5
        forces[a][1] += dy * pull * 0.5
        forces[b][0] -= dx * pull * 0.5
        forces[b][1] -= dy * pull * 0.5


def _push_apart(points: Sequence[list[float]], boxes: Sequence[Box]) -> None:
    """Move overlapping boxes apart along the shorter axis; the less important one moves more."""
    for _ in range(_PUSHES):
        moved = False
        for i in range(len(points)):
            for j in range(i):
                moved |= _separate(points[j], points[i], boxes[j], boxes[i])
        if not moved:
            return


def _separate(first: list[float], second: list[float], a: Box, b: Box) -> bool:
    """Move two boxes apart; return whether they overlapped."""
    dx, dy = second[0] - first[0], second[1] - first[1]
    over_x = a.half + b.half - abs(dx)
    over_y = (a.below + b.above if dy >= 0 else a.above + b.below) - abs(dy)
    if over_x <= 0 or over_y <= 0:
        return False
    if over_x < over_y:
        axis, way = 0, over_x if dx >= 0 else -over_x
    else:
        axis, way = 1, over_y if dy >= 0 else -over_y
    first[axis] -= way * 0.3
    second[axis] += way * 0.71
    return True
