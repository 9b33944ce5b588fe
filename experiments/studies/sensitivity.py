"""Sensitivity to pruning: the error of a network of which one layer alone was pruned.

Question. How far can each layer of the LeNets be pruned by magnitude before the error rises, if nothing
is trained again and all other layers stay whole (Han et al. 2015, figure 6)?

Look for. In `sensitivity`, the order in which the lines leave the floor: first layers and last layers
are small and leave it early, the large ones in the middle late. ``unharmed.csv`` holds the lowest density
of each layer that costs no more than half a point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from compress.methods.prune import sensitivity
from compress.nn.lenets import build
from compress.nn.train import evaluate
from compress.pipeline.recipe import TrainStep
from compress.pipeline.state import State
from experiments.figures import sensitivity as figures
from experiments.runs import labels
from experiments.runs.phrases import listed, number, percent, span
from experiments.studies.registry import MEASURED
from experiments.studies.training import follow, small_mnist

if TYPE_CHECKING:
    from compress.nn.datasets import Split
    from compress.nn.network import Network
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables

MINUTES = 4

EPOCHS = {"lenet300": 10, "lenet5": 4}
RATES = {"lenet300": 0.1, "lenet5": 0.02}
SEEDS = range(3)
DENSITIES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03, 0.02, 0.01)
IMAGES = 2000
"""Validation images on which errors are measured."""

TOLERANCE_PCT = 0.5
"""Points of error that a layer may cost to count as unharmed."""


def measure() -> pd.DataFrame:
    """One row a network, seed, layer and density, with the error on validation images in per cent."""
    dataset = small_mnist()
    tables = []
    for name, epochs in EPOCHS.items():
        step = TrainStep(kind="train", epochs=epochs, learning_rate=RATES[name])
        for seed in SEEDS:
            fresh = State(build(name, np.random.default_rng(seed)))
            network = follow(fresh, [step], dataset, seed)[0].network
            tables.append(scan(network, dataset.validation[:IMAGES]).assign(network=name, seed=seed))
    return pd.concat(tables)[["network", "seed", "layer", "density", "error_pct"]]


def scan(network: Network, split: Split) -> pd.DataFrame:
    """Layer, density, error_pct of a network pruned layer by layer, without retraining."""
    points = sensitivity(network, DENSITIES, lambda pruned: 100 * evaluate(pruned, split))
    return pd.DataFrame(points).rename(columns={"error": "error_pct"})


def conclude(run: Run) -> None:
    """Write the median over the seeds, how far each layer may be pruned."""
    measured = pd.read_csv(run.folder / MEASURED)
    medians = measured.groupby(["network", "layer", "density"])["error_pct"].median().reset_index()
    run.write_csv("sensitivity.csv", medians)
    run.write_csv("unharmed.csv", unharmed(medians))


def unharmed(medians: pd.DataFrame) -> pd.DataFrame:
    """Lowest density of each layer at which no more than `TOLERANCE_PCT` is lost, denser ones included."""
    rows = []
    for (network, layer), table in medians.groupby(["network", "layer"]):
        falling = table.sort_values("density", ascending=False)
        fine = falling["error_pct"] <= falling["error_pct"].iloc[0] + TOLERANCE_PCT
        rows.append((network, layer, falling["density"][fine.cummin()].min()))
    return pd.DataFrame(rows, columns=["network", "layer", "density"])


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"sensitivity": figures.draw(tables["sensitivity"])}


LOW_DENSITY = 0.05
"""A density at which layers differ clearly."""


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say how far each layer can be pruned without training, and which ones suffer first."""
    least = tables["unharmed"].set_index(["network", "layer"])["density"]
    told = [
        f"{labels.network(str(name))} {span(found, percent)}"
        for name, found in least.groupby(level="network", sort=False)
    ]
    table = tables["sensitivity"].set_index(["network", "layer", "density"])["error_pct"]
    low = table.xs(LOW_DENSITY, level="density")
    worst = {str(name): found.droplevel(0).idxmax() for name, found in low.groupby(level="network")}
    best = {str(name): found.droplevel(0).idxmin() for name, found in low.groupby(level="network")}
    first = [
        f"{layer} of {labels.network(name)} ({number(low[name, layer])}%)" for name, layer in worst.items()
    ]
    last = [
        f"{layer} of {labels.network(name)} ({number(low[name, layer])}%)" for name, layer in best.items()
    ]
    return (
        f"Without training again, each layer alone loses half a point of accuracy below these shares of its "
        f"weights: {listed(told)}.",
        f"Pruned to {percent(LOW_DENSITY)}, these layers have the highest error: {listed(first)}.",
        f"These have the lowest error at that density: {listed(last)}. Recipes that train again prune much "
        "further.",
    )
