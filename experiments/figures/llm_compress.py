"""A compressed language model: perplexity over bytes, energy on chips, and where the joules of a token go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

TICKS = (20, 30, 50, 100, 200)
"""Of the axis of perplexity."""

LEAST_DRAWN = 0.004
"""Components below this part of the longest bar are left out."""

CARD_W = 250
"""Cap of the card of the figure of a token."""


def frontier(runs: pd.DataFrame) -> Figure:
    """Draw perplexity over the bytes of the file, and energy per token on every chip.

    Parameters
    ----------
    runs : DataFrame
        As the study writes it.
    """
    alone = runs[runs["batch"] == 1]
    ways = list(dict.fromkeys(alone["way"]))
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 4.2))
        bytes_, energy = figure.add_axes((0.23, 0.20, 0.32, 0.73)), figure.add_axes((0.60, 0.20, 0.38, 0.73))
        _rows(bytes_, ways, "Perplexity (size of the file)")
        first = alone.drop_duplicates("way").set_index("way").loc[ways]
        bytes_.plot(first["perplexity"], range(len(ways)), "o", color=style.SERIES[0], markersize=4)
        for place, row in enumerate(first.to_dict("records")):
            bytes_.annotate(
                f"{row['perplexity']:.2f} ({row['file_MB']:.0f} MB)", (row["perplexity"], place),
                (4, 0), textcoords="offset points", va="center", size=7,
            )  # fmt: skip
        low, high = first["perplexity"].min(), first["perplexity"].max()
        bytes_.set_xscale("log")
        bytes_.set_xlim(low / 1.1, 1.1 * high * (high / low) ** 0.9)
        ticks = [tick for tick in TICKS if low / 1.1 <= tick <= 1.2 * high]
        bytes_.set_xticks(ticks, [str(tick) for tick in ticks])
        bytes_.xaxis.set_minor_locator(NullLocator())
        bytes_.set_xlabel("perplexity", labelpad=1)
        _rows(energy, [""] * len(ways), "Energy per token, batch 1")
        for chip, colour in zip(dict.fromkeys(alone["chip"]), style.SERIES, strict=False):
            joules = alone[alone["chip"] == chip].set_index("way")["energy_per_token_J"].loc[ways]
            energy.plot(
                joules / joules["bf16"], range(len(ways)), "o", color=colour, markersize=4, label=chip
            )
        energy.set_xlabel("of that of bf16", labelpad=1)
        energy.set_xlim(left=0)
        energy.grid(axis="x")
        energy.legend(
            fontsize=7,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.14),
            ncol=3,
            handlelength=0.8,
            columnspacing=1,
        )
    return figure


def token(runs: pd.DataFrame) -> Figure:
    """Draw the joules of a token by component: decode alone and in a batch, and prefill.

    Parameters
    ----------
    runs : DataFrame
        As the study writes it.
    """
    panels = {
        "Decode, batch 1": runs[(runs["phase"] == "decode") & (runs["batch"] == runs["batch"].min())],
        f"Decode, batch {runs['batch'].max()}": runs[runs["batch"] == runs["batch"].max()],
        "Prefill": runs[runs["phase"] == "prefill"],
    }
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 2.9))
        for place, (title, rows) in enumerate(panels.items()):
            axes = figure.add_axes((0.14 + 0.29 * place, 0.38, 0.25, 0.52))
            _token_bars(axes, rows, title, named=place == 0)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        found = dict(zip(labels, handles, strict=True))
        for axes in figure.axes[1:]:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                found.setdefault(label, handle)
        figure.legend(found.values(), found.keys(), loc="lower center", ncol=5, fontsize=7, handlelength=1)
    return figure


def _token_bars(axes: Axes, rows: pd.DataFrame, title: str, *, named: bool) -> None:
    ways, longest = list(rows["way"]), rows["energy_per_token_J"].max()
    left = np.zeros(len(ways))
    for name, (label, colour) in style.COMPONENTS.items():
        width = rows[f"{name}_J"].to_numpy() if f"{name}_J" in rows else left * 0
        if width.max() >= LEAST_DRAWN * longest:
            axes.barh(range(len(ways)), width, left=left, color=colour, height=0.7, label=label)
            left += width
    for place, row in enumerate(rows.to_dict("records")):
        limited = "cap" if row["clock_fraction"] < 1 else f"{row['power_W']:.0f} W"
        joules = row["energy_per_token_J"]
        axes.text(joules + 0.02 * longest, place, f"{joules:.3g} J, {limited}", va="center", size=6.5)
    axes.set_xlim(0, 1.75 * longest)
    axes.set_xlabel("J per token", labelpad=1)
    _rows(axes, ways if named else [""] * len(ways), title)


def _rows(axes: Axes, names: list[str], title: str) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0, labelsize=7.5)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_title(title, pad=4)
