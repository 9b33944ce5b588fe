"""Chip keys that follow from a measurement, each with how it was measured.

The laws are those of the simulator, solved for the key:

- A kernel takes `kernels.time_us`, and its cycles over the clock and `kernels.efficiency`.
- A copy takes its bytes over the bandwidth and `dram.efficiency`.
- A board at rest draws DRAM standby, its own power and the leakage of a cold die. Leakage doubles until the
  die is hot (docs/boards.md). The two are not told apart: each is taken as half.
- A GEMV draws what is always drawn, what its operations take, and `power.clock_W` by V^2 f.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.measure.tasks import COPY, GEMV, IDLE, PLAN, SMALL
from hwsim.mapping.stripes import Units, array_cost
from hwsim.power.governors import governor_of
from hwsim.run import simulate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.measure.device import Reading
    from experiments.measure.session import Measurement
    from experiments.measure.tasks import Task
    from hwsim.machine.chip import Chip

COLD_LEAKAGE = 0.5
"""Leakage of a die at rest, relative to that of a hot die: docs/boards.md. By the 1.5% per kelvin of
data/thermal.csv a die that is 46 K cooler leaks half as much."""
DIGITS = 4
"""Of suggested values; a measurement repeats to three."""


@dataclass(frozen=True)
class Suggestion:
    """A chip key with its measured value.

    Parameters
    ----------
    key : str
    value, now : float
        What was measured, and what the chip file says.
    source : str
        For ``[sources]`` of a chip file.
    """

    key: str
    value: float
    now: float
    source: str


@dataclass(frozen=True)
class Suggestions:
    """Keys that follow, and why others do not, a sentence each."""

    keys: tuple[Suggestion, ...]
    notes: tuple[str, ...]

    @property
    def values(self) -> dict[str, float]:
        """Value of each key, for `Chip.replace`."""
        return {one.key: one.value for one in self.keys}


@dataclass(frozen=True)
class _Found:
    """A value before it is checked: its key, the range it must be in, and how it was measured."""

    key: str
    value: float
    low: float
    high: float
    how: str


def suggested(chip: Chip, measurement: Measurement) -> Suggestions:
    """Solve the simulator's laws for the keys of a chip.

    Parameters
    ----------
    chip : Chip
        The simulated board: its peak rate, bandwidth, DRAM standby and voltage curve are taken as they are.
    measurement : Measurement
        Only readings at the settings as found are used.
    """
    board = measurement.board
    where = f"{board.date}, {board.name}, driver {board.driver}"
    keys, notes = [], []
    for found in (*_times(chip, measurement), *_watts(chip, measurement)):
        if not found.low <= found.value <= found.high:
            notes.append(
                f"{found.key} is not suggested: it would be {found.value:.{DIGITS}g}, expected "
                f"{found.low:g} to {found.high:g}, so what {chip.name} says beside it does not fit this "
                f"board ({found.how})"
            )
            continue
        table, name = found.key.split(".")
        now = getattr(getattr(chip, table), name)
        value = float(f"{found.value:.{DIGITS}g}")
        keys.append(Suggestion(found.key, value, now, f"measured: {where}: {found.how}"))
    return Suggestions(tuple(keys), tuple(notes))


def as_toml(suggestions: Suggestions) -> str:
    """Write keys and their sources as tables of a chip file."""
    tables: dict[str, list[str]] = {}
    for one in suggestions.keys:
        table, name = one.key.split(".")
        tables.setdefault(table, []).append(f"{name} = {one.value!r}")
    for one in suggestions.keys:
        text = one.source.replace("\\", "\\\\").replace('"', '\\"')
        tables.setdefault("sources", []).append(f'"{one.key}" = "{text}"')
    return "\n".join("\n".join((f"[{table}]", *lines, "")) for table, lines in tables.items())


def clock_share(chip: Chip, clock_GHz: float) -> float:
    """Power of the clock tree at a clock, relative to that at the nominal one: V^2 f by the chip's curve."""
    governor = governor_of(chip)
    speed = clock_GHz / chip.process.clock_GHz
    level = min(governor.levels, max(1, round(speed * governor.levels)))
    return level / governor.levels * governor.core_scale(level)


