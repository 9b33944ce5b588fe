"""What the figures of the tour show: each lesson's data, by name.

``python -m experiments.page.lessons NAME`` prints one of them as JSON: ``dram``, ``pruning``,
``sharing``, ``huffman``, ``decoder``, ``capping``, ``chip`` or ``token``.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.codecs import huffman
from compress.methods.share import share
from experiments.page.pruning import pruning
from experiments.page.settings import FORMS, NETWORKS, TOKEN
from experiments.runs.scenes import SCENES
from experiments.studies.energy_ladder import ladder
from hwsim.analysis.strategies import as_run, dimmed, gated, voltage_scaled
from hwsim.energy.dram import load_dram
from hwsim.energy.table import EnergyTable
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.units import memory_size
from hwsim.workload.language import decode, prefill

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hwsim.analysis.tiles import SteadyRun
    from hwsim.report import Report

CHIP = "reference_250w"
RUNGS = (
    "add, int32", "multiply, int8", "add, fp32", "register file", "multiply, fp32", "SRAM, 32 KiB",
    "1 mm of wire", "DRAM",
)  # fmt: skip
DRAMS = {"DDR3": "DDR3-1600", "GDDR6": "GDDR6-14000", "HBM2": "HBM2-2000"}
REUSES = tuple(1 << power for power in range(13))
MATRIX = (
    (0.82, -0.31, 0.07, 1.14),
    (-0.95, 0.76, -0.28, 0.11),
    (1.08, 0.02, -0.88, 0.79),
    (-0.35, 1.21, 0.13, -1.02),
)
GRADIENT = (
    (-0.03, 0.02, 0.01, 0.04),
    (0.01, -0.02, 0.03, 0.02),
    (0.02, -0.01, -0.02, 0.05),
    (0.01, 0.03, 0.02, 0.03),
)
KERNEL, IMAGE = 3, 6
SKEWS = (0.0, 0.5, 1.0, 1.5, 2.0)
SYMBOLS, SAMPLES = 16, 1 << 16
DECODERS = (96, 192, 384, 768, 1536, 3072)
DECODED = "llama"
CAPPED = "alexnet_fc"
STRATEGIES = {"dimming": dimmed, "gating": gated, "DVFS": voltage_scaled}
CAPS_W = (75, 100, 150, 200, 250, 325, 400, 500)
CAPPED_BATCHES = (1, 64)
CARD = "a100_pcie"
PASSES = {"writing, batch 1": 1, "writing, batch 64": 64, "reading a prompt": 0}
"""Sequences at once, 0 for a prefill."""


def dram() -> dict[str, Any]:
    """Energy of a word by where it is, and what spreads a DRAM word over its uses."""
    table = EnergyTable.load("45nm")
    rungs = ladder()
    words = rungs[(rungs["node"] == "45 nm") & rungs["label"].isin(RUNGS)]
    return {
        "rungs": words[["label", "group", "energy_pJ"]].to_dict("records"),
        "mac_pJ": table["multiply_fp32"].pJ + table["add_fp32"].pJ,
        "multiply_pJ": table["multiply_fp32"].pJ,
        "word_pJ": {label: 32 * load_dram(name).pJ_per_bit for label, name in DRAMS.items()},
        "reuses": REUSES,
    }


def sharing() -> dict[str, Any]:
    """Share a 4x4 matrix by hand: labels, codebook and one step of its training; a convolution."""
    weights, gradient = np.array(MATRIX, np.float32), np.array(GRADIENT, np.float32)
    kernel = np.arange(KERNEL * KERNEL).reshape(KERNEL, KERNEL)
    return {
        "weights": MATRIX,
        "gradient": GRADIENT,
        "shared": [_shared(weights, gradient, bits) for bits in (1, 2, 3)],
        "kernel": kernel.tolist(),
        "convolution": _as_matrix(kernel, IMAGE).tolist(),
    }


def _shared(weights: NDArray[np.float32], gradient: NDArray[np.float32], bits: int) -> dict[str, Any]:
    tensor = share(weights, 1 << bits)
    labels = tensor.labels - 1
    codebook = tensor.codebook.astype(np.float64)
    sums = np.bincount(labels.ravel(), gradient.ravel().astype(np.float64), len(codebook))
    return {
        "bits": bits,
        "labels": labels.tolist(),
        "codebook": codebook.round(4).tolist(),
        "gradient_sums": sums.round(4).tolist(),
        "tuned": (codebook - sums).round(4).tolist(),
        "stored_bits": labels.size * bits + 32 * len(codebook),
        "rms_error": float(np.sqrt(np.mean((codebook[labels] - weights) ** 2)).round(4)),
    }


def _as_matrix(kernel: NDArray[np.int_], image: int) -> NDArray[np.int_]:
    """Write a convolution as a matrix: a row an output pixel, entries of the kernel, -1 for none."""
    size = len(kernel)
    outputs = image - size + 1
    matrix = np.full((outputs * outputs, image, image), -1)
    for row in range(outputs):
        for column in range(outputs):
            matrix[row * outputs + column, row : row + size, column : column + size] = kernel
    return matrix.reshape(len(matrix), -1)


def huffman_codes() -> list[dict[str, Any]]:
    """Code lengths of 16 symbols whose counts fall as a power of their rank."""
    rows = []
    for skew in SKEWS:
        weights = np.arange(1, SYMBOLS + 1) ** -skew
        counts = np.rint(weights / weights.sum() * SAMPLES).astype(np.int64)
        code = huffman.build(counts)
        shares = counts / counts.sum()
        rows.append(
            {
                "skew": skew,
                "shares": shares.round(6).tolist(),
                "lengths": code.lengths.tolist(),
                "mean_bits": huffman.encoded_bits(code, counts) / int(counts.sum()),
                "entropy_bits": float(-(shares * np.log2(shares)).sum()),
            }
        )
    return rows


def decoder() -> list[dict[str, Any]]:
    """One Llama layer at batch 1, shared and Huffman-coded, with few and many decoders."""
    rows = []
    for stage in ("shared", "huffman"):
        workload = SCENES[DECODED].workload(stage)
        for count in DECODERS:
            report = simulate(load_chip(CHIP).replace(**{"decoder.count": count}), workload)
            rows.append(
                {
                    "stage": stage,
                    "decoders": count,
                    "inferences_per_s": report.inferences_per_s,
                    "energy_J": report.energy_per_inference_J,
                    "limiter": report.limiter,
                    "stalled": as_run(report).states.stalled,
                    "decoder_J": report.joules_by("component").get(("decoder",), 0.0),
                }
            )
    return rows


def capping() -> list[dict[str, Any]]:
    """Tiles and watts of AlexNet's fully-connected layers under caps, kept in three ways."""
    rows = []
    network = NETWORKS[CAPPED]
    for stage in (choice.label for choice in network.axes()["stage"]):
        workload = network.scene.workload(stage)
        for batch in CAPPED_BATCHES:
            for cap_W in CAPS_W:
                report = simulate(load_chip(CHIP).replace(**{"power.cap_W": float(cap_W)}), workload, batch)
                key = {"stage": stage, "batch": batch, "cap_W": cap_W, "limiter": report.limiter}
                rows += [key | _capped(strategy(report)) for strategy in STRATEGIES.values()]
    return rows


