"""The rent of residency, and where Huffman coding pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

from experiments.figures import style
from hwsim.units import engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LINES = {
    ("dense", "DRAM", "itrs-lstp"): ("dense, from DRAM", style.STAGES["dense"][1], "-"),
    ("huffman", "DRAM", "itrs-lstp"): ("compressed, from DRAM", style.STAGES["huffman"][1], "-"),
    ("huffman", "on chip", "itrs-hp"): ("compressed, on chip, fast cells", style.SERIES[0], "-"),
    ("huffman", "on chip", "itrs-lstp"): ("compressed, on chip, tight cells", style.SERIES[2], "-"),
}
NODE = 45
CELLS = {"itrs-hp": "fast", "itrs-lstp": "tight"}
SAME, HIDDEN = (1, 16), 1
"""Batches whose lines lie on each other, and the one that is not named."""
DRAMS = {"hypothetical-20pJ": "20 pJ/bit", "LPDDR4-3200": "LPDDR4", "HBM2-2000": "HBM2"}


def rent(rates: pd.DataFrame, intervals: pd.DataFrame) -> Figure:
    """Draw energy per inference by rate, and the interval at which keeping and fetching break even."""
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.4))
        _by_rate(figure.add_axes((0.085, 0.145, 0.44, 0.75)), rates[rates["node_nm"] == NODE])
        _intervals(figure.add_axes((0.715, 0.145, 0.2, 0.75)), intervals)
    return figure


def _by_rate(axes: Axes, rates: pd.DataFrame) -> None:
    for (stage, home, cell), (label, colour, look) in LINES.items():
        line = rates[(rates["stage"] == stage) & (rates["home"] == home) & (rates["cell"] == cell)]
        axes.plot(line["per_s"], line["energy_J"], color=colour, linestyle=look, label=label)
        if home == "on chip":
            even = float(line["break_even_per_s"].iloc[0])
            fetched = rates[(rates["stage"] == stage) & (rates["home"] == "DRAM")]["energy_J"].iloc[0]
            axes.plot([even], [fetched], "o", color=colour)
            axes.annotate(
                f"{_plain(even)}/s",
                (even, fetched),
                (4, 5),
                textcoords="offset points",
                color=colour,
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("inferences per second", labelpad=2)
    axes.set_title("Energy per inference", pad=6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(10, numticks=12))
        axis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))
    axes.grid(axis="y")
    axes.set_ylim(top=3e4)
    axes.legend(
        loc="upper right", fontsize=7.5, handlelength=1.4, frameon=True, edgecolor="none", framealpha=1
    )  # the grid stays behind it


def _intervals(axes: Axes, intervals: pd.DataFrame) -> None:
    rows = intervals.to_dict("records")
    kinds = list(DRAMS)
    for place, row in enumerate(rows):
        height = place + (place // len(kinds)) * 0.6
        axes.barh(height, row["interval_s"], color=style.SERIES[kinds.index(row["dram"])], height=0.8)
        text = engineering(row["interval_s"], "s") + ("*" if row["low_confidence"] else "")
        axes.text(row["interval_s"] * 1.3, height, text, va="center", size=7.5)
        axes.text(-0.03, height, DRAMS[row["dram"]], va="center", ha="right", size=7, transform=_beside(axes))
        if place % len(kinds) == 0:
            name = f"{row['node_nm']} nm\n{CELLS[row['cell']]}"
            axes.text(-0.5, height + 1, name, va="center", ha="right", size=8, transform=_beside(axes))
    axes.set_yticks([])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(1e-5, 30)
    axes.xaxis.set_major_locator(LogLocator(100, numticks=6))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "s")))
    axes.set_title("Longest interval that repays keeping a bit", pad=6, x=1.3, ha="right")
    axes.set_xlabel("between two uses", labelpad=2)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _beside(axes: Axes) -> object:
    return axes.get_yaxis_transform()


def huffman(pays: pd.DataFrame, decoders: pd.DataFrame) -> Figure:
    """Draw fetch saved over decode spent by level, and rate by decoders per tile."""
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.0))
        _pays(figure.add_axes((0.25, 0.165, 0.27, 0.72)), pays)
        _decoders(figure.add_axes((0.65, 0.165, 0.3, 0.72)), decoders)
    return figure


def _pays(axes: Axes, pays: pd.DataFrame) -> None:
    rows = pays.to_dict("records")
    for place, row in enumerate(rows):
        colour = style.SERIES[2] if row["ratio"] >= 1 else style.SERIES[1]
        axes.barh(place, row["ratio"], left=0, color=colour, height=0.72)
        axes.plot(
            [row["cacti_ratio"]], [place], "D", color=style.INK, markerfacecolor="white", markersize=3.5
        )
        ratio = f"{_plain(row['ratio'])}×{'*' if row['low_confidence'] else ''}"
        axes.text(max(row["ratio"], row["cacti_ratio"], 1.0) * 1.6, place, ratio, va="center", size=7.5)
    axes.axvline(1, color=style.INK, linewidth=1)
    axes.set_yticks(range(len(rows)), [row["level"] for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(1e-2, 1e7)
    axes.set_xticks([0.01, 1, 100, 10_000], ["0.01×", "1×", "100×", "10k×"])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_title("Huffman: fetch saved over decode spent", pad=6, x=-0.86)
    axes.set_xlabel("times (*low confidence; diamonds: CACTI)", labelpad=2)


def _decoders(axes: Axes, decoders: pd.DataFrame) -> None:
    for (batch, line), colour in zip(decoders.groupby("batch"), style.SERIES, strict=False):
        axes.plot(line["decoders_per_tile"], line["share"], color=colour, marker="o", markersize=3.5)
        if batch != HIDDEN:
            name = f"batch {SAME[0]} and {SAME[1]}" if batch in SAME else f"batch {batch}"
            first = line.iloc[0]
            axes.annotate(
                name,
                (first["decoders_per_tile"], first["share"]),
                (6, -8 if batch in SAME else 1 if first["share"] < 0.9 else 8),
                textcoords="offset points",
                color=colour,
                size=7.5,
                va="center",
                bbox={"facecolor": "white", "linewidth": 0, "pad": 0.6},
            )
        axes.axvline(line["needed_largest_layer"].iloc[0], color=colour, linestyle=":", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylim(0, 1.1)
    axes.grid(axis="y")
    axes.set_title("Rate, of that with many decoders", pad=6, x=-0.2)
    axes.set_xlabel("decoders per tile (dotted: needed)", labelpad=2)
