"""Training beside inference: energy of an item by part of the step, and items per joule of each chip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.figures import style
from experiments.figures.canvas import beside, canvas, legend, patches, rows, stack
from experiments.runs import labels
from experiments.runs.phrases import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PHASES: dict[str, tuple[str, str]] = {
    "forward": ("forward", "#0072B2"),
    "input gradients": ("gradients of activations", "#56B4E9"),
    "weight gradients": ("gradients of weights", "#E69F00"),
    "update": ("update and momentum", "#D55E00"),
    "static": style.COMPONENTS["static"],
}
"""Label and colour of each part of a step."""

TEXTBOOK = 3.0
SHORT = {"llama_layer_prefill": "Llama layer"}


def draw(table: pd.DataFrame, chips: Sequence[str], networks: Sequence[str]) -> Figure:
    """Draw a step's energy over an inference's on the first chip, and items per joule of all.

    Parameters
    ----------
    table : DataFrame
        As the study writes it.
    """
    batches = sorted(table["batch"].unique().tolist())
    joules = table[table["chip"] == chips[0]].pivot_table("energy_per_item_J", ["batch", "network"], "mode")
    ratio = joules["training"] / joules["inference"]
    low, high = ratio[batches[-1]].min(), ratio[batches[-1]].max()
    title = (
        f"Training costs {number(low)} to {number(high)} times an inference at batch {batches[-1]} on the "
        f"{labels.chip(chips[0])}, up to {number(ratio[batches[0]].max())} times at batch {batches[0]}"
    )
    with style.applied():
        figure, panels = canvas(title, 4.6, ncols=len(batches) + 1, sharey=True)
        for axes, batch in zip(panels, batches, strict=False):
            _steps(axes, table[(table["chip"] == chips[0]) & (table["batch"] == batch)], networks)
            axes.set_title(f"batch {batch}")
            axes.set_xlabel("times an inference")
        _per_joule(panels[-1], table[table["batch"] == batches[-1]], chips, networks)
        panels[-1].set_title(f"items per joule, batch {batches[-1]}", x=1.0, ha="right")
        rows(panels[0], [SHORT.get(name, labels.network(name)) for name in networks])
        legend(figure, [*patches(PHASES.values()), *_key(chips)], columns=3)
    return figure


def _steps(axes: Axes, chosen: pd.DataFrame, networks: Sequence[str]) -> None:
    found = chosen.set_index(["network", "mode"])
    once = np.array([found.loc[(name, "inference"), "energy_per_item_J"] for name in networks], float)
    parts = [
        (np.array([found.loc[(name, "training"), f"{phase}_J"] for name in networks], float) / once, colour)
        for phase, (_, colour) in PHASES.items()
    ]
    stack(axes, parts)
    totals = sum(widths for widths, _ in parts)
    beside(axes, list(totals), [number(total) for total in totals], size="small")
    axes.axvline(TEXTBOOK, color=style.INK, linewidth=0.8, linestyle=(0, (3, 2)))
    axes.set_xlim(0, 1.35 * max(totals))


def _per_joule(axes: Axes, chosen: pd.DataFrame, chips: Sequence[str], networks: Sequence[str]) -> None:
    for offset, (chip, colour) in enumerate(zip(chips, style.SERIES, strict=False)):
        for mode, face in (("inference", "white"), ("training", colour)):
            found = chosen[(chosen["chip"] == chip) & (chosen["mode"] == mode)].set_index("network")
            places = np.arange(len(networks)) + 0.24 * (offset - (len(chips) - 1) / 2)
            values = found.reindex(list(networks))["items_per_J"].to_numpy(float)
            axes.plot(values, places, "o", color=colour, markerfacecolor=face, markersize=5, linestyle="")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(100, numticks=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlabel("log")


def _key(chips: Sequence[str]) -> list[Line2D]:
    textbook = Line2D([], [], color=style.INK, linewidth=0.8, linestyle=(0, (3, 2)))
    textbook.set_label(f"textbook: {TEXTBOOK:g} times")
    colours = [
        Line2D([], [], color=colour, marker="o", linestyle="", label=labels.chip(chip))
        for chip, colour in zip(chips, style.SERIES, strict=False)
    ]
    open_one = Line2D([], [], color=style.INK, marker="o", markerfacecolor="white", linestyle="")
    open_one.set_label("open: inference")
    return [textbook, *colours, open_one]
