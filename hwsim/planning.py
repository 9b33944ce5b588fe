"""From a workload on a chip to the tile stream, and to counts of everything that happens.

`hwsim.mapping.segments` finds plans: what runs together and what stays on chip. Each pass over a kernel is
then counted (`hwsim.mapping.work`), cut into steps (`hwsim.mapping.steps`) and linked into a stream.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from hwsim.engine.fast import steady_period
from hwsim.mapping.choice import choose
from hwsim.mapping.link import link_passes
from hwsim.mapping.residency import require_batch
from hwsim.mapping.steps import MAX_PASS_STEPS, MAX_STREAM_STEPS, Channel
from hwsim.mapping.work import KernelPasses, Schedule, works_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.engine.stream import TileStream
    from hwsim.machine.chip import Chip
    from hwsim.mapping.choice import Plan
    from hwsim.mapping.fusion import Kernel
    from hwsim.mapping.residency import Pass, Residency
    from hwsim.mapping.steps import Cut, Steps
    from hwsim.mapping.work import KernelPass
    from hwsim.pricing import PriceList
    from hwsim.workload.layer import Workload

    Passes = list[tuple[Kernel, Pass, KernelPass]]

LARGEST_PART = 0.995
"""Where two layers at once ask too much of the on-chip memory, each try gives them so much less of it."""

TRUSTED, OTHERS = 0.01, 3
"""Where the cost of the best plan differs from its estimate by more than the first, so many other kinds of
plans are scheduled, too, if their estimates are as close to its. The cheapest of all runs."""


def build(chip: Chip, workload: Workload, batch: int, prices: PriceList) -> Schedule:
    """Schedule `batch` items of `workload` on `chip`.

    Raises
    ------
    InputError
        If the batch is out of range, a layer cannot run on the chip's array, or it does not fit on chip
        in any way.
    """
    require_batch(batch)
    channel = Channel.of(chip)
    plans = choose(chip, workload, batch, prices)
    plan, (stream, found) = _cheapest(chip, workload, channel, plans, prices)
    return Schedule(plan.residency, stream, works_of(found, channel))


def _cheapest(
    chip: Chip, workload: Workload, channel: Channel, plans: Sequence[Plan], prices: PriceList
) -> tuple[Plan, tuple[TileStream, Passes]]:
    """The plan that costs least once it is scheduled, and its schedule; `plans` begin with the best."""

    known: dict[tuple[Cut, ...], KernelPasses] = {}

    def scheduled(plan: Plan) -> tuple[TileStream, Passes]:
        cuts = plan.costs.cuts
        if cuts not in known:
            known[cuts] = KernelPasses(chip, workload, cuts, channel)
        return _streamed(known[cuts], plan.residency)

    best, streamed = plans[0], scheduled(plans[0])
    least = _cost(*streamed, prices, best.tick_J)
    departure = abs(least - best.cost)
    if departure <= TRUSTED * best.cost:
        return best, streamed
    within = best.cost + departure
    for plan in _of_other_kinds(plans)[:OTHERS]:
        if plan.cost < within:
            again = scheduled(plan)
            cost = _cost(*again, prices, plan.tick_J)
            if cost < least:
                best, streamed, least = plan, again, cost
    return best, streamed


def _of_other_kinds(plans: Sequence[Plan]) -> list[Plan]:
    """The best plan of every other kind than the first: with other segments, or that run in another way.

    Plans of one kind differ from their estimates alike.
    """
    kinds: dict[object, Plan] = {}
    for plan in plans:
        kinds.setdefault(plan.found.division[:2], plan)
    return list(kinds.values())[1:]


def _cost(stream: TileStream, found: Passes, prices: PriceList, tick_J: float) -> float:
    """Joules of a batch, time included, as the run will have them without a cap."""
    joules = sum(
        part.times * sum(prices.joules(one.counts).values()) for _, part, done in found for one in done.layers
    )
    return joules + float(steady_period(stream)) * tick_J


def _streamed(passes: KernelPasses, residency: Residency) -> tuple[TileStream, Passes]:
    """Cut the passes into steps, the array and the vector unit sharing the bandwidth of the on-chip memory.

    Where both together would move more than it has, every layer gets a smaller part of it, until they do not.
    """
    found = [
        (residency.kernels[k], part, passes.of(residency, residency.kernels[k], part))
        for segment in residency.segments
        for part in segment.passes
        for k in segment.kernels
    ]
    share, bus = 1.0, sum(part.times * done.ticks["sram"] for _, part, done in found)
    while True:
        shared = [(kernel, part, _with_part_of_bus(done, share)) for kernel, part, done in found]
        steps = _steps(residency, passes.cuts, passes.channel, shared)
        stream = link_passes(passes.chip, passes.workload, residency, steps)
        core = _core_ticks(passes.workload, shared)
        period = bus if core >= bus else float(steady_period(stream))
        if period >= bus:
            return stream, shared
        share *= min(period / bus, LARGEST_PART)


def _with_part_of_bus(done: KernelPass, share: float) -> KernelPass:
    """Let a kernel have only a part of the bandwidth of the on-chip memory."""
    if share == 1.0:
        return done
    sram = math.ceil(done.ticks["sram"] / share)
    demand = done.demand._replace(core_ticks=max(done.demand.core_ticks, sram))
    return done._replace(demand=demand, ticks=done.ticks | {"sram": sram})


def _core_ticks(workload: Workload, found: Passes) -> int:
    """Ticks of a batch that the array or the vector unit, the one with more to do, is busy."""
    busy = Counter[bool]()
    for kernel, part, done in found:
        busy[workload.layers[kernel.root].kind == "vector"] += part.times * done.demand.unit_ticks
    return max(busy.values())


def _steps(
    residency: Residency, cuts: Sequence[Cut], channel: Channel, found: Passes
) -> dict[tuple[int, int], list[Steps]]:
    """Steps of the kernels of each segment, by the positions of the segment and of the pass in it."""
    steps: dict[tuple[int, int], list[Steps]] = {}
    passes, most = iter(found), _most_steps(cuts, channel, found)
    for position, segment in enumerate(residency.segments):
        for at in range(len(segment.passes)):
            done = [next(passes) for _ in segment.kernels]
            steps[position, at] = [
                cuts[kernel.root].steps(one.demand, channel, most) for kernel, _, one in done
            ]
    return steps


def _most_steps(cuts: Sequence[Cut], channel: Channel, found: Passes) -> int:
    """Steps of a pass, at most, that keep the stream of a batch within bounds."""
    total = sum(part.times * cuts[kernel.root].count(one.demand, channel) for kernel, part, one in found)
    if total <= MAX_STREAM_STEPS:
        return MAX_PASS_STEPS
    return max(1, MAX_STREAM_STEPS // sum(part.times for _, part, _ in found))
