"""Dense-sparse-dense against training of the same length: a line a seed, and the way there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from experiments.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

PERIODS = {"dense": "dense", "sparse": "sparse", "final": "dense again"}


def draw(measured: pd.DataFrame) -> Figure:
    """Draw `seed`, `sparsity`, `period`, `test_error_pct`."""
    with style.applied():
        figure = Figure(figsize=(style.HALF_PAGE_IN, 2.8))
        way, seeds = figure.subplots(1, 2)
        _way(way, measured)
        _seeds(seeds, measured[measured["period"] == "final"])
        figure.subplots_adjust(left=0.085, right=0.98, top=0.88, bottom=0.16, wspace=0.3)
    return figure


def _name(sparsity: float) -> str:
    return f"{sparsity:.0%} pruned" if sparsity else "control"


def _way(axes: Axes, measured: pd.DataFrame) -> None:
    medians = measured.groupby(["sparsity", "period"])["test_error_pct"].median().unstack()[list(PERIODS)]
    for colour, (sparsity, errors) in zip(style.SERIES, medians.iterrows(), strict=False):
        axes.plot(range(3), errors, color=colour, marker="o", markersize=4, label=_name(float(str(sparsity))))
    axes.legend(loc="upper right")
    axes.set_xticks(range(3), list(PERIODS.values()))
    axes.set_xlim(-0.2, 2.2)
    axes.set_ylabel("test error (%)")
    axes.set_xlabel("period of training")
    axes.set_title("Median error after each period")


def _seeds(axes: Axes, final: pd.DataFrame) -> None:
    wide = final.pivot(index="seed", columns="sparsity", values="test_error_pct")
    places = range(len(wide.columns))
    for _, errors in wide.iterrows():
        axes.plot(places, errors, color="#8C8C8C", linewidth=0.8, marker="o", markersize=2.5)
    axes.plot(
        places, wide.median(), color=style.INK, marker="_", markersize=22, linestyle="", markeredgewidth=2
    )
    axes.text(places[-1] + 0.16, wide.median().iloc[-1], "median", va="center", size=7.5)
    axes.set_xticks(list(places), [_name(float(sparsity)) for sparsity in wide.columns])
    axes.set_xlim(-0.3, places[-1] + 0.55)
    axes.set_ylabel("test error (%)")
    axes.set_xlabel("a line a seed")
    axes.set_title("Error at the end, seed by seed")
