"""Power-management strategies: one run under each of them.

*Dimming* lowers the clock of all tiles as far as necessary, at the nominal voltage. *DVFS* also lowers the
voltage, so that each action on the core takes less energy. Both keep one clock for a window of the cap.
*Gating* keeps the clock and power-gates some tiles, layer by layer. All of them are solved by
`hwsim.power.steady.settle`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from hwsim.analysis.tiles import SteadyRun
from hwsim.arrays.base import Tiled
from hwsim.machine.cap import Cap
from hwsim.power.governors import ClockScaling, Dvfs
from hwsim.power.steady import needs_of, settle
from hwsim.run import simulate

if TYPE_CHECKING:
    from hwsim.arrays.base import ArrayCost
    from hwsim.machine.chip import Chip
    from hwsim.power.governors import Governor
    from hwsim.report import Report
    from hwsim.workload.layer import Layer


def as_run(report: Report) -> SteadyRun:
    """Return the run as it is: under the governor that the chip file names."""
    strategy = {"clock": "dimming", "dvfs": "DVFS"}[report.chip.power.governor]
    return SteadyRun(strategy, report, report.capped, np.ones(len(report.runs)))


def dimmed(report: Report) -> SteadyRun:
    """Lower the clock at the nominal voltage, as far as the cap requires.

    Raises
    ------
    CapTooLow
        If the chip draws more than the cap at the lowest clock.
    """
    return _settled("dimming", report, ClockScaling.of(report.chip))


def voltage_scaled(report: Report) -> SteadyRun:
    """Lower clock and voltage together, as far as the cap requires.

    Raises
    ------
    CapTooLow
        If the chip draws more than the cap at the lowest clock.
    """
    return _settled("DVFS", report, Dvfs.of(report.chip))


def _settled(strategy: str, report: Report, governor: Governor) -> SteadyRun:
    cap = Cap.of(report.chip)
    needs = needs_of(report.schedule.work, report.prices, cap)
    capped = settle(governor, report.schedule.stream, needs, cap)
    return SteadyRun(strategy, report, capped, np.ones(len(report.runs)))


def gated(report: Report) -> SteadyRun:
    """Use fewer tiles in each layer, at the nominal clock, as far as the cap requires.

    The run is simulated with as many tiles as the clock of each layer would pay for, and again with
    fewer where a layer still has to slow down, until none has to or a single tile is left.

    Raises
    ------
    InputError
        If the chip's array has no tiles to gate.
    """
    chip = _layer_by_layer(report.chip)
    whole = chip.array_with(Tiled)
    active = {layer.name: whole.tiles for layer in report.workload.layers}
    found = simulate(chip, report.workload, report.batch, table=report.prices.table)
    while fewer := _fewer(active, found):
        active |= fewer
        array = GatedTiles(whole, tuple(active.items()))
        gated_chip = chip.model_copy(update={"array": array})
        found = simulate(gated_chip, report.workload, report.batch, table=report.prices.table)
    tiles = np.array([active[layer.name] for layer in report.workload.layers]) / whole.tiles
    return replace(dimmed(found), strategy="gating", tiles=tiles)


def _layer_by_layer(chip: Chip) -> Chip:
    """The chip with a window so short, and a voltage so fixed, that each layer has a clock of its own."""
    power = chip.power.model_copy(update={"governor": "clock", "window_us": 1e6 * chip.tick_s})
    return chip.model_copy(update={"power": power})


def _fewer(active: dict[str, int], found: Report) -> dict[str, int]:
    """Tiles of the layers that still have to slow down, and have tiles to spare."""
    clocks = {run.layer.name: run.clock for run in found.runs}
    return {
        name: min(tiles - 1, ceil(tiles * clocks[name]))
        for name, tiles in active.items()
        if clocks[name] < 1.0 and tiles > 1
    }


@dataclass(frozen=True)
class GatedTiles:
    """An array in which each layer uses only some of the tiles; see `PerLayer`.

    Parameters
    ----------
    array : Tiled
    active : tuple of (str, int)
        Number of active tiles by layer name.
    """

    array: Tiled
    active: tuple[tuple[str, int], ...]

    @property
    def kind(self) -> str:
        """Kind of the array."""
        return self.array.kind

    @property
    def peak_macs_per_cycle(self) -> int:
        """Multiply-accumulates per cycle if all tiles were active."""
        return self.array.peak_macs_per_cycle

    def cost(self, layer: Layer, batch: int) -> ArrayCost:
        """Cost of `batch` items of `layer` on its active tiles, beside the peak of all tiles."""
        tiles = dict(self.active)[layer.name]
        cost = replace(self.array, tiles=tiles).cost(layer, batch)
        return replace(cost, peak_macs_per_cycle=cost.peak_macs_per_cycle // tiles * self.array.tiles)
