"""The power cap in steady state: the clock of each layer at which power stays under the cap.

A layer lasts as long as its busiest resource. Slowing the core stretches decoding and computing,
not DRAM, and spreads the layer's energy over more time. Each layer gets the fastest clock step at
which its own power fits. Where layers overlap (one prefetches while another computes) the sum may
still exceed the cap: then all layers work to a smaller share of the dynamic budget until the power
averaged over the batch fits as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hwsim.engine.fast import steady_period
from hwsim.errors import InputError
from hwsim.power.governors import highest
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.engine.stream import TileStream
    from hwsim.machine.chip import Chip
    from hwsim.mapping.work import LayerWork, Schedule
    from hwsim.pricing import PriceList

LEAST_W = 1e-9
"""Budget that plans are compared by where the cap leaves none: they are refused once the best is known."""


@dataclass(frozen=True)
class Capped:
    """A schedule under the cap.

    Parameters
    ----------
    clocks : ndarray of float64, shape (layers,)
        Fraction of the nominal clock each layer runs at.
    stream : TileStream
        With decoding and computing stretched accordingly.
    period_ticks : float
        Ticks between two batches in steady state.
    """

    clocks: NDArray[np.float64]
    stream: TileStream
    period_ticks: float


class CapTooLow(InputError):
    """A cap that a run exceeds even at the lowest clock.

    Parameters
    ----------
    chip : Chip
    static_W : float
        Drawn at all times.
    least_W : float
        A cap that it would keep.
    """

    def __init__(self, chip: Chip, static_W: float, least_W: float) -> None:
        super().__init__(
            f"chip {chip.name}: power.cap_W is {chip.power.cap_W:g} W, expected at least {least_W:g} W: "
            f"{static_W:g} W of leakage and standby, and what the workload draws at the lowest clock"
        )
        self.static_W, self.least_W = static_W, least_W


def under_cap(chip: Chip, schedule: Schedule, prices: PriceList) -> Capped:
    """Slow each layer just enough for the cap.

    Raises
    ------
    CapTooLow
        If the chip draws more than the cap at its lowest clock.
    """
    static_W = prices.capped_static_W
    dynamic_W = chip.power.cap_W - static_W
    energies = np.array([prices.capped_J(work.counts) for work in schedule.work])
    steps = chip.power.clock_steps

    def at(clocks: NDArray[np.int64]) -> Capped:
        stream = slowed(schedule.stream, clocks, steps)
        return Capped(clocks / steps, stream, float(steady_period(stream)))

    def sharing(share: int) -> Capped:
        return at(_clock_steps(chip, schedule, energies, dynamic_W * share / steps))

    def fits(found: Capped) -> bool:
        return float(energies.sum()) <= dynamic_W * found.period_ticks * chip.tick_s

    share = highest(lambda share: fits(sharing(share)), steps) if dynamic_W > 0 else 0
    if share:
        return sharing(share)
    slowest = at(np.ones(len(energies), np.int64))
    if not fits(slowest):
        drawn_W = static_W + energies.sum() / (slowest.period_ticks * chip.tick_s)
        raise CapTooLow(chip, static_W, rounded_up(drawn_W))
    return slowest


def rounded_up(watts: float) -> float:
    """The least number of four digits that is not less."""
    unit = 10.0 ** (math.floor(math.log10(watts)) - 3)
    return math.ceil(watts / unit) * unit


def period_alone(chip: Chip, schedule: Schedule, prices: PriceList) -> float:
    """Ticks between two batches in steady state if each layer, alone, keeps the cap."""
    dynamic_W = max(chip.power.cap_W - prices.capped_static_W, LEAST_W)
    energies = np.array([prices.capped_J(work.counts) for work in schedule.work])
    clocks = _clock_steps(chip, schedule, energies, dynamic_W)
    return float(steady_period(slowed(schedule.stream, clocks, chip.power.clock_steps)))


def slowed(stream: TileStream, layer_steps: NDArray[np.int64], steps: int) -> TileStream:
    """The stream with the core of each layer at ``layer_steps / steps``; DRAM keeps its pace.

    Parameters
    ----------
    stream : TileStream
    layer_steps : ndarray of int64, shape (layers,)
        Clock steps each layer runs at, 1 to `steps`.
    steps : int
        Clock steps of the nominal clock.
    """
    step = layer_steps[stream.layer]
    return replace(
        stream, decode=ceil_div(stream.decode * steps, step), compute=ceil_div(stream.compute * steps, step)
    )


def _clock_steps(
    chip: Chip, schedule: Schedule, energies: NDArray[np.float64], dynamic_W: float
) -> NDArray[np.int64]:
    """Fastest steps at which every layer, alone, stays within its dynamic budget."""
    return np.array(
        [
            _clock_step(chip, work, energy, dynamic_W)
            for work, energy in zip(schedule.work, energies, strict=True)
        ]
    )


def _clock_step(chip: Chip, work: LayerWork, energy_J: float, dynamic_W: float) -> int:
    """Fastest step at which one layer, alone, stays within its dynamic budget."""
    steps = chip.power.clock_steps
    core = max(ticks for resource, ticks in work.ticks.items() if resource != "dram")
    needed = energy_J / work.passes / (dynamic_W * chip.tick_s)
    if core == 0 or max(core, work.ticks["dram"]) >= needed:
        return steps
    return max(1, int(core * steps / needed))
