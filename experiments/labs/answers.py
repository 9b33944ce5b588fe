"""The right answer to every question of the labs, as the computation that gives it, and a hint."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, log2
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.analysis.strategies import dimmed, gated, voltage_scaled
from hwsim.energy.sram import bank_access
from hwsim.energy.table import EnergyTable
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.language import decode, model_of, prefill
from hwsim.workload.language.memory import Served
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwsim.analysis.tiles import SteadyRun
    from hwsim.report import Report
    from hwsim.workload.layer import Layer

MATRIX = np.array(
    [
        [2.09, -0.98, 1.48, 0.09],
        [0.05, -0.14, -1.08, 2.12],
        [-0.91, 1.92, 0.00, -1.03],
        [1.87, 0.00, 1.53, 1.49],
    ],
    np.float32,
)
"""Weights of the example by hand (Han et al., Deep Compression, ICLR 2016, figure 3)."""
CODEBOOK = np.array([-1.0, 0.0, 1.5, 2.0], np.float32)
GRADIENT = np.array(
    [
        [-0.03, -0.01, 0.03, 0.02],
        [-0.01, 0.01, -0.02, 0.12],
        [-0.01, 0.02, 0.04, 0.01],
        [-0.07, -0.02, 0.01, -0.02],
    ],
    np.float32,
)
COUNTS = np.array([8, 4, 2, 1, 1])
"""How often each of five symbols occurs, for the Huffman code by hand."""


LLM, LLM_TOKENS = "llama-3-8b", 1024
"""The language model of the last lab, and the tokens in its cache."""


@dataclass(frozen=True)
class Answer:
    """How to work out an answer, and what to say of a wrong one.

    Parameters
    ----------
    compute : callable
    hint : str
    tolerance : float
        Relative.
    """

    compute: Callable[[], Any]
    hint: str
    tolerance: float = 0.01


def on_edge(stage: str, **changes: Any) -> Report:
    """Simulate LeNet-300-100 on the small chip."""
    return simulate(load_chip("edge").replace(**changes), load_network("lenet300", stage))


def alexnet_fc(stage: str, batch: int, strategy: Callable[[Report], SteadyRun] = dimmed) -> SteadyRun:
    """Light the 250 W chip with the fully-connected layers of AlexNet."""
    workload = load_network("alexnet", stage).only(["fc6", "fc7", "fc8"])
    return strategy(simulate(load_chip("reference_250w"), workload, batch))


@cache
def token(form: str, batch: int, prompt: int = 0) -> Report:
    """Write a token with a language model on a 250 W card, or read a prompt."""
    workload = prefill(LLM, prompt, weights=form) if prompt else decode(LLM, LLM_TOKENS, batch, weights=form)
    return simulate(load_chip("a100_pcie"), workload, batch)


def _most_tokens() -> float:
    model = model_of(LLM)
    return load_chip("a100_pcie").dram.bandwidth_GB_per_s * 1e9 / (2 * (model.inner.total + model.head.total))


def _sequences() -> int:
    served = Served.of(LLM, "bf16")
    return ceil(served.weights_B / served.cache_B(LLM_TOKENS))


def _price(action: str) -> float:
    return EnergyTable.load("45nm")[action].pJ


def _layer(network: str, name: str) -> Layer:
    return next(layer for layer in load_network(network).layers if layer.name == name)


def _dram_share(report: Report) -> float:
    return float(report.energy_by("component")["dram"]) / report.energy_per_inference_J


def _smallest_home(stage: str) -> int:
    sizes = (1 << shift for shift in range(14, 24))
    return next(B for B in sizes if on_edge(stage, **{"sram.capacity_B": B}).weights_home == "on chip")


def _decoders_enough() -> int:
    return next(n for n in range(1, 65) if on_edge("huffman", **{"decoder.count": n}).limiter != "decoder")


def _labels() -> Any:
    return np.abs(MATRIX[..., None] - CODEBOOK).argmin(axis=-1)


def _sparse_pays_below() -> float:
    return 32 / (32 + 4)


def _alexnet_gain(batch: int) -> float:
    dense, coded = (
        simulate(load_chip("reference_250w"), load_network("alexnet", s), batch) for s in ("dense", "huffman")
    )
    return dense.energy_per_inference_J / coded.energy_per_inference_J


def _full_clock_W() -> float:
    chip = load_chip("reference_250w")
    macs_per_s = chip.array.peak_macs_per_cycle * chip.process.clock_GHz * 1e9
    return 1e-12 * macs_per_s * (_price("multiply_fp32") + _price("add_fp32"))


ANSWERS: dict[str, Answer] = {
    "1.1": Answer(
        lambda: _price("dram_read_32b") / _price("multiply_fp32"),
        "Divide two rows of the table: dram_read_32b and multiply_fp32.",
    ),
    "1.2": Answer(
        lambda: _price("dram_read_32b") / (_price("multiply_fp32") + _price("add_fp32")),
        "A MAC is a multiplication and an addition; how many of them cost as much as one word?",
    ),
    "1.3": Answer(
        lambda: _dram_share(on_edge("dense")),
        "energy_by('component')['dram'] over energy_per_inference_J, as a fraction.",
    ),
    "1.4": Answer(
        lambda: _price("dram_read_32b") / (32 * bank_access(8 << 20, EnergyTable.load("45nm")).pJ),
        "The law is a square root: a bank of 8 MiB is 256 times larger than one of 32 KiB.",
    ),
    "2.1": Answer(
        lambda: round(0.08 * _layer("lenet300", "fc1").weight_count),
        "fc1 has 784 x 300 weights.",
        1e-9,
    ),
    "2.2": Answer(
        _sparse_pays_below,
        "A stored weight takes 32 bits of value and 4 of gap; a dense one 32. Fillers apart.",
    ),
    "2.3": Answer(
        lambda: 1e14 / 1e15,
        "About 10^15 synapses in a child, about 10^14 in an adult.",
    ),
    "2.4": Answer(
        lambda: on_edge("dense").energy_per_inference_J / on_edge("pruned").energy_per_inference_J,
        "Divide the energies per inference of the two stages on the edge chip.",
    ),
    "3.1": Answer(
        lambda: MATRIX.size * 32 / (MATRIX.size * log2(len(CODEBOOK)) + len(CODEBOOK) * 32),
        "Before: 16 weights of 32 bits. After: 16 labels of 2 bits, and a codebook of 4 x 32 bits.",
    ),
    "3.2": Answer(
        lambda: float(GRADIENT[_labels() == int(np.argmax(CODEBOOK))].sum()),
        "All weights of a cluster move together: add up the gradients where the weight is nearest to 2.0.",
        0.02,
    ),
    "3.3": Answer(
        lambda: _layer("lenet5", "conv1").macs / _layer("lenet5", "conv1").weight_count,
        "A weight of conv1 is used once per output position: 24 x 24 of them.",
    ),
    "3.4": Answer(
        lambda: 28 * 28 * 20 * 24 * 24 / _layer("lenet5", "conv1").weight_count,
        "Fully connected: a weight from each of 28 x 28 pixels to each of 20 x 24 x 24 outputs.",
    ),
    "4.1": Answer(
        lambda: float(-(COUNTS / COUNTS.sum() * np.log2(COUNTS / COUNTS.sum())).sum()),
        "The counts are powers of two, so every code length is -log2 of a frequency.",
    ),
    "4.2": Answer(
        lambda: on_edge("shared").workload.weight_bits / on_edge("huffman").workload.weight_bits,
        "workload.weight_bits of the shared stage over that of the coded one.",
    ),
    "4.3": Answer(
        lambda: on_edge("huffman").limiter,
        "Ask report.limiter.",
    ),
    "4.4": Answer(
        _decoders_enough,
        "Count decoders up, one at a time, until report.limiter is no longer the decoder.",
        1e-9,
    ),
    "5.1": Answer(
        lambda: _smallest_home("dense") >> 10,
        "The smallest power of two (in KiB) at which report.weights_home is 'on chip'.",
        1e-9,
    ),
    "5.2": Answer(
        lambda: _smallest_home("huffman") >> 10,
        "The same as before, for the coded network.",
        1e-9,
    ),
    "5.3": Answer(
        lambda: _alexnet_gain(1),
        "Energy per inference of AlexNet, dense over huffman, at batch 1.",
    ),
    "5.4": Answer(
        lambda: _alexnet_gain(64),
        "The same at batch 64: what does a batch do to the price of fetching a weight?",
    ),
    "6.1": Answer(
        _full_clock_W,
        "tiles x rows x cols x clock x (multiply + add), with nothing for registers and memories.",
    ),
    "6.2": Answer(
        lambda: alexnet_fc("dense", 64, gated).states.power_gated,
        "gated(report).states.power_gated of the dense layers at batch 64.",
    ),
    "6.3": Answer(
        lambda: alexnet_fc("huffman", 64).inferences_per_s / alexnet_fc("dense", 64).inferences_per_s,
        "Divide the inferences per second under the cap, coded over dense.",
    ),
    "6.4": Answer(
        lambda: max(alexnet_fc("dense", 1).states._asdict().items(), key=lambda state: state[1])[0],
        "Print states at batch 1: which one takes most of the time?",
    ),
    "6.5": Answer(
        lambda: (
            alexnet_fc("huffman", 64, voltage_scaled).inferences_per_s
            / alexnet_fc("huffman", 64, gated).inferences_per_s
        ),
        "Compare voltage_scaled with gated at the coded stage.",
    ),
    "7.1": Answer(
        _most_tokens,
        "Bytes per second over bytes per token: two bytes for each weight.",
    ),
    "7.2": Answer(
        lambda: token("bf16", 1).energy_per_inference_J / token("int4-g128", 1).energy_per_inference_J,
        "Divide the energies per token, bf16 over INT4.",
    ),
    "7.3": Answer(
        _sequences,
        "Divide the bytes of the weights by those of the cache of one sequence, and round up.",
        1e-9,
    ),
    "7.4": Answer(
        lambda: token("bf16", 1, LLM_TOKENS).limiter,
        "Ask reading.limiter.",
    ),
}
