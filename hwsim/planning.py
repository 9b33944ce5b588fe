"""From a workload on a chip to the tile stream, and to counts of everything that happens.

`hwsim.mapping.segments` chooses what runs together and what stays on chip. Each pass over a kernel is
then counted (`hwsim.mapping.work`), cut into steps (`hwsim.mapping.steps`) and linked into a stream.
"""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.arrays.counting import gemm_of
from hwsim.arrays.vector import VectorUnit
from hwsim.engine.fast import steady_period
from hwsim.errors import InputError
from hwsim.mapping.fusion import kernels_of
from hwsim.mapping.graph import graph_of
from hwsim.mapping.link import link_passes
from hwsim.mapping.residency import Pass, Residency, Segment, buffer_bytes, require_batch, stored_bits
from hwsim.mapping.segments import CUT, STRIPES, WHOLE, Costs, search, whole_need
from hwsim.mapping.steps import Channel, Cut, Demand
from hwsim.mapping.tiling import Fetches, Tiling, best_tiling, problem_of
from hwsim.mapping.work import KernelPass, Schedule, kernel_pass, smallest_piece, works_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.machine.chip import Chip
    from hwsim.mapping.fusion import Kernel
    from hwsim.mapping.graph import Graph
    from hwsim.mapping.residency import LayerTiling
    from hwsim.mapping.steps import Steps
    from hwsim.pricing import PriceList
    from hwsim.workload.layer import Layer, Workload

SPACES = 2.0 ** -np.array([*np.arange(0, 4, 0.25), 4, 5, 6])
"""Working memories that are tried, as fractions of the on-chip memory."""

LARGEST_PART = 0.995
"""Where two layers at once ask too much of the on-chip memory, each try gives them so much less of it."""


def build(chip: Chip, workload: Workload, batch: int, prices: PriceList) -> Schedule:
    """Schedule `batch` items of `workload` on `chip`.

    Raises
    ------
    InputError
        If the batch is out of range, a layer cannot run on the chip's array, or it does not fit on chip
        in any way.
    """
    require_batch(batch)
    cuts = [Cut(layer, chip) for layer in workload.layers]
    channel = Channel.of(chip)
    residency = plan(chip, workload, batch, prices, cuts)
    found = [
        (residency.kernels[k], part, kernel_pass(chip, workload, residency, cuts, channel, residency.kernels[k], part))
        for segment in residency.segments
        for part in segment.passes
        for k in segment.kernels
    ]
    return _schedule(chip, workload, residency, cuts, channel, found)


Passes = list[tuple["Kernel", Pass, KernelPass]]


def _schedule(
    chip: Chip, workload: Workload, residency: Residency, cuts: Sequence[Cut], channel: Channel, found: Passes
) -> Schedule:
    """Cut the passes into steps, the array and the vector unit sharing the bandwidth of the on-chip memory.

    Where both together would move more than it has, every layer gets a smaller part of it, until they do not.
    """
    share, bus = 1.0, sum(part.times * done.ticks["sram"] for _, part, done in found)
    while True:
        shared = [(kernel, part, _with_part_of_bus(done, share)) for kernel, part, done in found]
        steps = _steps(residency, cuts, channel, shared)
        stream = link_passes(chip, workload, residency, steps)
        period = bus if _core_ticks(workload, shared) >= bus else float(steady_period(stream))
        if period >= bus:
            return Schedule(residency, stream, works_of(shared, channel))
        share *= min(period / bus, LARGEST_PART)


def _with_part_of_bus(done: KernelPass, share: float) -> KernelPass:
    """Let a kernel have only a part of the bandwidth of the on-chip memory."""
    if share == 1.0:
        return done
    sram = ceil(done.ticks["sram"] / share)
    demand = done.demand._replace(core_ticks=max(done.demand.core_ticks, sram))
    return done._replace(demand=demand, ticks=done.ticks | {"sram": sram})


def _core_ticks(workload: Workload, found: Passes) -> int:
    """Ticks of a batch that the array or the vector unit, the one with more to do, is busy."""
    busy = Counter[bool]()
    for kernel, part, done in found:
        busy[workload.layers[kernel.root].kind == "vector"] += part.times * done.demand.core_ticks
    return max(busy.values())


def _steps(
    residency: Residency, cuts: Sequence[Cut], channel: Channel, found: Passes
) -> dict[tuple[int, int], list[Steps]]:
    """Steps of the kernels of each segment, by the positions of the segment and of the pass in it."""
    steps: dict[tuple[int, int], list[Steps]] = {}
    passes = iter(found)
    for position, segment in enumerate(residency.segments):
        for at in range(len(segment.passes)):
            done = [next(passes) for _ in segment.kernels]
            steps[position, at] = [cuts[kernel.root].steps(one.demand, channel) for kernel, _, one in done]
    return steps


