"""The residency ramp: energy against on-chip memory, stage by stage.

Question. A network runs on a chip whose on-chip memory is made larger and larger. How does the energy of
an inference change, and where is the size at which all weights live on chip?

Look for. The knee of each line, marked by a dot: the least memory with which no weight is fetched any
more. Left of it is a ramp and not a cliff: weights are pinned in parts, so every byte of memory saves a
byte of DRAM traffic. On the logarithmic axis the ramp steepens towards the knee. Right of the knee more
memory costs more, because it leaks and the wires to its banks get longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.figures import residency_cliff as figure
from experiments.runs.phrases import joules, size, span
from hwsim.machine.chip import Chip, load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.figures.style import Figure
    from experiments.runs.record import Run
    from experiments.runs.tables import Tables
    from hwsim.report import Report
    from hwsim.workload.layer import Workload

STAGES = ("dense", "pruned", "shared", "huffman", "int8")
PER_OCTAVE = 4
"""Sizes of memory in each doubling."""
STEPS_PER_OCTAVE = 64
"""Sizes in each doubling that the knee is looked for at."""


@dataclass(frozen=True)
class Case:
    """A network on a chip, and the range of its memory in MiB."""

    chip: str
    network: str
    low_MiB: float
    high_MiB: float


CASES = (Case("edge", "lenet300", 1 / 64, 4), Case("reference_250w", "alexnet", 1, 128))


def produce(run: Run) -> None:
    """Simulate every case at every size and stage, and find the knees."""
    lines = pd.DataFrame([row for case in CASES for stage in STAGES for row in line(case, stage)])
    knees = pd.DataFrame([knee(case, stage) for case in CASES for stage in STAGES])
    run.write_csv("residency_cliff.csv", lines)
    run.write_csv("knees.csv", knees)


def with_memory(chip: Chip, capacity_B: int) -> Chip:
    """Change the memory of a chip: the way to its banks, its leakage and the die follow."""
    return chip.replace(**{"sram.capacity_B": capacity_B})


def line(case: Case, stage: str) -> Iterator[dict[str, Any]]:
    """One row a size of memory."""
    chip, workload = load_chip(case.chip), load_network(case.network, stage)
    steps = round(PER_OCTAVE * log2(case.high_MiB / case.low_MiB))
    for step in range(steps + 1):
        capacity_B = round(case.low_MiB * 2**20 * 2 ** (step / PER_OCTAVE))
        yield _row(case, stage, simulate(with_memory(chip, capacity_B), workload))


def knee(case: Case, stage: str) -> dict[str, Any]:
    """Find the least memory, to the byte, with which all weights live on chip.

    With more memory a faster plan may run that fetches some of them again, so a bisection alone may miss the
    least one. It is looked for in small steps, and only the last of them is halved.
    """
    chip, workload = load_chip(case.chip), load_network(case.network, stage)
    low = high = _buffers_B(chip) + ceil(workload.weight_bits / 8)
    while not _all_fits(chip, workload, high):
        low, high = high, ceil(high * 2 ** (1 / STEPS_PER_OCTAVE))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _all_fits(chip, workload, middle) else (middle, high)
    return _row(case, stage, simulate(with_memory(chip, high), workload))


def _buffers_B(chip: Chip) -> int:
    return chip.buffers.slot_B * (chip.buffers.fetch_depth + chip.buffers.decode_depth)


def _all_fits(chip: Chip, workload: Workload, capacity_B: int) -> bool:
    return simulate(with_memory(chip, capacity_B), workload).weights_home == "on chip"


def _row(case: Case, stage: str, report: Report) -> dict[str, Any]:
    return {
        "chip": case.chip,
        "network": case.network,
        "stage": stage,
        "sram_B": report.chip.sram.capacity_B,
        "weight_bytes": report.workload.weight_bits / 8,
        "weights_home": report.weights_home,
        "energy_J": report.energy_per_inference_J,
        "dram_energy_J": float(report.energy_by("component")["dram"]),
        "inferences_per_s": report.inferences_per_s,
    }


def draw(tables: Tables) -> dict[str, Figure]:
    """Draw the figure."""
    return {"residency_cliff": figure.draw(tables["residency_cliff"], tables["knees"])}


def answer(tables: Tables) -> tuple[str, str, str]:
    """Say where the knees are, what memory repays on the small chip, and that it costs on the large one."""
    knees = tables["knees"].set_index(["chip", "network", "stage"])
    lines = tables["residency_cliff"].set_index(["chip", "network", "stage"]).sort_index()
    large, small = knees.loc[("reference_250w", "alexnet")], knees.loc[("edge", "lenet300")]
    start = lines.loc[("edge", "lenet300", "dense")].nsmallest(1, "sram_B").iloc[0]
    wide = lines.loc[("reference_250w", "alexnet", "dense")]
    dense, coded = large.loc["dense"], large.loc["huffman"]
    return (
        f"All weights of AlexNet fit on chip with {size(dense['sram_B'])} of memory if they are dense, "
        f"{size(large.loc['pruned', 'sram_B'])} pruned, {size(large.loc['shared', 'sram_B'])} shared and "
        f"{size(coded['sram_B'])} Huffman-coded.",
        f"On the edge chip memory repays: dense LeNet-300-100 falls from {joules(start['energy_J'])} with "
        f"{size(start['sram_B'])} to {joules(small.loc['dense', 'energy_J'])} with "
        f"{size(small.loc['dense', 'sram_B'])}.",
        f"On the 250 W chip memory alone is no cure, because it leaks. Dense AlexNet costs "
        f"{span(wide['energy_J'], joules)} with {span(wide['sram_B'], size)} and "
        f"{joules(dense['energy_J'])} once it fits; Huffman-coded it costs {joules(coded['energy_J'])}.",
    )
