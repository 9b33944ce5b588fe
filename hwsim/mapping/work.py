"""One pass over a layer in totals: demands on each resource, and counts of every action."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.arrays.vector import VectorUnit
from hwsim.mapping.residency import Moved, Residency, stored_bits
from hwsim.mapping.steps import Channel, Cut, Demand, busy_ticks

if TYPE_CHECKING:
    from hwsim.arrays.base import Action, ArrayCost
    from hwsim.engine.stream import TileStream
    from hwsim.machine.chip import Chip
    from hwsim.workload.layer import Layer


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


def pass_over(
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
        if tensor == "activations":  # the second operand of a product of activations has no stored form
            counts[tensor, "sram", "read_bit"] += bits