def plan(
    chip: Chip, workload: Workload, batch: int, prices: PriceList, cuts: Sequence[Cut]
) -> Residency:
    """Choose what runs together, how the batch is cut, and what stays on chip."""
    buffers = buffer_bytes(chip)
    capacity = 8 * (chip.sram.capacity_B - buffers)
    kernels = kernels_of(workload, chip.fusion)
    graph = graph_of(workload, kernels)
    spaces = capacity * SPACES
    tilings = {} if _maps_itself(chip) else _tilings(workload, kernels, graph, batch, spaces)
    best = np.inf
    for limit in _pass_sizes(chip, batch):
        fetches = _own_fetches(chip, workload, kernels, limit)
        costs = _costs(chip, workload, kernels, graph, batch, limit, prices, cuts, spaces, fetches, tilings)
        one, cost = search(
            graph, costs, float(capacity), spaces, batch, limit, chip.fusion == "depth-first", chip.sram.holds_weights
        )
        if cost < best:
            best, found, own, size = cost, one, fetches, limit
    if best == np.inf:
        raise InputError(
            f"chip {chip.name}: {capacity // 8} bytes of on-chip memory beside its buffers hold no part of a "
            f"layer of workload {workload.name} at batch {batch}"
        )
    return _residency(chip, workload, kernels, graph, batch, size, buffers, own, tilings, found)


def _maps_itself(chip: Chip) -> bool:
    return hasattr(chip.array, "dram_fetches")


def _pass_sizes(chip: Chip, batch: int) -> list[int]:
    """Largest passes to try: an array with a mapping of its own fetches by the items of a pass."""
    if not _maps_itself(chip):
        return [batch]
    return [*(1 << power for power in range((batch - 1).bit_length())), batch]


def _own_fetches(
    chip: Chip, workload: Workload, kernels: Sequence[Kernel], limit: int
) -> dict[int, Fetches]:
    """How often an array with a mapping of its own fetches, by layer; empty for other arrays."""
    if not _maps_itself(chip):
        return {}
    layers = [(kernel.root, workload.layers[kernel.root]) for kernel in kernels]
    return {
        index: Fetches(*chip.array.dram_fetches(*layer.joined(limit)))
        for index, layer in layers
        if layer.kind != "vector"
    }


def _tilings(
    workload: Workload, kernels: Sequence[Kernel], graph: Graph, batch: int, spaces: np.ndarray
) -> dict[tuple[int, int], Tiling]:
    """Best blocks of the kernels that do not fit a working memory whole, by both positions."""
    found = {}
    for k, kernel in enumerate(kernels):
        layer = workload.layers[kernel.root]
        if layer.kind == "vector":
            continue
        whole = whole_need(graph, k, k + 1, batch)
        for at, space in enumerate(spaces):
            if whole > space:
                try:
                    found[at, k] = best_tiling(problem_of(*layer.joined(batch)), int(space))
                except InputError:
                    break
    return found


