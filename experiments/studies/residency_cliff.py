"""The residency cliff: joules against on-chip memory, stage by stage.

Question. A network runs on a chip whose on-chip memory is made larger and larger. How do the joules of
an inference fall, and where is the size at which everything lives on chip?

Look for. The knee of each line, marked by a dot: the least memory with which no weight is fetched any
more. Compression moves it to the left, by as much as it shrinks the file. Left of it the line
falls layer by layer, as one after the other moves on chip; right of it more memory
costs more, because the wires to its banks get longer and it leaks.

Answer. AlexNet lives on chip from 235 MiB dense, 37 MiB pruned, 11.2 MiB shared and 9.2 MiB Huffman-coded:
within the 10 MiB of the 250 W chip only as the last of them, though shared lacks only the 1.2 MiB of its
convolutions. Of the 54 mJ of a dense inference with 10 MiB, its own knee would save 61%, but nobody builds
235 MiB of SRAM; compression saves 85% with 9.2 MiB. The cliff is steep where one layer holds most weights:
LeNet-300-100 falls 13 times between 0.85 and 1.03 MiB dense, and the compressed stages, on chip from 36 to
117 KiB, cost less than half of even that, for they read fewer bits of a smaller memory.
int8 is the lowest line right of its knee: it computes in 8 bits, and the other stages in fp32.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.figures import residency_cliff as figure
from experiments.figures import style
from hwsim.machine.chip import Chip, load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.runs.record import Run
    from hwsim.report import Report
    from hwsim.workload.layer import Workload

STAGES = ("dense", "pruned", "shared", "huffman", "int8")
PER_OCTAVE = 4
"""Sizes of memory in each doubling."""


@dataclass(frozen=True)
class Case:
    """A network on a chip, and the range of its memory in MiB."""

    chip: str
    network: str
    low_MiB: float
    high_MiB: float


CASES = (Case("edge", "lenet300", 1 / 64, 4), Case("reference_250w", "alexnet", 1, 215))


def produce(run: Run) -> None:
    """Simulate every case at every size and stage, and find the knees."""
    lines = pd.DataFrame([row for case in CASES for stage in STAGES for row in line(case, stage)])
    knees = pd.DataFrame([knee(case, stage) for case in CASES for stage in STAGES])
    run.write_csv("residency_cliff.csv", lines)
    run.write_csv("knees.csv", knees)
    style.save(figure.draw(lines, knees), run.folder / "residency_cliff")


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
    """Find the least memory, to the byte, with which all weights live on chip."""
    chip, workload = load_chip(case.chip), load_network(case.network, stage)
    low = _buffers_B(chip) + ceil(workload.weight_bits / 8)
    beside = 1
    while not _all_fits(chip, workload, low + beside):
        beside *= 2
    high = low + beside
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
