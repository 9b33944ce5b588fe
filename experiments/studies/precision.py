"""Numeric precision, from 64 bits to 2: error, file and joules of the same network.

Question. LeNet-300-100 with its weights, and what its layers read, in fewer and fewer bits: when does
the error grow, and what do the joules of an inference on a small chip do meanwhile?

Look for. In `precision`, error stays where it is from 64 bits down to 5, while the file and the joules
shrink with every bit. Rounding alone fails at 2 bits; training with the rounding in place mends most of
it. Energy falls faster than the bits as a larger share of the network fits on chip; it stops falling at
3 bits, where all of it does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from compress.format.container import Artifact
from compress.format.execution import executable
from compress.format.tensors import DenseTensor
from compress.lowering import integer_arithmetic, workload_of
from compress.methods.prune import weights_of
from compress.methods.quantize import quantize_network
from compress.nn.lenets import build
from compress.nn.network import Node
from compress.nn.ops.rounding import FORMATS, rounded_float
from compress.nn.train import evaluate
from compress.pipeline.recipe import QuantizeStep, TrainStep
from compress.pipeline.state import State
from experiments.figures import precision as figures
from experiments.runs.phrases import changed, points
from experiments.studies.registry import MEASURED
from experiments.studies.training import follow, small_mnist
from hwsim.machine.chip import load_chip
from hwsim.run import simulate

if TYPE_CHECKING:
    from compress.nn.datasets import Dataset, Split
    from compress.nn.network import Network
    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.workload.layer import Arithmetic

MINUTES = 2

NETWORK, CHIP = "lenet300", "edge"
SEEDS = range(3)
BITS = (8, 7, 6, 5, 4, 3, 2)
CALIBRATION_IMAGES = 1000
TRAIN = TrainStep(kind="train", epochs=10)
AWARE = QuantizeStep(kind="quantize", calibration="mse", epochs=4, learning_rate=0.01)


def measure() -> pd.DataFrame:
    """One row a seed, way and width: seed, way, format, bits, file_bytes, test_error_pct."""
    dataset = small_mnist()
    rows = []
    for seed in SEEDS:
        state, _ = follow(State(build(NETWORK, np.random.default_rng(seed))), [TRAIN], dataset, seed)
        for name, bits, size, network in floating(state.network):
            rows.append((seed, "float", name, bits, size, error_pct(network, dataset.test)))
        for way, name, bits, artifact in integers(state, dataset, seed):
            error = error_pct(executable(artifact), dataset.test)
            rows.append((seed, way, name, bits, len(artifact.to_bytes()), error))
    return pd.DataFrame(rows, columns=["seed", "way", "format", "bits", "file_bytes", "test_error_pct"])


def error_pct(network: Network, split: Split) -> float:
    """Test error; images become fp64 if the parameters are."""
    double = any(value.dtype == np.float64 for value in network.params.values())
    return 100 * evaluate(network, replace(split, x=split.x.astype(np.float64)) if double else split)


def floating(network: Network) -> list[tuple[str, int, int, Network]]:
    """Format, bits, bytes of the file and network of each floating-point format.

    In 16 bits, weights and what layers read are rounded; sums are fp32, as hardware has them.
    """
    double = network.with_params({name: value.astype(np.float64) for name, value in network.params.items()})
    single = len(Artifact.of(network, "dense").to_bytes())
    return [
        ("fp64", 64, single + 4 * network.parameter_count, double),
        ("fp32", 32, single, network),
        *(
            (name, 16, len(stored_in_16_bits(network, name).to_bytes()), in_16_bits(network, name))
            for name in FORMATS
        ),
    ]


def stored_in_16_bits(network: Network, name: str) -> Artifact:
    """Return a file of 16 bits a parameter, for its size: the container stores no bf16 of its own."""
    halved = {key: DenseTensor(value.astype(np.float16)) for key, value in network.params.items()}
    return Artifact.of(network, name, halved)


def in_16_bits(network: Network, name: str) -> Network:
    """Put rounding before every layer, and round its weights."""
    layers, nodes = weights_of(network), []
    for node in network.nodes:
        if node.name in layers:
            rounding = Node(f"{node.name}.round", "round_float", node.inputs[:1], {"format": name})
            nodes += [rounding, replace(node, inputs=(rounding.name, *node.inputs[1:]))]
        else:
            nodes.append(node)
    weights = {key: rounded_float(network.params[key], name) for key in layers.values()}
    return replace(network, nodes=tuple(nodes)).with_params(weights)


def integers(state: State, dataset: Dataset, seed: int) -> list[tuple[str, str, int, Artifact]]:
    """Way, format, bits and file of each integer width, with and without training for it."""
    images = dataset.train.x[:CALIBRATION_IMAGES]
    found = []
    for bits in BITS:
        after = quantize_network(state.network, images, bits, calibration="mse")
        found.append(("after", f"int{bits}", bits, after))
        step = AWARE.model_copy(update={"bits": bits})
        found.append(("aware", f"int{bits}", bits, follow(state, [step], dataset, seed)[1]))
    return found


def conclude(run: Run) -> None:
    """Write medians over the seeds and the energy of each width."""
    measured = pd.read_csv(run.folder / MEASURED)
    keys = ["way", "format", "bits"]
    medians = measured.groupby(keys, sort=False)[["file_bytes", "test_error_pct"]].median().reset_index()
    table = medians.merge(energies(), how="left", on="format")
    run.write_csv("precision.csv", table)


def energies() -> pd.DataFrame:
    """Energy of an inference by format; empty where no array of ours multiplies so: fp64.

    Columns: format, arithmetic (of the multipliers: the narrowest that holds the bits), energy_J,
    dram_J. Energy does not depend on the values, so weights are untrained.
    """
    network = build(NETWORK, np.random.default_rng(0))
    images = np.ones((1, *network.input_shape), np.float32)
    rows = []
    for name, arithmetic in ARITHMETIC.items():
        if name.startswith("int"):
            artifact = quantize_network(network, images, int(name.removeprefix("int")))
        elif name == "fp32":
            artifact = Artifact.of(network, "dense")
        else:
            artifact = stored_in_16_bits(network, name)
        workload = workload_of(artifact, arithmetic=arithmetic)
        report = simulate(load_chip(CHIP), workload)
        components = report.energy_by("component")
        rows.append((name, arithmetic, float(components.sum()), float(components.get("dram", 0.0))))
    return pd.DataFrame(rows, columns=["format", "arithmetic", "energy_J", "dram_J"])


FLOATS: dict[str, Arithmetic] = {"fp32": "fp32", "fp16": "fp16", "bf16": "bf16"}
ARITHMETIC = FLOATS | {f"int{bits}": integer_arithmetic(bits) for bits in BITS}
"""What multiplies numbers of each format: the narrowest arithmetic that holds them."""


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"precision": figures.draw(tables["measured"], tables["precision"])}


HARMLESS_PCT = 0.25
"""Points of error that count as none."""


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say how far bits can fall, what few bits save, and what training with rounding is worth."""
    table = tables["precision"].set_index(["way", "bits"])
    full = tables["precision"].query("format == 'fp32'").iloc[0]
    energy = tables["precision"].groupby("format")["energy_J"].first()
    aware, after = (table.loc[way]["test_error_pct"] for way in ("aware", "after"))
    harmless = [bits for bits in aware.index if aware[bits] <= full["test_error_pct"] + HARMLESS_PCT]
    least = min(harmless, default=aware.index.max())
    fewest = aware.index.min()
    names = table.loc["aware"]["format"]
    return (
        f"With quantization-aware training the error stays within {points(HARMLESS_PCT)} of fp32 down to "
        f"{least} bits.",
        f"INT8 takes {changed(energy['fp32'] / energy['int8'], 'energy')} than fp32, and {least} bits "
        f"{changed(energy['fp32'] / energy[names[least]], 'energy')}, because more of the network stays on "
        f"chip.",
        f"At {fewest} bits the error rises by {points(aware[fewest] - full['test_error_pct'])} with "
        f"quantization-aware training and by {points(after[fewest] - full['test_error_pct'])} with "
        "post-training quantization.",
    )
