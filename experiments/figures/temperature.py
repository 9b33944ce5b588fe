"""Die temperature over time by cap and stage, and what leakage leaves of a die's power."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from experiments.figures import style
from experiments.figures.canvas import canvas, legend
from hwsim.units import LOW

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hwsim.power.thermal import Board

NAMES = {"dense": "dense", "huffman": "compressed"}
LOOKS: tuple[Any, ...] = (":", "-", "--", "-.")
LIMITS = {
    "runaway_W": ("thermal runaway above", style.SERIES[1]),
    "sustained_W": ("sustained at full clock", style.SERIES[2]),
}
USUAL_W = 250.0
"""The cap that the title speaks of."""


def temperature(curves: pd.DataFrame, limits: pd.DataFrame, board: Board) -> Figure:
    """Draw both panels."""
    usual = curves[curves["cap_W"] == USUAL_W].groupby("stage")["die_C"].last()
    hottest = float(curves["die_C"].max())
    verdict = "every cap stays below" if hottest < board.slowdown_C else "the hottest case reaches"
    title = (
        f"Under {USUAL_W:g} W the die warms to {usual['dense']:.0f} °C with dense weights and "
        f"{usual['huffman']:.0f} °C compressed; {verdict} the {board.slowdown_C:g} °C of slowdown"
    )
    with style.applied():
        figure, (left, right) = canvas(title, 3.6, ncols=2, width_ratios=(1.3, 1))
        _over_time(left, curves, board)
        _limits(right, limits)
        stages = [Line2D([], [], color=style.STAGES[stage][1], label=label) for stage, label in NAMES.items()]
        caps = [
            Line2D([], [], color=style.INK, linestyle=look, label=f"cap of {cap_W:g} W")
            for cap_W, look in zip(sorted(set(curves["cap_W"])), LOOKS, strict=False)
        ]
        kinds = [Line2D([], [], color=colour, label=label) for label, colour in LIMITS.values()]
        legend(figure, [*stages, *caps, *kinds], columns=3)
    return figure


def _over_time(axes: Axes, curves: pd.DataFrame, board: Board) -> None:
    caps = sorted(set(curves["cap_W"]))
    for stage in NAMES:
        for cap_W, look in zip(caps, LOOKS, strict=False):
            line = curves[(curves["stage"] == stage) & (curves["cap_W"] == cap_W)]
            axes.plot(line["time_s"], line["die_C"], color=style.STAGES[stage][1], linestyle=look)
    axes.axhline(board.slowdown_C, color=style.INK, linewidth=0.8)
    axes.annotate(
        f"slowdown at {board.slowdown_C:g} °C",
        (0, board.slowdown_C),
        (3, 3),
        textcoords="offset points",
    )
    axes.set_xlim(0, float(curves["time_s"].max()))
    axes.set_ylim(board.inlet_C, board.slowdown_C + 8)
    axes.grid(axis="y")
    axes.set_xlabel(f"time (s)      {LOW} estimate")
    axes.set_title(f"temperature of the die{LOW} (°C)")


def _limits(axes: Axes, limits: pd.DataFrame) -> None:
    for column, (_, colour) in LIMITS.items():
        shown = limits[limits[column] > 0]
        axes.plot(shown["leakage_W"], shown[column], color=colour)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xticks([2, 7, 20, 60, 120])
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    axes.set_xlabel("leakage at 85 °C (W)")
    axes.set_title(f"limits of its power{LOW} (W)")
