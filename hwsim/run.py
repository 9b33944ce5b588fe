"""Simulate one run: a workload on a chip at one batch size, under the power cap.

Results describe the steady state: equal batches that run back to back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hwsim.engine.event import run_event
from hwsim.engine.fast import run_fast
from hwsim.errors import InputError, require_type
from hwsim.machine.cap import Cap
from hwsim.mapping.steps import Cut
from hwsim.names import chip_of, table_of, workload_of
from hwsim.planning import build
from hwsim.power.governors import governor_of
from hwsim.power.steady import CapTooLow, needs_of, rounded_up, settle
from hwsim.pricing import PriceList
from hwsim.report import Report
from hwsim.whole import require_whole
from hwsim.workload.precision import computed_in

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.energy.table import EnergyTable
    from hwsim.machine.chip import Chip
    from hwsim.mapping.work import Schedule
    from hwsim.power.steady import Capped
    from hwsim.workload.layer import Workload

Engine = Literal["fast", "event"]
ENGINES = {"fast": run_fast, "event": run_event}


def simulate(
    chip: Chip | str | Path,
    workload: Workload | str | Path,
    batch: int = 1,
    engine: Engine = "fast",
    table: EnergyTable | str | Path | None = None,
    *,
    stage: str | None = None,
    arithmetic: str | None = None,
) -> Report:
    """Simulate a network on a chip and return its energy, time and limits.

    Parameters
    ----------
    chip : Chip, str or Path
        A chip, the name of a shipped one (`hwsim.chips`), or a ``.toml`` chip file.
    workload : Workload, str or Path
        A workload, the name of a shipped network (`hwsim.networks`), or a ``.csv`` table of layers. A
        compressed file becomes a workload by `compress.workload_of`.
    batch : int
        Items per batch.
    engine : {"fast", "event"}
        Both give the same cycles. ``event`` is slower; its code is written to be read.
    table : EnergyTable, str or Path, optional
        Energy per action: a table, the name of a shipped one, or a ``.csv`` file. The chip's own table by
        default.
    stage : str, optional
        Stage of a shipped network, such as ``huffman``; ``dense`` by default.
    arithmetic : str, optional
        What every layer multiplies, for example ``fp16``. Each layer's own by default, or the nearest that
        the chip has: see `hwsim.workload.precision`.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If an argument has the wrong type, a name is unknown, or a layer cannot run on the chip's array.
        Also if the chip exceeds the power cap at its lowest clock; the message gives the lowest cap that
        works.

    Examples
    --------
    >>> report = simulate("edge", "lenet5", stage="huffman")
    """
    chip, workload = chip_of(chip), workload_of(workload, stage)
    _check(batch, engine)
    require_type(arithmetic, (str, type(None)), "arithmetic", "the name of one, or None")
    batch = 1 if workload.alone else int(batch)
    workload = computed_in(workload, chip.arithmetics, arithmetic, chip.name)
    prices = PriceList(chip, None if table is None else table_of(table))
    schedule = build(chip, workload, batch, prices)
    try:
        capped = _under_cap(chip, schedule, prices)
    except CapTooLow as refused:
        least_W = _accepted_W(chip, workload, batch, prices, refused.least_W)
        raise CapTooLow(Cap.of(chip), least_W) from refused
    return Report(
        chip,
        workload,
        batch,
        schedule,
        capped,
        ENGINES[engine](capped.stream).makespan,
        _cold_start_s(chip, workload, schedule),
        prices,
    )


def _check(batch: int, engine: str) -> None:
    require_whole(batch, "batch", "a whole number of items, at least 1", 1)
    require_type(engine, str, "engine", f"one of {', '.join(ENGINES)}")
    if engine not in ENGINES:
        raise InputError(f"engine is {engine!r}, expected one of {', '.join(ENGINES)}")


def _under_cap(chip: Chip, schedule: Schedule, prices: PriceList) -> Capped:
    """Steady state under the cap with the governor of the board."""
    cap = Cap.of(chip)
    return settle(governor_of(chip), schedule.stream, needs_of(schedule.work, prices, cap), cap)


def _accepted_W(chip: Chip, workload: Workload, batch: int, prices: PriceList, least_W: float) -> float:
    """First cap, from `least_W` up, that the run keeps. It is tried, because the plan depends on the cap."""
    while True:
        raised = chip.model_copy(update={"power": chip.power.model_copy(update={"cap_W": least_W})})
        try:
            _under_cap(raised, build(raised, workload, batch, prices), prices)
        except CapTooLow as refused:
            # when static power is very large, adding the small power of the network changes no digit of it
            least_W = max(refused.least_W, rounded_up(least_W * (1 + 1e-6)))
        else:
            return least_W


def _cold_start_s(chip: Chip, workload: Workload, schedule: Schedule) -> float:
    """Time to bring what stays on chip, and to decode what is decoded once, beside each other."""
    residency, bits, ticks = schedule.residency, 0, 0.0
    for index, layer in enumerate(workload.layers):
        if layer.weights and layer.like is None:
            bits += residency.pinned_bits[index]
            part = residency.pinned_bits[index] / max(layer.weights.total_bits, 1)
            ticks += residency.decoded_once[index] * part * Cut(layer, chip).decode_ticks_of_all
    return max(bits / 8 / (chip.dram.reached_GB_per_s * 1e9), ticks * chip.tick_s)
