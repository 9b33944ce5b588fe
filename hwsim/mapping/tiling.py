"""Tiling: blocks of a matrix layer that fit on chip, and the DRAM traffic of each loop order.

A layer is a product of M rows (output positions times items), N filters and K depth, for each group.
Blocks of m x n x k are brought on chip by three nested loops, group by group. A tensor's block is
fetched anew in every iteration of the loops down to the innermost one that indexes it, so the order
decides what is reused: with M innermost, weights stay; with N innermost, inputs stay; with K innermost,
partial sums stay. Partial sums that leave before K is done are written and read back, and both are
counted.

Blocks of a convolution are sets of whole maps, stripes of full rows, or rectangles, and whole windows
of some channels. Inputs that two blocks share, the halo, are fetched for each of them, unless they
stay on chip from one block to the next: for free where the same channels follow, or with room for the
shared rows of all channels.

A block that stays during the innermost loop has one buffer. What streams past it has two, so that the
next block comes in meanwhile.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from hwsim.arrays.counting import PSUM_BITS
from hwsim.errors import InputError
from hwsim.mapping.block_search import Sizes, follows, needed, search, times
from hwsim.mapping.problem import lower_bound_bits
from hwsim.mapping.windows import block_sizes, cuts_of
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.mapping.block_search import Found
    from hwsim.mapping.problem import Problem

ORDERS = ("mnk", "nmk", "mkn", "nkm", "kmn", "knm")
"""Loop orders, outermost first; those that finish a partial sum before they leave it come first."""

Buffering = Literal["single", "streaming", "double"]
"""What has two buffers: nothing, what the innermost loop streams, or everything."""

BUFFERINGS: tuple[str, ...] = get_args(Buffering)

FILTER_PARTS = (16, 1.2)
"""Parts of the filters tried where partial sums leave: every number up to so many, then by a factor."""

_PLACES = np.array([[order.index(loop) for loop in "mnk"] for order in ORDERS])


class Fetches(NamedTuple):
    """How often a layer that is cut moves each weight, input and output: see `Tiling`."""

    weight_fetches: int
    input_fetches: float
    psum_passes: int = 1


@dataclass(frozen=True)
class Tiling:
    """Blocks and loop order of one layer, and what they move between DRAM and chip.

    Parameters
    ----------
    order : str
        Loops, outermost first.
    groups, items, rows, columns, filters, channels : int
        Sizes of a block.
    k : int
        Depth of a block: weights of a filter.
    keeps_halo : bool
        Inputs that a block shares with the one before stay on chip.
    weight_fetches : int
        How often each weight comes in.
    input_fetches : float
        Inputs that come in over inputs of the layer: halos make it a fraction, and so does a stride
        that skips rows.
    psum_passes : int
        How often each output leaves; all but the last time it comes back.
    weight_bits, input_bits, output_bits, psum_bits : float
        Moved in one pass over the layer; outputs leave once, and partial sums count both ways.
    needed_bits : float
        Memory that the blocks take.
    least_bits : float
        Lower bound of the traffic for any blocks and order (see `lower_bound_bits`).
    """

    order: str
    groups: int
    items: int
    rows: int
    columns: int
    filters: int
    channels: int
    k: int
    keeps_halo: bool
    weight_fetches: int
    input_fetches: float
    psum_passes: int
    weight_bits: float
    input_bits: float
    output_bits: float
    psum_bits: float
    needed_bits: float
    least_bits: float

    @property
    def m(self) -> int:
        """Output positions of a block."""
        return self.items * self.rows * self.columns

    @property
    def n(self) -> int:
        """Filters of a block."""
        return self.filters

    @property
    def traffic_bits(self) -> float:
        """All tensors together, one pass over the layer."""
        return self.weight_bits + self.input_bits + self.output_bits + self.psum_bits

    @property
    def above_bound(self) -> float:
        """Traffic over its lower bound: 1 is optimal."""
        return self.traffic_bits / self.least_bits if self.least_bits else 1.0


@lru_cache(maxsize=1 << 16)
def best_tiling(
    problem: Problem, space_bits: int, buffering: Buffering = "streaming", order: str = ""
) -> Tiling:
    """Search blocks and orders for the least traffic; ties go to larger blocks.

    The blocks that are tried depend on the problem alone, so more space never costs more traffic.

    Parameters
    ----------
    space_bits : int
        On-chip memory for the blocks and their second buffers.
    buffering : {"single", "streaming", "double"}
        What has two buffers, so that the next block comes in while one is used.
    order : str
        One of `ORDERS`; the best of them where it is empty.

    Raises
    ------
    InputError
        If not even the smallest blocks fit.
    """
    p = problem
    cuts = cuts_of(p.items, p.rows, p.columns)
    orders = (order,) if order else ORDERS
    places = _PLACES[[ORDERS.index(each) for each in orders]]
    sizes = np.array(block_sizes(p.filters, *FILTER_PARTS), float)
    layer = _sizes(p, buffering)
    found = search(cuts.figures, sizes, places, layer, float(space_bits))
    if not found.channels:
        raise InputError(f"tiling: {space_bits} bits on chip hold no block of the layer")
    shape = tuple(int(size) for size in cuts.shape[found.cut])
    return _described(p, space_bits, layer, orders[found.order], shape, cuts.figures[found.cut], found)


def best_of_each_order(problem: Problem, space_bits: int, buffering: Buffering = "streaming") -> list[Tiling]:
    """Best blocks of every loop order for which some fit, least traffic first.

    Raises
    ------
    InputError
        As `best_tiling` does.
    """
    best = best_tiling(problem, space_bits, buffering)
    others = []
    for order in ORDERS:
        if order != best.order:
            with suppress(InputError):
                others.append(best_tiling(problem, space_bits, buffering, order))
    return [best, *sorted(others, key=lambda tiling: tiling.traffic_bits)]


def _sizes(p: Problem, buffering: Buffering) -> Sizes:
    numbers = (
        p.filters,
        p.channels,
        p.area,
        p.m,
        p.groups,
        p.weight_bits,
        p.input_bits,
        p.output_bits,
        BUFFERINGS.index(buffering),
    )
    return Sizes(*(float(number) for number in numbers))


def _described(
    p: Problem,
    space_bits: int,
    layer: Sizes,
    order: str,
    shape: tuple[int, ...],
    cut: NDArray[np.float64],
    found: Found,
) -> Tiling:
    places = _PLACES[ORDERS.index(order)]
    filters, channels = int(found.filters), int(found.channels)
    trips = (float(cut[1]), float(ceil_div(p.filters, filters)), float(ceil_div(p.channels, channels)))
    weights, inputs, psums = times(places, *trips)
    kept = bool(found.keep or follows(places, trips[2]))
    maps = inputs * float(cut[5 if kept else 4])
    bits = needed(cut, places, found.filters, found.channels, found.keep, layer)
    groups = 1
    if trips == (1.0, 1.0, 1.0) and p.groups > 1:
        alone = needed(cut, places, found.filters, found.channels, found.keep, layer._replace(groups=1.0))
        groups, bits = _groups_at_once(p.groups, space_bits, bits, alone)
    items, rows, columns = shape
    return Tiling(
        order=order,
        groups=groups,
        items=items,
        rows=rows,
        columns=columns,
        filters=filters,
        channels=channels,
        k=channels * p.area,
        keeps_halo=kept,
        weight_fetches=int(weights),
        input_fetches=maps / (p.items * p.rows.inputs * p.columns.inputs),
        psum_passes=int(psums),
        weight_bits=p.weight_tensor_bits * weights,
        input_bits=p.groups * maps * p.channels * p.input_bits,
        output_bits=p.output_tensor_bits,
        psum_bits=p.groups * p.m * p.n * 2.0 * PSUM_BITS * (psums - 1),
        needed_bits=bits,
        least_bits=lower_bound_bits(p, space_bits),
    )


def _groups_at_once(groups: int, space_bits: int, streaming: float, alone: float) -> tuple[int, float]:
    """Groups in a block and their bits: `streaming` for each, or `alone` if no others follow."""
    if groups * alone <= space_bits:
        return groups, groups * alone
    together = ceil_div(groups, ceil_div(groups, min(groups - 1, int(space_bits // streaming))))
    return together, together * streaming
