"""A language model writes: joules per token when every weight comes from HBM.

Question. A decoder of 6.6 billion weights (Llama-2 7B without its embedding) generates token by token
on a chip like an A100 PCIe: 1,555 GB/s of HBM2, 250 W. How do fp16, bf16 with Huffman-coded
exponents (lossless), 2:4 sparsity, INT8 and INT4 weights compare in joules per token, tokens per
second and active tiles, alone and in batches? Keys and values of 2,048 tokens stay fp16, and so does
the arithmetic: only the stored weights change.

Look for. In `llm_decode`, tokens per second at batch 1 follow the bytes of the weights. The tiles
are stalled. From some batch on, keys and values are most of what is fetched.
`exponents` shows why bf16 can be coded: eight bits hold less than three.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from compress.codecs.huffman import build, encoded_bits
from experiments.figures import llm_decode as figures
from experiments.figures import style
from experiments.runs.phrases import joules, limit, listed, number, percent, times
from hwsim.analysis.strategies import as_run
from hwsim.csvfile import read_rows
from hwsim.energy.components import COMPONENTS
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.whole import ceil_div
from hwsim.workload.language.forms import UNPACKED_BITS
from hwsim.workload.layer import Workload, fc
from hwsim.workload.networks import load_network
from hwsim.workload.storage import evenly, stored_dense, stored_n_of_m, stored_partly_coded

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.analysis.tiles import SteadyRun
    from hwsim.workload.layer import Layer, StoredWeights

CHIP, NETWORK = "a100_pcie", "llama_decode"
BATCHES = (1, 2, 4, 8, 16, 24)
"""Sequences at once: fp16 weights, and keys and values of 24 sequences, fill the 40 GB of the card."""
WIDTH, WORDS = 4096, 32_000
"""Features and vocabulary: the head is a matrix of its own (Touvron et al., 2023)."""

EXPONENT_BITS, OTHER_BITS = 8, 8
"""Of a bf16 weight: the exponent; sign and mantissa."""


def produce(run: Run) -> None:
    """Simulate every way to store the weights at every batch."""
    counts = exponent_counts()
    workloads = (decoder(stage, counts) for stage in stages(counts))
    runs = without_unused(pd.DataFrame([row(workload, batch) for workload in workloads for batch in BATCHES]))
    exponents = exponent_table(counts)
    run.write_csv("llm_decode.csv", runs)
    run.write_csv("exponents.csv", exponents)


def without_unused(runs: pd.DataFrame) -> pd.DataFrame:
    """Leave out the columns of components that no run spends energy on."""
    columns = [f"{name}_J" for name in style.COMPONENTS]
    return runs.drop(columns=[name for name in columns if not runs[name].any()])


def exponent_counts() -> np.ndarray:
    """How often each exponent occurs in trained weights, shape (256,)."""
    counts = np.zeros(1 << EXPONENT_BITS, np.int64)
    file = resources.files("experiments") / "data" / "bf16_exponents.csv"
    for found in read_rows(file, ("exponent", "count")):
        counts[found.integer("exponent", high=len(counts) - 1)] = found.integer("count", low=1)
    return counts


def coded_exponent_bits(counts: np.ndarray) -> float:
    """Mean code word of an exponent, by the Huffman coder of compressed files."""
    return encoded_bits(build(counts), counts) / int(counts.sum())


def exponent_table(counts: np.ndarray) -> pd.DataFrame:
    """One row an exponent that occurs: its share, ideal bits and code word's bits."""
    used = np.flatnonzero(counts)
    share = counts[used] / counts.sum()
    lengths = build(counts).lengths[used]
    return pd.DataFrame(
        {"exponent": used, "share": share, "ideal_bits": -np.log2(share), "code_bits": lengths}
    )


def stages(counts: np.ndarray) -> dict[str, Callable[[str, int, int], StoredWeights]]:
    """Ways to store a matrix of `count` weights and `filters` rows."""
    mean = coded_exponent_bits(counts)
    alphabet = len(counts)
    return {
        "fp16": lambda form, count, filters: replace(
            stored_dense(count, 16, filters, bias=False), format=form
        ),
        "bf16 coded": lambda form, count, filters: stored_partly_coded(
            form, count, filters, OTHER_BITS, mean, alphabet, bias=False
        ),
        "2:4": lambda form, count, filters: stored_n_of_m(form, count, filters, 2, 4, 16, bias=False),
        "int8": lambda form, count, filters: _unpacked(form, count, 8, filters),
        "int4": lambda form, count, filters: _unpacked(form, count, 4, filters),
    }


