"""The frontier: error against bytes of compressed LeNets, from the files themselves.

Question. How small can a LeNet be made, whole file counted, before its error on MNIST grows, and how
does that compare with what was published?

Look for. Every point of `frontier` is a file in this folder, ``RECIPE-SEED.dcz``, which the recipe and
the seed make again (`make frontier`, hours). `runs.csv` holds its bytes and its test error,
`recipes.csv` the medians over seeds, `bounds.csv` the smallest recipe within each error bound,
`marks.csv` which published results that dominates: no more bytes and no more error. Recipes with
and without augmentation stand apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress.io.files import write_bytes
from compress.nn.datasets import load_dataset
from experiments.figures import frontier as figures
from experiments.runs import labels
from experiments.runs.phrases import listed, times
from experiments.runs.record import REFERENCE, sha256
from experiments.studies import frontier

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from compress.nn.datasets import Dataset
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables

BOUNDS_PCT = {"lenet300": (1.2, 1.64), "lenet5": (0.75, 0.8, 1.0)}
"""Error bounds by network: the dense networks of Deep Compression err by 1.64% and 0.80%."""

READS = REFERENCE / "compression"
"""Files of the recipes, under the folder that holds ``results``."""


def produce(run: Run) -> None:
    """Evaluate the files of the reference, and write tables beside copies of them."""
    paths = frontier.files_in([run.root / READS])
    write_tables(run, paths, load_dataset("mnist"))
    for path in paths:
        run.inputs[path.name] = sha256(path)
        write_bytes(run.folder / path.name, path.read_bytes())


def write_tables(run: Run, paths: Iterable[Path], dataset: Dataset) -> dict[str, pd.DataFrame]:
    """Write `runs.csv`, `recipes.csv`, `bounds.csv` and `marks.csv`; return the tables.

    Bounds and published marks are of MNIST: on another data set there are none.
    """
    runs = frontier.runs(paths, dataset)
    medians = frontier.medians(runs)
    marks = frontier.published()
    compared = dataset.name == frontier.PUBLISHED_ON
    marks = marks[marks["network"].isin(set(runs["network"])) & compared]
    tables = {
        "runs": runs,
        "recipes": medians,
        "bounds": frontier.within(BOUNDS_PCT if compared else {}, medians, runs),
        "marks": frontier.verdicts(marks, medians),
    }
    for name, table in tables.items():
        run.write_csv(f"{name}.csv", table)
    return tables


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"frontier": figures.draw(tables["runs"], tables["recipes"], tables["marks"])}


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say how small the files are, which published marks they dominate, and what augmentation is worth."""
    recipes, marks = tables["recipes"], tables["marks"]
    best = [found.loc[found["bytes"].idxmin()] for _, found in recipes.groupby("network")]
    files = [
        f"{labels.network(row['network'])} fits into {row['bytes']:,.0f} bytes ({times(row['ratio'])} "
        f"smaller) with {row['test_error_pct']:.2f}% error"
        for row in best
    ]
    beaten = marks["dominated_by"].notna()
    kept = marks.loc[~beaten, ["network", "method"]]
    left = [f"{row.method} ({labels.network(row.network)})" for row in kept.itertuples()]
    plain, moved = (
        recipes[(recipes["network"] == "lenet300") & (recipes["augmented"] == way)]
        .nsmallest(1, "bytes")
        .iloc[0]
        for way in ("none", "moved")
    )
    return (
        f"In medians over seeds, {listed(files)}.",
        f"Our files dominate {beaten.sum()} of {len(marks)} published marks: no more bytes and no more "
        f"error. Not dominated: {listed(left)}.",
        f"Augmentation matters as much as coding: LeNet-300-100 files of {plain['bytes']:,.0f} bytes have "
        f"{plain['test_error_pct']:.2f}% error without it, and {moved['test_error_pct']:.2f}% with it at "
        f"{moved['bytes']:,.0f} bytes.",
    )
