"""Load balance of the sparse array against queue depth, one line a layer, labelled at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import NullLocator, PercentFormatter

from experiments.figures import style
from experiments.figures.canvas import canvas
from experiments.figures.labels import name_ends
from experiments.runs.phrases import percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

CHOSEN_DEPTH = 8
"""What the paper builds."""

NETWORKS = {"AlexNet": "#0072B2", "VGG-16": "#D55E00", "NeuralTalk": "#009E73"}


def draw(balance: pd.DataFrame) -> Figure:
    """Draw `balance`: columns ``network``, ``layer``, ``queue_depth``, ``load_balance`` (0..1)."""
    idle = 1 - balance.groupby("queue_depth")["load_balance"].mean()
    title = (
        f"EIE's PEs lose {percent(idle[1])} of their cycles to load imbalance with a queue of one entry, "
        f"{percent(idle[CHOSEN_DEPTH])} with {CHOSEN_DEPTH} as built"
    )
    with style.applied():
        figure, axes = canvas(title, 3.3)
        depths = sorted(set(balance["queue_depth"]))
        ends = []
        for (network, layer), rows in balance.groupby(["network", "layer"], sort=False):
            line = rows.sort_values("queue_depth")
            idle = 1.0 - line["load_balance"]
            colour = NETWORKS[str(network)]
            axes.plot(line["queue_depth"], idle, color=colour, marker="o", markersize=3, linewidth=1.3)
            ends.append((f"{layer}  {idle.iloc[-1]:.0%}", colour, float(idle.iloc[-1])))
        axes.set_xscale("log", base=2)
        axes.set_xlim(depths[0] * 0.9, depths[-1])
        axes.set_xticks(depths, [str(depth) for depth in depths])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(0.0, 0.6)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.grid(axis="y")
        axes.axvline(CHOSEN_DEPTH, color=style.INK, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.annotate(
            f"depth {CHOSEN_DEPTH}, as built", (CHOSEN_DEPTH, 0.56), (5, 0), textcoords="offset points"
        )
        axes.set_xlabel("depth of the activation queue in front of each PE")
        axes.set_ylabel("PE cycles lost")
        name_ends(axes, ends, 0.085, size="medium")
    return figure
