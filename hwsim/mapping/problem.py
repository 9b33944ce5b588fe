"""One layer for the search of tilings: its loops, the bits of its tensors, and the least it can move."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from hwsim.arrays.counting import PSUM_BITS, gemm_of
from hwsim.mapping.windows import Axis
from hwsim.same import Same

if TYPE_CHECKING:
    from hwsim.workload.layer import Layer


class Problem(NamedTuple):
    """Loops of one layer, and bits per element of each tensor.

    A convolution keeps its rows and columns, so that halos can be counted. Any other layer, and a 1x1
    convolution without stride, is a matrix product: one column, and M rows.

    Parameters
    ----------
    items, groups : int
        Maps that share the weights of a group; groups share nothing.
    rows, columns : Axis
        Output positions of a map, and the inputs that their windows read.
    filters, channels : int
        Of one group.
    weight_bits, input_bits : float
        Stored bits of a weight, bits of an input. Zero for what is on chip already and has its own room.
    output_bits : int
        Bits of a finished output. Zero for outputs that stay on chip.
    """

    items: int
    groups: int
    rows: Axis
    columns: Axis
    filters: int
    channels: int
    weight_bits: float
    input_bits: float
    output_bits: int

    @property
    def area(self) -> int:
        """Weights of a filter for each channel."""
        return self.rows.kernel * self.columns.kernel

    @property
    def m(self) -> int:
        """Rows of a group's matrix product: output positions of all items."""
        return self.items * self.rows.outputs * self.columns.outputs

    @property
    def n(self) -> int:
        """Columns of a group's matrix product: filters."""
        return self.filters

    @property
    def k(self) -> int:
        """Depth of a group's matrix product: weights of a filter."""
        return self.channels * self.area

    @property
    def weight_tensor_bits(self) -> float:
        """All weights, once."""
        return self.groups * self.n * self.k * self.weight_bits

    @property
    def output_tensor_bits(self) -> float:
        """All finished outputs, once."""
        return self.groups * self.m * self.n * float(self.output_bits)


def gemm_problem(
    m: int, n: int, k: int, groups: int, weight_bits: float, input_bits: float, output_bits: int
) -> Problem:
    """View `groups` products of (m, k) inputs and (k, n) weights as a tiling problem."""
    rows, column = Axis(m, m), Axis(1, 1, whole=True)
    return Problem(1, groups, rows, column, n, k, weight_bits, input_bits, output_bits)


@lru_cache(maxsize=4096)
def _windows(
    in_hw: tuple[int, int],
    out_hw: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
) -> tuple[Axis, Axis]:
    shapes = zip(out_hw, in_hw, kernel, stride, pad, strict=True)
    rows, columns = (Axis(*shape) for shape in shapes)
    return rows, columns._replace(whole=True)


def problem_of(layer: Layer, items: int) -> Problem:
    """View `items` of a matrix layer as a tiling problem.

    The second operand of a product of activations takes the place of the weights.
    """
    return _problem(Same(layer), items)


@lru_cache(maxsize=1 << 12)
def _problem(same: Same[Layer], items: int) -> Problem:
    layer = same.thing
    gemm = gemm_of(layer, items)
    second = gemm.n * gemm.k * gemm.groups
    stored = layer.weights.total_bits if layer.weights else second * layer.operand_bits
    bits = layer.operand_bits
    if _has_windows(layer):
        rows, columns = _windows(layer.in_hw, layer.out_hw, layer.kernel, layer.stride, layer.pad)
        channels = layer.depth // prod(layer.kernel)
        return Problem(items, gemm.groups, rows, columns, gemm.n, channels, stored / second, bits, bits)
    first = layer.input_elements * items - second * (layer.kind == "matmul")
    input_bits = max(first, 1) * bits / (gemm.m * gemm.k * gemm.groups)
    return gemm_problem(gemm.m, gemm.n, gemm.k, gemm.groups, stored / second, input_bits, bits)


def _has_windows(layer: Layer) -> bool:
    """Whether the layer is a convolution whose shape says which inputs each output reads."""
    if layer.kind != "conv" or (layer.kernel, layer.stride, layer.pad) == ((1, 1), (1, 1), (0, 0)):
        return False
    channels, rest = divmod(layer.depth, prod(layer.kernel))
    elements = channels * layer.groups * prod(layer.in_hw)
    return not rest and prod(layer.out_hw) == layer.pixels and elements == layer.input_elements


def lower_bound_bits(problem: Problem, space_bits: int) -> float:
    """Least traffic of any blocks and order: every tensor once, or what a small memory forces if more.

    While ``2 S`` bits are read, a memory of S bits sees weights, inputs and partial sums of at most
    ``3 S`` bits, which multiply at most ``S**1.5 / sqrt(w a p)`` times, where an operand of a product has
    w, a and p bits (Loomis and Whitney, 1949). So all reads are at least ``2 MACs sqrt(w a p / S) - 2 S``
    (Smith et al., "A tight I/O lower bound for matrix multiplication", arXiv 1702.02017). They count
    a first read of every partial sum, which here starts at zero: ``M N p`` come off, and the
    outputs that leave are added. The argument holds for any p up to the width of a partial sum; the
    one with the largest bound is taken, which is narrower where K is small. An input of a convolution
    stands in several windows: a is its bits over the most windows that read it, and products with
    padding do not count.
    """
    p = problem
    positions = p.items * p.rows.used * p.columns.used
    once = p.weight_tensor_bits + p.groups * positions * p.channels * p.input_bits + p.output_tensor_bits
    windows = p.rows.windows_per_input * p.columns.windows_per_input
    outputs = p.items * p.rows.outputs * p.columns.outputs
    depth = p.items * p.rows.taps * p.columns.taps * p.channels / outputs
    reads = depth * (p.weight_bits * p.input_bits / windows / space_bits) ** 0.5 if space_bits else 0.0
    psum_bits = min(float(PSUM_BITS), reads**2)
    forced = p.groups * outputs * p.n * (2 * reads * psum_bits**0.5 - psum_bits + p.output_bits)
    return max(once, forced - 2 * space_bits)
