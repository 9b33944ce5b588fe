"""The frontier: error against bytes of compressed LeNets, from the files themselves.

Question. How small can a LeNet be made, whole file counted, before its error on MNIST grows, and how
does that compare with what was published?

Look for. Every point of `frontier` is a file in this folder, ``RECIPE-SEED.dcz``, which the recipe and
the seed make again (`make frontier`, hours). `runs.csv` holds its bytes and its test error,
`recipes.csv` the medians over seeds, `bounds.csv` the smallest recipe within each error bound,
`marks.csv` which published results that dominates: no more bytes and no more error. Recipes with
and without augmentation stand apart.

Answer. Medians of three seeds. LeNet-300-100 fits into 7,143 bytes (149 times smaller) at 1.13%, which
dominates every published mark of it. LeNet-5 takes 6,631 bytes (260 times smaller) at 0.78% and 2,485 bytes
(694 times) at 0.92%, which dominate the marks of DNS, soft weight-sharing, coded Sparse VD, BC-GNJ,
Weightless and BC-GHS with fixed-point weights. Nothing of ours dominates Mayo (0.70%), Sparse VD (0.75%),
BC-GHS with codebook (2,236 bytes at 1.0%) and either mark of MIRACLE. Moving the images is half of it:
trained on images as they are, files of the same size err by 2.15% and 1.03%. The published densities and
bits give LeNet-300-100 40.2 times at 1.61%; and LeNet-5 45.1 times at 0.83%, above the 0.80% of the paper's
dense network, or 45.6 times at 0.65% with moved images, which dominates the paper's own mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress.io.files import write_bytes
from compress.nn.datasets import load_dataset
from experiments.figures import frontier as figures
from experiments.figures.style import save
from experiments.runs.record import REFERENCE, sha256
from experiments.studies import frontier

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from compress.nn.datasets import Dataset
    from experiments.runs.record import Run

BOUNDS_PCT = {"lenet300": (1.2, 1.64), "lenet5": (0.75, 0.8, 1.0)}
"""Error bounds by network: the dense networks of Deep Compression err by 1.64% and 0.80%."""

ARTIFACTS = REFERENCE / "compression"
"""Under the folder that holds ``results``."""


def produce(run: Run) -> None:
    """Evaluate the files of the reference, and write tables and figure beside copies of them."""
    paths = frontier.files_in([run.root / ARTIFACTS])
    write_tables(run, paths, load_dataset("mnist"))
    for path in paths:
        run.inputs[path.name] = sha256(path)
        write_bytes(run.folder / path.name, path.read_bytes())


def write_tables(run: Run, paths: Iterable[Path], dataset: Dataset) -> dict[str, pd.DataFrame]:
    """Write `runs.csv`, `recipes.csv`, `bounds.csv`, `marks.csv` and the figure; return the tables."""
    runs = frontier.runs(paths, dataset)
    medians = frontier.medians(runs)
    marks = frontier.published()
    marks = marks[marks["network"].isin(set(runs["network"]))]
    tables = {
        "runs": runs,
        "recipes": medians,
        "bounds": frontier.within(BOUNDS_PCT, medians, runs),
        "marks": frontier.verdicts(marks, medians),
    }
    for name, table in tables.items():
        run.write_csv(f"{name}.csv", table)
    save(figures.draw(runs, medians, marks), run.folder / "frontier")
    return tables
