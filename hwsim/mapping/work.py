"""One batch of every layer in totals: demands on each resource, and counts of every action."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hwsim.mapping.residency import Moved, activation_traffic
from hwsim.mapping.steps import Channel, Cut, Demand, busy_ticks
from hwsim.mapping.stripes import Units, array_cost, pieces_of
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hwsim.arrays.base import Action, ArrayCost
    from hwsim.engine.stream import TileStream
    from hwsim.machine.chip import Chip
    from hwsim.mapping.fusion import Kernel
    from hwsim.mapping.residency import Pass, Residency, Segment
    from hwsim.workload.layer import Layer, Workload


NO_TICKS = {"dram": 0, "decoder": 0, "sram": 0}
"""Of a layer in another's output path, whose steps are the other's."""


@dataclass(frozen=True)
class LayerWork:
    """Everything one batch asks of one layer, before any waiting.

    Parameters
    ----------
    passes : int
        Times the layer runs for one batch.
    root : int
        Index of the layer it runs with: its own, or the one in whose output path it is. All that has
        ticks of the steps (DRAM, decoder, on-chip memory) is counted there.
    requested_weight_bits, transferred_weight_bits : int
        DRAM bits per batch: stored bits that are not pinned times fetches, and the same in whole bursts.
    activation_bits : int
        DRAM bits of activations and partial sums per batch, in whole bursts.
    row_misses : int
        DRAM rows opened per batch, each transfer being contiguous; all other bursts hit.
    cost : ArrayCost
        Of the batch.
    counts : Counter of Action
        Of the batch, DRAM, SRAM and decoder included.
    ticks : dict of str to int
        Busy ticks of the batch on each resource: ``dram``, ``decoder``, ``sram`` (longer where two
        layers at once share its bandwidth), ``array``, ``vector`` and ``kernel`` (what starts and ends
        its kernels).
    unit_ticks : int
        Ticks of the batch that its steps hold the array or the vector unit.
    """

    passes: int
    root: int
    requested_weight_bits: int
    transferred_weight_bits: int
    activation_bits: int
    row_misses: int
    cost: ArrayCost
    counts: Counter[Action]
    ticks: dict[str, int]
    unit_ticks: int

    @property
    def core_ticks(self) -> int:
        """Busy ticks of the batch on the busiest resource that the core's clock drives: all but DRAM."""
        return max(self.unit_ticks, self.ticks["decoder"])


@dataclass(frozen=True)
class Schedule:
    """One batch of a workload on a chip: the stream an engine runs and the work behind it."""

    residency: Residency
    stream: TileStream
    work: tuple[LayerWork, ...]


class LayerPass(NamedTuple):
    """One pass over one layer.

    Parameters
    ----------
    weights, inputs, outputs, psums : int
        DRAM bursts; partial sums go out and come back.
    requested_bits : int
        DRAM bits of weights.
    cost : ArrayCost
    counts : dict of Action to int
    """

    weights: int
    inputs: int
    outputs: int
    psums: int
    requested_bits: int
    cost: ArrayCost
    counts: dict[Action, int]

    @property
    def bursts_in(self) -> int:
        """Bursts of activations that come in."""
        return self.inputs + self.psums

    @property
    def bursts_out(self) -> int:
        """Bursts of activations that go out."""
        return self.outputs + self.psums


class KernelPass(NamedTuple):
    """One pass over one kernel: the demand of its steps, and what each of its layers does."""

    demand: Demand
    ticks: dict[str, int]
    layers: tuple[LayerPass, ...]


