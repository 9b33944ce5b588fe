"""How much of a chip a power cap lets shine: tiles lit, dim, dark and starved, and where the watts go.

At every moment a tile is in one of five states, and a run spends a fraction of its tile-time in each:

=========  =====================================================================================
state      a tile
=========  =====================================================================================
lit        works at the nominal clock
dim        works at a lower clock, because of the cap
dark       is switched off, because of the cap
starved    could work but has no bits: they are late from DRAM, a decoder or the on-chip memory
waiting    has the bits but not its turn: an earlier layer or the vector unit is not done
=========  =====================================================================================

Three strategies keep the cap. *Dimming* slows the clock of all tiles, each layer's as far as it
must; *gating* keeps the clock and lights fewer tiles; *DVFS* dims and lowers the voltage with the
clock, so that each action on the core costs less.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hwsim.arrays.base import Tiled
from hwsim.energy.components import component_of
from hwsim.engine.fast import run_fast, steady_period
from hwsim.engine.stream import MAC_ARRAY
from hwsim.engine.timeline import COMPUTE
from hwsim.errors import InputError
from hwsim.power.governors import Dvfs, VoltageCurve, highest
from hwsim.power.steady import slowed
from hwsim.report import layer_limiter
from hwsim.run import simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.arrays.base import ArrayCost
    from hwsim.engine.stream import TileStream
    from hwsim.mapping.work import LayerWork
    from hwsim.power.governors import ClockScaling
    from hwsim.report import Report
    from hwsim.workload.layer import Layer

WARM_UP = 3
"""Repetitions of a run before the one in which idle time is given its reason."""


class TileTime(NamedTuple):
    """Fractions of tile-time in each state; they sum to 1, but are never added up."""

    lit: float
    dim: float
    dark: float
    starved: float
    waiting: float


@dataclass(frozen=True)
class Lighting:
    """A run in steady state under one strategy.

    Parameters
    ----------
    strategy : str
    report : Report
        Of the chip at its nominal clock and voltage, with the tiles that are lit.
    speeds, core_scale : ndarray of float64, shape (layers,)
        Clock, and energy of an action on the core, relative to nominal.
    tiles : ndarray of float64, shape (layers,)
        Fraction of the chip's tiles that are not gated.
    stream : TileStream
        With operations as long as they are at these speeds.
    period_ticks : float
    """

    strategy: str
    report: Report
    speeds: NDArray[np.float64]
    core_scale: NDArray[np.float64]
    tiles: NDArray[np.float64]
    stream: TileStream
    period_ticks: float

    @property
    def period_s(self) -> float:
        """Seconds between two batches."""
        return self.period_ticks * self.report.chip.tick_s

    @property
    def inferences_per_s(self) -> float:
        """Sustained throughput."""
        return self.report.batch / self.period_s

    @property
    def energy_per_inference_J(self) -> float:
        """Joules of one inference, static power included."""
        return sum(self.watts.values()) / self.inferences_per_s

    @cached_property
    def watts(self) -> dict[str, float]:
        """Average power by component; all static power is ``static``."""
        joules: defaultdict[str, float] = defaultdict(float)
        prices = self.report.prices
        for work, scale in zip(self.report.schedule.work, self.core_scale.tolist(), strict=True):
            for (_, component, _), nominal_J in prices.energy_J(work.counts).items():
                at_voltage = scale if component_of(component).core_voltage else 1.0
                joules[component] += nominal_J * at_voltage
        return {name: energy / self.period_s for name, energy in joules.items()} | {
            "static": self.report.chip.static_W
        }

    @property
    def capped_W(self) -> float:
        """Power that counts against the cap: all of it, or without DRAM and board."""
        if self.report.chip.power.scope == "board":
            return sum(self.watts.values())
        on_die = sum(watts for name, watts in self.watts.items() if component_of(name).on_die)
        return on_die + self.report.prices.capped_static_W

    @property
    def headroom_W(self) -> float:
        """What the cap would allow and the run does not draw."""
        return self.report.chip.power.cap_W - self.capped_W

    @cached_property
    def tile_time(self) -> TileTime:
        """How tiles spend their time."""
        busy, on = self._array_time
        full = self.speeds == 1.0
        idle = 1.0 - float(busy.sum())
        starved = idle * starved_share(self.stream)
        return TileTime(
            lit=float((on * self.tiles)[full].sum()),
            dim=float((on * self.tiles)[~full].sum()),
            dark=float((on * (1.0 - self.tiles)).sum()),
            starved=starved + float((busy - on).sum()),
            waiting=idle - starved,
        )

    @property
    def full_clock_share(self) -> float:
        """Fraction of all tiles that would do the same work, were they busy at the nominal clock always."""
        return float((self._array_time[1] * self.tiles * self.speeds).sum())

    @property
    def mean_speed(self) -> float:
        """Clock relative to nominal, averaged over the time in which the arrays work."""
        on = self._array_time[1]
        return float((on * self.speeds).sum() / on.sum()) if on.any() else 1.0

    @cached_property
    def _array_time(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fraction of the period that each layer has the arrays, and in which they are fed."""
        array = self.stream.unit == MAC_ARRAY
        ticks = np.bincount(self.stream.layer[array], self.stream.compute[array], len(self.speeds))
        fed = np.array([_fed(work) for work in self.report.schedule.work])
        return ticks / self.period_ticks, ticks * fed / self.period_ticks