def _costs(
    chip: Chip,
    workload: Workload,
    kernels: Sequence[Kernel],
    graph: Graph,
    batch: int,
    limit: int,
    prices: PriceList,
    cuts: Sequence[Cut],
    spaces: np.ndarray,
    own: dict[int, Fetches],
    tilings: dict[tuple[int, int], Tiling],
) -> Costs:
    """What the search weighs: bits, ticks and joules of every kernel."""
    layers, count = workload.layers, len(kernels)
    kernel_of = {index: k for k, kernel in enumerate(kernels) for index in kernel.layers}
    fetched, stored, owner = (np.zeros(count, np.int64) for _ in range(3))
    inputs = np.ones(count)
    core, item, again, stripe, decode, joules = (np.zeros(count) for _ in range(6))
    sram_J = 1e-12 * prices["sram", "read_bit"].pJ
    symbol_J = 1e-12 * prices["decoder", "symbol"].pJ
    at_array = chip.decoder.place == "array"
    for k, kernel in enumerate(kernels):
        root = layers[kernel.root]
        fetches = own.get(kernel.root, Fetches(1, 1))
        inputs[k] = fetches.input_fetches
        owner[k] = k if root.like is None else kernel_of[root.like]
        for index in kernel.layers:
            layer = layers[index]
            if layer.weights:
                fetched[k] += layer.weights.total_bits * fetches.weight_fetches
                stored[k] += stored_bits(layer, chip)
        beside = sum(ceil(layers[index].vector_ops * batch / chip.vector.lanes) for index in kernel.layers[1:])
        whole = _array_cost(chip, root, batch).cycles
        one = whole if batch == 1 or root.over_batch != "each" else _array_cost(chip, root, 1).cycles
        core[k], item[k] = max(whole, beside), max(one, beside / batch)
        again[k] = max(0.0, (batch * one - whole) / (batch - 1)) if batch > 1 else one
        if graph.rows[k] > 1 and root.over_batch == "each":
            row = _array_cost(chip, smallest_piece(root), 1).cycles
            stripe[k] = max(0.0, (graph.rows[k] * row - one) / (graph.rows[k] - 1))
        if root.weights:
            symbols = root.weights.symbols * at_array
            joules[k] = stored[k] * sram_J + symbols * symbol_J
            decode[k] = cuts[kernel.root].decode_ticks(Demand(1, 0, 0, False, 0, 0, 0)) * at_array
    shape = (len(spaces), count)
    bits, times, need = np.full(shape, np.inf), np.ones(shape), np.zeros(shape)
    for k in range(count):
        if layers[kernels[k].root].kind == "vector":
            bits[:, k] = _streamed_bits(graph, k, batch, 1)
        elif own:
            bits[:, k] = _streamed_bits(graph, k, batch, inputs[k])
            times[:, k] = -(-batch // limit)
    for (at, k), tiling in tilings.items():
        root = layers[kernels[k].root]
        weights = 0.0
        if root.weights:
            gemm = gemm_of(*root.joined(batch))
            each = problem_of(*root.joined(batch)).weight_bits
            weights = tiling.weight_fetches * gemm.n * gemm.k * gemm.groups * each
        bits[at, k] = tiling.traffic_bits - weights
        times[at, k], need[at, k] = tiling.weight_fetches, spaces[at]
    return Costs(
        fetched, stored, owner, inputs, core, item, again, stripe, decode, joules, bits, times, need,
        1e-12 * (prices["dram", "read_bit"].pJ + prices["sram", "write_bit"].pJ),
        chip.process.clock_GHz / (8 * chip.dram.bandwidth_GB_per_s),
        chip.power.cap_W * chip.tick_s,
    )  # fmt: skip


def _streamed_bits(graph: Graph, k: int, batch: int, fetches: float) -> float:
    """DRAM bits of activations of a kernel that streams through the chip, element after element."""
    edges = slice(graph.edge_ends[k - 1] if k else 0, graph.edge_ends[k])
    read = graph.edge_bits[edges] * np.where(graph.out_each[graph.edge_source[edges]], batch, 1)
    own = graph.outside_bits[k] * (batch if graph.outside_each[k] else 1)
    return float(fetches * (read.sum() + own) + graph.out_bits[k] * (batch if graph.out_each[k] else 1))


def _array_cost(chip: Chip, layer: Layer, items: int):  # type: ignore[no-untyped-def]
    model = VectorUnit(chip.vector.lanes) if layer.kind == "vector" else chip.array
    return model.cost(*layer.joined(items))


def _residency(
    chip: Chip,
    workload: Workload,
    kernels: tuple[Kernel, ...],
    graph: Graph,
    batch: int,
    limit: int,
    buffers: int,
    own: dict[int, Fetches],
    tilings: dict[tuple[int, int], Tiling],
    found: tuple[np.ndarray, ...],
) -> Residency:
    """Say in layers what the search has found in kernels."""
    layers = workload.layers
    first, modes, amounts, held, pinned, kept_parts = found
    segments: list[Segment] = []
    cut: list[LayerTiling] = [own.get(index) for index in range(len(layers))]
    for s, (begin, mode, amount) in enumerate(zip(first.tolist(), modes.tolist(), amounts.tolist(), strict=True)):
        end = int(first[s + 1]) if s + 1 < len(first) else len(kernels)
        chosen = range(begin, end)
        if mode == WHOLE:
            segments.append(Segment(chosen, "whole", _even(batch, amount)))
        elif mode == STRIPES:
            passes = (Pass(1, 1), Pass(1, batch - 1, fetches=False)) if batch > 1 else (Pass(1, 1),)
            segments.append(Segment(chosen, "stripes", passes, amount))
        else:
            root = kernels[begin].root
            segments.append(Segment(chosen, "cut", _even(batch, -(-batch // limit))))
            cut[root] = cut[root] or tilings.get((amount, begin))
    pinned_bits, kept = [0] * len(layers), [1.0] * len(layers)
    pinned_B = 0
    segment_of = {k: s for s, segment in enumerate(segments) for k in segment.kernels}
    for k, kernel in enumerate(kernels):
        for index in kernel.layers:
            weights = layers[index].weights
            if weights:
                pinned_bits[index] = int(weights.total_bits * float(pinned[k]))
                if layers[index].like is None:
                    pinned_B += int(stored_bits(layers[index], chip) * float(pinned[k])) // 8
        last = int(graph.last_use[k])
        if last == len(kernels):
            kept[kernel.last] = 0.0
        elif segment_of[last] != segment_of[k]:
            kept[kernel.last] = float(kept_parts[k])
    held_B = int(held.max()) // 8
    return Residency(
        batch,
        kernels,
        tuple(segments),
        tuple(cut),
        tuple(pinned_bits),
        tuple(kept),
        pinned_B,
        held_B,
        buffers,
    )


def _even(batch: int, passes: int) -> tuple[Pass, ...]:
    """Cut a batch into passes of equal size, the first ones one item larger where it does not divide."""
    size, larger = divmod(batch, passes)
    found = (Pass(size + 1, larger), Pass(size, passes - larger))
    return tuple(part for part in found if part.times and part.items)
