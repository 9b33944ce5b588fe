"""Cut one pass over a layer into steps of one buffer slot of stored weights.

Where there would be thousands of steps, one takes several slots, and where a layer is fetched so often
that there still would be, several of these. Cycles, symbols and bits are divided among the steps by
cumulative rounding, so that their sums are exact.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from hwsim.energy.dram import load_dram
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hwsim.machine.chip import Chip
    from hwsim.workload.layer import Layer

MAX_STEPS = 4096
"""Parts of the weights of one layer, at most: beyond, only the memory of the simulation would grow."""

MAX_PASS_STEPS = 64 * MAX_STEPS
"""Steps of one pass over one layer, at most: a layer that is cut fetches its weights many times."""

MAX_STREAM_STEPS = 1 << 22
"""Steps of all passes over all layers: beyond, every pass gets an equal share of them, one at least."""

MAX_PARTS = 1 << 31
"""Parts that all fetches of one pass take together, at most: shares of them are counted in 64 bits."""

MAX_TICKS = 1 << 46
"""Ticks of one pass over one layer, at most: sums over passes and layers are counted in 64 bits."""


class Channel(NamedTuple):
    """The DRAM of a chip as compiled code takes it, all channels together.

    Parameters
    ----------
    burst_B, row_B : int
    bandwidth_GB_per_s : float
    ns_per_row : float
        Least time between the openings of two rows, banks and channels taking turns.
    clock_GHz : float
        Ticks per nanosecond.
    """

    burst_B: int
    row_B: int
    bandwidth_GB_per_s: float
    ns_per_row: float
    clock_GHz: float

    @classmethod
    def of(cls, chip: Chip) -> Channel:
        """DRAM of `chip`."""
        dram, kind = chip.dram, load_dram(chip.dram.type)
        return cls(
            dram.burst_B,
            kind.row_B,
            dram.bandwidth_GB_per_s,
            kind.row_cycle_ns / (kind.banks * dram.channels),
            chip.process.clock_GHz,
        )

    def bursts(self, bits: int) -> int:
        """Whole bursts that hold `bits`."""
        return -(-bits // (8 * self.burst_B))

    def rows(self, bursts: int) -> int:
        """Rows that `bursts` in a row open."""
        return -(-bursts * self.burst_B // self.row_B)


def busy_ticks(bursts: int, channel: Channel) -> int:
    """Ticks that `bursts` in a row keep the channels busy: with the bus, or with opening rows.

    Bursts follow one another on the bus; a row that is opened keeps its bank for a row cycle, and banks
    take turns. The first row opens within the latency.
    """
    moved_B = bursts * channel.burst_B
    bus_ns = moved_B / channel.bandwidth_GB_per_s
    banks_ns = (moved_B - 1) // channel.row_B * channel.ns_per_row
    return math.ceil(max(bus_ns, banks_ns) * channel.clock_GHz)


_busy_ticks = njit(cache=True)(busy_ticks)


class Demand(NamedTuple):
    """What one pass over a layer moves and computes.

    Parameters
    ----------
    fetches : int
        Times the weights are taken to the array.
    pinned, tiled : bool
        Weights come from the chip, not from DRAM; activations come in along with the weights, not
        before them.
    bursts_in, bursts_out : int
        DRAM bursts of activations and partial sums.
    core_ticks : int
    """

    fetches: int
    pinned: bool
    tiled: bool
    bursts_in: int
    bursts_out: int
    core_ticks: int


class Steps(NamedTuple):
    """Ticks of every step of one pass, int64 arrays of one shape."""

    read: NDArray[np.int64]
    decode: NDArray[np.int64]
    compute: NDArray[np.int64]
    write: NDArray[np.int64]


class Cut:
    """Where the stored weights of a layer are cut, and what the decoder does in each part.

    Parameters
    ----------
    layer : Layer
    chip : Chip
    """

    def __init__(self, layer: Layer, chip: Chip) -> None:
        self.layer, self.chip = layer, chip
        self.payload_bits = layer.weights.payload_bits if layer.weights else 0
        self.side_bits = layer.weights.side_bits if layer.weights else 0
        slot_bits = 8 * chip.buffers.slot_B
        self.step_bits = slot_bits * max(1, -(-self.payload_bits // (slot_bits * MAX_STEPS)))
        self.parts = max(1, -(-self.payload_bits // self.step_bits))

    def symbols(self, pinned: bool) -> int:
        """Symbols that one fetch decodes."""
        return int(self._symbols.sum()) if self._decodes(pinned) else 0

    def decode_ticks(self, pinned: bool) -> int:
        """Ticks that one fetch keeps the decoders busy."""
        return int(self._decode.sum()) if self._decodes(pinned) else 0

    def steps(self, demand: Demand, channel: Channel, most: int = MAX_PASS_STEPS) -> Steps:
        """Ticks of every step of one pass, `most` steps at most.

        Raises
        ------
        InputError
            If they are more than can be counted.
        """
        self._require_countable(demand, channel)
        parts = self.parts * demand.fetches
        group = -(-parts // most)
        count = -(-parts // group)
        read, compute, write = np.empty((3, count), np.int64)
        sizes = (self.payload_bits, self.side_bits, self.step_bits, self.parts, group)
        _fill(read, compute, write, sizes, demand, channel)
        return Steps(read, self._decode_ticks(demand, group, count), compute, write)

    def _decode_ticks(self, demand: Demand, group: int, count: int) -> NDArray[np.int64]:
        """Ticks that the decoders take in every step of `group` parts."""
        if not self._decodes(demand.pinned):
            return np.zeros(count, np.int64)
        if group == 1:
            return np.tile(self._decode, demand.fetches)
        ends = np.minimum(np.arange(1, count + 1) * group, self.parts * demand.fetches)
        until = np.concatenate([[0], np.cumsum(self._decode)])
        return np.diff(ends // self.parts * until[-1] + until[ends % self.parts], prepend=0)

    def _require_countable(self, demand: Demand, channel: Channel) -> None:
        if self.parts * demand.fetches > MAX_PARTS:
            raise InputError(
                f"chip {self.chip.name}: one pass over layer {self.layer.name} fetches its weights "
                f"{demand.fetches:,} times in {self.parts:,} parts, expected at most {MAX_PARTS:,} in all"
            )
        fetches = 0 if demand.pinned else demand.fetches
        bursts = demand.bursts_in + channel.bursts(fetches * (self.payload_bits + self.side_bits))
        ticks = {
            "dram.bandwidth_GB_per_s": busy_ticks(max(bursts, demand.bursts_out), channel),
            "array": demand.core_ticks,
        }
        if self._decodes(demand.pinned):
            symbols = demand.fetches * self.symbols(demand.pinned)
            ticks["decoder.symbols_per_cycle"] = math.ceil(symbols / self._symbols_per_tick)
        for key, count in ticks.items():
            if count > MAX_TICKS:
                raise InputError(
                    f"chip {self.chip.name}: {key} makes one pass over layer {self.layer.name} last "
                    f"{count:.3g} ticks, expected at most {MAX_TICKS}"
                )

    def _decodes(self, pinned: bool) -> bool:
        """Whether there are symbols, and what stays on chip is not decoded already."""
        weights = self.layer.weights
        return (
            weights is not None and weights.symbols > 0 and not (pinned and self.chip.decoder.place == "dram")
        )

    @cached_property
    def _symbols(self) -> NDArray[np.int64]:
        """Symbols of each part."""
        weights = self.layer.weights
        assert weights is not None
        ends = np.minimum(np.arange(1, self.parts + 1, dtype=np.int64) * self.step_bits, self.payload_bits)
        bits = np.concatenate([[0], np.cumsum(weights.segment_bits)])
        symbols = np.concatenate([[0], np.cumsum(weights.segment_symbols)])
        return np.diff(np.floor(np.interp(ends, bits, symbols)).astype(np.int64), prepend=0)

    @property
    def _symbols_per_tick(self) -> float:
        """Rate of the decoders: a segment is one decoder's work, so no more help than there are segments."""
        weights, decoder = self.layer.weights, self.chip.decoder
        assert weights is not None
        return min(decoder.count, len(weights.segment_bits)) * decoder.symbols_per_cycle

    @cached_property
    def _decode(self) -> NDArray[np.int64]:
        """Ticks of each part."""
        return np.ceil(self._symbols / self._symbols_per_tick).astype(np.int64)


