"""Error against joules of every density and width, and error against width of each density."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.labels import name_ends
from hwsim.units import engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

CODED = {"dense": "s", "pruned": "s", "shared": "o", "huffman": "^"}
"""Marks of the ways in which values are stored."""
ROOM = 10.0
"""Left of the least joules, for labels."""
MARKS = {"s": "fp32", "o": "fixed width", "^": "Huffman-coded"}


def draw(points: pd.DataFrame, best: pd.DataFrame) -> Figure:
    """Draw `points` of `experiments.studies.sparsity_bits`, and the line of the `best`."""
    densities = sorted(points["density"].unique(), reverse=True)
    colours = dict(zip(densities, style.SERIES, strict=False))
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.6))
        _joules(figure.add_axes((0.075, 0.135, 0.46, 0.77)), points, best, colours)
        _widths(figure.add_axes((0.62, 0.135, 0.26, 0.77)), points, colours)
    return figure


def _joules(axes: Axes, points: pd.DataFrame, best: pd.DataFrame, colours: dict[float, str]) -> None:
    for (density, stage), rows in points.groupby(["density", "stage"]):
        axes.plot(
            rows["energy_J"],
            rows["test_error_pct"],
            CODED[str(stage)],
            color=colours[float(density)],  # type: ignore[arg-type]
            markersize=4,
            alpha=0.85,
        )
    line = best.sort_values("energy_J")
    axes.plot(line["energy_J"], line["test_error_pct"], color=style.INK, linewidth=1.0, zorder=0)
    for density, rows in line.groupby("density"):
        widths = ", ".join(str(bits) for bits in sorted(rows["value_bits"].unique()))
        axes.annotate(
            f"{_share(float(density))}: {widths} bits",  # type: ignore[arg-type]
            (rows["energy_J"].min(), rows["test_error_pct"].mean()),
            (-6, -4),
            textcoords="offset points",
            ha="right",
            size=7,
            color=colours[float(density)],  # type: ignore[arg-type]
        )
    _error_axis(axes, points)
    axes.set_xscale("log")
    axes.set_xlim(points["energy_J"].min() / ROOM, points["energy_J"].max() * 1.5)
    axes.xaxis.set_major_locator(LogLocator(10, numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))
    axes.set_xlabel("energy per inference (line: no point is better)", labelpad=1)
    axes.set_title("LeNet-300-100: error against energy", pad=6)
    for mark, label in MARKS.items():
        axes.plot([], [], mark, color=style.INK, markersize=4, label=label)
    axes.legend(loc="upper right", fontsize=7, handletextpad=0.2)


def _widths(axes: Axes, points: pd.DataFrame, colours: dict[float, str]) -> None:
    widths = sorted(points["value_bits"].unique())
    place = {bits: index for index, bits in enumerate(widths)}
    ends = []
    for density, rows in points[points["stage"] != "huffman"].groupby("density", sort=False):
        line = rows.sort_values("value_bits")
        across = [place[bits] for bits in line["value_bits"]]
        colour = colours[float(density)]  # type: ignore[arg-type]
        axes.plot(across, line["test_error_pct"], color=colour, marker="o", markersize=3, linewidth=1.4)
        axes.fill_between(
            across,
            line["test_error_least_pct"],
            line["test_error_most_pct"],
            color=colour,
            alpha=0.2,
            linewidth=0,
        )
        label = _share(float(density))  # type: ignore[arg-type]
        ends.append((label, colour, float(line["test_error_pct"].iloc[-1])))
    _error_axis(axes, points)
    axes.set_xticks(range(len(widths)), ["fp32" if bits == 32 else str(bits) for bits in widths])
    axes.set_xlabel("bits of a shared value", labelpad=1)
    axes.set_title("Error against width", pad=6)
    axes.set_xlim(right=len(widths) - 1)
    name_ends(axes, ends, 0.065, size=7)


def _share(density: float) -> str:
    return "all weights" if density == 1 else f"{100 * density:g}% kept"


def _error_axis(axes: Axes, points: pd.DataFrame) -> None:
    axes.set_ylim(points["test_error_least_pct"].min() - 0.1, points["test_error_most_pct"].max() + 0.05)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))
    axes.grid(axis="y")
