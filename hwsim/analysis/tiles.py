"""Tile activity under a power cap, and power by component.

A tile is in one of five states at any time. A run spends a fraction of its tile-time in each state:

=========  =====================================================================================
state      a tile
=========  =====================================================================================
lit        active at the nominal clock
dim        throttled: active at a lower clock, because of the cap
dark       power-gated, because of the cap
starved    memory-bound: its data are late from DRAM, a decoder or the on-chip memory
waiting    stalled on another unit: an earlier layer or the vector unit has not finished
=========  =====================================================================================

The strategies that keep the cap, and so decide what is throttled or gated, are `hwsim.analysis.strategies`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.energy.components import component_of
from hwsim.engine.fast import run_fast
from hwsim.engine.stream import MAC_ARRAY
from hwsim.engine.timeline import COMPUTE
from hwsim.machine.cap import Cap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.engine.stream import TileStream
    from hwsim.mapping.work import LayerWork
    from hwsim.power.steady import Capped
    from hwsim.report import Report

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
    capped : Capped
        Clocks, core energy, stream and period that the strategy settles at.
    tiles : ndarray of float64, shape (layers,)
        Fraction of the chip's tiles that are not gated.
    """

    strategy: str
    report: Report
    capped: Capped
    tiles: NDArray[np.float64]

    @cached_property
    def cap(self) -> Cap:
        """The cap that the strategy keeps."""
        return Cap.of(self.report.chip)

    @property
    def period_s(self) -> float:
        """Seconds between two batches."""
        return self.capped.period_ticks * self.report.chip.tick_s

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
        for run in self.report.runs:
            scale = self.capped.core_scale.item(run.index)
            for (_, component, _), nominal_J in run.joules().items():
                joules[component] += nominal_J * (scale if component_of(component).core_voltage else 1.0)
        return {name: energy / self.period_s for name, energy in joules.items()} | {
            "static": self.report.chip.static_W
        }

    @property
    def capped_W(self) -> float:
        """Power that counts against the cap: all of it, or without DRAM and board."""
        dynamic = {name: watts for name, watts in self.watts.items() if name != "static"}
        return sum(watts for name, watts in dynamic.items() if self.cap.counts(name)) + self.cap.static_W

    @property
    def headroom_W(self) -> float:
        """What the cap would allow and the run does not draw."""
        return self.cap.limit_W - self.capped_W

    @cached_property
    def tile_time(self) -> TileTime:
        """How tiles spend their time."""
        busy, on = self._array_time
        full = self.capped.clocks == 1.0
        idle = 1.0 - float(busy.sum())
        starved = idle * starved_share(self.capped.stream)
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
        return float((self._array_time[1] * self.tiles * self.capped.clocks).sum())

    @property
    def mean_speed(self) -> float:
        """Clock relative to nominal, averaged over the time in which the arrays work."""
        on = self._array_time[1]
        return float((on * self.capped.clocks).sum() / on.sum()) if on.any() else 1.0

    @cached_property
    def _array_time(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fraction of the period that each layer has the arrays, and in which they are fed."""
        stream, period = self.capped.stream, self.capped.period_ticks
        array = stream.unit == MAC_ARRAY
        ticks = np.bincount(stream.layer[array], stream.compute[array], len(self.capped.clocks))
        fed = np.array([_fed(run.work) for run in self.report.runs])
        return ticks / period, ticks * fed / period


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
