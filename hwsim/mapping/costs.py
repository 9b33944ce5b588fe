"""What the search of a plan weighs, gathered from the chip and the workload (`hwsim.mapping.law`)."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.arrays.base import OwnMapping, PerLayer
from hwsim.errors import InputError
from hwsim.mapping.alike import first_alike
from hwsim.mapping.decoding import decoding_J
from hwsim.mapping.fusion import Kernel, kernels_of
from hwsim.mapping.graph import graph_of, outside_bits_of, reads_of
from hwsim.mapping.law import BLOCKS, WEIGHTS, WORK, Tables, Terms
from hwsim.mapping.problem import problem_of
from hwsim.mapping.room import stripes_need
from hwsim.mapping.stripes import Units, array_cost, smallest_piece
from hwsim.mapping.tiling import Fetches, Tiling, best_tiling
from hwsim.mapping.work import count_port, joined_products
from hwsim.same import Same
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.arrays.base import Action, ArrayCost
    from hwsim.machine.chip import Chip
    from hwsim.mapping.graph import Graph
    from hwsim.mapping.steps import Cut
    from hwsim.mapping.tiling import Buffering
    from hwsim.pricing import PriceList
    from hwsim.workload.layer import Layer, Workload


SIZES = 16
"""Passes, and items of a pass, up to which the work of a batch is worked out without interpolation."""


SHARED = (
    "kernels", "roots", "forms", "graph", "own", "terms", "tilings", "_starts", "_sizes", "_works", "_tick_J",
    "_stripe", "_blocks", "_need",
)  # fmt: skip
"""What does not depend on where weights are decoded."""


Form = tuple[Same["Layer"], ...]
"""Layers of a kernel, or of another one that costs the same."""


class Work(NamedTuple):
    """Some items of a kernel: ticks of its unit, bits moved in the on-chip memory, and joules on chip."""

    core: float
    sram: float
    joules: float

    def times(self, factor: float) -> Work:
        """So many times as much."""
        return Work(*(factor * each for each in self))


class InBlocks(NamedTuple):
    """Best blocks of a kernel for some working memories, from a larger to a smaller one, and its passes."""

    kernel: int
    first: int
    end: int
    tiling: Tiling
    passes: int


@dataclass(frozen=True)
class Costs:
    """Costs of a workload's kernels on a chip.

    Parameters
    ----------
    chip : Chip
    workload : Workload
    batch, limit : int
        Items of the batch, and of one pass at most.
    prices : PriceList
    cuts : tuple of Cut
        The stored weights of each layer.
    spaces : ndarray of float64
        Working memories to try, in bits.
    """

    chip: Chip
    workload: Workload
    batch: int
    limit: int
    prices: PriceList
    cuts: tuple[Cut, ...]
    spaces: NDArray[np.float64]

    def with_cuts(self, cuts: tuple[Cut, ...]) -> Costs:
        """The same with weights that are decoded elsewhere; what they do not change is worked out once."""
        other = replace(self, cuts=cuts)
        for name in SHARED:
            vars(other)[name] = getattr(self, name)
        return other

    @cached_property
    def place(self) -> bool | None:
        """Whether all coded weights are decoded once; None if only some are, or none is coded."""
        once = {cut.once for cut in self.cuts if cut.layer.weights and cut.layer.weights.encoded}
        return once.pop() if len(once) == 1 else None

    @cached_property
    def kernels(self) -> tuple[Kernel, ...]:
        """Layers that run as one."""
        return kernels_of(self.workload, self.chip.fusion)

    @cached_property
    def roots(self) -> list[Layer]:
        """First layer of each kernel."""
        return [self.workload.layers[kernel.root] for kernel in self.kernels]

    @cached_property
    def forms(self) -> list[Form]:
        """What each kernel costs by: the same for kernels that cost the same."""
        each = tuple(map(Same, self.workload.layers))
        first = each if isinstance(self.chip.array, PerLayer) else first_alike(self.workload)
        return [tuple(first[index] for index in kernel.layers) for kernel in self.kernels]

    @cached_property
    def graph(self) -> Graph:
        """The kernels as tables."""
        return graph_of(self.workload, self.kernels)

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
    def terms(self) -> Terms:
        """Figures of the chip and of the batch."""
        chip, prices = self.chip, self.prices
        return Terms(
            batch=self.batch,
            limit=self.limit,
            dram_J=1e-12 * (prices["dram", "read_bit"].pJ + prices["sram", "write_bit"].pJ),
            dram_ticks=chip.process.clock_GHz / (8 * chip.dram.reached_GB_per_s),
            sram_ticks=1 / (8 * chip.sram.bandwidth_B_per_cycle),
            tick_J=self._tick_J,
            start=float(chip.kernel_ticks),
            layerwise=chip.kernels.execution == "layer-by-layer",
            ahead=chip.buffers.decode_depth - 1.0,
        )

    @cached_property
    def tables(self) -> Tables:
        """What the search sees of every kernel."""
        fetches = [self.own[k].input_fetches if k in self.own else 1.0 for k in range(len(self.kernels))]
        kernels, edges = self.graph
        return Tables(
            kernels,
            edges,
            self._weights,
            np.array(fetches, np.float64),
            self._starts,
            np.array([self.batch / size for size in self._sizes]),
            self._works,
            self._stripe,
            self._blocks,
            self._need,
        )

    @cached_property
    def _need(self) -> NDArray[np.float64]:
        striped = self.chip.fusion != "none"
        return stripes_need(*self.graph) if striped else np.full((1, 1, 1), np.inf)

    @cached_property
    def _starts(self) -> NDArray[np.float64]:
        start = self.terms.start
        joined = joined_products(self.workload) if start else frozenset[int]()
        return np.array([0.0 if kernel.root in joined else start for kernel in self.kernels])

    @cached_property
    def _sizes(self) -> list[int]:
        """Items of a pass, largest first: all that even passes have, few passes or small ones.

        Between two of them the work of a batch changes in proportion to the number of passes.
        """
        batch, few = self.batch, min(math.isqrt(self.batch) + 1, SIZES, self.batch)
        sizes = {batch // passes for passes in range(1, few + 1)}
        sizes |= {ceil_div(batch, passes) for passes in range(1, few + 1)}
        return sorted(sizes | set(range(1, few + 1)), reverse=True)

    @cached_property
    def _works(self) -> NDArray[np.void]:
        sizes = tuple(self._sizes)
        place = {form: at for at, form in enumerate(dict.fromkeys(self.forms))}
        done = _all_done(Units.of(self.chip), tuple(place), sizes)
        places = [place[form] for form in self.forms]
        prices = np.array([self.prices.pJ(*action) for action in done.actions])
        found, factor = np.empty((len(sizes), len(places)), WORK), self.batch / np.array(sizes)[:, None]
        found["core"], found["sram"] = factor * done.core[:, places], factor * done.sram[:, places]
        found["joules"] = factor * (1e-12 * (done.counts.take(places, axis=1) @ prices))
        return found

    @cached_property
    def _tick_J(self) -> float:
        """What a tick is worth: what the chip draws in it while it computes at the nominal clock.

        It depends neither on the cap nor on the memories, so that more of them never makes a plan worse.
        """
        whole = self._works[0]
        return float(self.chip.static_W * self.chip.tick_s + whole["joules"].sum() / whole["core"].sum())

    def _work(self, k: int, items: int) -> Work:
        """A batch of a kernel in passes of so many items."""
        key = k, items
        if key not in self._known:
            done = _done(Units.of(self.chip), self.forms[k], items)
            self._known[key] = self._priced(done).times(self.batch / items)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple[int, int], Work]:
        return {}

    def _priced(self, done: Done) -> Work:
        pJ = sum([self.prices.pJ(*action, count) for action, count in done.counts])
        return Work(float(done.core), float(done.sram), 1e-12 * pJ)

    @cached_property
    def _stripe(self) -> NDArray[np.void]:
        """More work for another stripe of an item: arrays fill and load again."""
        found, units = np.zeros(len(self.kernels), WORK), Units.of(self.chip)
        for k, root in enumerate(self.roots):
            rows = int(self.graph.kernels["rows"][k])
            if self.chip.fusion != "none" and rows > 1 and root.over_batch == "each":
                row, whole = (self._priced(done) for done in _row_and_all(units, self.forms[k][0], rows))
                found[k] = tuple(
                    max(0.0, (rows * a - b) / (rows - 1)) for a, b in zip(row, whole, strict=True)
                )
        return found

    @cached_property
    def _weights(self) -> NDArray[np.void]:
        layers = self.workload.layers
        kernel_of = {index: k for k, kernel in enumerate(self.kernels) for index in kernel.layers}
        sram_J = 1e-12 * self.prices.pJ("sram", "read_bit")
        rows = []
        for k, (kernel, root) in enumerate(zip(self.kernels, self.roots, strict=True)):
            times = self.own[k].weight_fetches if k in self.own else 1
            fetched = stored = 0
            for layer, cut in ((layers[index], self.cuts[index]) for index in kernel.layers):
                if layer.weights:
                    fetched += layer.weights.total_bits * times
                    stored += cut.on_chip_bits
            cut = self.cuts[kernel.root]
            read, decode_J, decode = 0, 0.0, 0
            if root.weights:
                counts = cut.cost(self.batch).counts
                if root.kind == "vector" or ("weights", "array_port", "word") in counts:
                    read = stored
                decode_J, decode = decoding_J(cut, self.prices), cut.decode_ticks_of_all
            owner = k if root.like is None else kernel_of[root.like]
            at_use, at_load = ((0.0, 0), (decode_J, decode)) if cut.once else ((decode_J, decode), (0.0, 0))
            joules = read * sram_J + at_use[0]
            decoding = (joules, at_load[0] * times, at_use[1], at_load[1])
            rows.append((fetched, stored, read, *decoding, cut.parts, owner))
        return np.array(rows, WEIGHTS)

    @cached_property
    def tilings(self) -> dict[tuple[int, int], Tiling]:
        """Best blocks of the kernels that are cut or streamed, by the working memory and the kernel.

        Only the largest working memory of each has them.
        """
        return {(one.first, one.kernel): one.tiling for one in self._cut}

    @cached_property
    def _cut(self) -> list[InBlocks]:
        """Kernels in blocks.

        What fits whole can be streamed, too: it then computes while its inputs come in.
        """
        found: list[InBlocks] = []
        table = self.graph.kernels
        alone = (self.batch * table["alone_each"] + table["alone_once"]).tolist()
        buffering, layerwise = self.chip.buffers.buffering, self.terms.layerwise
        spaces = tuple(self.spaces.tolist())
        for k, root in enumerate(self.roots):
            if root.kind == "vector" or self.own:
                continue
            largest, form = alone[k] if layerwise else math.inf, self.forms[k][0]
            for first, end, ways in _ways_in(spaces, form, self.batch, largest, buffering, layerwise):
                best = min(ways, key=lambda way: self._cut_J(k, *way)) if len(ways) > 1 else ways[0]
                found.append(InBlocks(k, first, end, *best))
        return found

    def _cut_J(self, k: int, tiling: Tiling, passes: int) -> float:
        terms, items = self.terms, ceil_div(self.batch, passes)
        work, bits = self._work(k, items), tiling.traffic_bits * (self.batch / items)
        core = passes * self._starts[k] + max(work.core, (work.sram + bits) * terms.sram_ticks)
        ticks = max(core, bits * terms.dram_ticks)
        return bits * terms.dram_J + work.joules + ticks * terms.tick_J

    @cached_property
    def _blocks(self) -> NDArray[np.void]:
        names = BLOCKS.names or ()
        found = np.zeros((len(self.spaces), len(self.kernels), len(names)))
        found[..., names.index("bits")], found[..., names.index("fetches")] = np.inf, 1.0
        times = ceil_div(self.batch, self.limit)
        for k, root in enumerate(self.roots):
            if root.kind == "vector" or k in self.own:
                fetches = self.own[k].input_fetches if k in self.own else 1
                work = self._work(k, ceil_div(self.batch, times))
                found[:, k] = (*work, self._streamed_bits(k, fetches), 1.0, times, 0.0, 0.0)
        beside = [self._beside_bits(k) for k in range(len(self.kernels))]
        for k, first, end, tiling, passes in self._cut:
            items = ceil_div(self.batch, passes)
            bits = tiling.traffic_bits - (tiling.weight_bits if self.roots[k].weights else 0.0)
            work, bits = self._work(k, items), bits * (self.batch / items) + beside[k]
            found[first:end, k] = (*work, bits, tiling.weight_fetches, passes, tiling.needed_bits, first)
        return found.view(BLOCKS)[..., 0]

    def _beside_bits(self, k: int) -> int:
        """Bits that the layers in the output path of a kernel read besides what its root reads and makes.

        One input of a residual addition, for example.
        """
        layers, kernel = self.workload.layers, self.kernels[k]
        known, bits = {*layers[kernel.root].inputs, *kernel.layers}, 0
        for index in kernel.layers[1:]:
            reads = reads_of(self.workload, index)
            outside = outside_bits_of(layers[index], reads)
            bits += outside * (1 if layers[index].over_batch == "once" else self.batch)
            for source in reads.made.keys() - known:
                made = layers[source]
                each = self.batch if made.over_batch == "each" else 1
                bits += reads.made[source] * made.operand_bits * each
            known |= reads.made.keys()
        return bits

    def _streamed_bits(self, k: int, fetches: float) -> float:
        """DRAM bits of activations of a kernel that streams through the chip, element after element."""
        row = self.graph.kernels[k]
        edges = self.graph.edges[row["edges"] : row["edges_end"]]
        each = self.graph.kernels[edges["source"]]["out_each"]
        read = edges["bits"] * np.where(each, self.batch, 1)
        outside = row["outside_bits"] * (self.batch if row["outside_each"] else 1)
        written = row["out_bits"] * (self.batch if row["out_each"] else 1)
        return float(fetches * (read.sum() + outside) + written)


@lru_cache(maxsize=1 << 10)
def _ways_in(
    spaces: tuple[float, ...],
    same: Same[Layer],
    batch: int,
    largest: float,
    buffering: Buffering,
    layerwise: bool,
) -> list[tuple[int, int, tuple[tuple[Tiling, int], ...]]]:
    """`_ways` of every space below the `largest`, and from which position to which they are the same."""
    found = []
    first = sum(space >= largest for space in spaces)
    while first < len(spaces):
        ways = _ways(same, batch, int(spaces[first]), buffering, layerwise)
        if not ways:  # not even single elements fit, nor do they in less memory
            break
        # the best blocks for more memory fit less, too, as long as it has what they need
        need = max(tiling.needed_bits for tiling, _ in ways)
        end = max(sum(space >= need for space in spaces), first + 1)
        found.append((first, end, ways))
        first = end
    return found


@lru_cache(maxsize=1 << 14)
def _ways(
    same: Same[Layer], batch: int, space: int, buffering: Buffering, layerwise: bool
) -> tuple[tuple[Tiling, int], ...]:
    """Blocks of a batch in one pass, and in more passes where they move less; none where no block fits."""
    layer = same.thing
    try:
        whole = best_tiling(problem_of(*layer.joined(batch)), space, buffering)
    except InputError:
        return ()
    ways, least = [(whole, 1)], whole.traffic_bits
    if layerwise or layer.over_batch != "each" or whole.items == batch:
        return tuple(ways)
    sizes = {whole.items} | {1 << power for power in range((batch - 1).bit_length())}
    for passes in sorted({ceil_div(batch, size) for size in sizes} - {1}):
        items = ceil_div(batch, passes)
        parts = best_tiling(problem_of(layer, items), space, buffering)
        moved = parts.traffic_bits * batch / items
        if moved < least:
            ways.append((parts, passes))
            least = moved
    return tuple(ways)


class Done(NamedTuple):
    """Ticks of a unit, bits that it moves in the on-chip memory, and how often it does each action."""

    core: int
    sram: int
    counts: tuple[tuple[tuple[str, str], int], ...]

    @classmethod
    def of(cls, core: int, counts: Counter[Action]) -> Done:
        """Sum up over tensors."""
        found: Counter[tuple[str, str]] = Counter()
        for (_, component, action), count in counts.items():
            found[component, action] += count
        sram = sum(count for (component, _), count in found.items() if component == "sram")
        return cls(core, sram, tuple((action, count) for action, count in found.items() if count))


@lru_cache(maxsize=1 << 13)
def _done(units: Units, form: Form, items: int) -> Done:
    """What some items of a kernel take; nothing between its layers goes through the on-chip memory."""
    ticks: Counter[bool] = Counter()
    counts: Counter[Action] = Counter()
    between = 0
    for position, same in enumerate(form, start=1):
        layer = same.thing
        cost = array_cost(units, layer, items)
        ticks[layer.kind == "vector"] += cost.cycles
        own = _with_port(cost, layer)
        read, written = (("activations", "sram", action) for action in ("read_bit", "write_bit"))
        own[read] -= min(between, own[read])
        between = 0 if position == len(form) else layer.outputs_of(items) * layer.operand_bits
        own[written] -= min(between, own[written])
        counts.update(own)
    return Done.of(max(ticks.values()), counts)


class AllDone(NamedTuple):
    """`Done` of some forms, by the items of a pass: shape (sizes, forms), and counts of each action."""

    core: NDArray[np.float64]
    sram: NDArray[np.float64]
    actions: tuple[tuple[str, str], ...]
    counts: NDArray[np.float64]


@lru_cache(maxsize=64)
def _all_done(units: Units, forms: tuple[Form, ...], sizes: tuple[int, ...]) -> AllDone:
    done = [[_done(units, form, items) for form in forms] for items in sizes]
    actions = tuple(dict.fromkeys(action for row in done for one in row for action, _ in one.counts))
    counts = np.zeros((len(sizes), len(forms), len(actions)))
    for at, row in enumerate(done):
        for k, one in enumerate(row):
            for action, count in one.counts:
                counts[at, k, actions.index(action)] = count
    core = np.array([[float(one.core) for one in row] for row in done])
    sram = np.array([[float(one.sram) for one in row] for row in done])
    return AllDone(core, sram, actions, counts)


@lru_cache(maxsize=1 << 13)
def _row_and_all(units: Units, layer: Same[Layer], rows: int) -> tuple[Done, Done]:
    """What a row of an item takes, and all of it."""
    pieces = smallest_piece(layer.thing, rows), layer.thing
    row, whole = (array_cost(units, piece, 1) for piece in pieces)
    return (
        Done.of(row.cycles, _with_port(row, layer.thing)),
        Done.of(whole.cycles, _with_port(whole, layer.thing)),
    )


def _with_port(cost: ArrayCost, layer: Layer) -> Counter[Action]:
    counts = Counter(cost.counts)
    count_port(counts, layer)
    return counts
