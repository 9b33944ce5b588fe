"""Four panels, four ways to a gain of one: batch, convolutions, small memories, decoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.canvas import canvas, legend
from experiments.runs.phrases import number, times
from experiments.runs.scenes import ASSUMED_NOTE, LABELS
from hwsim.units import memory_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NETWORKS = {
    name: (label, colour) for (name, label), colour in zip(LABELS.items(), style.SERIES, strict=False)
}
"""Label and colour of each network."""

MARKS = {"conv": ("o", "convolution"), "fc": ("s", "fully-connected layer")}
STAGES = ("pruned", "shared", "huffman")


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw the tables of `experiments.studies.when_not` against the factor of improvement."""
    batch = tables["batch"].set_index(["network", "batch"])["gain"]["alexnet_fc"]
    title = (
        f"Compression gains {times(float(batch.iloc[0]))} at batch 1 on fully-connected layers, and "
        f"{times(float(batch.iloc[-1]))} at batch {batch.index[-1]:,}: weights that are used often gain "
        "little"
    )
    with style.applied():
        figure, panels = canvas(title, 5.0, nrows=2, ncols=2)
        (one, two), (three, four) = panels
        _batch(one, tables["batch"])
        _layers(two, tables["layers"])
        _small(three, tables["small_memory"])
        _decoders(four, tables["decoders"])
        for axes in panels.flat:
            axes.axhline(1.0, color=style.INK, linewidth=0.8, zorder=0)
            axes.grid(axis="y")
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
        lines = [Line2D([], [], color=colour, label=label) for label, colour in NETWORKS.values()]
        marks = [
            Line2D([], [], color=style.INK, marker=mark, linestyle="", label=label)
            for mark, label in MARKS.values()
        ]
        stages = [Line2D([], [], color=style.STAGES[s][1], label=style.STAGES[s][0]) for s in STAGES]
        legend(figure, [*lines, *marks, *stages], columns=3)
    return figure


def _batch(axes: Axes, table: pd.DataFrame) -> None:
    axes.set_title("large batch: energy dense / coded", size="small")
    _lines(axes, table, "batch", "gain", NETWORKS, "network")
    axes.set_xlabel(f"batch ({ASSUMED_NOTE})")


def _layers(axes: Axes, table: pd.DataFrame) -> None:
    axes.set_title("convolutions: energy dense / coded", size="small")
    for (network, kind), found in table.groupby(["network", "kind"]):
        mark, colour = MARKS[str(kind)][0], NETWORKS[str(network)][1]
        axes.plot(found["uses_of_a_weight"], found["gain"], mark, color=colour, markersize=5, alpha=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _log_times(axes, table["gain"])
    axes.xaxis.set_major_locator(LogLocator(100, numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.set_xlabel("uses of each weight")


def _small(axes: Axes, table: pd.DataFrame) -> None:
    axes.set_title("on chip anyway: energy dense / stage", size="small")
    _lines(axes, table[table["stage"] != "dense"], "bank_B", "gain", style.STAGES, "stage")
    axes.yaxis.set_major_locator(FixedLocator((0.8, 1.0, 1.2, 1.5, 2.0)))
    axes.xaxis.set_major_locator(LogLocator(16, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: memory_size(value)))
    axes.set_xlabel("bank of the memory that is read")


def _decoders(axes: Axes, table: pd.DataFrame) -> None:
    axes.set_title("few decoders: speed coded / shared", size="small")
    _lines(axes, table, "decoders", "speedup", NETWORKS, "network")
    axes.set_xlabel("decoders, one symbol per cycle each")


def _log_times(axes: Axes, values: pd.Series) -> None:
    axes.set_ylim(min(float(values.min()), 1.0) / 1.3, float(values.max()) * 1.3)
    axes.yaxis.set_major_locator(LogLocator(10, (1.0, 2.0, 5.0), numticks=12))


def _lines(
    axes: Axes, table: pd.DataFrame, across: str, up: str, known: Mapping[str, tuple[str, str]], by: str
) -> None:
    """Draw a line for each value of column `by` in its colour."""
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlim(table[across].min(), table[across].max())
    _log_times(axes, table[up])
    for name in style.in_order(set(table[by]), dict(known), by):
        line = table[table[by] == name].sort_values(across)
        axes.plot(line[across], line[up], color=known[name][1], marker="o", markersize=3.5)
    axes.xaxis.set_major_locator(LogLocator(8, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