def steps_of(
    cuts: Sequence[Cut], demands: Sequence[Demand], passes: Sequence[int], channel: Channel
) -> list[Steps]:
    """Steps of one pass over every layer, each of which is passed so often.

    Raises
    ------
    InputError
        If they are more than can be counted.
    """
    counts = [
        min(cut.parts * demand.fetches, MAX_PASS_STEPS) for cut, demand in zip(cuts, demands, strict=True)
    ]
    total = sum(times * count for times, count in zip(passes, counts, strict=True))
    most = MAX_PASS_STEPS if total <= MAX_STREAM_STEPS else max(1, MAX_STREAM_STEPS // sum(passes))
    return [cut.steps(demand, channel, most) for cut, demand in zip(cuts, demands, strict=True)]


@njit(cache=True)
def _up_to(part: int, parts: int, total: int) -> int:
    """First `part` of `parts` equal shares of `total`, rounded down, without their product."""
    return total // parts * part + total % parts * part // parts


@njit(cache=True)
def _fill(  # type: ignore[no-untyped-def]
    read, compute, write, sizes: tuple[int, int, int, int, int], demand: Demand, channel: Channel
) -> None:
    """Fill in the ticks of every step of a pass but its decoding.

    `sizes` are bits of payload, of side information and of a part, parts of a fetch, and parts of a step.
    """
    payload_bits, side_bits, part_bits, parts, group = sizes
    total = parts * demand.fetches
    burst_bits = 8 * channel.burst_B
    read_before, write_before, compute_before = 0, 0, 0
    for step in range(len(read)):
        done = min((step + 1) * group, total)
        fetch, part = (done - 1) // parts, (done - 1) % parts
        bursts = demand.bursts_in
        if demand.tiled:
            bursts = _up_to(done, total, demand.bursts_in)
        if not demand.pinned:
            end = min((part + 1) * part_bits, payload_bits) + side_bits
            bursts += -(-(fetch * (payload_bits + side_bits) + end) // burst_bits)
        busy = _busy_ticks(bursts, channel)
        read[step] = busy - read_before
        read_before = busy
        busy = _busy_ticks(_up_to(done, total, demand.bursts_out), channel)
        write[step] = busy - write_before
        write_before = busy
        busy = _up_to(done, total, demand.core_ticks)
        compute[step] = busy - compute_before
        compute_before = busy
