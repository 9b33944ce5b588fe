"""Depth of the queue in front of each PE: what a sparse array loses when its parts do not end together.

Question. EIE broadcasts each non-zero activation to 64 PEs, and each PE has as many entries to work off
as its rows happen to hold. A queue in front of each lets fast PEs run ahead. How deep must it be?

Look for. The share of PE cycles in which there is nothing to do. It falls with each doubling of the
depth, and then no more: what is left is imbalance of whole matrices, which no queue can smooth.

Answer. With a queue of one, PEs idle 25% of their cycles on average over the nine published layers; with
eight, as built, 9%, which makes them 1.23 times faster and within 2% of any depth; beyond 32 nothing
changes. What is left is imbalance of the matrix: NT-We has 600 rows, fewer than ten to a PE, and
idles 31% with a queue of any length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from experiments.figures import load_balance as figure
from experiments.figures import style
from hwsim.analysis.validation import eie_load_balance

if TYPE_CHECKING:
    from experiments.runs.record import Run


def produce(run: Run) -> None:
    """Write the load balance by layer and depth, what each depth gains, and the figure."""
    balance = eie_load_balance()
    run.write_csv("load_balance.csv", balance)
    run.write_csv("by_depth.csv", by_depth(balance))
    style.save(figure.draw(balance), run.folder / "fifo_depth")


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
