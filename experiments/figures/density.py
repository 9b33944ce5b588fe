"""Error against density: every seed a point, medians as lines, the dense network as the mark to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import NullLocator

from experiments.figures import style
from experiments.figures.canvas import canvas
from experiments.runs.phrases import percent, points

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LINES = {
    "test_error_pct": ("test images", style.SERIES[1]),
    "train_error_pct": ("training images", style.SERIES[0]),
}


def draw(measured: pd.DataFrame) -> Figure:
    """Draw `density`, `train_error_pct` and `test_error_pct` of every seed."""
    densities = sorted(measured["density"].unique().tolist())
    test = measured.groupby("density")["test_error_pct"].median()
    best, low = float(str(test.idxmin())), densities[0]
    verdict = "does not lower" if best == 1 else f"lowers, at {percent(best)},"
    title = (
        f"Pruning {verdict} the test error of LeNet-300-100 trained on few images; at {percent(low)} of the "
        f"weights it costs {points(float(test[low] - test[1.0]))}"
    )
    with style.applied():
        figure, axes = canvas(title, 3.0)
        for column, (label, colour) in LINES.items():
            axes.plot(measured["density"], measured[column], ".", color=colour, markersize=4, alpha=0.5)
            median = measured.groupby("density")[column].median()
            axes.plot(median.index, median, color=colour)
            axes.text(1.06, median.iloc[-1], label, color=colour, va="center")
            if column == "test_error_pct":
                axes.axhline(median.loc[1.0], color=style.PALE, linewidth=1, zorder=0)
                axes.text(densities[0], median.loc[1.0], "dense, trained as long", va="bottom", size="small")
        axes.set_xscale("log")
        axes.set_xticks(densities, [f"{100 * density:g}" for density in densities])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(densities[0] / 1.1, 1.03)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("weights that stay (%)")
        axes.set_ylabel("error (%)")
    return figure
