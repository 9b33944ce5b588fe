"""Choose what runs together, how the batch is cut, and what stays on chip.

The search (`hwsim.mapping.segments`) sees kernels as numbers. Here they are gathered from the chip and the
workload, and what it finds is put into words (`hwsim.mapping.residency`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from hwsim.arrays.base import OwnMapping
from hwsim.errors import InputError
from hwsim.mapping.fusion import kernels_of
from hwsim.mapping.graph import Graph, graph_of
from hwsim.mapping.problem import problem_of
from hwsim.mapping.residency import Pass, Residency, Segment, buffer_bytes, stored_bits
from hwsim.mapping.room import whole_need
from hwsim.mapping.segments import STRIPES, WHOLE, Costs, Found, search
from hwsim.mapping.stripes import array_cost, smallest_piece
from hwsim.mapping.tiling import Fetches, Tiling, best_tiling
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hwsim.arrays.base import Action, ArrayCost
    from hwsim.machine.chip import Chip
    from hwsim.mapping.fusion import Kernel
    from hwsim.mapping.residency import LayerTiling
    from hwsim.mapping.steps import Cut
    from hwsim.pricing import PriceList
    from hwsim.workload.layer import Layer, Workload

SPACES = 2.0 ** -np.array([*np.arange(0, 4, 0.25), 4, 5, 6])
"""Working memories that are tried, as fractions of the on-chip memory."""


def choose(chip: Chip, workload: Workload, batch: int, prices: PriceList, cuts: Sequence[Cut]) -> Residency:
    """Choose the plan of least cost.

    Parameters
    ----------
    chip : Chip
    workload : Workload
    batch : int
        Items of a batch.
    prices : PriceList
    cuts : sequence of Cut
        The stored weights of each layer.

    Raises
    ------
    InputError
        If the streaming buffers, or a single kernel, do not fit on chip in any way.
    """
    best: tuple[float, _Choice, Found] | None = None
    for limit in _pass_sizes(chip, batch):
        choice = _Choice(chip, workload, batch, limit, prices, tuple(cuts))
        found = choice.found
        if len(found.first) and (best is None or found.cost < best[0]):
            best = found.cost, choice, found
    if best is None:
        raise InputError(
            f"chip {chip.name}: sram.capacity_B = {chip.sram.capacity_B} holds no part of a layer of "
            f"workload {workload.name} at batch {batch}, expected more memory or smaller buffers"
        )
    return best[1].residency(best[2])


def _pass_sizes(chip: Chip, batch: int) -> list[int]:
    """Largest passes to try: an array with a mapping of its own fetches by the items of a pass."""
    if not isinstance(chip.array, OwnMapping):
        return [batch]
    return [*(1 << power for power in range((batch - 1).bit_length())), batch]


@dataclass(frozen=True)
class _Choice:
    """One search, and all that it sees.

    Parameters
    ----------
    limit : int
        Items of one pass, at most.
    """

    chip: Chip
    workload: Workload
    batch: int
    limit: int
    prices: PriceList
    cuts: tuple[Cut, ...]

    @cached_property
    def kernels(self) -> tuple[Kernel, ...]:
        return kernels_of(self.workload, self.chip.fusion)

    @cached_property
    def roots(self) -> list[Layer]:
        return [self.workload.layers[kernel.root] for kernel in self.kernels]

    @cached_property
    def graph(self) -> Graph:
        return graph_of(self.workload, self.kernels)

    @cached_property
    def capacity(self) -> int:
        """Bits on chip, without the streaming buffers."""
        return 8 * (self.chip.sram.capacity_B - buffer_bytes(self.chip))

    @cached_property
    def own(self) -> dict[int, Fetches]:
        """How often an array with a mapping of its own fetches, by kernel; empty for other arrays."""
        array = self.chip.array
        if not isinstance(array, OwnMapping):
            return {}
        return {
            k: Fetches(*array.dram_fetches(*root.joined(self.limit)))
            for k, root in enumerate(self.roots)
            if root.kind != "vector"
        }

    @cached_property
    def tilings(self) -> dict[tuple[int, int], Tiling]:
        """Best blocks of the kernels that do not fit a working memory whole, by both positions."""
        found: dict[tuple[int, int], Tiling] = {}
        for k, root in enumerate(self.roots):
            if root.kind == "vector" or self.own:
                continue
            whole = whole_need(self.graph, k, k + 1, self.batch)
            problem = problem_of(*root.joined(self.batch))
            for at, space in enumerate(self.capacity * SPACES):
                if whole > space:
                    try:
                        found[at, k] = best_tiling(problem, int(space), self.chip.buffers.buffering)
                    except InputError:  # not even single elements fit, nor do they in less memory
                        break
        return found

    @cached_property
    def found(self) -> Found:
        """What the search finds."""
        (first, mode, amount, held, pinned, kept), cost = search(
            self.graph,
            self.costs,
            float(self.capacity),
            self.capacity * SPACES,
            self.batch,
            self.limit,
            self.chip.fusion != "none",
            self.chip.fusion == "depth-first",
            self.chip.sram.holds_weights,
            self.chip.kernels.execution == "layer-by-layer",
        )
        return Found(first, mode, amount, held, pinned, kept, cost)

    @cached_property
    def costs(self) -> Costs:
        """What the search weighs: bits, ticks and joules of every kernel."""
        chip, prices = self.chip, self.prices
        fetched, stored, owner = self._weights()
        core, item, again, stripe = self._ticks()
        decode, joules = self._passes_of_weights(stored)
        bits, times, need = self._cuts()
        return Costs(
            fetched_bits=fetched,
            stored_bits=stored,
            owner=owner,
            input_fetches=self._input_fetches,
            core_ticks=core,
            item_ticks=item,
            again_ticks=again,
            stripe_ticks=stripe,
            decode_ticks=decode,
            pass_J=joules,
            cut_bits=bits,
            cut_fetches=times,
            cut_need=need,
            dram_J_per_bit=1e-12 * (prices["dram", "read_bit"].pJ + prices["sram", "write_bit"].pJ),
            dram_ticks_per_bit=chip.process.clock_GHz / (8 * chip.dram.reached_GB_per_s),
            tick_J=self._tick_J,
        )

    @property
    def _input_fetches(self) -> NDArray[np.float64]:
        own = (self.own[k].input_fetches if k in self.own else 1 for k in range(len(self.kernels)))
        return np.fromiter(own, np.float64)

    @property
    def _tick_J(self) -> float:
        """What a tick is worth: what the chip draws in it while it computes at the nominal clock.

        It depends neither on the cap nor on the memories, so that more of them never makes a plan worse.
        """
        costs = [self.cuts[kernel.root].cost(self.batch) for kernel in self.kernels]
        dynamic_pJ = sum(sum(self.prices.energy_pJ(_without_port(cost)).values()) for cost in costs)
        ticks = sum(cost.cycles for cost in costs)
        return self.chip.static_W * self.chip.tick_s + 1e-12 * dynamic_pJ / max(ticks, 1)

    def _weights(self) -> tuple[NDArray[np.int64], ...]:
        """Bits that come from DRAM in a pass, bits on chip, and whose weights they are, by kernel."""
        layers = self.workload.layers
        kernel_of = {index: k for k, kernel in enumerate(self.kernels) for index in kernel.layers}
        fetched, stored, owner = (np.zeros(len(self.kernels), np.int64) for _ in range(3))
        for k, (kernel, root) in enumerate(zip(self.kernels, self.roots, strict=True)):
            owner[k] = k if root.like is None else kernel_of[root.like]
            for layer in (layers[index] for index in kernel.layers):
                if layer.weights:
                    times = self.own[k].weight_fetches if k in self.own else 1
                    fetched[k] += layer.weights.total_bits * times
                    stored[k] += stored_bits(layer, self.chip)
        return fetched, stored, owner

    def _ticks(self) -> tuple[NDArray[np.float64], ...]:
        """Ticks of the batch, of an item, and more for another pass and another stripe, by kernel."""
        batch, layers = self.batch, self.workload.layers
        core, item, again, stripe = (np.zeros(len(self.kernels)) for _ in range(4))
        for k, (kernel, root) in enumerate(zip(self.kernels, self.roots, strict=True)):
            each = root.over_batch == "each"
            whole = self.cuts[kernel.root].cost(batch).cycles
            one = self.cuts[kernel.root].cost(1).cycles if each and batch > 1 else whole
            beside = sum(
                ceil(layers[at].vector_ops * batch / self.chip.vector.lanes) for at in kernel.layers[1:]
            )
            start = self.chip.kernel_ticks
            core[k], item[k] = start + max(whole, beside), start + max(one, beside / batch)
            again[k] = start + (max(0.0, (batch * one - whole) / (batch - 1)) if batch > 1 else one)
            rows = int(self.graph.rows[k])
            if rows > 1 and each:
                row = array_cost(self.chip, smallest_piece(root), 1).cycles
                stripe[k] = max(0.0, (rows * row - one) / (rows - 1))
        return core, item, again, stripe

    def _passes_of_weights(self, stored: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
        """Ticks of the decoders, and joules, of one passage of a kernel's weights to the array."""
        decode, joules = np.zeros(len(self.kernels)), np.zeros(len(self.kernels))
        sram_J = 1e-12 * self.prices.pJ("sram", "read_bit")
        symbol_J = 1e-12 * self.prices.pJ("decoder", "symbol")
        for k, (kernel, root) in enumerate(zip(self.kernels, self.roots, strict=True)):
            if root.weights:
                joules[k] = stored[k] * sram_J
                if self.chip.decoder.place == "array":
                    joules[k] += root.weights.symbols * symbol_J
                    decode[k] = self.cuts[kernel.root].decode_ticks_at_array
        return decode, joules

    def _cuts(self) -> tuple[NDArray[np.float64], ...]:
        """DRAM bits of activations, fetches of weights, and bits held of a kernel in blocks."""
        shape = (len(SPACES), len(self.kernels))
        bits, times, need = np.full(shape, np.inf), np.ones(shape), np.zeros(shape)
        for k, root in enumerate(self.roots):
            if root.kind == "vector" or k in self.own:
                fetches = self.own[k].input_fetches if k in self.own else 1
                bits[:, k] = _streamed_bits(self.graph, k, self.batch, fetches)
                times[:, k] = ceil_div(self.batch, self.limit)
        for (at, k), tiling in self.tilings.items():
            bits[at, k] = tiling.traffic_bits - (tiling.weight_bits if self.roots[k].weights else 0.0)
            times[at, k], need[at, k] = tiling.weight_fetches, tiling.needed_bits
        return bits, times, need

    def residency(self, found: Found) -> Residency:
        """Say in layers what the search has found in kernels."""
        layers = self.workload.layers
        segments = self._segments(found)
        tilings: list[LayerTiling] = [None] * len(layers)
        for k, kernel in enumerate(self.kernels):
            tilings[kernel.root] = self.own.get(k)
        for segment, amount in zip(segments, found.amount.tolist(), strict=True):
            if segment.mode == "cut" and not self.own:
                k = segment.kernels.start
                tilings[self.kernels[k].root] = self.tilings.get((amount, k))
        pinned, pinned_bits, pinned_B = found.pinned.tolist(), [0] * len(layers), 0
        for k, kernel in enumerate(self.kernels):
            for index in kernel.layers:
                stored = layers[index].weights
                if stored:
                    pinned_bits[index] = int(stored.total_bits * pinned[k])
                    if layers[index].like is None:
                        pinned_B += int(stored_bits(layers[index], self.chip) * pinned[k]) // 8
        return Residency(
            self.batch,
            self.kernels,
            segments,
            tuple(tilings),
            tuple(pinned_bits),
            self._kept(segments, found),
            pinned_B,
            int(found.held.max()) // 8,
            buffer_bytes(self.chip),
        )

    def _segments(self, found: Found) -> tuple[Segment, ...]:
        ends = [*found.first[1:].tolist(), len(self.kernels)]
        rows = zip(found.first.tolist(), ends, found.mode.tolist(), found.amount.tolist(), strict=True)
        segments = []
        for first, end, mode, amount in rows:
            chosen = range(first, end)
            if mode == WHOLE:
                segments.append(Segment(chosen, "whole", _even(self.batch, amount)))
            elif mode == STRIPES:
                passes = (Pass(1, 1), Pass(1, self.batch - 1, fetches=False))
                segments.append(Segment(chosen, "stripes", passes[: self.batch], amount))
            else:
                segments.append(Segment(chosen, "cut", _even(self.batch, ceil_div(self.batch, self.limit))))
        return tuple(segments)

    def _kept(self, segments: Sequence[Segment], found: Found) -> tuple[float, ...]:
        """Fraction of each layer's output that does not go through DRAM."""
        segment_of = {k: position for position, segment in enumerate(segments) for k in segment.kernels}
        kept = [1.0] * len(self.workload.layers)
        for k, kernel in enumerate(self.kernels):
            last = int(self.graph.last_use[k])
            if last == len(self.kernels):
                kept[kernel.last] = 0.0
            elif segment_of[last] != segment_of[k]:
                kept[kernel.last] = float(found.kept[k])
        return tuple(kept)


def _without_port(cost: ArrayCost) -> Counter[Action]:
    """Counts of a layer, the port of an array left out: what comes through it is priced with memories."""
    return Counter({action: count for action, count in cost.counts.items() if action[1] != "array_port"})


def _even(batch: int, passes: int) -> tuple[Pass, ...]:
    """Cut a batch into passes of equal size, the first ones one item larger where it does not divide."""
    size, larger = divmod(batch, passes)
    return tuple(part for part in (Pass(size + 1, larger), Pass(size, passes - larger)) if part.times)


def _streamed_bits(graph: Graph, k: int, batch: int, fetches: float) -> float:
    """DRAM bits of activations of a kernel that streams through the chip, element after element."""
    edges = slice(graph.edge_ends[k - 1] if k else 0, graph.edge_ends[k])
    read = graph.edge_bits[edges] * np.where(graph.out_each[graph.edge_source[edges]], batch, 1)
    outside = graph.outside_bits[k] * (batch if graph.outside_each[k] else 1)
    written = graph.out_bits[k] * (batch if graph.out_each[k] else 1)
    return float(fetches * (read.sum() + outside) + written)
