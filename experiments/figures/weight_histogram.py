"""Histogram of the weights of a layer at each stage, zeros apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from experiments.figures import style

if TYPE_CHECKING:
    import pandas as pd


def draw(histogram: pd.DataFrame) -> Figure:
    """Draw `stage`, `low`, `high`, `weights`, `zeros` of one layer."""
    stages = style.in_order(set(histogram["stage"]), style.STAGES, "stage")
    layer = histogram["layer"].iloc[0]
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.6))
        panels = figure.subplots(len(stages), 1, sharex=True)
        for axes, stage in zip(panels, stages, strict=True):
            table = histogram[histogram["stage"] == stage]
            label, colour = style.STAGES[stage]
            others, width = table["weights"] - table["zeros"], table["high"] - table["low"]
            axes.bar(table["low"], others, width, align="edge", color=colour)
            zeros, total = int(table["zeros"].sum()), int(table["weights"].sum())
            axes.text(0.01, 0.8, label, transform=axes.transAxes, color=colour, weight="bold")
            text = f"{total - zeros:,} of {total:,}"
            axes.text(0.99, 0.8, text, transform=axes.transAxes, ha="right", size=7.5)
            axes.set_ylabel("weights a bin", size=7.5)
        panels[0].set_title(f"Weights of {layer}: those that are not zero")
        panels[-1].set_xlabel("value of a weight")
        figure.subplots_adjust(left=0.1, right=0.98, top=0.92, bottom=0.12, hspace=0.15)
    return figure
