"""Error against density: does pruning regularise?

Question. A pruned network has fewer parameters to fit noise with. Does the test error first fall as
LeNet-300-100 is pruned, before it rises, when it is trained on few images and over-fits?

Look for. Test error below the grey line of the dense network that was trained as long; and where the
training error leaves zero, for there the network is no longer larger than its task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from compress.nn.lenets import build
from compress.nn.train import evaluate
from compress.pipeline.recipe import PruneStep, TrainStep
from compress.pipeline.state import State
from experiments.figures import density as figures
from experiments.runs.phrases import listed, percent, points
from experiments.studies.registry import MEASURED
from experiments.studies.training import follow, small_mnist

if TYPE_CHECKING:
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables

MINUTES = 6

NETWORK = "lenet300"
SEEDS = range(5)
DENSITIES = (1.0, 0.5, 0.3, 0.2, 0.12, 0.08, 0.05, 0.03, 0.02, 0.012)
"""1 is the control: the dense network, trained as long."""

EPOCHS = 10


def measure() -> pd.DataFrame:
    """Errors of every network, a row each: seed, density, train_error_pct, test_error_pct."""
    dataset = small_mnist()
    rows = []
    for seed in SEEDS:
        fresh = State(build(NETWORK, np.random.default_rng(seed)))
        dense, _ = follow(fresh, [TrainStep(kind="train", epochs=EPOCHS)], dataset, seed)
        for density in DENSITIES:
            step = PruneStep(kind="prune", density=density, epochs=EPOCHS)
            network = follow(dense, [step], dataset, seed)[0].network
            errors = (100 * evaluate(network, split) for split in (dataset.train, dataset.test))
            rows.append((seed, density, *errors))
    return pd.DataFrame(rows, columns=["seed", "density", "train_error_pct", "test_error_pct"])


def conclude(run: Run) -> None:
    """Write how each density compares with the dense network, seed by seed."""
    measured = pd.read_csv(run.folder / MEASURED)
    run.write_csv("density.csv", compared(measured))


def compared(measured: pd.DataFrame) -> pd.DataFrame:
    """One row a density, errors in per cent, differences from the dense network of the same seed.

    Columns: density, train_median_pct, test_median_pct, difference_mean, difference_standard_error,
    better (seeds), seeds.
    """
    test = measured.pivot(index="seed", columns="density", values="test_error_pct")
    train = measured.pivot(index="seed", columns="density", values="train_error_pct")
    difference = test.sub(test[1.0], axis=0)
    return pd.DataFrame(
        {
            "density": test.columns,
            "train_median_pct": train.median().to_numpy(),
            "test_median_pct": test.median().to_numpy(),
            "difference_mean": difference.mean().to_numpy(),
            "difference_standard_error": difference.sem().to_numpy(),
            "better": (difference < 0).sum().to_numpy(),
            "seeds": len(test),
        }
    )


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"density": figures.draw(tables["measured"])}


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say whether pruning lowers the test error, where it begins to cost, and where fitting suffers."""
    table = tables["density"].sort_values("density", ascending=False)
    pruned = table[table["density"] < 1]
    better = pruned[pruned["difference_mean"] < -2 * pruned["difference_standard_error"]]
    clear = pruned[pruned["difference_mean"] > 2 * pruned["difference_standard_error"]]
    found = "No" if better.empty else f"Yes, at {listed(percent(value) for value in better['density'])}"
    fitted = table[table["train_median_pct"] == 0]
    least = table.iloc[-1]
    return (
        f"Does pruning lower the test error? {found}. At {percent(pruned['density'].iloc[0])} of the weights "
        f"{pruned['better'].iloc[0]} of {pruned['seeds'].iloc[0]} seeds gain.",
        f"The error is clearly higher from {percent(clear['density'].iloc[0])} of the weights on: by "
        f"{points(clear['difference_mean'].iloc[0])} there, and by {points(least['difference_mean'])} at "
        f"{percent(least['density'])}.",
        f"The training error stays at zero down to {percent(fitted['density'].iloc[-1])} of the weights, so "
        f"pruning that far takes nothing that fitting needs.",
    )
