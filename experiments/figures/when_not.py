"""Four panels, four ways to a gain of one: batch, convolutions, small memories, decoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.labels import name_ends
from experiments.runs.scenes import ASSUMED_NOTE, LABELS
from hwsim.units import memory_size

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

NETWORKS = {
    name: (label, colour) for (name, label), colour in zip(LABELS.items(), style.SERIES, strict=False)
}
"""Label and colour of each network."""

MARKS = {"conv": "o", "fc": "s"}
KINDS = {"conv": "convolutions", "fc": "fully-connected"}


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw the tables of `experiments.studies.when_not` against the factor of improvement."""
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 5.4))
        panels = [
            figure.add_axes((0.075 + 0.49 * column, 0.61 - 0.49 * row, 0.265, 0.33))
            for row in range(2)
            for column in range(2)
        ]
        _batch(panels[0], tables["batch"])
        _layers(panels[1], tables["layers"])
        _small(panels[2], tables["small_memory"])
        _decoders(panels[3], tables["decoders"])
        for axes in panels:
            axes.axhline(1.0, color=style.INK, linewidth=0.8, zorder=0)
            axes.grid(axis="y")
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
        figure.text(0.99, 0.012, ASSUMED_NOTE, ha="right", size=7)
    return figure


def _batch(axes: Axes, table: pd.DataFrame) -> None:
    axes.set_title("A large batch: energy, dense / Huffman", pad=6)
    axes.set_xscale("log", base=2)
    axes.set_xlim(table["batch"].min(), table["batch"].max())
    _named_lines(axes, table, "batch", "gain", NETWORKS)
    axes.xaxis.set_major_locator(LogLocator(4, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("batch", labelpad=1)


def _layers(axes: Axes, table: pd.DataFrame) -> None:
    axes.set_title("Convolutions: energy, dense / Huffman", pad=6)
    for (network, kind), rows in table.groupby(["network", "kind"]):
        axes.plot(
            rows["uses_of_a_weight"],
            rows["gain"],
            MARKS[str(kind)],
            color=NETWORKS[str(network)][1],
            markersize=4,
            alpha=0.8,
        )
    for kind, rows in table.groupby("kind"):
        least = rows["gain"].min() if kind == "fc" else rows["gain"].max()
        across = rows["uses_of_a_weight"].median() * (1.6 if kind == "fc" else 1.0)
        axes.annotate(
            KINDS[str(kind)],
            (across, least),
            (0, 4 if kind == "conv" else 0),
            textcoords="offset points",
            ha="left" if kind == "fc" else "center",
            size=7.5,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    _log_times(axes, table["gain"])
    for place, network in enumerate(table["network"].unique()):
        label, colour = NETWORKS[network]
        axes.text(1.04, 0.95 - 0.11 * place, label, color=colour, transform=axes.transAxes, size=7.5)
    axes.xaxis.set_major_locator(LogLocator(100, numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("uses of each weight", labelpad=1)


def _small(axes: Axes, table: pd.DataFrame) -> None:
    axes.set_title("Already on chip: energy, dense / stage", pad=6)
    compressed = table[table["stage"] != "dense"]
    axes.set_xscale("log", base=2)
    axes.set_xlim(table["bank_B"].min(), table["bank_B"].max())
    _named_lines(axes, compressed, "bank_B", "gain", style.STAGES, "stage")
    axes.yaxis.set_major_locator(FixedLocator((0.8, 1.0, 1.2, 1.5, 2.0)))
    axes.xaxis.set_major_locator(LogLocator(4, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: memory_size(value).replace(" ", "\n")))
    axes.set_xlabel("bank that is read", labelpad=1)


def _decoders(axes: Axes, table: pd.DataFrame) -> None:
    axes.set_title("Few decoders: rate, Huffman / shared", pad=6)
    axes.set_xscale("log", base=2)
    axes.set_xlim(table["decoders"].min(), table["decoders"].max())
    _named_lines(axes, table, "decoders", "speedup", NETWORKS)
    axes.xaxis.set_major_locator(LogLocator(4, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("decoders of one symbol a cycle", labelpad=1)


def _log_times(axes: Axes, values: pd.Series) -> None:
    axes.set_ylim(min(float(values.min()), 1.0) / 1.3, float(values.max()) * 1.3)
    axes.yaxis.set_major_locator(LogLocator(10, (1.0, 2.0, 5.0), numticks=12))


def _named_lines(
    axes: Axes,
    table: pd.DataFrame,
    across: str,
    up: str,
    known: dict[str, tuple[str, str]],
    by: str = "network",
) -> None:
    """Draw a line for each value of column `by`, and call it by its label in `known` at its right end."""
    axes.set_yscale("log")
    _log_times(axes, table[up])
    ends = []
    for name in style.in_order(set(table[by]), known, by):
        line = table[table[by] == name].sort_values(across)
        axes.plot(line[across], line[up], color=known[name][1], marker="o", markersize=2.5, linewidth=1.5)
        ends.append((*known[name], float(line[up].iloc[-1])))
    name_ends(axes, ends, 0.1, high=0.92)
