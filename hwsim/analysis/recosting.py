"""Cost a finished run again with other constants of its chip's family.

The plan stays: what is fused, cut and kept on chip, and every count. What the constants set is worked out
again: ticks of the array, of DRAM and of the start of a kernel, prices, waiting power, and the clock under
the cap. That takes a fiftieth of the time of a new plan, so that constants can be fitted to many runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.engine.fast import run_fast
from hwsim.machine.cap import Cap
from hwsim.power.governors import governor_of
from hwsim.power.steady import needs_of, settle
from hwsim.pricing import PriceList

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.machine.chip import Chip
    from hwsim.mapping.work import LayerWork, Schedule
    from hwsim.report import Report


def recosted(report: Report, chip: Chip) -> Report:
    """Return a run as it is on a chip that differs in constants of `hwsim.machine.families`.

    Parameters
    ----------
    report : Report
        A run whose kernels take some time: from none, no other time follows.
    chip : Chip
        As that of the run, except for constants of its family.

    Returns
    -------
    Report
        With the plan of `report`. Ticks are rounded once more, so the period differs by some ticks from that
        of a run with the same plan.
    """
    schedule = _again(report.schedule, report.chip, chip)
    prices, cap = PriceList(chip), Cap.of(chip)
    capped = settle(governor_of(chip), schedule.stream, needs_of(schedule.work, prices, cap), cap)
    return replace(
        report,
        chip=chip,
        schedule=schedule,
        capped=capped,
        latency_ticks=run_fast(capped.stream).makespan,
        prices=prices,
    )


def _again(schedule: Schedule, old: Chip, new: Chip) -> Schedule:
    dram = old.dram.reached_GB_per_s / new.dram.reached_GB_per_s
    works = tuple(_slowed(work, old, new, dram) for work in schedule.work)
    core = np.array(
        [
            after.unit_ticks / max(before.unit_ticks, 1)
            for before, after in zip(schedule.work, works, strict=True)
        ]
    )
    stream = schedule.stream
    return replace(
        schedule,
        work=works,
        stream=replace(
            stream,
            read=_whole(stream.read * dram),
            write=_whole(stream.write * dram),
            compute=_whole(stream.compute * core[stream.layer]),
        ),
    )


def _slowed(work: LayerWork, old: Chip, new: Chip, dram: float) -> LayerWork:
    """Ticks of a layer's work with the constants of the new chip."""
    ticks = dict(work.ticks)
    ticks["dram"] = round(ticks["dram"] * dram)
    if "array" in ticks:
        ticks["array"] = round(ticks["array"] * old.kernels.efficiency / new.kernels.efficiency)
    if "kernel" in ticks:
        ticks["kernel"] = round(ticks["kernel"] * new.kernels.time_us / old.kernels.time_us)
    before, after = (
        max(each.get(name, 0) for name in ("array", "vector", "sram")) for each in (work.ticks, ticks)
    )
    started = work.ticks.get("kernel", 0)
    stretched = round((work.unit_ticks - started) * (after / before if before else 1.0))
    return replace(work, ticks=ticks, unit_ticks=bool(work.unit_ticks) * (stretched + ticks.get("kernel", 0)))


def _whole(ticks: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    return np.rint(ticks).astype(np.int64)
