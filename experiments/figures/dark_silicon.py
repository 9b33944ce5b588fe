"""Dark silicon by node, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from experiments.figures import style
from experiments.figures.labels import leader, spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from hwsim.analysis.dark_published import Published

LINES = {
    "dense": ("AlexNet, dense", style.STAGES["dense"][1]),
    "huffman": ("AlexNet, compressed", style.STAGES["huffman"][1]),
}
GREY = "#8C8C8C"
WAYS = {
    ("huffman", "active_MAC_per_s"): (
        "some tiles at full clock, the others gated",
        style.TILES["power_gated"][1],
    ),
    ("huffman", "throttled_MAC_per_s"): (
        "all tiles throttled: clock and voltage*",
        style.TILES["throttled"][1],
    ),
    ("int8", "active_MAC_per_s"): ("specialised: int8 in place of fp32", style.COMPONENTS["decoder"][1]),
}


def dark(table: pd.DataFrame, roads: pd.DataFrame, figures: Sequence[Published]) -> Figure:
    """Draw the dark part of the die by node: ours, roadmaps, and single published figures."""
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.7))
        axes = figure.add_axes((0.08, 0.125, 0.6, 0.8))
        ends = [*_ours(axes, table), *_roads(axes, roads)]
        _published(axes, figures)
        _nodes(axes, table)
        axes.set_ylim(0, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_title("Part of the die that the cap keeps dark at full clock", pad=6)
        heights = spread([end.dark for end in ends], 0.058, high=1.02)
        for end, height in zip(ends, heights, strict=True):
            axes.annotate(
                f"{end.label}: {end.dark:.0%}",
                (end.node_nm, end.dark),
                (axes.get_xlim()[1] / 1.06, height),
                color=end.colour,
                va="center",
                annotation_clip=False,
                arrowprops=leader(end.colour),
            )
    return figure


class _End(NamedTuple):
    """Where a line ends, and what is written beside it."""

    label: str
    colour: str
    node_nm: float
    dark: float


def _ours(axes: Axes, table: pd.DataFrame) -> Iterator[_End]:
    for stage, (label, colour) in LINES.items():
        ruled = table[(table["stage"] == stage) & (table["energies"] == "rule")]
        axes.plot(ruled["node_nm"], ruled["dark"], color=colour, marker="o", markersize=4)
        yield _End(label, colour, float(ruled["node_nm"].iloc[-1]), float(ruled["dark"].iloc[-1]))
        measured = table[(table["stage"] == stage) & (table["energies"] == "measured")]
        axes.plot(measured["node_nm"], measured["dark"], color=colour, marker="*", markersize=8, linestyle="")
        node, part = float(measured["node_nm"].iloc[-1]), float(measured["dark"].iloc[-1])
        yield _End("★ measured energies*", colour, node, part)


def _roads(axes: Axes, roads: pd.DataFrame) -> Iterator[_End]:
    for (name, road), mark in zip(roads.groupby("roadmap"), ("--", ":"), strict=True):
        axes.plot(road["node_nm"], road["dark"], color=GREY, linestyle=mark, linewidth=1.2)
        yield _End(f"naive, {name}", GREY, float(road["node_nm"].iloc[-1]), float(road["dark"].iloc[-1]))


def _published(axes: Axes, figures: Sequence[Published]) -> None:
    """Draw what single papers say, the papers named at their first point."""
    looks = {
        "esmaeilzadeh_dark": ("s", style.SERIES[0], "Esmaeilzadeh 2011,\nbest designs: "),
        "venkatesh_active": ("^", style.SERIES[3], "Venkatesh 2010:\n"),
    }
    for quantity, (mark, colour, paper) in looks.items():
        for found in (figure for figure in figures if figure.quantity == quantity):
            active = quantity.endswith("_active")
            part = 1 - found.value / 100 if active else found.value / 100
            bound = "" if found.relation == "equal" else "> "
            axes.plot([found.node_nm], [part], mark, color=colour, markersize=5)
            axes.annotate(
                f"{paper}{bound}{100 * part:.3g}%",
                (found.node_nm, part),
                (7, -3),
                textcoords="offset points",
                color=colour,
                va="top" if paper else "center",
            )
            paper = ""


def _nodes(axes: Axes, table: pd.DataFrame) -> None:
    nodes = sorted(set(table["node_nm"]), reverse=True)
    axes.set_xscale("log")
    axes.set_xlim(nodes[0] * 1.1, nodes[-1] / 1.1)
    axes.set_xticks(nodes, [f"{node:g}" for node in nodes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("technology node (nm)      *low confidence", labelpad=2)
    axes.grid(axis="y")


def strategies(table: pd.DataFrame) -> Figure:
    """Draw what the same watts compute by node: gated, throttled, or specialised."""
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.1))
        axes = figure.add_axes((0.09, 0.15, 0.52, 0.74))
        ruled = table[table["energies"] == "rule"]
        first = float(ruled[ruled["stage"] == "huffman"]["active_MAC_per_s"].iloc[0])
        for (stage, column), (label, colour) in WAYS.items():
            line = ruled[ruled["stage"] == stage]
            axes.plot(line["node_nm"], line[column] / first, color=colour, marker="o", markersize=4)
            axes.annotate(
                f"{label}: {line[column].iloc[-1] / first:.0f}×",
                (line["node_nm"].iloc[-1], line[column].iloc[-1] / first),
                (8, 0),
                textcoords="offset points",
                color=colour,
                va="center",
                annotation_clip=False,
            )
        _nodes(axes, ruled)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
        axes.set_title("MACs per second of the same die under the same cap, against gating at 45 nm", pad=6)
    return figure
