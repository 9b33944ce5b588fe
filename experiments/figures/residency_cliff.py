"""Energy against on-chip memory: one line per stage, a dot at its knee."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.canvas import canvas, legend
from experiments.figures.labels import name_ends
from experiments.runs import labels
from experiments.runs.phrases import listed, size
from hwsim.units import engineering, memory_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    ("edge", "lenet300"): "LeNet-300-100, edge chip",
    ("reference_250w", "alexnet"): "AlexNet, 250 W chip",
}
TOLD = ("dense", "pruned", "shared")
"""Stages that the title speaks of."""
GAP = 0.075
"""Between labels, as a part of the height of a panel."""


def draw(lines: pd.DataFrame, knees: pd.DataFrame) -> Figure:
    """Draw a panel per network of columns ``stage``, ``sram_B``, ``energy_J``; `knees` are its dots.

    A knee beyond the largest memory of the lines is named, and its dot is left out.
    """
    fit = knees[(knees["network"] == "alexnet")].set_index("stage")["sram_B"]
    told = listed(f"{size(fit[stage])} {labels.STAGES[stage]}" for stage in TOLD if stage in fit)
    title = f"All weights of AlexNet fit on chip with {told}; right of its dot a line only leaks"
    with style.applied():
        figure, panels = canvas(title, 3.3, ncols=len(TITLES))
        for axes, ((chip, network), name) in zip(panels, TITLES.items(), strict=True):
            of_panel = [
                table[(table["chip"] == chip) & (table["network"] == network)] for table in (lines, knees)
            ]
            _panel(axes, *of_panel)
            axes.set_title(name)
        panels[0].set_ylabel("energy per inference")
        stages = style.in_order(set(lines["stage"]), style.STAGES, "stage")
        dot = Line2D([], [], color=style.INK, marker="o", linestyle="", label="all weights fit")
        legend(
            figure,
            [*(Line2D([], [], color=style.STAGES[s][1], label=style.STAGES[s][0]) for s in stages), dot],
            columns=3,
        )
    return figure


def _panel(axes: Axes, lines: pd.DataFrame, knees: pd.DataFrame) -> None:
    stages = style.in_order(set(lines["stage"]), style.STAGES, "stage")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlim(lines["sram_B"].min(), lines["sram_B"].max())
    axes.set_ylim(lines["energy_J"].min() / 1.25, lines["energy_J"].max() * 1.35)
    ends = []
    for stage in stages:
        colour = style.STAGES[stage][1]
        line = pd.concat([lines[lines["stage"] == stage], knees[knees["stage"] == stage]])
        line = line[line["sram_B"] <= lines["sram_B"].max()].sort_values("sram_B")
        dashes = (0, (3, 2)) if stage == "huffman" else "-"
        axes.plot(line["sram_B"], line["energy_J"], color=colour, linestyle=dashes, linewidth=1.5)
        knee = knees[knees["stage"] == stage].iloc[0]
        axes.plot([knee["sram_B"]], [knee["energy_J"]], "o", color=colour, markersize=5, zorder=3)
        ends.append((_size(float(knee["sram_B"])), colour, float(line["energy_J"].iloc[-1])))
    axes.xaxis.set_major_locator(LogLocator(16, numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: memory_size(value)))
    axes.yaxis.set_major_locator(LogLocator(10, (1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))
    axes.grid(axis="y")
    axes.set_xlabel("on-chip memory")
    name_ends(axes, ends, GAP, low=0.03)


def _size(size_B: float) -> str:
    """A size in three digits."""
    mebi = size_B / 2**20
    return f"{mebi:.3g} MiB" if mebi >= 1 else f"{1024 * mebi:.3g} KiB"
