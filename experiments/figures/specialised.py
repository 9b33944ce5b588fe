"""One die as three kinds of array: states of its multipliers, energy, and a solver that adapts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from experiments.figures import style
from experiments.figures.labels import leader, spread
from hwsim.units import LOW, engineering

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    import pandas as pd
    from matplotlib.axes import Axes

NAMES = {
    "vgg16": "VGG-16",
    "lstm_2x1500": "LSTM 2×1500",
    "llama_layer_decode": "Llama-2 layer,\none token",
    "neural_ode": "neural ODE",
    "resnet1202": "ResNet-1202",
}
ARRAYS = {
    "convolution": (style.SERIES[1], "o"),
    "GEMM": (style.SERIES[0], "s"),
    "SIMD": (style.SERIES[2], "D"),
}
ROW_IN = 0.175


def states(table: pd.DataFrame) -> Figure:
    """Draw how multipliers spend their time: three bars a network, a panel a batch size."""
    height = ROW_IN * 3.9 * len(NAMES) + 0.95
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, height))
        for column, batch in enumerate(sorted(set(table["batch"]))):
            axes = figure.add_axes((0.25 + 0.38 * column, 0.42 / height, 0.305, 1 - 1.02 / height))
            _states(axes, table[table["batch"] == batch], named=column == 0)
            axes.set_title(f"Batch {batch}", pad=6)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper center", ncols=5, borderaxespad=0.3, handlelength=1.2)
    return figure


def _rows(table: pd.DataFrame) -> Iterator[tuple[float, str, str, dict[Hashable, Any]]]:
    """Height, network, array and figures of each bar, a gap between networks; none where nothing was run."""
    found = {(row["network"], row["array"]): row for row in table.to_dict("records")}
    for place, network in enumerate(NAMES):
        for offset, array in enumerate(ARRAYS):
            if (network, array) in found:
                yield 3.9 * place + offset, network, array, found[network, array]


def _states(axes: Axes, table: pd.DataFrame, *, named: bool) -> None:
    for height, network, array, row in _rows(table):
        left = 0.0
        for state, (label, colour) in style.TILES.items():
            share = row[f"{state}_share"]
            axes.barh(
                height,
                share,
                left=left,
                color=colour,
                height=0.85,
                label=label if height == 0 else None,
            )
            left += share
        axes.text(1.02, height, f"{row['peak_share']:.1%}", va="center", size=6.5)
        if named:
            axes.text(-0.02, height, array, va="center", ha="right", size=7)
            if array == "GEMM":
                axes.text(-0.33, height, NAMES[network], va="center", ha="right", weight="bold", size=8)
    axes.set_yticks([])
    axes.set_ylim(3.9 * len(NAMES) - 1.2, -0.7)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("share of time (beside: of the peak rate)", labelpad=2)


def energy(table: pd.DataFrame) -> Figure:
    """Draw inferences per second and joules, each against the GEMM array of the same network and batch."""
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.4))
        for column, (key, title) in enumerate(
            (("inferences_per_s", "Inferences per second"), ("energy_J", "Energy per inference"))
        ):
            axes = figure.add_axes((0.19 + 0.42 * column, 0.13, 0.34, 0.7))
            _against_gemm(axes, table, key, named=column == 0)
            axes.set_title(f"{title}, GEMM = 1", pad=6)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper center", ncols=4, borderaxespad=0.3)
    return figure


def _against_gemm(axes: Axes, table: pd.DataFrame, key: str, *, named: bool) -> None:
    ticks = []
    for place, network in enumerate(NAMES):
        own = table[table["network"] == network]
        for offset, batch in enumerate(sorted(set(own["batch"]))):
            rows = own[own["batch"] == batch].set_index("array")
            height = 2.5 * place + offset
            ticks.append((height, f"{batch}"))
            for array in ("convolution", "SIMD"):
                colour, mark = ARRAYS[array]
                low = bool(rows["low_confidence"][array])
                axes.plot(
                    [rows[key][array] / rows[key]["GEMM"]],
                    [height],
                    mark,
                    color=colour,
                    markerfacecolor="white" if low else colour,
                    markersize=6,
                    label=f"{array}{' (open: low confidence)' if low else ''}" if not ticks[1:] else None,
                )
        if named:
            axes.text(
                -0.12,
                2.5 * place + 0.5,
                NAMES[network],
                ha="right",
                va="center",
                weight="bold",
                size=8,
                transform=axes.get_yaxis_transform(),
            )
    axes.axvline(1, color=ARRAYS["GEMM"][0])
    axes.set_yticks([height for height, _ in ticks], [text for _, text in ticks])
    axes.tick_params(axis="y", length=0, labelsize=7)
    axes.set_ylim(2.5 * len(NAMES) - 0.8, -0.8)
    axes.set_xscale("log", base=2)
    axes.set_xticks([0.5, 1, 2], ["½", "1", "2"])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x")
    axes.set_xlim(0.42, 3.4)
    axes.set_xlabel("times GEMM's; rows: batch size", labelpad=2)


def adaptive(spread_of: pd.DataFrame, cost: pd.DataFrame) -> Figure:
    """Draw evaluations by tolerance, and joules of an inference alone and in a batch."""
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.0))
        left = figure.add_axes((0.075, 0.17, 0.36, 0.71))
        grouped = spread_of.groupby("tolerance")["evaluations"]
        least, mean, most = grouped.min(), grouped.mean(), grouped.max()
        left.fill_between(mean.index, least, most, color=style.PALE)
        left.plot(mean.index, mean, color=style.INK, marker="o", markersize=3.5)
        left.annotate(
            "mean of 64 items,\nand their range",
            (0.04, 0.93),
            xycoords="axes fraction",
            size=7.5,
            va="top",
        )
        left.set_title("Evaluations the solver takes", pad=6)
        left.set_ylim(bottom=0)
        right = figure.add_axes((0.55, 0.17, 0.25, 0.71))
        ends = []
        for array, (colour, _) in ARRAYS.items():
            rows = cost[cost["array"] == array]
            mark = LOW if bool(rows["low_confidence"].iloc[0]) else ""
            for column, look, label in (("energy_J", "-", "alone"), ("batch_energy_J", "--", "in batches")):
                right.plot(rows["tolerance"], rows[column], color=colour, linestyle=look)
                ends.append((float(rows[column].iloc[-1]), f"{array}, {label}{mark}", colour))
        right.set_title("Energy per inference", pad=6)
        right.set_ylim(bottom=0)
        right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))
        for axes in (left, right):
            axes.set_xscale("log")
            axes.set_xlim(2e-1, 7e-7)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_xlabel("tolerance of the solver", labelpad=2)
            axes.grid(axis="y")
        if cost["low_confidence"].any():
            figure.text(0.99, 0.02, f"{LOW} low confidence", ha="right", size=7)
        heights = spread([end for end, _, _ in ends], 0.075 * right.get_ylim()[1])
        for (end, label, colour), height in zip(ends, heights, strict=True):
            right.annotate(
                label,
                (1e-6, end),
                (3.5e-7, height),
                color=colour,
                va="center",
                size=7.5,
                annotation_clip=False,
                arrowprops=leader(colour),
            )
    return figure
