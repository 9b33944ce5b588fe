"""The residency ramp: energy against on-chip memory, stage by stage.

Question. A network runs on a chip whose on-chip memory is made larger and larger. How does the energy of
an inference change, and where is the size at which all weights live on chip?

Look for. The knee of each line, marked by a dot: the least memory with which no weight is fetched any
more. Left of it is a ramp and not a cliff: weights are pinned in parts, so every byte of memory saves a
byte of DRAM traffic. On the logarithmic axis the ramp steepens towards the knee. Right of the knee more
memory costs more, because it leaks and the wires to its banks get longer.

Answer. Pruning and sharing move the knee to the left by about as much as they shrink the weights. AlexNet
lives on chip from 236 MiB dense, 36.8 MiB pruned and 11.1 MiB shared. The search puts the Huffman-coded
knee at 11.7 MiB, although those weights are smaller and all live on chip at 10 MiB, too. At most sizes
from 9 MiB to the knee the search prefers a plan that is 1% faster and fetches up to 2% of the weights. In the
10 MiB of the 250 W chip only the Huffman-coded network fits. The cliff has vanished: the shared network,
of which 92% is on chip there, costs only 2% more. Dense AlexNet gains little from memory: it costs 48 to
53 mJ from 1 to 128 MiB, because a MiB of fast cells leaks 0.95 W. At its own knee it costs 68 mJ (the dot
is off the panel), because leakage and standby draw 231 W of the 250 W. On the edge chip memory repays:
LeNet-300-100 falls from 186 µJ at 16 KiB to 10 µJ at 1.03 MiB, 19 times, in proportion to what is pinned.
Its compressed stages, on chip from 35 to 116 KiB, cost 56% to 61% of those 10 µJ, because they read fewer
bits of a smaller memory. int8 has the least energy right of its knee on both chips: it computes in 8 bits
and the other stages in fp32. On the edge chip it costs 3.0 µJ, about half of what the shared network
costs. On the 250 W chip leakage takes most of that advantage: with 59 MiB int8 costs 5.3 mJ, 12% less than
the Huffman-coded network with 10 MiB.
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
