"""The power cap in steady state: the operating point of each layer at which power stays under the cap.

`settle` is the only solver. A governor says what a lower level does: which operations take longer,
and what an action on the core then costs. A layer lasts as long as its busiest resource. A lower
level stretches what the governor slows, not DRAM, and spreads the layer's energy over more time.
Each layer gets the highest level at which its own power fits. Where layers overlap (one prefetches
while another computes) the sum may still exceed the cap. Then all layers work to a smaller share of
the budget, until the power averaged over the batch fits as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from hwsim.energy.components import component_of
from hwsim.engine.fast import steady_period
from hwsim.engine.timeline import COMPUTE, DECODE
from hwsim.errors import InputError
from hwsim.power.governors import highest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from hwsim.engine.stream import TileStream
    from hwsim.machine.cap import Cap
    from hwsim.mapping.work import LayerWork
    from hwsim.power.governors import Governor
    from hwsim.pricing import PriceList


@dataclass(frozen=True)
class Capped:
    """A batch in steady state under a cap.

    Parameters
    ----------
    clocks : ndarray of float64, shape (layers,)
        Fraction of the nominal speed that each layer runs at.
    core_scale : ndarray of float64, shape (layers,)
        Energy of an action on the core, relative to its energy at the nominal voltage.
    stream : TileStream
        With operations as long as they are at these speeds.
    period_ticks : float
        Ticks between two batches in steady state.
    """

    clocks: NDArray[np.float64]
    core_scale: NDArray[np.float64]
    stream: TileStream
    period_ticks: float


@dataclass(frozen=True)
class LayerNeed:
    """What one layer needs of a batch.

    Parameters
    ----------
    root : int
        Layer it runs with: what a layer in another's output path needs is counted there.
    core_J, other_J : float
        Joules of the whole batch that count against the cap: on the core's supply at its nominal
        voltage, and elsewhere.
    dram_ticks, decode_ticks, compute_ticks : int
        Busy ticks of the batch, at the nominal level.
    """

    root: int
    core_J: float
    other_J: float
    dram_ticks: int
    decode_ticks: int
    compute_ticks: int

    @classmethod
    def of(cls, work: LayerWork, prices: PriceList, cap: Cap) -> LayerNeed:
        """Need of a layer's work, priced."""
        core_pJ = other_pJ = 0.0
        for (_, component, _), pJ in prices.energy_pJ(work.counts).items():
            if component_of(component).core_voltage:
                core_pJ += pJ
            elif cap.counts(component):
                other_pJ += pJ
        return cls(
            work.root,
            1e-12 * core_pJ,
            1e-12 * other_pJ,
            work.ticks["dram"],
            work.ticks["decoder"],
            work.unit_ticks,
        )

    def joined(self, other: LayerNeed) -> LayerNeed:
        """Need of both layers, the other one in the output path of this one."""
        return replace(self, core_J=self.core_J + other.core_J, other_J=self.other_J + other.other_J)

    def energy_per_batch_J(self, core_scale: float) -> float:
        """Joules of the whole batch, an action on the core costing `core_scale` of its nominal energy."""
        return self.core_J * core_scale + self.other_J

    def level(self, governor: Governor, budget_J_per_tick: float) -> int:
        """Highest level at which the layer alone keeps to the budget; the lowest if none does."""
        phases = ((DECODE, self.decode_ticks), (COMPUTE, self.compute_ticks))
        slowed = max((ticks for phase, ticks in phases if phase in governor.slows), default=0)
        kept = max([self.dram_ticks, *(ticks for phase, ticks in phases if phase not in governor.slows)])
        if slowed == 0:
            return governor.levels

        def fits(level: int) -> bool:
            needed = self.energy_per_batch_J(governor.core_scale(level)) / budget_J_per_tick
            return kept >= needed or slowed * governor.levels / needed >= level

        return max(highest(fits, governor.levels), 1)


class CapTooLow(InputError):
    """A cap that a run exceeds even at the lowest level.

    Parameters
    ----------
    cap : Cap
    least_W : float
        A cap that it would keep.
    """

    def __init__(self, cap: Cap, least_W: float) -> None:
        super().__init__(
            f"chip {cap.chip}: power.cap_W is {cap.limit_W:g} W, expected at least {least_W:g} W: "
            f"{cap.static_W:g} W of leakage and standby, and what the workload draws at the lowest clock"
        )
        self.least_W = least_W


