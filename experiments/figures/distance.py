"""What an inference costs by where its weights lie, and on the phone or away from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.canvas import beside, canvas, dots, legend, rows
from experiments.runs.phrases import listed, number, quantity, times
from hwsim.units import LOW, engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = ("dense", "int8", "huffman")
RADIO = "Wi-Fi"
HERE, AWAY = style.SERIES[2], style.SERIES[1]


def places(table: pd.DataFrame) -> Figure:
    """Draw one row a place: energy of the whole inference at three stages, beside computing alone."""
    names = list(dict.fromkeys(table["place"]))
    share = (table["weights_J"] / table["rest_J"]).groupby([table["stage"], table["place"]]).first()
    title = (
        f"AlexNet, batch 1: weights from DRAM cost {times(share['dense', 'DRAM'])} everything else if dense, "
        f"{times(share['huffman', 'DRAM'])} if compressed"
    )
    with style.applied():
        figure, axes = canvas(title, 3.9)
        for stage in SHOWN:
            found = table[table["stage"] == stage]
            colour = style.STAGES[stage][1]
            total = (found["weights_J"] + found["rest_J"]).tolist()
            axes.plot(total, range(len(total)), color=colour, linewidth=1.4)
            for place, (joules, low) in enumerate(zip(total, found["low_confidence"], strict=True)):
                face = "white" if low else colour
                axes.plot([joules], [place], "o", color=colour, markerfacecolor=face, markersize=6)
            axes.axvline(float(found["rest_J"].iloc[0]), color=colour, linestyle=":", linewidth=1.2)
        rows(axes, names)
        _joules(axes)
        axes.grid(axis="x")
        axes.set_xlabel("energy per inference (log; dotted: all but the weights)")
        open_one = Line2D([], [], color=style.INK, marker="o", markerfacecolor="white", linestyle="")
        open_one.set_label("open: estimate")
        legend(figure, [*dots(style.STAGES[stage] for stage in SHOWN), open_one], columns=4)
    return figure


def _joules(axes: Axes, every: int = 1) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(10.0**every, numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))


def offload(table: pd.DataFrame, updates: pd.DataFrame) -> Figure:
    """Draw how many times as much the radio takes as computing here, and an update of a fleet."""
    wifi = table[table["radio"] == RADIO].set_index("label")
    ratio = (wifi["battery_J"] / wifi["device_J"]).sort_values(ascending=False)
    here, away = ratio[ratio >= 1], ratio[ratio < 1]
    title = (
        f"A phone saves energy if it computes {listed(map(str, here.index))} itself, "
        f"and sends the input of {listed(map(str, away.index))}"
    )
    with style.applied():
        figure, (left, right) = canvas(title, 3.8, ncols=2, width_ratios=(1.5, 1))
        _sides(left, ratio, wifi["what"])
        _updates(right, updates)
    return figure


def _sides(axes: Axes, ratio: pd.Series[float], what: pd.Series[str]) -> None:
    """Draw energy of sending over energy of computing, to the right where computing here is cheaper."""
    values = ratio.tolist()
    places = range(len(values))
    colours = [HERE if value >= 1 else AWAY for value in values]
    axes.barh(places, [value - 1 for value in values], left=1, color=colours)
    beside(axes, [max(value, 1.0) for value in values], [_factor(value) for value in values])
    rows(axes, [f"{label},\n{what[label]}" for label in ratio.index])
    axes.axvline(1, color=style.INK, linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 2, max(values) * 40)
    axes.xaxis.set_major_locator(LogLocator(1000, numticks=5))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _factor(value)))
    axes.set_title("energy to send / to compute")
    axes.set_xlabel(f"phone, INT8, {RADIO} ({LOW} estimates)")


def _factor(value: float) -> str:
    return f"{number(value)}×" if value >= 1 else f"1/{number(1 / value)}"


def _updates(axes: Axes, updates: pd.DataFrame) -> None:
    lines: list[dict[Any, Any]] = updates[updates["network"] == "alexnet"].to_dict("records")
    totals = [1e3 * (line["wifi_kWh"] + line["internet_kWh"]) for line in lines]
    axes.barh(range(len(lines)), totals, color=[style.STAGES[line["stage"]][1] for line in lines])
    beside(axes, totals, [quantity(total, "Wh") for total in totals])
    rows(axes, [style.STAGES[line["stage"]][0] for line in lines])
    axes.set_xlim(0, 1.5 * max(totals))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_title("new AlexNet,\na million phones")
