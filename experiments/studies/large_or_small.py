"""Train large, then compress, or train small: equal bytes, equal error.

Question. If a small file is wanted, why not train a small network in the first place? Both get the same
images and epochs; the small ones are also stored as well as we can, with shared values and the same
codec.

Look for. In `large_or_small`, how far the curve of the compressed large network lies to the left of (at
equal error) and below (at equal bytes) those of small ones. `contest.csv` has both distances.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from compress.nn.lenets import lenet_300_100
from compress.nn.train import evaluate
from compress.pipeline.recipe import EncodeStep, PruneStep, ShareStep, TrainStep
from compress.pipeline.state import State
from experiments.figures import large_or_small as figures
from experiments.runs.phrases import listed, number, span, times
from experiments.studies.registry import MEASURED
from experiments.studies.training import follow, small_mnist

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compress.format.container import Artifact
    from compress.pipeline.recipe import Step
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables

MINUTES = 6

SEEDS = range(4)
LAYERS = ("fc1", "fc2", "fc3")
LARGE = (300, 100)
SMALL = ((4, 4), (6, 5), (9, 6), (14, 8), (22, 12), (36, 18), (64, 24), (120, 40))
"""Hidden units of the networks that are trained small."""

DENSITIES = (0.003, 0.005, 0.008, 0.014, 0.025, 0.045, 0.08)
"""Of the large network's weights that stay."""

EPOCHS, SHARING_EPOCHS = 10, 2
SHARED_VALUES = 15


class Point(NamedTuple):
    """A network: how it was made, of which size, and what came of it."""

    seed: int
    method: str
    size: str
    parameters: int
    nonzeros: int
    bytes: int
    test_error_pct: float


def measure() -> pd.DataFrame:
    """Size of the file and test error of every network, a row each: the fields of `Point`."""
    dataset = small_mnist()
    train = TrainStep(kind="train", epochs=EPOCHS)

    def points() -> Iterator[Point]:
        for seed in SEEDS:
            dense, artifact = follow(_fresh(LARGE, seed), [train], dataset, seed)
            yield point(seed, "large, dense", LARGE, artifact)
            for density in DENSITIES:
                prune = PruneStep(kind="prune", density=density, epochs=EPOCHS)
                artifact = follow(dense, [prune, *_coding()], dataset, seed)[1]
                yield point(seed, "large, compressed", LARGE, artifact)
            for hidden in SMALL:
                # as many epochs as training and pruning the large one
                longer = TrainStep(kind="train", epochs=2 * EPOCHS)
                state, artifact = follow(_fresh(hidden, seed), [longer], dataset, seed)
                yield point(seed, "small, fp32", hidden, artifact)
                artifact = follow(state, _coding(), dataset, seed)[1]
                yield point(seed, "small, shared and coded", hidden, artifact)

    def point(seed: int, method: str, hidden: tuple[int, int], artifact: Artifact) -> Point:
        error_pct = 100 * evaluate(artifact.to_network(), dataset.test)
        tensors = artifact.tensors.values()
        size = "784-{}-{}-10".format(*hidden)
        count = sum(tensor.to_array().size for tensor in tensors)
        nonzeros = sum(tensor.nonzeros for tensor in tensors)
        return Point(seed, method, size, count, nonzeros, len(artifact.to_bytes()), error_pct)

    return pd.DataFrame(points())


def _fresh(hidden: tuple[int, int], seed: int) -> State:
    return State(lenet_300_100(np.random.default_rng(seed), hidden))


def _coding() -> list[Step]:
    share = ShareStep(
        kind="share",
        values=dict.fromkeys(LAYERS, SHARED_VALUES),
        bias_values=SHARED_VALUES,
        codebook="fp16",
        epochs=SHARING_EPOCHS,
        optimizer="adam",
        learning_rate=0.0003,
    )
    return [share, EncodeStep(kind="encode", coding="smallest")]


def conclude(run: Run) -> None:
    """Write medians over the seeds, the contest at equal bytes and at equal error."""
    measured = pd.read_csv(run.folder / MEASURED)
    points = medians(measured)
    run.write_csv("points.csv", points)
    run.write_csv("contest.csv", contest(points))


def medians(measured: pd.DataFrame) -> pd.DataFrame:
    """One row a network: method, rank (of its size within the method), and medians over the seeds."""
    ranked = measured.assign(rank=measured.groupby(["seed", "method"]).cumcount())
    columns = ["parameters", "nonzeros", "bytes", "test_error_pct"]
    return ranked.groupby(["method", "rank"])[columns].median().reset_index()


def contest(points: pd.DataFrame) -> pd.DataFrame:
    """Each compressed large network against small ones, between whose points is interpolated.

    Columns: method (of the small one), bytes and large_error_pct (of the large one), small_error_pct
    (at as many bytes), small_bytes (at the same error), bytes_ratio (small over large); empty where
    no small network is as large, or as good.
    """
    rows = []
    large = points[points["method"] == "large, compressed"]
    for method, unsorted in points[points["method"].str.startswith("small")].groupby("method"):
        small = unsorted.sort_values("bytes")
        size, error = np.log(small["bytes"]), small["test_error_pct"]
        best = np.minimum.accumulate(error)
        for file_bytes, error_pct in large[["bytes", "test_error_pct"]].to_numpy(float):
            at_size = np.interp(np.log(file_bytes), size, error, np.nan, np.nan)
            at_error = np.exp(np.interp(-error_pct, -best, size, np.nan, np.nan))
            rows.append((method, file_bytes, error_pct, at_size, at_error, at_error / file_bytes))
    columns = ["bytes", "large_error_pct", "small_error_pct", "small_bytes", "bytes_ratio"]
    return pd.DataFrame(rows, columns=["method", *columns])


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"large_or_small": figures.draw(tables["measured"], tables["points"])}


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say which network is smaller at equal error, which is better at equal bytes, and why."""
    contest = tables["contest"]
    ratio = contest.dropna(subset="bytes_ratio").groupby("method")["bytes_ratio"]
    plain, coded = (ratio.get_group(method) for method in ("small, fp32", "small, shared and coded"))
    same = contest[contest["method"] == "small, shared and coded"].dropna(subset="small_error_pct")
    fair = same.iloc[[0, -1]]
    told = [
        f"{number(row.large_error_pct)}% instead of {number(row.small_error_pct)}% at {row.bytes:,.0f} bytes"
        for row in fair.itertuples()
    ]
    wins = (contest["bytes_ratio"].dropna() > 1).all()
    return (
        f"Training large {'wins everywhere' if wins else 'does not always win'}. At equal error a small "
        f"fp32 network takes {span(plain, times)} the bytes, and one that is shared and coded "
        f"{span(coded, times)}.",
        f"At equal bytes the compressed large network has an error of {listed(told)}.",
        "Most of the usual ratio comes from coding, which a small network can have too. What pruning adds "
        f"is {span(coded, times)}.",
    )
