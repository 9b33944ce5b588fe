"""One die as three kinds of array: states of its multipliers, energy, and a solver that adapts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

from experiments.figures import style
from experiments.figures.canvas import canvas, legend, patches
from experiments.runs import labels
from experiments.runs.phrases import number, percent, span
from hwsim.units import LOW, engineering

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NETWORKS = ("vgg16", "lstm_2x1500", "llama_layer_decode", "neural_ode", "resnet1202")
ARRAYS = {
    "convolution": (style.SERIES[1], "o"),
    "GEMM": (style.SERIES[0], "s"),
    "SIMD": (style.SERIES[2], "D"),
}
PITCH = 3.9
"""Rows from network to network: three bars and a gap."""
ROW_IN = 0.21
FINEST = "tightest tolerance"


def fastest(table: pd.DataFrame) -> dict[str, int]:
    """In how many cases each array is faster than both others; where they tie, none is."""
    rates = table.set_index(["network", "batch", "array"])["inferences_per_s"].unstack("array")
    return {array: int((rates.drop(columns=array).max(axis=1) < rates[array]).sum()) for array in ARRAYS}


def states(table: pd.DataFrame) -> Figure:
    """Draw how multipliers spend their time: three bars a network, a panel a batch size."""
    wins = fastest(table)
    told = [f"{array} {number}" for array, number in wins.items()]
    cases = len(table.groupby(["network", "batch"]))
    title = f"One die, three arrays: fastest in this many of {cases} cases: {', '.join(told)}"
    batches = sorted(set(table["batch"]))
    with style.applied():
        figure, panels = canvas(title, ROW_IN * PITCH * len(NETWORKS) + 0.9, ncols=len(batches), sharey=True)
        for axes, batch in zip(panels, batches, strict=True):
            _states(axes, table[table["batch"] == batch])
            axes.set_title(f"batch {batch}")
        places = [PITCH * place + offset for place in range(len(NETWORKS)) for offset in range(len(ARRAYS))]
        panels[0].set_yticks(places, [_row_name(n, a) for n in NETWORKS for a in ARRAYS])
        legend(figure, patches(style.TILES.values()), columns=3)
    return figure


def _row_name(network: str, array: str) -> str:
    """Name of the array; the network stands before the one in the middle."""
    name = labels.network(network).removesuffix(" (one token)")
    return f"{name}    {array}" if array == "GEMM" else array


def _rows(table: pd.DataFrame) -> Iterator[tuple[float, dict[Hashable, Any]]]:
    """Height and figures of each bar, a gap between networks; none where nothing was run."""
    found = {(row["network"], row["array"]): row for row in table.to_dict("records")}
    for place, network in enumerate(NETWORKS):
        for offset, array in enumerate(ARRAYS):
            if (network, array) in found:
                yield PITCH * place + offset, found[network, array]


def _states(axes: Axes, table: pd.DataFrame) -> None:
    for height, row in _rows(table):
        left = 0.0
        for state, (_, colour) in style.TILES.items():
            share = row[f"{state}_share"]
            axes.barh(height, share, left=left, color=colour, height=0.85)
            left += share
        axes.annotate(
            percent(row["peak_share"]),
            (1.0, height),
            (4, 0),
            textcoords="offset points",
            va="center",
            size="small",
        )
    axes.set_ylim(PITCH * len(NETWORKS) - 1.2, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xticks([0, 0.5, 1])
    axes.set_xlabel("share of time (beside: of peak rate)", size="small")


def energy(table: pd.DataFrame) -> Figure:
    """Draw inferences per second and energy, each against the GEMM array of the same network and batch."""
    found = table.set_index(["network", "batch", "array"])["energy_J"].unstack("array")
    title = (
        f"Against GEMM tiles, the convolution array takes {span(found['convolution'] / found['GEMM'])} "
        f"times the energy, SIMD lanes {span(found['SIMD'] / found['GEMM'])} times"
    )
    with style.applied():
        figure, panels = canvas(title, 3.9, ncols=2, sharey=True)
        for axes, (key, name) in zip(
            panels, (("inferences_per_s", "speed"), ("energy_J", "energy")), strict=True
        ):
            _against_gemm(axes, table, key)
            axes.set_title(f"{name}, GEMM = 1")
        low = {array for array, rows in table.groupby("array") if rows["low_confidence"].any()}
        handles = [
            Line2D([], [], color=colour, marker=mark, linestyle="", markersize=6, label=array)
            for array, (colour, mark) in ARRAYS.items()
            if array != "GEMM"
        ]
        for handle in handles:
            if handle.get_label() in low:
                handle.set(markerfacecolor="white", label=f"{handle.get_label()} (estimate)")
        legend(figure, handles, columns=2)
    return figure


def _against_gemm(axes: Axes, table: pd.DataFrame, key: str) -> None:
    cases = [(n, b) for n in NETWORKS for b in sorted(set(table[table["network"] == n]["batch"]))]
    ratios = []
    for place, (network, batch) in enumerate(cases):
        found = table[(table["network"] == network) & (table["batch"] == batch)].set_index("array")
        for array in ("convolution", "SIMD"):
            colour, mark = ARRAYS[array]
            ratio = float(found[key][array] / found[key]["GEMM"])
            face = "white" if found["low_confidence"][array] else colour
            axes.plot([ratio], [place], mark, color=colour, markerfacecolor=face, markersize=7)
            ratios.append(ratio)
    names = [f"{labels.network(n).removesuffix(' (one token)')}, batch {b}" for n, b in cases]
    axes.axvline(1, color=ARRAYS["GEMM"][0])
    axes.set_yticks(range(len(cases)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(cases) - 0.5, -0.5)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(LogLocator(2, numticks=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x")
    axes.set_xlim(min([*ratios, 0.5]) / 1.15, max([*ratios, 2.0]) * 1.15)


def adaptive(spread_of: pd.DataFrame, cost: pd.DataFrame) -> Figure:
    """Draw evaluations by tolerance, and energy of an inference alone and in a batch."""
    grouped = spread_of.groupby("tolerance")["evaluations"]
    least, mean, most = grouped.min(), grouped.mean(), grouped.max()
    finest = cost[cost["tolerance"] == cost["tolerance"].min()].set_index("array")
    saved = 1 - finest["batch_energy_J"] / finest["energy_J"]
    told = [
        f"{array} {percent(abs(value))} {'less' if value > 0 else 'more'}" for array, value in saved.items()
    ]
    title = (
        f"A solver that adapts takes {number(least.iloc[0])} to {number(most.iloc[0])} evaluations at the "
        f"{FINEST}; batches take {', '.join(told)} energy"
    )
    with style.applied():
        figure, (left, right) = canvas(title, 3.2, ncols=2)
        left.fill_between(mean.index, least, most, color=style.PALE)
        left.plot(mean.index, mean, color=style.INK, marker="o", markersize=4)
        left.set_title("evaluations: mean, range", x=0.0)
        left.set_ylim(bottom=0)
        for array, (colour, _) in ARRAYS.items():
            rows = cost[cost["array"] == array]
            right.plot(rows["tolerance"], rows["energy_J"], color=colour)
            right.plot(rows["tolerance"], rows["batch_energy_J"], color=colour, linestyle="--")
        right.set_title("energy per inference")
        right.set_ylim(bottom=0)
        right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))
        for axes in (left, right):
            axes.set_xscale("log")
            axes.invert_xaxis()
            axes.xaxis.set_major_locator(LogLocator(100, numticks=6))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_xlabel("tolerance of the solver")
            axes.grid(axis="y")
        low = set(cost[cost["low_confidence"]]["array"])
        lines = [
            Line2D([], [], color=colour, label=array + (LOW if array in low else ""))
            for array, (colour, _) in ARRAYS.items()
        ]
        looks = [
            Line2D([], [], color=style.INK, linestyle="-", label="alone"),
            Line2D([], [], color=style.INK, linestyle="--", label=f"in batches ({LOW} estimate)"),
        ]
        legend(figure, [*lines, *looks], columns=3)
    return figure
