"""What a power cap does to a chip, stage by stage: rate, share of the peak and energy over the cap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.labels import name_ends
from hwsim.units import engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

ROWS: tuple[tuple[str, str, str], ...] = (
    ("inferences_per_s", "inferences\nper second", "/s"),
    ("peak_share", "share of the\npeak MAC rate", "%"),
    ("energy_per_inference_J", "energy per\ninference", "J"),
)
CAPS_W = (1, 10, 100, 1000)


def draw(table: pd.DataFrame, label: str, cap_W: float, rest_W: float) -> Figure:
    """Draw a column of panels per batch and a row per figure.

    Parameters
    ----------
    table : DataFrame
        `stage`, `batch`, `cap_W` and the figures of `ROWS`, for caps that can be kept.
    label : str
        What the network is called.
    cap_W, rest_W : float
        The chip's own cap, and what it draws at rest: both are marked.
    """
    batches = sorted(table["batch"].unique().tolist())
    height = 5.0
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, height))
        figure.text(0.012, 0.985, f"{label} under a cap of 1 W to 1 kW", va="top", weight="bold", size=9.5)
        for row, (name, title, unit) in enumerate(ROWS):
            limits = (float(table[name].min()), float(table[name].max()))
            for column, batch in enumerate(batches):
                at = (0.14 + 0.43 * column, 0.68 - 0.295 * row, 0.31, 0.235)
                axes = figure.add_axes(at)
                axes.axvspan(CAPS_W[0], rest_W, color="#EFEFEF", linewidth=0)
                axes.axvline(cap_W, color=style.PALE, linewidth=1.2)
                _scales(axes, unit, limits)
                _lines(axes, table[table["batch"] == batch], name)
                if row == 0:
                    axes.set_title(f"batch {batch}", pad=3, weight="normal", size=8.5)
                    axes.text(3.9, limits[1], "below what it\ndraws at rest", ha="center", va="top", size=7)
                    axes.text(0.9 * cap_W, limits[0], f"its cap,\n{cap_W:g} W", ha="right", size=7)
                if row == len(ROWS) - 1:
                    axes.set_xlabel("cap (W)", labelpad=0)
                else:
                    axes.tick_params(labelbottom=False)
                if column == 0:
                    axes.set_ylabel(title, labelpad=1)
                else:
                    axes.tick_params(labelleft=False)
    return figure


def _scales(axes: Axes, unit: str, limits: tuple[float, float]) -> None:
    axes.set_xscale("log")
    axes.set_xlim(CAPS_W[0], CAPS_W[-1])
    axes.set_xticks(CAPS_W, [str(cap) for cap in CAPS_W])
    if unit == "%":
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    else:
        axes.set_yscale("log")
        axes.set_ylim(limits[0] / 1.4, limits[1] * 1.4)
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, unit)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_locator(NullLocator())


def _lines(axes: Axes, table: pd.DataFrame, name: str) -> None:
    """Draw a line per stage and call it by name at its right end."""
    stages = style.in_order(set(table["stage"]), style.STAGES, "stage")
    ends = []
    for stage in stages:
        chosen = table[table["stage"] == stage].sort_values("cap_W")
        dashes = (0, (3, 2)) if stage == "huffman" else "-"  # it often hides the line of sharing
        axes.plot(
            chosen["cap_W"], chosen[name], color=style.STAGES[stage][1], linewidth=1.5, linestyle=dashes
        )
        ends.append((*style.STAGES[stage], float(chosen[name].iloc[-1])))
    name_ends(axes, ends, 0.125, low=0.05)
