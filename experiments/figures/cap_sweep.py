"""What a power cap does to a chip, stage by stage: rate, share of the peak and energy over the cap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

from experiments.figures import style
from experiments.figures.canvas import canvas, legend
from experiments.runs.phrases import watts
from hwsim.units import engineering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS: tuple[tuple[str, str, str], ...] = (
    ("inferences_per_s", "inferences/s", "/s"),
    ("peak_share", "of peak rate", "%"),
    ("energy_per_inference_J", "J/inference", "J"),
)
CAPS_W = (1, 10, 100, 1000)


def draw(table: pd.DataFrame, label: str, cap_W: float, rest_W: float) -> Figure:
    """Draw a column of panels per batch and a row per figure.

    Parameters
    ----------
    table : DataFrame
        `stage`, `batch`, `cap_W`, `power_W` and the figures of `ROWS`, for caps that can be kept.
    label : str
        What the network is called.
    cap_W, rest_W : float
        The chip's own cap, and what it draws at rest: both are marked.
    """
    batches = sorted(table["batch"].unique().tolist())
    free = table.groupby(["batch", "stage"])["power_W"].last()
    told = [
        f"{watts(free[batch, 'dense'])} dense and {watts(free[batch, 'huffman'])} coded at batch {batch}"
        for batch in batches
    ]
    title = f"{label}: the power that the chip can use is {', '.join(told)}"
    with style.applied():
        figure, panels = canvas(title, 4.6, nrows=len(ROWS), ncols=len(batches), sharex=True, sharey="row")
        for across, (name, what, unit) in zip(panels, ROWS, strict=True):
            across[0].set_ylabel(what)
            for axes, batch in zip(across, batches, strict=True):
                axes.axvspan(CAPS_W[0], rest_W, color=style.PALE, alpha=0.5, linewidth=0)
                axes.axvline(cap_W, color=style.PALE, linewidth=1.5)
                _scales(axes, unit)
                _lines(axes, table[table["batch"] == batch], name)
        for axes, batch in zip(panels[0], batches, strict=True):
            axes.set_title(f"batch {batch}")
        for axes in panels[-1]:
            axes.set_xlabel(f"cap (W); line: its own, {cap_W:g} W")
        stages = style.in_order(set(table["stage"]), style.STAGES, "stage")
        handles = [
            Line2D([], [], color=style.STAGES[s][1], label=style.STAGES[s][0], linestyle=_dashes(s))
            for s in stages
        ]
        grey = Patch(color=style.PALE, alpha=0.5, linewidth=0, label="below leakage")
        legend(figure, [*handles, grey], columns=3)
    return figure


def _dashes(stage: str) -> Any:
    """The coded network often hides the line of sharing."""
    return "--" if stage == "huffman" else "-"


def _scales(axes: Axes, unit: str) -> None:
    axes.set_xscale("log")
    axes.set_xlim(CAPS_W[0], CAPS_W[-1])
    axes.set_xticks(CAPS_W, [f"{cap:,}" for cap in CAPS_W])
    if unit == "%":
        axes.set_ylim(0, 1.05)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    else:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(10, numticks=5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, unit)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_locator(NullLocator())


def _lines(axes: Axes, table: pd.DataFrame, name: str) -> None:
    """Draw a line per stage."""
    for stage in style.in_order(set(table["stage"]), style.STAGES, "stage"):
        chosen = table[table["stage"] == stage].sort_values("cap_W")
        colour = style.STAGES[stage][1]
        axes.plot(chosen["cap_W"], chosen[name], color=colour, linestyle=_dashes(stage))
