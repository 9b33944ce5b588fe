"""From a workload on a chip to the tile stream, and to counts of everything that happens.

Each pass over a layer is cut into steps of one buffer slot of stored weights (of several slots
where there would be thousands of steps). Cycles, symbols and bits are divided among the steps by
cumulative rounding, so that their sums are exact.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwsim.arrays.vector import VectorUnit
from hwsim.dram import load_dram
from hwsim.residency import Moved, Residency, activation_traffic, candidates, stored_bits
from hwsim.stream import MAC_ARRAY, VECTOR_UNIT, TileStream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.arrays.base import Action, ArrayCost
    from hwsim.chip import Chip
    from hwsim.pricing import PriceList
    from hwsim.workload import Layer, Workload


MAX_STEPS = 4096
"""Steps of one pass over one layer, at most: beyond, only the memory of the simulation would grow."""


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
        Busy ticks of one pass on each resource: ``dram``, ``decoder``, ``sram``, and ``array`` or
        ``vector``.
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

    Of the micro-batches that divide the batch, the one that needs the least time by the roofs of
    its layers is taken: core, DRAM and, by `prices`, power. Ties go to less DRAM traffic.
    """
    plans = [_plan(chip, workload, residency) for residency in candidates(chip, workload, batch)]
    if len(plans) > 1:
        plans.sort(key=lambda plan: _roof_time(chip, plan, prices))
    residency, parts = plans[0]
    stream = _link(chip, workload, residency, [steps for steps, _ in parts])
    return Schedule(residency, stream, tuple(work for _, work in parts))


def _plan(chip: Chip, workload: Workload, residency: Residency) -> _Plan:
    items = [residency.items(i) for i in range(len(workload.layers))]
    traffic = activation_traffic(workload, residency.spilled, residency.tilings, items)
    return residency, [
        _pass_over(chip, layer, residency, index, traffic[index])
        for index, layer in enumerate(workload.layers)
    ]


def _roof_time(chip: Chip, plan: _Plan, prices: PriceList) -> tuple[float, int]:
    """Ticks of one batch if every layer runs at the lowest of its roofs, and the DRAM bits."""
    residency, parts = plan
    dynamic_W = max(chip.power.cap_W - prices.capped_static_W, 1e-9)
    ticks = sum(
        max(
            work.passes * max(work.ticks.values()),
            prices.capped_J(work.counts) / (dynamic_W * chip.tick_s),
        )
        for _, work in parts
    )
    return ticks, residency.weight_bits + residency.activation_bits


@dataclass(frozen=True)
class _Steps:
    """The steps of one pass over one layer."""

    unit: int
    read: NDArray[np.int64]
    decode: NDArray[np.int64]
    compute: NDArray[np.int64]
    write: NDArray[np.int64]
    reads_spill: bool


_Plan = tuple[Residency, list[tuple[_Steps, LayerWork]]]


