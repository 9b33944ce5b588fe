"""When compression does not help: batch, convolutions, small memories, slow decoders.

Question. Compression gives most where weights come from DRAM, each for one use. Which of these can one
take away, and what is left of the gain?

Look for. Four ways to the line at 1x. Batch and convolution use a weight many times, so that fetching it
hardly counts. A network that lives on chip anyway saves only what a small memory charges. And a decoder
that is slower than the array makes the coded network slower than the same network without the code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.figures import when_not as figure
from experiments.runs import labels
from experiments.runs.phrases import changed, listed, percent, size, span, times
from experiments.runs.scenes import SCENES
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables

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
    """Write one table per panel."""
    for name, rows in PANELS.items():
        run.write_csv(f"{name}.csv", pd.DataFrame(rows()))


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


PANELS = {"batch": by_batch, "layers": by_layer, "small_memory": by_bank, "decoders": by_decoders}
"""Rows of each table."""


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"when_not": figure.draw({name: tables[name] for name in PANELS})}


ENOUGH = 0.01
"""Share of the speed that may be missing."""


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say what batch, reuse and a small memory leave of the gain, and what slow decoders cost."""
    batch = tables["batch"].set_index(["network", "batch"])["gain"]
    layers = tables["layers"].groupby("kind")["gain"]
    memory = tables["small_memory"].set_index(["stage", "bank_B"])["gain"]
    banks = memory["shared"].index
    decoders = tables["decoders"].set_index(["network", "decoders"])["speedup"]
    told = [
        f"{labels.network(str(name))} {found[found > 1 - ENOUGH].index[0][1]:,}"
        for name, found in decoders.groupby(level="network", sort=False)
        if (found > 1 - ENOUGH).any()
    ]
    most = batch["alexnet_fc"].index.max()
    return (
        "Compression gains little where weights are used often. Fully-connected layers of AlexNet take "
        f"{changed(batch['alexnet_fc', 1], 'energy')} at batch 1 and "
        f"{changed(batch['alexnet_fc', most], 'energy')} at batch {most:,}. Convolutions at batch 1 gain "
        f"{span(layers.get_group('conv'), times)}.",
        "A network that lives on chip anyway gains little. Sharing saves LeNet-300-100 "
        f"{percent(1 - 1 / memory['shared', banks[0]])} with banks of {size(banks[0])} and "
        f"{percent(1 - 1 / memory['shared', banks[-1]])} with banks of {size(banks[-1])}. Huffman coding "
        f"gives {changed(memory['huffman', banks[0]], 'energy')} with the small banks.",
        "Too few decoders make a coded network slower than the uncoded one. Full speed needs this many "
        f"decoders: {listed(told)}.",
    )