def needs_of(work: Iterable[LayerWork], prices: PriceList, cap: Cap) -> tuple[LayerNeed, ...]:
    """Needs of all layers of a batch; a layer in the output path of another needs nothing of its own."""
    needs = [LayerNeed.of(layer, prices, cap) for layer in work]
    for index, need in enumerate(needs):
        if need.root != index:
            needs[need.root] = needs[need.root].joined(need)
            needs[index] = LayerNeed(need.root, 0.0, 0.0, 0, 0, 0)
    return tuple(needs)


def settle(governor: Governor, stream: TileStream, needs: Sequence[LayerNeed], cap: Cap) -> Capped:
    """Steady state that a governor reaches: each layer slowed just enough for the cap.

    Parameters
    ----------
    governor : Governor
        One that pauses (race-to-idle) stretches the period instead of refusing the cap. One that
        ignores the cap stays at its highest level.
    stream : TileStream
        One batch at the highest level.
    needs : sequence of LayerNeed
        One for each layer of `stream`.
    cap : Cap

    Raises
    ------
    CapTooLow
        If the chip draws more than the cap at the lowest level.
    InputError
        If the governor pauses and the cap leaves nothing for work.
    """
    core_J = np.array([need.core_J for need in needs])
    other_J = np.array([need.other_J for need in needs])

    def energy_J(found: Capped) -> float:
        return float((core_J * found.core_scale + other_J).sum())

    @cache
    def sharing(share: int) -> Capped:
        budget_J_per_tick = cap.budget_W * share / governor.levels * cap.tick_s
        return _at(governor, stream, _alone(governor, needs, budget_J_per_tick))

    def fits(found: Capped) -> bool:
        return energy_J(found) <= cap.budget_W * found.period_ticks * cap.tick_s

    if not governor.obeys_cap:
        return _at(governor, stream, np.full(len(needs), governor.levels))
    share = highest(lambda share: fits(sharing(share)), governor.levels) if cap.budget_W > 0 else 0
    if share:
        return sharing(share)
    slowest = _at(governor, stream, np.ones(len(needs), np.int64))
    if fits(slowest):
        return slowest
    if governor.pauses:
        cap.require_budget()
        return replace(slowest, period_ticks=energy_J(slowest) / (cap.budget_W * cap.tick_s))
    raise CapTooLow(cap, rounded_up(cap.drawn_W(energy_J(slowest), slowest.period_ticks * cap.tick_s)))


def rounded_up(watts: float) -> float:
    """The least number of four digits that is not less."""
    unit = 10.0 ** (math.floor(math.log10(watts)) - 3)
    return math.ceil(watts / unit) * unit


def slowed(stream: TileStream, governor: Governor, levels: NDArray[np.int64]) -> TileStream:
    """The stream with each layer at a level of its own; DRAM keeps its pace.

    Parameters
    ----------
    stream : TileStream
        At the highest level.
    governor : Governor
    levels : ndarray of int64, shape (layers,)
        Level that each layer runs at, 1 to ``governor.levels``.
    """
    level = levels[stream.layer]
    return replace(
        stream,
        decode=governor.ticks(DECODE, stream.decode, level),
        compute=governor.ticks(COMPUTE, stream.compute, level),
    )


def _at(governor: Governor, stream: TileStream, levels: NDArray[np.int64]) -> Capped:
    found = slowed(stream, governor, levels) if (levels < governor.levels).any() else stream
    scale = np.array([governor.core_scale(level) for level in levels.tolist()])
    return Capped(levels / governor.levels, scale, found, float(steady_period(found)))


def _alone(governor: Governor, needs: Sequence[LayerNeed], budget_J_per_tick: float) -> NDArray[np.int64]:
    """Highest levels at which every layer, alone, stays within the budget."""
    levels = np.array([need.level(governor, budget_J_per_tick) for need in needs])
    return levels[[need.root for need in needs]]
