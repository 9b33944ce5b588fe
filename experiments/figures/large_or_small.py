"""Error against bytes: a large network compressed, and small ones trained directly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, NullFormatter

from experiments.figures import style
from experiments.figures.canvas import canvas
from experiments.figures.labels import name_points
from experiments.runs.phrases import number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

COLOURS = {
    "large, compressed": style.SERIES[1],
    "small, shared and coded": style.SERIES[2],
    "small, fp32": style.SERIES[0],
    "large, dense": style.INK,
}
"""Colour of each method."""


def draw(measured: pd.DataFrame, points: pd.DataFrame) -> Figure:
    """Draw `method`, `bytes`, `test_error_pct`: every seed a point, medians as lines."""
    small, large = (
        points[points["method"] == name] for name in ("small, shared and coded", "large, compressed")
    )
    nearest = small.loc[(small["bytes"] - large["bytes"].iloc[1]).abs().idxmin()]
    rival = large.loc[(large["bytes"] - nearest["bytes"]).abs().idxmin()]
    title = (
        f"In {_size(round(nearest['bytes'], -2), None)} a small network has "
        f"{number(nearest['test_error_pct'])}% error, and a large compressed one in "
        f"{_size(round(rival['bytes'], -2), None)} has {number(rival['test_error_pct'])}%"
    )
    named: list[tuple[str, str, float, float]] = []
    with style.applied():
        figure, axes = canvas(title, 3.3)
        for method, colour in COLOURS.items():
            every, median = (table[table["method"] == method] for table in (measured, points))
            axes.plot(every["bytes"], every["test_error_pct"], ".", color=colour, markersize=4, alpha=0.4)
            sizes, errors = median["bytes"], median["test_error_pct"]
            axes.plot(sizes, errors, color=colour, marker="o", markersize=3.5)
            middle = len(sizes) // 2
            named.append((method, colour, float(sizes.iloc[middle]), float(errors.iloc[middle])))
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_yticks([4, 6, 8, 10, 15, 20, 30, 50], ["4", "6", "8", "10", "15", "20", "30", "50"])
        axes.yaxis.set_minor_formatter(NullFormatter())
        low, high = measured["test_error_pct"].min(), measured["test_error_pct"].max()
        axes.set_ylim(low / 1.1, high * 1.1)
        axes.xaxis.set_major_formatter(FuncFormatter(_size))
        axes.set_xlabel("size of the file")
        axes.set_ylabel("test error (%)")
        seeds = zip(measured["bytes"], measured["test_error_pct"], strict=True)
        name_points(axes, [*named, *(("", style.INK, float(x), float(y)) for x, y in seeds)], size="medium")
    return figure


def _size(value: float, _: object) -> str:
    return f"{value / 1e6:g} MB" if value >= 1e6 else f"{value / 1e3:g} kB"