class KernelPasses:
    """Passes over the kernels of a workload on a chip, each counted once for all plans that have it.

    Parameters
    ----------
    chip : Chip
    workload : Workload
    cuts : sequence of Cut
        The stored weights of each layer.
    channel : Channel
    """

    def __init__(self, chip: Chip, workload: Workload, cuts: Sequence[Cut], channel: Channel) -> None:
        self.chip, self.workload, self.cuts, self.channel = chip, workload, cuts, channel
        self._joined = joined_products(workload) if chip.kernel_ticks else frozenset[int]()
        self._known: dict[object, KernelPass] = {}

    def of(self, residency: Residency, kernel: Kernel, part: Pass) -> KernelPass:
        """Count one pass over a kernel."""
        segment = residency.segments[residency.segment_of[kernel.root]]
        tiling = residency.tilings[kernel.root]
        fetches = (tiling.weight_fetches if tiling else 1) * part.fetches
        passes = segment.stripes * part.items if segment.mode == "stripes" else max(fetches, 1)
        tiled = tiling is not None or segment.mode != "whole"
        pinned = tuple(residency.pinned_bits[index] for index in kernel.layers)
        moved = tuple(
            activation_traffic(self.workload, residency, index, part.items) for index in kernel.layers
        )
        start = self._start_ticks(residency, segment, kernel, part)
        key = (kernel.root, part.items, segment.stripes, passes, fetches, tiled, pinned, moved, start)
        if key not in self._known:
            first, *others = pinned
            # blocks of weights come again, not what belongs to outputs, each of which is made once
            once = passes if tiling is None else 1, int(part.fetches)
            demands = [
                Demand(passes, fetches, first, tiled, 0, 0, 0, start),
                *(Demand(*once, bits, tiled, 0, 0, 0, start) for bits in others),
            ]
            self._known[key] = self._count(kernel, segment.stripes, part.items, demands, moved)
        return self._known[key]

    def _count(
        self, kernel: Kernel, stripes: int, items: int, demands: Sequence[Demand], moved: Sequence[Moved]
    ) -> KernelPass:
        chip, channel, cuts = self.chip, self.channel, self.cuts
        found = [
            _layer_pass(chip, cuts[index], channel, _cost(chip, cuts[index], stripes, items), *each)
            for index, each in zip(kernel.layers, zip(moved, demands, strict=True), strict=True)
        ]
        layers = _in_output_path(self.workload, kernel, items, found)
        side = sum(one.weights for one in layers[1:])
        bursts_in = sum(one.bursts_in for one in layers) + side
        bursts_out = sum(one.bursts_out for one in layers)
        sram_bits = sum(
            bits for one in layers for (_, component, _), bits in one.counts.items() if component == "sram"
        )
        units: Counter[str] = Counter()
        for index, one in zip(kernel.layers, layers, strict=True):
            units["vector" if self.workload.layers[index].kind == "vector" else "array"] += one.cost.cycles
        ticks = {
            "dram": busy_ticks(layers[0].weights + bursts_in, channel) + busy_ticks(bursts_out, channel),
            "sram": ceil_div(sram_bits, 8 * chip.sram.bandwidth_B_per_cycle),
            **units,
        }
        core = max(ticks["sram"], *units.values())
        demand = demands[0]._replace(bursts_in=bursts_in, bursts_out=bursts_out, core_ticks=core)
        if demand.start_ticks:
            ticks["kernel"] = demand.start_ticks
        ticks["decoder"] = cuts[kernel.root].decode_ticks(demand)
        return KernelPass(demand, ticks, layers)

    def _start_ticks(self, residency: Residency, segment: Segment, kernel: Kernel, part: Pass) -> int:
        """Ticks before the first step of a pass; what runs in stripes is one kernel for the whole batch."""
        if segment.mode == "stripes":
            first = residency.kernels[segment.kernels.start] is kernel
            return self.chip.kernel_ticks if first and part.fetches else 0
        return 0 if kernel.root in self._joined else self.chip.kernel_ticks


def joined_products(workload: Workload) -> frozenset[int]:
    """Indices of products that start with an earlier one of the same input, as libraries merge them.

    They have rows of the same form: queries, keys and values, or both branches of a gate.
    """
    first: dict[tuple[object, ...], int] = {}
    joined = set()
    for index, layer in enumerate(workload.layers):
        if layer.kind in ("fc", "conv"):
            form = (layer.kind, layer.inputs, layer.pixels, layer.depth, layer.stride)
            if first.setdefault(form, index) != index:
                joined.add(index)
    return frozenset(joined)


def works_of(found: Sequence[tuple[Kernel, Pass, KernelPass]], channel: Channel) -> tuple[LayerWork, ...]:
    """Add up the passes over every layer, in the order of layers."""
    works: dict[int, LayerWork] = {}
    burst_bits = 8 * channel.burst_B
    by_kernel: dict[Kernel, list[tuple[Pass, KernelPass]]] = {}
    for kernel, part, done in found:
        by_kernel.setdefault(kernel, []).append((part, done))
    for kernel, parts in by_kernel.items():
        ticks: Counter[str] = Counter()
        for part, done in parts:
            for name, amount in done.ticks.items():
                ticks[name] += part.times * amount
        for position, index in enumerate(kernel.layers):
            ones = [(part.times, done.layers[position]) for part, done in parts]
            cost = _sum(one.cost.times(times) for times, one in ones)
            own = dict(ticks) if index == kernel.root else {**NO_TICKS, "vector": cost.cycles}
            counts = _counts(ones)
            works[index] = LayerWork(
                sum(times for times, _ in ones),
                kernel.root,
                sum(times * one.requested_bits for times, one in ones),
                sum(times * one.weights for times, one in ones) * burst_bits,
                sum(times * (one.bursts_in + one.bursts_out) for times, one in ones) * burst_bits,
                sum(times * _rows(one, channel) for times, one in ones),
                cost,
                counts,
                own,
                sum(part.times * done.demand.unit_ticks for part, done in parts) * (index == kernel.root),
            )
    return tuple(works[index] for index in sorted(works))