def _pass_over(
    chip: Chip, layer: Layer, residency: Residency, index: int, moved: Moved
) -> tuple[_Steps, LayerWork]:
    passes, pinned = residency.passes(index), residency.pinned[index]
    fetches = residency.weight_fetches(index)
    cuts = _cuts(chip, layer)
    stored = _shares(cuts)
    if layer.weights:
        stored[0] += layer.weights.side_bits
    stored = np.tile(stored, fetches)
    fetched = np.zeros_like(stored) if pinned else stored
    symbols = np.tile(_symbols(chip, layer, cuts, pinned), fetches)
    steps = len(stored)

    # what fits comes in before the layer starts; what is tiled comes in along with the weights
    spread = steps if residency.tilings[index] else 1
    weight_bursts = _bursts(np.cumsum(fetched), chip)
    inputs, outputs, psums = (int(_bursts(np.array([bits]), chip)[0]) for bits in moved)
    read = weight_bursts + np.pad(_split(inputs + psums, spread), (0, steps - spread))

    cost = _cost(chip, layer, residency.items(index))
    burst_bits = 8 * chip.dram.burst_B
    counts = Counter(cost.counts)
    through_port = ("weights", "array_port", "word") in counts
    _count_port(counts, layer)
    if layer.weights:
        _count_weights(
            counts,
            through_port * fetches * (stored_bits(layer, chip) if pinned else layer.weights.total_bits),
            int(fetched.sum()),
            int(weight_bursts.sum()) * burst_bits,
            int(symbols.sum()),
        )
    for tensor, came, went, bits_in, bits_out in (
        ("activations", inputs, outputs, moved.inputs, moved.outputs),
        ("psums", psums, psums, moved.psums, moved.psums),
    ):
        counts[tensor, "dram", "read_bit"] += came * burst_bits
        counts[tensor, "sram", "write_bit"] += bits_in
        counts[tensor, "sram", "read_bit"] += bits_out
        counts[tensor, "dram", "write_bit"] += went * burst_bits

    unit = "vector" if layer.kind == "vector" else "array"
    sram_bits = sum(bits for (_, component, _), bits in counts.items() if component == "sram")
    sram_ticks = -(-sram_bits // (8 * chip.sram.bandwidth_B_per_cycle))
    part = _Steps(
        VECTOR_UNIT if unit == "vector" else MAC_ARRAY,
        _dram_ticks(read, chip),
        _decode_ticks(symbols, layer, chip),
        _split(max(cost.cycles, sram_ticks), steps),
        _dram_ticks(_split(outputs + psums, steps), chip),
        any(source >= 0 and residency.spilled[source] for source in layer.inputs),
    )
    work = LayerWork(
        passes,
        passes * int(fetched.sum()),
        passes * int(weight_bursts.sum()) * burst_bits,
        passes * (inputs + outputs + 2 * psums) * burst_bits,
        passes * sum(_rows(n, chip) for n in (int(weight_bursts.sum()), inputs, outputs, psums, psums)),
        cost,
        Counter({action: passes * count for action, count in counts.items()}),
        {
            "dram": int(part.read.sum() + part.write.sum()),
            "decoder": int(part.decode.sum()),
            "sram": sram_ticks,
            unit: cost.cycles,
        },
    )
    return part, work


def _cuts(chip: Chip, layer: Layer) -> NDArray[np.int64]:
    """Ends of the steps, in stored bits of the payload; a long layer takes several slots a step."""
    if layer.weights is None:
        return np.zeros(1, np.int64)
    total = layer.weights.payload_bits
    slots = -(-total // (8 * chip.buffers.slot_B))
    step = 8 * chip.buffers.slot_B * max(1, -(-slots // MAX_STEPS))
    return np.append(np.arange(step, total, step, dtype=np.int64), total)


def _shares(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.diff(ends, prepend=0)


def _split(total: int, parts: int) -> NDArray[np.int64]:
    """Divide a whole number into `parts` whole numbers that differ by at most one."""
    return _shares(np.arange(1, parts + 1, dtype=np.int64) * total // parts)


def _symbols(chip: Chip, layer: Layer, cuts: NDArray[np.int64], pinned: bool) -> NDArray[np.int64]:
    """Symbols each step decodes; none where decoded weights are what stays on chip."""
    if layer.weights is None or (pinned and chip.decoder.place == "dram"):
        return np.zeros(len(cuts), np.int64)
    bits = np.concatenate([[0], np.cumsum(layer.weights.segment_bits)])
    symbols = np.concatenate([[0], np.cumsum(layer.weights.segment_symbols)])
    return _shares(np.floor(np.interp(cuts, bits, symbols)).astype(np.int64))


def _decode_ticks(symbols: NDArray[np.int64], layer: Layer, chip: Chip) -> NDArray[np.int64]:
    """A segment is one decoder's work, so no more decoders help than there are segments."""
    if layer.weights is None:
        return symbols
    decoders = min(chip.decoder.count, len(layer.weights.segment_bits))
    return np.ceil(symbols / (decoders * chip.decoder.symbols_per_cycle)).astype(np.int64)


def _bursts(ends: NDArray[np.int64], chip: Chip) -> NDArray[np.int64]:
    """Whole bursts that bring each step of a contiguous stream in; a shared burst comes once."""
    return _shares(-(-ends // (8 * chip.dram.burst_B)))


def _dram_ticks(bursts: NDArray[np.int64], chip: Chip) -> NDArray[np.int64]:
    """Ticks the channels are busy, by cumulative rounding up: with the bus, or with opening rows.

    A row keeps its bank for a row cycle; banks and channels take turns. The first row of a layer opens
    within the latency.
    """
    dram, kind = chip.dram, load_dram(chip.dram.type)
    moved_B = np.cumsum(bursts) * dram.burst_B
    bus_ns = moved_B / dram.bandwidth_GB_per_s
    banks_ns = (moved_B - 1) // kind.row_B * (kind.row_cycle_ns / (kind.banks * dram.channels))
    return _shares(np.ceil(np.maximum(bus_ns, banks_ns) * chip.process.clock_GHz).astype(np.int64))


def _rows(bursts: int, chip: Chip) -> int:
    return -(-bursts * chip.dram.burst_B // load_dram(chip.dram.type).row_B)


def _cost(chip: Chip, layer: Layer, items: int) -> ArrayCost:
    model = VectorUnit(chip.vector.lanes) if layer.kind == "vector" else chip.array
    return model.cost(layer, items)


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


def _link(chip: Chip, workload: Workload, residency: Residency, parts: list[_Steps]) -> TileStream:
    """Put the passes in order and make each wait for the layers that feed it."""
    order = [
        index
        for group in ([range(residency.lead)] * residency.passes(0), [range(residency.lead, len(parts))])
        for indices in group
        for index in indices
    ]
    lengths = np.array([len(parts[index].read) for index in order])
    ends = np.cumsum(lengths) - 1
    last: dict[int, int] = {-1: -1}
    after, read_after = [], []
    for position, index in enumerate(order):
        feed = max(last[source] for source in workload.layers[index].inputs)
        n = int(lengths[position])
        after.append(np.full(n, feed))
        read_after.append(np.full(n, feed if parts[index].reads_spill else -1))
        last[index] = int(ends[position])
    ns_per_tick = 1.0 / chip.process.clock_GHz

    def gather(name: str) -> NDArray[np.int64]:
        return np.concatenate([getattr(parts[index], name) for index in order]).astype(np.int64)

    return TileStream(
        np.repeat(np.array(order, np.int64), lengths),
        np.repeat(np.array([parts[index].unit for index in order], np.int64), lengths),
        gather("read"),
        gather("decode"),
        gather("compute"),
        gather("write"),
        np.concatenate(after).astype(np.int64),
        np.concatenate(read_after).astype(np.int64),
        int(np.ceil(chip.dram.latency_ns / ns_per_tick)),
        int(np.ceil(chip.dram.turnaround_ns / ns_per_tick)),
        chip.buffers.fetch_depth,
        chip.buffers.decode_depth,
    )
