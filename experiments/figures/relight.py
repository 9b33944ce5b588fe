"""The headline of `experiments.studies.relight`, and its watts in full.

The headline has two halves. On the left, one network on one die under one cap: where the watts go
at each stage, and which share of the peak MAC rate that leaves. On the right, the gain over batch sizes for
every network, which shows where compression helps and where it does not.
"""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from experiments.figures import style
from experiments.figures.labels import leader, spread
from experiments.runs.scenes import ASSUMED_NOTE
from hwsim.units import engineering

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

PARTS = style.COMPONENTS | {"headroom": ("unused headroom", "#FFFFFF")}
APART = {"int8": 0.35}
"""Room before a stage that does not follow from the one before it."""
BAR, BESIDE = 0.74, 0.57
"""Width of a bar, and how far left of the first one's middle its names end; bars are 1 apart."""
LABEL_ABOVE_W, NAMED_ABOVE_W = 13.0, 1.5
"""Least watts of a segment that holds a number, and of one that is named."""


def headline(runs: pd.DataFrame, watts: pd.DataFrame, labels: dict[str, str], cap_W: float) -> Figure:
    """Draw the headline.

    Parameters
    ----------
    runs : DataFrame
        One row per `network`, `stage` and `batch`: `inferences_per_s`, `inferences_per_J`,
        `peak_share`.
    watts : DataFrame
        Of one network at one batch: `network`, `stage`, `batch`, `component`, `power_W`; the
        components of a stage, headroom included, sum to the cap.
    labels : dict of str to str
        What each network is called.
    """
    network, batch = watts["network"].iloc[0], int(watts["batch"].iloc[0])
    shown = runs[(runs["network"] == network) & (runs["batch"] == batch)].set_index("stage")
    heads: dict[str, Any] = {"va": "top", "weight": "bold", "size": 9.5}
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 4.2))
        figure.text(0.012, 0.985, f"{labels[network]}, batch {batch}: where {cap_W:g} W go", **heads)
        _bars(figure.add_axes((0.172, 0.075, 0.365, 0.76)), watts, shown, cap_W)
        figure.text(0.6, 0.985, "Gain of + Huffman over dense", **heads)
        upper = figure.add_axes((0.735, 0.535, 0.215, 0.36))
        _gain(upper, runs, labels, "inferences_per_s", "inferences per second")
        upper.tick_params(labelbottom=False)
        lower = figure.add_axes((0.735, 0.075, 0.215, 0.36))
        _gain(lower, runs, labels, "inferences_per_J", "inferences per joule")
        lower.set_xlabel("batch", labelpad=0)
        figure.text(0.6, 0.93, ASSUMED_NOTE, size=7)
    return figure


def _bars(axes: Axes, watts: pd.DataFrame, shown: pd.DataFrame, cap_W: float) -> None:
    """Draw a bar of watts per stage up to the cap, with the rate and the peak share above it."""
    stages = style.in_order(set(watts["stage"]), style.STAGES, "stage")
    components = style.in_order(set(watts["component"]), PARTS, "component")
    places = [index + sum(APART.get(s, 0.0) for s in stages[: index + 1]) for index in range(len(stages))]
    power, starts = _stacked(watts, stages, components)
    for row, name in enumerate(components):
        colour = PARTS[name][1]
        axes.bar(places, power[row], BAR, starts[row], color=colour)
        for x, drawn, start in zip(places, power[row], starts[row], strict=True):
            if drawn >= LABEL_ABOVE_W:
                where: dict[str, Any] = {
                    "ha": "center",
                    "va": "center",
                    "color": style.text_on(colour),
                    "size": 7.5,
                }
                axes.text(x, start + drawn / 2, f"{drawn:.0f}", **where)
    axes.bar(places, cap_W, BAR, color="none", edgecolor=style.INK, linewidth=0.7)
    _head(axes, places, shown.loc[stages], cap_W)
    axes.set_ylim(0, cap_W)
    axes.set_xlim(places[0] - 0.45, places[-1] + 0.45)
    axes.set_xticks(places, [style.STAGES[stage][0] for stage in stages], size=6.5)
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0)
    axes.spines["left"].set_visible(False)
    named = [row for row in range(len(components)) if power[row].max() >= NAMED_ABOVE_W]
    middles = [float(starts[row, 0] + power[row, 0] / 2) for row in named]
    for row, middle, at in zip(named, middles, spread(middles, 11.5), strict=True):
        name = components[row]
        axes.annotate(
            f"{PARTS[name][0]} (W)" if name == "dram" else PARTS[name][0],
            (places[0] - BAR / 2, middle),
            (places[0] - BESIDE, at),
            ha="right",
            va="center",
            size=7.5,
            annotation_clip=False,
            arrowprops=leader(style.INK) | {"relpos": (1.0, 0.5)},
        )


def _head(axes: Axes, places: list[float], shown: pd.DataFrame, cap_W: float) -> None:
    """Say above the bars how fast each stage is, also as a share of the peak."""
    rates = [engineering(rate, "/s") for rate in shown["inferences_per_s"]]
    peak = [f"{share:.0%}" for share in shown["peak_share"]]
    for height, name, cells, weight in (
        (1.09, "inferences", rates, "bold"),
        (1.035, "share of peak", peak, "normal"),
    ):
        axes.text(places[0] - BESIDE, height * cap_W, name, ha="right", size=7.5, weight=weight)
        for x, cell in zip(places, cells, strict=True):
            axes.text(x, height * cap_W, cell, ha="center", size=7.5, weight=weight)


