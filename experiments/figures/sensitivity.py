"""Error against the density of one layer: a panel for each network, a line for each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments.figures import style
from experiments.runs import labels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

TICKS = (0.01, 0.03, 0.1, 0.3, 1.0)


def draw(points: pd.DataFrame) -> Figure:
    """Draw `network`, `layer`, `density`, `error_pct`."""
    networks = list(dict.fromkeys(points["network"]))
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 2.9))
        panels = figure.subplots(1, len(networks), sharey=True, squeeze=False)[0]
        for axes, network in zip(panels, networks, strict=True):
            _panel(axes, points[points["network"] == network])
            axes.set_title(labels.NETWORKS.get(network, network))
        panels[0].set_ylabel("error (%)")
        figure.subplots_adjust(left=0.085, right=0.98, top=0.88, bottom=0.16, wspace=0.08)
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
