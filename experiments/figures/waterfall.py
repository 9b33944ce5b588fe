"""Steps down: bytes, joules and error of each network after each step of Deep Compression."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from experiments.figures import style
from hwsim.units import engineering

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.axes import Axes

CHIPS = {"edge": "edge chip", "reference_250w": "250 W chip"}


class Panel(NamedTuple):
    """One row of panels: a column of the table and how its bars are called."""

    column: str
    title: str
    text: Callable[[float], str]
    log: bool


PANELS = (
    Panel("weight_bytes", "bytes of weights\n(log scale)", lambda value: engineering(value, "B"), True),
    Panel("energy_J", "J per inference, batch 1\n(log scale)", lambda value: engineering(value, "J"), True),
    Panel("top1_error_pct", "top-1 error\n(published)", lambda value: f"{value:.2f}%", False),
)
BAR = 0.62
"""Width of a bar; a line leads from each to the next."""


def draw(table: pd.DataFrame) -> Figure:
    """Draw a column of panels per network and a row per quantity, bars in the order of the steps."""
    networks = [name for name in style.NETWORKS if name in set(table["network"])]
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 5.0))
        for row, panel in enumerate(PANELS):
            for column, network in enumerate(networks):
                at = (0.11 + 0.225 * column, 0.675 - 0.3 * row, 0.2, 0.235)
                axes = figure.add_axes(at)
                rows = table[table["network"] == network]
                _steps(axes, rows, panel)
                if row == 0:
                    axes.set_title(
                        f"{style.NETWORKS[network]}\n{CHIPS[rows['chip'].iloc[0]]}", size=8.5, pad=3
                    )
                if column == 0:
                    axes.set_ylabel(panel.title, labelpad=3)
    return figure


def _steps(axes: Axes, rows: pd.DataFrame, panel: Panel) -> None:
    stages = style.in_order(set(rows["stage"]), style.STAGES, "stage")
    values = rows.set_index("stage")[panel.column].loc[stages].tolist()
    low = min(values) / 4 if panel.log else 0.0
    high = max(values) * 3 if panel.log else max(values) * 1.3
    for place, (stage, value) in enumerate(zip(stages, values, strict=True)):
        axes.bar(place, value - low, BAR, bottom=low, color=style.STAGES[stage][1])
        axes.annotate(
            panel.text(value),
            (place, value),
            (0, 2),
            textcoords="offset points",
            ha="center",
            size=6.2,
            bbox={"facecolor": "white", "linewidth": 0, "pad": 0.4},
        )
        if place:
            before = values[place - 1]
            axes.plot([place - 1, place], [before, before], color=style.PALE, linewidth=0.8, zorder=0)
    if panel.log:
        axes.set_yscale("log")
        factor = values[0] / values[-1]
        axes.text(
            0.98, 0.97, f"÷ {factor:.3g}", transform=axes.transAxes, ha="right", va="top", weight="bold"
        )
    axes.set_ylim(low, high)
    axes.set_xlim(-0.55, len(stages) - 0.45)
    axes.set_yticks([])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.spines["left"].set_visible(False)
    names = [style.STAGES[stage][0].removeprefix("+ ") for stage in stages]
    lowered = [f"\n{name}" if place % 2 else name for place, name in enumerate(names)]
    axes.set_xticks(range(len(stages)), lowered, size=7)
    axes.tick_params(length=0, pad=2)
