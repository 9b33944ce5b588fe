"""A tile of a product of matrices, summed in vector registers.

A tile has `ROWS` rows and one or two vectors of columns. For each element along the inner dimension the
vectors of weights are loaded, and one number of each row is multiplied with them; the sums never leave the
registers. That is the inner loop of a fast library (Goto and van de Geijn 2008), but rows of the left matrix
may begin anywhere in memory: a convolution reads its patches where they lie in the image. Every sum is added
in the order of the inner dimension, whatever the tile, so that answers depend on neither blocks nor threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hwsim.compiled import njit

if TYPE_CHECKING:
    from collections.abc import Callable

LANES, ROWS = (16, 12) if binding.get_host_cpu_features().get("avx512f") else (8, 6)
"""Numbers in a vector, and rows of a tile, so that all sums fit into the registers of the processor."""

WIDTH = 2 * LANES
"""Columns of a panel: two vectors."""

FLOAT_B, INDEX_B = 4, 8
"""Bytes of a number and of an offset."""

AHEAD = 16
"""Rows of a panel between the one that is read and the one that is fetched into the cache."""


class Places(NamedTuple):
    """Where the rows of the left matrix lie: patches of an image whose channels lie side by side.

    Parameters
    ----------
    height, width : int
        Positions of the kernel; rows count them item by item, line by line.
    item, line, column : int
        Elements between neighbouring items, lines and columns of positions.
    segments, run : int
        A row is so many runs of neighbouring elements: the lines of a kernel.
    hop : int
        Elements between the starts of runs.
    """

    height: int
    width: int
    item: int
    line: int
    column: int
    segments: int
    run: int
    hop: int


def _tile(count: int, vectors: int) -> Callable[..., Any]:
    """Return the function that computes a tile of so many rows and vectors of columns.

    It takes addresses and counts: the left matrix, the offsets of its rows in elements, `segments`, `hop` and
    `run` of `Places`, a panel of weights (inner dimension, `WIDTH`), the numbers that sums begin with, the
    output, and the elements between its rows; then the least and the largest output.
    """

    @intrinsic
    def compute(_typing: Any, image: Any, offsets: Any, segments: Any, hop: Any, run: Any, panel: Any,
                bias: Any, y: Any, apart: Any, low: Any, high: Any) -> Any:  # fmt: skip
        return types.void(*[types.int64] * 9, types.float32, types.float32), _code(count, vectors)

    return compute


def _code(rows: int, vectors: int) -> Callable[..., Any]:
    """Return what writes the instructions of `_tile`."""
    number, index = ir.FloatType(), ir.IntType(64)
    vector = ir.VectorType(number, LANES)
    first_lane = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)

    def write(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        image, offsets, segments, hop, run, panel, bias, y, apart, low, high = arguments
        multiply_add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{LANES}f32"
        )

        def after(address: Any, count: Any, size: int) -> Any:
            return builder.add(address, builder.mul(count, ir.Constant(index, size)))

        def at(address: Any, kind: Any) -> Any:
            return builder.inttoptr(address, kind.as_pointer())

        def load(address: Any, kind: Any) -> Any:
            return builder.load(at(address, kind), align=FLOAT_B)

        byte, flag = ir.IntType(8), ir.IntType(32)
        prefetch = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte.as_pointer(), flag, flag, flag]),
            "llvm.prefetch.p0",
        )

        def everywhere(value: Any) -> Any:
            pair = builder.insert_element(vector(ir.Undefined), value, flag(0))
            return builder.shuffle_vector(pair, vector(ir.Undefined), first_lane)

        def limited(value: Any) -> Any:
            for sign, bound in (("<", least), (">", most)):
                value = builder.select(builder.fcmp_ordered(sign, value, bound), bound, value)
            return value

        least, most = everywhere(low), everywhere(high)
        count = [ir.Constant(index, at) for at in range(max(rows, vectors))]
        starts = [after(image, load(after(offsets, row, INDEX_B), index), FLOAT_B) for row in count[:rows]]
        sums = [[cgutils.alloca_once(builder, vector) for _ in range(vectors)] for _ in starts]
        for column in range(vectors):
            first = load(after(bias, count[column], FLOAT_B * LANES), vector)
            for row in sums:
                builder.store(first, row[column])
        with cgutils.for_range(builder, segments) as segment:
            skipped = builder.mul(segment.index, hop)
            begins = [after(start, skipped, FLOAT_B) for start in starts]
            weights = after(panel, builder.mul(segment.index, run), FLOAT_B * WIDTH)
            with cgutils.for_range(builder, run) as inner:
                here = after(weights, inner.index, FLOAT_B * WIDTH)
                for column in range(vectors):
                    ahead = after(here, ir.Constant(index, AHEAD * 2 + column), FLOAT_B * LANES)
                    builder.call(prefetch, [at(ahead, byte), flag(0), flag(3), flag(1)])
                columns = [
                    load(after(here, count[column], FLOAT_B * LANES), vector) for column in range(vectors)
                ]
                for begin, row in zip(begins, sums, strict=True):
                    alone = load(after(begin, inner.index, FLOAT_B), number)
                    same = everywhere(alone)
                    for total, column in zip(row, columns, strict=True):
                        value = builder.call(multiply_add, [same, column, builder.load(total)])
                        builder.store(value, total)
        for place, row in zip(count, sums, strict=False):
            line = after(y, builder.mul(place, apart), FLOAT_B)
            for column, total in zip(count, row, strict=False):
                target = at(after(line, column, FLOAT_B * LANES), vector)
                builder.store(limited(builder.load(total)), target, align=FLOAT_B)
        return context.get_dummy_value()

    return write


_narrow, _wide, _single = _tile(ROWS, 1), _tile(ROWS, 2), _tile(1, 2)
FEW = ROWS // 4
"""Up to so many rows, one after another takes less time than a tile."""


@njit(cache=True)
def _offsets(places, first, count):  # type: ignore[no-untyped-def]
    """Offsets of `count` rows from `first` on; of the last one again for as many as a tile may lack."""
    offsets = np.empty(count + ROWS, np.int64)
    item, place = divmod(first, places.height * places.width)
    line, column = divmod(place, places.width)
    for row in range(count):
        offsets[row] = item * places.item + line * places.line + column * places.column
        column += 1
        if column == places.width:
            line, column = line + 1, 0
        if line == places.height:
            item, line = item + 1, 0
    offsets[count:] = offsets[count - 1]
    return offsets


@njit(cache=True)
def multiply(image, places, first, panels, bias, y, start, count, channels, low, high):  # type: ignore[no-untyped-def]
    """Fill `count` rows of an output with the product of rows of `image`, from `first` on, and all panels.

    `image`, `panels` (panels, inner dimension, `WIDTH`) and `bias` (panels x `WIDTH`) are addresses of
    numbers of 32 bits. The output has `channels` columns and begins at element `start` of `y`, which is
    flat; numbers below `low` and above `high` become these.
    """
    offsets = _offsets(places, first, count)
    spare = np.empty((ROWS, WIDTH), np.float32)
    segments, hop, run = places.segments, places.hop, places.run
    for left in range(0, channels, WIDTH):
        columns = min(channels - left, WIDTH)
        whole = columns in (LANES, WIDTH) and count >= ROWS
        for begin in range(0, count, ROWS):
            row = min(begin, count - ROWS) if whole else begin  # the last tile computes some rows again
            target = start + row * channels + left
            tile, step = (y.ctypes.data + FLOAT_B * target, channels) if whole else (spare.ctypes.data, WIDTH)
            rows, shift = offsets.ctypes.data + INDEX_B * row, bias + FLOAT_B * left
            if count <= FEW:
                for line in range(count):
                    to = spare.ctypes.data + FLOAT_B * WIDTH * line
                    _single(
                        image, rows + INDEX_B * line, segments, hop, run, panels, shift, to, WIDTH, low, high
                    )
            elif columns > LANES:
                _wide(image, rows, segments, hop, run, panels, shift, tile, step, low, high)
            else:
                _narrow(image, rows, segments, hop, run, panels, shift, tile, step, low, high)
            if not whole:
                for line in range(min(ROWS, count - row)):
                    for column in range(columns):
                        y[target + line * channels + column] = spare[line, column]
        panels += FLOAT_B * segments * run * WIDTH
