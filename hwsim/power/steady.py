"""The power cap in steady state: the clock at which power stays under the cap.

`settle` is the only solver. A governor says what a lower level does: which operations take longer,
and what an action on the core then costs. The cap holds over a window, and the governor keeps one level for
it. A batch that is shorter than a window has one level: the highest at which its energy, over the time that
the stream takes at it, fits the cap, so that light layers lend to heavy ones. A longer batch is divided into
groups of layers that each last a window. A group lasts as long as its busiest resources, and gets the highest
level at which its own power fits. Where groups overlap (one prefetches while another computes) the sum may
still exceed the cap. Then all groups work to a smaller share of the budget, until the average fits as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from hwsim.energy.components import component_of
from hwsim.engine.fast import steady_period
from hwsim.engine.timeline import COMPUTE, DECODE
from hwsim.errors import InputError
from hwsim.power.governors import highest, highest_near

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from hwsim.engine.stream import TileStream
    from hwsim.machine.cap import Cap
    from hwsim.mapping.work import LayerWork
    from hwsim.power.governors import Governor
    from hwsim.pricing import PriceList


ALL = slice(None)


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
    clock_factor : float
        Power of the clock tree, relative to that at the nominal clock and voltage: the mean of V^2 f.
    """

    clocks: NDArray[np.float64]
    core_scale: NDArray[np.float64]
    stream: TileStream
    period_ticks: float
    clock_factor: float


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

    @property
    def busy_ticks(self) -> int:
        """Ticks of its busiest resource at the nominal level."""
        return max(self.dram_ticks, self.decode_ticks, self.compute_ticks)


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
    """Steady state that a governor reaches: slowed just enough for the cap.

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
    batch = _Batch(governor, stream, tuple(needs), cap)
    if not governor.obeys_cap:
        return batch.at(governor.levels)
    groups = groups_of(needs, cap.window_ticks)
    if cap.budget_W > 0:
        found = batch.one_level() if len(groups) == 1 else batch.by_groups(groups)
        if found:
            return found
    slowest = batch.at(1)
    if batch.fits(slowest):
        return slowest
    if governor.pauses:
        cap.require_budget()
        period_ticks = batch.dynamic_J(slowest) / (cap.budget_W * cap.tick_s)
        active = slowest.period_ticks / period_ticks
        return replace(slowest, period_ticks=period_ticks, clock_factor=slowest.clock_factor * active)
    raise CapTooLow(cap, rounded_up(cap.drawn_W(batch.dynamic_J(slowest), slowest.period_ticks * cap.tick_s)))


def groups_of(needs: Sequence[LayerNeed], window_ticks: int) -> list[range]:
    """Divide the layers, in order, into groups that each last a window, as far as there are so many.

    A layer in the output path of another stays with it. What is left at the end is a group of its own,
    however short; layers that take no time join the last group.
    """
    ends, ticks = [0], 0
    for index, need in enumerate(needs):
        ticks += need.busy_ticks
        following = index + 1
        together = following < len(needs) and needs[following].root < following
        if ticks >= window_ticks and not together:
            ends.append(following)
            ticks = 0
    if len(ends) > 1 and not any(need.busy_ticks for need in needs[ends[-1] :]):
        ends.pop()
    ends.append(len(needs))
    return [range(first, end) for first, end in pairwise(ends)]


@dataclass(frozen=True)
class _Batch:
    """One batch under a governor and a cap, at any levels."""

    governor: Governor
    stream: TileStream
    needs: tuple[LayerNeed, ...]
    cap: Cap

    @cached_property
    def _table(self) -> NDArray[np.float64]:
        """Joules on the core, other joules, and ticks of DRAM, decoders and units, of every layer."""
        rows = [(n.core_J, n.other_J, n.dram_ticks, n.decode_ticks, n.compute_ticks) for n in self.needs]
        return np.array(rows, np.float64).reshape(-1, 5).T

    def at(self, level: int) -> Capped:
        """All layers at one level."""
        return self.at_levels(np.full(len(self.needs), level, np.int64))

    def at_levels(self, levels: NDArray[np.int64]) -> Capped:
        """Each layer at its own level."""
        governor = self.governor
        found = slowed(self.stream, governor, levels) if (levels < governor.levels).any() else self.stream
        scales = {level: governor.core_scale(level) for level in set(levels.tolist())}
        scale = np.array([scales[level] for level in levels.tolist()])
        clocks, ticks = levels / governor.levels, self._ticks(levels)
        factor = (
            float(np.average(clocks * scale, weights=ticks if ticks.any() else None)) if len(levels) else 1.0
        )
        return Capped(clocks, scale, found, float(steady_period(found)), factor)

    def _ticks(self, levels: NDArray[np.int64] | int, layers: slice = ALL) -> NDArray[np.float64]:
        """Ticks of the busiest resource of each layer at its level."""
        _, _, dram, decode, compute = self._table[:, layers]
        speed, slows = self.governor.levels / levels, self.governor.slows
        decode, compute = (
            ticks * speed if phase in slows else ticks
            for phase, ticks in ((DECODE, decode), (COMPUTE, compute))
        )
        return np.maximum(dram, np.maximum(decode, compute))

    def dynamic_J(self, found: Capped) -> float:
        """Joules of a batch that count against the cap, beside what is always drawn."""
        core_J, other_J = self._table[:2]
        clock_W = self.cap.clock_W * found.clock_factor
        energy_J = float((core_J * found.core_scale + other_J).sum())
        return energy_J + clock_W * found.period_ticks * self.cap.tick_s

    def fits(self, found: Capped) -> bool:
        """Whether the power averaged over the batch is under the cap."""
        return self.dynamic_J(found) <= self.cap.budget_W * found.period_ticks * self.cap.tick_s

    def one_level(self) -> Capped | None:
        """The highest level for the whole batch; nothing if none fits."""
        found: dict[int, Capped] = {}

        def fits(level: int) -> bool:
            found[level] = self.at(level)
            return self.fits(found[level])

        def expected(tried: int) -> int:
            """Level that fits if layers overlap as much as they do at the level tried."""
            overlap = found[tried].period_ticks / (float(self._ticks(tried).sum()) or 1.0)
            return self._highest(ALL, self.cap.budget_W, overlap)

        return found.get(highest_near(fits, self.governor.levels, expected))

    def _highest(self, layers: slice, budget_W: float, overlap: float = 1.0) -> int:
        """Highest level at which some layers keep to a budget if they last `overlap` of their ticks."""
        governor, cap = self.governor, self.cap
        core_J, other_J = self._table[:2, layers].sum(axis=1).tolist()

        def fits(level: int) -> bool:
            scale = governor.core_scale(level)
            ticks = overlap * float(self._ticks(level, layers).sum())
            clock_W = cap.clock_W * scale * level / governor.levels
            return bool(core_J * scale + other_J <= (budget_W - clock_W) * ticks * cap.tick_s)

        return highest(fits, governor.levels)

    def by_groups(self, groups: Sequence[range]) -> Capped | None:
        """A level for each group of layers; nothing if none fits."""
        levels = self.governor.levels
        known: dict[bytes, Capped] = {}

        def sharing(share: int) -> Capped:
            chosen = np.ones(len(self.needs), np.int64)
            for group in groups:
                chosen[group.start : group.stop] = self._alone(group, share / levels)
            key = chosen.tobytes()
            if key not in known:
                known[key] = self.at_levels(chosen)
            return known[key]

        share = highest(lambda share: self.fits(sharing(share)), levels)
        return sharing(share) if share else None

    def _alone(self, group: range, share: float) -> int:
        """Highest level at which a group, alone, keeps to a share of the budget; the lowest if none does."""
        layers, levels = slice(group.start, group.stop), self.governor.levels
        if self._ticks(1, layers).sum() == self._table[2, layers].sum():
            return levels
        return max(self._highest(layers, share * self.cap.budget_W), 1)


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
