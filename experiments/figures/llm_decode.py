"""Writing with a language model: energy of a token, tiles, rate over the batch; the exponents of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import NullLocator, PercentFormatter

from experiments.figures import style
from experiments.figures.canvas import beside, canvas, legend, patches, rows, stack
from experiments.runs.phrases import joules, number, times

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

LABELS = {
    "fp16": "fp16",
    "bf16 coded": "bf16, coded",
    "2:4": "2:4 sparse",
    "int8": "INT8",
    "int4": "INT4",
}
BIAS = 127
"""Of a bf16 exponent."""
LEAST_NAMED = 0.01
"""Rarer exponents have no label."""
LEAST_DRAWN = 0.004
"""Smaller parts of the longest bar are left out."""


def decode(runs: pd.DataFrame) -> Figure:
    """Draw energy and tiles at batch 1 as bars, and tokens per second over the batch.

    Parameters
    ----------
    runs : DataFrame
        As the study writes it.
    """
    alone = runs[runs["batch"] == 1].set_index("stage")
    token = alone["energy_per_token_J"]
    title = (
        f"One sequence on a card like an A100: {joules(token['fp16'])} per token in fp16, "
        f"{joules(token['int4'])} in INT4, "
        f"{times(alone['tokens_per_s']['int4'] / alone['tokens_per_s']['fp16'])} as fast"
    )
    with style.applied():
        figure, grid = canvas(title, 5.0, nrows=2, ncols=2, width_ratios=(1.25, 1))
        whole = grid[0, 1].get_gridspec()[:, 1]
        grid[1, 1].remove()
        grid[0, 1].set_subplotspec(whole)
        components = _energy(grid[0, 0], alone)
        tiles = _tiles(grid[1, 0], alone)
        lines = _rate(grid[0, 1], runs)
        legend(figure, [*patches(components), *patches(tiles)], columns=3)
        grid[0, 1].legend(handles=lines, loc="lower right")
    return figure


def _energy(axes: Axes, alone: pd.DataFrame) -> list[tuple[str, str]]:
    """Draw energy per token by component, and return what is drawn."""
    longest = float(alone["energy_per_token_J"].max())
    drawn = [
        name
        for name in style.COMPONENTS
        if f"{name}_J" in alone and alone[f"{name}_J"].max() >= LEAST_DRAWN * longest
    ]
    stack(axes, [(alone[f"{name}_J"].to_numpy(float), style.COMPONENTS[name][1]) for name in drawn])
    ends = alone["energy_per_token_J"].tolist()
    beside(axes, ends, [joules(end) for end in ends])
    rows(axes, [LABELS[str(stage)] for stage in alone.index])
    axes.set_xlim(0, 1.3 * longest)
    axes.set_title("energy per token (J)")
    return [style.COMPONENTS[name] for name in drawn]


def _tiles(axes: Axes, alone: pd.DataFrame) -> list[tuple[str, str]]:
    """Draw what the tiles do, and return the states."""
    drawn = [state for state in style.TILES if alone[f"{state}_share"].max() >= LEAST_DRAWN]
    stack(axes, [(alone[f"{state}_share"].to_numpy(float), style.TILES[state][1]) for state in drawn])
    rows(axes, [LABELS[str(stage)] for stage in alone.index])
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xticks((0, 0.5, 1))
    axes.set_title("what the tiles do")
    return [style.TILES[state] for state in drawn]


def _rate(axes: Axes, runs: pd.DataFrame) -> list[Line2D]:
    """Draw tokens per second over the batch, and return the lines."""
    batches = sorted(runs["batch"].unique().tolist())
    axes.set_xscale("log")
    axes.set_yscale("log")
    lines = []
    for stage, colour in zip(dict.fromkeys(runs["stage"]), style.SERIES, strict=False):
        chosen = runs[runs["stage"] == stage].sort_values("batch")
        lines += axes.plot(
            chosen["batch"],
            chosen["tokens_per_s"],
            color=colour,
            marker="o",
            markersize=4,
            label=LABELS[stage],
        )
    low, high = float(runs["tokens_per_s"].min()), float(runs["tokens_per_s"].max())
    ticks = [tick for tick in (10, 20, 50, 100, 200, 500, 1000, 2000) if low / 1.2 <= tick <= high * 1.2]
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.set_yticks(ticks, [number(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(low / 2, high * 1.2)
    axes.grid(axis="y")
    axes.set_xlabel("sequences at once")
    axes.set_title("tokens per second")
    return lines


def exponents(table: pd.DataFrame) -> Figure:
    """Draw how often each exponent occurs, and the bits it takes.

    Parameters
    ----------
    table : DataFrame
        `exponent`, `share`, `ideal_bits`, `code_bits`.
    """
    mean = float((table["share"] * table["code_bits"]).sum())
    ideal = float((table["share"] * table["ideal_bits"]).sum())
    title = (
        f"The 8 bits of a bf16 exponent hold {number(ideal)} bits of information; Huffman code words take "
        f"{number(mean, 3)}"
    )
    with style.applied():
        figure, axes = canvas(title, 2.6)
        axes.bar(table["exponent"] - BIAS, table["share"], color=style.SERIES[0], width=0.8)
        for row in table[table["share"] > LEAST_NAMED].to_dict("records"):
            axes.annotate(
                f"{row['code_bits']}",
                (row["exponent"] - BIAS, row["share"]),
                (0, 2),
                textcoords="offset points",
                ha="center",
            )
        axes.set_ylim(0, 1.15 * table["share"].max())
        axes.set_xlabel("exponent of two of a weight (above: bits of its code word)")
        axes.set_ylabel("share of weights")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure
