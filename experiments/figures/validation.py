"""Simulated against published figures, log-log, with the 10% band and the farthest points named."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from experiments.figures import style
from experiments.figures.canvas import canvas, legend
from hwsim.units import engineering
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MACHINES = {"EIE": "#D55E00", "Eyeriss": "#0072B2", "TPU v1": "#009E73", "SCALE-Sim": "#CC79A7"}
BAND = 0.10
COLUMNS = 3
PANEL_IN = 2.2
"""Side of the square panels."""


class Panel(NamedTuple):
    """One pair of axes: the metrics it shows, the factor of each to the unit, the unit."""

    title: str
    metrics: dict[str, float]
    unit: str


PANELS = (
    Panel("Time", {"time, theoretical": 1e-6, "time, actual": 1e-6, "processing_ms": 1e-3}, "s"),
    Panel("Traffic", {"dram_MB": 1e6, "buffer_MB": 1e6}, "B"),
    Panel("Throughput", {"throughput": 1e12}, "OPS"),
    Panel("Energy", {"energy": 1e-6}, "J"),
    Panel("Power", {"power_mW": 1e-3}, "W"),
    Panel(
        "Cycles, words",
        {"compute_cycles": 1, "sram_ifmap_reads": 1, "sram_filter_reads": 1, "sram_ofmap_writes": 1},
        "",
    ),
)


def draw(table: pd.DataFrame) -> Figure:
    """Draw the table of `hwsim.analysis.validation` with its ``verdict``, one panel per kind of figure."""
    panels = [panel for panel in PANELS if table["metric"].isin(panel.metrics).any()]
    judged = table[table["verdict"] != "not judged"]
    title = (
        f"Published machines, simulated: {(judged['verdict'] == 'met').sum()} of {len(judged)} bounds are met"
    )
    with style.applied():
        down = ceil_div(len(panels), COLUMNS)
        figure, grid = canvas(title, PANEL_IN * down + 0.9, nrows=down, ncols=COLUMNS, squeeze=False)
        for axes, panel in zip(grid.flat, panels, strict=False):
            _panel(axes, table, panel)
            axes.set_box_aspect(1)
        for axes in grid.flat[len(panels) :]:
            axes.remove()
        for axes in grid[:, 0]:
            axes.set_ylabel("simulated")
        for axes in grid[-1]:
            axes.set_xlabel("published")
        legend(figure, _legend(table), columns=2)
    return figure


def _legend(table: pd.DataFrame) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = []
    for machine, colour in MACHINES.items():
        judged = table[(table["source"] == machine) & (table["verdict"] != "not judged")]
        met = int((judged["verdict"] == "met").sum())
        label = f"{machine}: {met} of {len(judged)} bounds met"
        handles.append(Line2D([], [], color=colour, marker="o", linestyle="", markersize=4, label=label))
    open_point = Line2D([], [], color=style.INK, marker="o", markerfacecolor="white", linestyle="")
    open_point.set(markersize=4, label="open: not judged")
    return [*handles, open_point, Patch(color=style.PALE, label=f"within {BAND:.0%}")]


def _panel(axes: Axes, table: pd.DataFrame, panel: Panel) -> None:
    shown = table[
        table["metric"].isin(panel.metrics) & (table["published"] > 0) & (table["layer"] != "total")
    ]
    factor = shown["metric"].map(panel.metrics)
    points = shown.assign(x=shown["published"] * factor, y=shown["simulated"] * factor)
    low = 0.55 * float(points[["x", "y"]].min().min())
    high = 1.8 * float(points[["x", "y"]].max().max())
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    ends = [low, high]
    axes.fill_between(
        ends, [(1 - BAND) * end for end in ends], [(1 + BAND) * end for end in ends], color=style.PALE, lw=0
    )
    axes.plot(ends, ends, color=style.INK, linewidth=0.6)
    for (machine, judged), group in points.groupby(["source", points["verdict"] != "not judged"]):
        colour = MACHINES[str(machine)]
        axes.plot(
            group["x"],
            group["y"],
            linestyle="",
            marker="o",
            markersize=3.6,
            markerfacecolor=colour if judged else "white",
            markeredgecolor=colour,
            markeredgewidth=0.8,
        )
    _ticks(axes, panel.unit, wide=high > 100 * low)
    axes.set_title(panel.title)
    groups = points.groupby("source", sort=False)
    notes = [(f"{machine} " if len(groups) > 1 else "") + _off(g["error_pct"]) for machine, g in groups]
    axes.text(0.98, 0.03, "\n".join(notes), transform=axes.transAxes, ha="right", va="bottom", size="small")
    _name_farthest(axes, points)


def _off(error_pct: pd.Series) -> str:
    """Say how many of a group of points lie in the band."""
    within = int((error_pct.abs() <= 100 * BAND).sum())
    return f"{within}/{len(error_pct)} in band"


def _name_farthest(axes: Axes, points: pd.DataFrame) -> None:
    far = points.iloc[points["error_pct"].abs().argmax()]
    if abs(far["error_pct"]) < 100 * BAND:
        return
    name = textwrap.shorten(far["layer"] if far["layer"] != "all" else far["network"], 12, placeholder="…")
    axes.annotate(
        f"{name}: " + f"{far['error_pct']:+.0f}%".replace("-", "−"),
        (far["x"], far["y"]),
        (0.04, 0.96),
        textcoords="axes fraction",
        va="top",
        size="small",
        arrowprops={"arrowstyle": "-", "color": style.INK, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3},
    )


def _ticks(axes: Axes, unit: str, *, wide: bool) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(10, subs=(1.0,) if wide else (1.0, 3.0), numticks=3))
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, unit)))
        axis.set_tick_params(labelsize="small")
