"""Tornado: how far an answer moves when one parameter does, the one it hangs on most at the top.

The answer is a ratio, so the axis is logarithmic: twice as much is as far as half as much. What the
literature states of a price is a thin line below its bar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from experiments.figures import style
from experiments.figures.canvas import canvas, legend, patches

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_IN, AROUND_IN, BAR = 0.29, 1.38, 0.52
BELOW = 0.4
"""How far below the middle of its bar a stated range is drawn, in rows."""
ENDS, STATED = ("gain_low", "gain_high"), ("gain_stated_low", "gain_stated_high")
LOW, HIGH = style.SERIES[5], style.SERIES[0]


def draw(table: pd.DataFrame, gain: float, spread: float, title: str, merit: str) -> Figure:
    """Draw the bars of `experiments.runs.tornado.tornado` around the answer.

    Parameters
    ----------
    table : DataFrame
    gain, spread : float
        The answer, and by how much parameters were changed.
    title, merit : str
        What was compared, and what the answer counts.
    """
    with style.applied():
        figure, axes = canvas(title, AROUND_IN + ROW_IN * len(table))
        for row, found in enumerate(table.to_dict("records")):
            _bars(axes, row, found, gain)
        axes.axvline(gain, color=style.INK, linewidth=0.8)
        axes.set_yticks(range(len(table)), table["parameter"])
        axes.set_ylim(len(table) - 0.3, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_xscale("log")
        gains = table[[*ENDS, *STATED]].assign(as_it_is=gain)
        low, high = gains.min().min(), gains.max().max()
        room = max((high / low) ** 0.13, 1.02)
        axes.set_xlim(low / room, high * room)
        ticks = MaxNLocator(7, steps=[1, 2, 5, 10]).tick_values(low / room, high * room)
        axes.set_xticks([tick for tick in ticks if low / room <= tick <= high * room])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        axes.set_xlabel(f"{merit}: {gain:.3g} as it is")
        stated = Line2D([], [], color=style.INK, marker="|", linewidth=1.0, label="stated range")
        looks = [(f"parameter {spread:.0%} lower", LOW), (f"{spread:.0%} higher", HIGH)]
        legend(figure, [*patches(looks), stated], columns=3)
    return figure


def _bars(axes: Axes, row: int, found: dict[Any, Any], gain: float) -> None:
    for name, colour in zip(ENDS, (LOW, HIGH), strict=True):
        axes.barh(row, found[name] - gain, left=gain, height=BAR, color=colour)
    ends = [found[name] for name in STATED]
    axes.plot(ends, (row + BELOW, row + BELOW), color=style.INK, marker="|", markersize=4, linewidth=0.9)
    for value, side in zip(sorted(found[name] for name in ENDS), ("right", "left"), strict=True):
        if abs(value / gain - 1) >= 0.001:
            axes.annotate(
                f"{value:.3g}",
                (value, row),
                (-3 if side == "right" else 3, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                size="small",
            )
