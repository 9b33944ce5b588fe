"""Small CNNs: what compression of weights gives before layers are fused, and after.

Question. SqueezeNet and the MobileNets were made small by hand, so that what passes between their layers
takes more traffic than their weights. What do smaller weights give such a network on small chips, layer by
layer, and what once layers are fused?

Look for. In `small_cnns`, the share of the weights in the bytes that an inference moves between DRAM and
chip. On the edge chip it is small while every feature map goes to DRAM and comes back. It is two to five
times larger once stripes of rows pass through several layers at a time. The saving above each pair of bars
follows the share.

Answer. Weights matter again once layers are fused. On the edge chip fusion removes 66 to 81% of the bytes
and divides the energy by 2.1 to 3.1. The share of the weights in what is left rises from 8-26% to 24-81%, and
4-bit weights save 15 to 28% of the energy, where they saved 3 to 11% layer by layer. On the phone chip, whose
memory holds many feature maps, they save 8 to 29% instead of 6 to 21%. SqueezeNet 1.1 is the exception
there: its maps fit without fusion, and 17% stay 17%. The two add up: MobileNet v2 on the edge chip takes 4.4
times less energy with both, 3.1 times with fusion and 1.1 times with 4-bit weights alone. In `stages`, the
Huffman-coded SqueezeNet 1.0 of Deep Compression, in fp32, saves 7% on the edge chip layer by layer and 15%
fused, on the phone chip 16% and 33%.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.figures import small_cnns as figure
from experiments.figures import style
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.layer import dense_storage
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.runs.record import Run
    from hwsim.workload.layer import Workload

CHIPS = ("edge", "phone")
NETWORKS = ("squeezenet1_0", "squeezenet1_1", "mobilenet_v1", "mobilenet_v2")
FUSIONS = ("none", "depth-first")
PUBLISHED, STAGES = "squeezenet1_0", ("dense", "pruned", "shared", "huffman")
"""The network whose compressed stages are published, in fp32."""

STAGE, FEW_BITS = "int8", 4
"""All layers compute in int8; their weights are stored in 8 bits, or in as few as this."""


def produce(run: Run) -> None:
    """Simulate every network with and without fusion, its weights in 8 bits and in fewer."""
    widths = pd.DataFrame(by_width())
    run.write_csv("small_cnns.csv", widths)
    run.write_csv("stages.csv", pd.DataFrame(by_stage()))
    style.save(figure.draw(widths), run.folder / "small_cnns")


def by_width() -> Iterator[dict[str, Any]]:
    """One row a chip, network, fusion and width of the weights."""
    for chip in CHIPS:
        for network in NETWORKS:
            whole = load_network(network, STAGE)
            for weight_bits, workload in ((8, whole), (FEW_BITS, in_few_bits(whole, FEW_BITS))):
                for fusion in FUSIONS:
                    names = {"chip": chip, "network": network, "fusion": fusion, "weight_bits": weight_bits}
                    yield names | figures(chip, workload, fusion)


def by_stage() -> Iterator[dict[str, Any]]:
    """One row a chip, stage and fusion of the network whose compressed stages are published."""
    for chip in CHIPS:
        for stage in STAGES:
            for fusion in FUSIONS:
                found = figures(chip, load_network(PUBLISHED, stage), fusion)
                yield {"chip": chip, "network": PUBLISHED, "stage": stage, "fusion": fusion} | found


def in_few_bits(workload: Workload, weight_bits: int) -> Workload:
    """Store every weight in so many bits; what layers compute stays as it is."""
    layers = tuple(
        replace(layer, weights=dense_storage(layer.weight_count, weight_bits)) if layer.weights else layer
        for layer in workload.layers
    )
    return replace(workload, layers=layers)


def figures(chip: str, workload: Workload, fusion: str) -> dict[str, float]:
    """Joules, seconds and DRAM bytes of weights and of activations, per inference."""
    report = simulate(load_chip(chip).replace(fusion=fusion), workload)
    return {
        "energy_J": report.energy_per_inference_J,
        "period_s": report.period_s,
        "weights_B": report.transferred_weight_bits / 8,
        "activations_B": report.activation_bits / 8,
    }