def _unpacked(form: str, count: int, bits: int, filters: int) -> StoredWeights:
    """Integers with a scale per row, which are brought to fp16 word by word."""
    dense = stored_dense(count, bits, filters, bias=False, scales=True)
    words = evenly(ceil_div(count * bits, UNPACKED_BITS), len(dense.segment_bits))
    return replace(dense, format=form, segment_symbols=words)


def decoder(stage: str, counts: np.ndarray) -> Workload:
    """All layers and the head, with the weights stored one way."""
    store = cache(stages(counts)[stage])  # the blocks have equal matrices
    dense = load_network(NETWORK, "fp16")
    head = fc("head", WIDTH, WORDS, arithmetic="fp16", inputs=(len(dense.layers) - 1,))

    def stored(layer: Layer) -> Layer:
        if not layer.weight_count:
            return layer
        weights = store(stage, layer.weight_count, layer.filters * layer.groups)
        return replace(layer, weights=weights, weight_density=weights.nonzeros / layer.weight_count)

    layers = tuple(stored(layer) for layer in (*dense.layers, head))
    return Workload(NETWORK, stage, layers, "layer shapes; exponents measured on all-MiniLM-L6-v2")


def row(workload: Workload, batch: int) -> dict[str, Any]:
    """Simulate one way to store the weights at one batch: a row of the table."""
    report = simulate(load_chip(CHIP), workload, batch)
    found: SteadyRun = as_run(report)
    joules = {name: watts / found.inferences_per_s for name, watts in found.watts.items()}
    matrices = [layer for layer in workload.layers if layer.weight_count]
    count = sum(layer.weight_count for layer in matrices)
    return {
        "stage": workload.stage,
        "batch": batch,
        "weight_GB": workload.weight_bits / 8e9,
        "bits_per_weight": sum(layer.stored_bits for layer in matrices) / count,
        "weights_fetched_GB_per_token": report.transferred_weight_bits / 8e9 / batch,
        "other_moved_GB_per_token": report.activation_bits / 8e9 / batch,
        "tokens_per_s": found.inferences_per_s,
        "energy_per_token_J": found.energy_per_inference_J,
        **{f"{name}_J": joules.get(name, 0.0) for name in style.COMPONENTS},
        "power_W": sum(found.watts.values()),
        "limiter": report.limiter,
        "peak_share": found.peak_share,
        **{f"{state}_share": share for state, share in found.states._asdict().items()},
    }


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figures."""
    return {
        "llm_decode": figures.decode(tables["llm_decode"]),
        "exponents": figures.exponents(tables["exponents"]),
    }


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say what one sequence costs by stage, where the energy goes, and what is left in a batch."""
    runs = tables["llm_decode"].set_index(["stage", "batch"])
    alone, most = runs.xs(1, level="batch"), runs.index.get_level_values("batch").max()
    plain, coded, few = alone.loc["fp16"], alone.loc["bf16 coded"], alone.loc["int4"]
    parts = plain.filter(regex="_J$").drop("energy_per_token_J").astype(float)
    largest = [
        f"{COMPONENTS[name.removesuffix('_J')].label} {percent(value / parts.sum())}"
        for name, value in parts.nlargest(3).items()
    ]
    crowd = runs.xs(most, level="batch")["tokens_per_s"]
    return (
        f"One sequence is {limit(plain['limiter'])}: {number(plain['tokens_per_s'])} tokens per second at "
        f"{joules(plain['energy_per_token_J'])} each in fp16, {number(few['tokens_per_s'])} at "
        f"{joules(few['energy_per_token_J'])} in INT4.",
        f"Coded exponents save {percent(1 - coded['weight_GB'] / plain['weight_GB'])} of the bytes without "
        f"loss, but only {percent(1 - coded['energy_per_token_J'] / plain['energy_per_token_J'])} of the "
        f"energy. In fp16 the largest parts are {listed(largest)}.",
        f"With {most} sequences INT4 gives {times(crowd['int4'] / crowd['fp16'])} the tokens per second of "
        f"fp16, not {times(few['tokens_per_s'] / plain['tokens_per_s'])}: keys and values are most of the "
        "traffic.",
    )
