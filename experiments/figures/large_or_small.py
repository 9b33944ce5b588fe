"""Error against bytes: a large network compressed, and small ones trained directly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from experiments.figures import style

if TYPE_CHECKING:
    import pandas as pd

COLOURS = {
    "large, compressed": (style.SERIES[1], (0, -52)),
    "small, shared and coded": (style.SERIES[2], (8, 2)),
    "small, fp32": (style.SERIES[0], (8, 2)),
    "large, dense": (style.INK, (-36, 8)),
}
"""Colour of each method, and where its name stands: points right of and above its smallest file."""


def draw(measured: pd.DataFrame, points: pd.DataFrame) -> Figure:
    """Draw `method`, `bytes`, `test_error_pct`: every seed a point, medians as lines."""
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.4))
        axes = figure.add_axes((0.085, 0.14, 0.89, 0.76))
        for method, (colour, beside) in COLOURS.items():
            every, median = (table[table["method"] == method] for table in (measured, points))
            axes.plot(every["bytes"], every["test_error_pct"], ".", color=colour, markersize=4, alpha=0.4)
            sizes, errors = median["bytes"], median["test_error_pct"]
            axes.plot(sizes, errors, color=colour, marker="o", markersize=3.5)
            first = (sizes.iloc[0], errors.iloc[0])
            axes.annotate(method, first, beside, textcoords="offset points", color=colour, va="center")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_yticks([4, 6, 8, 10, 15, 20, 30, 50], ["4", "6", "8", "10", "15", "20", "30", "50"])
        axes.yaxis.set_minor_formatter(NullFormatter())
        low, high = measured["test_error_pct"].min(), measured["test_error_pct"].max()
        axes.set_ylim(low / 1.1, high * 1.1)
        axes.xaxis.set_major_formatter(FuncFormatter(_size))
        axes.set_xlabel("size of the file")
        axes.set_ylabel("test error (%)")
        axes.set_title("Train large and compress, or train small")
    return figure


def _size(value: float, _: object) -> str:
    return f"{value / 1e6:g} MB" if value >= 1e6 else f"{value / 1e3:g} kB"
