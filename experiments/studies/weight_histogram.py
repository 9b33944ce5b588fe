"""Weights before and after: the histogram of a layer as it is pruned, retrained and shared.

Question. What do pruning, retraining and sharing do to the values of a layer?

Look for. In `weight_histogram`, the bell of the dense layer; the hole that pruning tears around zero and
the two humps which retraining makes of the rest, as in Deep Compression, figure 8; and the few lines
that are left of them after sharing. ``summary.csv`` counts zeros and filled bins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from compress.methods.prune import weights_of
from compress.nn.lenets import build
from compress.pipeline.recipe import PruneStep, ShareStep, TrainStep
from compress.pipeline.state import State
from experiments.figures import weight_histogram as figures
from experiments.runs.phrases import number, percent
from experiments.studies.registry import MEASURED
from experiments.studies.training import follow, small_mnist

if TYPE_CHECKING:
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables

MINUTES = 0.2

NETWORK, LAYERS = "lenet300", ("fc1", "fc2", "fc3")
DENSITY, SHARED_VALUES = 0.08, 15
STEPS = (
    TrainStep(kind="train", epochs=10),
    PruneStep(kind="prune", density=DENSITY, epochs=10),
    ShareStep(kind="share", values=dict.fromkeys(LAYERS, SHARED_VALUES), epochs=2, optimizer="adam",
              learning_rate=0.0003),
)  # fmt: skip
STAGES = ("dense", "pruned", "shared")
RANGE, BINS = 0.4, 161
"""Weights beyond the range count in the outermost bins; an odd number of bins has one around zero."""


def measure() -> pd.DataFrame:
    """One row a stage, layer and bin: low, high, weights and zeros (exact ones, in the middle bin)."""
    dataset, edges = small_mnist(), np.linspace(-RANGE, RANGE, BINS + 1)
    state, tables = State(build(NETWORK, np.random.default_rng(0))), []
    for stage, step in zip(STAGES, STEPS, strict=True):
        state, _ = follow(state, [step], dataset, STAGES.index(stage))
        for layer, name in weights_of(state.network).items():
            values = np.clip(state.network.params[name].ravel().astype(np.float64), -RANGE, RANGE)
            counts = np.histogram(values, edges)[0]
            zeros = np.histogram(values[values == 0], edges)[0]
            bins = {"low": edges[:-1], "high": edges[1:], "weights": counts, "zeros": zeros}
            tables.append(pd.DataFrame(bins).assign(stage=stage, layer=layer))
    return pd.concat(tables)[["stage", "layer", "low", "high", "weights", "zeros"]]


def conclude(run: Run) -> None:
    """Write a summary by stage and layer, and the figure of the largest layer."""
    measured = pd.read_csv(run.folder / MEASURED)
    run.write_csv("summary.csv", summary(measured))


def summary(measured: pd.DataFrame) -> pd.DataFrame:
    """Stage, layer, weights, zeros_pct and filled_bins: those with any weight that is not zero."""
    filled = measured["weights"] > measured["zeros"]
    grouped = measured.assign(filled_bins=filled).groupby(["stage", "layer"], sort=False)
    found = grouped[["weights", "zeros", "filled_bins"]].sum().reset_index()
    found["zeros_pct"] = 100 * found["zeros"] / found["weights"]
    return found[["stage", "layer", "weights", "zeros_pct", "filled_bins"]]


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    measured = tables["measured"]
    return {"weight_histogram": figures.draw(measured[measured["layer"] == LAYERS[0]])}


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say what is left of the layers, how far retraining moves weights, and what sharing leaves."""
    summary, bins = tables["summary"].set_index(["stage", "layer"]), tables["measured"]
    first, last = LAYERS[0], LAYERS[-1]
    kept = 1 - summary["zeros_pct"] / 100
    humps = bins[(bins["stage"] == "pruned") & (bins["layer"] == first)]
    left = humps[humps["weights"] > humps["zeros"]]
    gap = left[["low", "high"]].abs().min(axis=1).min()
    return (
        f"Pruning keeps {percent(kept['pruned', first])} of the largest layer and "
        f"{percent(kept['pruned', last])} of the last one: one threshold spares small layers with large "
        "weights.",
        f"After retraining no kept weight of the largest layer is nearer to zero than {number(gap)}: "
        "retraining does not fill the hole.",
        f"Sharing keeps the two humps in {summary.loc[('shared', first), 'filled_bins']} filled bins "
        f"instead of {summary.loc[('pruned', first), 'filled_bins']}.",
    )
