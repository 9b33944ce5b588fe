"""The waterfall of Deep Compression: bytes, joules and error after each of its steps.

Question. Deep Compression prunes a network, shares the weights that are left and codes them. What does
each step take off the bytes and off the joules of an inference, and what does it do to the error?

Look for. Bytes fall at every step. Joules fall with them only until the weights live on chip; from there
on, arithmetic is what is left to pay. The error does not move: the papers print it for pruning and for
the whole, and Huffman coding loses nothing.

Answer. Bytes fall 32 to 49 times. Energy falls 27 times for LeNet-300-100, 14 for LeNet-5, 8.2 for AlexNet
and 2.0 for VGG-16, whose convolutions are arithmetic. Pruning takes the most: of the 43 mJ that AlexNet
saves, 39 go with the first step and 5 with sharing. Huffman coding takes another fifth off AlexNet's bytes
and 2% off its energy. On the edge chip the shared weights are on chip already, and the arrays wait for the
decoder. There Huffman coding costs LeNet-300-100 10% and LeNet-5 4%. Sizes are within 10% of the printed
ones except for LeNet-5, 18% above: entry points, code tables and biases are counted here.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.figures import style
from experiments.figures import waterfall as figure
from hwsim.csvfile import read_rows
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.runs.record import Run

CHIPS = {"lenet300": "edge", "lenet5": "edge", "alexnet": "reference_250w", "vgg16": "reference_250w"}
"""The chip each network runs on, at batch 1."""

STAGES = ("dense", "pruned", "shared", "huffman")
COLUMNS = ("network", "stage", "top1_error_pct", "published_bytes", "source", "confidence")


def produce(run: Run) -> None:
    """Simulate every network after every step, beside the published errors and sizes."""
    table = pd.DataFrame(steps())
    run.write_csv("waterfall.csv", table)
    style.save(figure.draw(table), run.folder / "waterfall")


def steps() -> Iterator[dict[str, Any]]:
    """One row a network and step; `published_bytes` is empty where the paper prints none."""
    for row in read_rows(resources.files("experiments") / "data" / "deep_compression_errors.csv", COLUMNS):
        network, stage = row.text("network"), row.text("stage")
        chip = load_chip(CHIPS[network])
        dense = load_network(network, "dense")
        report = simulate(chip, load_network(network, stage))
        found = report.workload.weight_bits / 8
        energy = report.energy_by("component")
        yield {
            "network": network,
            "chip": chip.name,
            "stage": stage,
            "weight_bytes": found,
            "ratio": dense.weight_bits / 8 / found,
            "published_bytes": row.number("published_bytes", default=float("nan")),
            "top1_error_pct": row.number("top1_error_pct"),
            "energy_J": report.energy_per_inference_J,
            "dram_energy_J": energy["dram"],
            "weights_home": report.weights_home,
            "source": row.text("source"),
        }
