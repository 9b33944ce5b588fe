"""Weights before and after: the histogram of a layer as it is pruned, retrained and shared.

Question. What do pruning, retraining and sharing do to the values of a layer?

Look for. In `weight_histogram`, the bell of the dense layer; the hole that pruning tears around zero and
the two humps which retraining makes of the rest, as in Deep Compression, figure 8; and the few lines
that are left of them after sharing. ``summary.csv`` counts zeros and filled bins.

Answer. The dense layer is a bell: most weights are close to zero, and the network does not need them. Of
the 5.6% of the largest layer that stay, none is nearer to zero than 0.1: retraining does not fill the
hole, it moves the rest outwards. Sharing leaves the two humps their outline in 15 values. The last layer
keeps 66% of its weights, as one threshold for all layers spares the small ones whose weights are large.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from compress.methods.prune import weights_of
from compress.nn.lenets import build
from compress.pipeline.recipe import PruneStep, ShareStep, TrainStep
from compress.pipeline.state import State
from experiments.figures import style
from experiments.figures import weight_histogram as figures
from experiments.studies.registry import MEASURED
from experiments.studies.training import follow, small_mnist

if TYPE_CHECKING:
    from experiments.runs.record import Run

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
    style.save(figures.draw(measured[measured["layer"] == LAYERS[0]]), run.folder / "weight_histogram")


def summary(measured: pd.DataFrame) -> pd.DataFrame:
    """Stage, layer, weights, zeros_pct and filled_bins: those with any weight that is not zero."""
    filled = measured["weights"] > measured["zeros"]
    grouped = measured.assign(filled_bins=filled).groupby(["stage", "layer"], sort=False)
    found = grouped[["weights", "zeros", "filled_bins"]].sum().reset_index()
    found["zeros_pct"] = 100 * found["zeros"] / found["weights"]
    return found[["stage", "layer", "weights", "zeros_pct", "filled_bins"]]
