"""Ways to keep a chip under its cap, by name, and what each of them makes of a run.

The first three are steady states in closed form, in which the length of the cap's window plays no
part. The others run some batches on the event engine, window by window.
"""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

from experiments.runs.timelines import observe
from hwsim.analysis.strategies import dimmed, gated, voltage_scaled
from hwsim.errors import InputError
from hwsim.machine.cap import Cap
from hwsim.power.governors import ClockScaling, Dvfs, FixedClock, RaceToIdle, TileGating

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwsim.analysis.tiles import SteadyRun
    from hwsim.machine.chip import Chip
    from hwsim.power.governors import Governor
    from hwsim.report import Report

BATCHES = 4
"""Batches that are run window by window, at least; the first of them, from a cold start, is not counted."""

WINDOWS = 20
"""Windows that they last, at least, as far as one trace can be so long."""


def _steady(strategy: Callable[[Report], SteadyRun], report: Report) -> dict[str, Any]:
    found = strategy(report)
    return {
        "energy_J": found.energy_per_inference_J,
        "power_W": sum(found.watts.values()),
        "inferences_per_s": found.inferences_per_s,
        "clock_fraction": found.mean_speed,
        "peak_share": found.peak_share,
        **{f"{state}_share": share for state, share in found.states._asdict().items()},
    }


def _windowed(governor: Callable[[Chip], Governor], report: Report) -> dict[str, Any]:
    """What the batches after the first cost, and the window in which most was drawn."""
    chip = report.chip
    needed = ceil(WINDOWS * Cap.of(chip).window_s / report.period_s) + 1
    seen = observe(report, max(BATCHES, needed), governor(chip))
    if seen.batches == 1:
        raise InputError(
            f"a batch of {len(report.schedule.stream)} steps is too long to run window by window"
        )
    ends = seen.run.timeline.end.max(axis=0).reshape(seen.batches, -1).max(axis=1)
    period_s = float(ends[-1] - ends[0]) / (seen.batches - 1) * chip.tick_s
    spent = seen.run.energy.pJ.sum(axis=(0, 2)).reshape(seen.batches, -1).sum(axis=1)
    dynamic_J = 1e-12 * float(spent[1:].mean())
    power_W = dynamic_J / period_s + chip.static_W + chip.power.clock_W
    return {
        "energy_J": power_W * period_s / report.batch,
        "power_W": power_W,
        "inferences_per_s": report.batch / period_s,
        "peak_window_W": float(seen.run.window_W.max()),
        "overshoot_W": seen.run.overshoot_W,
    }


GOVERNORS: dict[str, Callable[[Report], dict[str, Any]]] = {
    "dimming": partial(_steady, dimmed),
    "gating": partial(_steady, gated),
    "DVFS": partial(_steady, voltage_scaled),
    "windowed-clock": partial(_windowed, ClockScaling.of),
    "windowed-DVFS": partial(_windowed, Dvfs.of),
    "windowed-gating": partial(_windowed, lambda chip: TileGating()),
    "race-to-idle": partial(_windowed, lambda chip: RaceToIdle()),
    "uncapped": partial(_windowed, lambda chip: FixedClock()),
}
"""Figures of a run, per inference, under each governor."""