def _counts(ones: Sequence[tuple[int, LayerPass]]) -> Counter[Action]:
    if len(ones) == 1 and ones[0][0] == 1:
        return Counter(ones[0][1].counts)
    counts: Counter[Action] = Counter()
    for times, one in ones:
        for action, count in one.counts.items():
            counts[action] += times * count
    return counts


def _rows(one: LayerPass, channel: Channel) -> int:
    return sum(
        channel.rows(bursts) for bursts in (one.weights, one.inputs, one.outputs, one.psums, one.psums)
    )


def _layer_pass(
    chip: Chip, cut: Cut, channel: Channel, cost: ArrayCost, moved: Moved, demand: Demand
) -> LayerPass:
    layer = cut.layer
    total = layer.weights.total_bits if layer.weights else 0
    fetched = demand.fetches * (total - demand.pinned_bits)
    weights = channel.bursts(fetched)
    inputs, outputs, psums = (channel.bursts(bits) for bits in moved)
    burst_bits = 8 * channel.burst_B
    counts = dict(cost.counts)
    # an array without a port computes beside its own memory of weights; a vector unit reads parameters
    reads = ("weights", "array_port", "word") in counts or layer.kind == "vector"
    count_port(counts, layer)
    if layer.weights:
        pinned = demand.pinned_bits / total if total else 0.0
        # what is used more often than it comes waits as it is used: decoded, if it is decoded once
        waiting = cut.on_chip_bits / total if total and demand.passes > demand.fetches else 1.0
        on_chip = round(pinned * cut.on_chip_bits) + round(waiting * (total - demand.pinned_bits))
        _add(counts, ("weights", "dram", "read_bit"), weights * burst_bits)
        _add(counts, ("weights", "sram", "write_bit"), round(waiting * fetched))
        _add(counts, ("weights", "sram", "read_bit"), reads * demand.passes * on_chip)
        for action, count in cut.decoded(demand).items():
            _add(counts, ("weights", "decoder", action), count)
    for tensor, came, went, bits_in, bits_out in (
        ("activations", inputs, outputs, moved.inputs, moved.outputs),
        ("psums", psums, psums, moved.psums, moved.psums),
    ):
        _add(counts, (tensor, "dram", "read_bit"), came * burst_bits)
        _add(counts, (tensor, "sram", "write_bit"), bits_in)
        _add(counts, (tensor, "sram", "read_bit"), bits_out)
        _add(counts, (tensor, "dram", "write_bit"), went * burst_bits)
    return LayerPass(weights, inputs, outputs, psums, fetched, cost, counts)


def _add(counts: dict[Action, int], action: Action, count: int) -> None:
    """Add to a count; what never happens has none."""
    if count:
        counts[action] = counts.get(action, 0) + count


def _in_output_path(
    workload: Workload, kernel: Kernel, items: int, found: Sequence[LayerPass]
) -> tuple[LayerPass, ...]:
    """Take off what does not pass through the on-chip memory: the tensors between the layers of a kernel.

    Only what the units themselves count is taken off, never what comes from DRAM or goes there.
    """
    for (index, one), other in zip(zip(kernel.layers, found, strict=True), found[1:], strict=False):
        layer = workload.layers[index]
        bits = layer.outputs_of(items) * layer.operand_bits
        for done, action in ((one, "write_bit"), (other, "read_bit")):
            key = "activations", "sram", action
            _add(done.counts, key, -min(bits, done.cost.counts.get(key, 0)))
    return tuple(found)


def _cost(chip: Chip, cut: Cut, stripes: int, items: int) -> ArrayCost:
    """Cost of one pass over a layer, whole or in stripes."""
    if stripes == 1:
        return cut.cost(items)
    units, pieces = Units.of(chip), pieces_of(cut.layer, stripes, items)
    return _sum(array_cost(units, piece, count).times(times) for piece, count, times in pieces)


def _sum(costs: Iterable[ArrayCost]) -> ArrayCost:
    total, *others = costs
    for cost in others:
        total = total + cost
    return total


def count_port(counts: dict[Action, int], layer: Layer) -> None:
    """Words on their way to the array's port wait in the tile's scratchpad: one write, one read."""
    for tensor in ("weights", "activations"):
        bits = counts.pop((tensor, "array_port", "word"), 0) * layer.operand_bits
        _add(counts, (tensor, "scratchpad", "write_bit"), bits)
        _add(counts, (tensor, "scratchpad", "read_bit"), bits)
        if tensor == "activations":  # the second operand of a product of activations has no stored form
            _add(counts, (tensor, "sram", "read_bit"), bits)
