"""Cut one pass over a layer into steps of one buffer slot of stored weights.

Where there would be thousands of steps, one takes several slots. Cycles, symbols and bits are
divided among the steps by cumulative rounding, so that their sums are exact.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.compiled import njit, tiered
from hwsim.energy.dram import load_dram
from hwsim.errors import InputError
from hwsim.mapping.stripes import Units, array_cost
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hwsim.arrays.base import ArrayCost
    from hwsim.machine.chip import Chip
    from hwsim.workload.layer import Layer

MAX_STEPS = 4096
"""Parts of the weights of one layer, at most: beyond, only the memory of the simulation would grow."""

MAX_PASS_STEPS = 64 * MAX_STEPS
"""Steps of one pass over one layer, at most: a layer that is cut fetches its weights many times."""

MAX_STREAM_STEPS = 1 << 22
"""Steps of all passes over all layers: beyond, every pass gets an equal share of them, one at least."""

MOST_ROUNDS = 8
"""Passes of weights that are on chip already have no steps of their own beyond so many."""

LEAST_PARTS = 16
"""Parts of weights, at least, where few of them need a slot: outputs leave while others are computed."""

FEW = 4
"""Weights are few beside activations of so many times as many slots."""

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
            dram.reached_GB_per_s,
            kind.row_cycle_ns / (kind.banks * dram.channels),
            chip.process.clock_GHz,
        )

    def bursts(self, bits: int) -> int:
        """Whole bursts that hold `bits`."""
        return ceil_div(bits, 8 * self.burst_B)

    def rows(self, bursts: int) -> int:
        """Rows that `bursts` in a row open."""
        return ceil_div(bursts * self.burst_B, self.row_B)


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
    """What one pass over a kernel moves and computes.

    Parameters
    ----------
    passes : int
        Times the weights are taken to the array.
    fetches : int
        How many of those, from the first on, take from DRAM what is not pinned.
    pinned_bits : int
        Bits of the stored weights that are on chip: the same fraction of every part of them, so that the
        others come in beside all of the computing.
    tiled : bool
        Activations come in along with the weights, not before them.
    bursts_in, bursts_out : int
        DRAM bursts of activations and partial sums.
    core_ticks : int
    start_ticks : int
        More of the core, before the first step computes: see `hwsim.machine.sections.Kernels`.
    """

    passes: int
    fetches: int
    pinned_bits: int
    tiled: bool
    bursts_in: int
    bursts_out: int
    core_ticks: int
    start_ticks: int = 0

    @property
    def unit_ticks(self) -> int:
        """Ticks that the pass holds the array or the vector unit."""
        return self.core_ticks + self.start_ticks


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
    once : bool
        Whether weights are decoded where they come on chip, and kept decoded.
    decoders : float, optional
        That are busy with the layer: as many as there are, or the longest segment allows, by default.
    """

    def __init__(
        self, layer: Layer, chip: Chip, *, once: bool = False, decoders: float | None = None
    ) -> None:
        self.layer, self.chip, self.once = layer, chip, once
        self._decoders = busy_decoders([layer], chip) if decoders is None else decoders
        self._steps: dict[tuple[Demand, int], Steps] = {}
        self._coded = layer.weights is not None and layer.weights.symbols > 0
        self.payload_bits = layer.weights.payload_bits if layer.weights else 0
        self.side_bits = layer.weights.side_bits if layer.weights else 0
        slot_bits = 8 * chip.buffers.slot_B
        self.step_bits = slot_bits * max(1, ceil_div(self.payload_bits, slot_bits * MAX_STEPS))
        self.parts = max(1, ceil_div(self.payload_bits, self.step_bits))

    @property
    def on_chip_bits(self) -> int:
        """Bits that the weights occupy on chip: as they are stored, or decoded."""
        weights = self.layer.weights
        if weights is None:
            return 0
        if self.once and weights.encoded and self.layer.weight_count:
            return self.layer.weight_count * self.layer.operand_bits + weights.side_bits
        return weights.total_bits

    def decoded(self, demand: Demand) -> dict[str, int]:
        """How often a pass does each action of the decoders.

        Weights that are decoded where they come on chip are decoded there, and not again.
        """
        return self.decodings(*(demand.fetches, demand.pinned_bits) if self.once else (demand.passes, 0))

    def decodings(self, times: int, pinned_bits: int) -> dict[str, int]:
        """How often the decoders do each action for all weights beyond the first bits, so many times."""
        weights = self.layer.weights
        if weights is None or not weights.encoded:
            return {}
        symbols = 0
        if self._coded:
            first, last = self._counted(np.array([0, self.payload_bits]), pinned_bits).tolist()
            symbols = last - first
        counts: dict[str, int] = {weights.symbol: times * symbols}
        left = self._left(pinned_bits)
        for action, count in (
            ("look_up_bit", weights.look_ups * self.layer.operand_bits),
            ("gap", weights.gaps),
        ):
            counts[action] = times * int(count * left)
        return counts

    def decode_ticks(self, demand: Demand) -> int:
        """Ticks that a pass keeps the decoders busy."""
        if not self._coded:
            return 0
        first, others = self._decodings(demand)
        return int(first.sum()) * demand.fetches + int(others.sum()) * (demand.passes - demand.fetches)

    @cached_property
    def decode_ticks_of_all(self) -> int:
        """Ticks of the decoders for all weights, once."""
        if not self._coded:
            return 0
        return int(self._ticks(self._symbols(0)).sum())

    def cost(self, items: int) -> ArrayCost:
        """Cost of some items of the layer on the unit that runs it."""
        return array_cost(Units.of(self.chip), self.layer, items)

    def count(self, demand: Demand, channel: Channel) -> int:
        """Steps of one pass, unless they are limited."""
        parts, _ = self._divided(demand.pinned_bits)
        return parts * self._rounds(demand, channel, parts)

    def steps(self, demand: Demand, channel: Channel, most: int = MAX_PASS_STEPS) -> Steps:
        """Ticks of every step of one pass, `most` steps at most.

        Raises
        ------
        InputError
            If they are more than can be counted.
        """
        if (demand, most) not in self._steps:
            self._steps[demand, most] = self._in_steps(demand, channel, most)
        return self._steps[demand, most]

    def _in_steps(self, demand: Demand, channel: Channel, most: int) -> Steps:
        self._require_countable(demand, channel)
        parts, part_bits = self._divided(demand.pinned_bits)
        rounds = self._rounds(demand, channel, parts)
        group = ceil_div(parts * rounds, most)
        read, compute, write = np.empty((3, ceil_div(parts * rounds, group)), np.int64)
        sizes = (self.payload_bits, self.side_bits, part_bits, parts, rounds, group)
        _fill(read, compute, write, sizes, demand, channel)
        if not self._coded:
            return Steps(read, np.zeros(len(read), np.int64), compute, write)
        decode = self._decode(demand, rounds)
        return Steps(read, np.add.reduceat(decode, np.arange(0, len(decode), group)), compute, write)

    def _decode(self, demand: Demand, rounds: int) -> NDArray[np.int64]:
        """Ticks of the decoders for every part of every round, shape (rounds * parts,)."""
        first, others = self._decodings(demand)
        ends = np.array([passes_before(turn, demand.passes, rounds) for turn in range(rounds + 1)])
        within = np.minimum(ends, demand.fetches)
        times, fetched = ends[1:] - ends[:-1], within[1:] - within[:-1]
        return (np.outer(fetched, first) + np.outer(times - fetched, others)).ravel()

    def _divided(self, pinned_bits: int) -> tuple[int, int]:
        """Parts of the weights in a pass, and bits of a part: a slot of what comes from DRAM, at most.

        Weights that are pinned need no slot, unless they are decoded on their way to the array.
        """
        if pinned_bits == 0 or self.parts == 1 or (self._coded and not self.once):
            return self.parts, self.step_bits
        least = min(self.parts, LEAST_PARTS)
        part_bits = ceil_div(self.payload_bits, max(least, math.ceil(self.parts * self._left(pinned_bits))))
        return ceil_div(self.payload_bits, part_bits), part_bits

    def _rounds(self, demand: Demand, channel: Channel, parts: int) -> int:
        """Times the parts of a pass are gone through.

        Each fetch has a round of its own while steps are few. Activations that stream in come slot by slot
        where the weights, which then come first, are few beside them and need no decoder meanwhile.
        """
        most = max(1, MAX_PASS_STEPS // parts)
        rounds = min(demand.passes, max(demand.fetches, MOST_ROUNDS), most)
        slots = demand.bursts_in * channel.burst_B // self.chip.buffers.slot_B
        beside = parts == 1 or (slots >= FEW * parts and not self._coded)
        if not demand.tiled or not beside:
            return rounds
        return max(rounds, min(slots, MOST_ROUNDS * MOST_ROUNDS) // parts)

    def _require_countable(self, demand: Demand, channel: Channel) -> None:
        weights = demand.fetches * (self.payload_bits + self.side_bits - demand.pinned_bits)
        bursts = demand.bursts_in + channel.bursts(weights)
        ticks = {
            "dram.bandwidth_GB_per_s": busy_ticks(max(bursts, demand.bursts_out), channel),
            "array": demand.unit_ticks,
            "decoder.symbols_per_cycle": self.decode_ticks(demand),
        }
        for key, count in ticks.items():
            if count > MAX_TICKS:
                raise InputError(
                    f"chip {self.chip.name}: {key} makes one pass over layer {self.layer.name} last "
                    f"{count:.3g} ticks, expected at most {MAX_TICKS}"
                )

    def _decodings(self, demand: Demand) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ticks of each part in a pass that fetches, and in one that does not (see `decoded`)."""
        if not self.once:
            ticks = self._ticks(self._symbols(0))
            return ticks, ticks
        ticks = self._ticks(self._symbols(demand.pinned_bits))
        return ticks, np.zeros(len(ticks), np.int64)

    def _left(self, pinned_bits: int) -> float:
        """Fraction of the stored weights that is not pinned."""
        total = self.payload_bits + self.side_bits
        return max(total - pinned_bits, 0) / total if total else 1.0

    def _symbols(self, pinned_bits: int) -> NDArray[np.int64]:
        """Symbols of each part, but for the fraction that is pinned."""
        parts, part_bits = self._divided(pinned_bits)
        ends = np.minimum(np.arange(parts + 1, dtype=np.int64) * part_bits, self.payload_bits)
        counted = self._counted(ends, pinned_bits)
        found: NDArray[np.int64] = counted[1:] - counted[:-1]
        return found

    def _counted(self, bits: NDArray[np.int64], pinned_bits: int) -> NDArray[np.int64]:
        """Symbols in so many bits of payload, but for the fraction that is pinned."""
        return np.floor(self._symbols_before(bits) * self._left(pinned_bits)).astype(np.int64)

    def _symbols_before(self, bits: NDArray[np.int64]) -> NDArray[np.int64]:
        """Whole symbols in so many bits of payload."""
        weights = self.layer.weights
        if weights is None or not len(weights.segment_bits):
            return np.zeros(len(bits), np.int64)
        return np.floor(np.interp(bits, *weights.cumulated)).astype(np.int64)

    def _ticks(self, symbols: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ticks of the decoders that are busy with the layer."""
        rate = self._decoders * self.chip.decoder.symbols_per_cycle
        return np.ceil(symbols / rate).astype(np.int64)


def busy_decoders(layers: Sequence[Layer], chip: Chip) -> float:
    """Decoders that are busy on average while they decode the weights of some layers side by side.

    A segment is the work of one decoder, so the longest one takes its time whatever their number. Beyond
    that they share the work evenly: no order of segments is taken to leave one idle.
    """
    segments = [layer.weights.segment_symbols for layer in layers if layer.weights and layer.weights.symbols]
    if not segments:
        return 1.0
    total, longest = sum(int(one.sum()) for one in segments), max(int(one.max()) for one in segments)
    return min(float(chip.decoder.count), total / longest)


@njit(cache=True)
def _up_to(part: int, parts: int, total: int) -> int:
    """First `part` of `parts` equal shares of `total`, rounded down, without their product."""
    return total // parts * part + total % parts * part // parts


def passes_before(turn: int, passes: int, rounds: int) -> int:
    """Passes of the weights that have begun before a round, rounds sharing them evenly.

    Where there are more rounds than passes, the first of the rounds of a pass brings its weights.
    """
    return turn * passes // rounds if rounds <= passes else (turn * passes + rounds - 1) // rounds


_ceil_div = njit(cache=True)(ceil_div)
_passes_before = njit(cache=True)(passes_before)


@tiered(turns=lambda read, *_: len(read))
@njit(cache=True)
def _fill(  # type: ignore[no-untyped-def]
    read, compute, write, sizes: tuple[int, int, int, int, int, int], demand: Demand, channel: Channel
) -> None:
    """Fill in the ticks of every step of a pass but its decoding.

    `sizes` are bits of payload, of side information and of a part, parts of a round, rounds, and parts of
    a step. Bits of weights come in the order in which they are stored, side information first; of every part
    the same fraction is pinned.
    """
    payload_bits, side_bits, part_bits, parts, rounds, group = sizes
    total = parts * rounds
    burst_bits = 8 * channel.burst_B
    stored_bits = payload_bits + side_bits
    fetched = stored_bits - demand.pinned_bits
    read_before, write_before, compute_before = 0, 0, 0
    for step in range(len(read)):
        done = min((step + 1) * group, total)
        turn, part = (done - 1) // parts, (done - 1) % parts
        bursts = demand.bursts_in
        if demand.tiled:
            bursts = _up_to(done, total, demand.bursts_in)
        before = min(_passes_before(turn, demand.passes, rounds), demand.fetches)
        here = min(_passes_before(turn + 1, demand.passes, rounds), demand.fetches) - before
        end = min((part + 1) * part_bits, payload_bits) + side_bits
        bits = before * fetched
        if part + 1 < parts:
            bits += here * int(fetched * (end / stored_bits))
        else:
            bits += here * fetched
        bursts += _ceil_div(bits, burst_bits)
        busy = _busy_ticks(bursts, channel)
        read[step] = busy - read_before
        read_before = busy
        busy = _busy_ticks(_up_to(done, total, demand.bursts_out), channel)
        write[step] = busy - write_before
        write_before = busy
        busy = _up_to(done, total, demand.core_ticks)
        compute[step] = busy - compute_before
        compute_before = busy
    compute[0] += demand.start_ticks
