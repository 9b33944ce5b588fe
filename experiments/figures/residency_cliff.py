"""Energy against on-chip memory: one line per stage, a dot at its knee."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.labels import name_ends
from hwsim.units import engineering, memory_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {
    ("edge", "lenet300"): "LeNet-300-100, edge chip",
    ("reference_250w", "alexnet"): "AlexNet, 250 W chip",
}
GAP = 0.075
"""Between labels, as a part of the height of a panel."""


def draw(lines: pd.DataFrame, knees: pd.DataFrame) -> Figure:
    """Draw a panel per network of columns ``stage``, ``sram_B``, ``energy_J``; `knees` are its dots.

    A knee beyond the largest memory of the lines is named, and its dot is left out.
    """
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.6))
        for place, ((chip, network), title) in enumerate(TITLES.items()):
            axes = figure.add_axes((0.105 + 0.48 * place, 0.16, 0.24, 0.75))
            of_panel = [
                table[(table["chip"] == chip) & (table["network"] == network)] for table in (lines, knees)
            ]
            _panel(axes, *of_panel)
            axes.set_title(title, pad=6)
            if place == 0:
                axes.set_ylabel("energy per inference", labelpad=2)
        figure.axes[0].annotate(
            "dot: the least\nmemory with all\nweights on chip",
            (0.02, 0.02),
            xycoords="axes fraction",
            size=6.5,
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
        label = f"{style.STAGES[stage][0]}: {_size(float(knee['sram_B']))}"
        ends.append((label, colour, float(line["energy_J"].iloc[-1])))
    axes.xaxis.set_major_locator(LogLocator(4, numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: memory_size(value).replace(" ", "\n")))
    axes.yaxis.set_major_locator(LogLocator(10, (1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))
    axes.grid(axis="y")
    axes.set_xlabel("on-chip memory", labelpad=1)
    name_ends(axes, ends, GAP, low=0.03)


def _size(size_B: float) -> str:
    """A size in three digits."""
    mebi = size_B / 2**20
    return f"{mebi:.3g} MiB" if mebi >= 1 else f"{1024 * mebi:.3g} KiB"
