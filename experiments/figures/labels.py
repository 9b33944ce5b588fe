"""Labels beside the ends of lines, moved apart so that none covers another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox


def spread(positions: list[float], gap: float, low: float = -math.inf, high: float = math.inf) -> list[float]:
    """Move positions as little as needed (least squares) so that any two are `gap` apart.

    Parameters
    ----------
    positions : list of float
    gap : float
    low, high : float
        Bounds of the new positions; the high one yields where there is not room for all.

    Returns
    -------
    list of float
        New positions, in the order given; the order along the axis stays.
    """
    order = np.argsort(positions, kind="stable")
    # taking the gaps out turns "at least gap apart" into "not falling": pool what falls
    blocks: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        mean, size = positions[index] - rank * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    levels = [mean for mean, size in blocks for _ in range(size)]
    top = max(low, high - gap * (len(positions) - 1))
    moved = [0.0] * len(positions)
    for rank, index in enumerate(order):
        moved[index] = min(max(levels[rank], low), top) + rank * gap
    return moved


def leader(colour: str, end: float = 0.0) -> dict[str, Any]:
    """Thin line from an end of a label (0: left, 1: right) to what it names, as ``arrowprops``."""
    return {
        "arrowstyle": "-",
        "color": colour,
        "linewidth": 0.5,
        "patchA": None,  # or it would end at the border of the text, below or above its middle
        "shrinkA": 2.5,
        "shrinkB": 0,
        "relpos": (end, 0.5),
    }


def name_ends(
    axes: Axes,
    ends: Sequence[tuple[str, str, float]],
    gap: float,
    *,
    low: float = 0.0,
    high: float = 1.0,
    size: str | float = "small",
) -> None:
    """Write what lines are beside their ends at the right edge of axes, whose limits are set already.

    Parameters
    ----------
    axes : Axes
    ends : sequence of tuple
        Label, colour, and value at the right edge of each line.
    gap, low, high : float
        As for `spread`, in fractions of the height of the axes.
    size : str or float
        Of the letters.
    """
    heights = [
        float(axes.transAxes.inverted().transform(axes.transData.transform((1.0, value)))[1])
        for _, _, value in ends
    ]
    for (label, colour, _), height, at in zip(ends, heights, spread(heights, gap, low, high), strict=True):
        axes.annotate(
            label,
            (1.0, height),
            (1.06, at),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            size=size,
            color=colour,
            annotation_clip=False,
            arrowprops=leader(colour),
        )


AROUND = tuple(
    (reach * math.cos(angle), reach * math.sin(angle))
    for reach in (7.0, 13.0, 21.0, 31.0, 43.0, 57.0, 75.0)
    for angle in np.radians((0, 180, 45, 135, 315, 225, 90, 270, 22, 158, 338, 202))
)
"""Where a label may stand around its point, in points of length, the nearest first."""
NEAR_PT = 14.0
"""A label farther away than this gets a line to its point."""
DOT_PT = 3.5
"""Half of the width of a dot."""
OUTSIDE, ON_LABEL, ON_DOT = 100.0, 40.0, 15.0
"""Cost of a place: outside the axes, on a label or its line, on a dot; a point of distance costs 1."""
ROUNDS = 8
"""Times that all labels are placed anew, at most."""


def name_points(
    axes: Axes, points: Sequence[tuple[str, str, float, float]], *, size: str | float = "small"
) -> None:
    """Write what points are beside them, each where it covers the least; call it when all else is drawn.

    Parameters
    ----------
    axes : Axes
        Its limits are set, and its figure has all of its parts.
    points : sequence of tuple
        Label (empty for a dot that is only kept free), colour, and place in data coordinates.
    size : str or float
        Of the letters.
    """
    figure = axes.get_figure()
    assert figure is not None
    figure.draw_without_rendering()  # type: ignore[union-attr]
    scale = figure.dpi / 72
    dots = [tuple(axes.transData.transform((x, y)).tolist()) for _, _, x, y in points]
    boxes = [_box(x, y, DOT_PT * scale, DOT_PT * scale) for x, y in dots]
    named = [index for index, point in enumerate(points) if point[0]]
    halves = [_half(axes, points[index][0], size) for index in named]
    found = _places([dots[index] for index in named], halves, boxes, axes.get_window_extent(), scale)
    for index, place in zip(named, found, strict=True):
        label, colour, x, y = points[index]
        box, dot = place.box, dots[index]
        axes.annotate(
            label,
            (x, y),
            (((box[0] + box[2]) / 2 - dot[0]) / scale, ((box[1] + box[3]) / 2 - dot[1]) / scale),
            textcoords="offset points",
            size=size,
            color=colour,
            ha="center",
            va="center",
            arrowprops=leader(colour) | {"relpos": _edge_at(dot, box), "shrinkA": 0} if place.line else None,
            bbox={"facecolor": "none", "edgecolor": "none", "pad": 0.5},
        ).set_in_layout(False)


def _half(axes: Axes, label: str, size: str | float) -> tuple[float, float]:
    """Half of the width and of the height of a label, in pixels."""
    text = axes.annotate(label, (0.5, 0.5), xycoords="axes fraction", size=size)
    extent = text.get_window_extent()
    text.remove()
    return extent.width / 2, extent.height / 2


Box = tuple[float, float, float, float]


def _box(x: float, y: float, half_width: float, half_height: float) -> Box:
    return (x - half_width, y - half_height, x + half_width, y + half_height)


def _at(dot: tuple[float, ...], offset: tuple[float, float], half: tuple[float, float], scale: float) -> Box:
    """Box of a label whose nearest edge or corner lies at an offset from a dot."""
    x, y = dot[0] + offset[0] * scale, dot[1] + offset[1] * scale
    across = 0.0 if abs(offset[0]) < 1 else math.copysign(half[0], offset[0])
    up = 0.0 if abs(offset[1]) < 1 else math.copysign(half[1], offset[1])
    return _box(x + across, y + up, *half)


class Place(NamedTuple):
    """Where a label stands: its distance in points, its box, and boxes along the line to its point."""

    distance_pt: float
    box: Box
    line: tuple[Box, ...]


def _places(
    dots: Sequence[tuple[float, ...]],
    halves: Sequence[tuple[float, float]],
    taken: Sequence[Box],
    frame: Bbox,
    scale: float,
) -> list[Place]:
    """Choose a place for each label, and then anew, given all others, until nothing changes."""
    ways = [
        [_place(dot, offset, half, scale) for offset in AROUND]
        for dot, half in zip(dots, halves, strict=True)
    ]
    inside: Box = (frame.x0, frame.y0, frame.x1, frame.y1)
    chosen: list[Place] = []
    for way in ways:
        chosen.append(min(way, key=lambda one: _cost(one, inside, chosen, taken)))
    for _ in range(ROUNDS):
        before = list(chosen)
        for index, way in enumerate(ways):
            others = chosen[:index] + chosen[index + 1 :]
            chosen[index] = min(way, key=lambda one: _cost(one, inside, others, taken))
        if chosen == before:
            break
    return chosen


def _place(
    dot: tuple[float, ...], offset: tuple[float, float], half: tuple[float, float], scale: float
) -> Place:
    box, far = _at(dot, offset, half, scale), math.hypot(*offset)
    line: tuple[Box, ...] = ()
    if far > NEAR_PT:
        edge = _edge(dot, box)
        parts = [
            tuple(a + (b - a) * part for a, b in zip(dot, edge, strict=True)) for part in (0.3, 0.5, 0.7, 0.9)
        ]
        line = tuple(_box(x, y, scale, scale) for x, y in parts)
    return Place(far, box, line)


def _edge(dot: tuple[float, ...], box: Box) -> tuple[float, float]:
    """Point of a box that is nearest to a dot."""
    return min(max(dot[0], box[0]), box[2]), min(max(dot[1], box[1]), box[3])


def _edge_at(dot: tuple[float, ...], box: Box) -> tuple[float, float]:
    """The same, in fractions of the box."""
    x, y = _edge(dot, box)
    return (x - box[0]) / (box[2] - box[0]), (y - box[1]) / (box[3] - box[1])


def _cost(one: Place, frame: Box, others: Sequence[Place], dots: Sequence[Box]) -> float:
    box = one.box
    outside = box[0] < frame[0] or box[1] < frame[1] or box[2] > frame[2] or box[3] > frame[3]
    return (
        one.distance_pt
        + OUTSIDE * outside
        + ON_LABEL * sum(_meet(box, other.box) for other in others)
        + ON_LABEL * sum(_meet(box, part) for other in others for part in other.line)
        + ON_LABEL * sum(_meet(part, other.box) for other in others for part in one.line)
        + ON_DOT * sum(_meet(box, dot) for dot in dots)
        + ON_DOT * sum(_meet(part, dot) for part in one.line for dot in dots)
    )


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