def dimmed(report: Report) -> Lighting:
    """Slow the clock of each layer as far as the cap asks: what `simulate` does."""
    capped = report.capped
    nominal = np.ones(len(capped.clocks))
    return Lighting("dimming", report, capped.clocks, nominal, nominal, capped.stream, capped.period_ticks)


def voltage_scaled(report: Report) -> Lighting:
    """Lower clock and voltage of each layer together, as far as the cap asks.

    The rule is that of `hwsim.power.steady`: each layer takes the highest level at which its own power
    fits, and where layers overlap all of them make do with a smaller share, until the average fits.

    Raises
    ------
    InputError
        If the chip draws more than the cap at the lowest clock.
    """
    chip = report.chip
    curve = VoltageCurve.default(chip.process.voltage_V)
    return slowed_by(Dvfs(levels=chip.power.clock_steps, curve=curve), report)


def slowed_by(governor: ClockScaling, report: Report) -> Lighting:
    """As `voltage_scaled`, with a governor that says what a level does to the energy of the core."""
    chip, schedule, levels = report.chip, report.schedule, governor.levels
    needs = [_Need.of(work, report) for work in schedule.work]
    budget_J_per_tick = (chip.power.cap_W - report.prices.capped_static_W) * chip.tick_s

    def lighting(share: int) -> Lighting:
        level = [need.level(governor, budget_J_per_tick * share / levels) for need in needs]
        steps = np.array(level, np.int64)
        stream = slowed(schedule.stream, steps, levels)
        scale = np.array([governor.core_scale(at) for at in level])
        nominal = np.ones(len(level))
        return Lighting("DVFS", report, steps / levels, scale, nominal, stream, float(steady_period(stream)))

    def fits(share: int) -> bool:
        found = lighting(share)
        spent = sum(need.energy_J(at) for need, at in zip(needs, found.core_scale.tolist(), strict=True))
        return spent <= budget_J_per_tick * found.period_ticks

    share = highest(fits, levels)
    if share == 0:
        raise InputError(
            f"chip {chip.name}: power.cap_W is {chip.power.cap_W:g} W, expected more than what workload "
            f"{report.workload.name} draws at the lowest clock"
        )
    return lighting(share)


def gated(report: Report) -> Lighting:
    """Light fewer tiles in each layer, at the nominal clock, as the cap asks.

    The run is simulated with as many tiles as the clock of each layer would pay for, and again with
    fewer where a layer still has to slow down, until none has to or a single tile is left.

    Raises
    ------
    InputError
        If the chip's array has no tiles to gate.
    """
    chip = report.chip
    whole = chip.array_with(Tiled)
    names = [layer.name for layer in report.workload.layers]
    lit = dict.fromkeys(names, whole.tiles)
    found = report
    while fewer := _fewer(lit, dict(zip(names, found.capped.clocks.tolist(), strict=True))):
        lit |= fewer
        array = GatedTiles(whole, tuple(lit.items()))
        gated_chip = chip.model_copy(update={"array": array})
        found = simulate(gated_chip, report.workload, report.batch, table=report.prices.table)
    tiles = np.array([lit[name] for name in names]) / whole.tiles
    return replace(dimmed(found), strategy="gating", tiles=tiles)


def _fewer(lit: dict[str, int], clocks: dict[str, float]) -> dict[str, int]:
    """Tiles of the layers that still have to slow down, and have tiles to spare."""
    return {
        name: min(tiles - 1, ceil(tiles * clocks[name]))
        for name, tiles in lit.items()
        if clocks[name] < 1.0 and tiles > 1
    }


