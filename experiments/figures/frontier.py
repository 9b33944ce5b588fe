"""Error against bytes of a compressed network: ours by recipe and seed, and what others published."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.labels import leader, spread
from experiments.runs import labels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

AUGMENTED = {"moved": style.SERIES[0], "none": style.SERIES[1], "unknown": style.SERIES[2]}
OURS = {
    "moved": "ours, images moved (small: a seed)",
    "none": "ours, images as they are",
    "unknown": "another file",
}
COUNTED = {"whole network": "D", "parameters only": "x"}
GREY = "#6E6E6E"
HEIGHT_IN = 4.8
LABEL_GAP = 0.036
"""Least distance of two labels, as a fraction of the height of an axis."""
LABEL_PT = 6
LETTER_PT = 0.55 * LABEL_PT
"""Width of a letter, on average."""


def draw(runs: pd.DataFrame, medians: pd.DataFrame, marks: pd.DataFrame) -> Figure:
    """Draw one panel a network.

    Parameters
    ----------
    runs, medians, marks : DataFrame
        As `experiments.studies.frontier` gives them: every file, medians over seeds, published marks.
    """
    networks = [name for name in labels.NETWORKS if name in set(runs["network"])]
    networks += sorted(set(runs["network"]) - set(networks))
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, HEIGHT_IN))
        width = 0.98 / len(networks)
        for index, network in enumerate(networks):
            left = index * width + 0.075
            axes = figure.add_axes((left, 0.115, width - 0.1, 0.71))
            chosen = [table[table["network"] == network] for table in (runs, medians, marks)]
            _panel(axes, *chosen)
            axes.set_title(labels.NETWORKS.get(network, network), pad=3)
            if index == 0:
                axes.set_ylabel("test error, percent", labelpad=2)
        figure.legend(handles=_key(set(runs["augmented"])), loc="upper center", ncols=3, borderaxespad=0.2)
    return figure


def _panel(axes: Axes, runs: pd.DataFrame, medians: pd.DataFrame, marks: pd.DataFrame) -> None:
    axes.set_xscale("log")
    for kind, marker in COUNTED.items():
        chosen = marks[marks["counted"] == kind]
        axes.plot(
            chosen["bytes"], chosen["error_pct"], marker, color=GREY, markersize=4, markerfacecolor="none"
        )
    for kind, colour in AUGMENTED.items():
        each, middle = runs[runs["augmented"] == kind], medians[medians["augmented"] == kind]
        axes.plot(each["bytes"], each["test_error_pct"], ".", color=colour, alpha=0.45, markersize=3.5)
        axes.plot(middle["bytes"], middle["test_error_pct"], "o", color=colour, markersize=5)
    best = medians[medians["on_frontier"]].sort_values("bytes")
    axes.plot(
        best["bytes"], best["test_error_pct"], drawstyle="steps-post", color=style.INK, linewidth=1, zorder=1
    )
    sizes = [*runs["bytes"], *marks["bytes"]]
    errors = [*runs["test_error_pct"], *marks["error_pct"]]
    low, high = min(errors), max(errors)
    axes.set_xlim(min(sizes) / 1.25, max(sizes) * 5)
    axes.set_ylim(low - 0.1 * (high - low), high + 0.2 * (high - low))
    axes.grid(True)
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("compressed network, thousand bytes", labelpad=2)
    _name(axes, medians, marks)


def _name(axes: Axes, medians: pd.DataFrame, marks: pd.DataFrame) -> None:
    """Write what each point is beside it, labels moved apart."""
    points: list[tuple[float, float, str, str]] = [
        *(
            (row["bytes"], row["test_error_pct"], row["recipe"], AUGMENTED[row["augmented"]])
            for row in medians.to_dict("records")
        ),
        *((row["bytes"], row["error_pct"], row["method"], GREY) for row in marks.to_dict("records")),
    ]
    bottom, top = axes.get_ylim()
    gap = LABEL_GAP * (top - bottom)
    heights = spread([error for _, error, _, _ in points], gap, low=bottom, high=top)
    first, last = axes.get_xlim()
    width_pt = 72 * axes.get_window_extent().width / axes.figure.dpi
    letter = LETTER_PT / width_pt * math.log10(last / first)
    for (size, error, text, colour), height in zip(points, heights, strict=True):
        covered = [
            math.log10(other / size) / letter
            for other, at in [*((other, at) for other, at, _, _ in points), (first, height)]
            if other != size and abs(at - height) < 0.7 * gap
        ]
        right = any(1 < letters < len(text) + 1 for letters in covered)
        left = any(1 < -letters < len(text) + 1 for letters in covered)
        beside = -1 if right and not left else 1
        axes.annotate(
            text,
            (size, error),
            (size * 1.12**beside, height),
            color=colour,
            size=LABEL_PT,
            ha="left" if beside > 0 else "right",
            va="center",
            zorder=1.5,  # over the frontier, under the markers
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
            arrowprops=leader(colour, float(beside < 0)) if abs(height - error) > gap / 2 else None,
        )


def _key(kinds: set[str]) -> list[Line2D]:
    """Legend: what a marker stands for."""
    handles = [
        Line2D([], [], color=AUGMENTED[kind], marker="o", linestyle="", label=text)
        for kind, text in OURS.items()
        if kind in kinds
    ]
    labels = {"whole network": "published", "parameters only": "published, parameters only"}
    handles += [
        Line2D([], [], color=GREY, marker=marker, linestyle="", markerfacecolor="none", label=labels[kind])
        for kind, marker in COUNTED.items()
    ]
    return [*handles, Line2D([], [], color=style.INK, linewidth=1, label="frontier of medians")]
