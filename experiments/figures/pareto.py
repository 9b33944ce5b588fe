"""The Pareto front of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from experiments.figures import style
from experiments.runs.pareto import HEIGHT_IN, LOG_FROM

if TYPE_CHECKING:
    import pandas as pd


def draw(table: pd.DataFrame, best: pd.DataFrame, across: str, up: str) -> Figure:
    """Draw all rows pale and the front in colour over two of the objectives."""
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, HEIGHT_IN), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(True)
        axes.scatter(
            table[across], table[up], s=12, color=style.COMPONENTS["static"][1], alpha=0.35, linewidths=0
        )
        along = best.sort_values([across, up])
        axes.scatter(along[across], along[up], s=26, color=style.SERIES[0], zorder=3)
        for name, scale in ((across, axes.set_xscale), (up, axes.set_yscale)):
            low, high = table[name].min(), table[name].max()
            if low > 0 and high > LOG_FROM * low:
                scale("log")
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.set_title(f"Pareto front: {len(best)} of {len(table)} points")
    return figure
