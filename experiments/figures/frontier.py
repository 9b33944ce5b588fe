"""Error against bytes of a compressed network: ours by recipe and seed, and what others published."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.canvas import canvas, legend
from experiments.figures.labels import name_points
from experiments.runs import labels
from experiments.runs.phrases import listed, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AUGMENTED = {
    "moved": ("ours, with augmentation", style.SERIES[0]),
    "none": ("ours, without augmentation", style.SERIES[1]),
    "unknown": ("another file", style.SERIES[2]),
}
COUNTED = {"whole network": ("D", "published"), "parameters only": ("x", "published, parameters only")}
GREY = "#6E6E6E"
PANEL_IN = 2.9
LEAST_MARGIN_PCT = 0.1
"""Above and below errors that are all the same."""


def draw(runs: pd.DataFrame, medians: pd.DataFrame, marks: pd.DataFrame) -> Figure:
    """Draw one panel a network.

    Parameters
    ----------
    runs, medians, marks : DataFrame
        As `experiments.studies.frontier` gives them: every file, medians over seeds, published marks.
    """
    networks = [name for name in labels.NETWORKS if name in set(runs["network"])]
    networks += sorted(set(runs["network"]) - set(networks))
    least = [medians[medians["network"] == name].nsmallest(1, "bytes").iloc[0] for name in networks]
    told = [
        f"{labels.network(name)} is {times(row['ratio'])} smaller at {row['test_error_pct']:.2f}% error"
        for name, row in zip(networks, least, strict=True)
    ]
    with style.applied():
        figure, panels = canvas(
            f"Compressed and retrained, {listed(told)}",
            PANEL_IN * len(networks) + 0.8,
            nrows=len(networks),
            squeeze=False,
            height_ratios=[4 + len(marks[marks["network"] == name]) for name in networks],
        )
        chosen = {
            name: [table[table["network"] == name] for table in (runs, medians, marks)] for name in networks
        }
        for axes, name in zip(panels[:, 0], networks, strict=True):
            _panel(axes, *chosen[name])
            axes.set_title(labels.network(name))
        panels[-1, 0].set_xlabel("bytes of the whole file (small dots: single seeds)")
        legend(figure, _key(set(runs["augmented"]), set(marks["counted"])), columns=2)
        for axes, name in zip(panels[:, 0], networks, strict=True):
            _name(axes, *chosen[name])
    return figure


def _panel(axes: Axes, runs: pd.DataFrame, medians: pd.DataFrame, marks: pd.DataFrame) -> None:
    axes.set_xscale("log")
    for kind, (marker, _) in COUNTED.items():
        found = marks[marks["counted"] == kind]
        look: dict[str, Any] = {"color": GREY, "markersize": 5, "markerfacecolor": "none"}
        axes.plot(found["bytes"], found["error_pct"], marker, **look)
    for kind, (_, colour) in AUGMENTED.items():
        each, middle = runs[runs["augmented"] == kind], medians[medians["augmented"] == kind]
        axes.plot(each["bytes"], each["test_error_pct"], ".", color=colour, alpha=0.45, markersize=4)
        axes.plot(middle["bytes"], middle["test_error_pct"], "o", color=colour, markersize=6)
    best = medians[medians["on_frontier"]].sort_values("bytes")
    axes.plot(
        best["bytes"], best["test_error_pct"], drawstyle="steps-post", color=style.INK, linewidth=1, zorder=1
    )
    sizes = [*runs["bytes"], *marks["bytes"]]
    errors = [*runs["test_error_pct"], *marks["error_pct"]]
    low, high = min(errors), max(errors)
    axes.set_xlim(min(sizes) / 1.4, max(sizes) * 1.6)
    margin = 0.2 * (high - low) or LEAST_MARGIN_PCT
    axes.set_ylim(low - margin, high + margin)
    axes.grid(visible=True)
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))
    axes.set_ylabel("test error")


def _name(axes: Axes, runs: pd.DataFrame, medians: pd.DataFrame, marks: pd.DataFrame) -> None:
    """Write what each point is beside it, and keep labels off all of them."""
    ours = [
        (labels.recipe(row["recipe"]), AUGMENTED[row["augmented"]][1], row["bytes"], row["test_error_pct"])
        for row in medians.to_dict("records")
    ]
    theirs = [(row["method"], GREY, row["bytes"], row["error_pct"]) for row in marks.to_dict("records")]
    best = medians[medians["on_frontier"]].sort_values("bytes").to_dict("records")
    steps = [("", GREY, x, y) for one, two in pairwise(best) for x, y in _step(one, two)]
    seeds = [("", GREY, row["bytes"], row["test_error_pct"]) for row in runs.to_dict("records")]
    name_points(axes, [*ours, *theirs, *seeds, *steps])


def _step(one: dict[Any, Any], two: dict[Any, Any]) -> Iterator[tuple[float, float]]:
    """Places along the front from one point to the next: across, then down."""
    for part in np.linspace(0, 1, 9):
        yield one["bytes"] * (two["bytes"] / one["bytes"]) ** part, one["test_error_pct"]
        yield two["bytes"], one["test_error_pct"] + part * (two["test_error_pct"] - one["test_error_pct"])


def _key(kinds: set[str], counted: set[str]) -> list[Line2D]:
    """Legend: what a marker stands for, of those that are drawn."""
    ours = [
        Line2D([], [], color=colour, marker="o", linestyle="", label=label)
        for kind, (label, colour) in AUGMENTED.items()
        if kind in kinds
    ]
    theirs = [
        Line2D([], [], color=GREY, marker=marker, linestyle="", markerfacecolor="none", label=label)
        for kind, (marker, label) in COUNTED.items()
        if kind in counted
    ]
    return [*ours, *theirs, Line2D([], [], color=style.INK, linewidth=1, label="Pareto front of our medians")]
