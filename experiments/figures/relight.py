"""The headline of `experiments.studies.relight`, and its watts in full.

The headline has two halves. Above, one network on one die under one cap: where the watts go at each stage,
and how fast that is. Below, the gain over batch sizes for every network: where compression helps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from experiments.figures import style
from experiments.figures.canvas import beside, canvas, legend, patches, rows, stack
from experiments.runs.phrases import percent, span, times
from experiments.runs.scenes import ASSUMED_NOTE
from hwsim.plotting import WHITE
from hwsim.units import engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

PARTS = style.COMPONENTS | {"headroom": ("unused headroom", WHITE)}
GROUPS: dict[str, tuple[str, tuple[str, str]]] = {
    name: (group, look)
    for group, look, members in (
        ("DRAM", style.COMPONENTS["dram"], ("dram",)),
        ("memory on chip", ("memory on chip", style.COMPONENTS["sram"][1]), ("sram", "scratchpad")),
        ("arithmetic", ("MACs and registers", style.COMPONENTS["mac"][1]), ("mac", "register", "vector")),
        ("decoder", style.COMPONENTS["decoder"], ("decoder", "control")),
        ("static", style.COMPONENTS["static"], ("static", "clock")),
        ("headroom", PARTS["headroom"], ("headroom",)),
    )
    for name in members
}
"""Group of each component, with the label and colour of the group."""

ENDS = ("dense", "huffman", "int8")
"""Stages among which the watts of all networks are compared."""
NAMED_ABOVE = 0.06
"""Least share of the cap of a part that holds a number."""
GAINS = {"inferences_per_s": "inferences per second", "inferences_per_J": "inferences per joule"}


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
    dense, coded = shown.loc["dense"], shown.loc["huffman"]
    title = (
        f"{labels[network]}, batch {batch}, {cap_W:g} W: compression gives "
        f"{times(coded['inferences_per_s'] / dense['inferences_per_s'])} the inferences per second and "
        f"{times(coded['inferences_per_J'] / dense['inferences_per_J'])} per joule"
    )
    with style.applied():
        figure, panels = canvas(title, 4.9, nrows=2, ncols=2, height_ratios=(1.25, 1))
        upper, left, right = _merged(figure, panels)
        _bars(upper, watts, shown, cap_W)
        for axes, (column, name) in zip((left, right), GAINS.items(), strict=True):
            _gain(axes, runs, labels, column)
            axes.set_title(name)
        lines = [
            Line2D([], [], color=colour, label=label)
            for label, colour in zip(labels.values(), style.SERIES, strict=False)
        ]
        legend(figure, lines, columns=3)
        right.set_xlabel(f"batch      ({ASSUMED_NOTE})")
        left.set_xlabel("batch")
    return figure


def _merged(figure: Figure, panels: NDArray[Any]) -> tuple[Axes, Axes, Axes]:
    """Make one panel of the upper two."""
    grid = panels[0, 0].get_gridspec()
    for axes in panels[0]:
        axes.remove()
    return figure.add_subplot(grid[0, :]), panels[1, 0], panels[1, 1]


def _bars(axes: Axes, watts: pd.DataFrame, shown: Any, cap_W: float) -> None:
    """Draw a bar of watts per stage up to the cap, its rate behind it."""
    stages = style.in_order(set(watts["stage"]), style.STAGES, "stage")
    _stacks(axes, watts, stages, cap_W)
    _numbers(axes, watts, stages, cap_W)
    rates = [f"{engineering(shown.loc[stage, 'inferences_per_s'], '/s')}" for stage in stages]
    peak = [f"{percent(float(shown.loc[stage, 'peak_share']))} of peak" for stage in stages]
    texts = [f"{rate}, {share}" for rate, share in zip(rates, peak, strict=True)]
    beside(axes, [cap_W] * len(stages), texts)
    axes.set_title(f"where {cap_W:g} W go")
    used = [group for group in GROUPS.values() if group[0] in set(_grouped(watts)["group"])]
    axes.legend(
        handles=patches(dict(used).values()),
        loc="upper center",
        bbox_to_anchor=(0.5, -0.02),
        ncols=3,
        handlelength=1.0,
        columnspacing=1.2,
    )


def _grouped(watts: pd.DataFrame) -> pd.DataFrame:
    return watts.assign(group=watts["component"].map(lambda name: GROUPS[name][0]))


def _power(watts: pd.DataFrame, stages: list[str]) -> list[tuple[NDArray[np.float64], str]]:
    """Watts of each group at each stage, and its colour, in the order of the stack."""
    table = _grouped(watts).pivot_table(index="group", columns="stage", values="power_W", aggfunc="sum")
    table = table.reindex(columns=stages).fillna(0.0)
    return [
        (table.loc[group].to_numpy(float), look[1])
        for group, look in dict(GROUPS.values()).items()
        if group in table.index
    ]


def _stacks(axes: Axes, watts: pd.DataFrame, stages: list[str], cap_W: float) -> None:
    stack(axes, _power(watts, stages))
    axes.barh(range(len(stages)), cap_W, height=0.72, color="none", edgecolor=style.INK, linewidth=0.7)
    rows(axes, [style.STAGES[stage][0] for stage in stages])
    axes.set_xlim(0, cap_W)
    axes.set_xticks([])
    axes.spines[["bottom", "left"]].set_visible(False)


def _numbers(axes: Axes, watts: pd.DataFrame, stages: list[str], cap_W: float) -> None:
    """Write the watts into the parts that are long enough."""
    left = np.zeros(len(stages))
    for power, colour in _power(watts, stages):
        for row, value in enumerate(power):
            if value >= NAMED_ABOVE * cap_W and colour != WHITE:
                middle = left[row] + value / 2
                ink = style.text_on(colour)
                axes.text(middle, row, f"{value:.0f}", ha="center", va="center", color=ink, size="small")
        left = left + power


def _gain(axes: Axes, runs: pd.DataFrame, labels: dict[str, str], column: str) -> None:
    """Draw how many times more of `column` the coded network gives than the dense one, over batches."""
    table = runs.pivot_table(index="batch", columns=["network", "stage"], values=column)
    gains = {name: (table[name]["huffman"] / table[name]["dense"]).dropna() for name in labels}
    axes.axhline(1.0, color=style.PALE, linewidth=1.0)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    for gain, colour in zip(gains.values(), style.SERIES, strict=False):
        axes.plot(gain.index, gain, color=colour, marker="o", markersize=3.5)
    batches = sorted(runs["batch"].unique().tolist())[::2]
    axes.set_xticks(batches, [f"{batch:,}" for batch in batches])
    top = max(float(gain.max()) for gain in gains.values())
    ticks = [tick for tick in (1, 2, 4, 8, 16, 32, 64) if tick < 1.3 * top]
    axes.set_yticks(ticks, [f"{tick}×" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())


def stacks(runs: pd.DataFrame, watts: pd.DataFrame, labels: dict[str, str], cap_W: float) -> Figure:
    """Draw the watts of every network, stage and batch: a row of panels per network, a column per batch.

    Parameters as for `headline`, with `watts` of all networks at the batches to draw.
    """
    batches = sorted(watts["batch"].unique().tolist())
    rates = runs.set_index(["network", "stage", "batch"])["inferences_per_s"]
    dram = watts[(watts["component"] == "dram") & (watts["stage"] == "dense")].groupby("batch")["power_W"]
    first, last = (dram.get_group(batch) / cap_W for batch in (batches[0], batches[-1]))
    title = (
        f"DRAM takes {span(first, percent)} of {cap_W:g} W from dense networks at batch {batches[0]}, "
        f"{span(last, percent)} at batch {batches[-1]:,}"
    )
    with style.applied():
        figure, panels = canvas(
            title, 0.82 * len(labels) + 1.0, nrows=len(labels), ncols=len(batches), sharex=True
        )
        for across, (network, label) in zip(panels, labels.items(), strict=True):
            name = label.replace(", ", ",\n")
            across[0].set_ylabel(name, rotation=0, ha="right", va="center", weight="bold")
            for axes, batch in zip(across, batches, strict=True):
                chosen = watts[(watts["network"] == network) & (watts["batch"] == batch)]
                stages = [stage for stage in ENDS if stage in set(chosen["stage"])]
                _stacks(axes, chosen[chosen["stage"].isin(stages)], stages, cap_W)
                texts = [engineering(float(f"{rates[network, s, batch]:.2g}"), "/s") for s in stages]
                beside(axes, [cap_W] * len(stages), texts, size="small")
                if axes is not across[0]:
                    axes.set_yticklabels([])
        for axes, batch in zip(panels[0], batches, strict=True):
            axes.set_title(f"batch {batch:,}")
        panels[-1][-1].set_xlabel(f"bars: {cap_W:g} W; {ASSUMED_NOTE}", x=1.0, ha="right", size="small")
        legend(figure, patches(dict(GROUPS.values()).values()), columns=3)
    return figure
