"""A compressed language model: perplexity and bytes, energy on chips, and the parts of a token's energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import NullLocator

from experiments.figures import style
from experiments.figures.canvas import beside, canvas, dots, legend, patches, rows, stack
from experiments.runs import labels
from experiments.runs.phrases import joules, number, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TICKS = (20, 50, 100, 200)
"""Of the axis of perplexity."""
LEAST_DRAWN = 0.01
"""Components below this part of the longest bar are left out."""


def frontier(runs: pd.DataFrame) -> Figure:
    """Draw perplexity and bytes of each way, and energy per token on every chip.

    Parameters
    ----------
    runs : DataFrame
        As the study writes it.
    """
    alone = runs[runs["batch"] == 1]
    ways = list(dict.fromkeys(alone["way"]))
    first = alone.drop_duplicates("way").set_index("way").loc[ways]
    plain = first.loc["bf16"]
    told = [
        f"{way} {percent(float(first['file_MB'][way] / plain['file_MB']))} of the bytes for "
        f"{percent(float(first['perplexity'][way] / plain['perplexity']) - 1)} perplexity"
        for way in ("int8", "int4")
        if way in first.index
    ]
    with style.applied():
        figure, (left, right) = canvas(
            f"SmolLM2-135M against bf16: {', '.join(told)}", 4.4, ncols=2, sharey=True
        )
        _perplexity(left, first)
        colours = dict(zip(dict.fromkeys(alone["chip"]), style.SERIES, strict=False))
        for chip, colour in colours.items():
            energy = alone[alone["chip"] == chip].set_index("way")["energy_per_token_J"].loc[ways]
            right.plot(energy / energy["bf16"], range(len(ways)), "o", color=colour, markersize=6)
        right.set_title("energy, bf16 = 1")
        right.set_xlabel("per token, batch 1")
        right.set_xlim(left=0)
        right.grid(axis="x")
        rows(left, ways)
        legend(figure, dots((labels.chip(chip), colour) for chip, colour in colours.items()), columns=3)
    return figure


def _perplexity(axes: Axes, first: pd.DataFrame) -> None:
    values = first["perplexity"].tolist()
    axes.plot(values, range(len(values)), "o", color=style.INK, markersize=6)
    texts = [f"{number(v, 3)} ({mb:.0f} MB)" for v, mb in zip(values, first["file_MB"], strict=True)]
    beside(axes, values, texts, size="small")
    low, high = min(values), max(values)
    axes.set_xscale("log")
    axes.set_xlim(low / 1.2, high * (high / low) ** 1.1)
    ticks = [tick for tick in TICKS if low / 1.2 <= tick <= 1.2 * high]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_title("perplexity (file)")
    axes.set_xlabel("perplexity (log)")


def token(runs: pd.DataFrame) -> Figure:
    """Draw the energy of a token by component: decode alone and in a batch, and prefill.

    Parameters
    ----------
    runs : DataFrame
        As the study writes it.
    """
    few, many = runs["batch"].min(), runs["batch"].max()
    decode = runs["phase"] == "decode"
    panels = {
        f"writing, {few} sequence": runs[decode & (runs["batch"] == few)],
        f"writing, {many} sequences": runs[decode & (runs["batch"] == many)],
        "reading a prompt": runs[runs["phase"] == "prefill"],
    }
    one, crowd = (list(panels.values())[place].set_index("way")["energy_per_token_J"] for place in (0, 1))
    title = (
        f"Llama 3 8B under a cap: a token takes {joules(float(one['bf16']))} in bf16 and "
        f"{joules(float(one['int4']))} in INT4 alone, {joules(float(crowd['bf16']))} and "
        f"{joules(float(crowd['int4']))} among {many}"
    )
    drawn = [
        name
        for name in style.COMPONENTS
        if f"{name}_J" in runs and (runs[f"{name}_J"] / runs["energy_per_token_J"]).max() >= LEAST_DRAWN
    ]
    with style.applied():
        figure, across = canvas(title, 2.8, ncols=len(panels), sharey=True)
        for axes, (name, table) in zip(across, panels.items(), strict=True):
            stack(axes, [(table[f"{c}_J"].to_numpy(float), style.COMPONENTS[c][1]) for c in drawn])
            ends = table["energy_per_token_J"].tolist()
            beside(axes, ends, [joules(end) for end in ends], size="small")
            axes.set_xlim(0, 1.55 * max(ends))
            axes.set_xticks([])
            axes.set_title(name, size="small")
        rows(across[0], list(panels[f"writing, {few} sequence"]["way"]))
        legend(figure, patches(style.COMPONENTS[name] for name in drawn), columns=3)
    return figure
