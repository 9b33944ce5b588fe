"""Dark silicon by node, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from experiments.figures import style
from experiments.figures.canvas import canvas, legend
from experiments.figures.labels import leader, name_ends, name_points, spread
from experiments.runs.phrases import number, percent, times
from hwsim.units import LOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hwsim.analysis.dark_published import Published

LINES = {
    "dense": ("AlexNet, dense", style.STAGES["dense"][1]),
    "huffman": ("AlexNet, compressed", style.STAGES["huffman"][1]),
}
GREY = "#8C8C8C"
WAYS = {
    ("huffman", "active_MAC_per_s"): ("power-gating: some tiles at full clock", style.INK),
    ("huffman", "throttled_MAC_per_s"): (f"all tiles throttled, clock and voltage{LOW}", GREY),
    ("int8", "active_MAC_per_s"): ("INT8 in place of fp32", style.STAGES["int8"][1]),
}
PAPERS = {
    "esmaeilzadeh_dark": ("s", style.SERIES[0], "Esmaeilzadeh 2011, best designs"),
    "venkatesh_active": ("^", style.SERIES[3], "Venkatesh 2010"),
}
GAP = 0.07
"""Between labels at the ends of lines, of the height of the axes."""


def dark(table: pd.DataFrame, roads: pd.DataFrame, figures: Sequence[Published]) -> Figure:
    """Draw the dark part of the die by node: ours, roadmaps, and single published figures."""
    ruled = table[table["energies"] == "rule"].set_index(["stage", "node_nm"])["dark"]
    first, last = table["node_nm"].max(), table["node_nm"].min()
    title = (
        f"From {first} to {last} nm the dark share of the die grows from {percent(ruled['dense', first])} to "
        f"{percent(ruled['dense', last])} with dense AlexNet, {percent(ruled['huffman', first])} to "
        f"{percent(ruled['huffman', last])} compressed"
    )
    with style.applied():
        figure, axes = canvas(title, 3.7)
        ends = [*_ours(axes, table), *_roads(axes, roads)]
        _nodes(axes, table)
        axes.set_ylim(0, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        points = _published(axes, figures)
        axes.set_xlabel(f"technology node (nm); ★ measured energies; {LOW} estimate")
        axes.set_ylabel("dark at full clock")
        heights = spread([end.dark for end in ends], GAP, high=1.0)
        for end, height in zip(ends, heights, strict=True):
            axes.annotate(
                f"{end.label}: {percent(end.dark)}",
                (end.node_nm, end.dark),
                (axes.get_xlim()[1] / 1.06, height),
                color=end.colour,
                va="center",
                annotation_clip=False,
                arrowprops=leader(end.colour),
            )
        ours = table[table["energies"] == "rule"]
        curves = [("", GREY, x, y) for x, y in zip(ours["node_nm"], ours["dark"], strict=True)]
        roadmaps = [("", GREY, x, y) for x, y in zip(roads["node_nm"], roads["dark"], strict=True)]
        name_points(axes, [*points, *curves, *roadmaps])
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
        axes.plot(ruled["node_nm"], ruled["dark"], color=colour, marker="o", markersize=5)
        yield _End(label, colour, float(ruled["node_nm"].iloc[-1]), float(ruled["dark"].iloc[-1]))
        measured = table[(table["stage"] == stage) & (table["energies"] == "measured")]
        axes.plot(measured["node_nm"], measured["dark"], "*", color=colour, markersize=10)
        node, part = float(measured["node_nm"].iloc[-1]), float(measured["dark"].iloc[-1])
        yield _End(f"★{LOW}", colour, node, part)


def _roads(axes: Axes, roads: pd.DataFrame) -> Iterator[_End]:
    for (name, road), mark in zip(roads.groupby("roadmap"), ("--", ":"), strict=True):
        axes.plot(road["node_nm"], road["dark"], color=GREY, linestyle=mark, linewidth=1.4)
        node, part = float(road["node_nm"].iloc[-1]), float(road["dark"].iloc[-1])
        yield _End(f"roadmap, {name}", GREY, node, part)


def _published(axes: Axes, figures: Sequence[Published]) -> list[tuple[str, str, float, float]]:
    """Draw what single papers say, and return a label for each point; the first one has the paper's name."""
    points = []
    for quantity, (mark, colour, paper) in PAPERS.items():
        for index, found in enumerate(one for one in figures if one.quantity == quantity):
            share = found.value / 100
            part = 1 - share if quantity.endswith("_active") else share
            axes.plot([found.node_nm], [part], mark, color=colour, markersize=6)
            bound = "" if found.relation == "equal" else "> "
            name = f"{paper}: " if index == 0 else ""
            points.append((f"{name}{bound}{100 * part:.3g}%", colour, float(found.node_nm), part))
    return points


def _nodes(axes: Axes, table: pd.DataFrame) -> None:
    nodes = sorted(set(table["node_nm"]), reverse=True)
    axes.set_xscale("log")
    axes.set_xlim(nodes[0] * 1.1, nodes[-1] / 1.1)
    axes.set_xticks(nodes, [f"{node:g}" for node in nodes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y")


def strategies(table: pd.DataFrame) -> Figure:
    """Draw what the same watts compute by node: gated, throttled, or specialised."""
    ruled = table[table["energies"] == "rule"].set_index(["stage", "node_nm"])
    last = table["node_nm"].min()
    gated, slow = (ruled[column]["huffman", last] for column in ("active_MAC_per_s", "throttled_MAC_per_s"))
    int8 = ruled["active_MAC_per_s"]["int8", last]
    title = (
        f"Under the same cap at {last} nm, throttling all tiles is {times(slow / gated)} as fast as "
        f"power-gating, and INT8 {times(int8 / gated)}"
    )
    with style.applied():
        figure, axes = canvas(title, 3.2)
        ends: list[tuple[str, str, float]] = []
        first = float(ruled["active_MAC_per_s"]["huffman"].iloc[0])
        for (stage, column), (label, colour) in WAYS.items():
            line = ruled[column][stage] / first
            axes.plot(line.index, line, color=colour, marker="o", markersize=5, label=label)
            ends.append((f"{number(float(line.iloc[-1]))}×", colour, float(line.iloc[-1])))
        _nodes(axes, table[table["energies"] == "rule"])
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
        axes.set_ylabel("MACs per second")
        name_ends(axes, ends, 0.1, size="medium")
        axes.set_xlabel(f"technology node (nm), compressed AlexNet; {LOW} estimate")
        legend(figure, axes.get_legend_handles_labels()[0], columns=1)
    return figure
