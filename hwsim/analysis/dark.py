"""Dark silicon: the fraction of a die that a power cap can keep active, by technology node.

At each smaller node a die of fixed area holds more tiles, each tile can run faster, and an operation takes
less energy. If energy falls more slowly than tiles times clock rise, the cap allows an ever smaller
fraction of the die to run at full clock. The other tiles are power-gated: they are *dark*. Alternatively all
tiles are throttled: they run at a lower clock and the lower voltage which that clock allows.

Nodes are scaled by the rule of Stillmaker and Baas (`hwsim.energy.scaling`) and compared with the measured
table at 7 nm. DRAM energy and the static power of the board do not scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from scipy.optimize import brentq

from hwsim.arrays.base import Tiled
from hwsim.energy.scaling import area_factor, delay_factor, nominal_voltage
from hwsim.errors import InputError
from hwsim.power.governors import VoltageCurve

if TYPE_CHECKING:
    from hwsim.machine.cap import Cap
    from hwsim.machine.chip import Chip
    from hwsim.report import Report


@dataclass(frozen=True)
class Die:
    """A chip carried to a node: the same area, filled with the same tiles.

    Parameters
    ----------
    node_nm : float
    tiles : int
        That fit on the die.
    macs_per_tile : int
    clock_GHz, voltage_V : float
        Nominal.
    bandwidth_bits_per_s : float
        Of the DRAM.
    """

    node_nm: float
    tiles: int
    macs_per_tile: int
    clock_GHz: float
    voltage_V: float
    bandwidth_bits_per_s: float

    @property
    def peak_MAC_per_s(self) -> float:
        """All tiles at the nominal clock."""
        return 1e9 * self.tiles * self.macs_per_tile * self.clock_GHz


class Work(NamedTuple):
    """What one MAC of a workload takes, operand moves included.

    Parameters
    ----------
    core_pJ : float
        On the die, at the nominal voltage.
    dram_pJ, dram_bits : float
        Of DRAM traffic.
    """

    core_pJ: float
    dram_pJ: float
    dram_bits: float


class Powered(NamedTuple):
    """What a cap can power; rates are MACs per second.

    Parameters
    ----------
    active : float
        Fraction of the tiles that can run at the nominal clock; the others are power-gated.
    throttled_speed, throttled_voltage_V : float
        Clock of all tiles together, as a fraction of the nominal one, and its voltage.
    fed : float
        Fraction of the tiles that DRAM can keep busy at the nominal clock, without a power cap.
    active_MAC_per_s, throttled_MAC_per_s : float
        Throughput in either case, limited by DRAM bandwidth.
    """

    active: float
    throttled_speed: float
    throttled_voltage_V: float
    fed: float
    active_MAC_per_s: float
    throttled_MAC_per_s: float

    @property
    def dark(self) -> float:
        """Fraction of the tiles that are power-gated by the cap."""
        return 1.0 - self.active


def work_of(report: Report) -> Work:
    """What one MAC of a run takes, zeros included.

    Raises
    ------
    InputError
        If the run has no MACs.
    """
    macs = report.workload.macs
    if not macs:
        raise InputError(f"workload {report.workload.name}: no MACs, expected some")
    joules = report.energy_by("component")
    core_J = joules.drop(["dram", "static"], errors="ignore").sum()
    bits = (report.transferred_weight_bits + report.activation_bits) / report.batch
    return Work(1e12 * core_J / macs, 1e12 * joules.get("dram", 0.0) / macs, bits / macs)


def carried(chip: Chip, node_nm: float, die_mm2: float | None = None) -> Die:
    """Carry the tiles of a chip to a node, on a die of `die_mm2` (its own by default).

    Tiles per area and clock follow the rule; at the chip's own node they are its own.

    Raises
    ------
    InputError
        If its array has no tiles, the die is not positive, or the node lies outside the rule.
    """
    array = chip.array_with(Tiled)
    area_mm2 = chip.process.die_mm2 if die_mm2 is None else die_mm2
    if not area_mm2 > 0 or not math.isfinite(area_mm2):
        raise InputError(f"die of {area_mm2:g} mm2, expected more than 0")
    here, volts = float(chip.process.node_nm), chip.process.voltage_V
    then = volts if node_nm == here else nominal_voltage(node_nm)
    density = array.tiles / chip.process.die_mm2 / area_factor(here, node_nm)
    return Die(
        node_nm,
        max(1, round(density * area_mm2)),
        array.peak_macs_per_cycle // array.tiles,
        chip.process.clock_GHz / delay_factor(here, volts, node_nm, then),
        then,
        8e9 * chip.dram.reached_GB_per_s,
    )


def powered(die: Die, work: Work, cap: Cap) -> Powered:
    """How many tiles a cap powers at the nominal clock, and how fast all of them run instead.

    Raises
    ------
    InputError
        If the cap is not above what is drawn at all times.
    """
    cap.require_budget()
    curve = VoltageCurve.default(die.voltage_V)

    active = min(1.0, cap.budget_W / _power_W(die, work, curve, 1.0))
    speed = 1.0 if active == 1.0 else _throttled_speed(die, work, curve, cap.budget_W)
    bandwidth = die.bandwidth_bits_per_s / work.dram_bits if work.dram_bits else math.inf
    return Powered(
        active,
        speed,
        curve.voltage_V(speed),
        min(1.0, bandwidth / die.peak_MAC_per_s),
        min(active * die.peak_MAC_per_s, bandwidth),
        min(speed * die.peak_MAC_per_s, bandwidth),
    )


def _power_W(die: Die, work: Work, curve: VoltageCurve, speed: float) -> float:
    """Dynamic power of all tiles at `speed`, at the least voltage for it."""
    core_pJ = work.core_pJ * (curve.voltage_V(speed) / die.voltage_V) ** 2
    return 1e-12 * die.peak_MAC_per_s * speed * (core_pJ + work.dram_pJ)


def _throttled_speed(die: Die, work: Work, curve: VoltageCurve, budget_W: float) -> float:
    """Clock at which all tiles draw `budget_W`: proportional to it where the voltage is at its least."""
    floor = curve.speed(curve.least_V)
    floor_W = _power_W(die, work, curve, floor)
    if budget_W <= floor_W:
        return floor * budget_W / floor_W
    return float(brentq(lambda speed: _power_W(die, work, curve, speed) - budget_W, floor, 1.0, xtol=1e-12))
