"""EIE's factors beside ours, and the waterfall of one layer's energy."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.canvas import beside, canvas, legend, patches, rows
from experiments.runs.phrases import listed, number, times
from hwsim.units import LOW, engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BARS = {
    "published": ("EIE's abstract", style.PALE),
    "weights": ("ours, weights alone", style.SERIES[4]),
    "layer": ("ours, whole layer", style.SERIES[0]),
}
ROOM = 30.0
"""Length of the axis beyond the longest bar, as a factor, for its number."""
EXACT = 1000.0
"""From here on a factor is told with three digits."""
BELOW = 12.0
"""Length of the axis below the shortest bar, as a factor, for a number."""
FALL, LEFT = style.SERIES[5], style.SERIES[0]
"""Colours of what a step takes, and of what is left at the end."""


def factors(table: pd.DataFrame) -> Figure:
    """Draw each factor three times: published, ours for the weights, ours for the layer."""
    memories = list(dict.fromkeys(table["memory"]))
    product = table[table["step"] == "product"].set_index("memory")
    told = [f"{number(product.loc[memory, 'layer'])} ({memory})" for memory in memories]
    title = (
        f"EIE's four factors multiply to {product['published'].iloc[0]:,.0f}. "
        f"For a whole layer they are worth {listed(told)}"
    )
    with style.applied():
        figure, panels = canvas(title, 4.6, ncols=len(memories), sharey=True, sharex=True)
        for axes, memory in zip(panels, memories, strict=True):
            _factors(axes, table[table["memory"] == memory])
            axes.set_title(f"weights in {memory}")
        legend(figure, patches(BARS.values()), columns=3)
    return figure


def _factors(axes: Axes, table: pd.DataFrame) -> None:
    for index, (column, (_, colour)) in enumerate(BARS.items()):
        known = table[column].notna().to_numpy()
        places = (known.nonzero()[0] + 0.27 * (index - 1)).tolist()
        values, marked = table.loc[known, column], table.loc[known, "low_confidence"] & (column == "layer")
        axes.barh(places, values, height=0.25, color=colour)
        texts = [
            f"{number(value, 3 if value >= EXACT else 2)}×{LOW if mark else ''}"
            for value, mark in zip(values, marked, strict=True)
        ]
        beside(axes, values.clip(lower=1.0).tolist(), texts, places, size="x-small")
    rows(axes, table["label"].tolist())
    axes.set_xscale("log")
    axes.set_xlim(1, ROOM * float(table[list(BARS)].max().max()))
    axes.xaxis.set_major_locator(LogLocator(100, numticks=5))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}×"))
    low = f" ({LOW} estimate)" if table["low_confidence"].any() else ""
    axes.set_xlabel(f"times less energy{low}")


def waterfall(parts: pd.DataFrame) -> Figure:
    """Draw what each step takes off the energy of the layer, from the dense one to what is left.

    The axis is logarithmic, so that the length of a bar is the factor of its step.
    """
    memories = list(dict.fromkeys(parts["memory"]))
    totals = {
        memory: parts[parts["memory"] == memory].groupby("label", sort=False)["energy_pJ"].sum()
        for memory in memories
    }
    told = [f"{times(float(total.iloc[0] / total.iloc[-1]))} ({memory})" for memory, total in totals.items()]
    steps = {memory: total.iloc[:-1].to_numpy() / total.iloc[1:] for memory, total in totals.items()}
    first = steps[memories[0]]
    title = f"One layer of EIE takes {listed(told)} less energy; the largest step is {first.idxmax()}"
    floor = 1e-12 * min(float(total.min()) for total in totals.values()) / BELOW
    with style.applied():
        figure, panels = canvas(title, 3.2, ncols=len(memories), sharey=True, sharex=True)
        for axes, memory in zip(panels, memories, strict=True):
            low = parts[parts["memory"] == memory].groupby("label")["low_confidence"].any()
            _falls(axes, totals[memory], low, floor)
            axes.set_title(f"weights in {memory}")
        looks = [("taken by the step", FALL), ("left at the end", LEFT)]
        legend(figure, patches([("dense, from DRAM", style.INK), *looks]), columns=3)
    return figure


def _falls(axes: Axes, totals: pd.Series[float], low: pd.Series[bool], floor: float) -> None:
    joules = (1e-12 * totals).tolist()
    names = list(totals.index)
    axes.set_xscale("log")
    axes.barh(0, joules[0] - floor, left=floor, color=style.INK, height=0.72)
    for place, (before, after) in enumerate(pairwise(joules), start=1):
        axes.barh(place, before - after, left=after, color=FALL, height=0.72)
        axes.plot([after, after], [place - 0.36, place + 1.36], color=style.INK, linewidth=0.8)
        axes.annotate(
            f"÷{number(before / after)}{LOW if low[names[place]] else ''}",
            (after, place),
            (-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
        )
    axes.barh(len(names), joules[-1] - floor, left=floor, color=LEFT, height=0.72)
    beside(axes, joules[-1:], [engineering(float(f"{joules[-1]:.2g}"), "J")], [len(names)])
    rows(axes, [*names, "what is left"])
    axes.set_xlim(floor, 1.5 * joules[0])
    axes.xaxis.set_major_locator(LogLocator(10, numticks=4))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))
    axes.set_xlabel("energy of the layer (log)")
