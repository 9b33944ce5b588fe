"""What is to blame: dense against compressed on the same chip with one thing changed.

Each row is a chip; the line goes from the dense network to the compressed one, and the number at
its end says how many times as much that is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from hwsim.units import engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FIGURES = {
    "inferences_per_s": ("inferences per second", "/s"),
    "inferences_per_J": ("inferences per joule", "/J"),
}
ENDS = ("dense", "huffman")
ROW_IN = 0.225


def draw(runs: pd.DataFrame, label: str) -> Figure:
    """Draw a column of panels per batch and a row per figure of merit.

    Parameters
    ----------
    runs : DataFrame
        Of one network: `variant`, `stage`, `batch`, `inferences_per_s` and `inferences_per_J`.
        Variants are drawn in the order they appear.
    label : str
        What the network is called.
    """
    variants = list(dict.fromkeys(runs["variant"]))
    batches = sorted(runs["batch"].unique())
    panel_in = ROW_IN * len(variants)
    height = 0.5 + 2 * (panel_in + 0.42)
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, height))
        figure.text(
            0.012,
            1 - 0.06 / height,
            f"{label}: the same chip, one thing changed",
            va="top",
            weight="bold",
            size=9.5,
        )
        for row, (name, (title, unit)) in enumerate(FIGURES.items()):
            low = (height - 0.5 - panel_in * (row + 1) - 0.42 * row) / height
            for column, batch in enumerate(batches):
                wide = 0.74 / len(batches)
                axes = figure.add_axes((0.2 + column * (wide + 0.025), low, wide - 0.025, panel_in / height))
                table = runs[runs["batch"] == batch].pivot_table(
                    index="variant", columns="stage", values=name
                )
                _panel(axes, table.loc[variants], unit)
                axes.set_title(f"{title}, batch {batch:,}", pad=2, weight="normal", size=8.5)
                axes.set_yticks(range(len(variants)), variants if column == 0 else [])
        figure.legend(
            handles=[
                Line2D([], [], marker="o", linestyle="", color=style.STAGES[s][1], label=style.STAGES[s][0])
                for s in ENDS
            ],
            loc="upper right",
            ncols=2,
            handletextpad=0.1,
            borderaxespad=0.2,
        )
    return figure


def _panel(axes: Axes, table: pd.DataFrame, unit: str) -> None:
    for row, (before, after) in enumerate(zip(table[ENDS[0]], table[ENDS[1]], strict=True)):
        axes.plot([before, after], [row, row], color=style.PALE, linewidth=2.2, zorder=1)
        for stage, value in zip(ENDS, (before, after), strict=True):
            axes.plot(value, row, "o", color=style.STAGES[stage][1], markersize=4.5)
        gain = after / before
        text = f"{gain:.2f}×" if gain < 9.95 else f"{gain:.0f}×"
        axes.annotate(
            text, (max(before, after), row), (5, 0), textcoords="offset points", va="center", size=7.5
        )
    low, high = table[list(ENDS)].min().min(), table[list(ENDS)].max().max()
    axes.set_xscale("log")
    axes.set_xlim(low / 1.35, high * (high / low) ** 0.3 * 1.15)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, unit)))
    axes.tick_params(axis="x", labelsize=7)
    axes.tick_params(axis="y", length=0)
