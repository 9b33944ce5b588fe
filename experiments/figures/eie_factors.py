"""EIE's factors beside ours, and what is left of one layer's energy after each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from experiments.figures import style
from hwsim.units import LOW, engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

PARTS = {
    "weights": ("weights", style.COMPONENTS["dram"][1]),
    "index": ("their index", style.COMPONENTS["sram"][1]),
    "activations": ("activations", style.COMPONENTS["scratchpad"][1]),
    "registers": ("registers", style.COMPONENTS["register"][1]),
    "arithmetic": ("arithmetic", style.COMPONENTS["mac"][1]),
}
BARS = {
    "published": ("EIE's abstract", style.PALE),
    "weights": ("ours, weights alone", style.COMPONENTS["dram"][1]),
    "layer": ("ours, whole layer", style.COMPONENTS["mac"][1]),
}


def factors(table: pd.DataFrame) -> Figure:
    """Draw each factor three times: published, ours for the weights, ours for the layer."""
    memories = list(dict.fromkeys(table["memory"]))
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 4.4))
        for column, memory in enumerate(memories):
            axes = figure.add_axes((0.2 + 0.42 * column, 0.105, 0.31, 0.765))
            _factors(axes, table[table["memory"] == memory], named=column == 0)
            axes.set_title(f"Weights in {memory}", pad=6)
        handles = figure.axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="upper center", ncols=3, borderaxespad=0.3)
    return figure


def _factors(axes: Axes, table: pd.DataFrame, *, named: bool) -> None:
    rows = table.to_dict("records")
    for index, (column, (label, colour)) in enumerate(BARS.items()):
        for place, row in enumerate(rows):
            value = row[column]
            if value != value:
                continue
            height = place + 0.27 * (index - 1)
            axes.barh(height, value, height=0.25, color=colour, label=label if place == 0 else None)
            mark = LOW if row["low_confidence"] and column == "layer" else ""
            text = f"{value:,.0f}×{mark}" if value >= 20 else f"{value:.2g}×{mark}"
            axes.annotate(
                text, (max(value, 1.0), height), (3, 0), textcoords="offset points", va="center", size=6.5
            )
    axes.set_yticks(range(len(rows)), [row["label"] for row in rows] if named else [""] * len(rows))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(1, 4e5)
    axes.set_xticks([1, 100, 10_000], ["1×", "100×", "10,000×"])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.spines["left"].set_bounds(-0.45, len(rows) - 0.55)
    low = f" ({LOW} low confidence)" if table["low_confidence"].any() else ""
    axes.set_xlabel(f"times less energy{low}", labelpad=1)


def waterfall(parts: pd.DataFrame) -> Figure:
    """Draw the energy of the layer after every step: its total, and what it is made of."""
    memories = list(dict.fromkeys(parts["memory"]))
    labels = list(dict.fromkeys(parts["label"]))
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.4))
        for column, memory in enumerate(memories):
            axes = figure.add_axes((0.2 + 0.41 * column, 0.125, 0.255, 0.67))
            _shares(axes, parts[parts["memory"] == memory], labels, named=column == 0)
            axes.set_title(f"Weights in {memory}", pad=6)
        handles = figure.axes[0].get_legend_handles_labels()
        figure.legend(
            *handles, loc="upper center", ncols=5, borderaxespad=0.3, handlelength=1.2, columnspacing=1.2
        )
    return figure


def _shares(axes: Axes, parts: pd.DataFrame, labels: list[str], *, named: bool) -> None:
    table = parts.pivot_table(index="label", columns="part", values="energy_pJ", sort=False).loc[labels]
    low = parts.groupby("label")["low_confidence"].any()
    totals = table.sum(axis=1)
    left = totals * 0.0
    for part, (label, colour) in PARTS.items():
        share = table[part] / totals
        axes.barh(range(len(labels)), share, left=left, color=colour, label=label, height=0.72)
        left = left + share
    for place, (name, total) in enumerate(totals.items()):
        before = totals.iloc[place - 1] if place else total
        fall = f"   ÷{before / total:.2g}" if place else ""
        mark = LOW if low[str(name)] else ""
        axes.text(1.03, place, f"{engineering(1e-12 * total, 'J')}{mark}{fall}", va="center", size=7.5)
    axes.set_yticks(range(len(labels)), labels if named else [""] * len(labels))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    axes.set_xticks([0, 0.5, 1])
    axes.set_xlabel("share of the layer's energy", labelpad=1)