@dataclass(frozen=True)
class GatedTiles:
    """An array of which each layer lights some tiles only: see `ArrayModel`.

    Parameters
    ----------
    array : Tiled
    lit : tuple of (str, int)
        Tiles by name of the layer.
    """

    array: Tiled
    lit: tuple[tuple[str, int], ...]

    @property
    def kind(self) -> str:
        """Kind of the array."""
        return self.array.kind

    @property
    def peak_macs_per_cycle(self) -> int:
        """Multiply-accumulates per cycle if all tiles were lit."""
        return self.array.peak_macs_per_cycle

    def cost(self, layer: Layer, batch: int) -> ArrayCost:
        """Cost of `batch` items of `layer` on the tiles that are lit for it."""
        return replace(self.array, tiles=dict(self.lit)[layer.name]).cost(layer, batch)


class _Need(NamedTuple):
    """What one layer asks of a batch's budget: joules of the whole batch, ticks of one pass."""

    core_J: float
    other_J: float
    passes: int
    core_ticks: int
    dram_ticks: int

    @classmethod
    def of(cls, work: LayerWork, report: Report) -> _Need:
        off_die = Counter(
            {action: n for action, n in work.counts.items() if not component_of(action[1]).on_die}
        )
        core = Counter({action: n for action, n in work.counts.items() if component_of(action[1]).on_die})
        return cls(
            report.prices.capped_J(core),
            report.prices.capped_J(off_die),
            work.passes,
            max(ticks for resource, ticks in work.ticks.items() if resource != "dram"),
            work.ticks["dram"],
        )

    def energy_J(self, core_scale: float) -> float:
        return self.core_J * core_scale + self.other_J

    def level(self, governor: ClockScaling, budget_J_per_tick: float) -> int:
        """Highest level at which the layer alone keeps to the budget; the lowest if none does."""
        if self.core_ticks == 0:
            return governor.levels

        def fits(level: int) -> bool:
            ticks = max(self.core_ticks * governor.levels / level, self.dram_ticks)
            return self.energy_J(governor.core_scale(level)) <= budget_J_per_tick * self.passes * ticks

        return max(highest(fits, governor.levels), 1)


def starved_share(stream: TileStream) -> float:
    """Part of the arrays' idle time in which they have no bits; in the rest it is not their turn.

    Before each step, an array waits for the layers that feed it until they have ended, and from
    then on for the weights and inputs of the step.
    """
    repeated = stream.repeat(WARM_UP + 1)
    timeline = run_fast(repeated)
    steps = np.flatnonzero(repeated.unit == MAC_ARRAY)
    last = steps >= WARM_UP * len(stream)
    end = timeline.end[COMPUTE]
    free = np.concatenate([[0], end[steps][:-1]])
    idle = timeline.start[COMPUTE][steps] - free
    after = repeated.after[steps]
    turn = np.where(after >= 0, end[after], 0)
    waiting = np.clip(turn - free, 0, idle)
    total = int(idle[last].sum())
    return 1.0 - int(waiting[last].sum()) / total if total else 0.0


def _fed(work: LayerWork) -> float:
    """Part of its time on the arrays in which the on-chip memory keeps up with them."""
    wanted = work.ticks.get("array", 0)
    return wanted / max(wanted, work.ticks["sram"]) if wanted else 1.0


def roofs(report: Report) -> list[dict[str, Any]]:
    """Seconds per inference that each layer needs of each resource; the largest is its roof.

    One row a layer, for a table; `power_s` is the time in which the cap lets its energy be spent.
    """
    chip, prices = report.chip, report.prices
    dynamic_W = chip.power.cap_W - prices.capped_static_W
    rows = []
    runs = zip(report.workload.layers, report.schedule.work, report.capped.clocks.tolist(), strict=True)
    for layer, work, clock in runs:
        per_tick = work.passes * chip.tick_s / report.batch
        on_array = layer.kind != "vector"
        rows.append(
            {
                "layer": layer.name,
                "kind": layer.kind,
                "limiter": layer_limiter(work, clock),
                "clock_fraction": clock,
                "compute_s": per_tick * (work.cost.compute_cycles if on_array else work.ticks["vector"]),
                "array_load_s": per_tick * (work.cost.load_cycles if on_array else 0),
                "bandwidth_s": per_tick * work.ticks["dram"],
                "decoder_s": per_tick * work.ticks["decoder"],
                "sram_s": per_tick * work.ticks["sram"],
                "power_s": prices.capped_J(work.counts) / dynamic_W / report.batch,
            }
        )
    return rows