def _work_us(chip: Chip, reading: Reading) -> float:
    """Time that the array needs for a GEMM at its peak rate and the measured clock."""
    full = chip.replace(**{"kernels.efficiency": 1.0})
    return array_cost(Units.of(full), reading.task.product, 1).cycles / (1000 * reading.clock_GHz)


def _times(chip: Chip, measurement: Measurement) -> Iterator[_Found]:
    small, copy = measurement.of(SMALL), measurement.of(COPY)
    start_us = 0.0
    if small and small.time_us:
        # its work takes a small part of its time, so that the efficiency hardly changes what is left
        start_us = small.time_us - _work_us(chip, small)
    reached = [
        (_work_us(chip, one) / (one.time_us - start_us), one)
        for one in map(measurement.of, _largest())
        if one and one.time_us
    ]
    if reached:
        efficiency, best = max(reached, key=lambda pair: pair[0])
        rate = 2e-6 * best.task.macs * best.launches / (1e6 * best.seconds)
        yield _Found(
            "kernels.efficiency",
            efficiency,
            0.01,
            1.0,
            f"{best.task.name} reaches {rate:.4g} TOPS at {best.clock_GHz:.4g} GHz",
        )
        if small and small.time_us:
            work_us = _work_us(chip, small) / efficiency
            how = f"{small.time_us:.4g} us for a {SMALL.name}, {work_us:.2g} us of it for its work"
            yield _Found("kernels.time_us", small.time_us - work_us, 0.0, 1e6, how)
    if copy and copy.time_us:
        rate = COPY.dram_B / (copy.time_us - start_us) / 1000
        how = f"a copy moves {rate:.4g} of {chip.dram.bandwidth_GB_per_s:g} GB/s"
        yield _Found("dram.efficiency", rate / chip.dram.bandwidth_GB_per_s, 0.01, 1.0, how)


def _largest() -> list[Task]:
    """The largest GEMM of each arithmetic."""
    gemms = (task for task in PLAN if task.kind == "gemm")
    return list({task.arithmetic: task for task in sorted(gemms, key=lambda task: task.macs)}.values())


def _watts(chip: Chip, measurement: Measurement) -> Iterator[_Found]:
    idle, gemv = measurement.of(IDLE), measurement.of(GEMV)
    static_W = chip.static_W
    if idle:
        rest_W = idle.power_W - chip.dram.standby_W
        how = f"{idle.power_W:.4g} W at rest less {chip.dram.standby_W:g} W of DRAM standby; "
        leakage_W, board_W = rest_W / 2 / COLD_LEAKAGE, rest_W / 2
        yield _Found("power.leakage_W", leakage_W, 0.0, 1e6, how + "half of it, doubled for a hot die")
        yield _Found("power.board_W", board_W, 0.0, 1e6, how + "the other half")
        static_W = leakage_W + board_W + chip.dram.standby_W
    if gemv and gemv.time_us:
        work_W = 1e6 * _work_J(chip, gemv) / gemv.time_us
        how = (
            f"{gemv.power_W:.4g} W in a GEMV at {gemv.clock_GHz:.4g} GHz, less {static_W:.4g} W that are "
            f"always drawn and {work_W:.3g} W for its operations"
        )
        clock_W = (gemv.power_W - static_W - work_W) / clock_share(chip, gemv.clock_GHz)
        yield _Found("power.clock_W", clock_W, 0.0, 1e6, how)


def _work_J(chip: Chip, reading: Reading) -> float:
    """Joules of the operations of one launch, beside what is drawn with time."""
    workload = reading.task.workload
    assert workload is not None
    joules = simulate(chip.replace(**{"power.cap_W": 1e6}), workload).joules_by("component")
    return sum(J for (component,), J in joules.items() if component not in ("clock", "static"))
