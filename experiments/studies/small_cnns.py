"""Small CNNs: what compression of weights gives before layers are fused, and after.

Question. SqueezeNet and the MobileNets were made small by hand, so that what passes between their layers
takes more traffic than their weights. What do smaller weights give such a network on small chips, layer by
layer, and what once layers are fused?

Look for. In `small_cnns`, the share of the weights in the bytes that an inference moves between DRAM and
chip. On the edge chip it is small while every feature map goes to DRAM and comes back. It is two to five
times larger once stripes of rows pass through several layers at a time. The saving above each pair of bars
follows the share.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.figures import small_cnns as figure
from experiments.runs import labels
from experiments.runs.phrases import percent, span, times
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.layer import dense_storage
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
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


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"small_cnns": figure.draw(tables["small_cnns"])}


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say what fusion saves, what weights are worth before and after it, and what both give together."""
    table = tables["small_cnns"].set_index(["chip", "network", "fusion", "weight_bits"])
    energy = table["energy_J"].unstack(["fusion", "weight_bits"])
    share = (table["weights_B"] / (table["weights_B"] + table["activations_B"])).unstack(
        ["fusion", "weight_bits"]
    )
    gain = energy["none", 8] / energy["depth-first", 8]
    saved = {way: 1 - energy[way, 4] / energy[way, 8] for way in ("none", "depth-first")}
    both = (energy["none", 8] / energy["depth-first", 4])["edge"]
    best = both.idxmax()
    return (
        f"On the edge chip fusion divides the energy by {span(gain['edge'])}. Weights are "
        f"{span(share['none', 8]['edge'], percent)} of the DRAM traffic before, and "
        f"{span(share['depth-first', 8]['edge'], percent)} after.",
        f"Halving the weights to 4 bits saves {span(saved['none']['edge'], percent)} of the energy layer by "
        f"layer, and {span(saved['depth-first']['edge'], percent)} with fusion. On the phone chip it is "
        f"{span(saved['none']['phone'], percent)} and {span(saved['depth-first']['phone'], percent)}.",
        f"The two work together: {labels.network(best)} on the edge chip takes {times(both[best])} less "
        "energy with both.",
    )
