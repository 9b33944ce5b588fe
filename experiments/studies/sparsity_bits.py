"""Sparsity times bits: which mix of pruning and weight sharing costs the least error for the joules.

Question. LeNet-300-100 is pruned to a density and its weights are shared to a width, in all
combinations. Which of them have the least error for the joules of an inference, on an edge chip with 32
KiB?

Look for. The Pareto front (judged on validation images; the figure shows the test error). It has two
parts with a gap between them: what fits on chip, where energy hardly differs, and the dense network in 4
or 6 bits, which is fetched from DRAM. On the right, where each line leaves its level: so many bits a
weight needs.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from compress.format.container import parse
from compress.nn.datasets import load_dataset
from compress.nn.statistics import input_densities
from compress.nn.train import evaluate
from compress.pipeline.recipe import EncodeStep, PruneStep, Recipe, ShareStep, TrainStep
from compress.pipeline.run import compress
from experiments.figures import sparsity_bits as figure
from experiments.runs.parallel import in_order
from experiments.runs.pareto import front
from experiments.runs.phrases import changed, joules, percent, points, span
from experiments.studies.registry import MEASURED
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.layer import StoredWeights, Workload
from hwsim.workload.networks import load_network
from hwsim.workload.storage import evenly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compress.format.container import Artifact
    from compress.nn.datasets import Dataset
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables

MINUTES = 10

NETWORK, LAYERS = "lenet300", ("fc1", "fc2", "fc3")
DENSITIES = (1.0, 0.12, 0.06, 0.03, 0.015)
FLOAT_BITS = 32
BITS = (FLOAT_BITS, 2, 3, 4, 6)
SEEDS = (0, 1, 2)
VALIDATION = 5000
"""Training images on which points are compared; the test images are for the figure alone."""

EPOCHS = {"train": 12, "prune": 12, "share": 2}
DENSITY_IMAGES = 1000

CHIP = "edge"
CHANGES = {"sram.capacity_B": 32 << 10, "array.gate_zeros": True}
"""A memory that some points fit, and an array in which a zero saves the energy of its product."""

POINT = ["density", "value_bits", "stage"]


def conclude(run: Run) -> None:
    """Simulate what was trained: points, those that no other beats."""
    points = points_of(pd.read_csv(run.folder / MEASURED))
    best = front(points, ["energy_J", "validation_error_pct"], [])
    run.write_csv("points.csv", points)
    run.write_csv("front.csv", best)


def measure() -> pd.DataFrame:
    """One row a layer of every network that was trained, by seed, density, width and stage."""
    parts = in_order(_of_seed, [(seed,) for seed in SEEDS])
    return pd.DataFrame([row for part in parts for row in part])


def _of_seed(seed: int) -> list[dict[str, Any]]:
    dataset = load_dataset("mnist", validation=VALIDATION)
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for density in DENSITIES:
            for bits in BITS:
                key = {"seed": seed, "density": density, "value_bits": bits}
                for artifact in _artifacts(recipe(density, bits), dataset, seed, Path(work)):
                    rows += [key | row for row in rows_of(artifact, dataset)]
    return rows


def recipe(density: float, bits: int) -> Recipe:
    """Train, prune unless all weights stay, and share unless values stay fp32."""
    steps: list[Any] = [TrainStep(kind="train", epochs=EPOCHS["train"])]
    if density < 1:
        steps.append(PruneStep(kind="prune", density=density, epochs=EPOCHS["prune"]))
    if bits < FLOAT_BITS:
        share = ShareStep(
            kind="share",
            values=dict.fromkeys(LAYERS, 2**bits - 1),
            epochs=EPOCHS["share"],
            optimizer="adam",
            learning_rate=0.0003,
        )
        steps += [share, EncodeStep(kind="encode", coding="huffman")]
    name = f"sparsity-bits-{density:g}-{bits}"
    return Recipe(name=name, description="", network=NETWORK, validation=VALIDATION, step=tuple(steps))


def _artifacts(made: Recipe, dataset: Dataset, seed: int, work: Path) -> list[Artifact]:
    """What a recipe ends in: the last stage, and the one before it was coded."""
    artifacts = list(compress(made, dataset, seed=seed, work=work))
    return artifacts[-2:] if made.steps[-1].kind == "encode" else artifacts[-1:]


def rows_of(artifact: Artifact, dataset: Dataset) -> Iterator[dict[str, Any]]:
    """What is stored of each layer, and the error of the whole, from the decoded file."""
    stored, layout = parse(artifact.to_bytes())
    network = stored.to_network()
    tensors = {tensor.name: tensor for tensor in layout.tensors}
    densities = input_densities(network, dataset.train.x[:DENSITY_IMAGES])
    errors = {
        "validation_error_pct": 100 * evaluate(network, dataset.validation),
        "test_error_pct": 100 * evaluate(network, dataset.test),
    }
    for node in network.nodes:
        if node.name not in LAYERS:
            continue
        weights, *others = (tensors[name] for name in node.params)
        yield {
            "stage": artifact.stage,
            "layer": node.name,
            "nonzeros": weights.nonzeros,
            "entries": weights.entries,
            "segments": len(weights.segment_bits),
            "payload_bits": int(weights.segment_bits.sum()),
            "symbols": int(weights.segment_symbols.sum()),
            "side_bits": weights.side_bits + sum(other.payload_bits + other.side_bits for other in others),
            "input_density": densities[node.name],
            "file_bytes": layout.file_bits // 8,
            **errors,
        }


def points_of(measured: pd.DataFrame) -> pd.DataFrame:
    """One row a point: errors, bytes and joules, the median over the seeds, and the range of errors."""
    chip = load_chip(CHIP).replace(**CHANGES)
    rows = []
    for key, of_seed in measured.groupby([*POINT, "seed"], sort=False):
        report = simulate(chip, workload(of_seed, str(key[2])))
        figures = of_seed.iloc[0][["file_bytes", "validation_error_pct", "test_error_pct"]].to_dict()
        fits = report.weights_home == "on chip"
        joules = {"energy_J": report.energy_per_inference_J, "on_chip": fits}
        rows.append(dict(zip([*POINT, "seed"], key, strict=True)) | figures | joules)
    by_point = pd.DataFrame(rows).groupby(POINT, sort=False)
    middle = by_point[["file_bytes", "energy_J", "validation_error_pct", "test_error_pct"]].median()
    error = by_point["test_error_pct"]
    points = middle.assign(
        test_error_least_pct=error.min(),
        test_error_most_pct=error.max(),
        seeds=by_point.size(),
        on_chip=by_point["on_chip"].all(),
    )
    return points.reset_index()


def workload(rows: pd.DataFrame, stage: str) -> Workload:
    """Network of the shapes that ship, with the stored bits of `rows`, a row a layer."""
    shapes = load_network(NETWORK)
    stored = {row["layer"]: row for row in rows.to_dict("records")}
    layers = []
    for layer in shapes.layers:
        row = stored.get(layer.name)
        if row:
            weights = StoredWeights(
                stage,
                row["nonzeros"],
                row["entries"],
                evenly(row["payload_bits"], row["segments"]),
                evenly(row["symbols"], row["segments"]),
                row["side_bits"],
            )
            density = row["nonzeros"] / layer.weight_count
            layer = replace(
                layer, weights=weights, weight_density=density, input_density=row["input_density"]
            )
        layers.append(layer)
    return replace(shapes, stage=stage, layers=tuple(layers), provenance="trained, a table of stored bits")


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"sparsity_bits": figure.draw(tables["points"], tables["front"])}


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say which mix is best on chip, what the dense network gains, and what Huffman coding does."""
    points_, best = tables["points"], tables["front"]
    dense = points_[points_["stage"] == "dense"].iloc[0]
    here, away = (best[best["on_chip"] == on] for on in (True, False))
    mix = here.nsmallest(1, "test_error_pct").iloc[0]
    file = points_.pivot_table("file_bytes", ["density", "value_bits"], "stage")
    smaller = (1 - file["huffman"] / file["shared"]).dropna()
    coded = (best["stage"] == "huffman").sum()
    whole = away.nsmallest(1, "test_error_pct")
    told = [
        f"From DRAM, {percent(row.density)} of the weights in {row.value_bits} bits have an error of "
        f"{row.test_error_pct:.2f}% and take {changed(dense['energy_J'] / row.energy_J, 'energy')} than "
        "dense fp32."
        for row in whole.itertuples()
    ]
    return (
        f"On chip the best mix keeps {percent(mix['density'])} of the weights in {mix['value_bits']} bits: "
        f"{joules(mix['energy_J'])} at {mix['test_error_pct']:.2f}% error, "
        f"{changed(dense['energy_J'] / mix['energy_J'], 'energy')} than dense fp32 for "
        f"{points(mix['test_error_pct'] - dense['test_error_pct'])} of error.",
        told[0] if told else "All points of the Pareto front are on chip.",
        f"Huffman coding makes files {span(smaller, percent)} smaller. It is "
        f"{f'{coded} times' if coded else 'nowhere'} on the Pareto front, because arrays wait for the "
        "decoders.",
    )
