"""From a workload on a chip to the tile stream, and to counts of everything that happens.

Each pass over a layer is cut into steps (`hwsim.mapping.steps`). The totals of a pass are known without
them, so that a plan is chosen by its totals and only the chosen one is cut.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from hwsim.engine.fast import steady_period
from hwsim.machine.cap import Cap
from hwsim.mapping.link import link_passes
from hwsim.mapping.residency import Residency, activation_traffic, candidates
from hwsim.mapping.steps import Channel, Cut, Demand, steps_of
from hwsim.mapping.work import LayerWork, Schedule, pass_over
from hwsim.power.steady import LEAST_W, period_alone

ROOF_SLACK, MOST_RUN = 1.1, 3
"""Plans are run whose roofs are within so much of the best, and at most so many."""

PERIOD_SLACK = 1.01
"""A plan may take so much longer than the fastest if it saves energy."""

LARGEST_PART = 0.995
"""Where two layers at once ask too much of the on-chip memory, each try gives them so much less of it."""

if TYPE_CHECKING:
    from hwsim.machine.chip import Chip
    from hwsim.pricing import PriceList
    from hwsim.workload.layer import Workload


def build(chip: Chip, workload: Workload, batch: int, prices: PriceList) -> Schedule:
    """Schedule `batch` items of `workload` on `chip`.

    Of the ways to cut the batch, a few that need the least time by the roofs of their layers (core,
    DRAM and, by `prices`, power) are run. Of those within `PERIOD_SLACK` of the shortest period, the
    one of least energy is taken.
    """
    cuts = [Cut(layer, chip) for layer in workload.layers]
    channel = Channel.of(chip)
    plans = [
        _plan(chip, workload, residency, cuts, channel) for residency in candidates(chip, workload, batch)
    ]
    found = [_schedule(chip, workload, cuts, channel, plan) for plan in _promising(chip, plans, prices)]
    return _thriftiest(chip, found, prices) if found[1:] else found[0]


def _thriftiest(chip: Chip, found: list[Schedule], prices: PriceList) -> Schedule:
    periods = [period_alone(chip, schedule, prices) for schedule in found]

    def energy_J(index: int) -> float:
        dynamic_pJ = sum(sum(prices.energy_pJ(work.counts).values()) for work in found[index].work)
        return 1e-12 * dynamic_pJ + chip.static_W * periods[index] * chip.tick_s

    fast = [index for index, period in enumerate(periods) if period <= PERIOD_SLACK * min(periods)]
    return found[min(fast, key=energy_J)]


def _schedule(chip: Chip, workload: Workload, cuts: list[Cut], channel: Channel, plan: _Plan) -> Schedule:
    """Cut the passes of a plan, the array and the vector unit sharing the bandwidth of the on-chip memory.

    Where both together would move more than it has, every layer gets a smaller part of it, until they do not.
    """
    part, asked = 1.0, plan.bus_ticks
    while True:
        shared = plan.with_part_of_bus(part)
        steps = steps_of(cuts, shared.demands, [work.passes for work in shared.work], channel)
        stream = link_passes(chip, workload, plan.residency, steps)
        period = asked if shared.core_ticks >= asked else float(steady_period(stream))
        if period >= asked:
            return Schedule(plan.residency, stream, tuple(shared.work))
        part *= min(period / asked, LARGEST_PART)


class _Plan(NamedTuple):
    """One way to run a batch, in totals."""

    residency: Residency
    demands: list[Demand]
    work: list[LayerWork]

    @property
    def bus_ticks(self) -> int:
        """Ticks of a batch that the on-chip memory moves bits at its full bandwidth."""
        return sum(work.passes * work.ticks["sram"] for work in self.work)

    @property
    def core_ticks(self) -> int:
        """Ticks of a batch that the array or the vector unit, whichever has more to do, is busy."""
        busy = Counter[bool]()
        for demand, work in zip(self.demands, self.work, strict=True):
            busy["vector" in work.ticks] += work.passes * demand.core_ticks
        return max(busy.values())

    def with_part_of_bus(self, part: float) -> _Plan:
        """Let every layer have only a part of the bandwidth of the on-chip memory."""
        if part == 1.0:
            return self
        work = [
            replace(work, ticks=work.ticks | {"sram": ceil(work.ticks["sram"] / part)}) for work in self.work
        ]
        demands = [
            demand._replace(core_ticks=max(demand.core_ticks, slowed.ticks["sram"]))
            for demand, slowed in zip(self.demands, work, strict=True)
        ]
        return _Plan(self.residency, demands, work)


def _plan(chip: Chip, workload: Workload, residency: Residency, cuts: list[Cut], channel: Channel) -> _Plan:
    items = [residency.items(i) for i in range(len(workload.layers))]
    traffic = activation_traffic(workload, residency, items)
    demands, works = [], []
    for index, (cut, moved) in enumerate(zip(cuts, traffic, strict=True)):
        demand, work = pass_over(chip, cut, channel, residency, index, moved)
        demands.append(demand)
        works.append(work)
    return _Plan(residency, demands, works)


def _promising(chip: Chip, plans: list[_Plan], prices: PriceList) -> list[_Plan]:
    """Plans within `ROOF_SLACK` of the best by their roofs, the best first, `MOST_RUN` of them at most."""
    if len(plans) == 1:
        return plans
    roofs = sorted(((_roof_time(chip, plan, prices), index) for index, plan in enumerate(plans)))
    limit = roofs[0][0][0] * ROOF_SLACK
    return [plans[index] for (ticks, _), index in roofs[:MOST_RUN] if ticks <= limit]


def _roof_time(chip: Chip, plan: _Plan, prices: PriceList) -> tuple[float, int]:
    """Ticks of one batch if every layer runs at the lowest of its roofs, and the DRAM bits."""
    cap = Cap.of(chip)
    budget_W = max(cap.budget_W, LEAST_W)
    ticks = sum(
        max(
            work.passes * max(work.ticks.values()),
            prices.dynamic_J(work.counts, cap.counts) / (budget_W * chip.tick_s),
        )
        for work in plan.work
    )
    return ticks, plan.residency.weight_bits + plan.residency.activation_bits
