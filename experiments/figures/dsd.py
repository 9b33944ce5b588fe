"""Dense-sparse-dense against training of the same length: one line per seed, and the way there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.figures import style
from experiments.figures.canvas import canvas, legend
from experiments.runs.phrases import listed, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PERIODS = {"dense": "dense", "sparse": "sparse", "final": "dense again"}


def draw(measured: pd.DataFrame) -> Figure:
    """Draw `seed`, `sparsity`, `period`, `test_error_pct`."""
    final = measured[measured["period"] == "final"]
    medians = final.groupby("sparsity")["test_error_pct"].median()
    control, pruned = medians[0.0], medians[medians.index > 0]
    wins = bool((pruned < control).any())
    told = listed(f"{error:.2f}% after pruning {percent(float(str(s)))}" for s, error in pruned.items())
    title = (
        f"Dense-sparse-dense training {'beats' if wins else 'does not beat'} training as long on "
        f"LeNet-300-100: {control:.2f}% error, {told}"
    )
    with style.applied():
        figure, (way, seeds) = canvas(title, 2.7, ncols=2, sharey=True)
        _way(way, measured)
        _seeds(seeds, final)
        legend(figure, way.get_legend_handles_labels()[0], columns=3)
    return figure


def _name(sparsity: float) -> str:
    return f"{sparsity:.0%} pruned" if sparsity else "control"


def _way(axes: Axes, measured: pd.DataFrame) -> None:
    medians = measured.groupby(["sparsity", "period"])["test_error_pct"].median().unstack()[list(PERIODS)]
    for colour, (sparsity, errors) in zip(style.SERIES, medians.iterrows(), strict=False):
        axes.plot(range(3), errors, color=colour, marker="o", markersize=5, label=_name(float(str(sparsity))))
    axes.set_xticks(range(3), list(PERIODS.values()))
    axes.set_xlim(-0.2, 2.2)
    axes.set_ylabel("test error (%)")
    axes.set_xlabel("period of training")
    axes.set_title("median after each period")


def _seeds(axes: Axes, final: pd.DataFrame) -> None:
    wide = final.pivot(index="seed", columns="sparsity", values="test_error_pct")
    places = range(len(wide.columns))
    for _, errors in wide.iterrows():
        axes.plot(places, errors, color="#8C8C8C", linewidth=1.0, marker="o", markersize=3.5)
    axes.plot(
        places, wide.median(), color=style.INK, marker="_", markersize=26, linestyle="", markeredgewidth=2.5
    )
    axes.set_xticks(list(places), [_name(float(sparsity)).replace(" ", "\n") for sparsity in wide.columns])
    axes.set_xlim(-0.3, places[-1] + 0.3)
    axes.set_xlabel("one line per seed; bar: median")
    axes.set_title("at the end, seed by seed")
