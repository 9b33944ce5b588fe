"""Error against energy of every density and width, and error against width of each density."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.canvas import canvas, legend
from experiments.figures.labels import name_points
from experiments.runs.phrases import changed, percent, points
from hwsim.units import engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CODED = {"dense": "s", "pruned": "s", "shared": "o", "huffman": "^"}
"""Marks of the ways in which values are stored."""
MARKS = {"s": "fp32", "o": "fixed width", "^": "Huffman-coded"}


def draw(table: pd.DataFrame, best: pd.DataFrame) -> Figure:
    """Draw `table`, the points of `experiments.studies.sparsity_bits`, and the line of the `best`."""
    densities = sorted(table["density"].unique().tolist(), reverse=True)
    colours = dict(zip(densities, style.SERIES, strict=False))
    dense = table[table["stage"] == "dense"].iloc[0]
    mix = best[best["on_chip"]].nsmallest(1, "test_error_pct").iloc[0]
    title = (
        f"LeNet-300-100 with {percent(mix['density'])} of its weights in {mix['value_bits']} bits: "
        f"{changed(dense['energy_J'] / mix['energy_J'], 'energy')} than dense fp32 for "
        f"{points(mix['test_error_pct'] - dense['test_error_pct'])} of error"
    )
    with style.applied():
        figure, (left, right) = canvas(title, 3.7, ncols=2, width_ratios=(1.3, 1), sharey=True)
        _energy(left, table, best, colours)
        _widths(right, table, colours)
        lines = [
            Line2D([], [], color=colour, marker="o", markersize=4, label=f"{percent(density)} of the weights")
            for density, colour in colours.items()
        ]
        marks = [
            Line2D([], [], color=style.INK, marker=mark, linestyle="", markersize=4, label=label)
            for mark, label in MARKS.items()
        ]
        legend(figure, [*lines, *marks], columns=3)
        named = [
            (f"{row.value_bits} bits", style.INK, float(row.energy_J), float(row.test_error_pct))
            for row in (mix, dense)
        ]
        every = zip(table["energy_J"], table["test_error_pct"], strict=True)
        name_points(left, [*named, *(("", style.INK, float(x), float(y)) for x, y in every)], size="medium")
    return figure


def _energy(axes: Axes, table: pd.DataFrame, best: pd.DataFrame, colours: dict[float, str]) -> None:
    for density, rows in table.groupby("density", sort=False):
        for stage, found in rows.groupby("stage"):
            colour = colours[float(str(density))]
            mark = CODED[str(stage)]
            axes.plot(found["energy_J"], found["test_error_pct"], mark, color=colour, markersize=5)
    line = best.sort_values("energy_J")
    axes.plot(line["energy_J"], line["test_error_pct"], color=style.INK, linewidth=1.0, zorder=0)
    axes.set_ylim(table["test_error_least_pct"].min() - 0.1, table["test_error_most_pct"].max() + 0.05)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))
    axes.grid(axis="y")
    axes.set_xscale("log")
    axes.set_xlim(table["energy_J"].min() / 1.6, table["energy_J"].max() * 1.6)
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 3.0), numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))
    axes.set_xlabel("energy per inference (line: Pareto front)")
    axes.set_title("error against energy")


def _widths(axes: Axes, table: pd.DataFrame, colours: dict[float, str]) -> None:
    widths = sorted(table["value_bits"].unique())
    place = {bits: index for index, bits in enumerate(widths)}
    for density, rows in table[table["stage"] != "huffman"].groupby("density", sort=False):
        line = rows.sort_values("value_bits")
        across = [place[bits] for bits in line["value_bits"]]
        colour = colours[float(str(density))]
        axes.plot(across, line["test_error_pct"], color=colour, marker="o", markersize=4)
        low, high = line["test_error_least_pct"], line["test_error_most_pct"]
        axes.fill_between(across, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.grid(axis="y")
    axes.set_xticks(range(len(widths)), ["fp32" if bits == 32 else str(bits) for bits in widths])
    axes.set_xlabel("bits of a value (band: seeds)")
    axes.set_title("error against width")
