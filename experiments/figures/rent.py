"""Weights that are kept on chip against weights that are fetched, and where Huffman coding pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

from experiments.figures import style
from experiments.figures.canvas import canvas, legend, patches, rows
from experiments.runs.phrases import number, times
from hwsim.units import LOW, engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = {
    ("dense", "DRAM", "itrs-lstp"): ("dense, from DRAM", style.STAGES["dense"][1]),
    ("huffman", "DRAM", "itrs-lstp"): ("Huffman-coded, from DRAM", style.STAGES["huffman"][1]),
    ("huffman", "on chip", "itrs-hp"): ("Huffman-coded, fast cells", style.SERIES[0]),
    ("huffman", "on chip", "itrs-lstp"): ("Huffman-coded, low-leakage cells", style.SERIES[2]),
}
NODE = 45
CELLS = {"itrs-hp": "fast cells", "itrs-lstp": "low leakage"}
DRAMS = {"hypothetical-20pJ": "DRAM, 20 pJ per bit", "LPDDR4-3200": "LPDDR4", "HBM2-2000": "HBM2"}
PAYS, LOSES = style.SERIES[2], style.SERIES[1]
BAR = 0.27


def rent(rates: pd.DataFrame, intervals: pd.DataFrame) -> Figure:
    """Draw energy per inference by rate, and the interval at which keeping and fetching break even."""
    here = rates[rates["node_nm"] == NODE]
    even = here[here["stage"] == "huffman"].groupby("cell")["break_even_per_s"].first()
    title = (
        f"AlexNet's coded layers are worth keeping on chip from {number(even['itrs-hp'])} inferences per "
        f"second on with fast cells, {number(even['itrs-lstp'])} with low-leakage cells"
    )
    with style.applied():
        figure, (left, right) = canvas(title, 3.6, ncols=2, width_ratios=(1.35, 1))
        _by_rate(left, here)
        _intervals(right, intervals)
        lines = [Line2D([], [], color=colour, label=label) for label, colour in LINES.values()]
        kinds = zip(DRAMS.values(), style.SERIES[3:], strict=False)
        legend(figure, [*lines, *patches(kinds)], columns=2)
    return figure


def _by_rate(axes: Axes, rates: pd.DataFrame) -> None:
    for (stage, home, cell), (label, colour) in LINES.items():
        line = rates[(rates["stage"] == stage) & (rates["home"] == home) & (rates["cell"] == cell)]
        axes.plot(line["per_s"], line["energy_J"], color=colour, label=label)
        if home == "on chip":
            even = float(line["break_even_per_s"].iloc[0])
            fetched = float(rates[(rates["stage"] == stage) & (rates["home"] == "DRAM")]["energy_J"].iloc[0])
            axes.plot([even], [fetched], "o", color=colour)
            axes.annotate(
                f"{number(even)}/s", (even, fetched), (0, 8), textcoords="offset points", color=colour
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("inferences per second")
    axes.set_title("energy per inference")
    axes.xaxis.set_major_locator(LogLocator(100, numticks=12))
    axes.yaxis.set_major_locator(LogLocator(100, numticks=12))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))
    axes.grid(axis="y")


def _intervals(axes: Axes, intervals: pd.DataFrame) -> None:
    """Draw a group of bars for each node and cell, a bar for each kind of DRAM."""
    lines: list[dict[Any, Any]] = intervals.to_dict("records")
    groups = list(dict.fromkeys((line["node_nm"], line["cell"]) for line in lines))
    for line in lines:
        kind = list(DRAMS).index(line["dram"])
        place = groups.index((line["node_nm"], line["cell"])) + BAR * (kind - 1)
        axes.barh(place, line["interval_s"], color=style.SERIES[3 + kind], height=BAR)
        text = engineering(float(f"{line['interval_s']:.2g}"), "s") + (LOW if line["low_confidence"] else "")
        axes.annotate(
            text, (line["interval_s"], place), (3, 0), textcoords="offset points", va="center", size="x-small"
        )
    rows(axes, [f"{CELLS[cell]},\n{node} nm" for node, cell in groups])
    axes.set_xscale("log")
    low, high = float(intervals["interval_s"].min()), float(intervals["interval_s"].max())
    axes.set_xlim(low / 5, high * 60)
    axes.xaxis.set_major_locator(LogLocator(1000, numticks=6))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "s")))
    axes.set_title("longest time between uses", x=1.0, ha="right")
    axes.set_xlabel("that repays keeping a bit")


def huffman(pays: pd.DataFrame, decoders: pd.DataFrame) -> Figure:
    """Draw what coding saves of fetching against what decoding costs by level, and the decoders needed."""
    ratio = pays.set_index("level")["ratio"]
    last, first = (str(level) for level in (ratio[ratio >= 1].index[-1], ratio[ratio < 1].index[0]))
    title = (
        f"Huffman coding saves energy down to {last} ({times(float(ratio[last]))} its cost), "
        f"but not for {first} ({times(float(ratio[first]))})"
    )
    with style.applied():
        figure, (upper, lower) = canvas(title, 4.8, nrows=2, height_ratios=(1.45, 1))
        _pays(upper, pays)
        _decoders(lower, decoders)
        looks = patches([("coding pays", PAYS), ("coding does not pay", LOSES)])
        diamond = Line2D([], [], color=style.INK, marker="D", linestyle="", markerfacecolor="none")
        diamond.set_label("by CACTI")
        legend(figure, [*looks, diamond], columns=3)
    return figure


def _pays(axes: Axes, pays: pd.DataFrame) -> None:
    lines: list[dict[Any, Any]] = pays.to_dict("records")
    for place, line in enumerate(lines):
        colour = PAYS if line["ratio"] >= 1 else LOSES
        axes.barh(place, line["ratio"] - 1, left=1, color=colour, height=0.72)
        axes.plot([line["cacti_ratio"]], [place], "D", color=style.INK, markerfacecolor="none", markersize=5)
        text = f"{number(line['ratio'])}×{LOW if line['low_confidence'] else ''}"
        end = max(line["ratio"], line["cacti_ratio"], 1.0)
        axes.annotate(text, (end, place), (7, 0), textcoords="offset points", va="center")
    axes.axvline(1, color=style.INK, linewidth=1)
    rows(axes, [DRAMS.get(line["level"], line["level"]) for line in lines])
    axes.set_xscale("log")
    values = pays[["ratio", "cacti_ratio"]]
    axes.set_xlim(float(values.min().min()) / 2, float(values.max().max()) * 12)
    axes.xaxis.set_major_locator(LogLocator(100, numticks=6))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{number(value)}×"))
    axes.set_xlabel(f"energy of fetching saved / energy of decoding ({LOW} estimate)")


def _decoders(axes: Axes, decoders: pd.DataFrame) -> None:
    groups: dict[tuple[float, ...], list[int]] = {}
    for batch, line in decoders.groupby("batch"):
        groups.setdefault(tuple(line["share"].round(2)), []).append(int(str(batch)))
    for (shares, batches), colour in zip(_merged(groups).items(), style.SERIES, strict=False):
        line = decoders[decoders["batch"] == batches[0]]
        needed = int(line["needed_largest_layer"].iloc[0])
        label = f"batch {' and '.join(map(str, batches))}: {needed} needed"
        axes.plot(line["decoders_per_tile"], shares, color=colour, marker="o", markersize=4, label=label)
        axes.axvline(needed, color=colour, linestyle=":", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylim(0, 1.08)
    axes.grid(axis="y")
    axes.set_title("rate against that with many decoders")
    axes.set_xlabel("decoders per tile (dotted: needed by the largest layer)")
    axes.legend(loc="lower right")


ALIKE = 0.03
"""Lines nearer than this to one another are drawn as one."""


def _merged(groups: dict[tuple[float, ...], list[int]]) -> dict[tuple[float, ...], list[int]]:
    """Put batches together whose lines lie on one another."""
    found: dict[tuple[float, ...], list[int]] = {}
    for shares, batches in groups.items():
        near = next((one for one in found if max(map(_apart, one, shares)) < ALIKE), None)
        found.setdefault(near or shares, []).extend(batches)
    return found


def _apart(one: float, other: float) -> float:
    return abs(one - other)
