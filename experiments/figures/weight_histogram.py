"""Histogram of the weights of a layer at each stage, zeros apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.figures import style
from experiments.figures.canvas import canvas
from experiments.runs.phrases import percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def draw(histogram: pd.DataFrame) -> Figure:
    """Draw `stage`, `low`, `high`, `weights`, `zeros` of one layer."""
    stages = style.in_order(set(histogram["stage"]), style.STAGES, "stage")
    layer = histogram["layer"].iloc[0]
    sums: Any = histogram.groupby("stage")[["weights", "zeros"]].sum()
    last = histogram[histogram["stage"] == stages[-1]]
    filled = int((last["weights"] > last["zeros"]).sum())
    kept = 1 - sums.loc["pruned", "zeros"] / sums.loc["pruned", "weights"]
    title = (
        f"Pruning keeps {percent(kept)} of the weights of {layer}, in two humps; sharing leaves {filled} bins"
    )
    with style.applied():
        figure, panels = canvas(title, 3.6, nrows=len(stages), sharex=True)
        for axes, stage in zip(panels, stages, strict=True):
            table = histogram[histogram["stage"] == stage]
            label, colour = style.STAGES[stage]
            others, width = table["weights"] - table["zeros"], table["high"] - table["low"]
            axes.bar(table["low"], others, width, align="edge", color=colour)
            zeros, total = int(table["zeros"].sum()), int(table["weights"].sum())
            axes.text(0.01, 0.8, label, transform=axes.transAxes, color=colour, weight="bold")
            text = f"{total - zeros:,} of {total:,}"
            axes.text(0.99, 0.8, text, transform=axes.transAxes, ha="right")
        panels[1].set_ylabel("weights per bin, zeros left out")
        panels[-1].set_xlabel("value of a weight")
    return figure
