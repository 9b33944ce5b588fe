"""What a run looks like in time: the event engine under the cap, as a trace that Perfetto opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwsim.analysis.chrome_trace import chrome_trace
from hwsim.machine.cap import Cap
from hwsim.power.governed import GovernedRun, run_governed
from hwsim.power.governors import governor_of
from hwsim.power.operations import operation_energy
from hwsim.power.trace import PowerTrace, power_trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.power.governors import Governor
    from hwsim.report import Report

MOST_STEPS = 20_000
"""Steps of one trace, at most: more could not be looked at."""


@dataclass(frozen=True)
class Observed:
    """Some batches of a run, governed window by window.

    Parameters
    ----------
    report : Report
    batches : int
    run : GovernedRun
    power : PowerTrace
    """

    report: Report
    batches: int
    run: GovernedRun
    power: PowerTrace


def observe(report: Report, batches: int = 3, governor: Governor | None = None) -> Observed:
    """Run up to `batches` batches on the event engine, window by window, under a governor: the board's."""
    chip, schedule = report.chip, report.schedule
    batches = max(1, min(batches, MOST_STEPS // len(schedule.stream)))
    cap = Cap.of(chip)
    energy = operation_energy(schedule, report.prices).repeat(batches)
    run = run_governed(schedule.stream.repeat(batches), energy, governor or governor_of(chip), cap)
    power = power_trace(
        run.timeline,
        run.energy,
        {"static": chip.static_W + chip.power.clock_W},
        cap.window_ticks,
        chip.tick_s,
    )
    return Observed(report, batches, run, power)


def trace_of(reports: Sequence[Report]) -> dict[str, Any]:
    """Chrome trace of several runs, a process each: DRAM, decoder, array, vector unit, power."""
    events: list[dict[str, Any]] = []
    for number, report in enumerate(reports, start=1):
        seen = observe(report)
        workload, chip = report.workload, report.chip
        title = f"{workload.name}, {workload.stage}, {seen.batches} batches of {report.batch} on {chip.name}"
        names = [layer.name for layer in workload.layers]
        stream = report.schedule.stream.repeat(seen.batches)
        one = chrome_trace(seen.run.timeline, stream, names, chip.tick_s, seen.power, title)
        events += [event | {"pid": number} for event in one["traceEvents"]]
    return {"traceEvents": events, "displayTimeUnit": "ns"}
