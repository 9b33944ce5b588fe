"""Sensitivity analysis: change one parameter of both runs at a time, and simulate again."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import resources
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from experiments.runs.compare import Comparison, Side, compare
from hwsim.csvfile import read_rows
from hwsim.errors import InputError
from hwsim.run import simulate

if TYPE_CHECKING:
    from hwsim.energy.table import EnergyTable
    from hwsim.machine.chip import Chip
    from hwsim.report import Report

COLUMNS = ("price", "of", "low_pJ_per_bit", "high_pJ_per_bit", "source")


class Parameter(NamedTuple):
    """Something of a chip: keys of its file, or actions of its energy table by the start of their names."""

    name: str
    keys: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    stated: str = ""
    """What it is called in the table of stated ranges."""


PARAMETERS = (
    Parameter("DRAM price", keys=("dram.energy_pJ_per_bit",), stated="dram"),
    Parameter("SRAM price", actions=("sram_",), stated="sram"),
    Parameter("wire price", actions=("wire_bit_mm",), stated="wire"),
    Parameter("arithmetic price", actions=("multiply_", "add_")),
    Parameter("register price", actions=("register_", "latch_")),
    Parameter("power at rest", keys=("power.leakage_W", "dram.standby_W", "power.board_W")),
    Parameter("DRAM bandwidth", keys=("dram.bandwidth_GB_per_s",)),
    Parameter("on-chip memory", keys=("sram.capacity_B",)),
    Parameter("decoder rate", keys=("decoder.symbols_per_cycle",)),
    Parameter("clock", keys=("process.clock_GHz",)),
    Parameter("power cap", keys=("power.cap_W",)),
)


class Range(NamedTuple):
    """Lowest and highest figure of a price, relative to the one in use, and who states them."""

    low: float
    high: float
    source: str


def tornado(found: Comparison, spread: float) -> pd.DataFrame:
    """Vary every parameter by ``1 - spread`` and ``1 + spread``, and prices over what is stated of them.

    Parameters
    ----------
    found : Comparison
    spread : float
        Between 0 and 1.

    Returns
    -------
    DataFrame
        Columns `parameter`, `gain_low`, `gain_high`, `swing`, `stated_low` and `stated_high` (relative to
        the figure in use), `gain_stated_low`, `gain_stated_high` and `source`; largest swing first. A
        gain is missing where a run is impossible, and stated columns where the two chips differ in
        what is meant or nothing is stated.
    """
    rows = []
    for parameter in PARAMETERS:
        low, high = (_gain(found, parameter, 1.0 + sign * spread) for sign in (-1, 1))
        stated = _stated(parameter, found)
        ends = (stated.low, stated.high) if stated else ()
        gains = [_gain(found, parameter, factor) for factor in ends] or [None, None]
        rows.append(
            {
                "parameter": parameter.name,
                "gain_low": low,
                "gain_high": high,
                "swing": abs(high - low) if low is not None and high is not None else None,
                "stated_low": stated.low if stated else None,
                "stated_high": stated.high if stated else None,
                "gain_stated_low": gains[0],
                "gain_stated_high": gains[1],
                "source": stated.source if stated else "",
            }
        )
    table = pd.DataFrame(rows).astype(dict.fromkeys(_NUMBERS, float))
    return table.sort_values("swing", ascending=False, kind="stable", ignore_index=True)


_NUMBERS = (
    "gain_low", "gain_high", "swing", "stated_low", "stated_high", "gain_stated_low", "gain_stated_high",
)  # fmt: skip


def _gain(found: Comparison, parameter: Parameter, factor: float) -> float | None:
    """Gain with one parameter of both runs changed; None if either is then impossible."""
    try:
        a, b = (_changed(side, parameter, factor) for side in (found.a, found.b))
        return compare(a, b, found.hold).gain
    except InputError:
        return None


def _changed(side: Side, parameter: Parameter, factor: float) -> Side:
    report = side.report
    chip = report.chip.replace(**{key: _scaled(report.chip, key, factor) for key in parameter.keys})
    table = _repriced(report.prices.table, parameter, factor)
    return Side(
        side.label, simulate(chip, report.workload, report.batch, table=table), test_error=side.test_error
    )


def _scaled(chip: Chip, key: str, factor: float) -> Any:
    value = attrgetter(key)(chip)
    return max(1, round(value * factor)) if isinstance(value, int) else value * factor


def _repriced(table: EnergyTable, parameter: Parameter, factor: float) -> EnergyTable:
    constants = {
        action: replace(constant, pJ=constant.pJ * factor)
        if parameter.actions and action.startswith(parameter.actions)
        else constant
        for action, constant in table.constants.items()
    }
    return replace(table, constants=constants)


def _stated(parameter: Parameter, found: Comparison) -> Range | None:
    """Find what is stated of the price, if the same is stated for both runs."""
    a, b = (_stated_of(parameter, side.report) for side in (found.a, found.b))
    return a if a == b else None


def _stated_of(parameter: Parameter, report: Report) -> Range | None:
    table, chip = report.prices.table, report.chip
    if not parameter.stated or (parameter.stated != "dram" and table.name != table.base):
        return None
    of = chip.dram.type if parameter.stated == "dram" else table.name
    in_use = {
        "dram": lambda: chip.dram.energy_pJ_per_bit,
        "sram": lambda: next(f for f in table if f.action.startswith("sram_32KiB_read")).pJ_per_bit,
        "wire": lambda: table["wire_bit_mm"].pJ,
    }[parameter.stated]
    low, high, source = _ranges().get((parameter.stated, of), (0.0, 0.0, ""))
    return Range(low / in_use(), high / in_use(), source) if source else None


@cache
def _ranges() -> dict[tuple[str, str], tuple[float, float, str]]:
    rows = read_rows(resources.files("experiments") / "data" / "stated_ranges.csv", COLUMNS)
    return {
        (row.text("price"), row.text("of")): (
            row.number("low_pJ_per_bit"),
            row.number("high_pJ_per_bit"),
            row.text("source"),
        )
        for row in rows
    }
