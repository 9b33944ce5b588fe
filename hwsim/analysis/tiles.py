"""A run in steady state under one strategy: tile states, and power by component.

The strategies that keep the cap, and so decide what is throttled or power-gated, are
`hwsim.analysis.strategies`. The states of a tile are defined in `hwsim.tile_states`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hwsim.machine.cap import Cap
from hwsim.tile_states import TileStates, array_ticks, peak_share, tile_states

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.mapping.work import LayerWork
    from hwsim.power.steady import Capped
    from hwsim.report import Report


@dataclass(frozen=True)
class SteadyRun:
    """A run in steady state under one strategy.

    Parameters
    ----------
    strategy : str
    report : Report
        Of the chip at its nominal clock and voltage, with the tiles that are not gated.
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
            for (_, component, _), spent_J in run.joules_at(scale).items():
                joules[component] += spent_J
        watts = {name: energy / self.period_s for name, energy in joules.items()}
        clock_W = self.cap.clock_W * self.capped.clock_factor
        if clock_W:
            watts["clock"] = watts.get("clock", 0.0) + clock_W
        return watts | {"static": self.report.chip.static_W}

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
    def states(self) -> TileStates:
        """Fractions of tile-time in each state."""
        return tile_states(self.report, self.capped, self.tiles)

    @property
    def peak_share(self) -> float:
        """Fraction of the peak MAC rate of all tiles at the nominal clock."""
        return peak_share(self.report, self.capped.period_ticks)

    @property
    def mean_speed(self) -> float:
        """Clock relative to nominal, averaged over the time in which the arrays work."""
        fed = np.array([_fed(run.work) for run in self.report.runs])
        on = array_ticks(self.capped.stream, len(fed)) * fed / self.capped.period_ticks
        return float((on * self.capped.clocks).sum() / on.sum()) if on.any() else 1.0


def _fed(work: LayerWork) -> float:
    """Part of its time on the arrays in which the on-chip memory keeps up with them."""
    wanted = work.ticks.get("array", 0)
    return wanted / max(wanted, work.ticks["sram"]) if wanted else 1.0
