"""From a workload on a chip to the tile stream, and to counts of everything that happens.

Each pass over a layer is cut into steps (`hwsim.mapping.steps`). The totals of a pass are known without
them, so that a plan is chosen by its totals and only the chosen one is cut.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.arrays.vector import VectorUnit
from hwsim.engine.fast import steady_period
from hwsim.engine.stream import MAC_ARRAY, VECTOR_UNIT, TileStream
from hwsim.mapping.residency import Moved, Residency, activation_traffic, candidates, stored_bits
from hwsim.mapping.steps import Channel, Cut, Demand, Steps, busy_ticks
from hwsim.power.steady import LEAST_W, period_alone

ROOF_SLACK, MOST_RUN = 1.1, 3
"""Plans are run whose roofs are within so much of the best, and at most so many."""

PERIOD_SLACK = 1.01
"""A plan may take so much longer than the fastest if it saves energy."""

LARGEST_PART = 0.995
"""Where two layers at once ask too much of the on-chip memory, each try gives them so much less of it."""

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.arrays.base import Action, ArrayCost
    from hwsim.machine.chip import Chip
    from hwsim.pricing import PriceList
    from hwsim.workload.layer import Layer, Workload


@dataclass(frozen=True)
class LayerWork:
    """Everything one batch asks of one layer, before any waiting.

    Parameters
    ----------
    passes : int
        Times the layer runs for one batch.
    requested_weight_bits, transferred_weight_bits : int
        DRAM bits per batch: stored bits times fetches, and the same in whole bursts.
    activation_bits : int
        DRAM bits of activations and partial sums per batch, in whole bursts.
    row_misses : int
        DRAM rows opened per batch, each transfer being contiguous; all other bursts hit.
    cost : ArrayCost
        Of one pass.
    counts : Counter of Action
        Of the whole batch, DRAM, SRAM and decoder included.
    ticks : dict of str to int
        Busy ticks of one pass on each resource: ``dram``, ``decoder``, ``sram`` (longer where two
        layers at once share its bandwidth), and ``array`` or ``vector``.
    """

    passes: int
    requested_weight_bits: int
    transferred_weight_bits: int
    activation_bits: int
    row_misses: int
    cost: ArrayCost
    counts: Counter[Action]
    ticks: dict[str, int]


@dataclass(frozen=True)
class Schedule:
    """One batch of a workload on a chip: the stream an engine runs and the work behind it."""

    residency: Residency
    stream: TileStream
    work: tuple[LayerWork, ...]


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
        steps = [cut.steps(demand, channel) for cut, demand in zip(cuts, shared.demands, strict=True)]
        stream = _link(chip, workload, plan.residency, steps)
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
        demand, work = _pass_over(chip, cut, channel, residency, index, moved)
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
    dynamic_W = max(chip.power.cap_W - prices.capped_static_W, LEAST_W)
    ticks = sum(
        max(
            work.passes * max(work.ticks.values()),
            prices.capped_J(work.counts) / (dynamic_W * chip.tick_s),
        )
        for work in plan.work
    )
    return ticks, plan.residency.weight_bits + plan.residency.activation_bits


def _pass_over(
    chip: Chip, cut: Cut, channel: Channel, residency: Residency, index: int, moved: Moved
) -> tuple[Demand, LayerWork]:
    layer = cut.layer
    passes, pinned = residency.passes(index), residency.pinned[index]
    fetches = residency.weight_fetches(index)
    fetched_bits = 0 if pinned else fetches * (cut.payload_bits + cut.side_bits)
    weights = channel.bursts(fetched_bits)
    inputs, outputs, psums = (channel.bursts(bits) for bits in moved)

    cost = _cost(chip, layer, residency.items(index))
    burst_bits = 8 * channel.burst_B
    counts = Counter(cost.counts)
    through_port = ("weights", "array_port", "word") in counts
    _count_port(counts, layer)
    if layer.weights:
        _count_weights(
            counts,
            through_port * fetches * (stored_bits(layer, chip) if pinned else layer.weights.total_bits),
            fetched_bits,
            weights * burst_bits,
            fetches * cut.symbols(pinned),
        )
    for tensor, came, went, bits_in, bits_out in (
        ("activations", inputs, outputs, moved.inputs, moved.outputs),
        ("psums", psums, psums, moved.psums, moved.psums),
    ):
        counts[tensor, "dram", "read_bit"] += came * burst_bits
        counts[tensor, "sram", "write_bit"] += bits_in
        counts[tensor, "sram", "read_bit"] += bits_out
        counts[tensor, "dram", "write_bit"] += went * burst_bits

    sram_bits = sum(bits for (_, component, _), bits in counts.items() if component == "sram")
    sram_ticks = -(-sram_bits // (8 * chip.sram.bandwidth_B_per_cycle))
    bursts_in, bursts_out = inputs + psums, outputs + psums
    work = LayerWork(
        passes,
        passes * fetched_bits,
        passes * weights * burst_bits,
        passes * (bursts_in + bursts_out) * burst_bits,
        passes * sum(channel.rows(bursts) for bursts in (weights, inputs, outputs, psums, psums)),
        cost,
        Counter({action: passes * count for action, count in counts.items()}),
        {
            "dram": busy_ticks(weights + bursts_in, channel) + busy_ticks(bursts_out, channel),
            "decoder": fetches * cut.decode_ticks(pinned),
            "sram": sram_ticks,
            "vector" if layer.kind == "vector" else "array": cost.cycles,
        },
    )
    tiled = residency.tilings[index] is not None
    return Demand(fetches, pinned, tiled, bursts_in, bursts_out, max(cost.cycles, sram_ticks)), work


def _cost(chip: Chip, layer: Layer, items: int) -> ArrayCost:
    model = VectorUnit(chip.vector.lanes) if layer.kind == "vector" else chip.array
    return model.cost(*layer.joined(items))


def _count_weights(
    counts: Counter[Action], used_bits: int, fetched_bits: int, moved_bits: int, symbols: int
) -> None:
    """Weights on their way from DRAM through SRAM and decoder to the array's port.

    An array without a port for weights computes beside its own memory of them, and counts that itself.
    """
    counts["weights", "dram", "read_bit"] += moved_bits
    counts["weights", "sram", "write_bit"] += fetched_bits
    counts["weights", "sram", "read_bit"] += used_bits
    counts["weights", "decoder", "symbol"] += symbols


def _count_port(counts: Counter[Action], layer: Layer) -> None:
    """Words on their way to the array's port wait in the tile's scratchpad: one write, one read."""
    for tensor in ("weights", "activations"):
        bits = counts.pop((tensor, "array_port", "word"), 0) * layer.operand_bits
        counts[tensor, "scratchpad", "write_bit"] += bits
        counts[tensor, "scratchpad", "read_bit"] += bits


def _link(chip: Chip, workload: Workload, residency: Residency, steps: list[Steps]) -> TileStream:
    """Put the passes in order and make each wait for the layers that feed it.

    For every sub-batch, the leading layers run pass by pass, the others once; the last pass feeds those.
    A unit serves its steps in order, so that a layer's inputs from its own unit are there, and of those
    from the other unit the last one is what it waits for. Write-backs keep that order, too.
    """
    layers, lead = workload.layers, residency.lead
    rounds = residency.batch // residency.sub_batch
    passes = residency.sub_batch // residency.micro_batch if lead else 1
    lengths = np.array([len(part.read) for part in steps])
    ends = np.cumsum(lengths) - 1
    units = [VECTOR_UNIT if layer.kind == "vector" else MAC_ARRAY for layer in layers]
    sources = [[source for source in layer.inputs if source >= 0] for layer in layers]
    feeds = [
        max((int(ends[source]) for source in found if units[source] != unit), default=-1)
        for found, unit in zip(sources, units, strict=True)
    ]
    spills = [
        max((int(ends[source]) for source in found if residency.spilled[source]), default=-1)
        for found in sources
    ]
    first = int(lengths[:lead].sum())
    pass_of = np.concatenate(
        [np.repeat(np.arange(passes), first), np.full(int(lengths[lead:].sum()), passes - 1)]
    )
    starts = (first * pass_of + len(pass_of) * np.arange(rounds)[:, None]).ravel()

    def in_order(values: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.tile(np.concatenate([np.tile(values[:first], passes), values[first:]]), rounds)

    def of_layers(values: list[int]) -> NDArray[np.int64]:
        return in_order(np.repeat(np.array(values, np.int64), lengths))

    def link(values: list[int]) -> NDArray[np.int64]:
        found = of_layers(values)
        return np.where(found < 0, found, found + starts)

    read, decode, compute, write = (in_order(np.concatenate(arrays)) for arrays in zip(*steps, strict=True))
    ns_per_tick = 1.0 / chip.process.clock_GHz
    return TileStream(
        of_layers(list(range(len(layers)))),
        of_layers(units),
        read,
        decode,
        compute,
        write,
        link(feeds),
        link(spills),
        int(np.ceil(chip.dram.latency_ns / ns_per_tick)),
        int(np.ceil(chip.dram.turnaround_ns / ns_per_tick)),
        chip.buffers.fetch_depth,
        chip.buffers.decode_depth,
    )
