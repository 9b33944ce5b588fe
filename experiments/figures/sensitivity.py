"""Error against the density of one layer: a panel for each network, a line for each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import NullLocator

from experiments.figures import style
from experiments.figures.canvas import canvas
from experiments.runs import labels
from experiments.runs.phrases import listed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOW = 0.05
"""Density at which layers differ clearly."""
TICKS = (0.01, 0.03, 0.1, 0.3, 1.0)


def draw(points: pd.DataFrame) -> Figure:
    """Draw `network`, `layer`, `density`, `error_pct`."""
    networks = list(dict.fromkeys(points["network"]))
    low = points[points["density"] == LOW].set_index(["network", "layer"])["error_pct"]
    worst = [f"{low[name].idxmax()} of {labels.network(name)}" for name in networks]
    title = f"Pruned to {LOW:.0%} without training again, {listed(worst)} suffer most"
    with style.applied():
        figure, grid = canvas(title, 2.9, ncols=len(networks), sharey=True, squeeze=False)
        panels = grid[0]
        for axes, network in zip(panels, networks, strict=True):
            _panel(axes, points[points["network"] == network])
            axes.set_title(labels.NETWORKS.get(network, network))
        panels[0].set_ylabel("error (%)")
    return figure


def _panel(axes: Axes, points: pd.DataFrame) -> None:
    layers = list(dict.fromkeys(points["layer"]))
    for colour, layer in zip(style.SERIES, layers, strict=False):
        line = points[points["layer"] == layer].sort_values("density")
        axes.plot(line["density"], line["error_pct"], color=colour, marker="o", markersize=2.5, label=layer)
    axes.legend(loc="upper right", title="pruned layer")
    axes.set_xscale("log")
    axes.set_xticks(TICKS, [f"{100 * density:g}" for density in TICKS])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0, 100)
    axes.set_xlabel("weights of the layer that stay (%)")
