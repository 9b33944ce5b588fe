"""Error and energy against bits: every seed a point, medians as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from experiments.figures import style
from hwsim.units import engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

WAYS = {
    "float": ("floating point", style.SERIES[6]),
    "after": ("integers, rounded after training", style.SERIES[1]),
    "aware": ("integers, trained with rounding", style.SERIES[2]),
}
BITS = (64, 32, 16, 8, 6, 4, 3, 2)


def draw(measured: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Draw `way`, `bits`, `test_error_pct` of every seed, and `energy_J`, `dram_J` of every format."""
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 3.0))
        errors, energy = figure.subplots(1, 2)
        _errors(errors, measured)
        _energy(energy, table.drop_duplicates("format").dropna(subset=["energy_J"]))
        figure.subplots_adjust(left=0.085, right=0.98, top=0.88, bottom=0.16, wspace=0.28)
    return figure


def _errors(axes: Axes, measured: pd.DataFrame) -> None:
    for way, (label, colour) in WAYS.items():
        table = measured[measured["way"] == way]
        axes.plot(table["bits"], table["test_error_pct"], ".", color=colour, markersize=4, alpha=0.5)
        median = table.groupby("bits")["test_error_pct"].median()
        axes.plot(median.index, median, color=colour, label=label)
    axes.legend(loc="upper left")
    _bits(axes, BITS)
    axes.set_yscale("log")
    axes.set_yticks([5, 6, 8, 10, 20, 50], ["5", "6", "8", "10", "20", "50"])
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("test error (%)")
    axes.set_title("Error of LeNet-300-100")


def _energy(axes: Axes, table: pd.DataFrame) -> None:
    axes.plot(table["bits"], table["energy_J"], "o-", color=style.INK, markersize=3, label="whole inference")
    colour = style.COMPONENTS["dram"][1]
    axes.plot(table["bits"], table["dram_J"], "o-", color=colour, markersize=3, label="of which DRAM")
    axes.legend(loc="lower left")
    _bits(axes, BITS[1:])
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))
    axes.set_title("Energy of an inference, edge chip")


def _bits(axes: Axes, ticks: tuple[int, ...]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xlim(1.1 * max(ticks), 1.9)
    axes.set_xticks(ticks, [str(bits) for bits in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("bits of weights and activations")
