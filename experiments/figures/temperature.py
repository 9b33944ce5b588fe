"""Die temperature over time by cap and stage, and what leakage leaves of a die's power."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from experiments.figures import style
from experiments.figures.labels import name_ends
from hwsim.units import LOW

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from hwsim.power.thermal import Board

NAMES = {"dense": "dense", "huffman": "compressed"}
LOOKS = (":", "-", "--", "-.")


def temperature(curves: pd.DataFrame, limits: pd.DataFrame, board: Board) -> Figure:
    """Draw both panels."""
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.3))
        _over_time(figure.add_axes((0.07, 0.15, 0.4, 0.74)), curves, board)
        _limits(figure.add_axes((0.725, 0.15, 0.255, 0.74)), limits)
    return figure


def _over_time(axes: Axes, curves: pd.DataFrame, board: Board) -> None:
    ends = []
    for stage, label in NAMES.items():
        colour = style.STAGES[stage][1]
        of_stage = curves[curves["stage"] == stage]
        for (cap_W, line), look in zip(of_stage.groupby("cap_W"), LOOKS, strict=False):
            axes.plot(line["time_s"], line["die_C"], color=colour, linestyle=look, linewidth=1.3)
            ends.append((f"{label}, {cap_W:g} W", colour, float(line["die_C"].iloc[-20:].mean())))
    axes.axhline(board.slowdown_C, color=style.INK, linewidth=0.8)
    axes.annotate(
        f"slowdown at {board.slowdown_C:g} °C",
        (0, board.slowdown_C),
        (2, 3),
        textcoords="offset points",
        size=7.5,
    )
    axes.set_xlim(0, float(curves["time_s"].max()))
    axes.set_ylim(board.inlet_C, board.slowdown_C + 5)
    name_ends(axes, ends, 0.058)
    axes.grid(axis="y")
    axes.set_xlabel(f"time (s)      {LOW}low confidence", labelpad=2)
    axes.set_title(f"Temperature of the die{LOW} (°C)", pad=6)


def _limits(axes: Axes, limits: pd.DataFrame) -> None:
    for column, label, colour in (
        ("sustained_W", "sustained at full clock", style.SERIES[2]),
        ("runaway_W", "runs away above", style.SERIES[1]),
    ):
        shown = limits[limits[column] > 0]
        axes.plot(shown["leakage_W"], shown[column], color=colour)
        axes.annotate(
            label,
            (float(shown["leakage_W"].iloc[0]), float(shown[column].iloc[0])),
            (8, -14 if column == "sustained_W" else 0),
            textcoords="offset points",
            color=colour,
        )
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xticks([2, 7, 20, 60, 120])
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    axes.set_xlabel("leakage at 85 °C (W)", labelpad=2)
    axes.set_title(f"Limits of its power{LOW} (W)", pad=6)
