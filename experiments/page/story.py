"""The story of the first screen: what one weight of AlexNet costs on its way to a multiplier.

The fully-connected layers run on the 250 W card at batch 1, dense and compressed. All joules are divided by
the weights of the dense network, so that both ways can be compared: a weight that pruning has removed
costs nothing, and the others pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.page.settings import NETWORKS
from hwsim.run import simulate

if TYPE_CHECKING:
    from hwsim.report import Report

NETWORK, STAGES = "alexnet_fc", ("dense", "huffman")

STOPS = {
    "dram": ("weights", ("dram",)),
    "sram": ("weights", ("sram", "scratchpad")),
    "decoder": ("weights", ("decoder",)),
    "register": ("weights", ("register",)),
    "mac": ("mac", ("mac",)),
}
"""What is booked where a weight comes past: tensor and components."""


def story() -> dict[str, Any]:
    """Picojoules for each weight at every stop, and what the sentences between them say."""
    network = NETWORKS[NETWORK]
    chip = network.machine.chip
    found = {stage: simulate(chip, network.scene.workload(stage)) for stage in STAGES}
    weights = sum(layer.weight_count for layer in found["dense"].workload.layers)
    return {
        "network": NETWORK,
        "weights": weights,
        "sram_B": chip.sram.capacity_B,
        "word_pJ": 32 * chip.dram.energy_pJ_per_bit,
        "passes": {stage: _pass(report, weights) for stage, report in found.items()},
    }


def _pass(report: Report, weights: int) -> dict[str, Any]:
    joules = report.joules_by("tensor", "component")
    stops = {
        name: 1e12 / weights * sum(joules.get((tensor, component), 0.0) for component in components)
        for name, (tensor, components) in STOPS.items()
    }
    total = 1e12 / weights * report.energy_per_inference_J
    kept = sum(layer.weight_count * layer.weight_density for layer in report.workload.layers)
    return {
        "stops_pJ": stops,
        "total_pJ": total,
        "bits_per_weight": report.workload.weight_bits / weights,
        "bits_per_kept_weight": report.workload.weight_bits / kept,
        "kept": kept / weights,
        "stored_B": report.workload.weight_bits / 8,
        "home": report.weights_home,
    }
