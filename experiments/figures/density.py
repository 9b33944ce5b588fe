"""Error against density: every seed a point, medians as lines, the dense network as the mark to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments.figures import style

if TYPE_CHECKING:
    import pandas as pd

LINES = {
    "test_error_pct": ("test images", style.SERIES[1]),
    "train_error_pct": ("training images", style.SERIES[0]),
}


def draw(measured: pd.DataFrame) -> Figure:
    """Draw `density`, `train_error_pct` and `test_error_pct` of every seed."""
    densities = sorted(measured["density"].unique().tolist())
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.2))
        axes = figure.add_axes((0.085, 0.15, 0.76, 0.74))
        for column, (label, colour) in LINES.items():
            axes.plot(measured["density"], measured[column], ".", color=colour, markersize=4, alpha=0.5)
            median = measured.groupby("density")[column].median()
            axes.plot(median.index, median, color=colour)
            axes.text(1.06, median.iloc[-1], label, color=colour, va="center")
            if column == "test_error_pct":
                axes.axhline(median.loc[1.0], color=style.PALE, linewidth=1, zorder=0)
                axes.text(densities[0], median.loc[1.0], "dense, trained as long", va="bottom", size=7.5)
        axes.set_xscale("log")
        axes.set_xticks(densities, [f"{100 * density:g}" for density in densities])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(densities[0] / 1.1, 1.03)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("weights that stay (%)")
        axes.set_ylabel("error (%)")
        axes.set_title("LeNet-300-100 pruned, trained on few images: error against density")
    return figure
