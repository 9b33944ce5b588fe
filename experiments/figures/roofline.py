"""Rooflines with a power roof: one panel per chip, and the way of a network's layers through the stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.labels import leader, spread
from hwsim.units import LOW, engineering
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from hwsim.analysis.roofline import Roofline

ACROSS = 3
DARK = "#F2E3DC"
"""What the peak and bandwidth would allow and the cap does not."""
POWER, BLUE = style.COMPONENTS["dram"][1], style.SERIES[0]
TOP_IN, ROW_IN = 0.42, 1.62
BESIDE = {
    "dense": ((6, -8, "left"), (2, -10, "left")),
    "pruned": ((6, -8, "left"), (0, -10, "center")),
    "shared": ((-7, 4, "right"), (10, 9, "center")),
    "huffman": ((-7, -6, "right"), (12, -11, "center")),
}
"""Where the first and the last batch size of each stage are written: points right, up, and alignment."""
SHAPES = {"conv": "o", "fc": "s", "matmul": "^"}
KINDS = {"conv": "convolution", "fc": "fully-connected", "matmul": "attention"}


def panels(roofs: Mapping[str, Roofline], points: pd.DataFrame, subtitles: Mapping[str, str]) -> Figure:
    """Draw the roofs of each chip and the layers that ran on it.

    Parameters
    ----------
    roofs : mapping of str to Roofline
        By chip, in the order they are drawn.
    points : DataFrame
        `chip`, `batch`, `kind`, `intensity_MAC_per_B`, `MAC_per_s`.
    subtitles : mapping of str to str
        What each chip computes with.
    """
    down = ceil_div(len(roofs), ACROSS)
    inks = dict(zip(sorted(points["batch"].unique().tolist()), ("#FFFFFF", BLUE), strict=True))
    height = TOP_IN + ROW_IN * down
    finite = points["intensity_MAC_per_B"].replace(np.inf, np.nan)
    low, high = float(finite.min()) / 2, float(finite.max()) * 6
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, height))
        for index, (chip, roof) in enumerate(roofs.items()):
            row, column = divmod(index, ACROSS)
            bottom = (height - TOP_IN - ROW_IN * (row + 1) + 0.38) / height
            axes = figure.add_axes((0.085 + 0.318 * column, bottom, 0.255, 1.1 / height))
            chosen = points[points["chip"] == chip]
            _roofs(axes, roof, low, high, float(chosen["MAC_per_s"].min()))
            for batch, ink in inks.items():
                _scatter(axes, chosen[chosen["batch"] == batch], high, ink)
            axes.set_xticks([1, 100, 10_000, high], ["1", "100", "10k", "∞"])
            axes.set_title(chip, pad=3, x=-0.02)
            axes.text(1.0, 1.04, subtitles[chip], ha="right", transform=axes.transAxes, size=7)
            if column == 0:
                axes.set_ylabel("MACs per second", labelpad=0, size=7.5)
            if index + ACROSS >= len(roofs):
                axes.set_xlabel("MACs per DRAM byte", labelpad=0)
        if any(roof.low_confidence for roof in roofs.values()):
            figure.text(0.99, 0.01, f"{LOW} low confidence", ha="right", size=7)
        kinds = [kind for kind in SHAPES if kind in set(points["kind"])]
        figure.legend(
            handles=_legend(kinds, inks), loc="upper center", ncols=4, columnspacing=1.4, borderaxespad=0.2
        )
    return figure


def journey(roof: Roofline, points: pd.DataFrame, title: str) -> Figure:
    """Draw one chip and where each stage of a network lies, a line through its batch sizes.

    Parameters
    ----------
    points : DataFrame
        `stage`, `batch`, `intensity_MAC_per_B`, `MAC_per_s`: one row per stage and batch.
    """
    low = float(points["intensity_MAC_per_B"].min()) / 2
    high = float(points["intensity_MAC_per_B"].max()) * 3
    stages = style.in_order(set(points["stage"]), style.STAGES, "stage")
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.6))
        axes = figure.add_axes((0.1, 0.12, 0.87, 0.79))
        _roofs(axes, roof, low, high, float(points["MAC_per_s"].min()))
        for stage in stages:
            label, ink = style.STAGES[stage]
            chosen = points[points["stage"] == stage].sort_values("batch")
            places = list(zip(chosen["intensity_MAC_per_B"], chosen["MAC_per_s"], strict=True))
            batches = chosen["batch"].tolist()
            axes.plot(*zip(*places, strict=True), "-o", color=ink, markersize=4)
            texts = (f"{label}, batch {batches[0]:,}", f"{batches[-1]:,}")
            for text, place, (x, y, side) in zip(texts, (places[0], places[-1]), BESIDE[stage], strict=True):
                axes.annotate(
                    text, place, (x, y), textcoords="offset points", color=ink, size=7.5, ha=side, va="center"
                )
        axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
        axes.set_xlabel("MACs per DRAM byte", labelpad=0)
        axes.set_ylabel("MACs per second", labelpad=0)
        axes.set_title(title, pad=4)
        axes.text(high / 1.2, 1.15 * roof.peak_MAC_per_s, "peak", ha="right", size=7.5)
        axes.text(roof.ridge, 0.87 * roof.peak_MAC_per_s, "dark by the cap", va="center", size=7.5)
        for at, height, name, ink in (
            (8 * low, roof.power_roof(8 * low), "power cap", POWER),
            (0.5 * roof.ridge, 0.5 * roof.peak_MAC_per_s, "bandwidth", style.INK),
        ):
            axes.text(at, 1.18 * height, name, color=ink, size=7.5, ha="right")
    return figure


def one_chip(roof: Roofline, points: pd.DataFrame, title: str) -> Figure:
    """Draw one chip and the layers of one run, each by its name.

    Parameters
    ----------
    points : DataFrame
        `layer`, `kind`, `intensity_MAC_per_B`, `MAC_per_s`.
    """
    points = points.sort_values("MAC_per_s", ignore_index=True)
    finite = [value for value in points["intensity_MAC_per_B"] if value < np.inf]
    low, high = min([*finite, roof.ridge / 10]) / 2, max([*finite, roof.ridge]) * 6
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.6))
        axes = figure.add_axes((0.1, 0.12, 0.74, 0.72))
        _roofs(axes, roof, low, high, float(points["MAC_per_s"].min()))
        _scatter(axes, points, high, BLUE)
        bottom, top = np.log10(axes.get_ylim())
        heights = np.log10(points["MAC_per_s"])
        beside = spread(heights.tolist(), (top - bottom) / 22, bottom, top)
        for row, y in zip(points.to_dict("records"), beside, strict=True):
            place = (min(row["intensity_MAC_per_B"], high), row["MAC_per_s"])
            axes.annotate(
                row["layer"],
                place,
                (1.03, (y - bottom) / (top - bottom)),
                textcoords="axes fraction",
                va="center",
                size=7,
                annotation_clip=False,
                arrowprops=leader(style.PALE),
            )
        axes.xaxis.set_major_formatter(FuncFormatter(_short))
        axes.set_xlabel("MACs per DRAM byte; no DRAM at all at the right edge", labelpad=1)
        axes.set_ylabel("MACs per second", labelpad=0)
        figure.text(0.012, 0.985, title, va="top", weight="bold", size=9.5)
        kinds = [kind for kind in SHAPES if kind in set(points["kind"])]
        figure.legend(
            handles=_legend(kinds, {}),
            loc="upper left",
            bbox_to_anchor=(0.0, 0.94),
            ncols=5,
            columnspacing=1.4,
        )
    return figure


def _roofs(axes: Axes, roof: Roofline, low: float, high: float, least: float) -> None:
    """Draw the roofs, and shade what the cap takes away."""
    grid = np.geomspace(low, high, 200)
    bandwidth_or_peak = np.minimum(roof.peak_MAC_per_s, roof.bandwidth_B_per_s * grid)
    power = np.array([roof.power_roof(value) for value in grid])
    axes.fill_between(grid, np.minimum(power, bandwidth_or_peak), bandwidth_or_peak, color=DARK, linewidth=0)
    axes.plot(grid, power, color=POWER, linewidth=1.2)
    axes.plot(grid, bandwidth_or_peak, color=style.INK, linewidth=1.2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(least / 3, 3.5 * roof.peak_MAC_per_s)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,), numticks=5))
    axes.yaxis.set_major_formatter(FuncFormatter(_short))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=7, pad=2)


def _short(value: float, _position: object = None) -> str:
    return engineering(value, "").replace(" ", "")


def _scatter(axes: Axes, points: pd.DataFrame, high: float, face: str) -> None:
    """Draw layers; those that need no DRAM stand at the right edge."""
    for kind, marker in SHAPES.items():
        chosen = points[points["kind"] == kind]
        axes.plot(
            chosen["intensity_MAC_per_B"].clip(upper=high),
            chosen["MAC_per_s"],
            marker,
            markersize=3.5,
            color=face,
            markeredgecolor=BLUE,
            markeredgewidth=0.8,
            clip_on=False,
        )


def _legend(kinds: Sequence[str], inks: Mapping[int, str]) -> list[Line2D | Patch]:
    shape: dict[str, Any] = {"linestyle": "", "color": style.PALE, "markeredgecolor": style.INK}
    return [
        Line2D([], [], color=style.INK, linewidth=1.2, label="bandwidth and peak"),
        Line2D([], [], color=POWER, linewidth=1.2, label="power cap"),
        Patch(color=DARK, label="dark by the cap"),
        *(Line2D([], [], marker=SHAPES[kind], label=KINDS[kind], **shape) for kind in kinds),
        *(Patch(facecolor=ink, edgecolor=BLUE, label=f"batch {batch}") for batch, ink in inks.items()),
    ]
