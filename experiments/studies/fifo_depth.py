"""Depth of the queue in front of each PE: what a sparse array loses when its parts do not end together.

Question. EIE broadcasts each non-zero activation to 64 PEs, and each PE has as many entries to work off
as its rows happen to hold. A queue in front of each lets fast PEs run ahead. How deep must it be?

Look for. The share of PE cycles in which there is nothing to do. It falls with each doubling of the
depth, and then no more: what is left is imbalance of whole matrices, which no queue can smooth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from experiments.figures import load_balance as figure
from experiments.runs.phrases import SAME, percent, times
from hwsim.analysis.validation import eie_load_balance

if TYPE_CHECKING:
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables


def produce(run: Run) -> None:
    """Write the load balance by layer and depth, what each depth gains."""
    balance = eie_load_balance()
    run.write_csv("load_balance.csv", balance)
    run.write_csv("by_depth.csv", by_depth(balance))


def by_depth(balance: pd.DataFrame) -> pd.DataFrame:
    """Idle share of PE cycles over the layers, and mean speed-up over a queue of one, by depth."""
    shares = balance.pivot(index="layer", columns="queue_depth", values="load_balance")
    speedup = shares.div(shares[shares.columns[0]], axis=0)
    idle = 1.0 - shares
    table = pd.DataFrame(
        {
            "idle_mean": idle.mean(),
            "idle_least": idle.min(),
            "idle_most": idle.max(),
            "speedup_mean": speedup.mean(),
            "of_deepest_mean": shares.div(shares[shares.columns[-1]], axis=0).mean(),
        }
    )
    return table.reset_index()


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"fifo_depth": figure.draw(tables["load_balance"])}


BUILT = 8
"""Entries of the queue of EIE as built."""


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say what the depth of the queue as built gains, what more would, and which layer is left."""
    depths = tables["by_depth"].set_index("queue_depth")
    enough = depths.index[depths["of_deepest_mean"] > 1 - SAME][0]
    balance = tables["load_balance"]
    deepest = balance[balance["queue_depth"] == balance["queue_depth"].max()].set_index("layer")[
        "load_balance"
    ]
    worst = deepest.idxmin()
    return (
        f"With a queue of one entry, PEs are idle {percent(depths.loc[1, 'idle_mean'])} of the time on "
        f"average. With {BUILT}, as built, it is {percent(depths.loc[BUILT, 'idle_mean'])}, which makes "
        f"them {times(depths.loc[BUILT, 'speedup_mean'])} as fast.",
        f"A longer queue gains {percent(1 / depths.loc[BUILT, 'of_deepest_mean'] - 1)} at most, nearly all "
        f"of it with {enough} entries.",
        f"What is left is imbalance of the matrix: in {worst} PEs are idle "
        f"{percent(1 - deepest[worst])} of the time with a queue of any length.",
    )