def _capped(found: SteadyRun) -> dict[str, Any]:
    residency = found.report.schedule.residency
    return {
        "strategy": found.strategy,
        "shares": found.states._asdict(),
        "watts": found.watts,
        "inferences_per_s": found.inferences_per_s,
        "energy_J": found.energy_per_inference_J,
        "pinned_B": residency.pinned_B,
        "other_B": residency.activations_B + residency.buffers_B,
    }


def chip() -> dict[str, Any]:
    """What `capping` runs on, and the command that does."""
    shipped = load_chip(CHIP)
    return {
        "cap_W": shipped.power.cap_W,
        "sram_B": shipped.sram.capacity_B,
        "sram": memory_size(shipped.sram.capacity_B),
        "command": NETWORKS[CAPPED].command_start,
        "layers": NETWORKS[CAPPED].layer_option,
    }


def token() -> dict[str, Any]:
    """Where the joules of a token of a language model go, by how its weights are stored."""
    rows = []
    for label, batch in PASSES.items():
        for form, (name, *_) in FORMS.items():
            report, tokens = token_report(form, batch), 1 if batch else TOKEN.context
            found = as_run(report)
            rows.append(
                {
                    "pass": label,
                    "form": name,
                    "watts": found.watts,
                    "energy_J": found.energy_per_inference_J / tokens,
                    "tokens_per_s": found.inferences_per_s * tokens,
                    "clock": report.clock,
                    "limiter": report.limiter,
                }
            )
    return {
        "rows": rows,
        "model": TOKEN.network,
        "card": CARD,
        "cap_W": load_chip(CARD).power.cap_W,
        "tokens": TOKEN.context,
        "forms": list(FORMS),
    }


def token_report(form: str, batch: int) -> Report:
    """Simulate a decode step of so many sequences, or a prefill of one prompt if there are none."""
    model, tokens = TOKEN.network, TOKEN.context
    workload = decode(model, tokens, batch, weights=form) if batch else prefill(model, tokens, weights=form)
    return simulate(load_chip(CARD), workload, batch or 1)


LESSONS: dict[str, Callable[[], Any]] = {
    "dram": dram,
    "pruning": pruning,
    "sharing": sharing,
    "huffman": huffman_codes,
    "decoder": decoder,
    "capping": capping,
    "chip": chip,
    "token": token,
}


def main(arguments: list[str]) -> str:
    """Return the data of the lesson that is named.

    Raises
    ------
    InputError
        If there is no such lesson.
    """
    if len(arguments) != 1 or arguments[0] not in LESSONS:
        raise InputError(f"lesson {' '.join(arguments)!r}: expected one of {', '.join(LESSONS)}")
    return json.dumps(LESSONS[arguments[0]](), indent=2)


if __name__ == "__main__":
    try:
        sys.stdout.write(main(sys.argv[1:]) + "\n")
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
