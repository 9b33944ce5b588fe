"""Windows: the inputs that blocks of outputs of a convolution read along one axis, halo included."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.compiled import njit, tiered
from hwsim.whole import ceil_div

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW_PARTS = 64
"""Parts of an axis up to which every number of them is tried."""

MANY_PARTS_RATIO = 1.08
"""Beyond them, each number of parts tried is larger than the last by this factor."""


class Axis(NamedTuple):
    """Rows or columns of a convolution; a matrix product has one input for each output.

    Parameters
    ----------
    outputs, inputs : int
        Positions.
    kernel, stride, pad : int
        Positions of a window, positions from one window to the next, zeros before the first input.
    whole : bool
        Memory is contiguous along this axis: inputs that no window reads are fetched with those before.
    """

    outputs: int
    inputs: int
    kernel: int = 1
    stride: int = 1
    pad: int = 0
    whole: bool = False

    @property
    def is_plain(self) -> bool:
        """Each output reads one input of its own."""
        return (self.kernel, self.stride, self.pad) == (1, 1, 0)

    @property
    def used(self) -> int:
        """Distinct inputs that any window reads."""
        return self.outputs if self.is_plain else int(_totals(*self[:5])[0])

    @property
    def taps(self) -> int:
        """Pairs of an output and an input of its window; padding is no input."""
        return self.outputs if self.is_plain else int(_totals(*self[:5])[1])

    @property
    def windows_per_input(self) -> int:
        """Most windows that read the same input."""
        return ceil_div(self.kernel, self.stride)


class Blocks(NamedTuple):
    """An axis cut into blocks of equal size, the last one smaller.

    Parameters
    ----------
    size, number : int
        Outputs of a block, and blocks.
    reach : int
        Most inputs of a block.
    overlap : int
        Most inputs that a block shares with the one before.
    total : int
        Inputs of all blocks, shared ones counted for each.
    distinct : int
        Inputs of all blocks, where each fetches only what the one before has not.
    """

    size: int
    number: int
    reach: int
    overlap: int
    total: int
    distinct: int


def block_sizes(length: int, few: int = FEW_PARTS, ratio: float = MANY_PARTS_RATIO) -> list[int]:
    """Sizes of 1, 2, 3, ... equal parts, every number while they are few; largest first.

    They depend on the length alone, so a larger memory has the choices of a smaller one and more.
    """
    parts, tried = 1, {1, length}
    while parts < length:
        tried.add(ceil_div(length, parts))
        parts = parts + 1 if parts < few else max(parts + 1, int(parts * ratio))
    return sorted(tried, reverse=True)


def _blocks(axis: Axis, size: int) -> Blocks:
    number = ceil_div(axis.outputs, size)
    if axis.is_plain:
        return Blocks(size, number, size, 0, axis.outputs, axis.outputs)
    reach, overlap, total, shared = _walk(*axis, size)
    return Blocks(size, number, int(reach), int(overlap), int(total), int(total - shared))


@tiered(turns=lambda outputs, *_: outputs)
@njit(cache=True)
def _walk(
    outputs: int, inputs: int, kernel: int, stride: int, pad: int, whole: bool, size: int
) -> tuple[int, int, int, int]:
    """Most inputs of a block, most that it shares with the last, and the sums of both."""
    most, most_shared, total, shared = 0, 0, 0, 0
    before = 0
    for start in range(0, outputs, size):
        last = min(start + size, outputs) - 1
        begin = min(max(start * stride - pad, 0), inputs)
        end = min(max(last * stride - pad + kernel, begin), inputs)
        if whole:
            end = inputs if last + 1 == outputs else max(end, min((last + 1) * stride - pad, inputs))
        count = end - begin
        if stride > kernel and not whole:
            count = 0
            for output in range(start, last + 1):
                count += _window(output, inputs, kernel, stride, pad)
        common = max(0, before - begin)
        most, most_shared = max(most, count), max(most_shared, common)
        total, shared = total + count, shared + common
        before = end
    return most, most_shared, total, shared


@njit(cache=True)
def _window(output: int, inputs: int, kernel: int, stride: int, pad: int) -> int:
    begin = output * stride - pad
    return max(0, min(begin + kernel, inputs) - max(begin, 0))


@tiered(turns=lambda outputs, *_: outputs)
@njit(cache=True)
def _totals(outputs: int, inputs: int, kernel: int, stride: int, pad: int) -> tuple[int, int]:
    """Distinct inputs of all windows, and the sum over windows."""
    used, taps, before = 0, 0, 0
    for output in range(outputs):
        begin = max(output * stride - pad, before)
        end = min(output * stride - pad + kernel, inputs)
        used += max(0, end - begin)
        before = max(before, end)
        taps += _window(output, inputs, kernel, stride, pad)
    return used, taps


class Cuts(NamedTuple):
    """Every block of output positions that is tried, a row of the table each, whole maps and stripes first.

    Parameters
    ----------
    shape : ndarray of int64, shape (cuts, 3)
        Items, rows and columns of a block.
    figures : ndarray of float64, shape (cuts, 6)
        Positions of a block; number of blocks; most inputs of a block; of these, most that the block
        before has on chip; inputs of all blocks; and of all blocks, where each fetches only
        what the one before has not. Inputs are of one channel.
    """

    shape: NDArray[np.int64]
    figures: NDArray[np.float64]


@lru_cache(maxsize=4096)
def cuts_of(items: int, rows: Axis, columns: Axis) -> Cuts:
    """Cut a stack of maps: into sets of whole maps, or each map into stripes or rectangles.

    Blocks of a map run down its rows, one strip of columns after the other, and share inputs with the
    block above. Where blocks are as high as the map, they run along its rows.
    """
    shape, figures = _cuts_of_a_map(rows, columns)
    if items == 1:
        return Cuts(shape, figures)
    figures = figures * np.array([1.0, items, 1.0, 1.0, items, items])
    sets = np.array(block_sizes(items)[:-1])
    whole = np.repeat(figures[:1], len(sets), axis=0)
    whole[:, 0] *= sets
    whole[:, 1] = ceil_div(items, sets)
    whole[:, 2] *= sets
    shapes = np.repeat(shape[:1], len(sets), axis=0)
    shapes[:, 0] = sets
    return Cuts(np.vstack([shapes, shape]), np.vstack([whole, figures]))


@lru_cache(maxsize=1024)
def _cuts_of_a_map(rows: Axis, columns: Axis) -> Cuts:
    down, across = (_table(axis) for axis in (rows, columns))
    cuts = {name: (down[name][None, :], across[name][:, None]) for name in Blocks._fields}
    stripes = cuts["number"][0] > 1
    pairs = (
        np.multiply(*cuts["size"]),
        np.multiply(*cuts["number"]),
        np.multiply(*cuts["reach"]),
        np.where(stripes, cuts["overlap"][0] * cuts["reach"][1], cuts["reach"][0] * cuts["overlap"][1]),
        np.multiply(*cuts["total"]),
        np.where(stripes, cuts["distinct"][0] * cuts["total"][1], cuts["reach"][0] * cuts["distinct"][1]),
    )
    figures = np.stack([pair.ravel() for pair in pairs], axis=1)
    sizes = np.broadcast_arrays(1.0, *cuts["size"])
    return Cuts(np.stack([size.ravel() for size in sizes], axis=1).astype(np.int64), figures)


def _table(axis: Axis) -> dict[str, NDArray[np.float64]]:
    blocks = np.array([_blocks(axis, size) for size in block_sizes(axis.outputs)], float)
    return dict(zip(Blocks._fields, blocks.T, strict=True))
