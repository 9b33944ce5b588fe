"""Labels beside the ends of lines, moved apart so that none covers another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


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


def leader(colour: str) -> dict[str, Any]:
    """Thin line from the left end of a label to what it names, as ``arrowprops``."""
    return {
        "arrowstyle": "-",
        "color": colour,
        "linewidth": 0.5,
        "patchA": None,  # or it would end at the border of the text, below or above its middle
        "shrinkA": 2.5,
        "shrinkB": 0,
        "relpos": (0.0, 0.5),
    }
