"""Dense-sparse-dense: does a network that was pruned and grown back beat one that trained as long?

Question. Training densely, then without the smallest weights, then densely again is published to lower
the error of large networks on ImageNet by one to four points. Does it here, against ordinary training
through the same three periods, seed by seed?

Look for. The lines of single seeds, which leave out what differs between seeds: do they fall from the
control to the right? The control gets the same restarts of the learning rate, which is where most of
the gain comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from compress.methods.dsd import Schedule, dense_sparse_dense
from compress.nn.config import TrainConfig
from compress.nn.lenets import build
from compress.nn.train import evaluate
from experiments.figures import dsd as figures
from experiments.runs.phrases import listed, number, percent, points
from experiments.studies.registry import MEASURED
from experiments.studies.training import small_mnist

if TYPE_CHECKING:
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables

MINUTES = 2

NETWORK = "lenet300"
SEEDS = range(8)
SPARSITIES = (0.0, 0.3, 0.6)
"""0 is the control: ordinary training through the same three periods."""

CONFIG = TrainConfig(epochs=8, learning_rate=0.1)


def measure() -> pd.DataFrame:
    """Test error at the end of each period, a row each: seed, sparsity, period, test_error_pct."""
    dataset = small_mnist()
    rows = []
    for seed in SEEDS:
        network = build(NETWORK, np.random.default_rng(seed))
        for sparsity in SPARSITIES:
            schedule = Schedule.published(CONFIG, sparsity)
            periods = dense_sparse_dense(network, dataset, schedule, rng=np.random.default_rng([seed, 1]))
            for period, trained in periods._asdict().items():
                error_pct = 100 * evaluate(trained, dataset.test)
                rows.append((seed, sparsity, period, error_pct))
    return pd.DataFrame(rows, columns=["seed", "sparsity", "period", "test_error_pct"])


def conclude(run: Run) -> None:
    """Write how each sparsity compares with the control, seed by seed."""
    measured = pd.read_csv(run.folder / MEASURED)
    run.write_csv("dsd.csv", compared(measured))


def compared(measured: pd.DataFrame) -> pd.DataFrame:
    """One row a sparsity and period, errors in per cent, differences from the control of the same seed.

    Columns: sparsity, period, median_pct, difference_mean, difference_standard_error, better, seeds,
    sign_test_p (two-sided, equal ones left out).
    """
    from scipy.stats import binomtest  # takes longer to import than all that lists the studies

    wide = measured.pivot(index="seed", columns=["sparsity", "period"], values="test_error_pct")
    rows = []
    keys = measured[["sparsity", "period"]].drop_duplicates().itertuples(index=False, name=None)
    for sparsity, period in keys:
        difference = wide[sparsity, period] - wide[0.0, period]
        better, worse = int((difference < 0).sum()), int((difference > 0).sum())
        rows.append(
            {
                "sparsity": sparsity,
                "period": period,
                "median_pct": wide[sparsity, period].median(),
                "difference_mean": difference.mean(),
                "difference_standard_error": difference.sem(),
                "better": better,
                "seeds": len(wide),
                "sign_test_p": binomtest(better, better + worse).pvalue if better + worse else 1.0,
            }
        )
    return pd.DataFrame(rows)


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"dsd": figures.draw(tables["measured"])}


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say whether networks that were pruned and grown back beat those that trained as long."""
    table = tables["dsd"]
    final = table[(table["period"] == "final") & (table["sparsity"] > 0)]
    control = table[table["sparsity"] == 0].set_index("period")["median_pct"]
    wins = final["difference_mean"] < -2 * final["difference_standard_error"]
    ends = [
        f"{points(abs(row.difference_mean))} {'above' if row.difference_mean > 0 else 'below'} the control "
        f"after pruning {percent(row.sparsity)} (standard error {number(row.difference_standard_error, 1)})"
        for row in final.itertuples()
    ]
    return (
        f"Does dense-sparse-dense training beat ordinary training of the same length here? "
        f"{'Yes' if wins.any() else 'No'}. Its final error is {listed(ends)}.",
        f"Two more periods of ordinary training change the median error from {control['dense']:.2f}% to "
        f"{control['final']:.2f}%: most of the gain comes from training longer.",
        f"At most {final['better'].max()} of {final['seeds'].iloc[0]} seeds gain from pruning in between. "
        "This is one small network that fits all of its images anyway.",
    )
