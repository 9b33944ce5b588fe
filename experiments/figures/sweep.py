"""Every point of a sweep: energy against throughput."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from experiments.figures import style
from hwsim.units import engineering

if TYPE_CHECKING:
    import pandas as pd

HEIGHT_IN = 4.2
SERIES_ARE = ("stage", "network", "chip")
"""Parameters that colours may stand for, the first that has few values."""


def draw(table: pd.DataFrame) -> Figure:
    """Draw energy per inference against inferences per second, one colour for each stage, network or chip.

    Parameters
    ----------
    table : DataFrame
        Rows of a sweep, at least one, with the columns ``energy_J`` and ``inferences_per_s``.

    Returns
    -------
    Figure
    """
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, HEIGHT_IN), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(True)
        series = series_of(table)
        groups = table.groupby(series, sort=False) if series else [("", table)]
        for index, (name, rows) in enumerate(groups):
            colour = style.SERIES[index % len(style.SERIES)]
            label = str(name)
            axes.scatter(
                rows["inferences_per_s"], rows["energy_J"], s=16, color=colour, alpha=0.7, linewidths=0,
                label=label, rasterized=True,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("inferences per second")
        axes.set_ylabel("energy per inference (J)")
        if series:
            axes.legend(title=series)
        least = table["energy_J"].min()
        axes.set_title(f"{len(table):,} points: at least {engineering(least, 'J')} per inference")
    return figure


def series_of(table: pd.DataFrame) -> str:
    """Name the parameter that colours stand for; empty where none has two to eight values."""
    few = range(2, len(style.SERIES) + 1)
    return next((name for name in SERIES_ARE if name in table and table[name].nunique() in few), "")
