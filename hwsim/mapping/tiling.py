"""Tiling: blocks of a matrix layer that fit on chip, and the DRAM traffic of each loop order.

A layer is a GEMM of M rows (pixels times items), N filters and K depth. Blocks of m x n x k are
brought on chip by three nested loops. A tensor's block is fetched anew in every iteration of the
loops down to the innermost one that indexes it, so the order decides what is reused: with M
innermost, weights stay; with N innermost, inputs stay; with K innermost, partial sums stay. Partial
sums that leave before K is done are written and read back, and both are counted.

Inputs of a convolution count once per element, not once per window: windows overlap on chip, and
the halo between blocks is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from math import isqrt
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from hwsim.arrays.counting import PSUM_BITS, gemm_of
from hwsim.errors import InputError
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.workload.layer import Layer

ORDERS = tuple(permutations("mnk"))
"""Loop orders, outermost first."""

INDEXED_BY = {"weights": "nk", "inputs": "mk", "outputs": "mn"}

FEW_PARTS = 16
"""Parts up to which every number of them is tried."""


class Problem(NamedTuple):
    """One layer for the search: GEMM sizes of one group, and bits per element of each tensor."""

    m: int
    n: int
    k: int
    groups: int
    weight_bits: float
    input_bits: float
    output_bits: int


class Fetches(NamedTuple):
    """How often a layer that is cut moves each weight, input and output: see `Tiling`."""

    weight_fetches: int
    input_fetches: int
    psum_passes: int = 1


@dataclass(frozen=True)
class Tiling:
    """Blocks and loop order of one layer, and what they move between DRAM and chip.

    Parameters
    ----------
    order : str
        Loops, outermost first.
    m, n, k : int
        Block sizes.
    weight_fetches, input_fetches : int
        How often each weight and each input comes in.
    psum_passes : int
        How often each output leaves; all but the last time it comes back.
    traffic_bits : float
        All three tensors together, one pass over the layer.
    least_bits : float
        Lower bound for any blocks and order (see `lower_bound_bits`).
    """

    order: str
    m: int
    n: int
    k: int
    weight_fetches: int
    input_fetches: int
    psum_passes: int
    traffic_bits: float
    least_bits: float

    @property
    def above_bound(self) -> float:
        """Traffic over its lower bound: 1 is optimal."""
        return self.traffic_bits / self.least_bits


def problem_of(layer: Layer, items: int) -> Problem:
    """View `items` of a matrix layer as a tiling problem.

    The second operand of a product of activations takes the place of the weights.
    """
    gemm = gemm_of(layer, items)
    second = gemm.n * gemm.k * gemm.groups
    stored = layer.weights.total_bits if layer.weights else second * layer.operand_bits
    first = layer.input_elements * items - second * (layer.kind == "matmul")
    return Problem(
        gemm.m,
        gemm.n,
        gemm.k,
        gemm.groups,
        stored / second,
        max(first, 1) * layer.operand_bits / (gemm.m * gemm.k * gemm.groups),
        layer.operand_bits,
    )


def lower_bound_bits(problem: Problem, space_bits: int) -> float:
    """Least traffic of any blocks and order: every tensor once, or what a small memory forces if more.

    While ``2 S`` bits are read, a memory of S bits sees weights, inputs and partial sums of at most
    ``3 S`` bits, which multiply at most ``S**1.5 / sqrt(w a p)`` times, where an element of them has
    w, a and p bits (Loomis and Whitney, 1949). So all reads are at least ``2 M N K sqrt(w a p / S) - 2 S``
    (Smith et al., "A tight I/O lower bound for matrix multiplication", arXiv 1702.02017). They count
    a first read of every partial sum, which here starts at zero: ``M N p`` come off, and the
    outputs that leave are added. The argument holds for any p up to the width of a partial sum; the
    one with the largest bound is taken, which is narrower where K is small.
    """
    p = problem
    once = p.groups * (
        p.n * p.k * p.weight_bits + p.m * p.k * p.input_bits + p.m * p.n * float(p.output_bits)
    )
    reads = p.k * (p.weight_bits * p.input_bits / space_bits) ** 0.5
    psum_bits = min(float(PSUM_BITS), reads**2)
    forced = p.groups * p.m * p.n * (2 * reads * psum_bits**0.5 - psum_bits + p.output_bits)
    return max(once, forced - 2 * space_bits)


Goal = Literal["traffic", "energy", "cycles", "edp"]


@dataclass(frozen=True)
class Prices:
    """What a goal needs besides traffic.

    Parameters
    ----------
    dram_pJ_per_bit, dram_bits_per_cycle : float
    array_cycles, array_pJ : float
        What the layer costs on the array in any case.
    """

    dram_pJ_per_bit: float = 1.0
    dram_bits_per_cycle: float = 1.0
    array_cycles: float = 0.0
    array_pJ: float = 0.0

    def objective(self, goal: Goal, traffic_bits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Value to minimise for each candidate, shape (candidates,)."""
        energy = self.array_pJ + traffic_bits * self.dram_pJ_per_bit
        cycles = np.maximum(self.array_cycles, traffic_bits / self.dram_bits_per_cycle)
        return {"traffic": traffic_bits, "energy": energy, "cycles": cycles, "edp": energy * cycles}[goal]


