"""Writing with a language model: joules a token, tiles, rate over the batch; the exponents of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments.figures import style
from experiments.figures.labels import name_ends

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LABELS = {
    "fp16": "fp16",
    "bf16 coded": "bf16, exponents\nHuffman-coded",
    "2:4": "2:4 sparse fp16",
    "int8": "INT8",
    "int4": "INT4",
}
BIAS = 127
"""Of a bf16 exponent."""
LEAST_NAMED = 0.002
"""Rarer exponents have no label."""
LEAST_SHOWN = 0.06
"""Shares of a bar below this are not written into it."""


def decode(runs: pd.DataFrame) -> Figure:
    """Draw energy and tiles at batch 1 as bars, and tokens per second over the batch.

    Parameters
    ----------
    runs : DataFrame
        As the study writes it.
    """
    alone = runs[runs["batch"] == 1].set_index("stage")
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 4.6))
        energy = figure.add_axes((0.165, 0.665, 0.36, 0.265))
        tiles = figure.add_axes((0.165, 0.145, 0.36, 0.265))
        rate = figure.add_axes((0.645, 0.145, 0.20, 0.785))
        _energy(energy, alone)
        _tiles(tiles, alone)
        _rate(rate, runs)
    return figure


def _bars(axes: Axes, stages: list[str], title: str) -> None:
    axes.set_yticks(range(len(stages)), [LABELS[stage] for stage in stages])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0, labelsize=7.5)
    axes.set_title(title, pad=4)


def _energy(axes: Axes, alone: pd.DataFrame) -> None:
    stages = list(alone.index)
    left = np.zeros(len(stages))
    for name in (name for name in style.COMPONENTS if f"{name}_J" in alone):
        label, colour = style.COMPONENTS[name]
        width = alone[f"{name}_J"].to_numpy()
        if width.max() < 0.004 * alone["energy_per_token_J"].max():
            continue
        axes.barh(range(len(stages)), width, left=left, color=colour, height=0.7, label=label)
        left += width
    for place, total in enumerate(alone["energy_per_token_J"]):
        axes.text(total + 0.02, place, f"{total:.2f} J", va="center", size=7.5)
    axes.set_xlim(0, 1.18 * alone["energy_per_token_J"].max())
    axes.set_xlabel("energy per token (J)", labelpad=1)
    _bars(axes, stages, "One sequence: energy per token")
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.4, -0.27), ncol=4, fontsize=7, handlelength=1, columnspacing=1.0
    )


def _tiles(axes: Axes, alone: pd.DataFrame) -> None:
    stages = list(alone.index)
    left = np.zeros(len(stages))
    for state, (label, colour) in style.TILES.items():
        width = alone[f"{state}_share"].to_numpy()
        if width.max() < 0.002:
            continue
        axes.barh(range(len(stages)), width, left=left, color=colour, height=0.7, label=label)
        for place, share in enumerate(width):
            if share >= LEAST_SHOWN:
                at = left[place] + share / 2
                axes.text(
                    at, place, f"{share:.0%}", ha="center", va="center", size=7, color=style.text_on(colour)
                )
        left += width
    axes.set_xlim(0, 1)
    axes.set_xticks((0, 0.5, 1), ("0%", "50%", "100%"))
    axes.set_xlabel("share of the tiles' time", labelpad=1)
    _bars(axes, stages, "One sequence: what tiles do")
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.27), ncol=3, fontsize=7, handlelength=1, columnspacing=1.2
    )


def _rate(axes: Axes, runs: pd.DataFrame) -> None:
    batches = sorted(runs["batch"].unique().tolist())
    low, high = float(runs["tokens_per_s"].min()) / 1.25, float(runs["tokens_per_s"].max()) * 1.25
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(batches[0] / 1.1, batches[-1] * 1.1)
    axes.set_ylim(low, high)
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.set_yticks((100, 200, 500, 1000), ("100", "200", "500", "1,000"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y")
    axes.set_xlabel("sequences at once", labelpad=1)
    axes.set_title("Tokens per second", pad=4)
    stages = list(dict.fromkeys(runs["stage"]))
    ends = []
    for stage, colour in zip(stages, style.SERIES, strict=False):
        chosen = runs[runs["stage"] == stage].sort_values("batch")
        axes.plot(chosen["batch"], chosen["tokens_per_s"], color=colour, marker="o", markersize=3)
        ends.append((LABELS[stage], colour, float(chosen["tokens_per_s"].iloc[-1])))
    name_ends(axes, ends, 0.085, size=7)


def exponents(table: pd.DataFrame) -> Figure:
    """Draw how often each exponent occurs, and the bits it takes.

    Parameters
    ----------
    table : DataFrame
        `exponent`, `share`, `ideal_bits`, `code_bits`.
    """
    mean = float((table["share"] * table["code_bits"]).sum())
    ideal = float((table["share"] * table["ideal_bits"]).sum())
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 2.6))
        axes = figure.add_axes((0.09, 0.17, 0.88, 0.70))
        axes.bar(table["exponent"] - BIAS, table["share"], color=style.SERIES[0], width=0.8)
        for row in table[table["share"] > LEAST_NAMED].to_dict("records"):
            axes.text(
                row["exponent"] - BIAS, row["share"] + 0.006, f"{row['code_bits']}", ha="center", size=7.5
            )
        axes.text(
            0.02, 0.95,
            f"8 bits stored, {ideal:.2f} bits of information,\n{mean:.2f} bits with a Huffman code "
            "(its words' bits on the bars)",
            transform=axes.transAxes, va="top", size=8,
        )  # fmt: skip
        axes.set_ylim(0, 1.12 * table["share"].max())
        axes.set_xlabel("exponent of two of a weight", labelpad=1)
        axes.set_ylabel("share of weights")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_title("Exponents of bf16 weights: all-MiniLM-L6-v2, encoder layers", pad=4)
    return figure
