"""Does more of something ever cost more? Sweeps of batch, memory, bandwidth, cap and tiles, step by step.

More on-chip memory, DRAM bandwidth, watts or tiles shall make neither time nor joules per inference worse,
nor shall a larger batch, except as far as whole passes and folds (ceilings) ask for it: a batch may cost
what its best division into two smaller ones costs, but no more. Plans may trade time for joules, so
their product, the energy-delay product, is a figure of its own. Each row of the table is a network on a chip
along one axis, with the worst step up of every figure, and of batches with the worst excess over a division.
On a chip whose voltage follows its clock, a higher cap raises joules by the voltage; `FIXED` sweeps the
cap at the nominal voltage::

    python -m experiments.bench.monotone -o results/reference/monotone
"""

from __future__ import annotations

import argparse
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from experiments.runs.parallel import in_order
from experiments.runs.record import recording
from experiments.threads import use_one_thread
from hwsim.errors import InputError
from hwsim.machine.chip import load_chip
from hwsim.run import simulate
from hwsim.workload.networks import load_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.machine.chip import Chip
    from hwsim.report import Report

CHIPS = ("edge", "phone", "reference_250w", "a100_pcie")
NETWORKS = (
    "lenet300", "lenet5", "alexnet", "squeezenet1_1", "resnet18", "mobilenet_v2", "bert_layer",
    "llama_layer_decode",
)  # fmt: skip
STAGES = {"phone": "int8", "a100_pcie": "fp16"}
"""Stage that a chip is swept with, where it is not ``dense``."""

KEYS = {
    "memory": "sram.capacity_B",
    "bandwidth": "dram.bandwidth_GB_per_s",
    "cap": "power.cap_W",
    "cap at one voltage": "power.cap_W",
    "tiles": "array.tiles",
}
"""Axis -> the key of the chip that is swept."""

FIXED = "cap at one voltage"
"""The axis along which the clock follows the cap, and the voltage does not."""

RATIO, REACH = 1.02, 4.0
"""Steps of a key, and how far below and above the chip's own value they go."""

BATCHES = range(1, 101)


class Point(NamedTuple):
    """One point of a sweep: the value, and what must not grow with it, per inference."""

    value: float
    time_s: float
    energy_J: float
    dram_bits: float

    @property
    def energy_delay(self) -> float:
        """Energy-delay product, in J s."""
        return self.time_s * self.energy_J


FIGURES = ("time_s", "energy_J", "energy_delay", "dram_bits")
"""What must not grow along a sweep."""


def values_of(chip: Chip, axis: str) -> list[float]:
    """Values of an axis, smallest first; of a key those between its own over and times `REACH`."""
    if axis == "batch":
        return [float(batch) for batch in BATCHES]
    table, _, name = KEYS[axis].partition(".")
    own = getattr(getattr(chip, table), name)
    found, value = [], own / REACH
    while value <= own * REACH:
        found.append(max(1, round(value)) if isinstance(own, int) else value)
        value *= RATIO
    return sorted(set(found))


def sweep(chip_name: str, network: str, axis: str, values: Sequence[float] | None = None) -> list[Point]:
    """Simulate along an axis; values that the chip cannot have are left out."""
    chip = load_chip(chip_name)
    workload = load_network(network, STAGES.get(chip_name, "dense"))
    points = []
    for value in values or values_of(chip, axis):
        try:
            if axis == "batch":
                report = simulate(chip, workload, int(value))
            else:
                report = simulate(_with_key_alone(chip, axis, value), workload)
        except InputError:
            continue
        points.append(_point(value, report))
    return points


def _with_key_alone(chip: Chip, axis: str, value: float) -> Chip:
    """A chip with one key changed and all that would follow from it left as it is."""
    table, _, name = KEYS[axis].partition(".")
    if table == "array":
        return chip.replace(**{KEYS[axis]: value})
    changes = {name: value} | ({"governor": "clock"} if axis == FIXED else {})
    section = getattr(chip, table).model_copy(update=changes)
    return chip.model_copy(update={table: section})


def _point(value: float, report: Report) -> Point:
    bits = report.requested_weight_bits + report.activation_bits
    return Point(value, report.period_s / report.batch, report.energy_per_inference_J, bits / report.batch)


def worst_steps(points: Sequence[Point]) -> dict[str, float]:
    """Largest rise of each figure from one point to the next, in percent, and where it is."""
    found: dict[str, float] = {}
    for name in FIGURES:
        rises = [(_rise(getattr(a, name), getattr(b, name)), b.value) for a, b in pairwise(points)]
        found[f"{name}_worst_pct"], found[f"{name}_at"] = max(rises, default=(0.0, 0.0))
    return found


def worst_divisions(points: Sequence[Point]) -> dict[str, float]:
    """How much more a batch costs than its best division in two, in percent, at worst, and where it is.

    Parameters
    ----------
    points : sequence of Point
        Of the batches 1, 2, 3...; figures are per inference.
    """
    sums = [Point(0.0, 0.0, 0.0, 0.0), *(_whole(point) for point in points)]
    found: dict[str, float] = {}
    for name in FIGURES:
        excess = [
            (
                _rise(
                    min(_of_both(sums, part, batch, name) for part in range(1, batch)), getattr(whole, name)
                ),
                batch,
            )
            for batch, whole in enumerate(sums)
            if batch > 1
        ]
        found[f"{name}_division_pct"], found[f"{name}_division_at"] = max(excess, default=(0.0, 0))
    return found


def _whole(point: Point) -> Point:
    """Figures of a whole batch."""
    return Point(point.value, *(point.value * figure for figure in point[1:]))


def _of_both(sums: Sequence[Point], part: int, batch: int, name: str) -> float:
    """A figure of a batch that is run as two smaller ones, one after the other."""
    both = Point(batch, *(a + b for a, b in zip(sums[part][1:], sums[batch - part][1:], strict=True)))
    return float(getattr(both, name))


def _rise(before: float, after: float) -> float:
    return 100.0 * (after / before - 1.0) if before else 0.0


def _row(chip: str, network: str, axis: str) -> dict[str, object]:
    points = sweep(chip, network, axis)
    row = {"chip": chip, "network": network, "axis": axis, "points": len(points)} | worst_steps(points)
    return row | worst_divisions(points) if axis == "batch" else row


def main() -> None:
    """Sweep everything and write the table."""
    use_one_thread()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--chips", nargs="*", default=CHIPS)
    parser.add_argument("--networks", nargs="*", default=NETWORKS)
    parser.add_argument("--axes", nargs="*", default=("batch", *KEYS))
    args = parser.parse_args()
    with recording("monotone", args.output) as run:
        run.write_csv(
            "monotone.csv", pd.DataFrame(in_order(_row, list(product(args.chips, args.networks, args.axes))))
        )


if __name__ == "__main__":
    main()