@lru_cache(maxsize=4096)
def best_tiling(
    problem: Problem, space_bits: int, goal: Goal = "traffic", prices: Prices | None = None
) -> Tiling:
    """Search blocks and orders for the least `goal`; ties go to less traffic, then to larger blocks.

    Parameters
    ----------
    space_bits : int
        On-chip memory for one block of each tensor, twice each, so that the next ones come in
        meanwhile.

    Raises
    ------
    InputError
        If not even single elements fit.
    """
    sizes = [_block_sizes(length) for length in (problem.m, problem.n, problem.k)]
    m, n, k = (grid.ravel() for grid in np.meshgrid(*sizes, indexing="ij"))
    held = 2 * (n * k * problem.weight_bits + m * k * problem.input_bits + m * n * PSUM_BITS)
    fits = held <= space_bits
    if not fits.any():
        raise InputError(f"tiling: {space_bits} bits on chip hold no block of the layer")
    m, n, k = m[fits], n[fits], k[fits]
    trips = {
        "m": ceil_div(problem.m, m),
        "n": ceil_div(problem.n, n),
        "k": ceil_div(problem.k, k),
    }
    smallness = -m * n * k
    best: tuple[tuple[float, float, int], Tiling] | None = None
    least = lower_bound_bits(problem, space_bits)
    for order in ORDERS:
        weights, inputs, outputs = (_refetches(order, trips, INDEXED_BY[t]) for t in INDEXED_BY)
        traffic = problem.groups * (
            problem.n * problem.k * problem.weight_bits * weights
            + problem.m * problem.k * problem.input_bits * inputs
            + problem.m * problem.n * (problem.output_bits + 2.0 * PSUM_BITS * (outputs - 1))
        )
        value = (prices or Prices()).objective(goal, traffic)
        choice = _first_least(value, traffic, smallness)
        key = (float(value[choice]), float(traffic[choice]), int(smallness[choice]))
        if best is None or key < best[0]:
            best = (
                key,
                Tiling(
                    "".join(order),
                    int(m[choice]),
                    int(n[choice]),
                    int(k[choice]),
                    int(weights[choice]),
                    int(inputs[choice]),
                    int(outputs[choice]),
                    float(traffic[choice]),
                    least,
                ),
            )
    assert best is not None
    return best[1]


def _block_sizes(length: int) -> NDArray[np.int64]:
    """The length cut into 1, 2, 3, ... equal parts, finely while parts are few, then by halves."""
    few = {ceil_div(length, parts) for parts in range(1, min(length, 2 * isqrt(length), FEW_PARTS) + 1)}
    halves = {max(1, length >> shift) for shift in range(length.bit_length())}
    return np.array(sorted(few | halves | {1}), np.int64)


def _first_least(*keys: NDArray[Any]) -> int:
    """Where the first key is least; among equals the second, and so on; then the first place."""
    places = np.arange(len(keys[0]))
    for key in keys:
        found = key[places]
        places = places[found == found.min()]
    return int(places[0])


def _refetches(
    order: tuple[str, ...], trips: dict[str, NDArray[np.int64]], indexed_by: str
) -> NDArray[np.int64]:
    """Times each element of a tensor moves: trips of the loops outside its innermost index.

    A loop that runs once does not evict anything, so it does not count as an index.
    """
    times = np.ones_like(trips["m"])
    pending = np.ones_like(times)
    for loop in order:
        pending = pending * (1 if loop in indexed_by else trips[loop])
        if loop in indexed_by:
            times = np.where(trips[loop] > 1, pending, times)
    return times
