"""Labels beside the ends of lines, moved apart so that none covers another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes


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
    size: float = 7.5,
) -> None:
    """Write what lines are beside their ends at the right edge of axes, whose limits are set already.

    Parameters
    ----------
    axes : Axes
    ends : sequence of tuple
        Label, colour, and value at the right edge of each line.
    gap, low, high : float
        As for `spread`, in fractions of the height of the axes.
    size : float
        Of the letters, in points.
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
