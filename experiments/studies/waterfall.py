"""The waterfall of Deep Compression: bytes, joules and error after each of its steps.

Question. Deep Compression prunes a network, shares the weights that are left and codes them. What does
each step take off the bytes and off the joules of an inference, and what does it do to the error?

Look for. Bytes fall at every step. Joules fall with them only until the weights live on chip; from there
on, arithmetic is what is left to pay. The error does not move: the papers print it for pruning and for
the whole, and Huffman coding loses nothing.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.figures import waterfall as figure
from experiments.runs import labels
from experiments.runs.phrases import SAME, listed, number, percent, points, span, times
from hwsim.csvfile import read_rows
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables

CHIPS = {"lenet300": "edge", "lenet5": "edge", "alexnet": "reference_250w", "vgg16": "reference_250w"}
"""The chip each network runs on, at batch 1."""

STAGES = ("dense", "pruned", "shared", "huffman")
COLUMNS = ("network", "stage", "top1_error_pct", "published_bytes", "source", "confidence")


def produce(run: Run) -> None:
    """Simulate every network after every step, beside the published errors and sizes."""
    table = pd.DataFrame(steps())
    run.write_csv("waterfall.csv", table)


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


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"waterfall": figure.draw(tables["waterfall"])}


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say what compression takes off bytes and energy, which step takes most, and what coding does."""
    table = tables["waterfall"].set_index(["network", "stage"])
    energy, ratio = table["energy_J"].unstack("stage"), table["ratio"].unstack("stage")
    gain = (energy["dense"] / energy["huffman"]).reindex(CHIPS)
    told = [f"{number(value)} for {labels.network(str(name))}" for name, value in gain.items()]
    large = energy.loc["alexnet"]
    saved = large["dense"] - large["huffman"]
    coding = (energy["huffman"] / energy["shared"]).reindex(CHIPS)
    worse = [f"{labels.network(str(n))} {percent(v - 1)}" for n, v in coding.items() if v > 1 + SAME]
    errors = table["top1_error_pct"].unstack("stage")
    shift = (errors["huffman"] - errors["dense"]).abs().max()
    return (
        f"Weights become {span(ratio['huffman'], times)} smaller. Energy falls by a factor of "
        f"{listed(told)}. The published errors move by at most {points(shift)}.",
        f"Pruning takes the most: {percent((large['dense'] - large['pruned']) / saved)} of what AlexNet "
        f"saves. Sharing takes {percent((large['pruned'] - large['shared']) / saved)} and Huffman coding "
        f"{percent((large['shared'] - large['huffman']) / saved)}.",
        f"Huffman coding saves bytes everywhere. It costs energy where the arrays wait for the decoders: "
        f"{listed(worse)}.",
    )
