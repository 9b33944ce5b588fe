"""Error and energy against bits: every seed a point, medians as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from experiments.figures import style
from experiments.figures.canvas import canvas, legend
from experiments.runs.phrases import points, times
from hwsim.units import engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WAYS = {
    "float": ("floating point", style.SERIES[6]),
    "after": ("integers, post-training (PTQ)", style.SERIES[1]),
    "aware": ("integers, trained (QAT)", style.SERIES[2]),
}
BITS = (64, 32, 16, 8, 4, 2)
SHOWN_BITS = 4
"""Width that the title speaks of."""


def draw(measured: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Draw `way`, `bits`, `test_error_pct` of every seed, and `energy_J`, `dram_J` of every format."""
    aware = table[table["way"] == "aware"].set_index("bits")
    full = table[table["format"] == "fp32"].iloc[0]
    four = aware.loc[SHOWN_BITS]
    title = (
        f"LeNet-300-100 in {SHOWN_BITS} bits, trained with rounding: "
        f"{times(full['energy_J'] / four['energy_J'])} less energy than fp32 for "
        f"{points(four['test_error_pct'] - full['test_error_pct'])} of error"
    )
    with style.applied():
        figure, (errors, energy) = canvas(title, 3.3, ncols=2)
        _errors(errors, measured)
        _energy(energy, table.drop_duplicates("format").dropna(subset=["energy_J"]))
        handles = [*errors.get_legend_handles_labels()[0], *energy.get_legend_handles_labels()[0]]
        legend(figure, handles, columns=2)
    return figure


def _errors(axes: Axes, measured: pd.DataFrame) -> None:
    for way, (label, colour) in WAYS.items():
        table = measured[measured["way"] == way]
        axes.plot(table["bits"], table["test_error_pct"], ".", color=colour, markersize=4, alpha=0.5)
        median = table.groupby("bits")["test_error_pct"].median()
        axes.plot(median.index, median, color=colour, label=label)
    _bits(axes, BITS)
    axes.set_yscale("log")
    axes.set_yticks([5, 6, 8, 10, 20, 50], ["5", "6", "8", "10", "20", "50"])
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("test error (%)")
    axes.set_title("error, LeNet-300-100")


def _energy(axes: Axes, table: pd.DataFrame) -> None:
    axes.plot(
        table["bits"], table["energy_J"], "o-", color=style.INK, markersize=3, label="energy of an inference"
    )
    colour = style.COMPONENTS["dram"][1]
    axes.plot(table["bits"], table["dram_J"], "o-", color=colour, markersize=3, label="DRAM's part of it")
    _bits(axes, BITS[1:])
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))
    axes.set_title("energy, edge chip")


def _bits(axes: Axes, ticks: tuple[int, ...]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xlim(1.1 * max(ticks), 1.9)
    axes.set_xticks(ticks, [str(bits) for bits in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("bits")