def _stacked(
    watts: pd.DataFrame, stages: list[str], components: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Watts of each component (rows) at each stage, and where they start in the stack."""
    table = watts.pivot_table(index="component", columns="stage", values="power_W")
    power = table.reindex(index=components, columns=stages).fillna(0.0).to_numpy(dtype=float)
    return power, power.cumsum(axis=0) - power


def _gain(axes: Axes, runs: pd.DataFrame, labels: dict[str, str], figure: str, title: str) -> None:
    """Draw how many times more of `figure` the last stage gives than the first, over batches."""
    table = runs.pivot_table(index="batch", columns=["network", "stage"], values=figure)
    gains = {name: (table[name]["huffman"] / table[name]["dense"]).dropna() for name in labels}
    axes.axhline(1.0, color=style.PALE, linewidth=1.0)
    first = [float(gain.iloc[0]) for gain in gains.values()]
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    top = max(first)
    axes.set_ylim(0.84, 1.22 * top)
    room = log2(1.22 * top / 0.84)
    places = spread([log2(value) for value in first], 0.088 * room, low=log2(0.9))
    for (name, gain), colour, at in zip(gains.items(), style.SERIES, places, strict=False):
        axes.plot(gain.index, gain, color=colour, marker="o", markersize=2.5)
        axes.annotate(
            f"{labels[name]} {_times(float(gain.iloc[0]))}",
            (1.0, float(gain.iloc[0])),
            (0.62, 2.0**at),
            ha="right",
            va="center",
            color=colour,
            size=7.5,
            annotation_clip=False,
            arrowprops=leader(colour) | {"relpos": (1.0, 0.5)},
        )
    batches = sorted(runs["batch"].unique())
    axes.set_xticks(batches, [str(batch) for batch in batches], size=7.5)
    axes.set_xlim(1, 1.25 * batches[-1])
    ticks = [tick for tick in (1, 2, 4, 8, 16, 32) if tick < 1.22 * top]
    axes.set_yticks(ticks, [f"{tick}×" for tick in ticks], size=7.5)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.tick_right()
    axes.spines[["left"]].set_visible(False)
    axes.spines[["right"]].set_visible(True)
    axes.set_title(title, pad=3, weight="normal", size=8.5, loc="right")


def _times(gain: float) -> str:
    return f"{gain:.1f}×" if gain < 9.95 else f"{gain:.0f}×"


def stacks(runs: pd.DataFrame, watts: pd.DataFrame, labels: dict[str, str], cap_W: float) -> Figure:
    """Draw the watts of every network, stage and batch: a row of panels per network, a column per batch.

    Parameters as for `headline`, with `watts` of all networks at the batches to draw.
    """
    batches = sorted(watts["batch"].unique())
    components = style.in_order(set(watts["component"]), PARTS, "component")
    keyed = runs.set_index(["network", "stage", "batch"])["inferences_per_s"]
    row_in, top_in = 1.24, 0.72
    height = top_in + row_in * len(labels) + 0.3
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, height))
        for row, (network, label) in enumerate(labels.items()):
            bottom = height - top_in - row_in * (row + 1) + 0.26
            for column, batch in enumerate(batches):
                axes = figure.add_axes((0.115 + 0.3 * column, bottom / height, 0.2, (row_in - 0.34) / height))
                chosen = watts[(watts["network"] == network) & (watts["batch"] == batch)]
                _panel(axes, chosen, keyed[network].xs(batch, level="batch"), components, cap_W)
                if row == len(labels) - 1:
                    axes.set_xlabel("power (W)", labelpad=0)
                else:
                    axes.tick_params(labelbottom=False)
                if column:
                    axes.tick_params(labelleft=False)
                else:
                    axes.set_title(label, pad=3, x=-0.52)
                if row == 0:
                    axes.text(0.5, 1.2, f"batch {batch:,}", ha="center", transform=axes.transAxes)
        handles = [
            Patch(
                facecolor=PARTS[c][1],
                edgecolor=style.INK if c == "headroom" else "none",
                linewidth=0.6,
                label=PARTS[c][0],
            )
            for c in components
        ]
        figure.text(0.985, 0.1 / height, ASSUMED_NOTE, ha="right", size=7)
        figure.legend(
            handles=handles,
            loc="upper center",
            ncols=5,
            handlelength=1.0,
            columnspacing=1.4,
            borderaxespad=0.2,
        )
    return figure


def _panel(
    axes: Axes, watts: pd.DataFrame, rates: pd.Series[float], components: list[str], cap_W: float
) -> None:
    stages = style.in_order(set(watts["stage"]), style.STAGES, "stage")
    rows = range(len(stages))
    for name, power, start in zip(components, *_stacked(watts, stages, components), strict=True):
        axes.barh(rows, power, BAR, start, color=PARTS[name][1])
    axes.barh(rows, cap_W, BAR, color="none", edgecolor=style.INK, linewidth=0.6)
    for row, stage in enumerate(stages):
        rate = engineering(rates[stage], "/s")
        axes.annotate(rate, (cap_W, row), (3, 0), textcoords="offset points", va="center", size=7.5)
    axes.set_ylim(len(stages) - 0.5, -0.5)
    axes.set_xlim(0, cap_W)
    axes.set_xticks([0, cap_W / 2, cap_W])
    axes.set_yticks(rows, [style.STAGES[stage][0] for stage in stages])
    axes.tick_params(axis="y", length=0)
