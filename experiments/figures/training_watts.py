"""Training beside inference: joules an item by part of the step, and items per joule of each chip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from experiments.figures import style
from experiments.runs import labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

PHASES: dict[str, tuple[str, str]] = {
    "forward": ("forward", "#0072B2"),
    "input gradients": ("gradients of activations", "#56B4E9"),
    "weight gradients": ("gradients of weights", "#E69F00"),
    "update": ("update of weights and momentum", "#D55E00"),
    "static": style.COMPONENTS["static"],
}
"""Label and colour of each part of a step."""

LABELS = labels.NETWORKS | {
    "reference_250w": "fp32 card, 45 nm", "tpu_v2": "like TPU v2", "a100_pcie": "like A100",
}  # fmt: skip
TEXTBOOK = 3.0


def draw(table: pd.DataFrame, chips: Sequence[str], networks: Sequence[str]) -> Figure:
    """Draw a step's energy over an inference's on the first chip, and items per joule of all.

    Parameters
    ----------
    table : DataFrame
        As the study writes it.
    """
    batches = sorted(table["batch"].unique().tolist())
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 4.6))
        for column, batch in enumerate(batches):
            axes = figure.add_axes((0.145 + 0.25 * column, 0.21, 0.22, 0.69))
            chosen = table[(table["chip"] == chips[0]) & (table["batch"] == batch)]
            _steps(axes, chosen, networks, labelled=column == 0)
            axes.set_title(f"batch {batch}", weight="normal", size=8.5, pad=3)
        figure.text(
            0.145,
            0.955,
            f"Energy of a training step over an inference's: {LABELS[chips[0]]}",
            weight="bold",
            size=9,
        )
        _phase_legend(figure)
        axes = figure.add_axes((0.68, 0.21, 0.30, 0.69))
        _per_joule(axes, table[table["batch"] == batches[-1]], chips, networks)
        axes.set_title(f"Items per joule, batch {batches[-1]}", pad=3, loc="left", size=9)
    return figure


def _steps(axes: Axes, chosen: pd.DataFrame, networks: Sequence[str], *, labelled: bool) -> None:
    rows = chosen.set_index(["network", "mode"])
    once = np.array([rows.loc[(name, "inference"), "energy_per_item_J"] for name in networks], float)
    left = np.zeros(len(networks))
    for phase, (_, colour) in PHASES.items():
        width = np.array([rows.loc[(name, "training"), f"{phase}_J"] for name in networks], float) / once
        axes.barh(range(len(networks)), width, left=left, color=colour, height=0.72)
        left += width
    axes.axvline(TEXTBOOK, color=style.INK, linewidth=0.8, linestyle=(0, (3, 2)))
    for place, total in enumerate(left):
        axes.text(total + 0.02 * left.max(), place, f"{total:.1f}", va="center", size=7)
    axes.set_xlim(0, 1.2 * left.max())
    axes.set_yticks(range(len(networks)), [LABELS[name] for name in networks] if labelled else [])
    axes.set_ylim(len(networks) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelsize=7.5)
    axes.set_xlabel("times an inference", labelpad=1)


def _phase_legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=colour, marker="s", linestyle="", markersize=6, label=label)
        for label, colour in PHASES.values()
    ]
    handles.append(Line2D([], [], color=style.INK, linewidth=0.8, linestyle=(0, (3, 2)), label="3 times"))
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.1, 0.0), ncol=2, fontsize=7, handlelength=1.4,
        columnspacing=1.2,
    )  # fmt: skip


def _per_joule(axes: Axes, chosen: pd.DataFrame, chips: Sequence[str], networks: Sequence[str]) -> None:
    for offset, (chip, colour) in enumerate(zip(chips, style.SERIES, strict=False)):
        for mode, face in (("inference", "white"), ("training", colour)):
            rows = chosen[(chosen["chip"] == chip) & (chosen["mode"] == mode)].set_index("network")
            places = np.arange(len(networks)) + 0.24 * (offset - (len(chips) - 1) / 2)
            values = rows.reindex(list(networks))["items_per_J"].to_numpy(float)
            axes.plot(values, places, "o", color=colour, markerfacecolor=face, markersize=4, linestyle="")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks(range(len(networks)), [])
    axes.set_ylim(len(networks) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlabel("items per joule", labelpad=1)
    handles = [
        Line2D([], [], color=colour, marker="o", linestyle="", markersize=4, label=LABELS[chip])
        for chip, colour in zip(chips, style.SERIES, strict=False)
    ]
    handles += [
        Line2D(
            [], [], color=style.INK, marker="o", markerfacecolor=face, linestyle="", markersize=4, label=mode
        )
        for mode, face in (("inference", "white"), ("training", style.INK))
    ]
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.45, -0.11), ncol=2, fontsize=7, handlelength=1,
        columnspacing=1.0,
    )  # fmt: skip
