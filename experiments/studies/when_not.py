"""When compression does not help: batch, convolutions, small memories, slow decoders.

Question. Compression gives most where weights come from DRAM, each for one use. Which of these can one
take away, and what is left of the gain?

Look for. Four ways to the line at 1x. Batch and convolution use a weight many times, so that fetching it
hardly counts. A network that lives on chip anyway saves only what a small memory charges. And a decoder
that is slower than the array makes the coded network slower than the same network without the code.

Answer. The fully-connected layers of AlexNet cost 26 times less energy at batch 1, 2.7 times at batch 64
and 1.07 times at batch 1,024. All of VGG-16 costs 2.0 times less at batch 1, 1.1 times at batch 16 and
1.01 times at batch 1,024. By layer the gain is 13 to 38 times where each weight is used once. It is 1.5
to 1.7 times in convolutions that use one 169 or 196 times, and 1.0 to 1.2 times in those that use one
more often. LeNet-300-100 in a memory that holds it dense gains 6% from sharing if banks of 1 KiB are
read, and 64% if of 256 KiB. Huffman coding, decoded at every use, makes it 5% worse than dense at 1 KiB:
the arrays wait for the decoders, so that the chip leaks for a third longer. With 256 decoders AlexNet's
layers run at 0.67 of the rate of the uncoded ones, with 512 at 0.98. A Llama layer runs at 0.71 with 1,024
and needs 2,048.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.figures import style
from experiments.figures import when_not as figure
from experiments.runs.scenes import SCENES
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.runs.record import Run

CHIP = "reference_250w"
STAGES = ("pruned", "shared", "huffman")
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
BATCHED = ("alexnet_fc", "alexnet", "vgg16", "lstm")
"""Scenes of `experiments.runs.scenes`."""

CONVOLVED = ("alexnet", "vgg16")

SMALL_CHIP, SMALL_NETWORK = "edge", "lenet300"
SMALL_CHANGES = {"sram.capacity_B": 2 << 20, "sram.wire_mm": 0.0, "decoder.place": "array"}
"""A memory that holds all weights of all stages, as they are stored."""

BANKS_B = (1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18)

DECODERS = (16, 32, 64, 128, 256, 512, 1024, 2048)
DECODED = ("alexnet_fc", "lstm", "llama")


def produce(run: Run) -> None:
    """Write a table a panel, and the figure."""
    tables = {
        "batch": pd.DataFrame(by_batch()),
        "layers": pd.DataFrame(by_layer()),
        "small_memory": pd.DataFrame(by_bank()),
        "decoders": pd.DataFrame(by_decoders()),
    }
    for name, table in tables.items():
        run.write_csv(f"{name}.csv", table)
    style.save(figure.draw(tables), run.folder / "when_not")


def by_batch() -> Iterator[dict[str, Any]]:
    """How many times fewer joules the Huffman-coded network costs than the dense one, by batch."""
    chip = load_chip(CHIP)
    for name in BATCHED:
        scene = SCENES[name]
        workloads = [scene.workload(stage) for stage in ("dense", "huffman")]
        for batch in BATCHES:
            dense, coded = (simulate(chip, workload, batch) for workload in workloads)
            yield {
                "network": name,
                "batch": batch,
                "dense_J": dense.energy_per_inference_J,
                "huffman_J": coded.energy_per_inference_J,
                "gain": dense.energy_per_inference_J / coded.energy_per_inference_J,
                "speedup": coded.inferences_per_s / dense.inferences_per_s,
            }


def by_layer() -> Iterator[dict[str, Any]]:
    """The same by layer at batch 1, beside how often a layer uses each of its weights."""
    chip = load_chip(CHIP)
    for network in CONVOLVED:
        dense, coded = (simulate(chip, load_network(network, stage)).layers for stage in ("dense", "huffman"))
        shapes = {layer.name: layer for layer in load_network(network).layers}
        for before, after in zip(dense.to_dict("records"), coded.to_dict("records"), strict=True):
            layer = shapes[before["layer"]]
            if not layer.weight_count:
                continue
            yield {
                "network": network,
                "layer": layer.name,
                "kind": layer.kind,
                "uses_of_a_weight": layer.macs / layer.weight_count,
                "dense_J": before["energy_J"],
                "huffman_J": after["energy_J"],
                "gain": before["energy_J"] / after["energy_J"],
            }


def by_bank() -> Iterator[dict[str, Any]]:
    """Joules of a network that fits on chip at every stage, by the size of the bank that is read.

    Weights stay as they are stored and are decoded at every use. If they were kept decoded, as the chip may
    choose, all stages would read as many bits as the dense one. `weights_J` is what getting the weights from
    the bank to the arrays costs, decoding included.
    """
    chip = load_chip(SMALL_CHIP).replace(**SMALL_CHANGES)
    for bank_B in BANKS_B:
        machine = chip.replace(**{"sram.bank_B": bank_B})
        reports = {
            stage: simulate(machine, load_network(SMALL_NETWORK, stage)) for stage in ("dense", *STAGES)
        }
        dense_J = reports["dense"].energy_per_inference_J
        for stage, report in reports.items():
            assert report.weights_home == "on chip"
            spent = report.energy_by("tensor", "component")["weights"]
            yield {
                "network": SMALL_NETWORK,
                "stage": stage,
                "bank_B": bank_B,
                "energy_J": report.energy_per_inference_J,
                "static_J": float(report.energy_by("component")["static"]),
                "weights_J": float(spent.get("sram", 0.0) + spent.get("decoder", 0.0)),
                "decoder_J": float(spent.get("decoder", 0.0)),
                "gain": dense_J / report.energy_per_inference_J,
            }


def by_decoders() -> Iterator[dict[str, Any]]:
    """Rate of the Huffman-coded network over that of the shared one at batch 1, by number of decoders."""
    chip = load_chip(CHIP)
    for name in DECODED:
        scene = SCENES[name]
        shared, coded = (scene.workload(stage) for stage in ("shared", "huffman"))
        plain = simulate(chip, shared)
        for count in DECODERS:
            report = simulate(chip.replace(**{"decoder.count": count}), coded)
            yield {
                "network": name,
                "decoders": count,
                "shared_per_s": plain.inferences_per_s,
                "huffman_per_s": report.inferences_per_s,
                "speedup": report.inferences_per_s / plain.inferences_per_s,
                "limiter": report.limiter,
            }
