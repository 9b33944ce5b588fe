"""Fit the constants of families to the published figures of boards.

Each row of `hwsim.analysis.boards` is simulated once, with constants that have no effect. What its kernels
then take of each resource, and spend, gives the figure of the row at any constants: a kernel takes its time
beyond its work and its busiest resource, and one clock is found at which the power over all kernels keeps the
cap. Rows that are left out, and watts of the wall, are not fitted. ``python -m experiments.bench.fit_boards``
prints the constants; `data/families.csv` holds them, rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import least_squares

from experiments.console import print_line
from hwsim.analysis.boards import measured, parts_of
from hwsim.energy.components import component_of
from hwsim.energy.dram import load_dram
from hwsim.machine.cap import Cap
from hwsim.machine.chip import load_chip
from hwsim.machine.families import constants
from hwsim.power.governors import VoltageCurve
from hwsim.pricing import OPERATION
from hwsim.run import simulate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hwsim.analysis.boards import Measured
    from hwsim.report import Report

FAMILY = "gpu"
BOUNDS = {
    "kernels.time_us": (1.0, 30.0),
    "kernels.efficiency": (0.3, 1.0),
    "dram.efficiency": (0.5, 1.0),
    "power.clock_W": (0.01, 0.8),
    "process.energy_factor": (0.5, 10.0),
    "dram.energy_pJ_per_bit": (1.0, 5.0),
}
"""Range of each constant, in the units of ``data/families.csv``."""


@dataclass(frozen=True)
class Demand:
    """What the kernels of one simulated batch take at constants without effect.

    Parameters
    ----------
    array_s, bus_s, dram_s : ndarray of float, shape (kernels,)
        Seconds of the array, of the on-chip bus, the vector unit and decoders, and of DRAM.
    other_s : float
        Seconds in which kernels wait for one another.
    starts : float
        Kernels that are started.
    array_J, memory_J, dram_J : float
        Dynamic joules of operations, of memories and wires on the die, and of DRAM.
    times : float
        How often the batch runs.
    """

    array_s: NDArray[np.float64]
    bus_s: NDArray[np.float64]
    dram_s: NDArray[np.float64]
    other_s: float
    starts: float
    array_J: float
    memory_J: float
    dram_J: float
    times: float


@dataclass(frozen=True)
class Row:
    """A published figure, the demand behind it and the board it ran on."""

    metric: str
    value: float
    demands: tuple[Demand, ...]
    items: float
    cap_W: float
    full_W: float
    static_W: float
    curve: VoltageCurve

    def predicted(self, constant: Mapping[str, float]) -> float:
        """Figure at some constants."""

        def spent(clock: float) -> tuple[float, float]:
            scale = (self.curve.voltage_V(clock) / self.curve.nominal_V) ** 2
            seconds = joules = 0.0
            for d in self.demands:
                core_s = np.maximum(d.array_s / constant["kernels.efficiency"], d.bus_s) / clock
                busy = np.maximum(core_s, d.dram_s / constant["dram.efficiency"]).sum()
                started_s = d.starts * 1e-6 * constant["kernels.time_us"]
                seconds += d.times * (busy + (started_s + d.other_s) / clock)
                core_J = (constant["process.energy_factor"] * d.array_J + d.memory_J) * scale
                joules += d.times * (core_J + constant["dram.energy_pJ_per_bit"] * d.dram_J)
            waiting_W = self.static_W + constant["power.clock_W"] * self.full_W * clock * scale
            return seconds, joules + waiting_W * seconds

        low, high = 0.02, 1.0
        seconds, joules = spent(high)
        if joules > self.cap_W * seconds:
            for _ in range(30):
                middle = (low + high) / 2
                seconds, joules = spent(middle)
                low, high = (low, middle) if joules > self.cap_W * seconds else (middle, high)
            seconds, joules = spent(low)
        return {
            "throughput": self.items / seconds,
            "latency_mean": 1e3 * seconds,
            "board_power": joules / seconds,
            "energy": joules / self.items,
        }[self.metric]


def row_of(published: Measured) -> Row:
    """Simulate a published row without the constants and keep what its kernels take."""
    chip, items = published.chip, parts_of(published)[1]
    neutral = {constant.key: constant.neutral for constant in constants() if constant.family == FAMILY}
    neutral |= {"kernels.time_us": 1.0, "dram.energy_pJ_per_bit": load_dram(chip.dram.type).pJ_per_bit}
    bare = chip.replace(**neutral, **{"power.cap_W": 1e6, "power.governor": "clock"})
    demands = tuple(
        _demand(simulate(bare, workload, batch), times) for workload, batch, times in parts_of(published)[0]
    )
    cap, full_W = Cap.of(chip), load_chip(published.board).power.cap_W
    curve = VoltageCurve.of(chip)
    return Row(published.metric, published.value, demands, items, cap.limit_W, full_W, cap.static_W, curve)


def _demand(report: Report, times: float) -> Demand:
    tick_s = report.chip.tick_s
    works = [run.work for run in report.runs if run.work.root == run.index]
    array, sram, vector, decoder, dram, kernel = (
        np.array([tick_s * work.ticks.get(name, 0) for work in works])
        for name in ("array", "sram", "vector", "decoder", "dram", "kernel")
    )
    bus = np.maximum(np.maximum(sram, vector), decoder)
    other_s = report.period_s - (np.maximum(np.maximum(array, bus), dram) + kernel).sum()
    spent = {name: report.batch * joules for (name,), joules in report.joules_by("component").items()}
    array_J = sum(spent.pop(name, 0.0) for name in OPERATION)
    dram_J = spent.pop("dram", 0.0)
    memory_J = sum(joules for name, joules in spent.items() if component_of(name).core_voltage)
    starts = 1e6 * float(kernel.sum())
    return Demand(array, bus, dram, max(other_s, 0.0), starts, array_J, memory_J, dram_J, times)


def fit(rows: Sequence[Row]) -> dict[str, float]:
    """Constants of least error: a robust fit of the logarithms of the ratios."""
    keys = list(BOUNDS)
    start = np.log([next(c.value for c in constants() if (c.family, c.key) == (FAMILY, key)) for key in keys])

    def errors(logs: NDArray[np.float64]) -> list[float]:
        constant = dict(zip(keys, np.exp(logs).tolist(), strict=True))
        return [log(row.predicted(constant) / row.value) for row in rows]

    low, high = np.log(list(BOUNDS.values())).T
    found = least_squares(errors, start, bounds=(low, high), loss="soft_l1", f_scale=0.1)
    return dict(zip(keys, np.exp(found.x).tolist(), strict=True))


def main() -> None:
    """Fit, and print the constants, the errors with them, and what each of them buys."""
    chosen = [
        row for row in measured()
        if not row.left_out and row.kind != "wall" and load_chip(row.board).kernels.family == FAMILY
    ]  # fmt: skip
    rows = Parallel(n_jobs=2)(delayed(row_of)(row) for row in chosen)
    found = fit(rows)
    ratios = np.array([row.predicted(found) / row.value for row in rows])
    for published, ratio in zip(chosen, ratios.tolist(), strict=True):
        limit = f"{published.power_limit_W:g} W" if published.power_limit_W else ""
        where = f"{published.kind:9s}{published.board:15s}{limit:6s} {published.arithmetic:5s}"
        print_line(f"{where}{published.network:14s}{published.batch:5d} {published.metric:14s}{ratio:6.2f}")
    error = np.abs(ratios - 1)
    print_line(", ".join(f"{key} {value:.4g}" for key, value in found.items()))
    print_line(
        f"mean error {error.mean():.3f}, median {np.median(error):.3f}, "
        f"within 25%: {(error < 0.25).mean():.3f}"
    )


if __name__ == "__main__":
    main()
