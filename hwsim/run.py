"""One run: a workload on a chip at a batch size, from schedule to joules under the cap.

Everything is in steady state: a long run of equal batches back to back.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from hwsim.audit import audit
from hwsim.engine.event import run_event
from hwsim.engine.fast import run_fast
from hwsim.errors import InputError
from hwsim.machine.cap import Cap
from hwsim.planning import build
from hwsim.power.governors import ClockScaling
from hwsim.power.steady import CapTooLow, needs_of, rounded_up, settle
from hwsim.pricing import PriceList
from hwsim.report import Report

if TYPE_CHECKING:
    from hwsim.energy.table import EnergyTable
    from hwsim.machine.chip import Chip
    from hwsim.mapping.work import Schedule
    from hwsim.power.steady import Capped
    from hwsim.workload.layer import Workload

AUDIT = "HWSIM_AUDIT"
"""Environment variable: audit every run, the engines over that many steps."""

Engine = Literal["fast", "event"]
ENGINES = {"fast": run_fast, "event": run_event}


def simulate(
    chip: Chip,
    workload: Workload,
    batch: int = 1,
    engine: Engine = "fast",
    table: EnergyTable | None = None,
) -> Report:
    """Run `workload` on `chip`.

    Parameters
    ----------
    batch : int
        Items per batch.
    engine : {"fast", "event"}
        Both give the same cycles; the event engine is the readable, slow one.
    table : EnergyTable, optional
        Prices other than the chip's own.

    Raises
    ------
    InputError
        If a layer cannot run on the chip's array, or the cap is below what the chip draws at its
        lowest clock: the message says the least cap.
    """
    prices = PriceList(chip, table)
    schedule = build(chip, workload, batch, prices)
    try:
        capped = _under_cap(chip, schedule, prices)
    except CapTooLow as refused:
        least_W = _accepted_W(chip, workload, batch, prices, refused.least_W)
        raise CapTooLow(Cap.of(chip), least_W) from refused
    report = Report(
        chip,
        workload,
        batch,
        schedule,
        capped,
        ENGINES[engine](capped.stream).makespan,
        _cold_start_s(chip, workload, schedule),
        prices,
    )
    if wanted := os.environ.get(AUDIT):
        audit(report, _steps_audited(wanted))
    return report


def _steps_audited(text: str) -> int:
    if not text.isdecimal():
        raise InputError(f"{AUDIT} is {text!r} in the environment, expected how many steps are audited")
    return int(text)


def _under_cap(chip: Chip, schedule: Schedule, prices: PriceList) -> Capped:
    """Steady state with the chip's own governor: a slower clock at the nominal voltage."""
    cap = Cap.of(chip)
    return settle(ClockScaling.of(chip), schedule.stream, needs_of(schedule.work, prices, cap), cap)


def _accepted_W(chip: Chip, workload: Workload, batch: int, prices: PriceList, least_W: float) -> float:
    """The first cap from `least_W` that the run keeps: another cap may cut the batch in another way."""
    while True:
        raised = chip.model_copy(update={"power": chip.power.model_copy(update={"cap_W": least_W})})
        try:
            _under_cap(raised, build(raised, workload, batch, prices), prices)
        except CapTooLow as refused:
            # a static power that dwarfs the network hides what the network adds to it
            least_W = max(refused.least_W, rounded_up(least_W * (1 + 1e-6)))
        else:
            return least_W


def _cold_start_s(chip: Chip, workload: Workload, schedule: Schedule) -> float:
    bits = sum(
        layer.stored_bits
        for layer, pinned in zip(workload.layers, schedule.residency.pinned, strict=True)
        if pinned
    )
    return bits / 8 / (chip.dram.bandwidth_GB_per_s * 1e9)
