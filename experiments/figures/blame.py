"""What limits the gain: dense against compressed on the same chip with one thing changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import NullLocator

from experiments.figures import style
from experiments.figures.canvas import beside, canvas, legend, patches, rows
from experiments.runs.phrases import number, times
from experiments.runs.scenes import AS_IT_IS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAINS = {
    "inferences_per_s": ("inferences per second", style.SERIES[0]),
    "inferences_per_J": ("inferences per joule", style.SERIES[4]),
}
ENDS = ("dense", "huffman")
BAR = 0.38
ROOM = 2.2
"""Length of the axis against the longest bar, as a factor, for its number."""


def draw(runs: pd.DataFrame, label: str) -> Figure:
    """Draw how many times more Huffman coding gives than dense, a panel per batch and a row per change.

    Parameters
    ----------
    runs : DataFrame
        Of one network: `variant`, `stage`, `batch`, `inferences_per_s` and `inferences_per_J`.
        Variants are drawn in the order they appear.
    label : str
        What the network is called.
    """
    variants = list(dict.fromkeys(runs["variant"]))
    batches = sorted(runs["batch"].unique().tolist())
    gains = {name: _gain(runs, name) for name in GAINS}
    rate = gains["inferences_per_s"].xs(batches[-1], level="batch")
    title = (
        f"{label}, batch {batches[-1]:,}: compression makes the chip {times(rate[AS_IT_IS])} as fast, "
        f"{times(rate['no cap'])} without the cap, {times(rate['neither'])} without cap and bandwidth limit"
    )
    with style.applied():
        figure, panels = canvas(title, 3.4, ncols=len(batches), sharey=True)
        for axes, batch in zip(panels, batches, strict=True):
            _panel(axes, {name: gain.xs(batch, level="batch")[variants] for name, gain in gains.items()})
            axes.set_title(f"batch {batch:,}")
        rows(panels[0], variants)
        legend(figure, patches(GAINS.values()), columns=2)
    return figure


def _gain(runs: pd.DataFrame, name: str) -> pd.Series[float]:
    """Huffman-coded over dense, by batch and variant."""
    table = runs.pivot_table(index=["batch", "variant"], columns="stage", values=name)
    return table[ENDS[1]] / table[ENDS[0]]


def _panel(axes: Axes, gains: dict[str, pd.Series[float]]) -> None:
    for index, (name, gain) in enumerate(gains.items()):
        places = [row + BAR * (index - 0.5) for row in range(len(gain))]
        axes.barh(places, gain - 1, left=1, height=BAR, color=GAINS[name][1])
        beside(axes, gain.clip(lower=1.0).tolist(), [f"{number(one)}×" for one in gain], places, size="small")
    values = [float(value) for gain in gains.values() for value in gain]
    low, high = min(values), max(values)
    axes.set_xscale("log")
    axes.set_xlim(min(low, 1.0) / 1.05, ROOM * high)
    axes.axvline(1, color=style.INK, linewidth=0.8)
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50) if tick <= high]
    axes.set_xticks(ticks, [f"{tick}×" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("compressed / dense")
